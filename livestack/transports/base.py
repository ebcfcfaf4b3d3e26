"""What a transport is: thin, replaceable by the simulation's, and without any knowledge of what it carries.

Connections call back on a reader thread of their own; ``recv_ns`` is stamped there, once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

FRAME_BYTES_MAX = 8 << 20
"""Largest frame accepted: a 5 000-level snapshot is below 1 MiB; ours arrive over REST anyway."""


class Refusal(msgspec.Struct, frozen=True):
    """The upgrade to a WebSocket was answered with another HTTP ``status``. ``retry_after_s``: for how long it wants no
    further attempt, in seconds; -1 where it does not say."""

    status: int
    retry_after_s: int = -1


class Receiver(Protocol):
    """Who hears from a connection. Every method runs on that connection's reader thread."""

    def on_open(self, now_ns: int) -> None: ...

    def on_frame(self, frame: bytes, recv_ns: int) -> None: ...

    def on_wake(self, now_ns: int) -> None:
        """Somebody called ``wake``, or a quarter of a second passed since the last call, frames or none."""

    def on_close(self, reason: str, now_ns: int, refusal: Refusal | None = None) -> None:
        """Last call, exactly once, also when the connection could not be opened. ``refusal``: the server said no."""


class Connection(Protocol):
    def send(self, text: str) -> None:
        """Write one text frame, any thread, bounded in time.

        ``NotSentError`` if not one byte was written; ``TransportError`` if the outcome is unknown (the connection is
        shut then).
        """

    def wake(self) -> None:
        """Have the reader thread call ``on_wake`` soon. Any thread, never blocks."""

    def close(self) -> None:
        """Begin to close; ``on_close`` follows. Any thread, never blocks, idempotent."""


class WebSocketTransport(Protocol):
    def connect(self, url: str, receiver: Receiver) -> Connection:
        """Begin to connect; returns at once. The outcome is ``on_open`` or ``on_close``."""


class HttpRequest(msgspec.Struct, frozen=True):
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        # The rest may hold key and signature.
        return f"HttpRequest({self.method} {self.url.partition('?')[0]})"


class HttpResponse(msgspec.Struct, frozen=True):
    """``status`` 0: no answer, ``error`` says why; times are monotonic nanoseconds."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    error: str
    begun_ns: int
    recv_ns: int


class HttpTransport(Protocol):
    def submit(self, request: HttpRequest, reply: Callable[[HttpResponse], None]) -> None:
        """Perform ``request`` on the transport's own thread and hand the answer to ``reply`` there."""

    def close(self) -> None: ...


class RequestTransport(Protocol):
    """Writes HTTP requests on the caller's thread, over connections that are open already.

    It is the way by which an order leaves where there is no WebSocket: what ``send`` says of a write is as certain as
    what :meth:`Connection.send` says.
    """

    def keep(self, url: str) -> None:
        """Have connections to the server of ``url`` open in advance, for a while from now. Any thread, never blocks."""

    def send(
        self, request: HttpRequest, reply: Callable[[HttpResponse], None], *, reduces: bool = False
    ) -> None:
        """Write ``request``, bounded in time; ``reply`` gets the answer exactly once, on another thread. What
        ``reduces`` finds a connection also where all others wait for answers.

        ``NotSentError`` if not one byte was written, ``TransportError`` if the outcome is unknown: then ``reply`` is
        never called. An answer with status 0: it was written, and none came.
        """

    def shut(self) -> None:
        """Cut every connection, also one that is being written to. Any thread, never blocks."""

    def close(self) -> None: ...
