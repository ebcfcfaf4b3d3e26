"""The venue's own filters, the shape of an order, balance and own orders: met, and missed by one unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from livestack.core import events
from livestack.core.types import Amount, AssetBalance, InstrumentStatus, OrderType, Side
from tests.core.ordering import book, nothing, one_before, ordered, scoped
from tests.core.support import VENUE, Bench, definition

# -- The venue's own filters: definition, terms, preparation, and the rule that denies

MARKET: dict[str, Any] = {"type": OrderType.MARKET, "price": 0}
STOP: dict[str, Any] = {"type": OrderType.STOP_LOSS_LIMIT}
FILTERS: list[tuple[dict[str, Any], dict[str, Any], Callable[[Bench], object], str]] = [
    ({"price_tick": 10}, {}, nothing, "allowed"),
    ({"price_tick": 11}, {}, nothing, "price_filter"),
    ({"price_min": 9_990}, {}, nothing, "allowed"),
    ({"price_min": 9_991}, {}, nothing, "price_filter"),
    ({"price_max": 9_990}, {}, nothing, "allowed"),
    ({"price_max": 9_989}, {}, nothing, "price_filter"),
    ({"price_max": 9_990}, {**STOP, "stop_price": 9_990}, book, "allowed"),
    ({"price_max": 9_990}, {**STOP, "stop_price": 9_991}, book, "price_filter"),
    ({"qty_step": 5}, {}, nothing, "allowed"),
    ({"qty_step": 3}, {}, nothing, "lot_size"),
    ({"qty_min": 10}, {}, nothing, "allowed"),
    ({"qty_min": 11}, {}, nothing, "lot_size"),
    ({"qty_max": 10}, {}, nothing, "allowed"),
    ({"qty_max": 9}, {}, nothing, "lot_size"),
    ({"market_qty_step": 5}, MARKET, book, "allowed"),
    ({"market_qty_step": 3}, MARKET, book, "lot_size"),
    ({"market_qty_step": 3}, {}, nothing, "allowed"),
    ({"market_qty_min": 10}, MARKET, book, "allowed"),
    ({"market_qty_min": 11}, MARKET, book, "lot_size"),
    ({"market_qty_max": 10}, MARKET, book, "allowed"),
    ({"market_qty_max": 9}, MARKET, book, "lot_size"),
    ({"notional_min": Amount.of(99_900)}, {}, nothing, "allowed"),
    ({"notional_min": Amount.of(99_901)}, {}, nothing, "notional_filter"),
    ({"notional_max": Amount.of(99_900)}, {}, nothing, "allowed"),
    ({"notional_max": Amount.of(99_899)}, {}, nothing, "notional_filter"),
    ({"notional_min": Amount.of(10**9)}, MARKET, book, "allowed"),
    (
        {"notional_min": Amount.of(100_100), "notional_min_applies_to_market": True},
        MARKET,
        book,
        "allowed",
    ),
    (
        {"notional_min": Amount.of(100_101), "notional_min_applies_to_market": True},
        MARKET,
        book,
        "notional_filter",
    ),
    ({"max_open_orders": 2}, {}, one_before, "allowed"),
    ({"max_open_orders": 1}, {}, one_before, "max_open_orders"),
    ({"market_allowed": False}, {}, nothing, "allowed"),
    ({"market_allowed": False}, MARKET, book, "instrument_tradable"),
    ({"status": InstrumentStatus.HALTED}, {}, nothing, "instrument_tradable"),
    ({"status": InstrumentStatus.CANCEL_ONLY}, {}, nothing, "instrument_tradable"),
]


@pytest.mark.parametrize(("rules", "terms", "prepare", "expected"), FILTERS)
def test_the_venue_s_filters(
    rules: dict[str, Any], terms: dict[str, Any], prepare: Callable[[Bench], object], expected: str
) -> None:
    """Each of the venue's numbers is met, and missed by one unit."""
    bench = Bench(scoped()).start(definition(**rules))
    prepare(bench)
    assert expected == ordered(bench, **terms)


TERMS: list[tuple[dict[str, Any], str]] = [
    ({"price": 0}, "order_terms"),
    ({"price": -1}, "order_terms"),
    ({"stop_price": 1}, "order_terms"),
    ({"qty": 0}, "order_terms"),
    ({"qty": 1}, "allowed"),
    ({"quote_qty": 1}, "order_terms"),
    ({**MARKET, "price": 1}, "order_terms"),
    ({**MARKET, "qty": 0, "quote_qty": 100_100}, "allowed"),
    ({**MARKET, "quote_qty": 100_100}, "order_terms"),
    ({**STOP, "stop_price": 0}, "order_terms"),
    ({"type": OrderType.STOP_LOSS, "price": 0, "stop_price": 9_900, "side": Side.SELL}, "allowed"),
    ({"type": OrderType.STOP_LOSS, "stop_price": 9_900, "side": Side.SELL}, "order_terms"),
]


@pytest.mark.parametrize(("terms", "expected"), TERMS)
def test_terms_that_go_with_the_type(terms: dict[str, Any], expected: str) -> None:
    """What an order type needs, and what it must not have."""
    bench = Bench(scoped()).start()
    book(bench)
    assert expected == ordered(bench, **terms)


@pytest.mark.parametrize(
    ("side", "asset", "enough", "short"),
    [(Side.BUY, "USDT", 99_900_000, 99_899_999), (Side.SELL, "BTC", 10**6, 10**6 - 1)],
)
def test_balance_to_the_last_unit(side: Side, asset: str, enough: int, short: int) -> None:
    """0.999 USDT buys it, 0.010 BTC sells it, and a unit less of 8 decimals does not."""
    for free, expected in ((enough, "allowed"), (short, "balance")):
        bench = Bench(scoped(defaults={"balance": "check"})).start()
        held = (AssetBalance(asset, 8, Amount.of(free), Amount.of(0)),)
        bench.feed(events.BalanceReport(recv_ns=0, venue=VENUE, event_ns=0, balances=held, complete=True))
        assert expected == ordered(bench, side=side)


@pytest.mark.parametrize(
    ("side", "limit", "expected"),
    [(Side.SELL, "0.010", "allowed"), (Side.SELL, "0.009", "max_position")],
)
def test_the_worst_position_on_the_short_side(side: Side, limit: str, expected: str) -> None:
    """What is sold counts from flat downwards."""
    assert expected == ordered(Bench(scoped(defaults={"max_position": limit})).start(), side=side)


@pytest.mark.parametrize(
    ("side", "price", "expected"),
    [
        (Side.SELL, 9_991, "allowed"),
        (Side.SELL, 9_990, "self_trade"),
        (Side.BUY, 10_019, "allowed"),
        (Side.BUY, 10_020, "self_trade"),
    ],
)
def test_an_own_order_is_met_at_its_price(side: Side, price: int, expected: str) -> None:
    """A buy at 99.90 and a sell at 100.20 of ours rest: a price that reaches them is denied, one tick less is not."""
    bench = Bench(scoped(defaults={"self_trade": "deny"})).start()
    one_before(bench)
    assert "allowed" == ordered(bench, side=Side.SELL, price=10_020)
    assert expected == ordered(bench, side=side, price=price)
