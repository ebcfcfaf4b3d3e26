"""exchangeInfo to instruments: the venue's precision, filters as integers, missing symbols named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from livestack.core.types import InstrumentStatus
from livestack.venues.binance_spot.instruments import instruments_fetch, parse_instruments
from tests.venues.binance_spot.capture import SYMBOLS, VENUE, answer, instruments, needs_capture

INFO: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "baseAssetPrecision": 8,
    "quotePrecision": 8,
    "orderTypes": ["LIMIT", "MARKET"],
    "amendAllowed": True,
    "filters": [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": "0.01000000",
            "maxPrice": "1000000.00000000",
            "tickSize": "0.01000000",
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": "0.00001000",
            "maxQty": "9000.00000000",
            "stepSize": "0.00001000",
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": "0.00000000",
            "maxQty": "117.173829791",
            "stepSize": "0.00000000",
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": "5.00000000",
            "applyMinToMarket": True,
            "maxNotional": "9000000.0",
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "SOMETHING_NEW", "value": 3},
    ],
}


def parse(*infos: dict[str, Any], symbols: tuple[str, ...] = ("BTCUSDT",)) -> list[Any]:
    return parse_instruments(VENUE, symbols, answer(json.dumps({"symbols": infos}).encode()))


def test_filters_become_integers_in_the_venue_s_precision() -> None:
    """Eight decimals each; an upper limit with more is cut, never rounded up."""
    (found,) = parse(INFO)
    assert (found.price_decimals, found.qty_decimals) == (8, 8)
    assert (found.price_tick, found.qty_step, found.qty_min) == (1_000_000, 1_000, 1_000)
    assert found.market_qty_max == 11_717_382_979
    assert found.notional_min.value == 5 * 10**16
    assert found.notional_max.value == 9_000_000 * 10**16
    assert (found.max_open_orders, found.amend_allowed, found.market_allowed) == (200, True, True)
    assert found.notional_min_applies_to_market


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("TRADING", InstrumentStatus.TRADING),
        ("CANCEL_ONLY", InstrumentStatus.CANCEL_ONLY),
        ("BREAK", InstrumentStatus.HALTED),
        ("NEVER_SEEN_BEFORE", InstrumentStatus.HALTED),
    ],
)
def test_an_unknown_status_is_one_without_trading(status: str, expected: InstrumentStatus) -> None:
    """The venue adds statuses; what is not known to be open is closed."""
    (found,) = parse({**INFO, "status": status})
    assert found.status is expected


def test_missing_symbols_are_named() -> None:
    """All of them, in one sentence."""
    with pytest.raises(ValueError, match="does not know ABC, XYZ"):
        parse(INFO, symbols=("ABC", "BTCUSDT", "XYZ"))


def test_a_list_refused_for_one_unknown_symbol_says_so() -> None:
    """The venue answers 400 with -1121 and does not say which; its own words are passed on."""
    refusal = answer(b'{"code":-1121,"msg":"Invalid symbol."}', status=400)
    with pytest.raises(ValueError, match=r"at least one of ABC, XYZ: Invalid symbol. \(-1121\)"):
        parse_instruments(VENUE, ("ABC", "XYZ"), refusal)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"symbols":[{}]}', b'{"symbols":[{"symbol":"A"}]}', b"\xff"]
)
def test_an_unreadable_answer_is_a_sentence(body: bytes) -> None:
    """ValueError, whatever came."""
    with pytest.raises(ValueError, match="cannot be read"):
        parse_instruments(VENUE, ("BTCUSDT",), answer(body))


def test_a_filter_that_is_no_number_names_its_symbol() -> None:
    """ValueError with the symbol."""
    filters = [{"filterType": "PRICE_FILTER", "tickSize": "abc"}]
    with pytest.raises(ValueError, match="BTCUSDT"):
        parse({**INFO, "filters": filters})


def test_the_request_asks_for_exactly_the_symbols() -> None:
    """Percent-encoded JSON array."""
    assert instruments_fetch(("BTCUSDT", "ETHUSDT")).query == "symbols=%5B%22BTCUSDT%22,%22ETHUSDT%22%5D"


@needs_capture
def test_the_captured_exchange_info() -> None:
    """The 2021 shape: MIN_NOTIONAL instead of NOTIONAL, no amend."""
    found = {one.symbol: one for one in instruments()}
    assert tuple(found) == SYMBOLS
    nkn = found["NKNUSDT"]
    assert (nkn.price_tick, nkn.qty_step, nkn.amend_allowed) == (10_000, 100_000_000, False)
    assert nkn.notional_min.value == 10 * 10**16
