"""Quotes and trades in the scale of their instrument."""

from __future__ import annotations

from livestack.core.events import QuoteTick, TradeTick
from tests.venues.binance_spot.capture import Bench, frames, needs_capture, parsed

pytestmark = needs_capture


def test_quotes_do_not_wait_for_the_book() -> None:
    """bookTicker is good by itself, also while the book is not in step."""
    bench = Bench(lambda symbol: None).connect()
    frame = b'{"stream":"runeeur@bookTicker","data":{"u":9,"s":"RUNEEUR","b":"6.1","B":"2.00000000","a":"6.2","A":"0"}}'
    bench.play(frame)
    (quote,) = [event for event in bench.events if isinstance(event, QuoteTick)]
    assert (quote.bid, quote.bid_qty, quote.ask, quote.ask_qty) == (610_000_000, 200_000_000, 620_000_000, 0)


def test_trades_become_trade_ticks() -> None:
    """Both aggregate trades of the capture, with price and quantity in the instrument's scale."""
    bench = Bench().connect()
    for frame in frames():
        bench.play(frame)
    expected = [
        (data["a"], data["p"], data["q"])
        for frame in frames()
        if (data := parsed(frame)["data"]).get("e") == "aggTrade"
    ]
    trades = [event for event in bench.events if isinstance(event, TradeTick)]
    assert [trade.trade_id for trade in trades] == [number for number, _, _ in expected]
    assert len(trades) == 2
