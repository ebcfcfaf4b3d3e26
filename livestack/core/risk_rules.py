"""The risk rules: pure functions of a Proposal and State, in one ordered, named table.

Each returns None (no objection) or a :class:`Denial` with the numbers that it compared. A limit that is written nowhere
denies and names its key. Rules change nothing and know nothing of pacing; Cancels never come here. Harness thread.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Final

import msgspec

from livestack.core.limits import UNLIMITED, to_common
from livestack.core.proposal import (
    PRICED_TYPES,
    STOP_TYPES,
    Proposal,
    added_notional,
    exposures,
    reference_price,
    total_notional,
    unreported_total,
)
from livestack.core.state import State
from livestack.core.types import (
    NANOS_PER_SECOND,
    REVISION_MAX,
    ConnectionStatus,
    InstrumentStatus,
    OrderStatus,
    OrderType,
    RequestKind,
    SessionPhase,
    Side,
    TradingState,
)

CANCEL_REVISIONS = 200
"""Revisions of an order kept for its Cancels: a Replace that would need one of the last ones is denied."""


class Denial(msgspec.Struct, frozen=True):
    """``inputs``: what was compared, ``name=value`` in order; ``detail``: a sentence; ``rule``: filled in by Risk."""

    inputs: tuple[str, ...]
    detail: str
    rule: str = ""


Rule = Callable[[Proposal, State], Denial | None]


def deny(detail: str, /, **inputs: object) -> Denial:
    return Denial(tuple(f"{name}={value}" for name, value in inputs.items()), detail)


def _not_configured(key: str) -> Denial:
    return deny(f"risk.defaults.{key} is not configured (nor for the venue or instrument)", key=key)


def _at_most(value: int, limit: int | None, key: str) -> Denial | None:
    if limit is None:
        return _not_configured(key)
    return deny(f"above {key}", value=value, limit=limit) if value > limit else None


def session_phase(proposal: Proposal, state: State) -> Denial | None:
    phase = state.control.phase
    return None if phase is SessionPhase.RUNNING else deny("the session is not running", phase=phase.name)


def monitored_limits(proposal: Proposal, state: State) -> Denial | None:
    """Monitors watch these after each Event and judge no order: here it only counts that they are written."""
    limits = proposal.limits
    if limits.max_session_loss_total is None:
        return _not_configured(f"max_session_loss.{proposal.market.definition.quote}")
    if limits.max_consecutive_rejects is None:
        return _not_configured("max_consecutive_rejects")
    if limits.max_unattended_fills is None:
        return _not_configured("max_unattended_fills")
    return _not_configured("max_resting_data_age") if limits.max_resting_data_age is None else None


def kill_switch(proposal: Proposal, state: State) -> Denial | None:
    definition = proposal.market.definition
    killed = state.control.killed(definition.venue, definition.instrument)
    return deny("the kill-switch is engaged", scopes=sorted(state.control.kill)) if killed else None


def trading_state(proposal: Proposal, state: State) -> Denial | None:
    definition = proposal.market.definition
    trading = state.control.trading_state(definition.venue, definition.instrument)
    if trading is TradingState.HALTED:
        return deny("trading is halted", trading_state=trading.name)
    return _reduces(proposal, state) if trading is TradingState.REDUCING else None


def reduce_only(proposal: Proposal, state: State) -> Denial | None:
    return _reduces(proposal, state) if proposal.terms.reduce_only else None


def _reduces(proposal: Proposal, state: State) -> Denial | None:
    """Everything working on its side together must not go through flat."""
    position = state.execution.position(proposal.terms.instrument).qty
    buy = proposal.terms.side is Side.BUY
    closable = max(-position if buy else position, 0)
    worst = proposal.buying if buy else proposal.selling
    return deny("would not only reduce", position=position, worst_case=worst) if worst > closable else None


def instrument_tradable(proposal: Proposal, state: State) -> Denial | None:
    definition = proposal.market.definition
    if proposal.limits.trade is None:
        return _not_configured("trade")
    if not proposal.limits.trade:
        return deny("the Configuration does not allow this instrument", trade=False)
    if definition.status is not InstrumentStatus.TRADING:
        return deny("the venue does not trade it now", status=definition.status.name)
    if proposal.terms.type is OrderType.MARKET and not definition.market_allowed:
        return deny("the venue takes no MARKET order here", market_allowed=False)
    return None


def venue_connected(proposal: Proposal, state: State) -> Denial | None:
    venue = proposal.market.definition.venue
    status = state.control.venue_status.get(venue, ConnectionStatus.DISCONNECTED)
    if status is not ConnectionStatus.LIVE:
        return deny("order entry is not LIVE", venue_status=status.name)
    if venue not in state.configuration.execution.venue:
        return deny(f"execution.venue.{venue}.rate_limits is not configured", key=f"execution.venue.{venue}")
    return None


def feed_fresh(proposal: Proposal, state: State) -> Denial | None:
    market = proposal.market
    if market.status is not ConnectionStatus.LIVE:
        return deny("the feed is not LIVE", feed_status=market.status.name)
    age_ns = state.control.ts - market.recv_ns
    return _at_most(age_ns, proposal.limits.max_data_age, "max_data_age")


def book_valid(proposal: Proposal, state: State) -> Denial | None:
    market = proposal.market
    needs_book = proposal.terms.type not in (OrderType.LIMIT,)
    if not market.book.valid and (market.book_seen or needs_book):
        return deny("the book is not valid", valid=False)
    return None


def order_terms(proposal: Proposal, state: State) -> Denial | None:
    """The shape of an order: what its type needs and what it must not have."""
    terms, order = proposal.terms, proposal.order
    priced, stop = terms.type in PRICED_TYPES, terms.type in STOP_TYPES
    if (terms.price > 0) is not priced or terms.price < 0:
        return deny("price does not go with the type", type=terms.type.name, price=terms.price)
    if (terms.stop_price > 0) is not stop or terms.stop_price < 0:
        return deny("stop_price does not go with the type", type=terms.type.name, stop_price=terms.stop_price)
    by_quote = terms.quote_qty > 0 and terms.qty == 0 and terms.type is OrderType.MARKET
    if not by_quote and (terms.qty <= 0 or terms.quote_qty):
        return deny("needs one positive quantity", qty=terms.qty, quote_qty=terms.quote_qty)
    if order is not None and proposal.leaves_qty <= 0:
        return deny("nothing would be left to fill", qty=terms.qty, filled_qty=order.filled_qty)
    if order is not None and order.revision + CANCEL_REVISIONS > REVISION_MAX:
        return deny("too many requests for one order", revision=order.revision)
    return None


def price_filter(proposal: Proposal, state: State) -> Denial | None:
    rules = proposal.market.definition
    for price in (proposal.terms.price, proposal.terms.stop_price):
        if price == 0:
            continue
        if rules.price_tick and price % rules.price_tick:
            return deny("not a multiple of the tick", price=price, price_tick=rules.price_tick)
        if price < rules.price_min or (rules.price_max and price > rules.price_max):
            return deny("outside the venue's prices", price=price, min=rules.price_min, max=rules.price_max)
    return None


def lot_size(proposal: Proposal, state: State) -> Denial | None:
    rules, qty = proposal.market.definition, proposal.leaves_qty
    if proposal.terms.quote_qty:
        return None
    sizes = [(rules.qty_step, rules.qty_min, rules.qty_max)]
    if proposal.terms.type not in PRICED_TYPES:
        sizes.append((rules.market_qty_step, rules.market_qty_min, rules.market_qty_max))
    for step, smallest, largest in sizes:
        if step and qty % step:
            return deny("not a multiple of the lot step", qty=qty, qty_step=step)
        if qty < smallest or (largest and qty > largest):
            return deny("outside the venue's quantities", qty=qty, min=smallest, max=largest)
    return None


def notional_filter(proposal: Proposal, state: State) -> Denial | None:
    rules, notional = proposal.market.definition, proposal.notional
    smallest, largest = rules.notional_min.value, rules.notional_max.value
    if proposal.terms.type in PRICED_TYPES or rules.notional_min_applies_to_market:
        price = proposal.terms.price or reference_price(proposal.market, proposal.terms.side)
        least = proposal.terms.quote_qty or proposal.leaves_qty * price
        if least < smallest:
            return deny("below the venue's minimum notional", notional=least, min=smallest)
    if largest and notional > largest:
        return deny("above the venue's maximum notional", notional=notional, max=largest)
    return None


def max_order_qty(proposal: Proposal, state: State) -> Denial | None:
    return _at_most(proposal.leaves_qty, proposal.limits.max_order_qty, "max_order_qty")


def max_order_notional(proposal: Proposal, state: State) -> Denial | None:
    key = f"max_order_notional.{proposal.market.definition.quote}"
    return _at_most(proposal.notional, proposal.limits.max_order_notional, key)


def price_collar(proposal: Proposal, state: State) -> Denial | None:
    """A limit, or the end of the book that a MARKET order would eat, against the opposite best."""
    collar = proposal.limits.price_collar_bps
    if collar is None:
        return _not_configured("price_collar_bps")
    terms, market = proposal.terms, proposal.market
    reference = reference_price(market, terms.side)
    if reference <= 0:
        return deny("no price to compare with", reference=reference)
    price = terms.price or terms.stop_price or _depth_price(proposal)
    if price == 0:
        return deny("the book is not deep enough", qty=proposal.leaves_qty)
    if abs(price - reference) * 10_000 > collar * reference:
        return deny("too far from the market", price=price, reference=reference, price_collar_bps=collar)
    return None


def _depth_price(proposal: Proposal) -> int:
    """The last price that a MARKET order would reach in the book; 0 where it is not deep enough."""
    rest = proposal.leaves_qty
    for price, qty in proposal.market.book.levels(proposal.terms.side.opposite):
        rest -= qty
        if rest <= 0:
            return price
    return 0


def max_position(proposal: Proposal, state: State) -> Denial | None:
    position = state.execution.position(proposal.terms.instrument).qty
    buy = proposal.terms.side is Side.BUY
    worst = position + proposal.buying if buy else proposal.selling - position
    return _at_most(worst, proposal.limits.max_position, "max_position")


def max_gross_notional(proposal: Proposal, state: State) -> Denial | None:
    """Worst-case positions of every instrument of the same quote currency, at their market prices, added up."""
    quote = proposal.market.definition.quote
    limit = proposal.limits.max_gross_notional_total
    if limit is None or limit >= UNLIMITED:
        return None if limit else _not_configured(f"max_gross_notional.{quote}")
    found = exposures(state.execution)
    found[proposal.terms.instrument] = [proposal.buying, proposal.selling]
    total = 0
    for name in found | state.execution.positions:
        market = state.market.instruments[name]
        if market.definition.quote != quote:
            continue
        position = state.execution.position(name).qty
        buying, selling = found.get(name, (0, 0))
        worst = max(abs(position + buying), abs(position - selling))
        price = max(market.ask, market.bid, market.last_price)
        if worst and not price:
            return deny("no price for an open position", instrument=name, worst_case=worst)
        total += total_notional(worst * price, market)
    return _at_most(total, limit, f"max_gross_notional.{quote}")


def max_open_orders(proposal: Proposal, state: State) -> Denial | None:
    ids = {one.order_id: None for one in proposal.working}
    venue_limit = proposal.market.definition.max_open_orders
    if venue_limit and len(ids) + 1 > venue_limit:
        return deny("above the venue's open orders", value=len(ids) + 1, limit=venue_limit)
    return _at_most(len(ids) + 1, proposal.limits.max_open_orders, "max_open_orders")


def max_intents_per_second(proposal: Proposal, state: State) -> Denial | None:
    times = state.execution.intent_times
    recent = len(times) - bisect_right(times, state.control.ts - NANOS_PER_SECOND)
    return _at_most(recent + 1, proposal.limits.max_intents_per_second, "max_intents_per_second")


def max_session_orders(proposal: Proposal, state: State) -> Denial | None:
    execution = state.execution
    queued = sum(1 for one in execution.queue.pending.values() if one.kind is RequestKind.NEW)
    return _at_most(
        execution.session_orders + queued + 1, proposal.limits.max_session_orders, "max_session_orders"
    )


def max_session_notional(proposal: Proposal, state: State) -> Denial | None:
    """What was dispatched, what is queued, and this one; of a replacement what it adds to the order."""
    quote = proposal.market.definition.quote
    worst = state.execution.session_notional.get(quote, 0)
    present = 0 if proposal.order is None else proposal.order.leaves_qty * proposal.order.price
    worst += total_notional(max(proposal.notional - present, 0), proposal.market)
    for one in state.execution.queue.pending.values():
        market = state.market.instruments[one.instrument]
        if market.definition.quote == quote and one.order_id != proposal.terms.order_id:
            worst += total_notional(added_notional(one, state, market), market)
    return _at_most(worst, proposal.limits.max_session_notional_total, f"max_session_notional.{quote}")


def self_trade(proposal: Proposal, state: State) -> Denial | None:
    """Against everything of ours on the other side: resting, inflight, queued, and what a Cancel is on its way to."""
    if proposal.limits.allow_self_trade is None:
        return _not_configured("self_trade")
    if proposal.limits.allow_self_trade:
        return None
    terms, price = proposal.terms, proposal.worst_price
    for one in proposal.working:
        if one.side is terms.side or one.qty == 0:
            continue
        meets = price >= one.price if terms.side is Side.BUY else price <= one.price
        if meets or one.price == 0:
            return deny("would meet an own order", price=price, own_order=one.order_id, own_price=one.price)
    return None


def duplicate_order(proposal: Proposal, state: State) -> Denial | None:
    window = proposal.limits.duplicate_window
    if window is None:
        return _not_configured("duplicate_window")
    terms = proposal.terms
    key = (terms.instrument, int(terms.side), terms.price, terms.qty or terms.quote_qty)
    last = state.execution.recent.get(key)
    if window and last is not None and state.control.ts - last < window:
        return deny("the same order a moment ago", age_ns=state.control.ts - last, duplicate_window=window)
    return None


def balance(proposal: Proposal, state: State) -> Denial | None:
    """Free balance as reported, less what is on its way there and cannot be in any report yet."""
    if proposal.limits.check_balance is None:
        return _not_configured("balance")
    if not proposal.limits.check_balance:
        return None
    rules, buy = proposal.market.definition, proposal.terms.side is Side.BUY
    asset = rules.quote if buy else rules.base
    held = state.execution.balances.get(rules.venue, {}).get(asset)
    if held is None:
        return deny("the balance is not known", asset=asset)
    needed = proposal.notional if buy else proposal.leaves_qty
    if proposal.order is not None and proposal.order.status is not OrderStatus.SUBMITTED:
        held_back = proposal.order.leaves_qty * (proposal.order.price if buy else 1)
        needed = max(needed - held_back, 0)
    total = total_notional(needed, proposal.market) if buy else to_common(needed, rules.qty_decimals)
    total += unreported_total(proposal, state, asset)
    free = to_common(held.free, held.decimals)
    return deny("not enough balance", asset=asset, needed=total, free=free) if total > free else None


RULES: Final[dict[str, Rule]] = {
    "session_phase": session_phase,
    "monitored_limits": monitored_limits,
    "kill_switch": kill_switch,
    "trading_state": trading_state,
    "instrument_tradable": instrument_tradable,
    "venue_connected": venue_connected,
    "feed_fresh": feed_fresh,
    "book_valid": book_valid,
    "order_terms": order_terms,
    "price_filter": price_filter,
    "lot_size": lot_size,
    "notional_filter": notional_filter,
    "max_order_qty": max_order_qty,
    "max_order_notional": max_order_notional,
    "price_collar": price_collar,
    "max_position": max_position,
    "max_gross_notional": max_gross_notional,
    "max_open_orders": max_open_orders,
    "max_intents_per_second": max_intents_per_second,
    "max_session_orders": max_session_orders,
    "max_session_notional": max_session_notional,
    "self_trade": self_trade,
    "duplicate_order": duplicate_order,
    "balance": balance,
    "reduce_only": reduce_only,
}
"""In the order in which they are asked; the first Denial ends it."""
