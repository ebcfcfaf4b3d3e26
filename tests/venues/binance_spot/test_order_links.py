"""Make before break: one link takes over from another, and what happens when it does not."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from livestack.core.events import OrderAccepted, OrderFill, VenueStatusChanged
from livestack.core.types import ConnectionStatus
from livestack.simulator.faults import rule as fault
from livestack.venues.adapter import LOG_ON_REFUSED, CloseLink, Renew
from livestack.venues.options import VenueOptions
from tests.venues.binance_spot.venue import Desk, query

LIVE, SYNCHRONISING = ConnectionStatus.LIVE, ConnectionStatus.SYNCHRONISING
MINUTE_NS = 60_000_000_000
SHUTDOWN = b'{"event":{"e":"serverShutdown","E":1}}'


def asked(desk: Desk, kind: type[Renew] | type[CloseLink]) -> list[int]:
    return [one.link for one in desk.asked_for if isinstance(one, kind)]


def statuses(desk: Desk) -> list[ConnectionStatus]:
    return [event.status for event in desk.of(VenueStatusChanged)]


def methods(desk: Desk, since: int = 0) -> list[str]:
    return [json.loads(text)["method"] for text in desk.sent[since:]]


def lose(desk: Desk, *numbers: int) -> Callable[[str], list[str]]:
    """Replies with these ids do not arrive."""
    return lambda frame: [] if json.loads(frame).get("id") in numbers else [frame]


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_an_old_link_is_replaced_without_a_pause(kind: str) -> None:
    """At its age another one is asked for; logged on and subscribed it takes the requests, the old one is closed; LIVE
    all the time, and nothing is reconciled first."""
    desk = Desk(kind, options=VenueOptions(renew_after_ns=MINUTE_NS)).connect()
    desk.wait(61)
    assert [0] == asked(desk, Renew)
    before = len(desk.sent)
    desk.connect()
    (successor,) = [link for link in desk.links if link]
    log_on = ["session.logon", "userDataStream.subscribe"]
    greeting = log_on if kind == "ed25519" else ["userDataStream.subscribe.signature"]
    assert ["time", *greeting] == methods(desk, before)
    desk.wait(0.5)
    assert [0] == asked(desk, CloseLink)
    assert [successor] == list(desk.links)
    order = desk.new(desk.far_bid, desk.lot)
    outbound = desk.adapter.encode(order, desk.now_ns, desk.now_ns)
    assert successor == outbound.link
    desk.carry(outbound.payload, outbound.link)
    desk.settle()
    assert [order.client_id] == [event.client_id for event in desk.of(OrderAccepted)]
    assert [SYNCHRONISING, LIVE] == statuses(desk)
    assert {} == desk.adapter.faults


def test_a_shutdown_notice_asks_for_a_successor_at_once() -> None:
    """``serverShutdown`` comes without a subscription's number, and without any time to wait."""
    desk = Desk().connect()
    desk.adapter.receive(SHUTDOWN, desk.now_ns)
    desk.settle()
    assert [0] == asked(desk, Renew)
    desk.adapter.receive(SHUTDOWN, desk.now_ns)
    desk.settle()
    assert [0, 0] == asked(desk, Renew)  # the host makes one attempt at a time


def test_a_pending_request_still_gets_its_answer_over_the_old_link() -> None:
    """It is kept for that; requests made meanwhile go over the new one."""
    desk = Desk().connect()
    desk.change = lambda frame: []
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    (answer,) = [text for text in desk.heard if json.loads(text).get("id") == json.loads(desk.sent[-1])["id"]]
    desk.change = lambda frame: [frame]
    desk.connect()
    desk.wait(2)
    assert [] == asked(desk, CloseLink)
    desk.adapter.receive(answer.encode(), desk.now_ns, 0)
    desk.settle()
    assert [order.client_id] == [event.client_id for event in desk.of(OrderAccepted)]
    desk.wait(0.5)
    assert [0] == asked(desk, CloseLink)


def test_a_request_that_is_never_answered_keeps_the_old_link_for_a_while_only() -> None:
    """After 15 seconds it is closed, and the request is of unknown outcome; it is found by its id. The comparison
    behind the change of links told of the order before."""
    desk = Desk().connect()
    desk.change = lambda frame: []
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    desk.change = lambda frame: [frame]
    desk.connect()
    desk.wait(14)
    assert [] == asked(desk, CloseLink)
    desk.wait(2)
    assert [0] == asked(desk, CloseLink)
    assert LIVE is desk.adapter.status
    assert 1 == desk.names().count("OrderReport")
    query(desk, order)
    desk.wait(2)
    assert 1 == len(desk.venue.open_orders)
    assert 2 == desk.names().count("OrderReport")


def test_the_end_of_the_old_link_before_its_successor_is_ready_is_a_loss() -> None:
    """As with a fresh connection: reconciled before LIVE, over the successor."""
    desk = Desk().connect()
    desk.adapter.receive(SHUTDOWN, desk.now_ns)
    desk.change = lambda frame: [] if "serverTime" in frame else [frame]
    desk.connect()
    desk.change = lambda frame: [frame]
    before = len(desk.sent)
    desk.cut(0)
    assert [SYNCHRONISING, LIVE, ConnectionStatus.DISCONNECTED, SYNCHRONISING, LIVE] == statuses(desk)
    assert {"openOrders.status", "myTrades", "account.status"} <= set(methods(desk, before))


def test_a_successor_that_dies_costs_nothing() -> None:
    """LIVE goes on; later another one is asked for."""
    desk = Desk(options=VenueOptions(renew_after_ns=MINUTE_NS)).connect()
    desk.wait(61)
    desk.change = lambda frame: [] if "subscriptionId" in frame and "event" not in frame else [frame]
    desk.connect()
    (successor,) = [link for link in desk.links if link]
    desk.change = lambda frame: [frame]
    desk.cut(successor)
    desk.wait(31)
    assert [SYNCHRONISING, LIVE] == statuses(desk)
    assert [0, 0] == asked(desk, Renew)


def test_a_link_that_gives_no_answers_is_closed() -> None:
    """Half-open: a question without an answer is followed by another one at once, and that by the end of the link."""
    desk = Desk(options=VenueOptions(rest_orders=False)).connect()
    desk.change = lambda frame: []
    query(desk, desk.new(desk.far_bid, desk.lot))
    desk.wait(11)
    assert [] == asked(desk, CloseLink)
    desk.wait(10)
    assert [0] == asked(desk, CloseLink)


def test_one_answer_that_is_lost_does_not_close_a_link() -> None:
    """The next one comes: the count begins anew."""
    desk = Desk().connect()
    number = 1 + json.loads(desk.sent[-1])["id"]
    desk.change = lose(desk, number)
    query(desk, desk.new(desk.far_bid, desk.lot))
    desk.wait(60)
    number = 1 + json.loads(desk.sent[-1])["id"]
    desk.change = lose(desk, number)
    query(desk, desk.new(desk.far_bid, desk.lot))
    desk.wait(60)
    assert [] == asked(desk, CloseLink)
    assert LIVE is desk.adapter.status


def test_a_subscription_that_is_gone_is_found_out() -> None:
    """Asked about once a minute: what the venue lists no more is subscribed to anew, and everything reconciled."""
    desk = Desk().connect()

    def change(frame: str) -> list[str]:
        document = json.loads(frame)
        wanted = [json.loads(text) for text in desk.sent[-5:]]
        if any(
            one["id"] == document.get("id") and one["method"] == "session.subscriptions" for one in wanted
        ):
            document["result"] = []
            return [json.dumps(document)]
        return [frame]

    desk.wait(59)
    assert "session.subscriptions" not in methods(desk)
    desk.change = change
    desk.wait(2)
    desk.change = lambda frame: [frame]
    desk.wait(1)
    assert [SYNCHRONISING, LIVE, SYNCHRONISING, LIVE] == statuses(desk)


def test_a_subscription_that_is_there_changes_nothing() -> None:
    """Minute after minute."""
    desk = Desk().connect()
    desk.wait(190)
    assert 3 == methods(desk).count("session.subscriptions")
    assert [SYNCHRONISING, LIVE] == statuses(desk)


def test_the_end_of_the_stream_on_a_retired_link_is_no_news() -> None:
    """Only the stream that is in use matters."""
    desk = Desk().connect()
    desk.change = lambda frame: []
    desk.send(desk.new(desk.far_bid, desk.lot))
    desk.change = lambda frame: [frame]
    desk.connect()
    ended = b'{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1}}'
    desk.adapter.receive(ended, desk.now_ns, 0)
    desk.settle()
    assert [SYNCHRONISING, LIVE] == statuses(desk)


def test_a_revoked_key_degrades() -> None:
    """401 without an id: DEGRADED with a complaint, tried again with back-off, LIVE when it is taken again."""
    desk = Desk().connect()
    revoked = '{"id":null,"status":401,"error":{"code":-2015,"msg":"Invalid API-key, IP, or permissions."}}'
    desk.adapter.receive(revoked.encode(), desk.now_ns)
    desk.settle()
    assert ConnectionStatus.DEGRADED is desk.adapter.status
    assert LOG_ON_REFUSED in {one.kind for one in desk.adapter.complaints()}
    desk.wait(2)
    assert [ConnectionStatus.DEGRADED, SYNCHRONISING, LIVE] == statuses(desk)[-3:]


def test_a_key_that_is_revoked_with_its_stream_degrades_too() -> None:
    """The venue ends the stream first and refuses each question of the new log-on, naming none: told as what it is,
    and LIVE soon after the key is taken again."""
    desk = Desk().connect()
    desk.venue.inject([fault("key_revoked", lasts="6s")])
    desk.wait(4)
    assert ConnectionStatus.DEGRADED is desk.adapter.status
    assert desk.adapter.faults[LOG_ON_REFUSED]
    asked = len(desk.sent)
    desk.wait(0.25)
    assert asked + 3 >= len(desk.sent)
    desk.wait(12)
    assert LIVE is desk.adapter.status


def test_after_a_takeover_everything_concerns_the_new_link() -> None:
    """The end of its stream is followed by a log-on over it, and by a reconciliation."""
    desk = Desk("ed25519").connect()
    desk.adapter.receive(SHUTDOWN, desk.now_ns)
    desk.connect()
    desk.wait(0.5)
    (successor,) = desk.links
    before = len(desk.sent)
    ended = b'{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1}}'
    desk.adapter.receive(ended, desk.now_ns, successor)
    desk.settle()
    assert [SYNCHRONISING, LIVE, SYNCHRONISING, LIVE] == statuses(desk)
    assert ["time", "session.logon", "userDataStream.subscribe"] == methods(desk, before)[:3]


def test_an_answer_counts_over_the_link_that_was_asked_alone() -> None:
    """The same number over another link is nobody's answer."""
    desk = Desk().connect()
    desk.change = lambda frame: []
    desk.send(desk.new(desk.far_bid, desk.lot))
    number = json.loads(desk.sent[-1])["id"]
    desk.change = lambda frame: [frame]
    desk.connect()
    (successor,) = [link for link in desk.links if link]
    error = {"code": -2010, "msg": "Account has insufficient balance for requested action."}
    frame = json.dumps({"id": number, "status": 400, "error": error}).encode()
    desk.adapter.receive(frame, desk.now_ns, successor)
    desk.settle()
    assert "OrderRejected" not in desk.names()
    assert 1 == desk.adapter.faults["unexpected_reply"]


def test_what_the_old_link_kept_to_itself_is_found_once_another_one_took_over() -> None:
    """It brought no events any more: a fill of then is told within seconds, not at the next comparison."""
    desk = Desk().connect()
    desk.wait(2)
    order = desk.send(desk.new(desk.best, desk.lot))
    desk.change = lambda frame: [] if '"event"' in frame else [frame]
    desk.hit(order.price, order.qty)
    desk.adapter.receive(SHUTDOWN, desk.now_ns, 0)
    desk.settle()
    desk.change = lambda frame: [frame]
    desk.connect()
    desk.wait(5)
    assert [order.client_id] == [fill.client_id for fill in desk.of(OrderFill)]
