"""What the venue says of its limits: into the budget, for the Core, and obeyed; over both paths."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from livestack.core.events import RateLimitReport, VenueBackoff
from livestack.core.obligations import CancelAllAtVenue
from livestack.core.types import ConnectionStatus
from livestack.venues.adapter import Fetch, Fetched
from livestack.venues.budget import Purpose
from tests.venues.binance_spot.test_paths import over_rest, paths
from tests.venues.binance_spot.venue import VENUE, Desk, query

SECOND_NS = 1_000_000_000
LIVE = ConnectionStatus.LIVE


def told_to_wait(status: int, retry_after_s: int) -> str:
    now_ms = Desk().now_ns // 1_000_000
    data = {"serverTime": now_ms, "retryAfter": now_ms + retry_after_s * 1_000}
    error = {"code": -1003, "msg": "Too much request weight used.", "data": data}
    return json.dumps({"id": None, "status": status, "error": error})


@pytest.mark.parametrize("status", [429, 418])
def test_silence_is_kept(status: int) -> None:
    """A moment in milliseconds here: no question until then. In a 429 what cancels still goes, in a 418 nothing."""
    desk = Desk().connect()
    desk.adapter.receive(told_to_wait(status, 30).encode(), desk.now_ns)
    desk.settle()
    (backoff,) = desk.of(VenueBackoff)
    assert 30 * SECOND_NS == backoff.retry_after_ns
    before = len(desk.sent)
    query(desk, desk.new(desk.far_bid, desk.lot))
    desk.adapter.ask(CancelAllAtVenue(scope="k", venue=VENUE, instrument=""), desk.now_ns, desk.now_ns)
    desk.wait(25)
    methods = [json.loads(text)["method"] for text in desk.sent[before:]]
    assert (["openOrders.cancelAll"] if status == 429 else []) == methods
    desk.wait(10)
    assert "order.status" in [json.loads(text)["method"] for text in desk.sent[before:]]
    assert (status == 418) is (desk.budget.silent_until_ns(Purpose.REDUCE) > 0)


def test_too_many_orders_is_no_silence_for_questions() -> None:
    """-1015 is about the account's orders, which may last a day: cancels and questions go on."""
    desk = Desk().connect()
    text = desk.adapter.encode(desk.new(desk.far_bid, desk.lot), desk.now_ns, desk.now_ns).payload
    assert isinstance(text, str)
    error = {"code": -1015, "msg": "Too many new orders; current limit is 50 orders per TEN_SECONDS."}
    frame = {"id": json.loads(text)["id"], "status": 429, "error": error}
    desk.adapter.receive(json.dumps(frame).encode(), desk.now_ns)
    desk.settle()
    (backoff,) = desk.of(VenueBackoff)
    assert backoff.spares_cancels
    before = len(desk.sent)
    query(desk, desk.new(desk.far_bid, desk.lot))
    assert before < len(desk.sent)


def instead(
    what: str, status: int, body: bytes, *headers: tuple[str, str]
) -> Callable[[Fetch, Fetched], Fetched]:
    """Answers to the method and path ``what`` are replaced."""

    def answer(fetch: Fetch, real: Fetched) -> Fetched:
        if f"{fetch.method} {fetch.path.removeprefix('/api/v3/')}" != what:
            return real
        return Fetched(fetch.fetch_id, status, headers, body, "", real.begun_ns, real.recv_ns)

    return answer


def test_headers_correct_what_is_known_of_the_limits() -> None:
    """Used weight and order counts, with the limits that the WebSocket API had told; never a limit of nothing."""
    desk = Desk().connect()
    desk.send(desk.new(desk.far_bid, desk.lot))
    known = {(one.kind, one.interval_ns): one.limit for one in desk.of(RateLimitReport)[-1].usage}
    desk.cut()
    desk.wait(6)
    desk.send(desk.new(desk.far_bid, desk.lot))
    report = next(event for event in reversed(desk.of(RateLimitReport)) if event.order_id == 2)
    found = {(one.kind, one.interval_ns): one.limit for one in report.usage}
    assert {("ORDERS", 10_000_000_000), ("ORDERS", 86_400_000_000_000)} < set(found)
    assert found == {name: known[name] for name in found}
    assert 2 == max(one.used for one in report.usage if one.interval_ns == 86_400_000_000_000)


def test_limits_that_nobody_told_are_not_reported() -> None:
    """A limit of 0 would replace the one that the Core is configured with."""
    desk = Desk()
    desk.reach = lambda fetch: not fetch.path.endswith("exchangeInfo")
    desk.adapter.disconnected("refused", desk.now_ns, 0)
    desk.wait(6)
    desk.send(desk.new(desk.far_bid, desk.lot))
    assert LIVE is desk.adapter.status
    assert {"REQUEST_WEIGHT"} == {one.kind for event in desk.of(RateLimitReport) for one in event.usage}


def test_over_rest_alone_the_list_of_instruments_tells_the_limits() -> None:
    """It is asked for at once, and once; then the headers' order counts are reported."""
    desk = Desk()
    desk.adapter.disconnected("refused", desk.now_ns, 0)
    desk.wait(7)
    desk.send(desk.new(desk.far_bid, desk.lot))
    report = next(event for event in desk.of(RateLimitReport) if event.order_id == 1)
    assert {"REQUEST_WEIGHT", "ORDERS"} == {one.kind for one in report.usage}
    assert all(one.limit > 0 for one in report.usage)
    desk.wait(20)
    assert 1 == paths(desk).count("GET exchangeInfo")


def test_an_overload_stops_new_orders_for_a_moment_and_no_cancel() -> None:
    """-1008 tells no time; the moments in which a venue is overloaded are those in which cancels matter."""
    desk = Desk().connect()

    def change(frame: str) -> list[str]:
        document = json.loads(frame)
        if document.get("id") != json.loads(desk.sent[-1])["id"]:
            return [frame]
        error = {"code": -1008, "msg": "Server is currently overloaded with other requests."}
        return [json.dumps({"id": document["id"], "status": 503, "error": error})]

    desk.change = change
    desk.send(desk.new(desk.far_bid, desk.lot))
    (backoff,) = desk.of(VenueBackoff)
    assert (5_000_000_000, True) == (backoff.retry_after_ns, backoff.spares_cancels)


def test_a_429_over_rest_spares_nothing_whatever_its_code() -> None:
    """An overload that is told with 429 is the venue's wish for silence."""
    desk = over_rest()
    desk.answer = instead("POST order", 429, b'{"code":-1008,"msg":"Overloaded."}', ("Retry-After", "20"))
    desk.send(desk.new(desk.far_bid, desk.lot))
    (backoff,) = desk.of(VenueBackoff)
    assert (20_000_000_000, False) == (backoff.retry_after_ns, backoff.spares_cancels)


def test_too_many_requests_means_silence_for_all_but_cancelling() -> None:
    """429 with ``Retry-After`` in seconds: VenueBackoff, and no question for that long; what cancels still goes."""
    desk = over_rest()
    body = b'{"code":-1003,"msg":"Too much request weight used."}'
    desk.answer = instead("GET account", 429, body, ("Retry-After", "20"))
    desk.wait(3)
    (backoff,) = desk.of(VenueBackoff)
    assert 20_000_000_000 == backoff.retry_after_ns
    desk.answer = lambda fetch, answer: answer
    before = len(desk.fetches)
    desk.wait(15)
    assert before == len(desk.fetches)
    desk.adapter.ask(CancelAllAtVenue(scope="k", venue=VENUE, instrument=""), desk.now_ns, desk.now_ns)
    desk.settle()
    assert ["DELETE openOrders"] == paths(desk, before)
    desk.wait(10)
    assert "GET account" in paths(desk, before)


def test_a_ban_stops_even_cancelling() -> None:
    """418: nothing at all leaves until it is over."""
    desk = over_rest()
    body = b'{"code":-1003,"msg":"Way too much request weight used; IP banned."}'
    desk.answer = instead("GET account", 418, body, ("Retry-After", "30"))
    desk.wait(3)
    desk.answer = lambda fetch, answer: answer
    before = len(desk.fetches)
    desk.adapter.ask(CancelAllAtVenue(scope="k", venue=VENUE, instrument=""), desk.now_ns, desk.now_ns)
    desk.wait(20)
    assert before == len(desk.fetches)
    desk.wait(15)
    assert "DELETE openOrders" == paths(desk, before)[0]
