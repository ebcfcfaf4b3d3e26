"""What befalls requests, over both ways in: lost before or after they are executed, refused, raced by a fill."""

from __future__ import annotations

from typing import Any

import pytest

from livestack.simulator.binance_spot import VenueSettings
from livestack.simulator.faults import rule
from tests.simulator.client import SECOND_NS, Client

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
ORDER |= {"price": "50000", "quantity": "0.01"}


def made(kind: str, **keys: Any) -> Client:
    client = Client(VenueSettings(symbols=1, rate=1))
    client.subscribe()
    client.inject(kind, **keys)
    return client


def rest(client: Client, method: str, path: str, **params: Any) -> Any:
    """The whole answer of a signed REST request."""
    return client.rest_answer(method, path, signed=True, **params)


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        ("-1000", 500, -1000),
        ("-1001", 500, -1001),
        ("-1008", 503, -1008),
        ("-1016", 503, -1016),
        ("500", 500, -1000),
        ("503", 503, -1000),
    ],
)
def test_a_request_that_is_lost_is_not_executed(answer: str, status: int, code: int) -> None:
    """Both ways in say the same; no order is there, nothing was told, the next one goes through."""
    client = made("request_lost", answer=answer, times=2)
    told = client.tell("order.place", **ORDER)[0]
    assert (status, code) == (told["status"], told["error"]["code"])
    assert (status, code) == (rest(client, "POST", "order", **ORDER)[0], code)
    assert ([], []) == (client.venue.orders, client.events)
    assert 200 == client.tell("order.place", **ORDER)[0]["status"]
    assert {"request_lost": 2} == client.venue.fault_counts


@pytest.mark.parametrize(
    ("answer", "status", "code"), [("-1006", 500, -1006), ("-1007", 504, -1007), ("504", 504, -1000)]
)
def test_an_answer_that_is_lost_leaves_the_order(answer: str, status: int, code: int) -> None:
    """It was executed, and its reports come; the answer says that nobody knows."""
    client = made("response_lost", answer=answer, methods=["order.place"])
    told = client.tell("order.place", **ORDER)[0]
    assert (status, code) == (told["status"], told["error"]["code"])
    assert status == rest(client, "POST", "order", **ORDER).status
    assert 2 == len(client.venue.open_orders)
    client.collect()
    assert [("NEW", "NEW"), ("NEW", "NEW")] == client.reports()


@pytest.mark.parametrize(("kind", "orders"), [("request_lost", 0), ("response_lost", 1)])
def test_a_cut_and_a_silence(kind: str, orders: int) -> None:
    """The WebSocket API connection breaks, or says nothing; REST is cut at once, or after a minute."""
    client = made(kind, answer="cut", methods=["order.place"])
    assert [] == client.tell("order.place", **ORDER)
    assert [(1, b"")] == client.venue.cuts()
    answer = rest(client, "POST", "order", **ORDER)
    assert (0, 0) == (answer.cut_at, answer.delay_ns)
    client.venue.clear_faults()
    client.venue.close(1)
    client.venue.open(1, "ws_api", "/ws-api/v3", client.now_ns)
    client.inject(kind, answer="silence", methods=["order.place"])
    assert [] == client.tell("order.place", **ORDER)
    assert [] == client.venue.cuts()
    assert (0, 60 * SECOND_NS) == (
        (answer := rest(client, "POST", "order", **ORDER)).cut_at,
        answer.delay_ns,
    )
    assert 4 * orders == len(client.venue.open_orders)


def test_a_server_in_front_answers_html() -> None:
    """502 and a firewall's 403 are pages over REST, errors over the WebSocket API."""
    client = made("request_lost", answer="502")
    answer = rest(client, "POST", "order", **ORDER)
    assert (502, "text/html") == (answer.status, answer.headers["Content-Type"])
    assert answer.body.startswith(b"<html>")
    client.venue.clear_faults()
    client.inject("firewall")
    answer = rest(client, "GET", "account")
    assert (403, b"<html>") == (answer.status, answer.body[:6])
    assert 403 == client.tell("ping", signed=False)[0]["status"]


def test_a_refusal_is_that_of_the_engine() -> None:
    """Each method has its code; a text and code of one's own are taken."""
    client = made("reject")
    assert -2010 == client.tell("order.place", **ORDER)[0]["error"]["code"]
    assert -2011 == client.tell("order.cancel", symbol="BTCUSDT", orderId=1)[0]["error"]["code"]
    assert 200 == client.tell("account.status")[0]["status"]
    client.venue.clear_faults()
    client.inject("reject", code=-2010, message="Market is closed.")
    assert "Market is closed." == client.tell("order.place", **ORDER)[0]["error"]["msg"]


def test_too_many_requests_by_decree() -> None:
    """429 with the time to wait; who asks again a second later is banned with 418, and only that is held against it."""
    client = made("rate_limited", wait="10s", ban="30s", times=1, sides=["rest"])
    answer = rest(client, "GET", "account")
    assert (429, "10") == (answer.status, answer.headers["Retry-After"])
    assert 429 == rest(client, "GET", "account").status
    assert {} == client.venue.violations
    client.wait(2 * SECOND_NS)
    told = client.tell("account.status")[0]
    assert (418, -1003) == (told["status"], told["error"]["code"])
    assert told["error"]["data"]["retryAfter"] == client.now_ns // 1_000_000 + 30_000
    assert {"backoff": 1} == client.venue.violations
    client.wait(31 * SECOND_NS)
    assert 200 == rest(client, "GET", "account").status


def test_too_many_requests_and_waiting_is_well_done() -> None:
    """Who waits as told meets no ban."""
    client = made("rate_limited", wait="10s", ban="30s", times=1)
    told = client.tell("account.status")[0]
    assert 429 == told["status"]
    client.wait(told["error"]["data"]["retryAfter"] * 1_000_000 - client.now_ns)
    assert 200 == client.tell("account.status")[0]["status"]
    assert {} == client.venue.violations


def test_too_many_orders_by_decree() -> None:
    """-1015 with the time to wait; cancels go on."""
    client = made("orders_limited", wait="3s", times=1)
    told = client.tell("order.place", **ORDER)[0]
    assert (429, -1015) == (told["status"], told["error"]["code"])
    assert told["error"]["data"]["retryAfter"] == client.now_ns // 1_000_000 + 3000
    assert 200 == client.tell("order.place", **ORDER)[0]["status"]
    assert {} == client.venue.violations


@pytest.mark.parametrize(("part", "status"), [("all", 400), ("half", 200)])
def test_a_fill_comes_before_the_cancel(part: str, status: int) -> None:
    """All of it: -2011, the order is filled. Half of it: the cancel takes the rest."""
    client = Client(VenueSettings(symbols=1, rate=1))
    client.subscribe()
    order = client.limit("BUY", client.best()[0], "0.01")["result"]["orderId"]
    client.limit("BUY", client.best()[0], "0.02")
    client.inject("fill_first", part=part)
    told = client.tell("order.cancel", symbol="BTCUSDT", orderId=order)[0]
    assert status == told["status"]
    if part == "all":
        assert -2011 == told["error"]["code"]
    else:
        assert "0.00500000" == told["result"]["executedQty"]
    state = client.ask("order.status", symbol="BTCUSDT", orderId=order)["result"]
    assert {"all": "FILLED", "half": "CANCELED"}[part] == state["status"]
    assert ("TRADE", "FILLED" if part == "all" else "PARTIALLY_FILLED") in client.reports()


@pytest.mark.parametrize(
    ("row", "mode", "status", "cancel", "new"),
    [
        ("cancelled_only", "STOP_ON_FAILURE", 409, "SUCCESS", "FAILURE"),
        ("placed_only", "ALLOW_FAILURE", 409, "FAILURE", "SUCCESS"),
        ("placed_only", "STOP_ON_FAILURE", 400, "FAILURE", "NOT_ATTEMPTED"),
        ("neither", "ALLOW_FAILURE", 400, "FAILURE", "FAILURE"),
        ("neither", "STOP_ON_FAILURE", 400, "FAILURE", "NOT_ATTEMPTED"),
    ],
)
def test_half_a_replacement(row: str, mode: str, status: int, cancel: str, new: str) -> None:
    """Every row of the venue's table on demand; the next one goes through."""
    client = Client(VenueSettings(symbols=1, rate=1))
    client.tell("order.place", **ORDER, newClientOrderId="first")
    client.inject("replace_half", row=row, times=1)
    replace = {
        **ORDER,
        "cancelReplaceMode": mode,
        "cancelOrigClientOrderId": "first",
        "newClientOrderId": "second",
    }
    told = client.tell("order.cancelReplace", **replace)[0]
    data = told["error"]["data"]
    assert (status, cancel, new) == (told["status"], data["cancelResult"], data["newOrderResult"])
    assert (cancel == "FAILURE") == any(order.client_id == "first" for order in client.venue.open_orders)
    assert (new == "SUCCESS") == any(order.client_id == "second" for order in client.venue.open_orders)


@pytest.mark.parametrize(("mode", "code", "left"), [("DO_NOTHING", -1015, 1), ("CANCEL_ONLY", -2021, 0)])
def test_a_replacement_beyond_the_order_limit(mode: str, code: int, left: int) -> None:
    """Nothing is done, or only the cancel: as the request asks."""
    client = Client(VenueSettings(symbols=1, rate=1))
    client.tell("order.place", **ORDER, newClientOrderId="first")
    client.inject("replace_half", row="orders_limited")
    replace = {**ORDER, "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrigClientOrderId": "first"}
    told = client.tell("order.cancelReplace", **replace, orderRateLimitExceededMode=mode)[0]
    assert (429, code) == (told["status"], told["error"]["code"])
    assert left == len(client.venue.open_orders)


def test_reports_come_first() -> None:
    """Some of the time: the venue promises neither order."""
    client = made("reports_first", chance="0.5")
    firsts = set()
    for _ in range(20):
        request = {"id": 7, "method": "order.place", "params": client.signed(ORDER)}
        client.venue.message(1, client.text(request), client.now_ns)
        firsts.add("event" if '"event"' in client.venue.drain()[0][1] else "answer")
    assert {"event", "answer"} == firsts


def test_a_snapshot_is_old() -> None:
    """As the book was: older than the first diff that a client has; then a new one again."""
    client = Client(VenueSettings(symbols=1, rate=400))
    client.inject("stale_snapshot", age="2s", times=1)
    client.advance(5 * SECOND_NS)
    client.venue.open(2, "stream", "/ws/btcusdt@depth@100ms", client.now_ns)
    client.advance(SECOND_NS // 2)
    old = client.rest("GET", "depth", symbol="BTCUSDT", limit=5000)[2]
    new = client.rest("GET", "depth", symbol="BTCUSDT", limit=5000)[2]
    first = client.frames[0][1]["U"]
    assert old["lastUpdateId"] < first - 1 < new["lastUpdateId"]
    assert old["bids"] != new["bids"]


def test_a_snapshot_leads() -> None:
    """The diffs that belong to it come later than it does."""
    client = Client(VenueSettings(symbols=1, rate=400))
    client.venue.open(2, "stream", "/ws/btcusdt@depth@100ms", client.now_ns)
    client.advance(SECOND_NS)
    client.inject("snapshot_leads", delay="700ms")
    snapshot = client.rest("GET", "depth", symbol="BTCUSDT")[2]
    count = len(client.frames)
    client.advance(650_000_000)
    assert count == len(client.frames)
    client.advance(SECOND_NS)
    ids = [frame["U"] for _, frame in client.frames]
    assert ids == sorted(ids)
    assert client.frames[count][1]["U"] <= snapshot["lastUpdateId"] + 1


def test_the_same_seed_makes_the_same_faults() -> None:
    """And another seed others."""

    def run(seed: int) -> list[int]:
        client = Client(VenueSettings(symbols=1, rate=1, fault_seed=seed))
        client.venue.inject([rule("request_lost", chance="0.3", answer=["-1001", "500", "silence"])])
        return [len(client.tell("ping", signed=False)) for _ in range(60)]

    assert run(1) == run(1)
    assert run(1) != run(2)
