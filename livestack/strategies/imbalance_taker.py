"""A trade-imbalance taker. Pure; an example that really trades.

It sums the signed quantity of the last ``window`` public trades. When buyers (or sellers) outweigh the other side by
``threshold_percent`` it takes the same side with an immediate-or-cancel limit order, and goes home when the price has
moved ``profit_bps`` its way, ``loss_bps`` against it, or after ``holding_time``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from livestack.core.events import InputEvent, TradeTick
from livestack.core.intents import Intent, New
from livestack.core.strategy import Strategy, View
from livestack.core.types import Side, TimeInForce, parse_decimal
from livestack.core.validation import Decimal, Duration

_BPS = 10_000


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """``qty`` per order in the base asset; ``slip_bps`` is how far beyond the touch an order may trade."""

    instruments: tuple[str, ...] = ()
    qty: Decimal
    window: Annotated[int, msgspec.Meta(ge=2, le=1_000)] = 20
    threshold_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 60
    slip_bps: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 5
    profit_bps: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 10
    loss_bps: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 20
    holding_time: Duration = 30_000_000_000
    pause: Duration = 1_000_000_000


class Watched(msgspec.Struct):
    """One instrument: recent signed trade quantities, the order last sent, and when."""

    flow: list[int] = []
    order_id: int = 0
    acted_ts: int = 0
    entered_ts: int = 0


class Memory(msgspec.Struct):
    instruments: dict[str, Watched] = {}


class ImbalanceTaker(Strategy):
    """Takes on every instrument of ``parameters.instruments`` (none named: every defined one)."""

    parameters_type = Parameters
    memory_type = Memory
    parameters: Parameters
    memory: Memory

    def on_event(self, view: View, event: InputEvent) -> Iterator[Intent] | None:
        """Gather trades; act on any Event of an instrument that is not waiting for an order."""
        instrument: str = getattr(event, "instrument", "")
        if instrument not in (self.parameters.instruments or view.instruments):
            return None
        watched = self.memory.instruments.setdefault(instrument, Watched())
        if isinstance(event, TradeTick):
            watched.flow.append(event.qty if event.aggressor is Side.BUY else -event.qty)
            del watched.flow[: -self.parameters.window]
        waiting = watched.order_id and view.is_open(watched.order_id)
        if waiting or not view.book(instrument).live or view.ts - watched.acted_ts < self.parameters.pause:
            return None
        if self._can_be_closed(view, instrument):
            return self._leave(view, instrument, watched)
        return self._enter(view, instrument, watched)

    def _can_be_closed(self, view: View, instrument: str) -> bool:
        """Whether the venue would take an order for what is held; fees leave dust that it would not."""
        rules, held = view.instrument(instrument), abs(view.position(instrument).qty)
        qty = held - held % max(rules.qty_step, 1)
        return qty >= max(rules.qty_min, 1) and qty * view.book(instrument).bid >= rules.notional_min.value

    def _enter(self, view: View, instrument: str, watched: Watched) -> Iterator[Intent]:
        watched.entered_ts = view.ts
        if len(watched.flow) < self.parameters.window:
            return
        net = sum(watched.flow)
        volume = sum(abs(qty) for qty in watched.flow)
        if abs(net) * 100 < self.parameters.threshold_percent * volume:
            return
        qty = parse_decimal(self.parameters.qty, view.instrument(instrument).qty_decimals)
        yield from self._take(view, instrument, watched, Side.BUY if net > 0 else Side.SELL, qty)

    def _leave(self, view: View, instrument: str, watched: Watched) -> Iterator[Intent]:
        position, book = view.position(instrument), view.book(instrument)
        held, cost = position.qty, position.cost
        price = book.bid if held > 0 else book.ask
        if price <= 0:
            return
        gain = (abs(held) * price - cost) * (1 if held > 0 else -1)
        home = (
            gain * _BPS >= cost * self.parameters.profit_bps
            or -gain * _BPS >= cost * self.parameters.loss_bps
        )
        if home or view.ts - watched.entered_ts >= self.parameters.holding_time:
            side = Side.SELL if held > 0 else Side.BUY
            yield from self._take(view, instrument, watched, side, abs(held), closes=True)

    def _take(
        self, view: View, instrument: str, watched: Watched, side: Side, qty: int, closes: bool = False
    ) -> Iterator[Intent]:
        rules, book = view.instrument(instrument), view.book(instrument)
        touch = book.ask if side is Side.BUY else book.bid
        qty -= qty % max(rules.qty_step, 1)
        tick = max(rules.price_tick, 1)
        slip = touch * self.parameters.slip_bps // _BPS
        price = (touch + slip if side is Side.BUY else touch - slip) // tick * tick
        if touch <= 0 or qty <= 0 or price <= 0:
            return
        watched.order_id = view.next_order_id()
        watched.acted_ts = view.ts
        watched.flow = []
        yield New(
            order_id=watched.order_id,
            instrument=instrument,
            side=side,
            tif=TimeInForce.IOC,
            qty=qty,
            price=price,
            reduce_only=closes,
        )
