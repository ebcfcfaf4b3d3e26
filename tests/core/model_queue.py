"""The slow model's Risk and Queue: which Intents are denied and by which rule, what is pending, and what goes out.

The limits it knows are those of :class:`tests.core.model_rules.Rules`; every other limit is unlimited in the
Configurations that it is compared with. Only LIMIT orders are wanted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from livestack.core.intents import Cancel, Intent, New, Replace
from livestack.core.types import (
    ClientId,
    ConnectionStatus,
    InstrumentStatus,
    OrderRequest,
    RequestKind,
    RequestSource,
    SessionPhase,
    Side,
    TradingState,
    WithdrawReason,
)
from tests.core.model_orders import CLOSED, Sent, born

if TYPE_CHECKING:
    from tests.core.model import Model

REVISION_LAST = 62**2 - 1
REVISIONS_KEPT_FOR_CANCELS = 200


@dataclass(frozen=True)
class Wanted:
    """The effective command for one Order ID. ``terms``: of a New; ``amended``: by a Replace before it went out."""

    kind: RequestKind
    order_id: int
    instrument: str
    source: RequestSource
    number: int
    since: int
    terms: New | None = None
    qty: int = 0
    price: int = 0
    touch: tuple[int, int] = (0, 0)
    worst: int = 0
    amended: bool = False


def kind_of(intent: Intent) -> RequestKind:
    return {New: RequestKind.NEW, Replace: RequestKind.REPLACE, Cancel: RequestKind.CANCEL}[type(intent)]


# -- Risk


def denied_by(model: Model, intent: Intent) -> str:
    """The name of the first rule that objects; '' if none does."""
    order_id, waiting = intent.order_id, model.pending.get(intent.order_id)
    values = [getattr(intent, name) for name in ("order_id", "qty", "price") if hasattr(intent, name)]
    if any(type(value) is not int for value in values):
        return "order_terms"
    if isinstance(intent, New):
        if intent.instrument not in model.definitions:
            return "instrument_defined"
        usable = order_id in model.unused or waiting is not None
        if not usable or (waiting is not None and waiting.instrument != intent.instrument):
            return "order_id"
    elif order_id not in model.open and waiting is None:
        return "order_id"
    if isinstance(intent, Replace) and order_id in model.closing:
        return "order_id"
    if order_id in model.closed:  # a tombstone, whatever still waits for it
        return "order_id"
    return "" if isinstance(intent, Cancel) else _policy(model, intent)


def _policy(model: Model, intent: New | Replace) -> str:
    order, waiting = model.open.get(intent.order_id), model.pending.get(intent.order_id)
    source: Any = intent if isinstance(intent, New) else order.first if order else waiting and waiting.terms
    instrument, side = source.instrument, source.side
    rules, definition = model.rules, model.definitions[instrument]
    market = model.market(instrument)
    leaves = intent.qty - (order.filled if order else 0)
    buying, selling, others = model.worst_case(instrument, intent.order_id)
    own = leaves + (order.leaves if order else 0)
    buying, selling = (buying + own, selling) if side is Side.BUY else (buying, selling + own)
    position = model.position(instrument)
    closable = max(-position, 0) if side is Side.BUY else max(position, 0)
    widens = (buying if side is Side.BUY else selling) > closable
    worst = position + buying if side is Side.BUY else selling - position
    trading = model.trading_of(instrument)
    reference = (market.ask if side is Side.BUY else market.bid)[0] or market.last_price
    revision = order.revision if order else 0
    objections = {
        "session_phase": model.phase is not SessionPhase.RUNNING,
        "kill_switch": model.is_killed(instrument),
        "trading_state": trading is TradingState.HALTED or (trading is TradingState.REDUCING and widens),
        "instrument_tradable": not rules.trade or definition.status is not InstrumentStatus.TRADING,
        "venue_connected": model.venue_status.get(definition.venue) is not ConnectionStatus.LIVE,
        "feed_fresh": market.status is not ConnectionStatus.LIVE
        or model.ts - market.recv_ns > rules.max_data_age,
        "book_valid": market.book_seen and not market.valid,
        "order_terms": intent.price <= 0
        or intent.qty <= 0
        or (order is not None and leaves <= 0)
        or revision + REVISIONS_KEPT_FOR_CANCELS > REVISION_LAST,
        "price_filter": definition.price_tick and intent.price % definition.price_tick,
        "lot_size": leaves % definition.qty_step or leaves < definition.qty_min,
        "max_order_qty": rules.max_order_qty is None or leaves > rules.max_order_qty,
        "price_collar": reference <= 0,
        "max_position": worst > rules.max_position,
        "max_open_orders": len(others) + 1 > rules.max_open_orders,
        "reduce_only": source.reduce_only and widens,
    }
    return next((rule for rule, objects in objections.items() if objects), "")


# -- Admission


def admit(model: Model, intent: Intent, source: RequestSource) -> None:
    """Dominance, row by row."""
    order_id, kind = intent.order_id, kind_of(intent)
    model.unused.pop(order_id, None)
    before = model.pending.get(order_id)
    model.admitted += 1
    after = _command(model, intent, source)
    if before is None:
        model.pending[order_id] = after
        return
    model.superseded += 1
    if before.kind is RequestKind.NEW and kind is RequestKind.CANCEL:
        model.superseded += 1  # both close
        del model.pending[order_id]
        return
    if before.kind is RequestKind.NEW and kind is RequestKind.REPLACE:
        assert isinstance(intent, Replace)
        assert before.terms is not None
        terms = replace_terms(before.terms, intent)
        after = replace(after, kind=RequestKind.NEW, terms=terms, qty=0, price=0, amended=True)
    elif (
        before.amended
        or (before.kind is RequestKind.REPLACE and kind is RequestKind.NEW)
        or (before.kind is RequestKind.CANCEL and kind is not RequestKind.CANCEL)
    ):
        return  # the one that waits stays
    del model.pending[order_id]
    model.pending[order_id] = after


def replace_terms(terms: New, intent: Replace) -> New:
    names = ("instrument", "side", "type", "tif", "post_only", "reduce_only", "stp")
    kept = {name: getattr(terms, name) for name in names}
    return New(order_id=terms.order_id, qty=intent.qty, price=intent.price, **kept)


def _command(model: Model, intent: Intent, source: RequestSource) -> Wanted:
    order, waiting = model.open.get(intent.order_id), model.pending.get(intent.order_id)
    if isinstance(intent, New):
        instrument = intent.instrument
    else:
        instrument = order.first.instrument if order else waiting.instrument if waiting else ""
    wanted = Wanted(kind_of(intent), intent.order_id, instrument, source, model.admitted, model.ts)
    if isinstance(intent, Cancel):
        return wanted
    market = model.market(instrument)
    wanted = replace(wanted, touch=(market.bid[0], market.ask[0]), worst=intent.qty)
    if isinstance(intent, New):
        return replace(wanted, terms=intent)
    return replace(wanted, qty=intent.qty, price=intent.price)


# -- Queue Processing


def process(model: Model) -> None:
    """Withdraw, then send what may go, Cancels in a lane of their own."""
    if model.phase is SessionPhase.STOPPED:
        return
    for one in list(model.pending.values()):
        reason = pointless(model, one)
        if reason is not None:
            model.withdraw(one, reason)
    full: list[tuple[str, bool]] = []
    for one in in_order(model):
        venue, lane = model.venue_of(one.instrument), lane_of(model, one)
        if lane in full or is_held(model, one):
            continue
        if model.rates[venue].fits(one.kind, model.ts):
            send(model, one)
        else:
            full.append(lane)


def lane_of(model: Model, one: Wanted) -> tuple[str, bool]:
    return model.venue_of(one.instrument), one.kind is RequestKind.CANCEL


def in_order(model: Model) -> list[Wanted]:
    """As configured by kind, then as admitted."""
    place = {name: index for index, name in enumerate(model.rules.order)}
    return sorted(model.pending.values(), key=lambda one: (place[one.kind.name.lower()], one.number))


def pointless(model: Model, one: Wanted) -> WithdrawReason | None:
    if one.kind is not RequestKind.NEW and one.order_id not in model.open:
        closed = one.order_id in model.closed
        return WithdrawReason.ORDER_TERMINAL if closed else WithdrawReason.ORDER_UNKNOWN
    if one.kind is RequestKind.CANCEL:
        return None
    if one.order_id in model.closing:
        return WithdrawReason.SUPERSEDED
    if model.is_killed(one.instrument):
        return WithdrawReason.KILL_SWITCH
    if model.trading_of(one.instrument) is TradingState.HALTED:
        return WithdrawReason.TRADING_STATE
    if model.phase is not SessionPhase.RUNNING:
        return WithdrawReason.SESSION_STOPPING
    return WithdrawReason.TOO_OLD if model.ts - one.since >= model.rules.max_queue_age else None


def is_held(model: Model, one: Wanted) -> bool:
    if model.venue_status.get(model.venue_of(one.instrument)) is not ConnectionStatus.LIVE:
        return True
    if one.order_id in model.inflight:
        return True
    unknown = one.order_id in model.unresolved or one.order_id in model.in_doubt
    return unknown and one.kind is not RequestKind.CANCEL


def send(model: Model, one: Wanted) -> None:
    """The request, as a venue would see it."""
    order = model.open.get(one.order_id)
    terms: Any = one.terms if order is None else order.first
    revision = 1 if order is None else order.revision + 1
    replaces = one.kind is RequestKind.REPLACE
    request = OrderRequest(
        kind=one.kind,
        venue=model.venue_of(one.instrument),
        instrument=one.instrument,
        order_id=one.order_id,
        revision=revision,
        client_id=str(ClientId(model.epochs[-1], one.order_id, revision)),
        source=one.source,
        target_client_id=order.client_id if order else "",
        venue_order_id=order.venue_order_id if order else "",
        side=terms.side,
        type=terms.type,
        tif=terms.tif,
        qty=terms.qty if order is None else one.qty if replaces else order.qty,
        price=terms.price if order is None else one.price if replaces else order.price,
        filled_qty=order.filled if order else 0,
        post_only=terms.post_only,
        reduce_only=terms.reduce_only,
        stp=terms.stp,
    )
    model.told.append(("IntentDispatched", request, one.since, *one.touch, one.worst))
    model.dispatched += 1
    del model.pending[one.order_id]
    if order is None:
        model.open[one.order_id] = born(request, model.ts)
    else:
        order.revision = revision
    model.inflight[one.order_id] = Sent(request, model.ts + model.rules.request_timeout, one.since)
    model.rates[request.venue].dispatched((one.order_id, revision), one.kind, model.ts)


def close_wanted(model: Model) -> None:
    """Cancels for every Order that is to be closed and has none on its way."""
    if model.phase is SessionPhase.STOPPED:
        return
    for order_id in list(model.closing):
        order = model.open[order_id]
        assert order.status not in CLOSED
        if not cancel_on_its_way(model, order_id) and model.ts >= order.not_before:
            assert order.closing is not None
            model.submit(Cancel(order_id=order_id), order.closing)


def cancel_on_its_way(model: Model, order_id: int) -> bool:
    waiting, sent = model.pending.get(order_id), model.inflight.get(order_id)
    return (waiting is not None and waiting.kind is RequestKind.CANCEL) or (
        sent is not None and sent.request.kind is RequestKind.CANCEL
    )
