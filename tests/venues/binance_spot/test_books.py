"""Books in step with their streams: what ends one, what brings it back, what is asked for meanwhile."""

from __future__ import annotations

import json

from livestack.core.events import FeedStatusChanged
from livestack.core.types import ConnectionStatus
from livestack.venues.adapter import Fetched
from livestack.venues.budget import GUARD_BAND_NS
from tests.venues.binance_spot.capture import SYMBOLS, VENUE, Bench, needs_capture, snapshots
from tests.venues.binance_spot.test_market_data import HTML, LAST, diff, live

pytestmark = needs_capture


def test_a_firewalls_page_instead_of_a_snapshot_is_a_back_off() -> None:
    """HTML with 403: counted, nothing raises, nothing is asked for a while; then every book comes."""
    bench = Bench(lambda symbol: None).connect()
    for fetch in bench.waiting:
        bench.adapter.fetched(Fetched(fetch.fetch_id, 403, (), HTML, "", 0, bench.now_ns))
    bench.waiting.clear()
    bench.serve = lambda symbol: snapshots()[symbol]
    bench.tick(9)
    assert (bench.fetched, bench.adapter.faults) == ([], {"snapshot_failed": 2})
    for _ in range(40):
        bench.tick(1)
    assert all(bench.is_live(symbol) for symbol in SYMBOLS)


def test_a_quiet_book_that_cannot_be_is_asked_for_again() -> None:
    """Crossed, and with a key that nobody knows: complained about once it would be used, and another one comes."""
    crossed = b'{"lastUpdateId":1,"bids":[["0.2","1"]],"asks":[["0.1","1"]],"new":1}'
    bench = Bench(lambda symbol: crossed if symbol == "NKNUSDT" else snapshots()[symbol]).connect()
    bench.tick(3)
    assert [symbol for symbol in SYMBOLS if not bench.is_live(symbol)] == ["NKNUSDT"]
    assert bench.adapter.faults == {"bad_snapshot": 1}
    bench.serve = lambda symbol: snapshots()[symbol]
    for _ in range(10):
        bench.tick(1)
    assert bench.is_live("NKNUSDT")


def test_a_book_that_is_lost_is_asked_for_at_once() -> None:
    """Without waiting for the next look at the time; the Core hears why, once."""
    bench = live()
    before = len(bench.events)
    bench.serve = lambda symbol: None
    bench.play(diff(LAST + 5, LAST + 6))
    assert ["symbol=NKNUSDT&limit=5000"] == [fetch.query for fetch in bench.waiting]
    (told,) = bench.events[before:]
    assert isinstance(told, FeedStatusChanged)
    assert (told.instrument, told.status) == (f"{VENUE}:NKNUSDT", ConnectionStatus.SYNCHRONISING)
    assert "gap" in told.reason
    bench.play(diff(LAST + 9, LAST + 9))
    assert len(bench.events) == before + 1


def test_a_symbol_that_the_venue_does_not_have_stays_synchronising() -> None:
    """Its requests are refused, ever more rarely; the others are not held up."""
    bench = Bench(lambda symbol: None).connect()
    refused = 0
    for _ in range(240):
        for fetch in bench.waiting[:]:
            bench.waiting.remove(fetch)
            symbol = fetch.query.partition("symbol=")[2].partition("&")[0]
            status, body = 200, snapshots()[symbol]
            if symbol == "NKNUSDT":
                status, body, refused = 400, b'{"code":-1121,"msg":"Invalid symbol."}', refused + 1
            bench.adapter.fetched(Fetched(fetch.fetch_id, status, (), body, "", bench.now_ns, bench.now_ns))
            bench.settle()
        bench.tick()
    assert [symbol for symbol in SYMBOLS if not bench.is_live(symbol)] == ["NKNUSDT"]
    assert refused in range(4, 11)
    assert bench.adapter.faults == {"snapshot_failed": refused}


def test_a_new_snapshot_is_needed_for_diffs_that_came_while_nothing_was_asked_for() -> None:
    """Few of them are kept; a snapshot that is asked for later covers them."""
    bench = Bench(lambda symbol: None)
    bench.now_ns = GUARD_BAND_NS
    bench.budget.counted(3_000, bench.now_ns)
    bench.connect()
    for number in range(1, 400):
        bench.play(diff(LAST + number, LAST + number))
    assert bench.waiting == []
    current = json.loads(snapshots()["NKNUSDT"]) | {"lastUpdateId": LAST + 399}
    bench.serve = lambda symbol: json.dumps(current).encode() if symbol == "NKNUSDT" else snapshots()[symbol]
    for _ in range(70):
        bench.tick(1)
    assert all(bench.is_live(symbol) for symbol in SYMBOLS)
    assert bench.fetched.count("NKNUSDT") == 1
