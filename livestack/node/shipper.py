"""What a node's shipper process runs: one sink for one session, told on its first line of stdin which.

The actor works; the main thread waits for the node. ``stop`` on stdin: ship what is left of the session and end with 0,
however long that takes, as the node ends whoever takes too long. The end of stdin: the node is gone, however it went,
and so is this process at once; what it was writing is written again by whoever ships next, and kept once.

Whoever calls :func:`run_child` ends the process at once with the exit code that it returns: the actor's thread may be
at a sink that does not answer, and libraries of storage have threads that may abort an interpreter which ends slowly.
"""

from __future__ import annotations

import gc
import os
import random
import select
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from livestack.actors.mailbox import Mailbox
from livestack.actors.messages import ActorFailed
from livestack.actors.shipment_mark import Trouble
from livestack.actors.shipment_sink import SinkConnection
from livestack.actors.shipper import Refused, Report, RestShipped, ShippedUpTo, ShipperActor, ShipTheRest
from livestack.exceptions import JournalDamagedError, LivestackError, UnreachableError, UsageError
from livestack.node import triggers
from livestack.storage.place import SinkPlace, make_sink
from livestack.transports.backoff import Backoff
from livestack.transports.clock import SystemClock, TimerThread

__all__ = ["Instructions", "Refused", "Report", "ShippedUpTo", "Trouble", "run_child"]

NICE: Final = 10
"""Behind the node wherever both want the same processor."""

EXIT_OVER: Final = 0
EXIT_GONE: Final = UnreachableError.exit_code
EXIT_FAILED: Final = LivestackError.exit_code


class Instructions(msgspec.Struct, frozen=True, kw_only=True):
    """What a node tells its shipper. ``place`` may hold a password: this line is never logged."""

    place: SinkPlace


_decoder = msgspec.json.Decoder(Instructions)


class PipeSignal:
    """A mailbox's signal that the poll of a main thread sees."""

    def __init__(self) -> None:
        self.read_end, self._write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def set(self) -> None:
        with suppress(BlockingIOError):  # it is full of what was not read yet
            os.write(self._write_end, b"x")

    def wait(self) -> None:
        select.select([self.read_end], [], [])
        os.read(self.read_end, 4_096)


def spare_the_collector() -> None:
    """Records are made without cycles; looking for some took a tenth of a shipper's time."""
    gc.set_threshold(100_000, 50, 1_000)


def run_child(sessions: Path, session: str, environment: Mapping[str, str]) -> int:
    """Ship ``session`` as the node on the other end of stdin says; the exit code."""
    spare_the_collector()
    os.nice(NICE)
    triggers.ignore()
    # What ends the node's group ends the node, and the node ends this.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.set_blocking(1, False)  # a node that does not read must not hold up what is shipped
    with open(0, "rb", buffering=0, closefd=False) as stdin:
        line = stdin.readline()
    if not line:
        return EXIT_GONE
    try:
        place = _decoder.decode(line).place
        sink = make_sink(place, environment)
    except msgspec.MsgspecError as error:
        say(Trouble(f"the instructions cannot be read: {error}", refused=True))
        return UsageError.exit_code
    except LivestackError as error:
        say(Trouble(str(error), refused=True))
        return error.exit_code
    clock = SystemClock()
    heard = PipeSignal()
    supervisor, mailbox = Mailbox(heard), Mailbox()
    ShipperActor.start(
        mailbox=mailbox,
        supervisor=supervisor,
        sessions=sessions,
        session=session,
        name=place.name,
        connection=SinkConnection(sink, clock, Backoff(random.Random())),
        clock=clock,
        timers=TimerThread(clock),
        report=say,
    )
    return _await_end(supervisor, heard.read_end, mailbox)


def _await_end(supervisor: Mailbox, heard: int, mailbox: Mailbox) -> int:
    """Until the node, or the actor, says that it is over; the exit code."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(heard, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if 0 in ready:
            told = os.read(0, 4_096)
            if not told:
                return EXIT_GONE
            mailbox.tell(ShipTheRest())
        if heard in ready:
            os.read(heard, 4_096)
            envelope = supervisor.take()
            for message in envelope.message if envelope is not None else ():
                if isinstance(message, RestShipped):
                    return JournalDamagedError.exit_code if message.damaged else EXIT_OVER
                if isinstance(message, ActorFailed):
                    say(Trouble(f"the shipper failed: {message.error}"))
                    return EXIT_FAILED


def say(report: Report) -> None:
    """One line to the node; where nobody reads it, nobody is there."""
    with suppress(OSError):
        os.write(1, msgspec.json.encode(report) + b"\n")
