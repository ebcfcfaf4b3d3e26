"""Polls that do not come through, whatever the reason: nothing is called current for long, and it is said."""

from __future__ import annotations

import json

import pytest

from livestack.core.events import IncidentClosed, IncidentOpened
from livestack.core.types import ConnectionStatus
from tests.venues.binance_spot.capture import SYMBOLS, VENUE, needs_capture
from tests.venues.binance_spot.test_polling import HTML, NKN, Venue, book, down, of, polled, statuses, ticker

pytestmark = needs_capture

DAY = (("Retry-After", "86400"),)


def anybody(venue: Venue) -> bool:
    return any(venue.bench.is_live(symbol) for symbol in SYMBOLS)


@pytest.mark.parametrize(
    ("streams", "status", "body"),
    [
        (("depth",), 429, b"{}"), (("depth",), 418, b"{}"), (("depth",), 403, HTML), (("depth",), 503, HTML),
        (("depth",), 0, b""), (("bookTicker",), 418, b"{}"), (("aggTrade",), 418, b"{}"),
        (("depth", "bookTicker", "aggTrade"), 418, b"{}"),
    ],
)  # fmt: skip
def test_a_polled_feed_without_data_is_not_live(streams: tuple[str, ...], status: int, body: bytes) -> None:
    """Five seconds after the last data every instrument is SYNCHRONISING, its book invalid, and an incident open."""
    venue = polled(streams)
    venue.run(5)
    assert anybody(venue)
    good = dict(venue.bodies)
    venue.status, venue.headers = status, DAY
    venue.bodies = dict.fromkeys(good, body)
    events = venue.run(7)
    assert not anybody(venue)
    assert not venue.bench.book("NKNUSDT").valid
    (incident,) = of(events, IncidentOpened)
    assert incident.detail == "polled over REST: as configured; polls do not come through"
    assert {one for name, one, _ in statuses(events) if name == NKN} == {ConnectionStatus.SYNCHRONISING}


def test_polls_that_were_never_sent_are_no_data() -> None:
    """The budget has no room: nothing failed, and nothing came. With room again all is LIVE and the incident over."""
    venue = polled(("depth",))
    venue.run(5)
    venue.bench.budget.counted(6_000, venue.bench.now_ns)
    events = venue.run(6)
    assert not anybody(venue)
    assert (NKN, ConnectionStatus.SYNCHRONISING, "polls do not come through: they have to wait") in statuses(
        events
    )
    events = venue.run(60)
    assert all(venue.bench.is_live(symbol) for symbol in SYMBOLS)
    assert of(events, IncidentClosed) == [
        IncidentClosed(name="feed_polled", scope=VENUE, detail="polls come through again")
    ]


def test_the_incident_of_a_lost_stream_says_that_polls_fail_too() -> None:
    """And what it said before once they come."""
    venue = down()
    venue.run(20)
    venue.status = 503
    venue.run(10)
    assert not anybody(venue)
    venue.status = 200
    venue.run(10)
    assert [one.detail for one in of(venue.bench.events, IncidentOpened)] == [
        "polled over REST: cut",
        "polled over REST: cut; polls do not come through",
        "polled over REST: cut",
    ]
    assert of(venue.bench.events, IncidentClosed) == []


def test_one_instrument_that_gets_nothing_is_one() -> None:
    """The others stay LIVE."""
    venue = polled(("bookTicker",))
    venue.run(5)
    others = [ticker(symbol) for symbol in SYMBOLS if symbol != "NKNUSDT"]
    venue.bodies["/api/v3/ticker/bookTicker"] = json.dumps(others).encode()
    venue.run(7)
    assert [symbol for symbol in SYMBOLS if not venue.bench.is_live(symbol)] == ["NKNUSDT"]


def test_what_fails_is_polled_more_rarely() -> None:
    """Ever more so, up to once in five seconds each; as often as before with the first success."""
    venue = polled(("depth",))
    venue.run(5)
    venue.status = 503
    venue.run(30)
    before = len(venue.asked)
    venue.run(60)
    assert len(venue.asked) - before == 4 * 12
    venue.status = 200
    venue.run(6)
    assert all(venue.bench.is_live(symbol) for symbol in SYMBOLS)
    before = len(venue.asked)
    venue.run(10)
    assert len(venue.asked) - before == 4 * 10


def test_a_kind_that_fails_does_not_hold_up_the_others() -> None:
    """Books come while trades are refused."""
    venue = polled(("depth", "aggTrade"))
    venue.bodies["/api/v3/aggTrades"] = HTML
    venue.run(30)
    assert all(venue.bench.is_live(symbol) for symbol in SYMBOLS)
    assert venue.kinds().count("depth") >= 100


def test_what_is_crossed_is_told_in_decimals() -> None:
    """As the venue writes it, not in the instrument's scale."""
    venue = polled(("depth",))
    venue.bodies["/api/v3/depth"] = book(200, "0.3", "0.2")
    venue.run(1)
    details = [one.detail for one in venue.bench.adapter.complaints()]
    assert any("best bid 0.30000000 is not below best ask 0.20000000" in one for one in details), details
