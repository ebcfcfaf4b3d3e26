"""Events about orders in plain sentences."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given

from livestack.core.events import (
    Event,
    IntentDenied,
    IntentWithdrawn,
    OrderAdopted,
    OrderCancelled,
    OrderRejected,
)
from livestack.core.intents import Cancel, New, Replace
from livestack.core.types import OrderType, RequestKind, Side, TimeInForce, WithdrawReason
from livestack.research.wording import Scales, duration, event_words, intent_words, short
from tests.journal import strategies
from tests.research.sessions import BTCUSDT, INSTRUMENT

KNOWN = Scales({INSTRUMENT: BTCUSDT})


@given(strategies.event())
def test_every_event_has_a_sentence(event: Event) -> None:
    """Whatever is in it, and whether its instrument is known or not."""
    assert event_words(event, Scales({}))
    assert event_words(event, KNOWN)


def test_decimals_that_cannot_be_cost_no_memory() -> None:
    """An Event may hold any word as its decimals; that many zeros are never written out."""
    assert "5e-9223372036854775807" == short(5, 2**63 - 1)
    assert "5e3" == short(5, -3)
    assert "0.5" == short(500, 3)


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1.000 us"),
        (58_912, "58.9 us"),
        (1_234_567, "1.234 ms"),
        (12_345_678_901, "12.3 s"),
        (-2_500_000, "-2.500 ms"),
    ],
)
def test_durations_have_three_digits(nanoseconds: int, expected: str) -> None:
    """In the unit that fits; exact integers only."""
    assert expected == duration(nanoseconds)


@pytest.mark.parametrize(
    ("value", "decimals", "expected"), [(100, 2, "1"), (105, 2, "1.05"), (100, 0, "100"), (0, 8, "0")]
)
def test_decimals_end_without_zeros(value: int, decimals: int, expected: str) -> None:
    """A whole number keeps its own."""
    assert expected == short(value, decimals)


def test_intents() -> None:
    """What was wanted, in the instrument's own units."""
    order = New(order_id=1, instrument=INSTRUMENT, side=Side.SELL, qty=1_000, price=5_000_050, post_only=True)
    by_quote = New(
        order_id=1, instrument=INSTRUMENT, side=Side.BUY, type=OrderType.MARKET, quote_qty=25 * 10**7
    )
    assert (
        "a new order: sell 0.01 BTC of binance_spot:BTCUSDT at 50000.5, limit GTC, post only"
        == intent_words(order, INSTRUMENT, KNOWN)
    )
    assert "a new order: buy for 25 USDT of binance_spot:BTCUSDT, market GTC" == intent_words(
        by_quote, INSTRUMENT, KNOWN
    )
    assert "to replace it: 0.01 BTC at 50000" == intent_words(
        Replace(order_id=1, qty=1_000, price=5_000_000), INSTRUMENT, KNOWN
    )
    assert "to cancel it" == intent_words(Cancel(order_id=1), INSTRUMENT, KNOWN)


def test_answers_carry_the_venues_own_words() -> None:
    """Code and reason, or what had been filled."""
    common = {
        "recv_ns": 0,
        "venue": "binance_spot",
        "instrument": INSTRUMENT,
        "client_id": "",
        "order_id": 1,
        "event_ns": 0,
    }
    rejected = OrderRejected(**common, code="-2010", reason="no funds")  # type: ignore[arg-type]
    assert "the venue refused the order: -2010 no funds" == event_words(rejected, KNOWN)
    cancelled = OrderCancelled(**common, venue_order_id="7", reason="", filled_qty=500)  # type: ignore[arg-type]
    assert "cancelled at the venue, 0.005 BTC of it filled" == event_words(cancelled, KNOWN)


def test_what_never_left() -> None:
    """The rule with its numbers; the reason of a withdrawal."""
    denied = IntentDenied(
        intent=RequestKind.NEW,
        venue="binance_spot",
        instrument=INSTRUMENT,
        order_id=1,
        source=1,
        rule="max_position",
        inputs=("value=2", "limit=1"),
        detail="above max_position",
    )
    assert "denied by max_position: above max_position (value=2, limit=1)" == event_words(denied, KNOWN)
    withdrawn = IntentWithdrawn(
        intent=RequestKind.NEW,
        venue="binance_spot",
        instrument=INSTRUMENT,
        order_id=1,
        reason=WithdrawReason.TOO_OLD,
    )
    assert "new taken back before it was sent: too old" == event_words(withdrawn, KNOWN)


def test_an_order_id_that_was_found() -> None:
    """Whose order it is, what it looks like at the venue, and how it is called from here on."""
    found = OrderAdopted(
        order_id=7,
        venue="binance_spot",
        instrument=INSTRUMENT,
        client_id="web_1",
        venue_order_id="77",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        tif=TimeInForce.GTC,
        price=5_000_000,
        qty=1_000,
        filled_qty=500,
    )
    seen = "open at the venue as web_1: buy 0.01 BTC of binance_spot:BTCUSDT at 50000, 0.005 BTC of it filled"
    assert f"an order of somebody else, {seen}; it is order 7 from here on" == event_words(found, KNOWN)
    again = msgspec.structs.replace(found, again=3)
    told = f"order 3, which had been over, is {seen}; it is order 7 from here on"
    assert told == event_words(again, KNOWN)
