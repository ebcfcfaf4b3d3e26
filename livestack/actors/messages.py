"""What actors say to each other, besides Events. Pure data; no thread."""

from __future__ import annotations

import msgspec

from livestack.core.events import Recorded
from livestack.journal.writer import CommittedDispatch
from livestack.venues.adapter import HostQuery


class RecordBatch(msgspec.Struct, frozen=True):
    """Harness to recorder: positions of the Event Stream, in order and whole (an INPUT with all its DERIVED).

    ``final``: it ends with ``SessionStopped``; nothing follows.
    """

    records: list[Recorded]
    final: bool = False


class LookAtSpace(msgspec.Struct, frozen=True):
    """Timer to recorder: see how much room the disk has."""


class Release(msgspec.Struct, frozen=True):
    """Recorder to connector: dispatches whose record is durable now, in journal order."""

    dispatches: list[CommittedDispatch]


class AskVenue(msgspec.Struct, frozen=True):
    """Harness to connector: an obligation that only the venue can answer."""

    query: HostQuery


class Connect(msgspec.Struct, frozen=True):
    """Timer to feed or connector: it is time to connect."""


class Tick(msgspec.Struct, frozen=True):
    """Timer to connector: let the adapter look at the time."""


class Opened(msgspec.Struct, frozen=True):
    """Reader thread to its actor: the connection is open."""

    connection: int
    now_ns: int


class FrameReceived(msgspec.Struct, frozen=True, gc=False):
    """Reader thread to connector: one frame of the private stream."""

    connection: int
    frame: bytes
    recv_ns: int


class Closed(msgspec.Struct, frozen=True):
    """Reader thread to its actor: the connection is gone, or never was."""

    connection: int
    reason: str
    now_ns: int


# -- To the supervisor ---------------------------------------------------------------------------------------------


class ActorFailed(msgspec.Struct, frozen=True):
    """An actor met an exception that it does not handle and is dead now. ``poison``: the Event it was at, if any."""

    actor: str
    error: str
    poison: Recorded | None = None


class Unreachable(msgspec.Struct, frozen=True):
    """A first connection could not be made."""

    address: str
    cause: str


class StopRequested(msgspec.Struct, frozen=True):
    """Someone wants the session to end in order."""

    by: str
    reason: str


class Quiescent(msgspec.Struct, frozen=True):
    """The session is stopping and no order is open, queued, inflight or unknown."""


class SessionEnded(msgspec.Struct, frozen=True):
    """``SessionStopped`` is committed; ``seq`` is the stream's last position."""

    seq: int


class DeadlinePassed(msgspec.Struct, frozen=True):
    """A time limit that the supervisor set for itself; ``name`` says which."""

    name: str


SupervisorMessage = ActorFailed | Unreachable | StopRequested | Quiescent | SessionEnded | DeadlinePassed
