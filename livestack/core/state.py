"""State: exactly three domains, market, execution and control, written by ``apply`` alone.

Pure. The Queue is a substate of execution, the strategy's memory one of control: there is no fourth domain and no
second truth. ``digest`` is a stable hash of all of it, ``snapshot``/``restore`` the same encoding there and back.
Harness thread; the Strategy sees it through a read-only View.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from livestack.core.book import Book
from livestack.core.canonical import Packed, pack, unpack
from livestack.core.configuration import Configuration
from livestack.core.control_events import HALTING, VENUE_HALTING
from livestack.core.events import InstrumentDefined
from livestack.core.open_orders import OpenOrders
from livestack.core.orders import Order, Request
from livestack.core.pending import Queue
from livestack.core.positions import Position
from livestack.core.rates import VenueRates
from livestack.core.types import (
    ConnectionStatus,
    OrderStatus,
    RequestKind,
    SessionPhase,
    Side,
    TradingState,
)
from livestack.core.versions import EarlierVersion

DRAWN_IDS_MAX = 10_000
"""Order IDs drawn and not used yet; a strategy that draws without using loses the oldest."""

FILL_IDS_MAX = 100_000
"""Fill ids remembered per instrument above the reconciled floor. Long before, the Core asks for a reconciliation
(``obligations.FILLS_RECONCILE_AT``); with a host that never answers, late fills among the oldest half are lost."""


class InstrumentMarket(msgspec.Struct, kw_only=True):
    """What is known of one instrument's market. Best prices come from whichever of quote and book is newer.

    ``book_seen``: this feed has a book, so an invalid one is a reason not to trade. ``faulty``: an anomaly of this book
    was told already. ``events`` counts relevant market Events for the decision cadence.
    """

    definition: InstrumentDefined
    book: Book
    status: ConnectionStatus = ConnectionStatus.DISCONNECTED
    bid: int = 0
    bid_qty: int = 0
    ask: int = 0
    ask_qty: int = 0
    top_update_id: int = 0
    last_price: int = 0
    last_qty: int = 0
    last_aggressor: Side = Side.BUY
    last_trade_id: int = 0
    recv_ns: int = 0
    book_seen: bool = False
    faulty: bool = False
    events: int = 0

    def invalidate(self) -> None:
        self.book.invalidate()
        self.bid = self.bid_qty = self.ask = self.ask_qty = self.top_update_id = 0

    @property
    def is_live(self) -> bool:
        """Connected, and its book (where it has one) may be believed."""
        return self.status is ConnectionStatus.LIVE and (self.book.valid or not self.book_seen)


class MarketState(msgspec.Struct, kw_only=True):
    instruments: dict[str, InstrumentMarket] = {}


class Balance(msgspec.Struct, frozen=True):
    """What an account holds of one asset, in ``decimals`` of it, as last reported."""

    decimals: int
    free: int
    locked: int


class FillLedger(msgspec.Struct, kw_only=True):
    """Fill ids seen: everything at or below ``floor``, and those in ``seen``, each with the sum of its sides: a trade
    of the account with itself is one id and two fills."""

    floor: int = -1
    seen: dict[int, int] = {}
    duplicates: int = 0

    def is_known(self, fill_id: int, side: Side) -> bool:
        """Whether this fill was applied, or is older than what may still come."""
        return fill_id <= self.floor or bool(self.seen.get(fill_id, 0) & side)

    def remember(self, fill_id: int, side: Side) -> None:
        """It is applied now."""
        self.seen[fill_id] = self.seen.get(fill_id, 0) | side
        if len(self.seen) > FILL_IDS_MAX:
            oldest = sorted(self.seen)[: FILL_IDS_MAX // 2]
            self.raise_floor(oldest[-1])

    def raise_floor(self, through: int) -> None:
        if through > self.floor:
            self.floor = through
            self.seen = {fill_id: sides for fill_id, sides in self.seen.items() if fill_id > through}


class ExternalOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order at the venue that is not of this session; ``ours`` by its id pattern (an earlier session's)."""

    venue: str
    instrument: str
    client_id: str
    venue_order_id: str
    side: Side
    price: int
    leaves_qty: int
    ours: bool


class IntentCounts(msgspec.Struct, kw_only=True):
    """Conservation: ``total == denied + withdrawn + dispatched + queue.superseded + len(queue.pending)``."""

    total: int = 0
    denied: int = 0
    withdrawn: int = 0
    dispatched: int = 0


class ExecutionState(msgspec.Struct, kw_only=True):
    """Open Orders in ``orders``, closed ones in ``closed`` until the retention rule takes them.

    ``requests`` are inflight, ``unresolved`` timed out without an outcome; ``recent`` holds the last New per
    (instrument, side, price, quantity), for the duplicate rule; ``fetch_fills`` are instruments whose fills the venue
    is to be asked for; ``closing`` lists Orders that are to be cancelled until they are closed, ``in_doubt`` those
    about which the venue contradicted itself and is to be asked; ``adopted`` are the Orders found at the venue, by
    venue and foreign id; ``unreported`` are Orders that no balance report contains yet. ``unattended_fills`` counts
    since an operator's last command.
    """

    orders: OpenOrders = msgspec.field(default_factory=OpenOrders)
    closed: dict[int, Order] = {}
    positions: dict[str, Position] = {}
    balances: dict[str, dict[str, Balance]] = {}
    baselines: dict[str, int] = {}
    ledgers: dict[str, FillLedger] = {}
    external: dict[tuple[str, str], ExternalOrder] = {}
    queue: Queue
    requests: dict[int, Request] = {}
    unresolved: dict[int, Request] = {}
    rates: dict[str, VenueRates] = {}
    counts: IntentCounts
    order_counter: int = 0
    drawn: dict[int, None] = {}
    epochs: list[str] = []
    recent: dict[tuple[str, int, int, int], int] = {}
    intent_times: list[int] = []
    session_orders: int = 0
    session_fills: int = 0
    session_notional: dict[str, int] = {}
    consecutive_rejects: int = 0
    fetch_fills: dict[str, int] = {}
    closing: dict[int, None] = {}
    in_doubt: dict[int, None] = {}
    unreported: dict[int, None] = {}
    adopted: dict[tuple[str, str], int] = {}
    unattended_fills: int = 0
    leaves_open: bool = False

    def order(self, order_id: int) -> Order | None:
        """An Order, open or closed."""
        return self.orders.get(order_id) or self.closed.get(order_id)

    def position(self, instrument: str) -> Position:
        """The position in ``instrument``; a flat one if there never was any."""
        return self.positions.get(instrument) or _FLAT

    def open_orders(self, instrument: str = "") -> Iterator[Order]:
        """Open Orders in order of dispatch; '' for every instrument."""
        return iter(self.orders.of(instrument) if instrument else self.orders.values())

    def cancel_is_under_way(self, order_id: int) -> bool:
        """Whether a Cancel of it waits or is in flight."""
        pending, request = self.queue.pending.get(order_id), self.requests.get(order_id)
        return (pending is not None and pending.kind is RequestKind.CANCEL) or (
            request is not None and request.kind is RequestKind.CANCEL
        )

    def is_quiescent(self) -> bool:
        """Nothing is pending, inflight or unknown, and no order is open unless it is to be left."""
        if self.queue.pending or self.requests or self.unresolved:
            return False
        return not self.orders or (
            self.leaves_open
            and all(order.status is not OrderStatus.SUBMITTED for order in self.orders.values())
        )


_FLAT: Final = Position()


class KillRecord(msgspec.Struct, frozen=True):
    """Who pulled the kill-switch for one scope, when and why."""

    ts: int
    trigger: str
    by: str
    reason: str


class CommandAnswer(msgspec.Struct, frozen=True):
    """What was said to an operator's command, of which ``fingerprint`` is a hash; ``refusal`` '' if it was applied."""

    fingerprint: str
    refusal: str


class ControlState(msgspec.Struct, kw_only=True):
    """``trading`` and ``kill`` are by scope: '' everything, a venue, or an instrument; the strictest one decides.

    ``stale_checks``: instruments with orders and the ``ts`` at which the age of their data is looked at (0: to be set);
    ``stale``: those that are REDUCING because their data was too old. ``earlier`` are the versions of the Configuration
    that can be rolled back to, ``answers`` what was said to the last commands, by sender and request id; both oldest
    first.
    """

    phase: SessionPhase = SessionPhase.STARTING
    session: str = ""
    trading: dict[str, TradingState] = {}
    kill: dict[str, KillRecord] = {}
    configuration_version: int = 0
    configuration_digest: str = ""
    earlier: dict[int, EarlierVersion] = {}
    answers: dict[tuple[str, str], CommandAnswer] = {}
    venue_status: dict[str, ConnectionStatus] = {}
    feed_status: dict[str, ConnectionStatus] = {}
    incidents: dict[str, str] = {}
    strategy_enabled: bool = True
    strategy_failures: int = 0
    strategy_deadlines: dict[str, int] = {}
    stale_checks: dict[str, int] = {}
    stale: dict[str, None] = {}
    memory: Any = None
    ts: int = 0
    seq: int = 0

    def trading_state(self, venue: str = "", instrument: str = "") -> TradingState:
        """The strictest state that covers ``instrument`` at ``venue``; an open incident may halt it, or all of them."""
        if self.incidents and self._is_halted(venue):
            return TradingState.HALTED
        trading = self.trading
        if not trading:
            return TradingState.ACTIVE
        return TradingState(max(trading.get(scope, 1) for scope in ("", venue, instrument)))

    def _is_halted(self, venue: str) -> bool:
        return any(
            grade == HALTING or (grade == VENUE_HALTING and name.rpartition(" ")[2] == venue)
            for name, grade in self.incidents.items()
        )

    def killed(self, venue: str = "", instrument: str = "") -> bool:
        """Whether the kill-switch covers ``instrument`` at ``venue``."""
        kill = self.kill
        return bool(kill) and ("" in kill or venue in kill or instrument in kill)


class State(msgspec.Struct, kw_only=True):
    """All that the Core knows. ``configuration`` decides with it but is identified by its own digest."""

    configuration: Configuration
    market: MarketState
    execution: ExecutionState
    control: ControlState

    @classmethod
    def initial(cls, configuration: Configuration, memory: object) -> State:
        """Before the first Event; ``memory`` None where no Strategy is going to run on it."""
        return cls(
            configuration=configuration,
            market=MarketState(),
            execution=ExecutionState(queue=Queue(), counts=IntentCounts()),
            control=ControlState(
                configuration_version=configuration.version,
                configuration_digest=configuration.digest(),
                memory=memory,
            ),
        )

    def digest(self) -> str:
        """BLAKE2b of the canonical encoding of the three domains: equal State, equal text, everywhere."""
        return hashlib.blake2b(pack([self.market, self.execution, self.control]), digest_size=32).hexdigest()

    def snapshot(self) -> bytes:
        """Everything that :meth:`restore` needs, the active Configuration included."""
        memory = pack(self.control.memory)
        domains = pack([self.market, self.execution, msgspec.structs.replace(self.control, memory=None)])
        return msgspec.msgpack.encode([self.configuration.plain(), domains, memory])

    @classmethod
    def restore(cls, data: bytes, memory_type: type | None) -> State:
        """The State that :meth:`snapshot` saw; ``memory_type`` is the Strategy's memory struct. ``Packed``: the memory
        stays as it was written, so that the digest is the same; with None it is left out."""
        plain, domains, memory = msgspec.msgpack.decode(data)
        market, execution, control = unpack(domains, tuple[MarketState, ExecutionState, ControlState])
        if memory_type is not None:
            control.memory = Packed(memory) if memory_type is Packed else unpack(memory, memory_type)
        configuration = Configuration.from_plain(plain, "snapshot")
        return cls(configuration=configuration, market=market, execution=execution, control=control)
