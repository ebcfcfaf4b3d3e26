"""The states of one connection, shared by feeds and order entry: one table, no I/O.

Pure; imports ``core`` only. Belongs to whoever owns the connection's adapter.

::

    DISCONNECTED -> CONNECTING -> SYNCHRONISING <-> LIVE
                                       ^             |
                                   DEGRADED <--------'        CLOSED leads to DISCONNECTED from everywhere

``DEGRADED`` is a connection that is open and of no use as it is: refused credentials, a private stream that the venue
ended, a gap that the host reported. It leaves that state by synchronising anew, or by being closed.
"""

from __future__ import annotations

from enum import IntEnum

from livestack.core.types import ConnectionStatus


class Signal(IntEnum):
    """What can happen to a connection, as far as its state is concerned."""

    CONNECT = 1
    """The host began to connect."""
    OPENED = 2
    """The transport is open; now log on, subscribe, synchronise."""
    SYNCHRONISED = 3
    """Everything known about the other side is current."""
    DOUBT = 4
    """Something may have been missed: synchronise anew over the same connection."""
    DEGRADE = 5
    """Of no use as it is; the reason says why."""
    CLOSED = 6
    """The transport is gone."""


_DISCONNECTED, _CONNECTING = ConnectionStatus.DISCONNECTED, ConnectionStatus.CONNECTING
_SYNCHRONISING, _LIVE, _DEGRADED = (
    ConnectionStatus.SYNCHRONISING,
    ConnectionStatus.LIVE,
    ConnectionStatus.DEGRADED,
)

TRANSITIONS: dict[tuple[ConnectionStatus, Signal], ConnectionStatus] = {
    (_DISCONNECTED, Signal.CONNECT): _CONNECTING,
    (_DISCONNECTED, Signal.OPENED): _SYNCHRONISING,
    (_CONNECTING, Signal.OPENED): _SYNCHRONISING,
    (_CONNECTING, Signal.CLOSED): _DISCONNECTED,
    (_SYNCHRONISING, Signal.OPENED): _SYNCHRONISING,
    (_SYNCHRONISING, Signal.SYNCHRONISED): _LIVE,
    (_SYNCHRONISING, Signal.DEGRADE): _DEGRADED,
    (_SYNCHRONISING, Signal.CLOSED): _DISCONNECTED,
    (_LIVE, Signal.OPENED): _SYNCHRONISING,
    (_LIVE, Signal.DOUBT): _SYNCHRONISING,
    (_LIVE, Signal.DEGRADE): _DEGRADED,
    (_LIVE, Signal.CLOSED): _DISCONNECTED,
    (_DEGRADED, Signal.OPENED): _SYNCHRONISING,
    (_DEGRADED, Signal.DOUBT): _SYNCHRONISING,
    (_DEGRADED, Signal.CLOSED): _DISCONNECTED,
}
"""(state, signal) -> state. A pair that is not here changes nothing."""


class SessionState:
    """Where one connection stands."""

    def __init__(self) -> None:
        self.status = ConnectionStatus.DISCONNECTED

    def take(self, signal: Signal) -> bool:
        """Apply ``signal``; True where the state is another one now."""
        after = TRANSITIONS.get((self.status, signal), self.status)
        changed = after is not self.status
        self.status = after
        return changed
