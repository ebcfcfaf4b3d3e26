"""Questions and the budget: weights, waiting, silence, and what every answer says of the limits."""

from __future__ import annotations

import json

from livestack.core.obligations import CancelAllAtVenue
from livestack.core.types import ConnectionStatus
from livestack.venues.budget import RequestBudget
from tests.venues.binance_spot.venue import VENUE, Desk, query

LIVE = ConnectionStatus.LIVE


def test_what_the_venue_counted_is_what_the_budget_knows() -> None:
    """After the handshake and after each answer the two agree."""
    desk = Desk().connect()
    assert desk.venue.exchange.limits.weight.at(desk.now_ns) == desk.budget.used(desk.now_ns)
    query(desk, desk.new(desk.far_bid, desk.lot))
    assert desk.venue.exchange.limits.weight.at(desk.now_ns) == desk.budget.used(desk.now_ns)


def used_up(share: int) -> RequestBudget:
    """``share`` percent of the minute is used by others."""
    budget = RequestBudget()
    budget.counted(budget.weight_max * share // 100, Desk().now_ns)
    return budget


def test_a_handshake_without_room_waits_for_the_next_minute() -> None:
    """No step fails, nothing is repeated: SYNCHRONISING until the window is a new one, then LIVE at once."""
    desk = Desk(budget=used_up(86)).connect()
    assert [] == desk.sent
    assert ConnectionStatus.SYNCHRONISING is desk.adapter.status
    desk.wait(65)
    assert LIVE is desk.adapter.status
    assert {} == desk.adapter.faults
    assert 1 == [json.loads(text)["method"] for text in desk.sent].count("account.status")


def test_an_inquiry_waits_and_burns_no_attempt() -> None:
    """Asked while there is no room: one question, when there is."""
    desk = Desk().connect()
    desk.change = lambda frame: []
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    desk.change = lambda frame: [frame]
    desk.budget.counted(desk.budget.weight_max, desk.now_ns)
    before = len(desk.sent)
    query(desk, order)
    desk.wait(5)
    assert before == len(desk.sent)
    desk.wait(65)
    methods = [json.loads(text)["method"] for text in desk.sent[before:]]
    assert 1 == methods.count("order.status")
    assert "OrderReport" in desk.names()


def test_what_cancels_goes_before_what_asks() -> None:
    """Both wait, the question was first: the cancel-all leaves first."""
    desk = Desk().connect()
    desk.budget.counted(desk.budget.weight_max, desk.now_ns)
    before = len(desk.sent)
    query(desk, desk.new(desk.far_bid, desk.lot))
    desk.adapter.ask(CancelAllAtVenue(scope="k", venue=VENUE, instrument=""), desk.now_ns, desk.now_ns)
    desk.wait(65)
    methods = [json.loads(text)["method"] for text in desk.sent[before:]]
    assert methods.index("openOrders.cancelAll") < methods.index("order.status")
