"""What one step derives: DERIVED Events, applied to State the moment they are emitted, and the outbound requests.

Pure. ``emit`` is the only way in; the table below says what each DERIVED Event does to State. So the stages of a step
see each other's effects, and a fold over the Event Stream sees the same. Harness thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from livestack.core import events
from livestack.core.configuration import split_key
from livestack.core.events import DerivedEvent
from livestack.core.limits import to_common
from livestack.core.orders import Order, Request, adopted_order, open_order, reopened_order
from livestack.core.pending import Pending
from livestack.core.proposal import dispatched_notional, replacements
from livestack.core.rates import VenueRates
from livestack.core.state import State
from livestack.core.types import (
    OrderRequest,
    RequestKind,
    RequestSource,
    SessionPhase,
    TradingState,
    WithdrawReason,
    parse_client_id,
)
from livestack.core.versions import VERSIONS_MAX, EarlierVersion, difference


class Derivation:
    """The DERIVED Events of one step, in order, and the requests among them."""

    __slots__ = ("derived", "dispatches", "state", "wants_checkpoint")

    def __init__(self, state: State) -> None:
        self.state = state
        self.derived: list[DerivedEvent] = []
        self.dispatches: list[OrderRequest] = []
        self.wants_checkpoint = False

    def emit(self, event: DerivedEvent) -> None:
        """Append a DERIVED Event and apply it at once."""
        self.derived.append(event)
        APPLY[type(event)](self, event)

    def anomaly(
        self,
        kind: str,
        detail: str,
        venue: str = "",
        instrument: str = "",
        order_id: int = 0,
        halt: bool = False,
    ) -> None:
        """Something from outside contradicts State; ``halt`` the instrument, or the venue where there is none."""
        if halt and instrument and instrument not in self.state.market.instruments:
            scope, halted = (
                venue,
                "",
            )  # what is not defined has no State that could be wrong: the venue is to blame
        else:
            scope, halted = (instrument or venue) if halt else "", instrument
        self.emit(
            events.AnomalyDetected(
                kind=kind, venue=venue, instrument=instrument, order_id=order_id, detail=detail, halts=scope
            )
        )
        if scope and self.state.control.trading.get(scope) is not TradingState.HALTED:
            self.emit(
                events.TradingStateChanged(
                    state=TradingState.HALTED, by="anomaly", reason=kind, venue=venue, instrument=halted
                )
            )

    def withdraw(self, reason: WithdrawReason, venue: str = "", instrument: str = "") -> None:
        """Take every pending New and Replace in scope out of the Queue."""
        for pending in list(self.state.execution.queue.pending.values()):
            if pending.kind is not RequestKind.CANCEL and covers(
                venue, instrument, pending.venue, pending.instrument
            ):
                self.withdraw_one(pending, reason)

    def withdraw_one(self, pending: Pending, reason: WithdrawReason) -> None:
        """Take one pending command out of the Queue."""
        self.emit(
            events.IntentWithdrawn(
                intent=pending.kind,
                venue=pending.venue,
                instrument=pending.instrument,
                order_id=pending.order_id,
                reason=reason,
            )
        )

    def close_orders(self, source: RequestSource, venue: str = "", instrument: str = "") -> None:
        """Ask for Cancels of every open Order in scope, until each is closed."""
        for order in self.state.execution.orders.values():
            if covers(venue, instrument, order.venue, order.instrument):
                close_order(self.state, order, source)


def covers(venue: str, instrument: str, of_venue: str, of_instrument: str) -> bool:
    """Whether a scope ('' for all) covers something of ``of_venue`` and ``of_instrument``."""
    return (not venue or venue == of_venue) and (not instrument or instrument == of_instrument)


def close_order(state: State, order: Order, source: RequestSource) -> None:
    """Have ``order`` cancelled, again and again if need be."""
    order.closing = source
    order.cancel_not_before = 0
    state.execution.closing[order.order_id] = None


def _nothing(out: Derivation, event: Any) -> None:
    """It is a record only."""


def _denied(out: Derivation, event: events.IntentDenied) -> None:
    out.state.execution.counts.denied += 1


def _withdrawn(out: Derivation, event: events.IntentWithdrawn) -> None:
    execution = out.state.execution
    execution.counts.withdrawn += 1
    del execution.queue.pending[event.order_id]


def _dispatched(out: Derivation, event: events.IntentDispatched) -> None:
    out.dispatches.append(event.request)
    del out.state.execution.queue.pending[event.request.order_id]
    dispatch(out.state, event)


def dispatch(state: State, event: events.IntentDispatched) -> None:
    """What a dispatch is behind the Queue: the Order or its next revision, the request, and what it is counted as."""
    request, execution, ts = event.request, state.execution, state.control.ts
    execution.counts.dispatched += 1
    _spend(state, event)
    if request.kind is RequestKind.NEW:
        order = open_order(request, ts, event.worst_qty)
        execution.orders[request.order_id] = order
        execution.unreported[request.order_id] = None
        execution.session_orders += 1
        state.control.stale_checks.setdefault(request.instrument, 0)
    else:
        execution.orders[request.order_id].revision = request.revision
    execution.requests[request.order_id] = Request(
        kind=request.kind,
        revision=request.revision,
        client_id=request.client_id,
        source=request.source,
        dispatched_ts=ts,
        deadline_ns=ts + state.configuration.execution.request_timeout,
        qty=request.qty,
        price=request.price,
        admitted_ts=event.admitted_ts,
        bid=event.bid,
        ask=event.ask,
    )
    rules = state.configuration.execution.venue[request.venue].rate_limits
    rates = execution.rates.setdefault(request.venue, VenueRates())
    rates.dispatched(rules, request.kind, (request.order_id, request.revision), ts)


def _spend(state: State, event: events.IntentDispatched) -> None:
    market = state.market.instruments[event.request.instrument]
    definition, amount = market.definition, dispatched_notional(event, state, market)
    total = to_common(amount, definition.price_decimals + definition.qty_decimals)
    spent = state.execution.session_notional
    spent[definition.quote] = spent.get(definition.quote, 0) + total


def _adopted(out: Derivation, event: events.OrderAdopted) -> None:
    out.state.execution.order_counter = event.order_id
    adopt(out, event)


def adopt(out: Derivation, event: events.OrderAdopted) -> None:
    """The Order is there, and is closed again where nothing of its kind is to stay open."""
    state, ts = out.state, out.state.control.ts
    execution = state.execution
    closed = execution.closed.get(event.again)
    order = adopted_order(event, ts) if closed is None else reopened_order(closed, event, ts)
    execution.orders[order.order_id] = order
    execution.adopted[(event.venue, event.client_id)] = order.order_id
    execution.external.pop((event.venue, event.client_id), None)
    if not event.again:
        state.control.stale_checks.setdefault(event.instrument, 0)
    if event.again or _is_to_go(state, order):
        close_order(state, order, RequestSource.CORE)
    elif state.control.trading_state(order.venue, order.instrument) is TradingState.REDUCING:
        cancel_increasing(out, order.venue, order.instrument)


def _is_to_go(state: State, order: Order) -> bool:
    """Whether orders of its kind, or all that are open, are being cancelled: one found meanwhile is no exception."""
    control, rules = state.control, state.configuration.execution
    is_orphan = parse_client_id(order.client_id) is not None
    if (rules.orphan_orders if is_orphan else rules.external_orders) == "cancel":
        return True
    if control.killed(order.venue, order.instrument) and state.configuration.kill.cancel_open_orders:
        return True
    return control.phase is SessionPhase.STOPPING and not state.execution.leaves_open


def _trading_state(out: Derivation, event: events.TradingStateChanged) -> None:
    """ACTIVE lifts the states of what is narrower too; anything less withdraws what could increase."""
    control, scope = out.state.control, event.instrument or event.venue
    trading = control.trading
    control.stale_checks = dict.fromkeys(
        control.stale_checks, 0
    )  # in the new state they may mean something else
    if event.state is not TradingState.ACTIVE:
        trading[scope] = event.state
        out.withdraw(WithdrawReason.TRADING_STATE, event.venue, event.instrument)
    else:
        for name in [name for name in trading if _is_within(out.state, scope, name)]:
            del trading[name]
    if event.state is TradingState.REDUCING:
        cancel_increasing(out, event.venue, event.instrument)


def _is_within(state: State, scope: str, name: str) -> bool:
    """Whether a scope of the trading state is, or is part of, another one ('' for everything)."""
    market = state.market.instruments.get(name)
    return scope in ("", name) or (market is not None and scope == market.definition.venue)


def _kill_reset(out: Derivation, event: events.KillSwitchReset) -> None:
    out.state.control.kill = {}


def cancel_increasing(out: Derivation, venue: str, instrument: str) -> None:
    """Resting orders that could take a position further from flat, or through it."""
    execution = out.state.execution
    room: dict[tuple[str, int], int] = {}
    for order in execution.orders.values():
        if not covers(venue, instrument, order.venue, order.instrument):
            continue
        key = (order.instrument, int(order.side))
        position = execution.position(order.instrument).qty
        sign = -1 if order.side == 1 else 1
        worst = order.leaves_qty + sum(one.qty for one in replacements(execution, order.order_id))
        left = room.setdefault(key, max(sign * position, 0)) - worst
        if left < 0:
            close_order(out.state, order, RequestSource.CORE)
        else:
            room[key] = left


def _configuration(out: Derivation, event: events.ConfigurationChanged) -> None:
    state = out.state
    before, earlier = state.configuration, state.control.earlier
    state.configuration = before.patched(event.patch)
    undo = difference(state.configuration, before)
    earlier[before.version] = EarlierVersion(state.control.configuration_digest, undo)
    if len(earlier) > VERSIONS_MAX:
        del earlier[next(iter(earlier))]
    state.control.configuration_version = event.version
    state.control.configuration_digest = event.digest
    if any(split_key(key)[0] == "risk" for key, _ in event.patch):
        out.withdraw(WithdrawReason.CONFIGURATION)
        state.control.stale_checks |= dict.fromkeys(
            (one.instrument for one in state.execution.orders.values()), 0
        )


def _strategy_failed(out: Derivation, event: events.StrategyFailed) -> None:
    out.state.control.strategy_failures += 1


def _strategy_disabled(out: Derivation, event: events.StrategyDisabled) -> None:
    out.state.control.strategy_enabled = False


def _strategy_enabled(out: Derivation, event: events.StrategyEnabled) -> None:
    out.state.control.strategy_enabled = True
    out.state.execution.consecutive_rejects = 0


APPLY: Final[dict[type, Callable[[Derivation, Any], None]]] = {
    events.AnomalyDetected: _nothing,
    events.IntentDenied: _denied,
    events.IntentDispatched: _dispatched,
    events.IntentWithdrawn: _withdrawn,
    events.OrderAdopted: _adopted,
    events.CommandApplied: _nothing,
    events.CommandRefused: _nothing,
    events.TradingStateChanged: _trading_state,
    events.ConfigurationChanged: _configuration,
    events.StrategyFailed: _strategy_failed,
    events.StrategyDisabled: _strategy_disabled,
    events.StrategyEnabled: _strategy_enabled,
    events.Checkpoint: _nothing,
    events.KillSwitchReset: _kill_reset,
}
