"""The venue's official client over REST, unmodified: the market and the account in the shapes that it documents."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from typing import Any

import pytest
from binance_sdk_spot import RateLimitBanError, TooManyRequestsError

from livestack.simulator.binance_spot import VenueSettings
from livestack.simulator.binance_spot.instruments import TEST_SYMBOL
from livestack.simulator.binance_spot.limits import LimitSizes
from tests.simulator.hosting import FREE, Hosted, hosted
from tests.simulator.official import OF_INFO, ask, no_complaints, refused, rest_client

pytestmark = pytest.mark.usefixtures("no_complaints")
__all__ = ["no_complaints"]

BTC = "BTCUSDT"
TRADES_WANTED = 50


@pytest.fixture(scope="module")
def venue() -> Iterator[Hosted]:
    """One venue for all: three symbols and the one with the name that is not ASCII, some trades in each."""
    with hosted(VenueSettings(symbols=3, rate=2000, test_symbol=True, limits=FREE)) as running:
        running.venue.until(lambda: min(map(running.venue.traded, (BTC, TEST_SYMBOL))) >= TRADES_WANTED)
        yield running


@pytest.fixture
def client(venue: Hosted) -> Any:
    return rest_client(venue)


# -- the market ----------------------------------------------------------------------------------------------------


def test_general(venue: Hosted, client: Any) -> None:
    """Ping, time, and the limits in the headers of every answer."""
    assert {} == client.ping().data()
    answer = client.time()
    assert abs(answer.data().server_time - time.time() * 1000) < 5000
    (weight,) = answer.rate_limits
    assert ("REQUEST_WEIGHT", "MINUTE", 1) == (weight.rateLimitType, weight.interval, weight.intervalNum)
    assert weight.count >= 2


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ({}, 4),
        ({"symbol": BTC}, 1),
        ({"symbol": TEST_SYMBOL}, 1),
        ({"symbols": [BTC, "ETHBTC"]}, 2),
        ({"permissions": "SPOT"}, 4),
        ({"permissions": "MARGIN"}, 0),
        ({"symbol_status": "TRADING"}, 4),
        ({"symbol_status": "HALT"}, 0),
    ],
)
def test_exchange_info(venue: Hosted, client: Any, arguments: dict[str, Any], count: int) -> None:
    """All, one, some, by permission, by status; limits and filters in the client's own types, PRICE_FILTER first."""
    info = ask(venue, client, "exchange_info", OF_INFO, **arguments)
    assert count == len(info.symbols)
    kinds = [limit.rate_limit_type for limit in info.rate_limits]
    assert ["REQUEST_WEIGHT", "ORDERS", "ORDERS", "RAW_REQUESTS"] == kinds
    for symbol in info.symbols:
        filters = [one.actual_instance for one in symbol.filters]
        assert ("PRICE_FILTER", "LOT_SIZE") == (filters[0].filter_type, filters[1].filter_type)
        assert [["SPOT"]] == symbol.permission_sets


def test_permission_sets_can_be_left_out(client: Any) -> None:
    """``showPermissionSets=false``."""
    info = client.exchange_info(symbol=BTC, show_permission_sets=False).data()
    assert [] == info.symbols[0].permission_sets


def test_unknown_symbols_are_named_by_code(client: Any) -> None:
    """-1121, -1100 for what is no symbol, -1151 for one named twice."""
    assert "Invalid symbol." == refused(-1121, client, "depth", symbol="NOBODY")
    refused(-1121, client, "exchange_info", symbols=[BTC, "NOBODY"])
    refused(-1151, client, "ticker_price", symbols=[BTC, BTC])


def test_book(venue: Hosted, client: Any) -> None:
    """Depth and bookTicker: best prices agree in order, levels are pairs of texts."""
    depth = ask(venue, client, "depth", symbol=BTC, limit=5)
    assert (5, 5) == (len(depth.bids), len(depth.asks))
    ticker = ask(venue, client, "ticker_book_ticker", symbol=BTC)
    assert 0 < float(ticker.bid_price) < float(ticker.ask_price)
    assert 4 == len(ask(venue, client, "ticker_book_ticker"))
    assert 2 == len(ask(venue, client, "ticker_book_ticker", symbols=[BTC, TEST_SYMBOL]))


def test_trades(venue: Hosted, client: Any) -> None:
    """Recent, historical and aggregate trades tell the same tape."""
    trades = ask(venue, client, "get_trades", symbol=BTC, limit=5)
    ids = [trade.id for trade in trades]
    assert list(range(ids[0], ids[0] + 5)) == ids
    assert ids == [
        one.id for one in ask(venue, client, "historical_trades", symbol=BTC, from_id=ids[0], limit=5)
    ]
    aggregates = ask(venue, client, "agg_trades", symbol=BTC)
    of_five = [one for one in aggregates if ids[0] <= one.f and one.l <= ids[-1]]
    assert of_five
    for before, after in itertools.pairwise(aggregates):
        assert (before.a + 1, before.l + 1) == (after.a, after.f)
    assert [] == client.historical_block_trades(symbol=BTC, from_id=1).data()


@pytest.mark.parametrize("interval", ["1s", "1m", "5m", "1h", "12h", "1d", "3d", "1w", "1M"])
def test_klines_are_made_of_the_trades(venue: Hosted, client: Any, interval: str) -> None:
    """Arrays of twelve that begin where the last ended, and whose trades are all that there were."""
    first = client.agg_trades(symbol=TEST_SYMBOL, from_id=1, limit=1).data()[0]
    for name in ("klines", "ui_klines"):
        rows = ask(venue, client, name, symbol=TEST_SYMBOL, interval=interval)
        assert rows[0][0] <= first.T <= rows[0][6]
        assert first.p == rows[0][1]
        assert (
            rows[-1][8]
            <= sum(row[8] for row in rows)
            <= venue.venue.exchange.listings[TEST_SYMBOL].feed.history.trades
        )
        for row in rows:
            assert 12 == len(row)
            assert float(row[3]) <= min(float(row[1]), float(row[4])) <= float(row[2])
            assert float(row[9]) <= float(row[5])
        for before, after in itertools.pairwise(rows):
            assert before[6] + 1 == after[0]


def test_klines_of_another_time_zone(client: Any) -> None:
    """A day begins at that zone's midnight; what is no zone is refused."""
    (utc,) = client.klines(symbol=BTC, interval="1d").data()
    (local,) = client.klines(symbol=BTC, interval="1d", time_zone="5:45").data()
    offset_ms = (5 * 60 + 45) * 60_000
    assert 0 == utc[0] % 86_400_000 == (local[0] + offset_ms) % 86_400_000
    assert utc[8] <= local[8]
    refused(-1130, client, "klines", symbol=BTC, interval="1d", time_zone="99")
    refused(-1120, client, "klines", symbol=BTC, interval="7m")


def test_tickers(venue: Hosted, client: Any) -> None:
    """Every ticker in every form; the numbers are those of the tape."""
    for name, more in (("ticker24hr", {}), ("ticker", {"window_size": "1h"}), ("ticker_trading_day", {})):
        one = ask(venue, client, name, symbol=BTC, **more)
        assert one.count == one.last_id - one.first_id + 1
        assert float(one.low_price) <= float(one.weighted_avg_price) <= float(one.high_price)
        change = float(one.last_price) - float(one.open_price)
        assert one.price_change == f"{change:.8f}"
        assert abs(float(one.price_change_percent) - change / float(one.open_price) * 100) <= 0.0006
        two = ask(venue, client, name, symbols=[BTC, TEST_SYMBOL], **more)
        assert [BTC, TEST_SYMBOL] == [item.symbol for item in two]
        mini = getattr(client, name)(symbol=BTC, type="MINI", **more).data().actual_instance
        assert mini.price_change is None
        assert mini.last_price
    assert 4 == len(ask(venue, client, "ticker24hr"))
    assert 4 == len(ask(venue, client, "ticker_price"))
    price = float(ask(venue, client, "avg_price", symbol=BTC).price)
    assert float(one.low_price) * 0.99 <= price <= float(one.high_price) * 1.01
    refused(-1102, client, "ticker")


def test_what_the_venue_does_not_have(venue: Hosted, client: Any) -> None:
    """No execution rules, no reference prices, no order lists, no routing: each told as the venue tells it."""
    assert [] == ask(venue, client, "execution_rules", symbol=BTC).symbol_rules
    refused(-2043, client, "reference_price", symbol=BTC)
    assert [] == client.open_order_list().data() == client.all_order_list().data()
    refused(-2018, client, "get_order_list", order_list_id=1)
    refused(-2011, client, "delete_order_list", symbol=BTC, order_list_id=1)
    oco = {"quantity": 1, "above_type": "LIMIT_MAKER", "below_type": "STOP_LOSS"}
    text = refused(-1013, client, "order_list_oco", symbol=BTC, side="SELL", **oco)
    assert "OCO orders are not supported for this symbol." == text
    refused(-1013, client, "sor_order", symbol=BTC, side="SELL", type="MARKET", quantity=1)


# -- the account ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_account(venue: Hosted, kind: str) -> None:
    """Balances, rates, limits, filters, with either kind of key."""
    client = rest_client(venue, kind)
    account = ask(venue, client, "get_account", omit_zero_balances=True)
    assert {"BTC", "USDT", "ETH", "456"} <= {balance.asset for balance in account.balances}
    rates = ask(venue, client, "account_commission", symbol=BTC)
    assert account.commission_rates.taker == rates.standard_commission.taker == "0.00100000"
    windows = ask(venue, client, "rate_limit_order")
    assert ["SECOND", "DAY"] == [window.interval for window in windows]
    filters = ask(venue, client, "my_filters", OF_INFO, symbol=BTC)
    assert "PRICE_FILTER" == filters.symbol_filters[0].actual_instance.filter_type
    assert [] == client.my_allocations(symbol=BTC).data()


def test_keys_that_are_not_there(venue: Hosted) -> None:
    """-2015 for an unknown key, -2014 for none, -1022 for a wrong secret."""
    refused(-2015, rest_client(venue, api_key="nobody"), "get_account")
    refused(-2014, rest_client(venue, api_key=""), "get_account")
    refused(-1022, rest_client(venue, api_secret="guessed"), "get_account")


def test_limits_come_with_the_time_to_wait() -> None:
    """429 with Retry-After in seconds; who goes on asking is banned with 418."""
    with hosted(VenueSettings(symbols=1, limits=LimitSizes(100, 50, 50, 1000))) as venue:
        client = rest_client(venue)
        with pytest.raises(TooManyRequestsError) as limited:
            until_refused(client)
        assert -1003 == limited.value.status_code
        assert 1 <= limited.value.retry_after <= 60
        with pytest.raises(RateLimitBanError) as banned:
            until_refused(client, TooManyRequestsError)
        assert -1003 == banned.value.status_code
        assert banned.value.retry_after >= 60


def until_refused(client: Any, *ignored: type[Exception]) -> None:
    """Ask and ask again, whatever of those is raised."""
    for _ in range(100):
        with contextlib.suppress(*ignored):
            client.get_account()
