"""What is true of State at every position, and an independent fold of the fills that State is compared with.

The fold knows only the stream: which Events count, what they did to quantity and cash, and no line of the Core's own
arithmetic.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any, Final

from livestack.core import events
from livestack.core.book import Book
from livestack.core.events import InputEvent
from livestack.core.obligations import Obligation
from livestack.core.orders import TERMINAL
from livestack.core.rates import STAMPS_MAX
from livestack.core.state import ExecutionState, InstrumentMarket, State
from livestack.core.types import RequestKind, SessionPhase, Side, parse_client_id

NEXT_PHASES: Final = {
    SessionPhase.STARTING: set(SessionPhase),
    SessionPhase.RUNNING: {SessionPhase.RUNNING, SessionPhase.STOPPING, SessionPhase.STOPPED},
    SessionPhase.STOPPING: {SessionPhase.STOPPING, SessionPhase.STOPPED},
    SessionPhase.STOPPED: {SessionPhase.STOPPED},
}


class Fold:
    """Fills of one stream, each counted once: quantity and cash by instrument, quantity by order."""

    def __init__(self) -> None:
        self.epochs: set[str] = set()
        self.base: dict[str, tuple[str, int]] = {}
        self.floors: dict[str, int] = {}
        self.seen: set[tuple[str, int]] = set()
        self.qty: dict[str, int] = {}
        self.cash: dict[str, int] = {}
        self.fees: dict[str, Fraction] = {}
        self.filled: dict[int, int] = {}

    def copy(self) -> Fold:
        other = Fold()
        for name, value in vars(self).items():
            setattr(other, name, value.copy())
        return other

    def take(self, event: InputEvent, before: State) -> None:
        """Take in one Event; ``before``: the State in front of it, asked only which orders were ours and open."""
        match event:
            case events.SessionStarted(epoch=epoch):
                self.epochs |= set() if self.epochs else {epoch}
            case events.SessionResumed(epoch=epoch):
                self.epochs |= {epoch} if self.epochs else set()
            case events.InstrumentDefined(instrument=name):
                scaled = 0 <= event.price_decimals <= 18 and 0 <= event.qty_decimals <= 18
                if event.venue and name.startswith(f"{event.venue}:") and scaled:
                    self.base.setdefault(name, (event.base, event.qty_decimals))
            case events.FillsReconciled(instrument=name, through=through):
                if name in self.base:
                    self.floors[name] = max(self.floors.get(name, -1), through)
            case events.OrderFill():
                self._fill(event, before.execution)

    def _fill(self, event: events.OrderFill, execution: ExecutionState) -> None:
        name = event.instrument
        if name not in self.base or event.qty <= 0 or event.price <= 0 or not 0 <= event.fee_decimals <= 18:
            return
        parsed = parse_client_id(event.client_id)
        adopted = execution.adopted.get((event.venue, event.client_id))
        ours = parsed is not None and parsed.epoch in self.epochs
        if not ours and adopted is None:
            return
        if (name, event.fill_id) in self.seen or event.fill_id <= self.floors.get(name, -1):
            return
        self.seen.add((name, event.fill_id))
        sign = 1 if event.side is Side.BUY else -1
        self.qty[name] = self.qty.get(name, 0) + sign * event.qty
        self.cash[name] = self.cash.get(name, 0) - sign * event.qty * event.price
        base, _ = self.base[name]
        if event.fee_asset == base:
            fee = Fraction(event.fee.value, 10**event.fee_decimals)
            self.fees[name] = self.fees.get(name, Fraction(0)) + fee
        order_id = parsed.order_id if ours and parsed is not None else (adopted or 0)
        order = execution.order(order_id)
        if order is not None and (order.side, order.instrument) == (event.side, name):
            self.filled[order_id] = self.filled.get(order_id, 0) + event.qty

    def position(self, name: str) -> int:
        """What must be held: fills less whole units of fees in the base asset."""
        _, decimals = self.base[name]
        return self.qty.get(name, 0) - floor(self.fees.get(name, Fraction(0)) * 10**decimals)


def check(state: State, owed: tuple[Obligation, ...], fold: Fold) -> None:
    """Everything that holds in any State."""
    for name, market in state.market.instruments.items():
        assert name == market.definition.instrument
        check_book(market.book)
        check_top(market)
    check_orders(state.execution)
    check_counters(state.execution)
    check_positions(state, fold)
    scopes = [one.scope for one in owed]
    assert len(scopes) == len(set(scopes))


def check_book(book: Book) -> None:
    """Each side is in order, positive, and ends at its best price; it is not crossed; only a valid book has levels."""
    bids, asks = list(book.levels(Side.BUY)), list(book.levels(Side.SELL))
    assert sorted(dict(bids), reverse=True) == [price for price, _ in bids]
    assert sorted(dict(asks)) == [price for price, _ in asks]
    assert all(price > 0 and qty > 0 for price, qty in (*bids, *asks))
    assert (bids[0] if bids else (0, 0)) == (book.best_bid, book.best_bid_qty)
    assert (asks[0] if asks else (0, 0)) == (book.best_ask, book.best_ask_qty)
    if bids and asks:
        assert book.best_bid < book.best_ask
    if not book.valid:
        assert [] == bids + asks
        assert book.last_update_id == 0


def check_top(market: InstrumentMarket) -> None:
    """Best prices are never negative, an empty side has no price, and they do not cross."""
    assert min(market.bid, market.bid_qty, market.ask, market.ask_qty) >= 0
    assert market.bid_qty or not market.bid
    assert market.ask_qty or not market.ask
    if market.bid_qty and market.ask_qty:
        assert market.bid < market.ask
    assert market.last_price >= 0
    assert market.last_qty >= 0


def check_orders(execution: ExecutionState) -> None:
    """Open and closed are two worlds, and everything that is about an order is about an open one."""
    orders, closed, pending = execution.orders, execution.closed, execution.queue.pending
    assert not orders.keys() & closed.keys()
    assert all(order.status not in TERMINAL for order in orders.values())
    assert all(order.status in TERMINAL for order in closed.values())
    for order_id, order in (*orders.items(), *closed.items()):
        assert order_id == order.order_id
        assert 0 < order_id <= execution.order_counter
        assert order.filled_qty >= 0
        assert order.filled_notional >= 0
        assert order.leaves_qty >= 0
    for name in dict.fromkeys(order.instrument for order in orders.values()):
        same = [order for order in orders.values() if order.instrument == name]
        assert same == list(execution.open_orders(name))
        left = tuple(sum(one.leaves_qty for one in same if one.side is side) for side in Side)
        assert left == orders.leaves(name)  # kept from step to step, so asked after every one
    for known in (execution.requests, execution.unresolved, execution.closing, execution.in_doubt):
        assert known.keys() <= orders.keys()
    assert {one for one, order in orders.items() if order.closing is not None} == execution.closing.keys()
    assert all(order.claim is None and order.closing is None for order in closed.values())
    for order in orders.values():
        assert order.claim is None or order.instrument in execution.fetch_fills
    for order_id, one in pending.items():
        assert order_id == one.order_id
        assert (one.terms is not None) is (one.kind is RequestKind.NEW)
        assert one.kind is not RequestKind.NEW or order_id not in orders.keys() | closed.keys()
    assert not execution.drawn.keys() & (orders.keys() | closed.keys() | pending.keys())
    for (venue, foreign_id), order_id in execution.adopted.items():
        order = orders.get(order_id) or closed[order_id]
        assert (venue, foreign_id) == (order.venue, order.foreign_id)
        assert (venue, foreign_id) not in execution.external


def check_counters(execution: ExecutionState) -> None:
    """Every Intent has one outcome; nothing that counts is negative."""
    counts, queue = execution.counts, execution.queue
    outcomes = counts.denied + counts.withdrawn + counts.dispatched + queue.superseded
    assert counts.total == outcomes + len(queue.pending)
    numbers = (
        counts.total,
        counts.denied,
        counts.withdrawn,
        counts.dispatched,
        queue.admitted,
        queue.superseded,
        execution.order_counter,
        execution.session_orders,
        execution.consecutive_rejects,
        execution.unattended_fills,
        *execution.session_notional.values(),
        *(ledger.duplicates for ledger in execution.ledgers.values()),
        *(rates.backoff_until for rates in execution.rates.values()),
        *(rates.orders_backoff_until for rates in execution.rates.values()),
        *(count for rates in execution.rates.values() for count in rates.dispatches.values()),
        *(
            used
            for rates in execution.rates.values()
            for one in rates.limits.values()
            for used in one.windows.values()
        ),
    )
    assert min(numbers) >= 0
    assert sorted(execution.intent_times) == execution.intent_times
    for rates in execution.rates.values():
        assert len(rates.stamps) <= STAMPS_MAX
    for ledger in execution.ledgers.values():
        assert all(fill_id > ledger.floor for fill_id in ledger.seen)


def check_positions(state: State, fold: Fold) -> None:
    """Positions are what the fold of the stream says, to the last unit of quantity and of money."""
    positions = state.execution.positions
    assert state.market.instruments.keys() == fold.base.keys()
    assert fold.qty.keys() <= positions.keys()
    for name, position in positions.items():
        assert fold.position(name) == position.qty
        assert position.cost >= 0
        assert position.qty or not position.cost
        signed = -position.cost if position.qty > 0 else position.cost
        assert fold.cash.get(name, 0) == position.realised + signed
    adopted = set(state.execution.adopted.values())
    for order in (*state.execution.orders.values(), *state.execution.closed.values()):
        if order.order_id not in adopted:
            assert fold.filled.get(order.order_id, 0) == order.filled_qty


def sizes(value: Any, name: str = "state") -> dict[str, int]:
    """Length of every dict and list reachable from ``value``, by path; what is inside of them is added up by field."""
    found: dict[str, int] = {}
    pending = [(name, value)]
    while pending:
        path, one = pending.pop()
        if isinstance(one, dict | list | tuple):
            found[path] = found.get(path, 0) + len(one)
            inside = one.values() if isinstance(one, dict) else one
            pending += [(f"{path}[]", item) for item in inside]
        elif hasattr(one, "__struct_fields__"):
            pending += [(f"{path}.{field}", getattr(one, field)) for field in one.__struct_fields__]
    return found
