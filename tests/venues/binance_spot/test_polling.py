"""Market data over REST: the same Events, within the budget; as a feed of its own and in place of a stream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from livestack.core.events import (
    BookSnapshot,
    Event,
    FeedStatusChanged,
    IncidentClosed,
    IncidentOpened,
    QuoteTick,
    TradeTick,
    VenueBackoff,
)
from livestack.core.types import ConnectionStatus
from livestack.venues.adapter import Fetch
from livestack.venues.budget import Purpose
from livestack.venues.options import VenueOptions
from tests.venues.binance_spot.capture import STREAMS, SYMBOLS, VENUE, Bench, answer, needs_capture, snapshots
from tests.venues.binance_spot.test_market_data import diff, live

pytestmark = needs_capture

ALL = (*STREAMS, "trade")
HTML = b"<html>502 Bad Gateway</html>"
NKN = f"{VENUE}:NKNUSDT"


def book(last_update_id: int, bid: str = "0.1", ask: str = "0.2") -> bytes:
    document = {"lastUpdateId": last_update_id, "bids": [[bid, "5"]], "asks": [[ask, "5"]]}
    return json.dumps(document).encode()


def ticker(symbol: str, bid: str = "0.1", ask: str = "0.2") -> dict[str, str]:
    return {"symbol": symbol, "bidPrice": bid, "bidQty": "5", "askPrice": ask, "askQty": "5"}


def trades(*numbers: int) -> bytes:
    listed = [
        {"id": number, "price": "0.1", "qty": "5", "time": 1, "isBuyerMaker": True, "isBestMatch": True}
        for number in numbers
    ]
    return json.dumps(listed).encode()


def aggregates(*numbers: int) -> bytes:
    listed = [{"a": number, "p": "0.1", "q": "5", "f": 1, "l": 1, "T": 1, "m": False} for number in numbers]
    return json.dumps(listed).encode()


class Venue:
    """Answers polls; what it says can be changed at any time. ``status`` for all of them."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.status = 200
        self.headers: tuple[tuple[str, str], ...] = ()
        self.bodies: dict[str, bytes] = {
            "/api/v3/depth": book(100),
            "/api/v3/ticker/bookTicker": json.dumps([ticker(symbol) for symbol in SYMBOLS]).encode(),
            "/api/v3/trades": trades(1, 2, 3),
            "/api/v3/aggTrades": aggregates(11, 12, 13),
        }
        self.asked: list[tuple[int, Fetch]] = []

    def run(self, seconds: float, step: float = 0.25) -> list[Event]:
        """Let time pass and answer; returns what was emitted meanwhile."""
        before = len(self.bench.events)
        for _ in range(int(seconds / step)):
            self.bench.tick(step)
            for fetch in self.bench.polls[:]:
                self.bench.polls.remove(fetch)
                self.asked.append((self.bench.now_ns, fetch))
                self.answer(fetch)
        return self.bench.events[before:]

    def answer(self, fetch: Fetch) -> None:
        found = answer(self.bodies[fetch.path], fetch.fetch_id, self.bench.now_ns, self.status)
        self.bench.adapter.fetched(with_headers(found, self.headers))
        self.bench.settle()

    def kinds(self) -> list[str]:
        return [fetch.purpose.split()[1] for _, fetch in self.asked]


def with_headers(found: Any, headers: tuple[tuple[str, str], ...]) -> Any:
    return type(found)(
        found.fetch_id, found.status, headers, found.body, found.error, found.begun_ns, found.recv_ns
    )


def polled(streams: tuple[str, ...] = ALL) -> Venue:
    """A feed that polls and nothing else."""
    bench = Bench(options=VenueOptions(streams=streams, is_polled=True))
    assert bench.adapter.slots == 0
    return Venue(bench)


def of(events: list[Event], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def statuses(events: list[Event]) -> list[tuple[str, ConnectionStatus, str]]:
    return [(one.instrument, one.status, one.reason) for one in of(events, FeedStatusChanged)]


# -- As a feed of its own


def test_a_polled_feed_brings_books_quotes_and_trades() -> None:
    """SYNCHRONISING until the first answers, then LIVE by instrument; no incident, because it was wanted so."""
    venue = polled()
    events = venue.run(20)
    assert statuses(events)[0] == ("", ConnectionStatus.SYNCHRONISING, "polled over REST")
    assert venue.bench.feed is ConnectionStatus.LIVE
    assert all(venue.bench.is_live(symbol) for symbol in SYMBOLS)
    assert {one.instrument for one in of(events, BookSnapshot)} == {f"{VENUE}:{symbol}" for symbol in SYMBOLS}
    assert {one.instrument for one in of(events, QuoteTick)} == {f"{VENUE}:{symbol}" for symbol in SYMBOLS}
    assert sorted({one.trade_id for one in of(events, TradeTick)}) == [3, 13]
    assert (of(events, IncidentOpened), venue.bench.adapter.faults) == ([], {})
    assert venue.bench.sent == []


def test_only_what_is_configured_is_polled() -> None:
    """Each stream has its request; a feed without books is LIVE with its first answer."""
    for streams, kinds in (
        (("depth",), {"depth"}),
        (("bookTicker",), {"quotes"}),
        (("trade",), {"trades"}),
        (("aggTrade",), {"aggTrades"}),
    ):
        venue = polled(streams)
        venue.run(5)
        assert set(venue.kinds()) == kinds
        assert all(venue.bench.is_live(symbol) for symbol in SYMBOLS)


def test_one_request_brings_all_quotes() -> None:
    """Four of weight for any number of symbols, two for one; all are named while they are few."""
    venue = polled(("bookTicker",))
    venue.run(1)
    query = venue.asked[0][1].query
    assert query == "symbols=%5B%22NKNUSDT%22%2C%22LRCBTC%22%2C%22BLZETH%22%2C%22RUNEEUR%22%5D"


def test_polls_stay_below_their_share_and_take_turns() -> None:
    """A minute of everything: at most 2 400 of 6 000, evenly, and every symbol as often as every other one."""
    venue = polled()
    most = 0
    for _ in range(60):
        venue.run(1)
        most = max(most, venue.bench.budget.used(venue.bench.now_ns))
    assert 1_200 <= most <= 2_500
    counts = [venue.kinds().count(kind) for kind in ("depth", "trades", "aggTrades")]
    assert max(counts) - min(counts) <= 4
    by_symbol = [
        sum(f"symbol={symbol}&" in fetch.query for _, fetch in venue.asked if "depth" in fetch.purpose)
        for symbol in SYMBOLS
    ]
    assert max(by_symbol) - min(by_symbol) <= 1
    assert 45 <= venue.kinds().count("quotes") <= 61


def test_with_little_budget_there_are_fewer_polls_and_never_too_many() -> None:
    """Others have used nearly all of the market data's half: polls wait for the next window."""
    venue = polled(("depth",))
    venue.run(1)
    venue.bench.budget.counted(2_990, venue.bench.now_ns)
    asked = len(venue.asked)
    venue.run(40)
    assert len(venue.asked) - asked == 2
    assert venue.bench.budget.used(venue.bench.now_ns) == 3_000
    venue.run(25)
    assert len(venue.asked) - asked > 10


def test_an_older_book_is_dropped_and_the_same_one_is_fresh() -> None:
    """A cache of the venue may be behind; one that stays behind has numbers that began anew."""
    venue = polled(("depth",))
    venue.run(3)
    venue.bodies["/api/v3/depth"] = book(99)
    events = venue.run(3)
    assert of(events, BookSnapshot) == []
    venue.bodies["/api/v3/depth"] = book(100)
    assert {one.last_update_id for one in of(venue.run(2), BookSnapshot)} == {100}
    venue.bodies["/api/v3/depth"] = book(7)
    assert {one.last_update_id for one in of(venue.run(12), BookSnapshot)} == {7}


def test_a_trade_is_told_once_and_a_gap_is_said() -> None:
    """Ids above the last one only; where the oldest of an answer does not follow, some happened in between."""
    venue = polled(("trade",))
    venue.run(4)
    venue.bodies["/api/v3/trades"] = trades(5, 4, 3, 2)
    nkn = [one.trade_id for one in of(venue.run(4), TradeTick) if one.instrument == NKN]
    assert nkn == [4, 5]
    assert venue.bench.adapter.faults == {}
    venue.bodies["/api/v3/trades"] = trades(9, 10)
    nkn = [one.trade_id for one in of(venue.run(4), TradeTick) if one.instrument == NKN]
    assert nkn == [9, 10]
    assert venue.bench.adapter.faults == {"trades_missed": len(SYMBOLS)}
    assert "NKNUSDT: 3 between two polls" in [one.detail for one in venue.bench.adapter.complaints()]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, HTML), (200, b""), (200, b"[]x"), (200, b'{"lastUpdateId":1,"bids":[["x","1"]],"asks":[]}'),
        (200, book(200, "0.3", "0.2")), (200, b'{"bids":[],"asks":[]}'), (502, HTML), (0, b""),
    ],
)  # fmt: skip
def test_a_book_whose_polls_fail_is_not_live_any_more(status: int, body: bytes) -> None:
    """Three in a row: SYNCHRONISING with the reason; one good answer mends it. Nothing raises, all is counted."""
    venue = polled(("depth",))
    venue.run(5)
    venue.status, venue.bodies["/api/v3/depth"] = status, body
    events = venue.run(8)
    assert of(events, BookSnapshot) == []
    assert {status for _, status, _ in statuses(events)} == {ConnectionStatus.SYNCHRONISING}
    assert not any(venue.bench.is_live(symbol) for symbol in SYMBOLS)
    assert sum(venue.bench.adapter.faults.values()) >= 12
    venue.status, venue.bodies["/api/v3/depth"] = 200, book(300)
    venue.run(5)
    assert all(venue.bench.is_live(symbol) for symbol in SYMBOLS)


@pytest.mark.parametrize(
    "body",
    [
        HTML, b"[1]", json.dumps([{"symbol": "NKNUSDT"}]).encode(), json.dumps([ticker("NKNUSDT", "x")]).encode(),
        json.dumps([ticker("NKNUSDT", "0.1") | {"bidQty": 5}]).encode(),
    ],
)  # fmt: skip
def test_quotes_that_cannot_be_read_are_no_quotes(body: bytes) -> None:
    """A lost or mistyped field: complained about, and nothing is emitted for it."""
    venue = polled(("bookTicker",))
    venue.bodies["/api/v3/ticker/bookTicker"] = body
    events = venue.run(3)
    assert of(events, QuoteTick) == []
    assert venue.bench.adapter.faults["bad_poll"] >= 2


def test_quotes_of_others_and_unknown_keys_are_nothing() -> None:
    """Everybody's quotes may come, and the venue adds fields."""
    venue = polled(("bookTicker",))
    body = json.dumps([ticker("OTHER", "x"), ticker("NKNUSDT") | {"new": {"a": 1}}]).encode()
    venue.bodies["/api/v3/ticker/bookTicker"] = body
    events = venue.run(2)
    assert {one.instrument for one in of(events, QuoteTick)} == {NKN}
    assert venue.bench.adapter.faults == {}


def test_429_silences_every_poll() -> None:
    """For as long as it says, for the whole node; the instruments are not current meanwhile."""
    venue = polled(("depth",))
    venue.run(2)
    venue.status, venue.headers = 429, (("Retry-After", "30"),)
    events = venue.run(2)
    assert [one.retry_after_ns for one in of(events, VenueBackoff)][:1] == [30_000_000_000]
    assert venue.bench.budget.silent_until_ns(Purpose.DOUBT) > venue.bench.now_ns
    asked = len(venue.asked)
    venue.status = 200
    venue.run(20)
    assert len(venue.asked) == asked
    venue.run(15)
    assert len(venue.asked) > asked


def test_an_overflow_begins_anew() -> None:
    """The Core has no book any more: the same one is news to it."""
    venue = polled(("depth",))
    venue.run(3)
    venue.bench.adapter.overflowed(venue.bench.now_ns)
    venue.bench.settle()
    assert venue.bench.feed is ConnectionStatus.SYNCHRONISING
    venue.bodies["/api/v3/depth"] = book(90)
    venue.run(5)
    assert all(venue.bench.is_live(symbol) for symbol in SYMBOLS)


def test_a_poll_that_is_never_answered_is_repeated() -> None:
    """After a minute, with its weight counted back; the others go on meanwhile."""
    venue = polled(("depth",))
    venue.bench.tick()
    lost = venue.bench.polls.pop()
    assert "BLZETH" in lost.query
    venue.run(59)
    assert [symbol for symbol in SYMBOLS if not venue.bench.is_live(symbol)] == ["BLZETH"]
    venue.run(5)
    assert venue.bench.is_live("BLZETH")


# -- In place of a stream


def down() -> Venue:
    """Everything was in step over the stream, which was cut just now."""
    bench = live()
    bench.events.clear()
    bench.disconnect()
    return Venue(bench)


def test_polling_stands_in_for_a_stream_that_is_down_for_long() -> None:
    """Not at once: after ``poll_after``. Then LIVE with the reason, and an incident is open."""
    venue = down()
    events = venue.run(10)
    assert (venue.asked, statuses(events)) == ([], [])
    events = venue.run(10)
    (incident,) = of(events, IncidentOpened)
    assert (incident.name, incident.scope, incident.grade) == ("feed_polled", VENUE, "warning")
    assert incident.detail == "polled over REST: cut"
    assert (NKN, ConnectionStatus.LIVE, "polled over REST: cut") in statuses(events)
    assert venue.bench.feed is ConnectionStatus.LIVE
    assert all(venue.bench.is_live(symbol) for symbol in SYMBOLS)


def test_a_stream_that_is_back_ends_the_polling_without_a_pause() -> None:
    """The polled book stays LIVE until the stream's own is in step; then no polls any more, and the incident closes."""
    venue = down()
    venue.run(20)
    venue.bench.serve = lambda symbol: None
    before = len(venue.bench.events)
    venue.bench.connect(7)
    venue.run(5)
    assert {status for _, status, _ in statuses(venue.bench.events[before:])} <= {ConnectionStatus.LIVE}
    assert of(venue.bench.events[before:], BookSnapshot)
    venue.bench.serve = lambda symbol: snapshots()[symbol]
    venue.run(10)
    events = venue.bench.events[before:]
    assert of(events, IncidentClosed) == [
        IncidentClosed(name="feed_polled", scope=VENUE, detail="the stream is back")
    ]
    assert {status for _, status, _ in statuses(events)} == {ConnectionStatus.LIVE}
    asked = len(venue.asked)
    venue.run(10)
    assert len(venue.asked) == asked
    assert venue.bench.book("NKNUSDT").last_update_id == json.loads(snapshots()["NKNUSDT"])["lastUpdateId"]


def test_a_stream_that_comes_and_goes_leaves_the_polling_alone() -> None:
    """A connection that opens and brings nothing is no stream; the incident is one."""
    venue = down()
    venue.run(20)
    venue.bench.is_mute = True
    for link in (7, 8, 9):
        venue.bench.connect(link)
        venue.run(3)
        venue.bench.disconnect(link)
        venue.run(3)
    assert len(of(venue.bench.events, IncidentOpened)) == 1
    assert of(venue.bench.events, IncidentClosed) == []
    assert all(venue.bench.is_live(symbol) for symbol in SYMBOLS)


def test_a_stream_that_never_came_is_stood_in_for_as_well() -> None:
    """From the first look at the time on."""
    venue = Venue(Bench())
    venue.run(11)
    assert of(venue.bench.events, IncidentOpened)[0].detail == "polled over REST: not connected yet"
    venue.run(5)
    assert venue.bench.is_live("NKNUSDT")


def test_a_stream_that_is_lost_for_a_moment_is_not_polled() -> None:
    """Back before the limit: no poll, no incident."""
    venue = down()
    venue.run(8)
    venue.bench.connect(7)
    venue.run(10)
    assert (venue.asked, of(venue.bench.events, IncidentOpened)) == ([], [])
    assert all(venue.bench.is_live(symbol) for symbol in SYMBOLS)


def test_a_polled_quote_does_not_replace_a_newer_one_of_the_stream() -> None:
    """The stream is back and brings quotes before its books are in step."""
    venue = down()
    venue.run(20)
    venue.bench.serve = lambda symbol: None
    venue.bench.connect(7)
    while not any("quotes" in fetch.purpose for fetch in venue.bench.polls):
        venue.bench.tick()
    (quotes,) = [fetch for fetch in venue.bench.polls if "quotes" in fetch.purpose]
    asked_ns = venue.bench.now_ns
    data = {"u": 9, "s": "NKNUSDT", "b": "0.15", "B": "1", "a": "0.16", "A": "1"}
    venue.bench.play(json.dumps({"stream": "nknusdt@bookTicker", "data": data}).encode(), 7)
    before = len(venue.bench.events)
    found = answer(venue.bodies[quotes.path], quotes.fetch_id, asked_ns)
    venue.bench.adapter.fetched(found)
    venue.bench.settle()
    after = of(venue.bench.events[before:], QuoteTick)
    assert {one.instrument for one in after} == {f"{VENUE}:{symbol}" for symbol in SYMBOLS} - {NKN}


def test_trades_of_the_stream_go_on_where_the_polls_ended() -> None:
    """Their ids are the same: none comes twice."""
    venue = down()
    venue.run(20)
    assert {one.trade_id for one in of(venue.bench.events, TradeTick)} == {13}
    venue.bench.connect(7)
    for number in (12, 13, 14):
        data = {"e": "aggTrade", "s": "NKNUSDT", "a": number, "p": "0.1", "q": "1", "T": 1, "m": True}
        venue.bench.play(json.dumps({"stream": "nknusdt@aggTrade", "data": data}).encode(), 7)
    nkn = [one.trade_id for one in of(venue.bench.events, TradeTick) if one.instrument == NKN]
    assert nkn == [13, 14]


def test_a_gap_of_the_streams_book_does_not_end_a_polled_one() -> None:
    """The polled book is what the Core has; the stream's own is not in step yet."""
    venue = down()
    venue.run(20)
    venue.bench.serve = lambda symbol: None
    venue.bench.connect(7)
    venue.bench.play(diff(5, 4), 7)
    assert venue.bench.is_live("NKNUSDT")
    assert venue.bench.adapter.faults == {"book_lost": 1}
