"""Shipping by hand: one session into one sink after the other, until each has all of it or cannot have it.

Beside a node that ships itself nothing is shipped twice: whoever is at it is waited for. Main thread.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from livestack.actors.shipment import Did, Shipment
from livestack.actors.shipment_mark import alone
from livestack.actors.shipment_sink import SinkConnection
from livestack.exceptions import (
    HeldError,
    JournalDamagedError,
    LivestackError,
    SinkError,
    SinkRefusedError,
)
from livestack.journal.reader import JournalReader
from livestack.storage.cursor import name_of_address, read_marks
from livestack.storage.place import SinkPlace, make_sink
from livestack.transports.backoff import Backoff
from livestack.transports.clock import Clock

FAILURES_MAX = 3
"""In a row, of a sink that did answer once; one that never did is not waited for."""

LOOK_S = 0.1
"""Between two looks at what somebody else writes."""

LIVES_NS = 1_000_000_000
"""Between two looks whether the node is there."""

STOPPED = 130


class Shipped(msgspec.Struct, kw_only=True):
    """What became of a session and a sink. ``shipped`` records were written and ``refused`` of them set aside now;
    records of ``pending`` Events are not there yet; ``through``: the sink has all records up to this ``seq``."""

    session: str
    sink: str
    address: str
    shipped: int = 0
    refused: int = 0
    pending: int = 0
    through: int = 0
    error: str = ""
    exit: int = 0


IsRunning = Callable[[], bool]


class HandShipper:
    """Into the sink at ``place``. ``stopped`` is set by whoever does not want to wait; ``wait_ns`` is for others who
    ship the same."""

    def __init__(
        self, sessions: Path, place: SinkPlace, clock: Clock, stopped: threading.Event, wait_ns: int
    ) -> None:
        self._sessions = sessions
        self._place = place
        self._clock = clock
        self._stopped = stopped
        self._wait_ns = wait_ns
        self._connection = SinkConnection(make_sink(place, os.environ), clock, Backoff(random.Random()))
        self._has_answered = False
        self._given_up: SinkError | None = None

    def ship(self, session: str, running: bool, follow: IsRunning | None = None) -> Shipped:
        """All of ``session`` that is there; with ``follow`` also what its node writes, as long as it is there."""
        told = Shipped(session=session, sink=self._name(session), address=self._place.address)
        with ExitStack() as held:
            try:
                if self._given_up is not None:
                    told.through = self._marked(told)
                    told.pending = max(self._last_seq(session, running) - told.through, 0)
                    raise self._given_up
                if self._is_alone(held, session, told, running, waits=follow is None):
                    self._ship(session, running, follow, told)
            except LivestackError as error:
                told.error, told.exit = str(error), error.exit_code
            except OSError as error:
                told.error, told.exit = f"session {session}: {error}", HeldError.exit_code
        return told

    def _name(self, session: str) -> str:
        """A place that was given by its URL may have a name beside the journal already, from the session's file."""
        name, address = self._place.name, self._place.address
        if name != name_of_address(address):
            return name
        marks = [mark for mark in read_marks(self._sessions, session).values() if mark.address == address]
        return max(
            ((mark.name != name, mark.wall_ns, mark.name) for mark in marks), default=(False, 0, name)
        )[-1]

    def _marked(self, told: Shipped) -> int:
        """How far the sink is by its mark."""
        mark = read_marks(self._sessions, told.session).get(told.sink)
        return mark.through if mark is not None and mark.address == told.address else 0

    def _last_seq(self, session: str, running: bool) -> int:
        with JournalReader.open(self._sessions, session, running) as reader:
            return reader.last_seq()

    def close(self) -> None:
        self._connection.close()

    def _is_alone(self, held: ExitStack, session: str, told: Shipped, running: bool, waits: bool) -> bool:
        """Be the only one at it. Another one is waited for; False: it has shipped all that was there. ``HeldError``."""
        try:
            held.enter_context(alone(self._sessions, session, told.sink, told.address))
            return True
        except HeldError as error:
            if not waits:
                raise
            holder = error
        target = self._last_seq(session, running)
        click.echo(f"{holder}; waiting until it has shipped what is there now", err=True)
        deadline_ns = self._clock.now_ns() + self._wait_ns
        while self._clock.now_ns() < deadline_ns and not self._stopped.wait(LOOK_S):
            through = self._marked(told)
            if through >= target:
                told.through, told.pending = through, 0
                return False
            told.pending = target - through
            try:
                held.enter_context(alone(self._sessions, session, told.sink, told.address))
                return True
            except HeldError as error:
                holder = error
        raise holder

    def _ship(self, session: str, running: bool, follow: IsRunning | None, told: Shipped) -> None:
        shipment = Shipment(self._sessions, session, self._connection, told.sink, self._clock, live=running)
        if follow is None or not running:
            follow = None
            shipment.finish()
        try:
            with _bar(session, self._place.address) as bar:
                told.exit = self._run(shipment, follow, bar)
            told.shipped, told.refused = shipment.rows - shipment.refused, shipment.refused
            told.through, told.pending = shipment.through, shipment.behind()
        finally:
            shipment.close()
        if told.exit:
            told.error = shipment.trouble.text if shipment.trouble is not None else "stopped before its end"

    def _run(self, shipment: Shipment, follow: IsRunning | None, bar: Callable[[Shipment], None]) -> int:
        """The exit code."""
        looked_ns, said = self._clock.now_ns(), ""
        while True:
            did = shipment.advance()
            bar(shipment)
            self._has_answered = self._has_answered or self._connection.number > 0
            if did is Did.OVER:
                return 0
            if did is Did.DAMAGED:
                return JournalDamagedError.exit_code
            if did is Did.WAITS and follow is None and (code := self._gives_up(shipment)):
                return code
            if did is Did.WAITS and shipment.trouble is not None and shipment.trouble.text != said:
                said = shipment.trouble.text
                click.secho(said, fg="yellow", err=True)
            stopped = self._stopped.is_set() if did is Did.MORE else self._stopped.wait(LOOK_S)
            if follow is None:
                if stopped:
                    return STOPPED
                continue
            if self._clock.now_ns() - looked_ns >= LIVES_NS or stopped:
                looked_ns = self._clock.now_ns()
                if stopped or not follow():
                    follow = None
                    self._stopped.clear()
                    shipment.finish()

    def _gives_up(self, shipment: Shipment) -> int:
        """The exit code, where nobody is to wait for it any longer; 0 where another attempt may help."""
        error = self._connection.error
        if error is None:
            return shipment.exit_code  # of the journal, not of the sink
        may_help = self._has_answered and self._connection.failures < FAILURES_MAX
        if may_help and not isinstance(error, SinkRefusedError):
            return 0
        self._given_up = error  # of other sessions, too, nobody waits for it
        return error.exit_code


@contextmanager
def _bar(session: str, address: str) -> Iterator[Callable[[Shipment], None]]:
    """Events passed and records per second on stderr, where that is a terminal."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]:,.0f} records/s"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"{session} to {address}", total=None, speed=0)

        def show(shipment: Shipment) -> None:
            if console.is_terminal:
                elapsed = progress.tasks[0].elapsed or 1e-9
                progress.update(
                    task,
                    completed=shipment.seq,
                    total=shipment.complete + shipment.behind(),
                    speed=shipment.rows / elapsed,
                )

        yield show
