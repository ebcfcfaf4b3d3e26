"""The contract between a venue's protocol and the actors that host it. Pure: no socket, no clock, no thread.

An adapter is a state machine with three verbs: things that happened go in (``connected``, ``receive``, ``fetched``,
``tick``, ``disconnected``), canonical Events come out (``events``), and what the transport shall do comes out
(``outgoing``). The host gives every time: ``now_ns`` is its monotonic clock, ``wall_ns`` its wall clock; an adapter
never reads one. An adapter belongs to one thread at a time. Nothing that arrives, however wrong, raises: it is
counted in ``faults``, reported in ``complaints`` and, where a book could be wrong now, that book is invalidated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from livestack.core.events import Event, InstrumentDefined
from livestack.core.obligations import CancelAllAtVenue, QueryFills, QueryOpenOrders, QueryOrder
from livestack.core.types import ConnectionStatus, OrderRequest

FRAME_HEAD_BYTES = 256
"""How much of an offending frame is kept for the log: enough to see what it is, too little to flood it."""

LOG_ON_REFUSED = "log_on_refused"
"""The ``Complaint.kind`` of a venue that lets us in no more: wrong key, secret or permission. Repeating is no use."""

HostQuery = QueryOrder | QueryOpenOrders | QueryFills | CancelAllAtVenue
"""What the Core may ask of the host about a venue: it only looks or reduces, so it needs no committed record."""


class HostRequest(msgspec.Struct, frozen=True):
    """A frame that the host sends on its own account: log-on, subscription, query, cancel-all, keep-alive.

    It can only look or reduce. New, Replace and Cancel never travel in this type. ``text`` may hold an API key and a
    signature, so it is not printed.
    """

    text: str
    purpose: str

    def __repr__(self) -> str:
        return f"HostRequest(purpose={self.purpose!r})"


class Fetch(msgspec.Struct, frozen=True):
    """An HTTP request for the transport: ``path`` below the venue's REST URL, answered through ``fetched``."""

    fetch_id: int
    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    purpose: str


class Fetched(msgspec.Struct, frozen=True):
    """The answer to a :class:`Fetch`. ``status`` 0: none came, ``error`` says why and the outcome is unknown."""

    fetch_id: int
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    error: str
    begun_ns: int
    recv_ns: int


class Complaint(msgspec.Struct, frozen=True):
    """One offending frame or answer: a stable ``kind``, a sentence, and the frame's head for the log."""

    kind: str
    detail: str
    frame_head: bytes


class MarketDataAdapter(Protocol):
    """A venue's market-data stream: subscriptions, book synchronisation, gap detection."""

    @property
    def faults(self) -> Mapping[str, int]:
        """How often each ``Complaint.kind`` was met."""

    def connected(self, now_ns: int) -> None:
        """The transport is open: subscribe and begin to synchronise every book."""

    def receive(self, frame: bytes, recv_ns: int) -> None:
        """One text frame as it came off the wire."""

    def fetched(self, answer: Fetched) -> None:
        """The answer to an earlier :class:`Fetch`; unknown ids are ignored."""

    def tick(self, now_ns: int) -> None:
        """Time passed: look for silence and overdue answers. Called about every 250 ms and after each wake."""

    def overflowed(self, now_ns: int) -> None:
        """The host could not take the last events: every book is invalid until synchronised anew."""

    def disconnected(self, reason: str, now_ns: int) -> None:
        """The transport is gone: every book is invalid."""

    def events(self) -> list[Event]:
        """Events since the last call, in order; the list is the caller's."""

    def outgoing(self) -> list[HostRequest | Fetch]:
        """What to write or fetch since the last call, in order."""

    def complaints(self) -> list[Complaint]:
        """Offending input since the last call."""


class OrderEntryAdapter(Protocol):
    """A venue's order entry, private stream and reconciliation over one connection.

    It emits ``VenueStatusChanged``: SYNCHRONISING when open, LIVE only after log-on, subscription and
    reconciliation (open orders, fills since the last known one, balances), DISCONNECTED when gone.
    """

    @property
    def faults(self) -> Mapping[str, int]:
        """How often each ``Complaint.kind`` was met."""

    @property
    def status(self) -> ConnectionStatus:
        """Where the connection is; LIVE only after reconciliation."""

    @property
    def settling_ns(self) -> int:
        """A query that begins this long after a send and does not know the order proves its absence (section 8)."""

    def connected(self, now_ns: int, wall_ns: int) -> None: ...

    def receive(self, frame: bytes, recv_ns: int) -> None: ...

    def encode(self, request: OrderRequest, now_ns: int, wall_ns: int) -> str:
        """The signed frame for a committed dispatch, remembered as pending from now on.

        ``ValueError`` with a sentence where the venue's protocol cannot express it.
        """

    def sent(self, request: OrderRequest, send_ns: int) -> None:
        """Every byte was written at ``send_ns``."""

    def unsent(self, request: OrderRequest) -> None:
        """Proven that not one byte was written: forget it."""

    def ask(self, query: HostQuery, now_ns: int, wall_ns: int) -> None:
        """Begin a query or a cancel-all; its frames come out of ``outgoing``, its answers as Events."""

    def tick(self, now_ns: int, wall_ns: int) -> None: ...

    def disconnected(self, reason: str, now_ns: int) -> None:
        """Every pending request is of unknown outcome now."""

    def events(self) -> list[Event]: ...

    def outgoing(self) -> list[HostRequest]: ...

    def complaints(self) -> list[Complaint]: ...


class Credentials(msgspec.Struct, frozen=True):
    """An API key with its secret: ``hmac`` a shared secret, ``ed25519`` a PKCS#8 PEM private key. Never printed."""

    api_key: str
    kind: str
    secret: str

    def __repr__(self) -> str:
        return f"Credentials(api_key={self.api_key[:4]}..., kind={self.kind})"


class InheritedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order that was open when the session was interrupted, under the ids that it had then.

    ``qty`` is its total through all its incarnations, while a venue may count only the present one; 0 where it has
    none. ``replace_id``: client id of a Replace of unknown fate, '' if there is none; ``replace_qty`` the total of it.
    """

    instrument: str
    order_id: int
    client_id: str
    venue_order_id: str = ""
    qty: int = 0
    replace_id: str = ""
    replace_qty: int = 0


class Inherited(msgspec.Struct, frozen=True):
    """What a resumed session knows that an adapter made anew does not.

    ``fill_floors``: by instrument the fill id up to which every fill is in the stream. ``orders``: every open order.
    """

    fill_floors: Mapping[str, int] = msgspec.field(default_factory=dict)
    orders: tuple[InheritedOrder, ...] = ()


class OpenOrder(msgspec.Struct, frozen=True):
    """An order that a venue says is open, for people: numbers are the venue's own decimal texts."""

    symbol: str
    side: str
    price: str
    qty: str
    filled: str
    client_id: str
    venue_order_id: str


class Setback(msgspec.Struct, frozen=True):
    """An answer that did not bring what was asked for, as a sentence.

    ``wait_ns``: the venue wants to hear nothing for so long. ``is_clock``: our time is wrong, ask for the venue's.
    ``is_refused``: the key or its rights; repeating it helps only once somebody has repaired that.
    """

    text: str
    wait_ns: int = 0
    is_clock: bool = False
    is_refused: bool = False


class LastResort(Protocol):
    """An account's open orders over plain requests: nothing of a session is known, needed or remembered.

    Every request only looks or reduces, so each may be repeated at will. ``wall_ms`` is the venue's time as far as it
    is known, in milliseconds since 1970. Headers and query hold key and signature: they are not to be shown.
    """

    @property
    def settling_ns(self) -> int:
        """What was sent before its sender died is open or refused after this long."""

    def time(self) -> Fetch:
        """Ask for the venue's time."""

    def read_time(self, answer: Fetched) -> int | Setback:
        """In milliseconds since 1970."""

    def open_orders(self, wall_ms: int) -> Fetch:
        """Ask for every open order of the account, whatever its symbol."""

    def read_open_orders(self, answer: Fetched) -> tuple[OpenOrder, ...] | Setback: ...

    def cancel_all(self, symbol: str, wall_ms: int) -> Fetch:
        """Have every open order of ``symbol`` cancelled, order lists too."""

    def read_cancelled(self, answer: Fetched) -> int | Setback:
        """How many orders were cancelled. That there was none is no setback."""


class VenueModule(Protocol):
    """What a venue package offers to the node: how to make its adapters and read its instruments."""

    def instruments_fetch(self, symbols: tuple[str, ...]) -> Fetch:
        """The request whose answer :meth:`parse_instruments` reads."""

    def parse_instruments(
        self, venue: str, symbols: tuple[str, ...], answer: Fetched
    ) -> list[InstrumentDefined]:
        """One Event per symbol, in the order given; ``ValueError`` names what is missing."""

    def market_data_path(self) -> str:
        """Path and query below the venue's stream URL."""

    def order_entry_path(self) -> str:
        """Path and query below the venue's WebSocket API URL."""

    def market_data(self, venue: str, instruments: tuple[InstrumentDefined, ...]) -> MarketDataAdapter: ...

    def order_entry(
        self,
        venue: str,
        instruments: tuple[InstrumentDefined, ...],
        credentials: Credentials,
        inherited: Inherited,
    ) -> OrderEntryAdapter:
        """``inherited``: what a resumed session knows of this venue; fills after its floors are fetched before the
        adapter is LIVE."""

    def last_resort(self, credentials: Credentials) -> LastResort:
        """``ValueError`` where ``credentials`` are not such as the venue takes."""
