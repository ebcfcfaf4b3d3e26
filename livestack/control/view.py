"""What an operator is shown: an immutable picture of State at one position, and of what the host knows beside it.

Pure. :func:`view_of` runs on the harness thread, between two steps, and copies as little as it can; whoever shows a
view formats it on a thread of their own, and only once its ``seq`` is committed.
"""

from __future__ import annotations

from collections import Counter
from itertools import chain, islice

import msgspec

from livestack.core.configuration import Configuration
from livestack.core.events import InstrumentDefined, OrderFill
from livestack.core.orders import Order
from livestack.core.pending import Pending
from livestack.core.rates import VenueRates
from livestack.core.state import ExecutionState, ExternalOrder, InstrumentMarket, State
from livestack.core.types import OrderType, RequestKind, Side, TradingState
from livestack.core.versions import EarlierVersion

ORDERS_MAX = 1_000
"""Orders listed in a view; beyond that only their number is told. A picture of so many takes about a millisecond."""


class OrderView(msgspec.Struct, frozen=True, gc=False):
    """An order; prices and quantities in the instrument's decimals. ``status`` in lower case."""

    order_id: int
    client_id: str
    venue_order_id: str
    venue: str
    instrument: str
    side: Side
    type: OrderType | None
    status: str
    price: int
    qty: int
    filled_qty: int
    price_decimals: int
    qty_decimals: int
    unknown: bool = False
    cancelling: bool = False
    external: bool = False


class PositionView(msgspec.Struct, frozen=True):
    """``realised`` and ``unrealised`` in price + quantity decimals of ``currency``; None: there is no price for it.
    ``fees``: (asset, amount, decimals)."""

    instrument: str
    qty: int
    average_price: int
    realised: int
    unrealised: int | None
    price_decimals: int
    qty_decimals: int
    currency: str
    fees: tuple[tuple[str, int, int], ...]


class FillView(msgspec.Struct, frozen=True, gc=False):
    """One fill, in the instrument's decimals; ``fee`` in ``fee_decimals``. ``ts`` is session time."""

    seq: int
    ts: int
    order_id: int
    venue: str
    instrument: str
    side: Side
    price: int
    qty: int
    price_decimals: int
    qty_decimals: int
    fee: int
    fee_decimals: int
    fee_asset: str
    liquidity: str
    fill_id: int


class InstrumentView(msgspec.Struct, frozen=True, gc=False):
    """``recv_ns``: session time of the last message about it, 0: none. Prices 0: there is none."""

    instrument: str
    venue: str
    status: str
    book_valid: bool
    bid: int
    ask: int
    last: int
    price_decimals: int
    recv_ns: int


class VenueView(msgspec.Struct, frozen=True):
    """``balances``: (asset, free, locked, decimals). ``rates``: (kind, interval in nanoseconds, what a New may still
    use, of how much). ``asked_ts``: session time at which the oldest request without an answer was decided; 0: none."""

    venue: str
    status: str
    feed_status: str
    open_orders: int
    unknown_orders: int
    balances: tuple[tuple[str, int, int, int], ...]
    clock_offset_ns: int
    rates: tuple[tuple[str, int, int, int], ...] = ()
    asked_ts: int = 0


class IncidentView(msgspec.Struct, frozen=True, gc=False):
    """``opened_ts``: session time at which it opened; told anew it stays the same."""

    name: str
    scope: str
    grade: str
    detail: str
    opened_ts: int = 0


class KillView(msgspec.Struct, frozen=True, gc=False):
    """One scope of an engaged kill-switch; '' is everything."""

    scope: str
    trigger: str
    by: str
    reason: str


class SinkView(msgspec.Struct, frozen=True, kw_only=True):
    """A place of execution records; fields as in ``control.proto``. ``lag_ns``: what it has is so old. ``errors``:
    batches of this run that failed, each of which is tried again."""

    name: str
    address: str
    state: str
    through: int = 0
    behind: int = 0
    lag_ns: int = 0
    error: str = ""
    dead_letters: int = 0
    errors: int = 0


class View(msgspec.Struct, frozen=True, kw_only=True):
    """State after ``seq``, taken at session time ``ts``. ``orders_total`` may be more than ``orders`` lists.

    ``denials``: (rule, how often, the first one's sentence). ``earlier``: Configuration versions that can be rolled
    back to. ``counts``: Events, dispatches, fills and denials of this run. ``intents``, ``superseded``: of the session;
    ``queued``: admitted and not dispatched yet. ``trading_whys``: (scope, who or what set its trading state in this run
    and why, whether somebody asked for it).
    """

    seq: int
    ts: int
    session: str
    phase: str
    trading_state: TradingState
    trading: tuple[tuple[str, TradingState], ...]
    kill: tuple[KillView, ...]
    configuration: Configuration
    earlier: dict[int, EarlierVersion]
    strategy_enabled: bool
    orders: tuple[OrderView, ...]
    orders_total: int
    unknown: tuple[int, ...]
    positions: tuple[PositionView, ...]
    instruments: tuple[InstrumentView, ...]
    venues: tuple[VenueView, ...]
    trading_whys: tuple[tuple[str, str, bool], ...] = ()
    incidents: tuple[IncidentView, ...] = ()
    fills: tuple[FillView, ...] = ()
    denials: tuple[tuple[str, int, str], ...] = ()
    events: int = 0
    fills_total: int = 0
    dispatches: int = 0
    denied: int = 0
    intents: int = 0
    superseded: int = 0
    queued: int = 0


def view_of(state: State, seq: int, ts: int) -> View:
    """State as it is now; the host adds what it knows beside it with ``msgspec.structs.replace``."""
    control, execution, markets = state.control, state.execution, state.market.instruments
    return View(
        seq=seq,
        ts=ts,
        session=control.session,
        phase=control.phase.name.lower(),
        trading_state=control.trading_state(),
        trading=tuple(control.trading.items()),
        kill=tuple(KillView(scope, one.trigger, one.by, one.reason) for scope, one in control.kill.items()),
        configuration=state.configuration,
        earlier=dict(control.earlier),
        strategy_enabled=control.strategy_enabled,
        orders=_orders(state),
        orders_total=len(execution.orders) + len(execution.external),
        unknown=unknown_of(execution),
        positions=tuple(_positions(state)),
        instruments=tuple(_instrument(market) for market in markets.values()),
        venues=_venues(state),
        dispatches=execution.counts.dispatched,
        denied=execution.counts.denied,
        intents=execution.counts.total,
        superseded=execution.queue.superseded,
        queued=len(execution.queue.pending),
    )


def unknown_of(execution: ExecutionState) -> tuple[int, ...]:
    """Orders of which it is open what is, or will be, at the venue: a New or Replace in flight, a request without an
    outcome, a contradiction. A Cancel in flight adds nothing."""
    flying = (one for one, request in execution.requests.items() if request.kind is not RequestKind.CANCEL)
    return tuple(dict.fromkeys((*flying, *execution.unresolved, *execution.in_doubt)))


def fill_view(seq: int, ts: int, fill: OrderFill, definition: InstrumentDefined) -> FillView:
    """One fill as it was recorded at ``seq``."""
    return FillView(
        seq,
        ts,
        fill.order_id,
        fill.venue,
        fill.instrument,
        fill.side,
        fill.price,
        fill.qty,
        definition.price_decimals,
        definition.qty_decimals,
        fill.fee.value,
        fill.fee_decimals,
        fill.fee_asset,
        fill.liquidity.name.lower(),
        fill.fill_id,
    )


def _orders(state: State) -> tuple[OrderView, ...]:
    """Those of unknown fate first, whatever there are: a proof that nothing is left is made of them."""
    execution, markets = state.execution, state.market.instruments
    unknown = {one: execution.orders[one] for one in unknown_of(execution) if one in execution.orders}
    known = (one for one in execution.orders.values() if one.order_id not in unknown)
    pending = (one for one in execution.queue.pending.values() if one.kind is RequestKind.NEW)
    everything = chain(
        (_order(one, state) for one in unknown.values()),
        (_order(one, state) for one in known),
        (_external(one, markets) for one in execution.external.values()),
        (_pending(one, markets) for one in pending),
    )
    return tuple(islice(everything, ORDERS_MAX))


def _external(one: ExternalOrder, markets: dict[str, InstrumentMarket]) -> OrderView:
    return OrderView(
        0,
        one.client_id,
        one.venue_order_id,
        one.venue,
        one.instrument,
        one.side,
        None,
        "accepted",
        one.price,
        one.leaves_qty,
        0,
        *_decimals(markets.get(one.instrument)),
        external=True,
    )


def _order(order: Order, state: State) -> OrderView:
    return OrderView(
        order.order_id,
        order.client_id,
        order.venue_order_id,
        order.venue,
        order.instrument,
        order.side,
        order.type,
        order.status.name.lower(),
        order.price,
        order.qty or order.worst_qty,
        order.filled_qty,
        *_decimals(state.market.instruments.get(order.instrument)),
        unknown=_is_unknown(order.order_id, state.execution),
        cancelling=order.closing is not None or state.execution.cancel_is_under_way(order.order_id),
    )


def _is_unknown(order_id: int, execution: ExecutionState) -> bool:
    """Whether nobody knows what the venue made of it; a request that is merely in flight has its time yet."""
    return order_id in execution.unresolved or order_id in execution.in_doubt


def _pending(one: Pending, markets: dict[str, InstrumentMarket]) -> OrderView:
    terms = one.terms
    assert terms is not None  # only a New is shown as an order of its own
    return OrderView(
        one.order_id,
        "",
        "",
        one.venue,
        one.instrument,
        terms.side,
        terms.type,
        "pending",
        terms.price,
        terms.qty,
        0,
        *_decimals(markets.get(one.instrument)),
    )


def _decimals(market: InstrumentMarket | None) -> tuple[int, int]:
    return (0, 0) if market is None else (market.definition.price_decimals, market.definition.qty_decimals)


def _positions(state: State) -> list[PositionView]:
    out = []
    for instrument, position in state.execution.positions.items():
        if (market := state.market.instruments.get(instrument)) is None:
            continue
        has_price = bool(market.bid if position.qty > 0 else market.ask)
        out.append(
            PositionView(
                instrument,
                position.qty,
                position.cost // abs(position.qty) if position.qty else 0,
                position.realised,
                position.unrealised(market.bid, market.ask) if has_price or not position.qty else None,
                *_decimals(market),
                market.definition.quote,
                tuple((asset, fee.amount, fee.decimals) for asset, fee in position.fees.items()),
            )
        )
    return out


def _instrument(market: InstrumentMarket) -> InstrumentView:
    definition = market.definition
    return InstrumentView(
        definition.instrument,
        definition.venue,
        market.status.name.lower(),
        market.book.valid or not market.book_seen,
        market.bid,
        market.ask,
        market.last_price,
        definition.price_decimals,
        market.recv_ns,
    )


def _venues(state: State) -> tuple[VenueView, ...]:
    control, execution = state.control, state.execution
    names = dict.fromkeys(one.definition.venue for one in state.market.instruments.values())
    open_orders = Counter(one.venue for one in execution.orders.values())
    doubtful = dict.fromkeys((*execution.unresolved, *execution.in_doubt))
    unknown = Counter(execution.orders[one].venue for one in doubtful if one in execution.orders)
    asked = _asked(execution)
    views = []
    for venue in names:
        status, feed = control.venue_status.get(venue), control.feed_status.get(venue)
        rates = execution.rates.get(venue)
        views.append(
            VenueView(
                venue,
                status.name.lower() if status is not None else "disconnected",
                feed.name.lower() if feed is not None else "disconnected",
                open_orders[venue],
                unknown[venue],
                tuple(
                    (asset, one.free, one.locked, one.decimals)
                    for asset, one in execution.balances.get(venue, {}).items()
                ),
                rates.offset_ns if rates is not None else 0,
                _rates(venue, rates, state),
                asked.get(venue, 0),
            )
        )
    return tuple(views)


def _rates(venue: str, rates: VenueRates | None, state: State) -> tuple[tuple[str, int, int, int], ...]:
    rules = state.configuration.execution.venue.get(venue)
    if rules is None:
        return ()
    known, ts = rates if rates is not None else VenueRates(), state.control.ts
    return tuple((one.kind, one.interval, *known.left(one, RequestKind.NEW, ts)) for one in rules.rate_limits)


def _asked(execution: ExecutionState) -> dict[str, int]:
    """By venue, when the oldest request without an answer was decided."""
    oldest: dict[str, int] = {}
    for order_id, one in chain(execution.requests.items(), execution.unresolved.items()):
        if (order := execution.orders.get(order_id)) is not None:
            oldest[order.venue] = min(oldest.get(order.venue, one.dispatched_ts), one.dispatched_ts)
    return oldest
