"""Fills after an interruption: asked for from an id on, named by their orders, and the floor that moves."""

from __future__ import annotations

import json

import pytest

from livestack.core.events import (
    FillsReconciled,
    OrderFill,
)
from livestack.core.obligations import QueryFills
from livestack.venues.adapter import Credentials
from livestack.venues.binance_spot import BinanceSpot
from livestack.venues.binance_spot.fills import FillFloor
from livestack.venues.options import VenueOptions
from tests.venues.binance_spot.desks import no_events
from tests.venues.binance_spot.venue import VENUE, Desk


def test_fills_are_asked_for_from_an_id_on() -> None:
    """QueryFills: every fill after it, our client ids on them, then FillsReconciled through the last one."""
    desk = Desk().connect()
    taken = desk.send(desk.new(desk.through_ask, desk.lot))
    known = {fill.fill_id: fill for fill in desk.of(OrderFill)}
    start = len(desk.events)
    desk.adapter.ask(
        QueryFills(scope="f", venue=VENUE, instrument=desk.instrument.instrument, after=0),
        desk.now_ns,
        desk.now_ns,
    )
    desk.settle()
    again = [event for event in desk.events[start:] if isinstance(event, OrderFill)]
    assert {fill.fill_id for fill in again} == set(known)
    assert {fill.client_id for fill in again} == {taken.client_id}
    assert desk.of(FillsReconciled)[-1].through == max(known)


def test_a_fresh_adapter_learns_whose_fills_they_are() -> None:
    """After a restart the trades name venue ids only: the orders are looked up, and the fills carry our ids."""
    desk = Desk().connect()
    taken = desk.send(desk.new(desk.through_ask, desk.lot))
    key = desk.venue.keys[0]
    desk.adapter = BinanceSpot().order_entry(
        VENUE, (desk.instrument,), Credentials(key.api_key, key.kind, key.secret)
    )
    desk.connect()
    start = len(desk.events)
    desk.adapter.ask(
        QueryFills(scope="f", venue=VENUE, instrument=desk.instrument.instrument, after=0),
        desk.now_ns,
        desk.now_ns,
    )
    desk.settle()
    fills = [event for event in desk.events[start:] if isinstance(event, OrderFill)]
    assert fills
    assert {(fill.client_id, fill.order_id) for fill in fills} == {(taken.client_id, 1)}


def test_only_answers_move_the_floor_of_fills() -> None:
    """A fill that was heard says nothing of one before it that was not."""
    floor = FillFloor()
    floor.seen(5, 0)
    assert -1 == floor.through
    assert floor.has_news
    floor.reconciled(10)
    floor.seen(17, 10**12)
    floor.reconciled(7)
    assert 10 == floor.through


def test_a_fill_that_was_lost_long_ago_is_fetched_after_an_interruption() -> None:
    """Later ones were heard for minutes, and no comparison has looked: the floor is still before it."""
    desk = Desk(options=VenueOptions(reconcile_every_ns=10**15)).connect()
    desk.change = no_events
    order = desk.send(desk.new(desk.best, 2 * desk.lot))
    desk.hit(order.price, desk.lot)
    lost = desk.venue.exchange.fills[-1].trade_id
    desk.change = lambda frame: [frame]
    for _ in range(3):
        desk.wait(70)
        desk.send(desk.new(desk.through_ask, desk.lot))
    assert lost not in {fill.fill_id for fill in desk.of(OrderFill)}
    desk.cut()
    desk.connect()
    assert lost in {fill.fill_id for fill in desk.of(OrderFill)}


@pytest.mark.parametrize(
    "lost", ["price", "qty", "commission", "commissionAsset", "isBuyer", "isMaker", "time"]
)
def test_a_trade_without_a_field_is_no_trade(lost: str) -> None:
    """Not one of another side or without a fee: the page cannot be read, and is asked for again."""
    desk = Desk().connect()
    desk.send(desk.new(desk.through_ask, desk.lot))
    told = len(desk.of(OrderFill))
    broken = [1]

    def lose(frame: str) -> list[str]:
        document = json.loads(frame)
        rows = document.get("result")
        if broken and isinstance(rows, list) and rows and lost in rows[0] and "isBuyer" in rows[0]:
            broken.clear()
            del rows[0][lost]
        return [json.dumps(document)]

    desk.change = lose
    instrument = desk.instrument.instrument
    query = QueryFills(scope="f", venue=VENUE, instrument=instrument, after=0)
    desk.adapter.ask(query, desk.now_ns, desk.now_ns)
    desk.settle()
    assert told == len(desk.of(OrderFill))
    desk.wait(3)
    fills = desk.of(OrderFill)
    assert told < len(fills)
    assert {(one.side, one.fee, one.fee_asset) for one in fills[:told]} == {
        (one.side, one.fee, one.fee_asset) for one in fills[told:]
    }
