"""Execution reports frame by frame: each execution type, each way of naming an order, and whatever may be wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livestack.core.events import (
    BalanceReport,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFill,
    OrderRejected,
    OrderReplaced,
)
from livestack.core.types import ConnectionStatus, Liquidity, Side
from tests.venues.binance_spot.venue import EPOCH, Desk

FIRST, CANCEL = f"{EPOCH}-5-1", f"{EPOCH}-5-2"

# The documentation's example of a report, for one of our orders.
REPORT: dict[str, Any] = {
    "e": "executionReport", "E": 1499405658658, "s": "BTCUSDT", "c": FIRST, "S": "BUY", "o": "LIMIT", "f": "GTC",
    "q": "1.00000000", "p": "0.10264410", "P": "0.00000000", "F": "0.00000000", "g": -1, "C": "", "x": "NEW",
    "X": "NEW", "r": "NONE", "i": 4293153, "l": "0.00000000", "z": "0.00000000", "L": "0.00000000", "n": "0",
    "N": None, "T": 1499405658657, "t": -1, "v": 3, "I": 8641984, "w": True, "m": False, "M": False,
    "O": 1499405658657, "Z": "0.00000000", "Y": "0.00000000", "Q": "0.00000000", "W": 1499405658657, "V": "NONE",
}  # fmt: skip
TRADE = {
    "x": "TRADE", "X": "PARTIALLY_FILLED", "l": "0.40000000", "z": "0.40000000", "L": "0.10000000", "t": 77,
    "n": "0.00000123", "N": "BNB", "m": True,
}  # fmt: skip


@pytest.fixture
def desk() -> Desk:
    found = Desk().connect()
    found.events.clear()
    return found


def hear(desk: Desk, **changes: Any) -> None:
    frame = json.dumps({"subscriptionId": 0, "event": {**REPORT, **changes}}).encode()
    desk.adapter.receive(frame, desk.now_ns)
    desk.settle()


CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["OrderAccepted"]),
    (TRADE, ["OrderAccepted", "OrderFill"]),
    ({"x": "CANCELED", "X": "CANCELED", "c": "web_1", "C": FIRST}, ["OrderCancelled"]),
    ({"x": "CANCELED", "X": "CANCELED", "c": CANCEL, "C": FIRST}, ["OrderCancelled"]),
    ({"x": "CANCELED", "X": "CANCELED", "c": CANCEL + "_c", "C": FIRST}, []),
    ({"x": "REPLACED", "X": "NEW", "c": CANCEL, "C": FIRST, "q": "0.50000000"}, ["OrderReplaced"]),
    ({"x": "REJECTED", "X": "REJECTED", "r": "INSUFFICIENT_BALANCES"}, ["OrderRejected"]),
    ({"x": "EXPIRED", "X": "EXPIRED"}, ["OrderExpired"]),
    ({"x": "EXPIRED", "X": "EXPIRED_IN_MATCH"}, ["OrderExpired"]),
    ({"x": "TRADE_PREVENTION", "X": "EXPIRED_IN_MATCH"}, ["OrderExpired"]),
    ({"x": "TRADE_PREVENTION", "X": "NEW"}, ["OrderAccepted"]),
    ({"x": "TRADE_PREVENTION", "X": "NEW", "A": "0.40000000"}, ["OrderAccepted", "OrderReplaced"]),
    ({"c": "somebody_else"}, ["OrderAccepted", "OrderReport"]),
    ({"c": "somebody_else", **TRADE}, ["OrderAccepted", "OrderFill", "OrderReport"]),
    (
        {"c": "somebody_else", **TRADE, "X": "FILLED", "q": "0.4"},
        ["OrderAccepted", "OrderFill", "OrderReport"],
    ),
    ({"c": "somebody_else", "o": "TELEPORT", "f": "GTX"}, ["OrderAccepted", "OrderReport"]),
]


@pytest.mark.parametrize(("changes", "expected"), CASES)
def test_each_execution_type(desk: Desk, changes: dict[str, Any], expected: list[str]) -> None:
    """What one report produces for an order that was not heard of before."""
    hear(desk, **changes)
    assert desk.names() == expected
    assert desk.adapter.faults == {}


def test_the_fields_of_a_fill(desk: Desk) -> None:
    """Price, quantity, fee in its own asset, maker side, venue's time; under our order id."""
    hear(desk, **TRADE)
    (fill,) = desk.of(OrderFill)
    assert (fill.client_id, fill.order_id, fill.venue_order_id, fill.fill_id) == (FIRST, 5, "4293153", 77)
    assert (fill.side, fill.price, fill.qty) == (Side.BUY, 10_000_000, 40_000_000)
    assert (fill.fee.value, fill.fee_decimals, fill.fee_asset) == (123, 8, "BNB")
    assert (fill.liquidity, fill.event_ns) == (Liquidity.MAKER, 1499405658657 * 10**6)


def test_a_market_order_that_ends_expired_with_fills(desk: Desk) -> None:
    """The documentation's own sequence: NEW, TRADE, TRADE, EXPIRED; the fills stay, the end is an expiry."""
    hear(desk, o="MARKET", q="6.00000000")
    hear(desk, o="MARKET", q="6.00000000", **{**TRADE, "t": 7, "l": "1.00000000", "z": "1.00000000"})
    hear(desk, o="MARKET", q="6.00000000", **{**TRADE, "t": 8, "l": "3.00000000", "z": "4.00000000"})
    hear(
        desk,
        o="MARKET",
        q="6.00000000",
        x="EXPIRED",
        X="EXPIRED",
        z="4.00000000",
        eR="INSUFFICIENT_LIQUIDITY",
    )
    assert desk.names() == ["OrderAccepted", "OrderFill", "OrderFill", "OrderExpired"]
    (expired,) = desk.of(OrderExpired)
    assert (expired.filled_qty, expired.reason) == (400_000_000, "INSUFFICIENT_LIQUIDITY")


def test_every_report_twice_says_nothing_twice_but_fills(desk: Desk) -> None:
    """Acceptance and ending are said once; repeated fills are the Core's to know by their ids."""
    for changes in ({}, {}, TRADE, TRADE, {"x": "CANCELED", "X": "CANCELED", "c": CANCEL, "C": FIRST}):
        hear(desk, **changes)
        hear(desk, **changes)
    assert desk.names() == ["OrderAccepted", *["OrderFill"] * 4, "OrderCancelled"]


def test_a_cancel_renames_and_the_original_id_counts(desk: Desk) -> None:
    """``c`` is the cancel's id, ``C`` the order's: the Event is about the order."""
    hear(desk)
    hear(desk, x="CANCELED", X="CANCELED", c="x-web-1", C=FIRST, z="0.20000000")
    (cancelled,) = desk.of(OrderCancelled)
    assert (cancelled.client_id, cancelled.order_id, cancelled.filled_qty) == (FIRST, 5, 20_000_000)


def test_an_amendment_renames_and_keeps_the_venue_id(desk: Desk) -> None:
    """``x`` REPLACED: the new id is the order's from now on."""
    hear(desk)
    hear(desk, x="REPLACED", c=CANCEL, C=FIRST, q="0.50000000")
    hear(desk, c=CANCEL, **TRADE)
    (replaced,) = desk.of(OrderReplaced)
    assert (replaced.client_id, replaced.qty, replaced.venue_order_id) == (CANCEL, 50_000_000, "4293153")
    assert desk.of(OrderFill)[0].client_id == CANCEL


def test_a_foreign_order_has_no_order_id(desk: Desk) -> None:
    """Placed by hand at the venue: order id 0, its own client id."""
    hear(desk, c="web_abc", i=9)
    hear(desk, c="web_xyz", C="web_abc", i=9, x="CANCELED", X="CANCELED")
    assert [(event.order_id, event.client_id) for event in desk.of(OrderAccepted)] == [(0, "web_abc")]
    assert [(event.order_id, event.venue_order_id) for event in desk.of(OrderCancelled)] == [(0, "9")]


def test_a_rejection_carries_the_venue_s_reason(desk: Desk) -> None:
    """``r`` is code and reason."""
    hear(desk, x="REJECTED", X="REJECTED", r="INSUFFICIENT_BALANCES")
    assert [event.reason for event in desk.of(OrderRejected)] == ["INSUFFICIENT_BALANCES"]


@pytest.mark.parametrize("changes", [{"x": "TELEPORTED"}, {"X": "SLEEPING"}])
def test_an_unknown_enum_is_counted_and_the_order_looked_up(desk: Desk, changes: dict[str, Any]) -> None:
    """No guess: a complaint, and order.status for that venue id."""
    before = len(desk.sent)
    hear(desk, **changes)
    assert desk.adapter.faults == {"unknown_enum": 1, "question_failed": 1}  # this venue never had it
    (question,) = [json.loads(text) for text in desk.sent[before:]]
    assert (question["method"], question["params"]["orderId"]) == ("order.status", 4293153)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"s": "NOSUCH"}, "unknown_symbol"),
        ({"i": "12"}, "malformed_frame"),
        ({**TRADE, "L": "1.123456789"}, "malformed_frame"),
        ({**TRADE, "l": "-1"}, "malformed_frame"),
        ({**TRADE, "t": -1}, "malformed_frame"),
        ({**TRADE, "n": "abc"}, "malformed_frame"),
        ({**TRADE, "S": "HOLD"}, "malformed_frame"),
        ({"i": 2**70}, "malformed_frame"),
    ],
)
def test_an_unreadable_report_is_counted_and_the_account_reconciled(
    desk: Desk, changes: dict[str, Any], kind: str
) -> None:
    """An order may stand elsewhere than we believe: SYNCHRONISING, everything asked for, LIVE again."""
    hear(desk, **changes)
    assert desk.adapter.faults.get(kind) == 1
    reconciled = "FillsReconciled" in desk.names()
    assert reconciled is (kind == "malformed_frame")
    assert desk.of(OrderFill) == []


def test_balances_of_the_assets_that_changed(desk: Desk) -> None:
    """outboundAccountPosition: an incomplete report, eight decimals."""
    event = {
        "e": "outboundAccountPosition",
        "E": 3,
        "u": 2,
        "B": [{"a": "ETH", "f": "10000.000000", "l": "0.5"}],
    }
    desk.adapter.receive(json.dumps({"subscriptionId": 0, "event": event}).encode(), desk.now_ns)
    desk.settle()
    (report,) = desk.of(BalanceReport)
    (balance,) = report.balances
    assert not report.complete
    assert (balance.asset, balance.decimals) == ("ETH", 8)
    assert (balance.free.value, balance.locked.value) == (10**12, 5 * 10**7)


@pytest.mark.parametrize("kind", ["balanceUpdate", "listStatus", "externalLockUpdate"])
def test_events_of_no_concern_are_passed_over(desk: Desk, kind: str) -> None:
    """Known, and of no use here."""
    desk.adapter.receive(
        json.dumps({"subscriptionId": 0, "event": {"e": kind, "E": 1}}).encode(), desk.now_ns
    )
    desk.settle()
    assert desk.events == []
    assert desk.adapter.faults == {}


@settings(max_examples=200)
@given(data=st.data())
def test_mutated_private_frames_never_raise(data: st.DataObject) -> None:
    """Bytes cut and changed in reports and replies: no exception, and no Event with a number out of range."""
    desk = Desk().connect()
    request = desk.new(desk.far_bid, desk.lot)
    number = json.loads(desk.adapter.encode(request, desk.now_ns, desk.now_ns).payload)["id"]
    reply = {
        "id": number,
        "status": 200,
        "result": {"symbol": "BTCUSDT", "orderId": 1, "clientOrderId": FIRST},
    }
    frames = [
        json.dumps({"subscriptionId": 0, "event": {**REPORT, **TRADE}}).encode(),
        json.dumps(reply).encode(),
        *(text.encode() for text in desk.heard),
    ]
    for _ in range(5):
        frame = data.draw(st.sampled_from(frames))
        start = data.draw(st.integers(0, len(frame)))
        end = data.draw(st.integers(start, min(len(frame), start + 8)))
        frame = frame[:start] + data.draw(st.binary(max_size=4)) + frame[end:]
        desk.adapter.receive(frame, desk.now_ns)
        desk.settle()
    for event in desk.of(OrderFill):
        assert 0 <= event.price < 2**63
        assert 0 <= event.fill_id < 2**63


@pytest.mark.parametrize(
    "lost", ["n", "N", "t", "m", "S", "l", "L", "z", "q", "p", "i", "T", "X", "x", "c", "f"]
)
def test_a_field_that_was_lost_is_not_made_up(desk: Desk, lost: str) -> None:
    """A fill without its fee is not one without a fee: the frame counts as unreadable, and the venue is asked."""
    event = {**REPORT, **TRADE}
    del event[lost]
    desk.adapter.receive(json.dumps({"subscriptionId": 0, "event": event}).encode(), desk.now_ns)
    assert ConnectionStatus.SYNCHRONISING is desk.adapter.status
    desk.settle()
    assert ConnectionStatus.LIVE is desk.adapter.status
    assert 1 == desk.adapter.faults["malformed_frame"]
    assert [] == desk.of(OrderFill)
