"""What the tests of control, kill-switch and failures share: a node at work, looked at and steered from outside."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import zmq

from livestack.client import ControlClient
from livestack.control.endpoints import endpoints
from livestack.core.events import Event, Recorded
from livestack.exceptions import (
    NodeUnreachableError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RefusedError,
)
from livestack.journal.reader import JournalReader
from livestack.research.replay import ReplayResult, replay
from livestack.wire import control_pb2 as wire
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.support import Process, Venue, start_node

PLACING = ("order.place", "order.cancelReplace", "order.amend.keepPriority")

LIMIT_S = 60.0
"""How long a reply is waited for: machines are shared."""

LOOK_S = 0.02

VENUE_ARGUMENTS = ("--symbols", "2", "--rate", "500", "--allowance", "1000")

RESTLESS = """
[strategy]
path = "tests.campaigns.restless:Restless"
[strategy.parameters]
qty = "0.1"
pause = "20ms"
"""


MISBEHAVING = """
[strategy]
path = "tests.live.misbehaving:Misbehaving"
[strategy.parameters]
qty = "0.1"
pause = "20ms"
after = 900
how = "{how}"
pipe = "{pipe}"
"""

SHORT_STALL = {'strategy_stall = "30s"': 'strategy_stall = "200ms"'}


RATE_LIMIT = ('interval = "10s"\nlimit = 50', 'interval = "100ms"\nlimit = 1000\nguard_band = "1ms"')
"""Short windows: a resumed session takes the present one as full."""


class Pause:
    """A thread of a node that waits at the failpoint ``block:PIPE`` until it is let go; also as a context."""

    def __init__(self, pipe: Path) -> None:
        self.pipe = pipe
        self._file = -1
        os.mkfifo(pipe)

    def wait(self, node: Process) -> None:
        """Until a thread of ``node`` has come to the point."""
        while self._file < 0:
            assert node.running(), node.stderr()
            try:
                self._file = os.open(self.pipe, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise

    def end(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            self.pipe.unlink()  # whoever comes here again, in a replay too, goes on
            os.close(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.end()


def write(directory: Path, venue: Venue, strategy: str = "", changes: dict[str, str] | None = None) -> Path:
    """A configuration that trades on two instruments (the market maker: on the first); ``changes``: other text."""
    path = configuration.write(directory, venue.symbols[:2], strategy or market_maker(venue.symbols[0]))
    text = path.read_text()
    for old, new in (RATE_LIMIT, *(changes or {}).items()):
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return path


def start(directory: Path, path: Path, venue: Venue, *arguments: str, failpoints: str = "") -> Process:
    return start_node(
        directory, path, {**venue.environment(), "LIVESTACK_FAILPOINTS": failpoints}, *arguments
    )


def client(directory: Path) -> ControlClient:
    return ControlClient.of_data_dir(directory / "data", LIMIT_S)


def until(node: Process, condition: Callable[[], Any]) -> Any:
    """What ``condition`` returns once that is true; the end of ``node`` before is a failure."""
    while True:
        with suppress(NodeUnreachableError, OutcomeUnknownError):
            if found := condition():
                return found
        assert not node.ended(LOOK_S), node.stderr()


def until_refused_no_more(node: Process, condition: Callable[[], Any]) -> Any:
    """As :func:`until`, where the node may still be too busy to answer."""

    def asked() -> Any:
        try:
            return condition()
        except PermissionDeniedError:
            raise
        except RefusedError as error:
            if error.code not in ("BUSY", "RATE_LIMITED"):
                raise
            return None

    return until(node, asked)


def hand_in(directory: Path, requests: Iterable[wire.Request]) -> None:
    """Send commands and be gone as soon as the node has taken them in; nobody waits for their answers."""
    ping = wire.Request(request_id="taken-in", ping=wire.Ping())
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(endpoints(directory / "data").control)
        for request in (*requests, ping):
            request.protocol, request.issued_at_ns = 1, time.time_ns()
            socket.send(request.SerializeToString())
        while wire.Reply.FromString(socket.recv()).WhichOneof("answer") != "pong":
            pass


def placements(venue: Venue, symbol: str = "") -> list[Any]:
    """Every New and Replace that the venue has seen."""
    return [one for one in venue.look("orders") if one["kind"] in PLACING and symbol in ("", one["symbol"])]


def until_trading(venue: Venue, node: Process, beyond: int | None = None) -> None:
    """Until the venue has seen some more requests, and holds an open order."""
    beyond = venue.look("seen") if beyond is None else beyond
    until(node, lambda: venue.look("seen") > beyond + 4 and venue.look("open"))


def until_heard(node: Process, directory: Path, events: int = 150) -> None:
    """Until the node has taken in so many more Events: long enough for a strategy to have acted on them."""
    with client(directory) as control:
        before = until_refused_no_more(node, lambda: control.status().seq or None)
        until_refused_no_more(node, lambda: control.status().seq >= before + events)


def until_flat(node: Process, directory: Path) -> Any:
    """The receipt, once it is flat."""
    with client(directory) as control:

        def receipt() -> Any:
            found = control.kill_receipt()
            return found if found.flat else None

        return until_refused_no_more(node, receipt)


def session(directory: Path) -> str:
    """The newest session with a journal."""
    sessions = directory / "data" / "sessions"
    names = [path.name for path in sessions.iterdir() if any((path / "journal").glob("[0-9]*"))]
    return max(names)


def journal(directory: Path) -> list[Recorded]:
    """Every record of the newest session, of one that runs too."""
    with JournalReader.open(directory / "data" / "sessions", session(directory), True) as reader:
        return list(reader.records())


def of(directory: Path, kind: type[Event]) -> list[Any]:
    """Its Events of one kind."""
    return [record.event for record in journal(directory) if type(record.event) is kind]


def replayed(directory: Path) -> ReplayResult:
    """The newest session, identical from its first Event to its last."""
    with JournalReader.open(directory / "data" / "sessions", session(directory)) as reader:
        result = replay(reader)
    assert (True, True, True) == (result.identical, result.complete, result.chain_ok), result
    return result
