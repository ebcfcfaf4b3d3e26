"""Sends datagrams over UDP, and never waits: not for the network, not for a name, not for whoever is to receive them.

The socket does not block; names are looked up on a daemon thread of their own, again every minute and soon after an
error. The socket is connected, so that the network can say that nobody listens; it is never read and has the smallest
receive buffer there is, so that a peer that floods back costs nothing. Whatever is lost is told, by reason; as much of
it as this machine can know. ``send`` and ``close`` run on one thread, the telemetry actor's.
"""

from __future__ import annotations

import errno
import socket
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec

from livestack.telemetry.statsd import Datagram

LOOK_UP_S: Final = 60.0
LOOK_UP_AGAIN_S: Final = 5.0
"""After a failure: soon enough to follow a server that moved, seldom enough for whoever answers for names."""

UNRESOLVED: Final = "unresolved"
REFUSED: Final = "refused"
FULL: Final = "full"
UNREACHABLE: Final = "unreachable"
TOO_LONG: Final = "too_long"
ERROR: Final = "error"

_REASONS: Final = {
    errno.EAGAIN: FULL,
    errno.ENOBUFS: FULL,
    errno.ECONNREFUSED: REFUSED,
    errno.EMSGSIZE: TOO_LONG,
    **dict.fromkeys(
        (
            errno.ENETUNREACH,
            errno.EHOSTUNREACH,
            errno.ENETDOWN,
            errno.EHOSTDOWN,
            errno.EADDRNOTAVAIL,
            errno.EAFNOSUPPORT,
        ),
        UNREACHABLE,
    ),
}

_NO_ADDRESS: Final = (OSError, UnicodeError)
"""The latter: a name that cannot be one."""

Address = tuple[int, Any]
"""Family, and what ``connect`` takes."""


class Outcome(msgspec.Struct):
    """What became of some datagrams: those handed to the network, their bytes, and values lost by reason."""

    datagrams: int = 0
    size: int = 0
    lost: Counter[str] = msgspec.field(default_factory=Counter)


class Sender(Protocol):
    """Where datagrams go."""

    def send(self, datagrams: Sequence[Datagram]) -> Outcome:
        """Hand them to the network; never waits, never raises."""

    def close(self) -> None:
        """At once."""


class UdpSender:
    """To ``port`` of ``host``, a name or an address of either kind."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._addresses: tuple[Address, ...] = ()
        self._address: Address | None = None
        self._socket: socket.socket | None = None
        self._last: Datagram | None = None
        self._closed = threading.Event()
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None
        try:
            self._addresses = look_up(host, port, socket.AI_NUMERICHOST)
        except _NO_ADDRESS:
            self._thread = threading.Thread(target=self._look_up, name="telemetry names", daemon=True)
            self._thread.start()

    def send(self, datagrams: Sequence[Datagram]) -> Outcome:
        outcome = Outcome()
        for datagram in datagrams:
            try:
                self._send(datagram, outcome)
            except OSError as error:
                self._failed(error, datagram, outcome)
        return outcome

    def close(self) -> None:
        """A look-up that hangs is left behind: its thread ends when it can, and keeps nobody."""
        self._closed.set()
        self._wanted.set()
        self._end_socket()

    def _send(self, datagram: Datagram, outcome: Outcome) -> None:
        connected = self._connected()
        if connected is None:
            outcome.lost[UNRESOLVED] += datagram.values
            return
        try:
            connected.send(datagram.payload)
        except ConnectionRefusedError:
            # It is the one before that was refused: this one was not tried yet.
            self._refused(outcome)
            connected = self._connected()
            assert connected is not None
            connected.send(datagram.payload)
        self._last = datagram
        outcome.datagrams += 1
        outcome.size += len(datagram.payload)

    def _refused(self, outcome: Outcome) -> None:
        if self._last is not None:
            outcome.lost[REFUSED] += self._last.values
            self._last = None
        self._wanted.set()
        self._turn()

    def _failed(self, error: OSError, datagram: Datagram, outcome: Outcome) -> None:
        reason = _REASONS.get(error.errno or 0, ERROR)
        outcome.lost[reason] += datagram.values
        if reason not in (FULL, TOO_LONG):
            self._wanted.set()
            self._turn()
            if reason == ERROR:
                self._end_socket()

    def _turn(self) -> None:
        """Try the host's next address from here on, if it has more than one."""
        addresses = self._addresses
        if len(addresses) > 1 and self._address in addresses:
            after = addresses[(addresses.index(self._address) + 1) % len(addresses)]
            self._end_socket()
            self._address = after

    def _connected(self) -> socket.socket | None:
        """The socket, to an address that the host still has; None: no address is known."""
        addresses = self._addresses
        if not addresses:
            return None
        if self._address not in addresses:
            self._end_socket()
            self._address = addresses[0]
        if self._socket is None:
            family, place = self._address
            opened = socket.socket(family, socket.SOCK_DGRAM)
            self._socket = opened
            try:
                opened.setblocking(False)
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
                opened.connect(place)
            except OSError:
                self._end_socket()
                raise
        return self._socket

    def _end_socket(self) -> None:
        ended, self._socket = self._socket, None
        self._last = None
        if ended is not None:
            ended.close()

    def _look_up(self) -> None:
        """Its own thread. Addresses that were found stay until others are."""
        while True:
            pause_s = LOOK_UP_S
            try:
                self._addresses = look_up(self._host, self._port)
            except _NO_ADDRESS:
                pause_s = LOOK_UP_AGAIN_S
            if self._closed.wait(LOOK_UP_AGAIN_S):
                return
            self._wanted.wait(pause_s - LOOK_UP_AGAIN_S)
            self._wanted.clear()


def look_up(host: str, port: int, flags: int = 0) -> tuple[Address, ...]:
    """Every address of ``host``; ``OSError`` if it has none. May take as long as it likes."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=flags)
    return tuple(dict.fromkeys((family, place) for family, _, _, _, place in found))
