"""The contract between a venue's protocol and the actors that host it. Pure: no socket, no clock, no thread.

An adapter is a state machine with three verbs: things that happened go in (``connected``, ``receive``, ``fetched``,
``tick``, ``disconnected``), canonical Events come out (``events``), and what the transport shall do comes out
(``outgoing``). The host gives every time: ``now_ns`` is its monotonic clock, ``wall_ns`` its wall clock; an adapter
never reads one. An adapter belongs to one thread at a time. Nothing that arrives, however wrong, raises: it is
counted in ``faults``, reported in ``complaints`` and, where a book could be wrong now, that book is invalidated.

A *link* is one connection, with a number that its host gives and never uses twice. An adapter may have several at a
time: more streams than one connection carries, or an old one and its successor (make before break).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from livestack.core.events import Event, InstrumentDefined, RateLimitReport
from livestack.core.obligations import CancelAllAtVenue, QueryFills, QueryOpenOrders, QueryOrder
from livestack.core.types import ConnectionStatus, OrderRequest
from livestack.secret import Secret
from livestack.venues.budget import RequestBudget

FRAME_HEAD_BYTES = 256
"""How much of an offending frame is kept for the log: enough to see what it is, too little to flood it."""

LOG_ON_REFUSED = "log_on_refused"
"""The ``Complaint.kind`` of a venue that lets us in no more: wrong key, secret or permission. Repeating is no use."""

HostQuery = QueryOrder | QueryOpenOrders | QueryFills | CancelAllAtVenue
"""What the Core may ask of the host about a venue: it only looks or reduces, so it needs no committed record."""


class HostRequest(msgspec.Struct, frozen=True):
    """A frame that the host sends on its own account: log-on, subscription, query, cancel-all, keep-alive.

    It can only look or reduce. New, Replace and Cancel never travel in this type. ``text`` may hold an API key and a
    signature, so it is not printed. ``link``: over which connection.
    """

    text: str
    purpose: str
    link: int = 0

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

    def __repr__(self) -> str:
        return f"Fetch({self.method} {self.path}, purpose={self.purpose!r})"  # the rest may hold key and signature


class Fetched(msgspec.Struct, frozen=True):
    """The answer to a :class:`Fetch`. ``status`` 0: none came, ``error`` says why and the outcome is unknown."""

    fetch_id: int
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    error: str
    begun_ns: int
    recv_ns: int


class Outbound(msgspec.Struct, frozen=True):
    """A committed dispatch as it leaves: a frame for the connection ``link``, or a plain request where there is none.

    What it carries is signed, so it is not printed.
    """

    payload: str | Fetch
    link: int = 0

    def __repr__(self) -> str:
        return f"Outbound(link={self.link})"


class Renew(msgspec.Struct, frozen=True):
    """Connect another one beside ``link``, which is to go: it is old, or the venue said that it is shutting down.

    The adapter hears ``connected`` with the new link's number, uses both for a while, and asks for ``CloseLink`` of the
    old one once nothing depends on it any more.
    """

    link: int
    reason: str


class CloseLink(msgspec.Struct, frozen=True):
    """Close the connection ``link``: another one has taken its place, or it is of no use. ``disconnected`` follows."""

    link: int
    reason: str


class Complaint(msgspec.Struct, frozen=True):
    """One offending frame or answer: a stable ``kind``, a sentence, and the frame's head for the log."""

    kind: str
    detail: str
    frame_head: bytes


class MarketDataAdapter(Protocol):
    """A venue's market data: subscriptions, book synchronisation, gap detection; over streams, or polled."""

    @property
    def faults(self) -> Mapping[str, int]:
        """How often each ``Complaint.kind`` was met."""

    @property
    def slots(self) -> int:
        """How many connections it wants side by side, each with its share of the streams; 0: it polls."""

    @property
    def stands_in_ns(self) -> int:
        """After how long without a connection it looks for its data elsewhere."""

    def connected(self, now_ns: int, link: int = 0, slot: int = 0) -> None:
        """The transport is open: subscribe and begin to synchronise every book of ``slot``; or take over from the link
        that has it, without a gap."""

    def receive(self, frame: bytes, recv_ns: int, link: int = 0) -> None:
        """One text frame as it came off the wire."""

    def fetched(self, answer: Fetched) -> None:
        """The answer to an earlier :class:`Fetch`; unknown ids are ignored."""

    def tick(self, now_ns: int) -> None:
        """Time passed: look for silence and overdue answers. Called about every 250 ms and after each wake, with or
        without a connection."""

    def overflowed(self, now_ns: int) -> None:
        """The host could not take the last events: every book is invalid until synchronised anew."""

    def disconnected(self, reason: str, now_ns: int, link: int = 0) -> None:
        """The transport is gone: what depended on it alone is invalid."""

    def retired(self, now_ns: int) -> None:
        """The host calls nothing any more: whatever is under way counts as over in the venue's budget."""

    def events(self) -> list[Event]:
        """Events since the last call, in order; the list is the caller's."""

    def outgoing(self) -> list[HostRequest | Fetch | Renew | CloseLink]:
        """What to write, fetch, connect or close since the last call, in order."""

    def complaints(self) -> list[Complaint]:
        """Offending input since the last call."""


class OrderEntryAdapter(Protocol):
    """A venue's order entry, private stream and reconciliation: over one connection, over two while the second takes
    over from the first, or over plain requests while there is none.

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
    def is_over_rest(self) -> bool:
        """Whether requests go as plain ones now, so that connections for them are to be held ready."""

    @property
    def is_clock_good(self) -> bool:
        """Whether our clock and the venue's agree well enough to trade by."""

    @property
    def settling_ns(self) -> int:
        """A query that begins this long after a send and does not know the order proves its absence (section 8)."""

    def connected(self, now_ns: int, wall_ns: int, link: int = 0) -> None: ...

    def receive(self, frame: bytes, recv_ns: int, link: int = 0) -> None: ...

    def fetched(self, answer: Fetched) -> None:
        """The answer to a :class:`Fetch`, the host's own or an order request's; unknown ids are ignored."""

    def encode(self, request: OrderRequest, now_ns: int, wall_ns: int) -> Outbound:
        """The signed request for a committed dispatch, remembered as pending from now on.

        ``ValueError`` with a sentence where the venue's protocol cannot express it.
        """

    def sent(self, request: OrderRequest, send_ns: int) -> None:
        """Every byte was written at ``send_ns``."""

    def unsent(self, request: OrderRequest) -> None:
        """Proven that not one byte was written: forget it."""

    def ask(self, query: HostQuery, now_ns: int, wall_ns: int) -> None:
        """Begin a query or a cancel-all; its frames come out of ``outgoing``, its answers as Events."""

    def tick(self, now_ns: int, wall_ns: int) -> None: ...

    def disconnected(self, reason: str, now_ns: int, link: int = 0) -> None:
        """Every request that was pending over ``link`` is of unknown outcome now."""

    def repeats(self) -> list[OrderRequest]:
        """Dispatches that the venue refused for our clock alone, so that they were certainly not executed: each may be
        encoded and written once more, through the gate. At most once for each."""

    def unrepeated(self, request: OrderRequest) -> None:
        """That one was not written again: its refusal stands, and is told."""

    def events(self) -> list[Event]: ...

    def outgoing(self) -> list[HostRequest | Fetch | Renew | CloseLink]: ...

    def complaints(self) -> list[Complaint]: ...


class Credentials:
    """An API key with its secret: ``hmac`` a shared secret, ``ed25519`` a PKCS#8 PEM private key.

    Never printed, and nothing can encode, pickle or copy it in full.
    """

    __slots__ = ("api_key", "kind", "secret")

    def __init__(self, api_key: str, kind: str, secret: str) -> None:
        self.api_key = api_key
        self.kind = kind
        self.secret = Secret(secret)

    def __repr__(self) -> str:
        return f"Credentials(api_key={self.api_key[:4]}..., kind={self.kind})"


class Permissions(msgspec.Struct, frozen=True):
    """What an API key may do. ``may_transfer``: to other accounts. ``is_bound``: from named network addresses alone."""

    may_read: bool
    may_trade: bool
    may_withdraw: bool
    may_transfer: bool
    is_bound: bool


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
    ``incidents``: names of those that are open about the venue; whoever finds that one is over says so.
    """

    fill_floors: Mapping[str, int] = msgspec.field(default_factory=dict)
    orders: tuple[InheritedOrder, ...] = ()
    incidents: tuple[str, ...] = ()


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

    def read_limits(self, venue: str, answer: Fetched, budget: RequestBudget) -> list[RateLimitReport]:
        """What the answer to :meth:`instruments_fetch` says of the venue's limits: into ``budget``, and as Events."""

    def market_data(
        self, venue: str, instruments: tuple[InstrumentDefined, ...], budget: RequestBudget
    ) -> MarketDataAdapter: ...

    def order_entry(
        self,
        venue: str,
        instruments: tuple[InstrumentDefined, ...],
        credentials: Credentials,
        inherited: Inherited,
        budget: RequestBudget,
    ) -> OrderEntryAdapter:
        """``inherited``: what a resumed session knows of this venue; fills after its floors are fetched before the
        adapter is LIVE."""

    def permissions_fetch(self, credentials: Credentials, wall_ms: int) -> Fetch:
        """The request whose answer :meth:`read_permissions` reads; ``wall_ms`` as for :class:`LastResort`.

        ``ValueError`` where ``credentials`` are not such as the venue takes.
        """

    def read_permissions(self, answer: Fetched) -> Permissions | Setback | None:
        """What the key may do; None where the venue does not tell anybody."""

    def last_resort(self, credentials: Credentials) -> LastResort:
        """``ValueError`` where ``credentials`` are not such as the venue takes."""
