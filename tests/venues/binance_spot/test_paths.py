"""Order entry over REST while the WebSocket API is down, and the way back."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from livestack.core.events import (
    OrderAccepted,
    OrderCancelled,
    OrderFill,
    OrderReplaced,
    VenueStatusChanged,
)
from livestack.core.types import ConnectionStatus
from livestack.venues.adapter import Fetch
from livestack.venues.options import VenueOptions
from tests.venues.binance_spot.desks import incidents
from tests.venues.binance_spot.venue import Desk

LIVE, SYNCHRONISING = ConnectionStatus.LIVE, ConnectionStatus.SYNCHRONISING
DISCONNECTED = ConnectionStatus.DISCONNECTED


def over_rest(kind: str = "hmac", symbols: int = 1) -> Desk:
    """LIVE over REST: the connection is gone and does not come back."""
    desk = Desk(kind, symbols=symbols).connect()
    desk.cut()
    desk.wait(6)
    assert LIVE is desk.adapter.status
    return desk


def told(desk: Desk) -> list[tuple[ConnectionStatus, str]]:
    return [(event.status, event.reason) for event in desk.of(VenueStatusChanged)]


def paths(desk: Desk, since: int = 0) -> list[str]:
    return [f"{one.method} {one.path.removeprefix('/api/v3/')}" for one in desk.fetches[since:]]


def test_rest_takes_over_after_a_while() -> None:
    """Not at once; then the clock, orders, fills and balances are asked for, and it is LIVE with that reason."""
    desk = Desk().connect()
    desk.cut()
    desk.wait(4.5)
    assert [] == desk.fetches
    assert DISCONNECTED is desk.adapter.status
    desk.wait(1)
    assert ["GET time", "GET openOrders", "GET myTrades", "GET account"] == paths(desk)[:4]
    assert [(SYNCHRONISING, "over REST"), (LIVE, "over REST")] == told(desk)[-2:]


def test_it_stays_away_where_that_is_wished() -> None:
    """``rest_orders`` off: DISCONNECTED until there is a connection."""
    desk = Desk(options=VenueOptions(rest_orders=False)).connect()
    desk.cut()
    desk.wait(60)
    assert [] == desk.fetches
    assert DISCONNECTED is desk.adapter.status


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_an_order_from_beginning_to_end(kind: str) -> None:
    """The same requests by other words: accepted, replaced, amended, cancelled, one Event each."""
    desk = over_rest(kind)
    before = len(desk.fetches)
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    lower = desk.far_bid - desk.instrument.price_tick
    replace = desk.replace(order, lower, 3 * desk.lot)
    amend = desk.replace(order, lower, 2 * desk.lot, target=replace.client_id)
    desk.cancel(order, target=amend.client_id)
    assert [
        "POST order",
        "POST order/cancelReplace",
        "PUT order/amend/keepPriority",
        "DELETE order",
    ] == paths(desk, before)
    assert [order.client_id] == [event.client_id for event in desk.of(OrderAccepted)]
    assert [replace.client_id, amend.client_id] == [event.client_id for event in desk.of(OrderReplaced)]
    assert [amend.client_id] == [event.client_id for event in desk.of(OrderCancelled)]
    assert [] == desk.venue.open_orders
    assert {} == desk.adapter.faults


def test_the_way_back_goes_through_reconciliation() -> None:
    """A connection is greeted and everything reconciled over it while REST is in use; then it has the requests. LIVE
    all the time, and no request is lost."""
    desk = over_rest()
    order = desk.send(desk.new(desk.best, 2 * desk.lot))
    desk.hit(desk.best - 100 * desk.instrument.price_tick, desk.lot)
    before = len(desk.fetches)
    desk.connect()
    assert [(SYNCHRONISING, "over REST"), (LIVE, "over REST"), (LIVE, "reconciled")] == told(desk)[-3:]
    assert [("IncidentOpened", "orders_over_rest"), ("IncidentClosed", "orders_over_rest")] == [
        one[:2] for one in incidents(desk)
    ]
    wanted = [json.loads(text)["method"] for text in desk.sent[-4:]]
    assert ["openOrders.status", "myTrades", "account.status"] == [one for one in wanted if one != "time"][
        -3:
    ]
    assert {order.client_id} == {fill.client_id for fill in desk.of(OrderFill)}
    desk.wait(10)
    assert before == len(desk.fetches)
    desk.cancel(order)
    assert ["order.cancel"] == [json.loads(desk.sent[-1])["method"]]
    assert 1 == len(desk.of(OrderCancelled))


def test_a_connection_that_never_gets_ready_does_not_disturb() -> None:
    """Open, and without an answer to anything: order entry goes on over REST."""
    desk = over_rest()
    desk.change = lambda frame: []
    desk.connect()
    desk.wait(15)
    assert LIVE is desk.adapter.status
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    assert [order.client_id] == [event.client_id for event in desk.of(OrderAccepted)]
    desk.wait(10)
    assert {} == desk.links  # given up as half-open
    assert LIVE is desk.adapter.status


def test_a_connection_that_is_open_and_of_no_use_is_down_too() -> None:
    """Its handshake never ends: REST is used after a while, and the connection as soon as it answers."""
    desk = Desk()
    desk.change = lambda frame: []
    desk.connect()
    desk.wait(12)
    assert LIVE is desk.adapter.status
    assert desk.fetches
    desk.change = lambda frame: [frame]
    desk.wait(15)
    desk.connect() if not desk.links else None
    desk.wait(2)
    assert (LIVE, "reconciled") == told(desk)[-1]


def test_rest_that_is_down_as_well_is_tried_later_and_later() -> None:
    """Never LIVE, a few attempts a minute; LIVE as soon as it answers."""
    desk = Desk().connect()
    desk.reach = lambda fetch: False
    desk.cut()
    desk.wait(120)
    assert SYNCHRONISING is desk.adapter.status
    assert 3 <= len(desk.fetches) <= 12
    desk.reach = lambda fetch: True
    desk.wait(31)
    assert LIVE is desk.adapter.status


def test_a_way_back_that_fails_takes_nothing_away() -> None:
    """The connection breaks during its reconciliation: REST was in use all the time, and is."""
    desk = over_rest()
    before = len(told(desk))
    desk.change = lambda frame: [] if "subscriptionId" not in frame and "serverTime" not in frame else [frame]
    desk.connect()
    desk.change = lambda frame: [frame]
    desk.cut()
    desk.wait(0.5)
    assert LIVE is desk.adapter.status
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    assert [order.client_id] == [event.client_id for event in desk.of(OrderAccepted)]
    assert before == len(told(desk))


def failing(
    desk: Desk, method: str, status: int = 500, code: int = -1001, text: str = "Internal error."
) -> Callable[[str], list[str]]:
    """Over every connection each question by ``method`` is answered with that error."""

    def change(frame: str) -> list[str]:
        number = json.loads(frame).get("id")
        asked = {one["id"]: one["method"] for one in map(json.loads, desk.sent[-50:])}
        if asked.get(number) != method:
            return [frame]
        return [json.dumps({"id": number, "status": status, "error": {"code": code, "msg": text}})]

    return change


@pytest.mark.parametrize("method", ["account.status", "myTrades", "openOrders.status"])
def test_a_connection_that_greets_well_and_cannot_reconcile_does_not_keep_us_from_rest(method: str) -> None:
    """LIVE over REST once and for all; the connection is tried again in growing distances, for little weight; and in
    use as soon as it reconciles."""
    desk = Desk()
    desk.change = failing(desk, method)
    desk.connect()
    desk.wait(120)
    assert [(SYNCHRONISING, "connected"), (LIVE, "over REST")] == told(desk)
    sent, weight = len(desk.sent), desk.budget.used(desk.now_ns)
    desk.now_ns += 60_000_000_000 - desk.now_ns % 60_000_000_000
    desk.wait(58)
    assert 3 * 7 >= len(desk.sent) - sent
    assert desk.budget.weight_max // 4 > desk.budget.used(desk.now_ns), weight
    desk.change = lambda frame: [frame]
    desk.wait(31)
    assert (LIVE, "reconciled") == told(desk)[-1]
    desk.send(desk.new(desk.far_bid, desk.lot))
    assert "order.place" in [json.loads(text)["method"] for text in desk.sent[-3:]]


def test_a_session_over_rest_is_not_disturbed_by_a_connection_that_cannot_reconcile() -> None:
    """Nothing is told of it, and orders go over REST meanwhile."""
    desk = over_rest()
    before = len(told(desk))
    desk.change = failing(desk, "account.status")
    desk.connect()
    desk.wait(90)
    assert before == len(told(desk))
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    assert [order.client_id] == [event.client_id for event in desk.of(OrderAccepted)]


def test_a_connection_whose_key_is_refused_does_not_end_a_session_over_rest() -> None:
    """401 over the connection that is being greeted says nothing of REST."""
    desk = over_rest()
    before = len(told(desk))
    desk.change = failing(desk, "userDataStream.subscribe.signature", 401, -2015, "Invalid API-key.")
    desk.connect()
    desk.wait(20)
    assert before == len(told(desk))


def test_a_connection_that_was_live_and_cannot_reconcile_anew_leads_to_rest() -> None:
    """A frame that cannot be read, then 500 for ever: down since then, so REST is used after a while."""
    desk = Desk().connect()
    desk.wait(2)
    desk.change = failing(desk, "account.status")
    desk.adapter.receive(b"garbage", desk.now_ns, 0)
    desk.settle()
    assert SYNCHRONISING is desk.adapter.status
    desk.wait(4)
    assert SYNCHRONISING is desk.adapter.status
    desk.wait(6)
    assert (LIVE, "over REST") == told(desk)[-1]


def test_a_connection_that_is_only_slow_to_reconcile_anew_keeps_the_session() -> None:
    """No answer for longer than REST waits, but no failure: it goes on over the same connection."""
    desk = Desk().connect()
    late: list[str] = []
    desk.change = lambda frame: late.append(frame) or [] if "balances" in frame else [frame]  # type: ignore[func-returns-value]
    desk.adapter.receive(b"garbage", desk.now_ns, 0)
    desk.settle()
    desk.wait(8)
    assert SYNCHRONISING is desk.adapter.status
    desk.change = lambda frame: [frame]
    desk.adapter.receive(late[0].encode(), desk.now_ns, 0)
    desk.settle()
    assert (LIVE, "reconciled") == told(desk)[-1]
    assert [] == desk.fetches


def test_two_connections_behind_rest() -> None:
    """One that cannot reconcile and one that can: the second one is used."""
    desk = over_rest()
    desk.change = failing(desk, "account.status")
    desk.connect()
    desk.change = lambda frame: [frame]
    desk.connect()
    assert (LIVE, "reconciled") == told(desk)[-1]
    desk.wait(1)
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    assert [order.client_id] == [event.client_id for event in desk.of(OrderAccepted)]
    desk.wait(60)
    assert LIVE is desk.adapter.status


def test_the_reconciliation_before_the_way_back_goes_over_the_connection() -> None:
    """All of it, also what is only asked once something else was answered; nothing more is asked over REST."""
    desk = over_rest(symbols=3)
    asked = len(desk.fetches)
    sent = len(desk.sent)
    desk.connect()
    assert (LIVE, "reconciled") == told(desk)[-1]
    assert asked == len(desk.fetches)
    methods = [json.loads(text)["method"] for text in desk.sent[sent:]]
    assert (3, 3, 1) == tuple(
        methods.count(one) for one in ("openOrders.status", "myTrades", "account.status")
    )
    desk.cut()
    assert DISCONNECTED is desk.adapter.status


def test_a_connection_does_not_take_the_path_from_a_rest_that_is_slow() -> None:
    """REST is about to be LIVE when a connection comes that cannot reconcile: REST goes on where it was."""
    desk = Desk().connect()
    held: list[Fetch] = []
    fetch, desk.fetch = desk.fetch, held.append  # type: ignore[method-assign]
    desk.cut()
    desk.wait(6)
    assert (SYNCHRONISING, "over REST") == told(desk)[-1]
    desk.change = failing(desk, "account.status")
    for _ in range(4):
        desk.connect()
        for one in held.copy():
            held.remove(one)
            fetch(one)
        desk.settle()
        for link in list(desk.links):
            desk.cut(link)
    assert (LIVE, "over REST") == told(desk)[-1]
