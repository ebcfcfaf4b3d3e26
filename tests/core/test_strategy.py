"""The View: it shows State, and nothing can be written through it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from livestack.core import events
from livestack.core.configuration import RiskLimits
from livestack.core.events import InputEvent
from livestack.core.intents import New
from livestack.core.state import State
from livestack.core.strategy import Decision, ReadOnly, Strategy, View
from livestack.core.types import Side
from tests.core import support
from tests.core.support import INSTRUMENT, VENUE, Bench, configuration


def viewed() -> tuple[Bench, Any, int]:
    bench = Bench().start()
    order_id = bench.buy(qty=10)
    bench.feed(support.accepted(order_id))
    bench.feed(support.fill(order_id, 4, 1))
    return bench, bench.runtime._view, order_id


def test_the_view_shows_state() -> None:
    """Market, orders, positions, balances, time."""
    bench, view, order_id = viewed()
    book = view.book(INSTRUMENT)
    assert (10_000, 50, 10_010, 50, True, False) == (
        book.bid,
        book.bid_qty,
        book.ask,
        book.ask_qty,
        book.live,
        book.valid,
    )
    assert (4, 39_960, bench.ts) == (view.position(INSTRUMENT).qty, view.position(INSTRUMENT).cost, view.ts)
    assert [(order_id, 6)] == [(one.order_id, one.leaves_qty) for one in view.open_orders(INSTRUMENT)]
    assert (True, False, False) == (
        view.is_open(order_id),
        view.is_inflight(order_id),
        view.is_pending(order_id),
    )
    assert (10**17, None) == (view.balance(VENUE, "USDT").free, view.balance(VENUE, "X"))
    assert ((INSTRUMENT,), 2) == (view.instruments, view.instrument(INSTRUMENT).price_decimals)
    assert [] == list(book.levels(Side.BUY))
    with pytest.raises(KeyError):
        view.book("sim:NONE")


def test_nothing_can_be_written_through_it() -> None:
    """Not on the view, nor on anything that it hands out, nor by calling a method of it."""
    bench, view, order_id = viewed()
    digest = bench.state.digest()
    targets: list[tuple[Any, str]] = [
        (view, "ts"),
        (view, "x"),
        (view.book(INSTRUMENT), "bid"),
        (view.position(INSTRUMENT), "qty"),
        (view.order(order_id), "status"),
        (view.open_orders()[0], "price"),
        (view.balance(VENUE, "USDT"), "free"),
        (view.instrument(INSTRUMENT), "price_tick"),
        (view.configuration, "risk"),
        (view.position(INSTRUMENT).fees["BNB"], "amount"),
    ]
    for target, name in targets:
        with pytest.raises((AttributeError, TypeError)):
            setattr(target, name, 1)
    with pytest.raises(TypeError):
        view.position(INSTRUMENT).fees["X"] = 1
    with pytest.raises(AttributeError, match="cannot be called"):
        view.position(INSTRUMENT).trade(Side.BUY, 1, 1)
    assert digest == bench.state.digest()


def test_deadlines_are_integers_and_bounded() -> None:
    """A float deadline and a thousand and one of them are the strategy's failure."""
    _, view, _ = viewed()
    with pytest.raises(TypeError, match="integer"):
        view.wake_at("x", 1.5)
    for name in ("\ud800", 5):
        with pytest.raises(TypeError, match="text"):
            view.wake_at(name, 1)
    for number in range(1_000):
        view.wake_at(f"n{number}", 1)
    with pytest.raises(OverflowError, match="deadlines"):
        view.wake_at("one more", 1)


def test_order_ids_count_up() -> None:
    """Each draw is the next number; the oldest unused are forgotten beyond the limit."""
    bench, view, order_id = viewed()
    assert [order_id + 1, order_id + 2] == [view.next_order_id(), view.next_order_id()]
    for _ in range(10_001):
        view.next_order_id()
    assert 10_000 == len(bench.execution.drawn)


class Notes(msgspec.Struct):
    count: int = 0
    text: str = ""


class Forgetful(Strategy):
    """Takes notes; at a bid of 1 it begins new ones and fails, at a bid of 2 it notes what is no text."""

    memory_type = Notes

    def on_event(self, view: View, event: InputEvent) -> Decision:
        assert isinstance(event, events.QuoteTick)
        if event.bid == 1:
            self.memory = Notes(count=99)
            raise ValueError
        self.memory.text = "\ud800" if event.bid == 2 else ""
        self.memory.count += 1
        return None


class Loose(Strategy):
    memory_type = msgspec.defstruct("Loose", [("rows", dict, {})])


def test_the_configuration_cannot_be_written_through_it() -> None:
    """No limit of it can be put in, and none changes."""
    bench, view, _ = viewed()
    digest = bench.state.configuration.digest()
    for table in (view.configuration.risk.instrument, view.configuration.execution.venue):
        with pytest.raises(TypeError, match="cannot be written"):
            table[INSTRUMENT] = RiskLimits(max_order_qty="unlimited")
    assert digest == bench.state.configuration.digest()


def test_a_struct_is_read_only_at_every_depth() -> None:
    """Through lists and dicts of what may be written."""
    inner = Notes()
    holder = msgspec.defstruct("Holder", [("rows", dict[str, list[Notes]])])({"a": [inner]})
    seen: Any = ReadOnly(holder)
    with pytest.raises(AttributeError, match="cannot be written"):
        seen.rows["a"][0].count = 1
    assert 0 == inner.count


def test_a_failed_hook_keeps_its_memory_in_state() -> None:
    """What it remembered before it failed is State: a session restored from there goes on alike."""
    settings = configuration(strategy={"path": "x:Y", "on_failure": "continue"})
    bench = Bench(settings, Forgetful(None)).start(quoted=False)
    bench.quote()
    assert ["StrategyFailed"] == [type(one).__name__ for one in bench.quote(1, 10).derived]
    assert bench.strategy.memory is bench.state.control.memory
    assert 99 == State.restore(bench.state.snapshot(), Notes).control.memory.count


def test_a_memory_without_bytes_fails_at_the_checkpoint() -> None:
    """Text that UTF-8 cannot hold is given up like a set is: with a StrategyFailed, and a digest all the same."""
    bench = Bench(strategy=Forgetful(None)).start(quoted=False)
    bench.quote(2, 10)
    step = bench.feed(events.CheckpointRequested(by="x"))
    failed, _, checkpoint = step.derived
    assert events.StrategyFailed(hook="memory", error="UnicodeEncodeError") == failed
    assert events.Checkpoint(digest=bench.state.digest()) == checkpoint


def test_a_memory_that_would_not_come_back_is_refused_at_once() -> None:
    """Not at the first restart."""
    with pytest.raises(TypeError, match=r"Loose\.rows: dict cannot be restored; use "):
        Bench(strategy=Loose(None))


def test_an_intent_for_what_is_no_text_is_denied() -> None:
    """As badly formed, and the denial can be encoded."""
    bench = Bench().start()
    intent = New(order_id=bench.new_id(), instrument="sim:\ud800", side=Side.BUY, qty=1, price=1)
    (denied,) = bench.want(intent).derived
    assert isinstance(denied, events.IntentDenied)
    assert ("order_terms", VENUE, "sim:\\ud800") == (denied.rule, denied.venue, denied.instrument)
    msgspec.msgpack.encode(denied)
