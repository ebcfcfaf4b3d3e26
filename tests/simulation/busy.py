"""A strategy that uses every kind of request: all order types, all times in force, moves, amendments and cancels.

Pure. The chaos runs need every path of the order entry at every moment; it makes no money. What it does next comes
from a counter of its own, so the seed among its parameters and the Events decide everything.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from livestack.core.events import InputEvent, InstrumentDefined
from livestack.core.intents import Cancel, Intent, New, Replace
from livestack.core.strategy import BookView, Strategy, View
from livestack.core.types import (
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    parse_decimal,
)
from livestack.core.validation import Decimal, Duration

OPEN_MAX = 6
"""Orders of one instrument; with more it only cancels."""

HELD_MAX = 12
"""Quantities of ``qty`` held or sold short, at most; beyond that it only trades back."""

PREVENTIONS = (
    SelfTradePrevention.EXPIRE_MAKER,
    SelfTradePrevention.EXPIRE_TAKER,
    SelfTradePrevention.EXPIRE_BOTH,
)
STOPS = (
    OrderType.STOP_LOSS,
    OrderType.STOP_LOSS_LIMIT,
    OrderType.TAKE_PROFIT,
    OrderType.TAKE_PROFIT_LIMIT,
)
KINDS = (
    *("join", "join", "inside", "far", "post", "ioc", "fok", "market", "quote", "stop", "stop", "cross"),
    *("move", "move", "move", "lower", "lower", "lower_and_move", "raise", "cancel", "cancel", "cancel"),
)


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """``qty``: the unit of all quantities, in the base asset. One decision per instrument and ``pause``."""

    qty: Decimal
    pause: Duration
    seed: int = 1


class Memory(msgspec.Struct):
    """``drawn``: the generator's last number; ``acted``: when it last decided, by instrument."""

    drawn: int = 0
    acted: dict[str, int] = {}


class Busy(Strategy):
    """Acts on every instrument whose market is known."""

    parameters_type = Parameters
    memory_type = Memory
    parameters: Parameters
    memory: Memory

    def on_event(self, view: View, event: InputEvent) -> Iterator[Intent] | None:
        """One decision for the instrument that it is about, where its time has come."""
        instrument: str = getattr(event, "instrument", "")
        if instrument not in view.instruments or not view.book(instrument).live:
            return None
        book, acted = view.book(instrument), self.memory.acted
        if book.bid <= 0 or book.ask <= book.bid:
            return None
        if view.ts - acted.get(instrument, 0) < self.parameters.pause:
            return None
        acted[instrument] = view.ts
        return self._decide(view, instrument, book)

    def _draw(self, below: int) -> int:
        """The next number of a linear congruential generator, of its upper bits."""
        state = self.memory.drawn or self.parameters.seed * 2_654_435_761
        self.memory.drawn = (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**63
        return (self.memory.drawn >> 20) % below

    def _decide(self, view: View, instrument: str, book: BookView) -> Iterator[Intent]:
        kind = KINDS[self._draw(len(KINDS))]
        resting = [order for order in view.open_orders(instrument) if not view.is_inflight(order.order_id)]
        resting = [order for order in resting if order.status is not OrderStatus.SUBMITTED]
        if len(view.open_orders(instrument)) >= OPEN_MAX:
            kind = "cancel"
        if kind not in ("move", "lower", "lower_and_move", "raise", "cancel"):
            yield self._new(view, instrument, book, kind)
        elif resting:
            order = resting[self._draw(len(resting))]
            rules = view.instrument(instrument)
            price, qty, step = order.price, order.qty, max(rules.qty_step, 1)
            if kind == "cancel":
                yield Cancel(order_id=order.order_id)
                return
            if kind in ("lower", "lower_and_move"):
                qty = order.filled_qty + max((order.qty - order.filled_qty) // 2 // step * step, step)
            if kind == "raise":
                qty = order.qty + parse_decimal(self.parameters.qty, rules.qty_decimals)
            if kind in ("move", "lower_and_move") and price:
                price += (self._draw(9) - 4) * max(rules.price_tick, 1)
            if order.type is not OrderType.MARKET and (qty, price) != (order.qty, order.price):
                yield Replace(order_id=order.order_id, qty=qty, price=price)

    def _side(self, view: View, instrument: str, unit: int) -> Side:
        held = view.position(instrument).qty
        if abs(held) > HELD_MAX * unit:
            return Side.SELL if held > 0 else Side.BUY
        return Side.BUY if self._draw(2) else Side.SELL

    def _new(self, view: View, instrument: str, book: BookView, kind: str) -> New:
        rules = view.instrument(instrument)
        unit = parse_decimal(self.parameters.qty, rules.qty_decimals)
        side, tick = self._side(view, instrument, unit), max(rules.price_tick, 1)
        buys = side is Side.BUY
        own, other = (book.bid, book.ask) if buys else (book.ask, book.bid)
        away = -tick if buys else tick  # one tick further from a trade
        common = {
            "order_id": view.next_order_id(),
            "instrument": instrument,
            "side": side,
            "stp": PREVENTIONS[self._draw(len(PREVENTIONS))],
        }
        qty = unit * (1 + self._draw(3))
        if kind == "stop":
            return self._stop(common, qty, other, away, rules)
        if kind == "market":
            return New(**common, type=OrderType.MARKET, tif=TimeInForce.GTC, qty=qty)
        if kind == "quote":
            return New(**common, type=OrderType.MARKET, tif=TimeInForce.GTC, quote_qty=qty * other)
        if kind == "post":
            return New(**common, price=own + away * self._draw(3), qty=qty, post_only=True)
        if kind in ("ioc", "fok"):
            tif = TimeInForce.IOC if kind == "ioc" else TimeInForce.FOK
            return New(**common, price=other - away * self._draw(4), qty=qty, tif=tif)
        price = {
            "join": own,
            "inside": own - away if book.ask - book.bid > tick else own,
            "far": own + away * (20 + self._draw(50)),
            "cross": other,
        }[kind]
        return New(**common, price=price, qty=qty)

    def _stop(
        self, common: dict[str, object], qty: int, other: int, away: int, rules: InstrumentDefined
    ) -> New:
        """Triggered a little away from the touch: a stop behind the market, a take-profit before it."""
        type_ = STOPS[self._draw(len(STOPS))]
        is_loss = type_ in (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT)
        distance = (3 + self._draw(12)) * (-away if is_loss else away)
        limit = type_ in (OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
        price = other + distance - 2 * away if limit else 0
        stop = other + distance
        return New(**common, type=type_, qty=qty, price=price, stop_price=stop)  # type: ignore[arg-type]
