"""What may be wrong after something was lost, and for how long: quotes without books, and books under a burst."""

from __future__ import annotations

import json

from livestack.core.types import ConnectionStatus
from livestack.venues.binance_spot.market_data import BinanceMarketData
from livestack.venues.budget import RequestBudget
from livestack.venues.options import VenueOptions
from tests.venues.binance_spot.capture import SYMBOLS, VENUE, Bench, instruments, needs_capture
from tests.venues.binance_spot.test_feed_links import quote, statuses
from tests.venues.binance_spot.test_market_data import aggregate, live

pytestmark = needs_capture

NKN = f"{VENUE}:NKNUSDT"


def quotes(*streams: str) -> Bench:
    """A feed without books; every instrument is LIVE."""
    bench = Bench(options=VenueOptions(streams=streams)).connect()
    bench.tick(3)
    assert all(bench.is_live(symbol) for symbol in SYMBOLS)
    bench.events.clear()
    return bench


def test_a_stream_that_the_venue_dropped_is_noticed_without_books() -> None:
    """Any of its streams: SYNCHRONISING until it is there again; the others stay LIVE."""
    for gone in ("bookTicker", "aggTrade"):
        bench = quotes("bookTicker", "aggTrade")
        bench.subscribed[0].remove(f"nknusdt@{gone}")
        for _ in range(31):
            bench.tick(1)
        assert (NKN, ConnectionStatus.SYNCHRONISING) in statuses(bench)
        assert {name for name, _ in statuses(bench)} == {NKN}
        for _ in range(10):
            bench.tick(1)
        assert bench.is_live("NKNUSDT")


def test_a_quote_that_cannot_be_read_is_doubted_until_the_next_one() -> None:
    """However the frame is wrong; where there is a book, that is what one goes by."""
    bad = (quote(5)[:-9], quote(5).replace(b'"0.1"', b'"x"'), quote(5).replace(b"NKNUSDT", b"XYZUSDT"))
    for frame in bad:
        bench = quotes("bookTicker")
        bench.play(frame)
        assert statuses(bench) == [(NKN, ConnectionStatus.SYNCHRONISING)]
        bench.tick(40)
        assert not bench.is_live("NKNUSDT")
        bench.play(quote(6))
        bench.tick()
        assert bench.is_live("NKNUSDT")
        bench = live()
        bench.play(frame)
        assert bench.is_live("NKNUSDT")


def test_a_trade_that_cannot_be_read_doubts_no_quote() -> None:
    """It is counted."""
    bench = quotes("bookTicker", "aggTrade")
    bench.play(aggregate("NKNUSDT", 5)[:-9])
    assert (statuses(bench), bench.adapter.faults) == ([], {"malformed_frame": 1})


def test_a_burst_of_unknown_frames_makes_nothing_invalid() -> None:
    """They can be read, and are nobody's data: counted."""
    bench = live()
    for _ in range(8):
        bench.play(b'{"x":1}')
    assert all(bench.is_live(symbol) for symbol in SYMBOLS)
    assert bench.adapter.faults == {"unknown_frame": 8}


def test_a_burst_of_garbage_is_one_loss() -> None:
    """A book that waits for its snapshot already does not wait longer for every further frame."""
    bench = live()
    for _ in range(20):
        bench.play(b"garbage")
    assert not any(bench.is_live(symbol) for symbol in SYMBOLS)
    for _ in range(16):
        bench.tick()
    assert all(bench.is_live(symbol) for symbol in SYMBOLS)


def test_an_adapter_that_is_retired_gives_its_weight_back() -> None:
    """Of six that fail with snapshots under way none takes anything from the next one's share."""
    budget, now_ns = RequestBudget(), 10**18
    for _ in range(6):
        adapter = BinanceMarketData(VENUE, instruments(), VenueOptions(), budget)
        adapter.connected(now_ns)
        for item in adapter.outgoing():
            reply = {"result": None, "id": json.loads(item.text)["id"]}
            adapter.receive(json.dumps(reply).encode(), now_ns)
        assert len(adapter.outgoing()) == 2
        assert budget.used(now_ns) == 500
        adapter.retired(now_ns)
        now_ns += 60_000_000_000
        assert budget.used(now_ns) == 0
