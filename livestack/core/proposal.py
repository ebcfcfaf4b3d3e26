"""The order that an Intent would make, with everything that a risk rule needs to judge it.

Pure. Built once per New or Replace. The worst case counts queued, inflight, working and unresolved orders; a
cancel-replace in flight counts what the old order may still fill plus the whole new rest. Harness thread.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from livestack.core.events import IntentDispatched
from livestack.core.intents import New, Replace
from livestack.core.limits import UNLIMITED, Limits, to_common
from livestack.core.orders import Order
from livestack.core.pending import Pending
from livestack.core.state import ExecutionState, InstrumentMarket, State
from livestack.core.types import OrderStatus, OrderType, RequestKind, RequestSource, Side

STOP_TYPES = frozenset(
    {OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT}
)
PRICED_TYPES = frozenset({OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT})


class Working(msgspec.Struct, frozen=True):
    """One thing of ours that may still fill: an open order, a replacement in flight, or a queued one.

    ``unsettled``: no balance report can contain it yet. ``price`` 0: at any price.
    """

    order_id: int
    instrument: str
    side: Side
    price: int
    qty: int
    unsettled: bool


class Proposal(msgspec.Struct, kw_only=True):
    """``terms`` are the whole order; ``leaves_qty`` is what of it may fill; ``order`` is the one to be replaced.

    ``worst_price`` is the worst it may trade at (0: unknown). ``working`` is everything else in this instrument that
    may still fill; ``buying``/``selling`` are the worst cases of all of it, this proposal included.
    """

    kind: RequestKind
    source: RequestSource
    terms: New
    market: InstrumentMarket
    limits: Limits
    order: Order | None
    leaves_qty: int
    worst_price: int
    working: list[Working]
    buying: int
    selling: int

    @property
    def notional(self) -> int:
        """Worst-case value in price + quantity decimals."""
        return self.terms.quote_qty or self.leaves_qty * self.worst_price


def propose(
    intent: New | Replace, source: RequestSource, state: State, market: InstrumentMarket, limits: Limits
) -> Proposal:
    """The Proposal of ``intent``, whose Order ID has been checked."""
    execution = state.execution
    order = execution.orders.get(intent.order_id)
    terms = intent if isinstance(intent, New) else _replaced(intent, order, execution)
    filled, own = (0, 0) if order is None else (order.filled_qty, order.leaves_qty)
    leaves = worst_quantity(terms, market) - filled
    mine = leaves + own  # a replacement may fill on top of what the old order fills before it goes
    buying, selling = (mine, 0) if terms.side is Side.BUY else (0, mine)
    present = list(working(execution, terms.instrument))
    others = [one for one in present if one.order_id != terms.order_id]
    for one in others if order is None else [*others, *replacements(execution, terms.order_id)]:
        if one.side is Side.BUY:
            buying += one.qty
        else:
            selling += one.qty
    return Proposal(
        kind=RequestKind.NEW if isinstance(intent, New) else RequestKind.REPLACE,
        source=source,
        terms=terms,
        market=market,
        limits=limits,
        order=order,
        leaves_qty=leaves,
        worst_price=worst_price(terms, market, limits),
        working=others,
        buying=buying,
        selling=selling,
    )


def working(execution: ExecutionState, instrument: str) -> Iterator[Working]:
    """Everything of ``instrument`` that may still fill."""
    for order in execution.orders.of(instrument):
        unsettled = order.status is OrderStatus.SUBMITTED
        yield Working(order.order_id, instrument, order.side, order.price, order.leaves_qty, unsettled)
    for one in under_way(execution):
        if one.instrument == instrument:
            yield one


def under_way(execution: ExecutionState) -> Iterator[Working]:
    """What no Order shows yet, over all instruments: replacements in flight, and the Queue."""
    for order_id in execution.requests | execution.unresolved:
        yield from replacements(execution, order_id)
    for pending in execution.queue.pending.values():
        made = _pending_terms(pending, execution)
        if made is not None:
            terms, rest = made
            yield Working(pending.order_id, pending.instrument, terms.side, terms.price, rest, True)


def replacements(execution: ExecutionState, order_id: int) -> Iterator[Working]:
    """What a Replace in flight, or of unknown outcome, may leave open of one Order."""
    for requests in (execution.requests, execution.unresolved):
        request = requests.get(order_id)
        if request is not None and request.kind is RequestKind.REPLACE:
            order = execution.orders[order_id]
            rest = max(request.qty - order.filled_qty, 0)
            yield Working(order_id, order.instrument, order.side, request.price, rest, True)


def unsettled(execution: ExecutionState) -> Iterator[Working]:
    """What no balance report can contain yet, over all instruments."""
    for order_id in execution.unreported:
        order = execution.orders[order_id]
        yield Working(order_id, order.instrument, order.side, order.price, order.leaves_qty, True)
    yield from under_way(execution)


def unreported_total(proposal: Proposal, state: State, asset: str) -> int:
    """What of ``asset`` everything on the proposal's side takes that no balance report contains yet; in
    ``NOTIONAL_DECIMALS``."""
    total = 0
    for one in unsettled(state.execution):
        market = state.market.instruments[one.instrument]
        rules = market.definition
        other = one.side is not proposal.terms.side or one.order_id == proposal.terms.order_id
        if other or rules.venue != proposal.market.definition.venue:
            continue
        if one.side is Side.SELL:
            total += to_common(one.qty, rules.qty_decimals) if rules.base == asset else 0
        elif rules.quote == asset:
            worst = proposal.worst_price if market is proposal.market else market.ask or market.last_price
            total += total_notional(one.qty * (one.price or worst), market)
    return total


def exposures(execution: ExecutionState) -> dict[str, list[int]]:
    """Worst cases ``[buying, selling]`` of everything that may still fill, by instrument."""
    orders = execution.orders
    found = {instrument: list(orders.leaves(instrument)) for instrument in orders.instruments()}
    for one in under_way(execution):
        found.setdefault(one.instrument, [0, 0])[one.side - 1] += one.qty
    return found


def added_notional(pending: Pending, state: State, market: InstrumentMarket) -> int:
    """What a queued New is worth, or a queued Replace adds to its order; in price + quantity decimals, at the market
    where it has no price of its own."""
    made = _pending_terms(pending, state.execution)
    if made is None:
        return 0
    terms, rest = made
    return _added(terms.quote_qty or rest * _price_of(terms.price, market), pending.order_id, state)


def dispatched_notional(event: IntentDispatched, state: State, market: InstrumentMarket) -> int:
    """The same of a New or Replace that leaves the Queue, right before its Order knows of it."""
    request = event.request
    order = state.execution.orders.get(request.order_id)
    if request.kind is RequestKind.CANCEL:
        return 0
    rest = (request.qty or event.worst_qty) if order is None else max(request.qty - order.filled_qty, 0)
    return _added(request.quote_qty or rest * _price_of(request.price, market), request.order_id, state)


def _added(worth: int, order_id: int, state: State) -> int:
    order = state.execution.orders.get(order_id)
    return max(worth - (0 if order is None else order.leaves_qty * order.price), 0)


def _price_of(price: int, market: InstrumentMarket) -> int:
    return price or market.ask or market.last_price


def reference_price(market: InstrumentMarket, side: Side) -> int:
    """What a trade on ``side`` would meet: the opposite best, else the last trade; 0 where neither is known."""
    return (market.ask if side is Side.BUY else market.bid) or market.last_price


def worst_price(terms: New, market: InstrumentMarket, limits: Limits) -> int:
    """Worst price that ``terms`` may trade at: its limit, or the opposite best (the trigger) beyond the collar."""
    if terms.type in PRICED_TYPES:
        return terms.price
    buy = terms.side is Side.BUY
    base = terms.stop_price if terms.type in STOP_TYPES else (market.ask if buy else market.bid)
    collar = limits.price_collar_bps
    if collar is None or collar >= UNLIMITED:
        end = _end_of_book(terms.side, market) or base
        return max(end, base) if buy else min(end, base)
    slip = -(-base * collar // 10_000)
    return base + slip if buy else max(base - slip, 0)


def total_notional(amount: int, market: InstrumentMarket) -> int:
    """An amount of one instrument in the common scale, rounded up."""
    return to_common(amount, market.definition.price_decimals + market.definition.qty_decimals)


def _end_of_book(side: Side, market: InstrumentMarket) -> int:
    keys = market.book.ask_keys if side is Side.BUY else market.book.bid_keys
    return abs(keys[0]) if keys else 0


def worst_quantity(terms: New, market: InstrumentMarket) -> int:
    """Quantity, or the most that ``quote_qty`` can buy or must sell: all of it at the cheapest price there is."""
    if not terms.quote_qty:
        return terms.qty
    price = market.ask if terms.side is Side.BUY else _end_of_book(Side.SELL, market)
    return -(-terms.quote_qty // price) if price > 0 else UNLIMITED


def _pending_terms(pending: Pending, execution: ExecutionState) -> tuple[New, int] | None:
    if pending.terms is not None:
        return pending.terms, pending.terms.qty or pending.worst_qty
    order = execution.orders.get(pending.order_id)
    if pending.kind is RequestKind.CANCEL or order is None:
        return None
    terms = _terms_of(order, pending.qty, pending.price)
    return terms, max(pending.qty - order.filled_qty, 0)


def _replaced(intent: Replace, order: Order | None, execution: ExecutionState) -> New:
    if order is not None:
        return _terms_of(order, intent.qty, intent.price)
    before = execution.queue.pending[intent.order_id].terms
    assert before is not None
    return msgspec.structs.replace(before, qty=intent.qty, price=intent.price)


def _terms_of(order: Order, qty: int, price: int) -> New:
    return New(
        order_id=order.order_id,
        instrument=order.instrument,
        side=order.side,
        type=order.type,
        tif=order.tif,
        qty=qty,
        price=price,
        stop_price=order.stop_price,
        post_only=order.post_only,
        reduce_only=order.reduce_only,
        stp=order.stp,
    )
