"""The node's side of one sink's shipper: how far it is, what it complains of, and that it ends with everything shipped.

Starting it, hearing it and ending it is :mod:`livestack.node.child_process`. Callbacks run on the child's thread or the
timers', and must only put a message somewhere.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from livestack.control.view import SinkView
from livestack.node.child_process import LINE_MAX, STOP_LINE, ChildProcess, tell
from livestack.transports.backoff import Backoff
from livestack.transports.clock import Clock, Timers


class Said(msgspec.Struct, frozen=True):
    """One line of a shipper, whichever of the reports of :mod:`livestack.node.shipper` it is: to import that would load
    all of a shipper into the node's process."""

    report: str
    text: str = ""
    refused: bool | int = False
    seq: int = 0
    through: int = 0
    ts: int = 0
    behind: int = 0
    rows: int = 0
    table: str = ""
    ordinal: int = 0
    error: str = ""


_decoder = msgspec.json.Decoder(Said)


class ShipperEvents(Protocol):
    """Whom a :class:`ShipperChild` tells. Nothing here may block."""

    def on_late(self, reason: str) -> None:
        """What the sink has is older than ``lag_max``; once until :meth:`on_caught_up`."""

    def on_caught_up(self) -> None:
        """It is in time again."""

    def on_refused(self, reason: str) -> None:
        """The sink says no until somebody acts; once until :meth:`on_accepted`."""

    def on_accepted(self) -> None:
        """It keeps records again."""

    def on_dead_letter(self, count: int, text: str) -> None:
        """It will never take the record that ``text`` tells of, the ``count``-th one of this run."""


def shipper_command(data_dir: Path, session: str) -> list[str]:
    """The command line of a session's shipper; which sink it is for comes on its stdin, as a URL may be secret."""
    return [
        sys.executable,
        *("-m", "livestack", "records", "ship", session, "--child"),
        *("--data-dir", str(data_dir.absolute())),
    ]


class ShipperChild(ChildProcess):
    """The shipper of one session to the sink ``sink`` at ``address``. Start and end on the node's main thread.

    It is *late* when what the sink has confirmed is older than ``lag_max_ns``: dead, stuck, too slow, or the sink is
    away. Whoever is told to stop ships what is left and ends with exit code 0: then :attr:`has_all`.
    """

    name = "shipper"

    def __init__(
        self,
        command: Sequence[str],
        sink: str,
        address: str,
        events: ShipperEvents,
        *,
        clock: Clock,
        timers: Timers,
        backoff: Backoff,
        lag_max_ns: int,
        first_line: bytes,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            command,
            clock=clock,
            timers=timers,
            backoff=backoff,
            environment=environment,
            first_line=first_line,
        )
        self._log = self._log.bind(sink=sink)
        self.sink = sink
        self.through = 0
        self.has_all = False
        self._address = address
        self._events = events
        self._lag_max_ns = lag_max_ns
        self._confirmed_ns = clock.now_ns()
        self._has_answered = False
        self._behind = self._rows = 0
        self._is_late = False
        self._refuses = False
        self._dead_letters = self._errors = 0
        self._stopping = False
        self._greeted: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and the look at its progress; returns at once."""
        self._confirmed_ns = self._clock.now_ns()
        self._look_again()
        self._thread.start()

    def tell_stop(self) -> None:
        """Have it ship what is left and end; one that is waiting to be started again starts now for that."""
        with self._lock:
            self._stopping = True
            if self._greeted is not None:
                tell(self._greeted, STOP_LINE)
        self._forget_look()
        self._wake.set()

    def view(self) -> SinkView:
        """How the sink is now. Any thread."""
        with self._lock:
            lag_ns = max(self._clock.now_ns() - self._confirmed_ns, 0)
            return SinkView(
                name=self.sink,
                address=self._address,
                state=self._state(lag_ns),
                through=self.through,
                behind=self._behind,
                lag_ns=lag_ns,
                error=self._trouble,
                dead_letters=self._dead_letters,
                errors=self._errors,
            )

    def _state(self, lag_ns: int) -> str:
        if self._refuses:
            return "refused"
        if self._trouble:
            return "down"
        if lag_ns >= self._lag_max_ns:
            return "behind"
        return "ok" if self._has_answered else "starting"

    def _greet(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            tell(process, self._first_line + (STOP_LINE if self._stopping else b""))
            self._greeted = process

    def _is_hurried(self) -> bool:
        return self._stopping or super()._is_hurried()

    def _is_final(self, code: int) -> bool:
        self.has_all = self._stopping and code == 0
        return self._stopping

    def _not_started(self, cause: str) -> None:
        with self._lock:
            self._over = self._over or self._stopping  # nobody waits for the machine to have room

    def _hear(self, line: bytes) -> None:
        try:
            said = _decoder.decode(line)
        except msgspec.MsgspecError:
            self._say(line)
            return
        match said.report:
            case "shipped":
                self._progressed(said)
            case "error":
                self._in_trouble(said.text[:LINE_MAX], bool(said.refused))
            case "refused":
                self._lost(f"{said.table}, seq {said.seq}, ordinal {said.ordinal}: {said.error}"[:LINE_MAX])
            case _:
                self._say(line)

    def _lost(self, record: str) -> None:
        with self._lock:
            self._dead_letters += 1
            count = self._dead_letters
        self._log.error("record_refused", count=count, cause=record)
        self._events.on_dead_letter(count, record)

    def _in_trouble(self, text: str, refused: bool) -> None:
        with self._lock:
            is_news = refused and not self._refuses
            self._refuses = self._refuses or refused
            self._errors += 1
            self._trouble = text
        self._log.warning("shipper_trouble", cause=text, refused=refused)
        if is_news:
            self._events.on_refused(text)

    def _progressed(self, report: Said) -> None:
        """``ts`` is in session time, as the clock's: at the end of the journal the sink has all of it until now.

        A trouble is over when something was kept, or nothing is left to be: one that answers may still take nothing.
        """
        now_ns = self._clock.now_ns()
        confirmed_ns = report.ts if report.behind else now_ns
        with self._lock:
            works = not report.behind or report.rows > self._rows
            accepted = self._refuses and works
            if works:
                self._refuses = False
                self._has_answered = True
                self._trouble = ""
            self.through, self._behind, self._rows = report.through, report.behind, report.rows
            self._confirmed_ns = max(self._confirmed_ns, confirmed_ns)
            back = self._is_late and now_ns - self._confirmed_ns < self._lag_max_ns
            if back:
                self._is_late = False
        if works:
            self._backoff.reset()
        if accepted:
            self._events.on_accepted()
        if back:
            self._log.warning("shipper_caught_up", through=report.through)
            self._events.on_caught_up()
            self._look_again()

    def _look_again(self) -> None:
        """Have somebody look when it would be late if nothing more were heard."""
        self._forget_look = self._timers.at(self._confirmed_ns + self._lag_max_ns, self._look)

    def _look(self) -> None:
        with self._lock:
            if self._over or self._stopping:
                return
            self._is_late = self._clock.now_ns() - self._confirmed_ns >= self._lag_max_ns
            late = self._is_late
            cause = self._trouble or ("it is too slow" if self._behind else "it says nothing")
        if not late:
            self._look_again()
            return
        seconds = self._lag_max_ns // 1_000_000_000
        reason = f"it has nothing behind seq {self.through} of the last {seconds} s: {cause}"
        self._log.warning("shipper_late", cause=reason)
        self._events.on_late(reason)
