"""What actors say to each other, besides Events. Pure data; no thread."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from livestack.actors.mailbox import Told
from livestack.control.commands import Sender
from livestack.control.view import View
from livestack.core.events import DerivedEvent, OperatorCommand, Recorded
from livestack.core.types import TradingState
from livestack.journal.writer import CommittedDispatch
from livestack.transports.base import Refusal
from livestack.venues.adapter import Fetched, HostQuery, Inherited
from livestack.wire.control_pb2 import Reply, Request


class RecordBatch(msgspec.Struct, frozen=True):
    """Harness to recorder: positions of the Event Stream, in order and whole (an INPUT with all its DERIVED).

    ``final``: it ends with ``SessionStopped``; nothing follows. ``told``: what somebody hears once these are durable.
    """

    records: list[Recorded]
    final: bool = False
    told: tuple[Told, ...] = ()


class LookAtSpace(msgspec.Struct, frozen=True):
    """Timer to recorder: see how much room the disk has."""


class Release(msgspec.Struct, frozen=True):
    """Recorder to connector: dispatches whose record is durable now, in journal order."""

    dispatches: list[CommittedDispatch]


class AskVenue(msgspec.Struct, frozen=True):
    """Harness to connector: an obligation that only the venue can answer."""

    query: HostQuery


class Connect(msgspec.Struct, frozen=True):
    """Timer to feed or connector: it is time to connect. ``start``: that of the actor which is meant; ``slot``: which
    of a feed's connections."""

    start: int
    slot: int = 0


class Tick(msgspec.Struct, frozen=True):
    """Timer to an actor: time has passed. ``start``: that of the connector which is meant."""

    start: int = 0


class Opened(msgspec.Struct, frozen=True):
    """Reader thread to its actor: the connection is open."""

    connection: int
    now_ns: int


class Delivering(msgspec.Struct, frozen=True):
    """Reader thread to feed: the connection has brought its first market data."""

    connection: int


class FrameReceived(msgspec.Struct, frozen=True, gc=False):
    """Reader thread to connector: one frame of the private stream."""

    connection: int
    frame: bytes
    recv_ns: int


class RestAnswered(msgspec.Struct, frozen=True):
    """HTTP transport to connector: the answer to a plain request. ``start``: that of the connector which is meant."""

    start: int
    answer: Fetched


class Closed(msgspec.Struct, frozen=True):
    """Reader thread to its actor: the connection is gone, or never was. ``refusal``: because the server said no."""

    connection: int
    reason: str
    now_ns: int
    refusal: Refusal | None = None


# -- To the control actor ------------------------------------------------------------------------------------------


Answer = Callable[[Reply], None]


class Asked(msgspec.Struct, frozen=True):
    """Desk to control: a command that its sender may give; ``answer`` wants one reply, on any thread."""

    request: Request
    sender: Sender
    answer: Answer


class Viewed(msgspec.Struct, frozen=True):
    """Harness, by way of the recorder: State as it was at a position that is durable now."""

    view: View


class Engagement(msgspec.Struct, frozen=True):
    """One pull. ``closed_ns`` and ``last_new_ns`` (0: none was written) are session time, ``closed_at_ns`` since 1970.

    ``durable``: the latch is on disk.
    """

    number: int
    trigger: str
    by: str
    reason: str
    venue: str
    instrument: str
    closed_ns: int
    closed_at_ns: int
    last_new_ns: int
    durable: bool

    @property
    def scope(self) -> str:
        return self.instrument or self.venue

    @property
    def last_new_at_ns(self) -> int:
        """When the last New or Replace in scope was written, since 1970; 0: none was."""
        return self.closed_at_ns - (self.closed_ns - self.last_new_ns) if self.last_new_ns else 0


class Engaged(msgspec.Struct, frozen=True):
    """The kill-switch was pulled: see what is engaged, and prove that nothing is left."""


class Answered(msgspec.Struct, frozen=True):
    """The Core has taken a command at ``seq``, and that is durable; ``derived`` says what came of it.

    ``trading``: the state that covers everything after it; ``halting``: open incidents that make it HALTED;
    ``killed``: the kill-switch is engaged for some scope; ``halted``: where else it is HALTED, in words.
    """

    seq: int
    command: OperatorCommand
    derived: tuple[DerivedEvent, ...]
    trading: TradingState = TradingState.ACTIVE
    halting: tuple[str, ...] = ()
    killed: bool = False
    halted: tuple[str, ...] = ()


class Committed(msgspec.Struct, frozen=True):
    """Recorder to control, while somebody follows: these are durable."""

    records: list[Recorded]


# -- To the supervisor ---------------------------------------------------------------------------------------------


class ActorFailed(msgspec.Struct, frozen=True):
    """An actor met an exception that it does not handle and is dead now. ``poison``: the Event it was at, if any;
    ``number``: which one it was of those that have its name."""

    actor: str
    error: str
    poison: Recorded | None = None
    number: int = 0


class Unreachable(msgspec.Struct, frozen=True):
    """A first connection could not be made."""

    address: str
    cause: str


class StopRequested(msgspec.Struct, frozen=True):
    """Someone wants the session to end in order. ``is_signal``: a second one of these hurries it."""

    by: str
    reason: str
    is_signal: bool = False


class Quiescent(msgspec.Struct, frozen=True):
    """The session is stopping and no order is open, queued, inflight or unknown."""


class SessionEnded(msgspec.Struct, frozen=True):
    """``SessionStopped`` is committed; ``seq`` is the stream's last position."""

    seq: int


class DeadlinePassed(msgspec.Struct, frozen=True):
    """A time limit that the supervisor set for itself; ``name`` says which, ``failure`` after which one of the actor
    in it, where that matters."""

    name: str
    failure: int = 0


class ConnectorWanted(msgspec.Struct, frozen=True):
    """What the connector of ``venue`` that takes a failed one's place begins with. ``failure``: after which one of
    them somebody asked for it."""

    venue: str
    inherited: Inherited
    has_baseline: bool
    failure: int = 0


SupervisorMessage = (
    ActorFailed | Unreachable | StopRequested | Quiescent | SessionEnded | DeadlinePassed | ConnectorWanted
)
