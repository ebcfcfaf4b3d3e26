"""Streams of INPUT Events that one session was fed, and fresh Cores that are fed them again."""

from __future__ import annotations

import random
from typing import Any

import msgspec
from hypothesis import settings

from livestack.core import events
from livestack.core.events import DerivedEvent, InputEvent
from livestack.core.intents import Cancel, Intent, New, Replace
from livestack.core.runtime import CoreRuntime
from livestack.core.strategy import Strategy
from livestack.core.types import Side, TradingState
from tests.core import support
from tests.core.support import INSTRUMENT, SECOND, Bench, configuration

RATES: list[dict[str, Any]] = [
    {"kind": "ORDERS", "interval": "10s", "limit": 3, "guard_band": "1ms", "cancel_reserve": 1, "cancel": 1}
]
FEW = settings(max_examples=30)
"""Each example is a session of its own."""


class Memory(msgspec.Struct):
    asked: int = 0


class Counting(Strategy):
    """Wants something at every quote, in turn, by what is in its memory."""

    memory_type = Memory

    def on_event(self, view: Any, event: InputEvent) -> Any:
        self.memory.asked += 1
        turn = self.memory.asked
        if turn % 4 == 1:
            side = Side.BUY if turn % 8 == 1 else Side.SELL
            price = 9_990 - turn if side is Side.BUY else 10_020 + turn
            return [
                New(order_id=view.next_order_id(), instrument=INSTRUMENT, side=side, qty=turn, price=price)
            ]
        if turn % 4 == 2:
            return [Replace(order_id=turn // 8 + 1, qty=turn + 1, price=9_970)]
        return [Cancel(order_id=turn // 5)] if turn % 4 == 3 else None


def rules() -> Any:
    return configuration({"max_order_qty": "0.030"}, {"max_queue_age": "5s"}, RATES)


def stream(seed: int, length: int = 60) -> list[tuple[int, InputEvent]]:
    """The INPUTs of a session with the stamps that they were sequenced at, answered by a venue of many moods."""
    source = random.Random(seed)
    bench = Bench(rules(), Counting(None))
    fed: list[tuple[int, InputEvent]] = []
    feed = bench.feed

    def recorded(event: InputEvent, wait_ns: int = 0) -> Any:
        fed.append((bench.ts + wait_ns, event))
        return feed(event, wait_ns)

    bench.feed = recorded  # type: ignore[method-assign]
    bench.start()
    for number in range(length):
        bench.ts += source.choice([0, 1, SECOND, 3 * SECOND])
        order_id = source.randrange(1, bench.execution.order_counter + 2)
        choices: list[InputEvent] = [
            support.quote(10_000 - source.randrange(3), 10_010, recv_ns=bench.ts),
            support.quote(10_000, 10_010 + source.randrange(3), recv_ns=bench.ts),
            support.accepted(order_id),
            support.fill(order_id, source.randrange(1, 4), number),
            support.cancelled(order_id),
            support.cancel_rejected(order_id),
            support.rejected(order_id),
            support.command(events.SetTradingState(TradingState.ACTIVE)),
        ]
        bench.feed(source.choice(choices))
    return fed


def played(fed: list[tuple[int, InputEvent]]) -> tuple[CoreRuntime, list[DerivedEvent]]:
    """A fresh Core that has taken in a stream."""
    runtime = CoreRuntime(rules(), Counting(None))
    return runtime, continued(runtime, fed)


def continued(runtime: CoreRuntime, fed: list[tuple[int, InputEvent]], seq: int = 0) -> list[DerivedEvent]:
    """Feed ``fed`` behind position ``seq``."""
    derived: list[DerivedEvent] = []
    for ts, event in fed:
        step = runtime.step(seq + 1, ts, event)
        seq += 1 + len(step.derived)
        derived += step.derived
    return derived


def any_intent(kind: type, order_id: int = 1) -> Intent:
    if kind is New:
        return New(order_id=order_id, instrument=INSTRUMENT, side=Side.BUY, qty=1, price=9_990)
    return Cancel(order_id=order_id) if kind is Cancel else Replace(order_id=order_id, qty=2, price=9_990)
