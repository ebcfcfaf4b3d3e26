"""A replacement that was renamed while nobody listened, by a mass cancel or an amendment of somebody else's."""

from __future__ import annotations

import json

import pytest

from livestack.core.events import DispatchFailed, OrderFill, OrderReplaced, OrderReport
from livestack.core.types import OrderStatus
from livestack.simulator.binance_spot.exchange import NewOrder
from livestack.simulator.binance_spot.front import ACCOUNT
from livestack.simulator.orders import BUY, OrderType
from tests.venues.binance_spot.desks import place_by_hand
from tests.venues.binance_spot.scene import Scene, failed, spoil


def mass_cancel(scene: Scene) -> int:
    """Whatever is open is cancelled and gets a name of the venue's; returns the new order's venue id."""
    new = scene.new
    scene.desk.venue.exchange.cancel(new, "x-" + str(new.order_id))
    return new.order_id


def rival(scene: Scene, qty: int, side: int = BUY) -> int:
    """Somebody else on the account places such an order at the same moment."""
    desk = scene.desk
    new = NewOrder(
        desk.instrument.symbol, side, OrderType.LIMIT, "GTC", scene.price, qty, 0, 0, "NONE", f"web-{qty}"
    )
    return desk.venue.exchange.place(ACCOUNT, new).order_id


@pytest.mark.parametrize("restart", [True, False])
@pytest.mark.parametrize("filled", [0, 1, 2])
def test_it_is_found_and_its_fills_are_ours(filled: int, restart: bool) -> None:
    """Cancelled under another name, with fills or without: the replacement, its fills and its end are told as ours, and
    that this is a conclusion."""
    scene = Scene()
    scene.desk.hit(scene.price, filled * scene.lot)
    number = mass_cancel(scene)
    if restart:
        scene.start_again()
    else:
        scene.desk.cut()
    scene.desk.change = lambda frame: [frame]
    scene.desk.connect()
    scene.ask()
    (replaced,) = [event for event in scene.told if isinstance(event, OrderReplaced)]
    assert (scene.replace.client_id, 1, scene.total, str(number)) == (
        replaced.client_id,
        replaced.order_id,
        replaced.qty,
        replaced.venue_order_id,
    )
    fills = [event for event in scene.told if isinstance(event, OrderFill) and event.fill_id > scene.floor]
    assert {1} >= {fill.order_id for fill in fills}
    assert scene.lot * (1 + filled) == sum(fill.qty for fill in fills)
    report = scene.desk.of(OrderReport)[-1]
    assert (1, OrderStatus.CANCELLED, scene.total) == (report.order_id, report.status, report.qty)
    assert scene.lot * (2 + filled) == report.filled_qty
    assert [] == scene.desk.of(DispatchFailed)
    assert 1 == scene.desk.adapter.faults["replacement_renamed"]


def test_one_that_is_open_under_another_name_is_found() -> None:
    """An operator amended it by the web page: found in the list of open orders."""
    scene = Scene()
    new = scene.new
    new.client_id, new.original_client_id = "web-3", new.client_id
    scene.start_again()
    scene.desk.connect()
    (replaced,) = [event for event in scene.told if isinstance(event, OrderReplaced)]
    assert (1, scene.total, str(new.order_id)) == (replaced.order_id, replaced.qty, replaced.venue_order_id)
    assert {1} == {event.order_id for event in scene.told if isinstance(event, OrderReport)}


def test_of_two_that_may_be_it_none_is_taken() -> None:
    """Another order of the same kind, at the same moment: that proves nothing, and it is said."""
    scene = Scene()
    twin = rival(scene, scene.new.qty)
    scene.desk.hit(scene.price, scene.lot)
    mass_cancel(scene)
    scene.desk.venue.exchange.cancel(scene.desk.venue.exchange.orders[twin], "x-y")
    scene.start_again()
    scene.desk.connect()
    scene.ask()
    assert [] == scene.desk.of(OrderReplaced)
    assert 0 in {fill.order_id for fill in scene.desk.of(OrderFill)}
    assert 1 <= scene.desk.adapter.faults["replacement_ambiguous"]
    assert 1 == scene.desk.adapter.faults["replacement_not_found"]
    assert 1 == len(scene.desk.of(DispatchFailed))


@pytest.mark.parametrize("what", ["qty", "side", "later"])
def test_one_that_cannot_be_it_is_not_taken(what: str) -> None:
    """The new order was refused; somebody else's of another size, side or time is theirs."""
    scene = Scene()
    exchange, new = scene.desk.venue.exchange, scene.new
    exchange.cancel(new, "x-1")
    del exchange.orders[new.order_id]
    if what == "later":
        scene.desk.now_ns += 3 * 10**9
        scene.desk.venue.advance(scene.desk.now_ns)
    number = rival(scene, new.qty + 2 * scene.lot * (what == "qty"), 1 - BUY if what == "side" else BUY)
    scene.desk.hit(scene.price, scene.lot)
    scene.start_again()
    scene.desk.connect()
    scene.ask()
    assert [] == scene.desk.of(OrderReplaced)
    assert 1 == len(scene.desk.of(DispatchFailed))
    reports = [one for one in scene.desk.of(OrderReport) if one.venue_order_id == str(number)]
    assert {0} >= {one.order_id for one in reports}
    assert "replacement_renamed" not in scene.desk.adapter.faults


def test_while_it_cannot_be_asked_nothing_is_told() -> None:
    """A 500 about the old order: no fill is called somebody else's, no LIVE, and asked again."""
    scene = Scene()
    scene.desk.hit(scene.price, scene.lot)
    mass_cancel(scene)
    scene.start_again()
    spoil(scene.desk, scene.old.order_id, failed(500, -1000), 1)
    scene.desk.connect()
    assert [] == scene.told
    scene.desk.wait(5)
    fills = [event for event in scene.told if isinstance(event, OrderFill)]
    assert {1} == {fill.order_id for fill in fills}


def test_it_is_searched_for_once() -> None:
    """Each search is two questions; what it found holds for the rest of the connection's questions."""
    scene = Scene()
    scene.desk.hit(scene.price, scene.lot)
    mass_cancel(scene)
    scene.start_again()
    scene.desk.sent.clear()
    scene.desk.connect()
    assert 1 == sum(json.loads(text)["method"] == "allOrders" for text in scene.desk.sent)


@pytest.mark.parametrize("renamed", [True, False])
def test_one_that_was_found_by_the_way_is_told_before_its_fills(renamed: bool) -> None:
    """Somebody else's open order has the search begun; the heir's fills come later, behind the replacement."""
    scene = Scene()
    scene.desk.hit(scene.price, 2 * scene.lot)
    number = mass_cancel(scene) if renamed else scene.new.order_id
    if not renamed:
        scene.desk.hit(scene.price, scene.new.qty)
    scene.desk.now_ns += 5 * 10**9
    scene.desk.venue.advance(scene.desk.now_ns)
    place_by_hand(scene.desk, "web-1")
    scene.start_again()
    scene.desk.connect()
    told = [one for one in scene.told if getattr(one, "venue_order_id", "") == str(number)]
    assert isinstance(told[0], OrderReplaced)
    assert {1} == {one.order_id for one in told if isinstance(one, OrderFill)}
