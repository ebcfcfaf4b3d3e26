"""When the account is compared, and how the clocks are kept."""

from __future__ import annotations

import json

import pytest

from livestack.core.events import FillsReconciled, OrderCancelled, VenueClock
from livestack.core.types import ConnectionStatus
from livestack.simulator.faults import rule as fault
from livestack.venues.adapter import Inherited
from tests.venues.binance_spot.desks import (
    LOOKS,
    PERIOD,
    incidents,
    looks,
    methods,
    quiet,
    replies_to,
)
from tests.venues.binance_spot.venue import Desk, lose_replies


def asked_about(desk: Desk, method: str) -> list[str]:
    documents = [json.loads(text) for text in desk.sent]
    return [one.get("params", {}).get("symbol", "") for one in documents if one["method"] == method]


def test_many_symbols_are_one_question_and_take_turns() -> None:
    """Twenty symbols: open orders of the account at once; fills of those with orders each time, of the rest in turns,
    so that ten periods see them all."""
    desk = Desk(symbols=20).connect()
    desk.send(desk.new(desk.far_bid, desk.lot))
    quiet(desk)
    seen: set[str] = set()
    for period in range(10):
        desk.sent.clear()
        desk.wait(PERIOD)
        assert [""] == asked_about(desk, "openOrders.status"), period
        assert desk.instrument.symbol in asked_about(desk, "myTrades")
        assert 3 >= len(asked_about(desk, "myTrades"))
        seen.update(asked_about(desk, "myTrades"))
    assert set(desk.venue.symbols) == seen
    assert [] == incidents(desk)


def test_it_waits_where_the_venue_is_busy() -> None:
    """The minute's weight is used up to the share of upkeep: nothing is asked before the next minute."""
    desk = Desk().connect()
    budget = desk.budget
    quiet(desk)
    desk.wait(PERIOD - 2)
    budget.counted(budget.weight_max * 7 // 10, desk.now_ns)
    used_in = desk.now_ns // 60_000_000_000
    while not looks(desk):
        desk.wait(1)
    assert desk.now_ns // 60_000_000_000 > used_in
    assert list(LOOKS) == looks(desk)


def test_never_two_at_once_and_none_without_a_connection() -> None:
    """No answer: no second comparison begins; a cut ends it; the next connection's reconciliation is no incident."""
    desk = Desk().connect()
    desk.send(desk.new(desk.far_bid, desk.lot))
    quiet(desk)
    lose_replies(desk, "openOrders.status")
    desk.wait(PERIOD + 8)
    assert 1 == methods(desk).count("openOrders.status")
    desk.cut()
    desk.change = lambda frame: [frame]
    desk.wait(2 * PERIOD)
    assert 1 == methods(desk).count("openOrders.status")
    desk.connect()
    assert ConnectionStatus.LIVE is desk.adapter.status
    assert {"orders_over_rest"} == {one[1] for one in incidents(desk)}


def test_a_question_that_fails_is_asked_again_soon() -> None:
    """A 500 proves nothing: no difference, and another comparison ten seconds later."""
    desk = Desk().connect()
    quiet(desk)
    error = {"code": -1000, "msg": "?"}
    desk.change = replies_to(
        desk, "openOrders.status", 1, lambda number: {"id": number, "status": 500, "error": error}
    )
    desk.wait(PERIOD + 1)
    assert ["openOrders.status"] == looks(desk)
    desk.wait(10)
    assert ["openOrders.status", *LOOKS] == looks(desk)
    assert [] == incidents(desk)


# -- The clock -------------------------------------------------------------------------------------------------------


def skewed(desk: Desk, offset: str) -> Desk:
    """The venue's clock is so far from true time."""
    desk.venue.inject([fault("clock_skew", offset=offset)])
    desk.venue.advance(desk.now_ns)
    return desk


@pytest.mark.parametrize("offset", ["30s", "-30s"])
def test_a_clock_that_is_half_a_minute_off_still_signs(offset: str) -> None:
    """Every request is stamped with the venue's time: none is refused for it; but trading is to halt."""
    desk = skewed(Desk(), offset).connect()
    desk.wait(2)
    assert ConnectionStatus.LIVE is desk.adapter.status
    assert not desk.adapter.is_clock_good
    ((kind, name, detail),) = incidents(desk)
    assert ("IncidentOpened", "clock_skew") == (kind, name)
    assert offset.removesuffix("s") in detail.replace("+", "")
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    desk.cancel(order)
    desk.wait(180)
    assert [] == [text for text in desk.heard if "-1021" in text]
    assert 1 == len(desk.of(OrderCancelled))
    assert 1 == len(incidents(desk))


def test_a_clock_that_is_set_while_we_listen_is_noticed() -> None:
    """A step of five seconds: seen at the next measurement, trading halted; and lifted soon after it is right again."""
    desk = Desk().connect()
    desk.wait(100)
    assert desk.adapter.is_clock_good
    skewed(desk, "5s")
    desk.wait(61)
    assert not desk.adapter.is_clock_good
    assert 1 == desk.adapter.faults["clock_set"]
    desk.venue.clear_faults()
    desk.wait(10)
    assert desk.adapter.is_clock_good
    assert ["IncidentOpened", "IncidentClosed"] == [kind for kind, _, _ in incidents(desk)]


def test_our_own_wall_clock_that_is_set_is_noticed_at_once() -> None:
    """It needs no measurement: session time goes on as it did."""
    desk = Desk().connect()
    desk.now_ns += 250_000_000
    desk.adapter.tick(desk.now_ns, desk.now_ns + 3_000_000_000)
    desk.settle()
    assert not desk.adapter.is_clock_good
    desk.adapter.tick(desk.now_ns, desk.now_ns)
    desk.settle()
    assert desk.adapter.is_clock_good


def test_the_clock_is_measured_all_the_time_and_told_when_it_is_news() -> None:
    """A few times at first, then every minute; the budget's windows go by it; the Core hears of it once."""
    desk = skewed(Desk(), "700ms").connect()
    clocks = len(desk.of(VenueClock))
    desk.sent.clear()
    desk.wait(10)
    assert 4 == methods(desk).count("time")
    desk.wait(120)
    assert 6 == methods(desk).count("time")
    assert clocks == len(desk.of(VenueClock)) == 1
    told = desk.of(VenueClock)[0]
    assert abs(told.offset_ns - 700_000_000) <= told.error_ns


def resumed(*left_open: str) -> Desk:
    """Another adapter of the same session, in a desk whose first one is gone. ``left_open``: names of incidents."""
    desk = Desk().connect()
    floors = {event.instrument: event.through for event in desk.of(FillsReconciled)}
    desk.start_again(Inherited(floors, incidents=left_open))
    desk.events.clear()
    return desk.connect()


def test_what_a_predecessor_found_is_closed_once_it_is_over() -> None:
    """A clock at the first measurement, a difference at the first comparison without any; each once."""
    desk = resumed("clock_skew", "reconciliation_difference")
    assert [("IncidentClosed", "clock_skew")] == [one[:2] for one in incidents(desk)]
    desk.wait(2 * PERIOD)
    expected = [("IncidentClosed", "clock_skew"), ("IncidentClosed", "reconciliation_difference")]
    assert expected == [one[:2] for one in incidents(desk)]


def test_a_clock_that_is_still_off_is_not_closed() -> None:
    """Opened again by whoever finds it, and closed when it is over."""
    desk = Desk().connect()
    desk.start_again(Inherited({desk.instrument.instrument: 0}, incidents=("clock_skew",)))
    desk.events.clear()
    skewed(desk, "5s").connect()
    assert [("IncidentOpened", "clock_skew")] == [one[:2] for one in incidents(desk)]
    desk.venue.clear_faults()
    desk.wait(10)
    assert [("IncidentOpened", "clock_skew"), ("IncidentClosed", "clock_skew")] == [
        one[:2] for one in incidents(desk)
    ]


def test_a_session_that_begins_closes_nothing() -> None:
    """There was nobody before; nor does one that takes over and finds none open."""
    for desk in (Desk().connect(), resumed()):
        desk.wait(2 * PERIOD)
        assert [] == incidents(desk)


def test_a_doubt_during_a_comparison_is_followed_by_another_one() -> None:
    """What made it doubtful may have been behind the questions that were asked by then."""
    desk = Desk().connect()
    desk.wait(PERIOD - 1)
    quiet(desk)
    held: list[str] = []
    desk.change = lambda frame: held.append(frame) or [] if "balances" in frame else [frame]  # type: ignore[func-returns-value]
    desk.wait(2)
    assert list(LOOKS) == looks(desk)
    desk.adapter._upkeep.doubt("a test")
    desk.change = lambda frame: [frame]
    desk.adapter.receive(held[0].encode(), desk.now_ns, 0)
    desk.settle()
    desk.wait(6)
    assert 2 * list(LOOKS) == looks(desk)
