"""Events about orders in one plain sentence each, with prices and quantities as people write them. Any one thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from livestack.core import events
from livestack.core.events import Event, InstrumentDefined
from livestack.core.intents import Cancel, Intent, New
from livestack.core.types import DECIMALS_MAX, OrderRequest, OrderType, RequestKind, format_decimal

Definitions = Mapping[str, InstrumentDefined]


def duration(nanoseconds: int) -> str:
    """``1.234 ms``, ``12.3 s``: three digits that mean something."""
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)):
        if abs(nanoseconds) >= size:
            digits = 3 if abs(nanoseconds) < 10 * size else 1
            return f"{format_decimal(nanoseconds * 10**digits // size, digits)} {unit}"
    return f"{nanoseconds} ns"


def short(value: int, decimals: int) -> str:
    """A decimal without zeros at its end; ``5e-1000`` where a damaged or foreign Event has decimals that cannot be."""
    if not 0 <= decimals <= DECIMALS_MAX:
        return f"{value}e{-decimals}"
    text = format_decimal(value, decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text


class Scales:
    """Prices and quantities of instruments; raw integers where an instrument's definition is not known."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions

    def price(self, instrument: str, value: int) -> str:
        known = self._definitions.get(instrument)
        return str(value) if known is None else short(value, known.price_decimals)

    def qty(self, instrument: str, value: int) -> str:
        known = self._definitions.get(instrument)
        if known is None:
            return str(value)
        return f"{short(value, known.qty_decimals)} {known.base}"

    def quote_qty(self, instrument: str, value: int) -> str:
        known = self._definitions.get(instrument)
        if known is None:
            return str(value)
        return f"{short(value, known.price_decimals + known.qty_decimals)} {known.quote}"


def word(name: str) -> str:
    """``PARTIALLY_FILLED`` for people."""
    return name.replace("_", " ").lower()


def terms(one: New | OrderRequest, scales: Scales) -> str:
    """``buy 0.01 BTC of binance_spot:BTCUSDT at 50000, limit GTC``."""
    amount = scales.qty(one.instrument, one.qty)
    if one.quote_qty:
        amount = f"for {scales.quote_qty(one.instrument, one.quote_qty)}"
    price = "" if one.type is OrderType.MARKET else f" at {scales.price(one.instrument, one.price)}"
    stop = f" from {scales.price(one.instrument, one.stop_price)}" if one.stop_price else ""
    marks = [name for name in ("post_only", "reduce_only") if getattr(one, name)]
    extra = "".join(f", {word(mark)}" for mark in marks)
    kind = f"{word(one.type.name)} {one.tif.name}"
    return f"{one.side.name.lower()} {amount} of {one.instrument}{price}{stop}, {kind}{extra}"


def intent_words(intent: Intent, instrument: str, scales: Scales) -> str:
    """What the Strategy, an operator or the Core wanted."""
    if isinstance(intent, New):
        return f"a new order: {terms(intent, scales)}"
    if isinstance(intent, Cancel):
        return "to cancel it"
    return f"to replace it: {scales.qty(instrument, intent.qty)} at {scales.price(instrument, intent.price)}"


def event_words(event: Event, scales: Scales) -> str:
    """What happened to the order."""
    say = _WORDS.get(type(event))
    return type(event).__name__ if say is None else say(event, scales)


def _dispatched(event: events.IntentDispatched, scales: Scales) -> str:
    request = event.request
    what = "cancel" if request.kind is RequestKind.CANCEL else terms(request, scales)
    return f"{word(request.kind.name)} {request.client_id} handed over to be sent: {what}"


def _adopted(event: events.OrderAdopted, scales: Scales) -> str:
    name = event.instrument
    whose = f"order {event.again}, which had been over, is" if event.again else "an order of somebody else,"
    side, qty = event.side.name.lower(), scales.qty(name, event.qty)
    return (
        f"{whose} open at the venue as {event.client_id}: {side} {qty} of {name} at "
        f"{scales.price(name, event.price)}, {scales.qty(name, event.filled_qty)} of it filled; it is order "
        f"{event.order_id} from here on"
    )


def _fill(event: events.OrderFill, scales: Scales) -> str:
    fee = short(event.fee.value, event.fee_decimals)
    return (
        f"{scales.qty(event.instrument, event.qty)} at {scales.price(event.instrument, event.price)} as "
        f"{word(event.liquidity.name)}, fee {fee} {event.fee_asset}, the venue's fill {event.fill_id}"
    )


def _ended(how: str) -> Callable[[Any, Scales], str]:
    def say(event: Any, scales: Scales) -> str:
        known = event.filled_qty >= 0
        filled = f", {scales.qty(event.instrument, event.filled_qty)} of it filled" if known else ""
        return f"{how} at the venue{filled}{_because(event.reason)}"

    return say


def _refused(what: str) -> Callable[[Any, Scales], str]:
    return lambda event, scales: f"the venue refused {what}{_because(event.reason, event.code)}"


def _because(reason: str, code: str = "") -> str:
    text = " ".join(filter(None, (code, reason)))
    return f": {text}" if text else ""


def _report(event: events.OrderReport, scales: Scales) -> str:
    return (
        f"asked, the venue says: {word(event.status.name)}, {scales.qty(event.instrument, event.filled_qty)} of "
        f"{scales.qty(event.instrument, event.qty)} filled{_because(event.reason)}"
    )


def _rates(event: events.RateLimitReport, scales: Scales) -> str:
    used = [f"{one.used} of {one.limit} {one.kind} in {duration(one.interval_ns)}" for one in event.usage]
    return f"the venue counts {', '.join(used)}" if used else "the venue counts nothing"


_WORDS: Final[dict[type, Callable[[Any, Scales], str]]] = {
    events.IntentDenied: lambda event, scales: (
        f"denied by {event.rule}: {event.detail} ({', '.join(event.inputs)})"
    ),
    events.IntentWithdrawn: lambda event, scales: (
        f"{word(event.intent.name)} taken back before it was sent: {word(event.reason.name)}"
    ),
    events.IntentDispatched: _dispatched,
    events.OrderAdopted: _adopted,
    events.RequestSent: lambda event, scales: (
        f"{word(event.kind.name)}, revision {event.revision}: every byte written in "
        f"{duration(event.send_ns - event.gate_ns)}"
    ),
    events.DispatchFailed: lambda event, scales: (
        f"{word(event.kind.name)} is certainly not at the venue: {word(event.reason.name)}{_because(event.detail)}"
    ),
    events.OrderAccepted: lambda event, scales: f"accepted by the venue as {event.venue_order_id}",
    events.OrderRejected: _refused("the order"),
    events.OrderFill: _fill,
    events.OrderCancelled: _ended("cancelled"),
    events.OrderExpired: _ended("expired"),
    events.OrderReplaced: lambda event, scales: (
        f"replaced: {scales.qty(event.instrument, event.qty)} at {scales.price(event.instrument, event.price)}"
    ),
    events.CancelRejected: _refused("to cancel"),
    events.ReplaceRejected: _refused("to replace"),
    events.OrderReport: _report,
    events.RateLimitReport: _rates,
    events.AnomalyDetected: lambda event, scales: (
        f"the venue contradicts itself, {event.kind}: {event.detail}"
        + (f"; {event.halts} was halted" if event.halts else "")
    ),
    events.OperatorCommand: lambda event, scales: f"{event.who} asked to cancel it{_because(event.why)}",
}
