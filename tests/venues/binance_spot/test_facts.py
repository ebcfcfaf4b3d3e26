"""The facts about Binance Spot that cost the most when missed, one test each, by their numbers in the list.

Each would fail if the fact were missed. The depth is in the other modules here; those of FIX (14, 15) have no code.
"""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest

from livestack.core.events import (
    Event,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFill,
    OrderRejected,
    OrderReplaced,
    OrderReport,
    VenueBackoff,
)
from livestack.core.obligations import QueryOrder
from livestack.core.types import OrderType, parse_decimal
from livestack.simulator.binance_spot.signing import make_keys
from livestack.simulator.binance_spot.venue import BinanceSpotVenue, VenueSettings
from livestack.transports.frames import FrameReader
from livestack.venues.adapter import Credentials, Fetched, Renew, Setback
from livestack.venues.binance_spot.book_sync import BookState, BookSync, SnapshotUse
from livestack.venues.binance_spot.last_resort import BinanceLastResort
from livestack.venues.binance_spot.messages import BookTickerFrame
from livestack.venues.binance_spot.requests import RequestWriter
from livestack.venues.binance_spot.signing import make_signer
from livestack.venues.binance_spot.subscriptions import MESSAGES_MAX, WINDOW_NS, Subscriptions
from livestack.venues.budget import Purpose, RequestBudget
from tests.venues.binance_spot.desks import cancel_by_hand, incidents, methods, no_events
from tests.venues.binance_spot.test_book_sync import delta, snapshot
from tests.venues.binance_spot.test_reports import REPORT, TRADE
from tests.venues.binance_spot.venue import START_NS, VENUE, Desk

SECOND = 1_000_000_000


def hear(desk: Desk, **changes: Any) -> None:
    event = {**REPORT, "s": desk.instrument.symbol, **changes}
    desk.adapter.receive(json.dumps({"subscriptionId": 0, "event": event}).encode(), desk.now_ns)
    desk.settle()


# -- 1 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("hmac", ["userDataStream.subscribe.signature"]),
        ("ed25519", ["session.logon", "userDataStream.subscribe"]),
    ],
)
def test_1_user_events_come_over_the_websocket_api_without_a_listen_key(
    kind: str, expected: list[str]
) -> None:
    """HMAC subscribes by a signature, Ed25519 logs on; events are wrapped, and understood."""
    desk = Desk(kind).connect()
    assert expected == [one for one in methods(desk) if one.startswith(("session", "userData"))]
    desk.heard.clear()
    desk.send(desk.new(desk.far_bid, desk.lot))
    wrapped = [json.loads(text) for text in desk.heard if '"executionReport"' in text]
    assert [{"subscriptionId", "event"}] == [one.keys() for one in wrapped]
    assert {} == desk.adapter.faults


# -- 2 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_2_rest_signs_what_is_percent_encoded_and_the_websocket_api_raw_text(kind: str) -> None:
    """A symbol that is not ASCII: accepted both ways, refused where one is signed like the other."""
    venue = BinanceSpotVenue(
        make_keys(1), random.Random(1), START_NS, VenueSettings(symbols=1, rate=1, test_symbol=True)
    )
    key = next(key for key in venue.keys if key.kind == kind and key.trade)
    credentials = Credentials(key.api_key, key.kind, key.secret)
    symbol, now_ms = venue.symbols[-1], START_NS // 1_000_000
    assert not symbol.isascii()
    fetch = BinanceLastResort(credentials).cancel_all(symbol, now_ms)
    answer = venue.rest(fetch.method, fetch.path, fetch.query, dict(fetch.headers), b"", START_NS)
    assert b"Unknown order sent." in list(answer)[2]  # signed well: nothing was open
    venue.open(1, "ws_api", "/ws-api/v3", START_NS)
    writer = RequestWriter(credentials.api_key, make_signer(credentials))
    text = writer.signed(1, "openOrders.status", {"symbol": symbol}, now_ms)
    venue.message(1, text, START_NS)
    ((_, reply),) = venue.drain()
    assert 200 == json.loads(reply)["status"]


# -- 3 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code"), [(500, -1000), (502, -1000), (504, -1000), (400, -1006), (400, -1007)]
)
def test_3_an_unknown_outcome_is_found_out_and_nothing_is_sent_again(status: int, code: int) -> None:
    """Executed all the same: no Event by the answer, no second order; the question tells."""
    desk = Desk().connect()
    request = desk.new(desk.through_ask, desk.lot)

    def change(frame: str) -> list[str]:
        document = json.loads(frame)
        if "orderId" not in str(document.get("result")) or "event" in document:
            return no_events(frame)
        error = {"code": code, "msg": "?"}
        return [json.dumps({"id": document["id"], "status": status, "error": error})]

    desk.change = change
    start = len(desk.events)
    desk.send(request)
    assert [] == [name for name in desk.names(start) if name.startswith("Order")]
    desk.change = no_events
    question = QueryOrder(
        scope="q", venue=VENUE, instrument=request.instrument, order_id=1, client_id=request.client_id
    )
    desk.adapter.ask(question, desk.now_ns, desk.now_ns)
    desk.wait(30)
    assert 1 == methods(desk).count("order.place")
    assert "FILLED" == desk.of(OrderReport)[-1].status.name


def test_3_a_client_id_protects_only_while_its_order_is_open() -> None:
    """The venue takes the id of a filled order again: therefore nothing here ever repeats one."""
    desk = Desk().connect()
    request = desk.send(desk.new(desk.through_ask, desk.lot))
    doubled = desk.adapter.encode(request, desk.now_ns, desk.now_ns).payload
    desk.carry(doubled)
    desk.settle()
    ours = [one for one in desk.venue.exchange.orders.values() if one.client_id == request.client_id]
    assert 2 == len(ours)


# -- 4 ---------------------------------------------------------------------------------------------------------------


def test_4_a_cancel_renames_and_so_does_an_amendment() -> None:
    """By somebody else, under ids of theirs: the Events keep ours, and what comes after them too."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.best, 4 * desk.lot))
    number = int(desk.of(OrderAccepted)[0].venue_order_id)
    exchange = desk.venue.exchange
    exchange.amend(exchange.orders[number], 3 * desk.lot, "web_1")
    desk.venue.advance(desk.now_ns)
    desk.settle()
    desk.hit(order.price, desk.lot)
    cancel_by_hand(desk, number, "web_2")
    (replaced,), (fill,), (cancelled,) = desk.of(OrderReplaced), desk.of(OrderFill), desk.of(OrderCancelled)
    assert {(order.client_id, 1)} == {(one.client_id, one.order_id) for one in (replaced, fill, cancelled)}
    assert (3 * desk.lot, desk.lot) == (replaced.qty, cancelled.filled_qty)
    assert {} == desk.adapter.faults


def test_4_an_order_that_somebody_amended_can_still_be_replaced_and_cancelled() -> None:
    """By its venue id; our own amendment of it is understood too."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.far_bid, 5 * desk.lot))
    number = int(desk.of(OrderAccepted)[0].venue_order_id)
    exchange = desk.venue.exchange
    exchange.amend(exchange.orders[number], 4 * desk.lot, "web_1")
    desk.venue.advance(desk.now_ns)
    desk.settle()
    changed = desk.replace(order, desk.far_bid, 2 * desk.lot)
    assert [4 * desk.lot, 2 * desk.lot] == [one.qty for one in desk.of(OrderReplaced)]
    assert [order.client_id, changed.client_id] == [one.client_id for one in desk.of(OrderReplaced)]
    desk.cancel(order, target=changed.client_id)
    assert changed.client_id == desk.of(OrderCancelled)[0].client_id
    assert [] == desk.venue.open_orders


# -- 5 ---------------------------------------------------------------------------------------------------------------


def test_5_execution_ids_have_gaps_and_what_is_lost_is_found_by_asking() -> None:
    """Gaps are no fault; a report that is lost leaves no gap, and the comparison finds it."""
    desk = Desk().connect()
    for number, changes in ((62, {}), (63, TRADE), (900, {"x": "CANCELED", "X": "CANCELED", "z": "0.4"})):
        hear(desk, **{**changes, "c": "web_5", "I": number})
    assert {} == desk.adapter.faults
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    number = int(desk.of(OrderAccepted)[-1].venue_order_id)
    desk.change = no_events
    cancel_by_hand(desk, number, "web_6")
    desk.change = lambda frame: [frame]
    desk.wait(65)
    assert order.client_id == desk.of(OrderReport)[-1].client_id
    assert "reconciliation_difference" == incidents(desk)[0][1]


# -- 6 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reports_first", [True, False])
def test_6_report_and_response_tell_the_same_in_either_order(reports_first: bool) -> None:
    """Accepted once; each fill twice, under one id."""
    desk = Desk(reports_first=reports_first).connect()
    desk.send(desk.new(desk.through_ask, desk.lot))
    assert 1 == len(desk.of(OrderAccepted))
    fills = desk.of(OrderFill)
    assert len(fills) == 2 * len({fill.fill_id for fill in fills})
    assert desk.lot == sum({fill.fill_id: fill.qty for fill in fills}.values())


# -- 7 ---------------------------------------------------------------------------------------------------------------


def test_7_market_orders_end_expired_with_fills() -> None:
    """The documentation's own sequence of four reports."""
    desk = Desk().connect()
    client_id = desk.new(0, 1).client_id
    market = {"o": "MARKET", "q": "6.00000000", "p": "0.00000000", "c": client_id}
    hear(desk, **market)
    hear(desk, **{**TRADE, **market, "t": 7, "l": "1.00000000", "z": "1.00000000"})
    hear(desk, **{**TRADE, **market, "t": 8, "l": "3.00000000", "z": "4.00000000"})
    hear(desk, **{**market, "x": "EXPIRED", "X": "EXPIRED", "z": "4.00000000"})
    names = [name for name in desk.names() if name.startswith("Order")]
    assert ["OrderAccepted", "OrderFill", "OrderFill", "OrderExpired"] == names
    assert parse_decimal("4", desk.instrument.qty_decimals) == desk.of(OrderExpired)[0].filled_qty


def test_7_self_trade_prevention_ends_in_expired_in_match_with_no_last_quantity() -> None:
    """``l``, ``L`` and ``Y`` are 0: no fill of it, and the end keeps what was filled before."""
    desk = Desk().connect()
    client_id = desk.new(0, 1).client_id
    hear(desk, c=client_id)
    hear(desk, **{**TRADE, "c": client_id})
    hear(desk, x="TRADE_PREVENTION", X="EXPIRED_IN_MATCH", c=client_id, z="0.40000000", B="0.6", A="0.6")
    assert 1 == len(desk.of(OrderFill))
    (end,) = desk.of(OrderExpired)
    assert (40_000_000, "EXPIRED_IN_MATCH") == (end.filled_qty, end.reason)


# -- 8 ---------------------------------------------------------------------------------------------------------------


def test_8_an_amendment_s_response_has_its_own_spelling() -> None:
    """``qty`` and ``cumulativeQuoteQty`` there, ``origQty`` and ``cummulativeQuoteQty`` elsewhere: read both."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.far_bid, 4 * desk.lot))
    desk.change = no_events
    desk.replace(order, desk.far_bid, 3 * desk.lot)
    response = next(text for text in desk.heard if "amendedOrder" in text)
    assert '"cumulativeQuoteQty"' in response
    assert '"cummulativeQuoteQty"' not in response
    assert [3 * desk.lot] == [one.qty for one in desk.of(OrderReplaced)]


def test_8_a_negative_quote_quantity_means_that_it_is_not_known() -> None:
    """Of old orders, in whichever spelling: nothing here depends on it."""
    desk = Desk().connect()
    desk.send(desk.new(desk.far_bid, desk.lot))
    desk.cut()

    def change(frame: str) -> list[str]:
        return [frame.replace('"cummulativeQuoteQty":"0.00000000"', '"cummulativeQuoteQty":"-1.00000000"')]

    desk.change = change
    desk.connect()
    assert "ACCEPTED" == desk.of(OrderReport)[-1].status.name
    assert {} == desk.adapter.faults


# -- 9 ---------------------------------------------------------------------------------------------------------------


def test_9_retry_after_is_seconds_over_rest_and_a_time_over_the_websocket_api() -> None:
    """Five seconds, both times."""
    desk = Desk().connect()
    text = desk.adapter.encode(desk.new(desk.far_bid, desk.lot), desk.now_ns, desk.now_ns).payload
    now_ms = desk.now_ns // 1_000_000
    data = {"serverTime": now_ms, "retryAfter": now_ms + 5_000}
    error = {"code": -1003, "msg": "Too much request weight used", "data": data}
    frame = {"id": json.loads(text)["id"], "status": 429, "error": error}
    desk.adapter.receive(json.dumps(frame).encode(), desk.now_ns)
    desk.settle()
    assert 5 * SECOND == desk.of(VenueBackoff)[-1].retry_after_ns
    refused = b'{"code":-1003,"msg":"Too much request weight used"}'
    answer = Fetched(0, 429, (("Retry-After", "5"),), refused, "", 0, 0)
    resort = BinanceLastResort(Credentials("key", "hmac", "secret"))
    setback = resort.read_open_orders(answer)
    assert isinstance(setback, Setback)
    assert 5 * SECOND == setback.wait_ns


# -- 10 --------------------------------------------------------------------------------------------------------------


def test_10_weight_is_the_address_s_and_shared() -> None:
    """What anybody else on the address used counts: the adapter's question waits, and a cancel-all does not."""
    desk = Desk().connect()
    desk.budget.counted(desk.budget.weight_max * 9 // 10, desk.now_ns)
    assert 0 < desk.budget.take(20, Purpose.DOUBT, desk.now_ns)
    assert 0 == desk.budget.take(1, Purpose.REDUCE, desk.now_ns)
    question = QueryOrder(
        scope="q", venue=VENUE, instrument=desk.instrument.instrument, order_id=9, client_id="Abcde1234-9-1"
    )
    desk.sent.clear()
    desk.adapter.ask(question, desk.now_ns, desk.now_ns)
    desk.settle()
    assert [] == methods(desk)
    desk.wait(62)
    assert "order.status" in methods(desk)


def test_10_windows_are_the_venue_s_clock_s() -> None:
    """Full at :59 and 30 s ahead of us: free again when the venue's minute is over, not ours."""
    budget = RequestBudget()
    budget.set_clock(30 * SECOND)
    minute = 60 * SECOND
    now_ns = 1_000 * minute + 29 * SECOND  # 59 s past by the venue's clock
    budget.counted(budget.weight_max, now_ns)
    again_ns = budget.take(20, Purpose.DOUBT, now_ns)
    assert 1_000 * minute + 30 * SECOND <= again_ns < 1_000 * minute + 32 * SECOND


def test_10_fills_give_order_count_back_and_cancels_do_not() -> None:
    """The venue's own count is what is told: it goes up by an order, stays for its cancel, and down for a fill."""
    desk = Desk().connect()

    def counted() -> int:
        return next(window.count for window in desk.venue.exchange.limits.orders)

    order = desk.send(desk.new(desk.far_bid, desk.lot))
    before = counted()
    desk.cancel(order)
    assert before == counted()
    desk.send(desk.new(desk.through_ask, desk.lot))
    assert before == counted()  # one more, and one given back by its fill


# -- 11 --------------------------------------------------------------------------------------------------------------


def test_11_five_messages_a_second_pongs_among_them() -> None:
    """A thousand streams: never more than leaves room for a ping and a pong a second."""
    subscriptions = Subscriptions([f"s{number}@trade" for number in range(1_000)])
    at_ns: list[int] = []
    for now_ns in range(0, 10 * SECOND, SECOND // 10):
        at_ns += [now_ns for _ in subscriptions.due(now_ns)]
    assert 5 <= len(at_ns)
    for begin_ns in at_ns:
        assert 5 - 2 >= sum(begin_ns <= one < begin_ns + SECOND for one in at_ns)
    assert 5 > MESSAGES_MAX or WINDOW_NS > SECOND


def test_11_a_ping_s_payload_is_what_the_pong_has() -> None:
    """The venue's own payload is a time in milliseconds."""
    reader = FrameReader(1_000)
    reader.feed(b"\x89\x0d1700000000123")
    assert b"1700000000123" == reader.ping


def test_11_a_server_that_shuts_down_is_left_before_it_does() -> None:
    """``serverShutdown`` at any time: another connection is asked for while this one goes on."""
    desk = Desk().connect()
    event = {"event": {"e": "serverShutdown", "E": desk.now_ns // 1_000_000}}
    desk.adapter.receive(json.dumps(event).encode(), desk.now_ns)
    desk.wait(1)
    assert [Renew] == [type(one) for one in desk.asked_for]
    desk.send(desk.new(desk.far_bid, desk.lot))
    assert 1 == len(desk.of(OrderAccepted))


# -- 12 --------------------------------------------------------------------------------------------------------------


def test_12_a_snapshot_older_than_the_first_diff_is_asked_for_again() -> None:
    """``lastUpdateId < U``: of no use; the next one is applied from the diff on that covers it."""
    book, events = BookSync(), list[Event]()
    book.delta(delta(105, 107), events)
    assert SnapshotUse.STALE is book.snapshot(snapshot(100), events)[0]
    book.delta(delta(108, 112), events)
    assert SnapshotUse.INSTALLED is book.snapshot(snapshot(109), events)[0]
    assert [112] == [event.last_update_id for event in events[1:]]  # type: ignore[union-attr]


def test_12_deleting_a_level_that_is_not_there_is_normal() -> None:
    """Levels from outside the snapshot are deleted all the time."""
    book, events = BookSync(), list[Event]()
    book.delta(delta(98, 100), events)
    book.snapshot(snapshot(100), events)
    assert "" == book.delta(delta(101, 101, bids=((9, 0),)), events)
    assert BookState.LIVE is book.state


# -- 13 --------------------------------------------------------------------------------------------------------------


def test_13_a_combined_stream_has_an_envelope_and_the_book_ticker_no_event_type() -> None:
    """What a ticker is, only its stream's name says."""
    data = {"u": 7, "s": "BTCUSDT", "b": "1.0", "B": "2.0", "a": "1.1", "A": "3.0"}
    frame = msgspec.json.encode({"stream": "btcusdt@bookTicker", "data": data})
    read = msgspec.json.decode(frame, type=BookTickerFrame)
    assert ("btcusdt@bookTicker", 7) == (read.stream, read.data.update_id)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(data), type=BookTickerFrame)


# -- 16 --------------------------------------------------------------------------------------------------------------


def test_16_the_venue_cancels_nothing_because_we_are_gone() -> None:
    """No dead man's switch: what is open stays open without us, and is found when we are back."""
    desk = Desk().connect()
    desk.send(desk.new(desk.far_bid, desk.lot))
    desk.cut()
    desk.wait(600)
    assert 1 == len(desk.venue.open_orders)
    desk.connect()
    assert "ACCEPTED" == desk.of(OrderReport)[-1].status.name
    assert [] == desk.of(OrderRejected)
    assert OrderType.LIMIT is desk.of(OrderReport)[-1].order_type
