"""Market Events: newest best prices, and books that are never silently wrong."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from livestack.core import events
from livestack.core.types import ConnectionStatus, Side, TradingState
from tests.core import support
from tests.core.support import INSTRUMENT, Bench, definition


def snapshot(last: int = 10, **changes: Any) -> events.BookSnapshot:
    values: dict[str, Any] = {"bids": ((9_999, 5),), "asks": ((10_020, 5),)}
    return events.BookSnapshot(
        recv_ns=0, instrument=INSTRUMENT, event_ns=0, last_update_id=last, **{**values, **changes}
    )


def delta(first: int, last: int, **changes: Any) -> events.BookDelta:
    values: dict[str, Any] = {"bids": (), "asks": ()}
    return events.BookDelta(
        recv_ns=0,
        instrument=INSTRUMENT,
        event_ns=0,
        first_update_id=first,
        last_update_id=last,
        **{**values, **changes},
    )


def market(bench: Bench) -> Any:
    return bench.state.market.instruments[INSTRUMENT]


def tick(update_id: int, bid: int, ask: int) -> events.QuoteTick:
    return events.QuoteTick(
        recv_ns=0,
        instrument=INSTRUMENT,
        event_ns=0,
        update_id=update_id,
        bid=bid,
        bid_qty=1,
        ask=ask,
        ask_qty=1,
    )


def test_best_prices_come_from_the_newer_of_quote_and_book() -> None:
    """An older quote or diff never takes back what a newer one said."""
    bench = Bench().start()
    bench.feed(snapshot(10))
    assert (9_999, 10_020) == (market(bench).bid, market(bench).ask)
    bench.feed(tick(15, 10_001, 10_019))
    bench.feed(delta(11, 12, bids=((9_998, 1),)))
    assert (10_001, 10_019) == (market(bench).bid, market(bench).ask)
    bench.feed(delta(13, 16, bids=((10_002, 1),)))
    assert (10_002, 10_020) == (market(bench).bid, market(bench).ask)
    bench.feed(tick(15, 10_001, 10_019))
    assert 10_002 == market(bench).bid


def test_a_fault_invalidates_and_is_told_once() -> None:
    """A gap empties the book; further diffs are ignored in silence until the next snapshot."""
    bench = Bench().start()
    bench.feed(snapshot(10))
    assert ["AnomalyDetected"] == bench.names(bench.feed(delta(12, 13)))
    assert [] == bench.names(bench.feed(delta(14, 15)))
    assert (False, 0, 0) == (market(bench).book.valid, market(bench).bid, market(bench).ask)
    assert not market(bench).is_live
    bench.feed(snapshot(20))
    assert market(bench).is_live


@pytest.mark.parametrize(("bid", "ask"), [(10_010, 10_000), (10_000, 10_000), (-1, 5), (0, 5)])
def test_impossible_quotes_are_not_believed(bid: int, ask: int) -> None:
    """Crossed, locked, negative and zero prices leave no price behind."""
    bench = Bench().start()
    assert ["AnomalyDetected"] == bench.names(bench.quote(bid, ask))
    assert (0, 0) == (market(bench).bid, market(bench).ask)


def test_trades_are_remembered_if_they_can_be() -> None:
    """The last trade is kept; one without price or quantity is an anomaly."""
    bench = Bench().start()
    trade = events.TradeTick(
        recv_ns=5, instrument=INSTRUMENT, event_ns=0, trade_id=3, price=10_005, qty=2, aggressor=Side.SELL
    )
    bench.feed(trade)
    assert (10_005, 2, Side.SELL) == (
        market(bench).last_price,
        market(bench).last_qty,
        market(bench).last_aggressor,
    )
    bad = events.TradeTick(
        recv_ns=5, instrument=INSTRUMENT, event_ns=0, trade_id=3, price=0, qty=2, aggressor=Side.SELL
    )
    assert ["AnomalyDetected"] == bench.names(bench.feed(bad))


def test_unknown_instruments_are_anomalies() -> None:
    """Every market Event of an instrument that was never defined is refused."""
    bench = Bench().start()
    for event in (support.quote(1, 2, "sim:NONE"), *(_renamed(one) for one in (snapshot(), delta(1, 2)))):
        assert ["AnomalyDetected"] == bench.names(bench.feed(event))


def _renamed(event: Any) -> Any:
    return msgspec.structs.replace(event, instrument="sim:NONE")


@pytest.mark.parametrize("changes", [{"price_decimals": 3}, {"qty_decimals": 1}, {"quote": "EUR"}])
def test_scale_and_assets_are_fixed_for_the_session(changes: dict[str, Any]) -> None:
    """Another scale, or other assets, halt the instrument and change nothing."""
    bench = Bench().start()
    assert ["AnomalyDetected", "TradingStateChanged"] == bench.names(bench.feed(definition(**changes)))
    assert definition() == market(bench).definition
    assert TradingState.HALTED is bench.state.control.trading_state("sim", INSTRUMENT)
    bench.feed(definition(price_tick=5))
    assert 5 == market(bench).definition.price_tick


def test_impossible_definitions_are_refused() -> None:
    """A scale beyond 18 decimals, or a name that is not of its venue, is no instrument."""
    bench = Bench().start()
    for bad in (definition("sim:X", price_decimals=19), definition("sim:X", venue="other")):
        assert ["AnomalyDetected"] == bench.names(bench.feed(bad))
    assert [INSTRUMENT] == list(bench.state.market.instruments)


def test_a_disconnected_feed_invalidates() -> None:
    """Anything but LIVE makes the book and the best prices unknown."""
    bench = Bench().start()
    bench.feed(snapshot(10))
    bench.feed(support.feed_status(ConnectionStatus.SYNCHRONISING, instrument=INSTRUMENT))
    assert (False, False, 0) == (market(bench).is_live, market(bench).book.valid, market(bench).bid)
