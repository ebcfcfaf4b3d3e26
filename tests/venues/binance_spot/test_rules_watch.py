"""The rules of instruments while a session runs: told where they changed, halted where they cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from livestack.core.events import InstrumentDefined, OrderRejected, RateLimitReport
from livestack.core.types import InstrumentStatus
from livestack.simulator.binance_spot.numbers import text8
from livestack.simulator.faults import rule as fault
from livestack.venues.options import VenueOptions
from tests.core.ordering import ordered, scoped
from tests.core.support import Bench, definition
from tests.venues.binance_spot.desks import methods, replies_to
from tests.venues.binance_spot.venue import Desk

SECOND = 1_000_000_000
OPTIONS = VenueOptions(instruments_every_ns=20 * SECOND, reconcile_every_ns=3_600 * SECOND)


def defined(desk: Desk, since: int = 0) -> list[InstrumentDefined]:
    return [event for event in desk.events[since:] if isinstance(event, InstrumentDefined)]


def info(desk: Desk, symbol: str = "") -> dict[str, Any]:
    return desk.venue.exchange.listing(symbol or desk.instrument.symbol).symbol.info


def rule(desk: Desk, kind: str) -> dict[str, Any]:
    return next(one for one in info(desk)["filters"] if one["filterType"] == kind)


def test_nothing_is_told_while_nothing_changes() -> None:
    """One question a period, weight 20; the venue's limits are told once."""
    desk = Desk(options=OPTIONS).connect()
    desk.sent.clear()
    start = len(desk.events)
    desk.wait(65)
    assert 3 == methods(desk).count("exchangeInfo")
    assert [] == defined(desk, start)
    told = [event for event in desk.events[start:] if isinstance(event, RateLimitReport)]
    assert 1 >= sum(any(one.kind == "RAW_REQUESTS" for one in event.usage) for event in told)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("HALT", InstrumentStatus.HALTED),
        ("BREAK", InstrumentStatus.HALTED),
        ("END_OF_DAY", InstrumentStatus.HALTED),
        ("CANCEL_ONLY", InstrumentStatus.CANCEL_ONLY),
        ("SLEEPING", InstrumentStatus.HALTED),
    ],
)
def test_each_status_is_told_and_lifted(status: str, expected: InstrumentStatus) -> None:
    """V11: halted or cancel-only within a period, and trading again; a new word halts and is counted."""
    desk = Desk(options=OPTIONS).connect()
    start = len(desk.events)
    desk.venue.set_status(desk.instrument.symbol, status)
    desk.wait(45)
    desk.venue.set_status(desk.instrument.symbol, "TRADING")
    desk.wait(45)
    assert [expected, InstrumentStatus.TRADING] == [one.status for one in defined(desk, start)]
    assert ({"instrument": 1} if status == "SLEEPING" else {}) == desk.adapter.faults


def coarser_tick(desk: Desk) -> None:
    rule(desk, "PRICE_FILTER")["tickSize"] = text8(desk.instrument.price_tick * 10)


def coarser_step(desk: Desk) -> None:
    rule(desk, "LOT_SIZE")["stepSize"] = text8(desk.instrument.qty_step * 10)


def larger_notional(desk: Desk) -> None:
    rule(desk, "NOTIONAL")["minNotional"] = "77.00000000"


def no_amends(desk: Desk) -> None:
    info(desk)["amendAllowed"] = False


CHANGES: dict[str, tuple[Callable[[Desk], None], Callable[[Any, Any], bool]]] = {
    "tick": (coarser_tick, lambda before, now: now.price_tick == 10 * before.price_tick),
    "step": (coarser_step, lambda before, now: now.qty_step == 10 * before.qty_step),
    "notional": (larger_notional, lambda before, now: now.notional_min.value > before.notional_min.value),
    "amend": (no_amends, lambda before, now: not now.amend_allowed),
}


@pytest.mark.parametrize("what", CHANGES)
def test_changed_rules_are_told(what: str) -> None:
    """V12: whatever changed is in one InstrumentDefined, and the scales are what they were."""
    change, holds = CHANGES[what]
    desk = Desk(options=OPTIONS).connect()
    change(desk)
    desk.wait(45)
    (now,) = defined(desk)
    assert holds(desk.instrument, now)
    scales = desk.instrument.price_decimals, desk.instrument.qty_decimals
    assert scales == (now.price_decimals, now.qty_decimals)


def test_an_order_is_replaced_where_amending_is_not_allowed_any_more() -> None:
    """The adapter goes by the new rules too."""
    desk = Desk(options=OPTIONS).connect()
    order = desk.send(desk.new(desk.far_bid, 3 * desk.lot))
    no_amends(desk)
    desk.wait(25)
    desk.sent.clear()
    desk.replace(order, desk.far_bid, 2 * desk.lot)
    assert "order.cancelReplace" == methods(desk)[0]


def test_rules_finer_than_the_session_s_scale_halt() -> None:
    """Nine decimals cannot be said in eight: halted, with a complaint that says what it needs."""
    desk = Desk(options=OPTIONS).connect()
    rule(desk, "PRICE_FILTER")["tickSize"] = "0.000000001"
    desk.wait(45)
    (now,) = defined(desk)
    assert InstrumentStatus.HALTED is now.status
    assert desk.instrument.price_tick == now.price_tick
    assert {"instrument": 1} == desk.adapter.faults


def test_a_symbol_that_vanished_is_halted_and_may_come_back() -> None:
    """The venue refuses the whole question for it: each is asked about by itself, then that one always is."""
    desk = Desk(symbols=3, options=OPTIONS).connect()
    gone = desk.venue.symbols[1]
    desk.venue.inject([fault("symbol_missing", symbols=(gone,), lasts="50s")])
    desk.wait(25)
    (now,) = defined(desk)
    assert (gone, InstrumentStatus.HALTED) == (now.symbol, now.status)
    assert {"instrument": 1} == desk.adapter.faults
    desk.sent.clear()
    desk.wait(20)
    asked = [json.loads(text)["params"]["symbols"] for text in desk.sent if "exchangeInfo" in text]
    assert [[one for one in desk.venue.symbols if one != gone], [gone]] == asked
    desk.wait(40)
    assert (gone, InstrumentStatus.TRADING) == (defined(desk)[-1].symbol, defined(desk)[-1].status)
    assert 2 == len(defined(desk))


def test_a_closed_market_is_closed_with_the_first_refusal() -> None:
    """Not a round trip later: by then a strategy has been refused ten times. The rules that are read then decide."""
    desk = Desk().connect()
    desk.wait(10)
    desk.venue.set_status(desk.instrument.symbol, "HALT")
    desk.change = lambda frame: [] if '"exchangeFilters"' in frame else [frame]
    desk.send(desk.new(desk.far_bid, desk.lot))
    assert [InstrumentStatus.HALTED] == [one.status for one in defined(desk)]
    desk.change = lambda frame: [frame]
    desk.venue.set_status(desk.instrument.symbol, "TRADING")
    desk.wait(70)
    assert [InstrumentStatus.HALTED, InstrumentStatus.TRADING] == [one.status for one in defined(desk)]


def test_an_order_refused_for_a_rule_has_the_rules_read_at_once() -> None:
    """ "Market is closed." or a filter failure: long before the period is over; and no more often than every 5 s."""
    desk = Desk(options=VenueOptions(instruments_every_ns=3_600 * SECOND)).connect()
    desk.wait(10)
    desk.venue.set_status(desk.instrument.symbol, "HALT")
    desk.sent.clear()
    for _ in range(5):
        desk.send(desk.new(desk.far_bid, desk.lot))
        desk.wait(0.5)
    assert {"Market is closed."} == {event.reason for event in desk.of(OrderRejected)}
    assert 1 == methods(desk).count("exchangeInfo")
    assert [InstrumentStatus.HALTED] == [one.status for one in defined(desk)]


@pytest.mark.parametrize("status", ["BREAK", "CANCEL_ONLY", "SLEEPING"])
def test_the_core_denies_what_is_not_tradable_any_more(status: str) -> None:
    """What the adapter tells goes into a running session: its own rule denies the next order, and allows one after."""
    desk = Desk(options=OPTIONS).connect()
    desk.venue.set_status(desk.instrument.symbol, status)
    desk.wait(25)
    desk.venue.set_status(desk.instrument.symbol, "TRADING")
    desk.wait(20)
    halted, trading = (one.status for one in defined(desk))
    bench = Bench(scoped()).start()
    assert "allowed" == ordered(bench)
    bench.feed(definition(status=halted))
    assert "instrument_tradable" == ordered(bench)
    bench.feed(definition(status=trading))
    assert "allowed" == ordered(bench)


def test_new_limits_go_to_the_budget_and_to_the_core() -> None:
    """The venue lowers the weight of a minute: everybody who shares the budget knows, and the Core is told."""
    desk = Desk(options=OPTIONS).connect()
    desk.wait(25)

    def change(frame: str) -> list[str]:
        document = json.loads(frame)
        result = document.get("result")
        if isinstance(result, dict) and "symbols" in result:
            for one in result["rateLimits"]:
                one["limit"] = 1_200 if one["rateLimitType"] == "REQUEST_WEIGHT" else one["limit"]
        return [json.dumps(document)]

    desk.change = change
    start = len(desk.events)
    desk.wait(20)
    assert 1_200 == desk.budget.weight_max
    reports = [event for event in desk.events[start:] if isinstance(event, RateLimitReport)]
    assert 1_200 in {one.limit for event in reports for one in event.usage if one.kind == "REQUEST_WEIGHT"}


@pytest.mark.parametrize("result", [{"symbols": 5}, [], "x", {"symbols": [{"symbol": 7}]}])
def test_an_answer_that_cannot_be_read_changes_nothing(result: object) -> None:
    """Counted, and the rules stay; the next answer is read."""
    desk = Desk(options=OPTIONS).connect()
    desk.change = replies_to(
        desk, "exchangeInfo", 1, lambda number: {"id": number, "status": 200, "result": result}
    )
    desk.wait(65)
    assert [] == defined(desk)
    assert {"bad_reply": 1} == desk.adapter.faults
