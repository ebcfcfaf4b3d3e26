"""A Replace that was executed while nobody listened: the total counts what its order had filled by then."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec import structs

from livestack.core.events import (
    OrderCancelled,
    OrderFill,
    OrderReplaced,
    OrderReport,
    VenueStatusChanged,
)
from livestack.core.obligations import CancelAllAtVenue, QueryOrder
from livestack.core.types import ConnectionStatus, OrderRequest, OrderStatus, RequestKind
from livestack.venues.adapter import Inherited, InheritedOrder
from tests.venues.binance_spot.scene import TOLD, Scene, delay, failed, spoil, still_open
from tests.venues.binance_spot.venue import VENUE, Desk


@pytest.mark.parametrize(("before", "during"), [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)])
@pytest.mark.parametrize("since", [0, 2])
def test_found_open_by_a_resumed_session(before: int, during: int, since: int) -> None:
    """In the list of open orders, untouched or partly filled: its predecessor is asked about first."""
    scene = Scene(before, during)
    scene.desk.hit(scene.price, since * scene.lot)
    scene.start_again()
    scene.desk.connect()
    scene.check(since * scene.lot)
    assert ConnectionStatus.LIVE is scene.desk.adapter.status
    scene.ask()
    scene.check(since * scene.lot)


@pytest.mark.parametrize("during", [0, 1])
def test_found_filled_by_a_resumed_session(during: int) -> None:
    """Not open any more: found behind its fills."""
    scene = Scene(1, during)
    qty = scene.new.qty
    scene.desk.hit(scene.price, qty)
    scene.start_again()
    scene.desk.connect()
    scene.check(qty)
    assert OrderStatus.FILLED is scene.desk.of(OrderReport)[-1].status
    scene.ask()
    scene.check(qty)


@pytest.mark.parametrize("filled", [0, 1])
def test_found_ended_by_a_resumed_session(filled: int) -> None:
    """Expired, with fills or without: with none it is found by the Core's question."""
    scene = Scene()
    scene.desk.hit(scene.price, filled * scene.lot)
    exchange, new = scene.desk.venue.exchange, scene.new
    exchange.cancel(new, new.client_id)
    new.status = "EXPIRED"
    scene.start_again()
    scene.desk.connect()
    scene.ask()
    scene.check(filled * scene.lot)
    assert OrderStatus.CANCELLED is scene.desk.of(OrderReport)[-1].status


def test_found_by_the_same_process() -> None:
    """Only the connection broke: what it had counted by then is not the end of the old order either."""
    scene = Scene()
    scene.desk.cut()
    scene.desk.change = lambda frame: [frame]
    scene.desk.connect()
    scene.check(0)
    scene.ask()
    scene.check(0)


@pytest.mark.parametrize("answer", [failed(500, -1000), failed(400, -2013), still_open])
@pytest.mark.parametrize("is_open", [True, False])
def test_while_the_predecessor_is_not_known_nothing_is_told(
    answer: Callable[[dict[str, object]], dict[str, object]], is_open: bool
) -> None:
    """No guess and no LIVE; asked again until it is known, then everything."""
    scene = Scene()
    filled = scene.lot if is_open else scene.new.qty
    scene.desk.hit(scene.price, filled)
    scene.start_again()
    spoil(scene.desk, scene.old.order_id, answer, 2)
    scene.desk.connect()
    assert [] == scene.told
    assert ConnectionStatus.LIVE is not scene.desk.adapter.status
    scene.desk.wait(5)
    scene.check(filled)
    status = [event.status for event in scene.desk.of(VenueStatusChanged)]
    assert ConnectionStatus.LIVE is status[-1]


def test_the_core_s_question_is_asked_again_too() -> None:
    """A Replace that nothing but the question finds: it waits for the predecessor."""
    scene = Scene()
    exchange, new = scene.desk.venue.exchange, scene.new
    exchange.cancel(new, new.client_id)
    new.status = "EXPIRED"
    scene.start_again()
    scene.desk.connect()
    told = len(scene.told)
    spoil(scene.desk, scene.old.order_id, failed(500, -1000), 3)
    scene.ask()
    replaced, report = scene.told[told:]
    assert isinstance(replaced, OrderReplaced)
    assert isinstance(report, OrderReport)
    assert (scene.total, OrderStatus.CANCELLED) == (replaced.qty, report.status)


@pytest.mark.parametrize("fails", [0, 2])
def test_what_the_stream_says_of_it_is_held_back(fails: int) -> None:
    """The Replace's own frames are lost, the next fill is heard: told behind the replacement."""
    scene = Scene()
    spoil(scene.desk, scene.old.order_id, failed(500, -1000), fails)
    scene.desk.hit(scene.price, scene.lot)
    assert (0 if fails else 2) == len(scene.told)
    scene.desk.wait(5)
    replaced, fill = scene.told
    assert isinstance(replaced, OrderReplaced)
    assert isinstance(fill, OrderFill)
    assert (scene.total, scene.replace.client_id, str(scene.new.order_id)) == (
        replaced.qty,
        fill.client_id,
        fill.venue_order_id,
    )


def test_what_was_held_back_is_found_anew_over_the_next_connection() -> None:
    """The connection breaks while the predecessor is asked about: nothing is lost."""
    scene = Scene()
    spoil(scene.desk, scene.old.order_id, failed(500, -1000), 1)
    scene.desk.hit(scene.price, scene.lot)
    scene.desk.cut()
    assert [] == scene.told
    scene.desk.connect()
    scene.check(scene.lot)


def test_cancelled_with_everything_else() -> None:
    """A cancel-all takes it before anything was told of it: replaced, then cancelled with all that was filled."""
    scene = Scene()
    scene.desk.change = lambda frame: [frame]
    whole = CancelAllAtVenue(scope="k", venue=VENUE, instrument="")
    scene.desk.adapter.ask(whole, scene.desk.now_ns, scene.desk.now_ns)
    scene.desk.settle()
    replaced, cancelled = scene.told
    assert isinstance(replaced, OrderReplaced)
    assert isinstance(cancelled, OrderCancelled)
    assert (scene.total, 2 * scene.lot) == (replaced.qty, cancelled.filled_qty)


def test_late_fills_of_an_older_incarnation_are_ours() -> None:
    """The resumed session knows the present one only; the venue has the older one under the id of its cancel half."""
    scene = Scene()
    after = InheritedOrder(
        instrument=scene.desk.instrument.instrument,
        order_id=1,
        client_id=scene.replace.client_id,
        venue_order_id=str(scene.new.order_id),
        qty=scene.total,
    )
    scene.desk.start_again(Inherited({after.instrument: scene.floor}, (after,)))
    scene.desk.connect()
    report, fill = scene.told
    assert isinstance(report, OrderReport)
    assert isinstance(fill, OrderFill)
    assert (str(scene.new.order_id), scene.total, 2 * scene.lot) == (
        report.venue_order_id,
        report.qty,
        report.filled_qty,
    )
    assert (1, scene.replace.client_id, str(scene.old.order_id)) == (
        fill.order_id,
        fill.client_id,
        fill.venue_order_id,
    )


def test_an_order_that_was_renamed_while_nobody_looked_keeps_its_fills() -> None:
    """Filled in part, then cancelled by somebody else: known by its number at the venue."""
    desk = Desk().connect()
    price, lot = desk.best, desk.lot
    first: OrderRequest = desk.send(desk.new(price, 4 * lot))
    (order,) = [one for one in desk.venue.exchange.orders.values() if one.client_id == first.client_id]
    before = InheritedOrder(
        instrument=desk.instrument.instrument,
        order_id=1,
        client_id=first.client_id,
        venue_order_id=str(order.order_id),
        qty=4 * lot,
    )
    desk.change = lambda frame: []
    desk.hit(price, lot)
    desk.venue.exchange.cancel(order, "web_1")
    desk.start_again(Inherited({before.instrument: 0}, (before,)))
    desk.connect()
    (fill,) = desk.of(OrderFill)
    assert (1, first.client_id, lot) == (fill.order_id, fill.client_id, fill.qty)


def test_a_replace_that_arrives_after_the_restart_is_heard() -> None:
    """Not executed yet when the open orders are asked for; the stream tells both halves."""
    desk = Desk().connect()
    price, lot = desk.best, desk.lot
    first = desk.send(desk.new(price, 4 * lot))
    (order,) = [one for one in desk.venue.exchange.orders.values() if one.client_id == first.client_id]
    replace = structs.replace(
        desk.request(RequestKind.REPLACE, 1, target_client_id=first.client_id),
        side=first.side,
        price=price,
        qty=6 * lot,
    )
    text = desk.adapter.encode(replace, desk.now_ns, desk.now_ns).payload
    before = InheritedOrder(
        instrument=desk.instrument.instrument,
        order_id=1,
        client_id=first.client_id,
        venue_order_id=str(order.order_id),
        qty=4 * lot,
        replace_id=replace.client_id,
        replace_qty=6 * lot,
    )
    desk.start_again(Inherited({before.instrument: 0}, (before,)))
    desk.connect()
    start = len(desk.events)
    desk.hit(price, lot)
    desk.carry(text)
    desk.settle()
    desk.hit(price, lot)
    told = [event for event in desk.events[start:] if isinstance(event, TOLD)]
    assert [OrderFill, OrderReplaced, OrderFill] == [type(event) for event in told]
    (replaced,) = desk.of(OrderReplaced)
    assert 7 * lot == replaced.qty


def test_an_answer_about_what_was_replaced_meanwhile_tells_nothing() -> None:
    """Asked where the order stands, replaced before the answer comes: the order is the new one, and goes on."""
    scene = Scene(1, 0)
    desk = scene.desk
    desk.change = lambda frame: [frame]
    kept = delay(desk, scene.old.order_id)
    question = QueryOrder(
        scope="q",
        venue=VENUE,
        instrument=desk.instrument.instrument,
        order_id=1,
        client_id=scene.first.client_id,
        venue_order_id=str(scene.old.order_id),
    )
    desk.adapter.ask(question, desk.now_ns, desk.now_ns)
    desk.settle()
    desk.change = lambda frame: [frame]
    desk.hit(scene.price, scene.lot)
    start = len(scene.told)
    assert [OrderReplaced, OrderFill] == [type(event) for event in scene.told]
    (late,) = kept
    desk.adapter.receive(late.encode(), desk.now_ns)
    desk.settle()
    assert start == len(scene.told)
    desk.cancel(scene.first, target=scene.replace.client_id)
    (cancelled,) = desk.of(OrderCancelled)
    (replaced,) = desk.of(OrderReplaced)
    assert (replaced.venue_order_id, 2 * scene.lot) == (cancelled.venue_order_id, cancelled.filled_qty)


def test_an_order_is_not_over_while_its_replace_is_of_unknown_fate() -> None:
    """Reported cancelled, by the cancel half; then the replacement is found, and its end is told as well."""
    scene = Scene()
    desk = scene.desk
    desk.change = lambda frame: [frame]
    question = QueryOrder(
        scope="d",
        venue=VENUE,
        instrument=desk.instrument.instrument,
        order_id=1,
        client_id=scene.first.client_id,
        venue_order_id=str(scene.old.order_id),
    )
    desk.adapter.ask(question, desk.now_ns, desk.now_ns)
    desk.settle()
    assert OrderStatus.CANCELLED is desk.of(OrderReport)[-1].status
    scene.ask()
    desk.cancel(scene.first, target=scene.replace.client_id)
    (cancelled,) = desk.of(OrderCancelled)
    (replaced,) = desk.of(OrderReplaced)
    assert (replaced.venue_order_id, 2 * scene.lot) == (cancelled.venue_order_id, cancelled.filled_qty)


def test_the_stream_may_tell_the_end_before_the_open_orders_are_known() -> None:
    """What the predecessors had filled counts in it: the session's total is compared with the first frame."""
    scene = Scene()
    desk = scene.desk
    present = InheritedOrder(
        instrument=desk.instrument.instrument,
        order_id=1,
        client_id=scene.replace.client_id,
        venue_order_id=str(scene.new.order_id),
        qty=scene.total,
    )
    desk.start_again(Inherited({}, (present,)))
    desk.change = lambda frame: [] if '"origQty"' in frame and '"result":[' in frame else [frame]
    desk.connect()
    assert [] == scene.told
    desk.venue.exchange.cancel(scene.new, "web_1")
    desk.venue.advance(desk.now_ns)
    desk.settle()
    (cancelled,) = scene.told
    assert isinstance(cancelled, OrderCancelled)
    assert 2 * scene.lot == cancelled.filled_qty


def test_a_fill_that_is_held_back_for_long_is_asked_for_again() -> None:
    """Others come meanwhile, minutes long; over the next connection the fills are asked for from before it."""
    scene = Scene()
    desk = scene.desk
    spoil(desk, scene.old.order_id, failed(500, -1000), 1_000)
    desk.hit(scene.price, scene.lot)
    for _ in range(3):
        desk.send(desk.new(desk.through_ask, desk.lot))
        desk.wait(61)
    assert [] == [event for event in scene.told if getattr(event, "order_id", 0) == 1]
    desk.cut()
    desk.change = lambda frame: [frame]
    desk.connect()
    number = desk.of(OrderReplaced)[-1].venue_order_id
    fills = [event.qty for event in desk.of(OrderFill) if event.venue_order_id == number]
    assert scene.lot <= sum(fills)
