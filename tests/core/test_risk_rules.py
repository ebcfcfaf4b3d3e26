"""Every risk rule passes and denies; a limit that is not configured denies and names its key."""

from __future__ import annotations

from typing import Any

import pytest

from livestack.core import events
from livestack.core.intents import New, Replace
from livestack.core.risk_rules import RULES
from livestack.core.types import (
    Amount,
    ConnectionStatus,
    InstrumentStatus,
    OrderType,
    RequestSource,
    Side,
    TradingState,
)
from tests.core import support
from tests.core.support import INSTRUMENT, SECOND, Bench, configuration, definition


def nothing(bench: Bench) -> None:
    """Leave the bench as it is."""


def trades_at(bench: Bench) -> None:
    bench.feed(support.fill(bench.buy(qty=3), 3, 1))


def halted(bench: Bench) -> None:
    bench.feed(support.command(events.SetTradingState(TradingState.HALTED)))


def book(bench: Bench) -> None:
    """Ten to buy at 100.10 and ten more at 101.00."""
    bench.feed(
        events.BookSnapshot(
            recv_ns=bench.ts,
            instrument=INSTRUMENT,
            event_ns=0,
            last_update_id=1,
            bids=((10_000, 10),),
            asks=((10_010, 10), (10_100, 10)),
        )
    )


def cancel_only(bench: Bench) -> None:
    bench.feed(definition(status=InstrumentStatus.CANCEL_ONLY))


def other_venue_killed(bench: Bench) -> None:
    bench.feed(support.definition("other:ETHUSDT", base="ETH"))
    bench.feed(support.killed("other"))


ORDER: dict[str, Any] = {"side": Side.BUY, "qty": 10, "price": 9_990}
MARKET: dict[str, Any] = {"type": OrderType.MARKET, "price": 0}

# rule -> (limits, definition, preparation, terms) that pass, and that are denied by it
CASES: dict[str, tuple[list[Any], list[Any]]] = {
    "session_phase": (
        [{}, {}, nothing, {}],
        [{}, {}, lambda bench: bench.feed(support.command(events.SetStrategyEnabled(True))), {"qty": 1}],
    ),
    "monitored_limits": ([{}, {}, nothing, {}], [{"max_unattended_fills": None}, {}, nothing, {}]),
    "kill_switch": (
        [{}, {}, other_venue_killed, {}],
        [{}, {}, lambda b: b.feed(support.killed("sim")), {}],
    ),
    "trading_state": ([{}, {}, nothing, {}], [{}, {}, halted, {}]),
    "instrument_tradable": ([{}, {}, nothing, {}], [{}, {}, cancel_only, {}]),
    "venue_connected": (
        [{}, {}, nothing, {}],
        [{}, {}, lambda b: b.feed(support.venue_status(ConnectionStatus.SYNCHRONISING)), {}],
    ),
    "feed_fresh": (
        [{"max_data_age": "1s"}, {}, nothing, {}],
        [{}, {}, lambda b: b.feed(support.feed_status(ConnectionStatus.DEGRADED)), {}],
    ),
    "book_valid": ([{}, {}, book, MARKET], [{}, {}, nothing, MARKET]),
    "order_terms": ([{}, {}, nothing, {}], [{}, {}, nothing, {"price": 0}]),
    "price_filter": (
        [{}, {"price_tick": 5}, nothing, {}],
        [{}, {"price_tick": 7}, nothing, {}],
    ),
    "lot_size": ([{}, {"qty_step": 5}, nothing, {}], [{}, {"qty_min": 11}, nothing, {}]),
    "notional_filter": (
        [{}, {"notional_min": Amount.of(99_900)}, nothing, {}],
        [{}, {"notional_min": Amount.of(99_901)}, nothing, {}],
    ),
    "max_order_qty": (
        [{"max_order_qty": "0.010"}, {}, nothing, {}],
        [{"max_order_qty": "0.0099"}, {}, nothing, {}],
    ),
    "max_order_notional": (
        [{"max_order_notional": {"USDT": "0.999"}}, {}, nothing, {}],
        [{"max_order_notional": {"USDT": "0.99899"}}, {}, nothing, {}],
    ),
    "price_collar": (
        [{"price_collar_bps": 20}, {}, nothing, {}],
        [{"price_collar_bps": 19}, {}, nothing, {}],
    ),
    "max_position": (
        [{"max_position": "0.013"}, {}, trades_at, {}],
        [{"max_position": "0.012"}, {}, trades_at, {}],
    ),
    "max_gross_notional": (
        [{"max_gross_notional": {"USDT": "1.001"}}, {}, nothing, {}],
        [{"max_gross_notional": {"USDT": "1.00099"}}, {}, nothing, {}],
    ),
    "max_open_orders": (
        [{"max_open_orders": 2}, {}, Bench.buy, {}],
        [{"max_open_orders": 1}, {}, Bench.buy, {}],
    ),
    "max_intents_per_second": (
        [{"max_intents_per_second": 2}, {}, Bench.buy, {}],
        [{"max_intents_per_second": 1}, {}, Bench.buy, {}],
    ),
    "max_session_orders": (
        [{"max_session_orders": 2}, {}, Bench.buy, {}],
        [{"max_session_orders": 1}, {}, Bench.buy, {}],
    ),
    "max_session_notional": (
        [{"max_session_notional": {"USDT": "1.998"}}, {}, Bench.buy, {}],
        [{"max_session_notional": {"USDT": "1.997"}}, {}, Bench.buy, {}],
    ),
    "self_trade": (
        [{"self_trade": "deny"}, {}, Bench.buy, {"side": Side.SELL, "price": 9_991}],
        [{"self_trade": "deny"}, {}, Bench.buy, {"side": Side.SELL, "price": 9_990}],
    ),
    "duplicate_order": (
        [{"duplicate_window": "1s"}, {}, lambda b: (b.buy(), b.quote(wait_ns=SECOND)), {}],
        [{"duplicate_window": "1s"}, {}, lambda b: (b.buy(), b.quote(wait_ns=SECOND - 1)), {}],
    ),
    "balance": (
        [{"balance": "check"}, {}, nothing, {}],
        [{"balance": "check"}, {}, nothing, {"qty": 10**13}],
    ),
    "reduce_only": (
        [{}, {}, trades_at, {"side": Side.SELL, "qty": 3, "reduce_only": True}],
        [{}, {}, trades_at, {"side": Side.SELL, "qty": 4, "reduce_only": True}],
    ),
}


def verdict(case: list[Any], phase_running: bool = True) -> list[str]:
    limits, rules, prepare, terms = case
    bench = Bench(configuration(risk=limits))
    bench.start(definition(**rules))
    prepare(bench)
    if not phase_running:
        bench.feed(events.SessionStopping(by="x", reason="x"))
    order_id = bench.new_id()
    intent = New(order_id=order_id, instrument=INSTRUMENT, **{**ORDER, **terms})
    bench.runtime._submit(intent, RequestSource.STRATEGY)
    denials = [one for one in bench.runtime._out.derived if isinstance(one, events.IntentDenied)]
    assert all(one.detail for one in denials)
    return [one.rule for one in denials]


def test_every_rule_has_its_case() -> None:
    """No rule without a test of both its answers."""
    assert list(RULES) == list(CASES)


@pytest.mark.parametrize("rule", CASES)
def test_rule_passes_and_denies(rule: str) -> None:
    """On this side of the limit the order is allowed; on the other this very rule denies it."""
    passes, denied = CASES[rule]
    assert [] == verdict(passes)
    assert [rule] == verdict(denied, phase_running=rule != "session_phase")


CONFIGURED = {
    "trade": "instrument_tradable",
    "max_order_qty": "max_order_qty",
    "max_order_notional": "max_order_notional",
    "price_collar_bps": "price_collar",
    "max_position": "max_position",
    "max_gross_notional": "max_gross_notional",
    "max_open_orders": "max_open_orders",
    "max_intents_per_second": "max_intents_per_second",
    "max_session_orders": "max_session_orders",
    "max_session_notional": "max_session_notional",
    "max_data_age": "feed_fresh",
    "duplicate_window": "duplicate_order",
    "self_trade": "self_trade",
    "balance": "balance",
}


@pytest.mark.parametrize("key", CONFIGURED)
def test_a_limit_that_is_not_configured_denies_and_names_its_key(key: str) -> None:
    """Nothing is unlimited by silence."""
    bench = Bench(configuration(risk={key: None})).start()
    step = bench.want(New(order_id=bench.new_id(), instrument=INSTRUMENT, **ORDER))
    denial = step.derived[0]
    assert isinstance(denial, events.IntentDenied)
    assert CONFIGURED[key] == denial.rule
    assert key in denial.detail


def test_stale_market_data_does_not_carry_an_order() -> None:
    """Age is ts minus the frame's arrival: data that waited in a queue is old."""
    bench = Bench(configuration(risk={"max_data_age": "1s"})).start()
    assert isinstance(bench.strategy, support.Scripted)
    order_id = bench.new_id()
    bench.strategy.script.append(lambda view: [New(order_id=order_id, instrument=INSTRUMENT, **ORDER)])
    step = bench.feed(support.quote(10_000, 10_010, recv_ns=bench.ts - SECOND - 1))
    assert ["feed_fresh"] == [one.rule for one in step.derived if isinstance(one, events.IntentDenied)]


def test_a_replace_in_flight_counts_twice() -> None:
    """Old leaves plus the full new rest: both may fill before we know."""
    bench = Bench(configuration(risk={"max_position": "0.029"})).start()
    order_id = bench.buy(qty=10)
    bench.feed(support.accepted(order_id))
    denied = bench.want(Replace(order_id=order_id, qty=20, price=9_980))
    assert ["max_position"] == [one.rule for one in denied.derived if isinstance(one, events.IntentDenied)]
    assert 1 == len(bench.want(Replace(order_id=order_id, qty=19, price=9_980)).dispatches)
    denied = bench.want(
        New(order_id=bench.new_id(), instrument=INSTRUMENT, side=Side.BUY, qty=1, price=9_990)
    )
    assert ["max_position"] == [one.rule for one in denied.derived if isinstance(one, events.IntentDenied)]


def test_market_order_is_judged_at_the_worst_price() -> None:
    """The collar is compared with the last level that it would eat; beyond the book's depth it is denied."""
    for qty, expected in ((10, []), (11, ["price_collar"]), (21, ["price_collar"])):
        assert expected == verdict([{"price_collar_bps": 50}, {}, book, {**MARKET, "qty": qty}])


def test_reducing_admits_only_what_reduces_the_worst_case() -> None:
    """A flat book opens nothing; a long of 3 sells at most 3, working orders counted."""

    def reducing(bench: Bench) -> None:
        trades_at(bench)
        bench.feed(support.command(events.SetTradingState(TradingState.REDUCING)))

    sell: dict[str, Any] = {"side": Side.SELL, "price": 10_020}
    assert [] == verdict([{}, {}, reducing, {**sell, "qty": 3}])
    assert ["trading_state"] == verdict([{}, {}, reducing, {**sell, "qty": 4}])
    assert ["trading_state"] == verdict([{}, {}, reducing, {"qty": 1}])
