"""Trades over interruptions: each told once, a hole is asked for, and what is missing for good is said."""

from __future__ import annotations

import json

import pytest

from livestack.core.events import TradeTick
from livestack.venues.adapter import Fetch
from livestack.venues.options import VenueOptions
from tests.venues.binance_spot.capture import Bench, answer, needs_capture
from tests.venues.binance_spot.test_market_data import HTML, aggregate, live
from tests.venues.binance_spot.test_polling import NKN, Venue, aggregates, trades

pytestmark = needs_capture

SECOND_MS = 1_000


def at(trade_id: int, trade_ms: int) -> bytes:
    return aggregate("NKNUSDT", trade_id).replace(b'"T":1', b'"T":%d' % trade_ms)


def told(bench: Bench) -> list[int]:
    return [one.trade_id for one in bench.events if isinstance(one, TradeTick) and one.instrument == NKN]


def missing(bench: Bench) -> list[str]:
    return [one.detail for one in bench.adapter.complaints() if one.kind == "trades_missed"]


def interrupted() -> Bench:
    """Trade 13 was the last one; another connection is open."""
    bench = live()
    bench.play(aggregate("NKNUSDT", 13))
    bench.disconnect(0)
    bench.connect(1)
    return bench


def asked(bench: Bench) -> Fetch:
    """The request for what is missing."""
    bench.tick()
    (fetch,) = bench.polls
    return fetch


@pytest.mark.parametrize(("polled", "after"), [((12, 13), [13]), ((12, 13, 14, 15), [13, 14, 15])])
def test_no_trade_is_told_twice_and_none_is_lost_when_polling_takes_over(
    polled: tuple[int, ...], after: list[int]
) -> None:
    """The stream told 13; polls find it again, or what followed."""
    bench = live()
    bench.play(aggregate("NKNUSDT", 13))
    venue = Venue(bench)
    venue.bodies["/api/v3/aggTrades"] = aggregates(*polled)
    bench.disconnect(0)
    venue.run(20)
    assert (told(bench), missing(bench)) == (after, [])


def test_what_one_answer_does_not_hold_is_said_when_polling_takes_over() -> None:
    """The oldest is 20: 14 to 19 are nowhere."""
    bench = live()
    bench.play(aggregate("NKNUSDT", 13))
    venue = Venue(bench)
    venue.bodies["/api/v3/aggTrades"] = aggregates(20, 21)
    bench.disconnect(0)
    venue.run(20)
    assert (told(bench), missing(bench)) == ([13, 20, 21], ["NKNUSDT: 6 between two polls"])


def test_a_hole_behind_an_interruption_is_asked_for_once() -> None:
    """From the first that is missing on; what came meanwhile follows in its turn, once."""
    bench = interrupted()
    for number in (17, 18):
        bench.play(aggregate("NKNUSDT", number), 1)
    assert told(bench) == [13]
    fetch = asked(bench)
    assert (fetch.path, fetch.query) == ("/api/v3/aggTrades", "symbol=NKNUSDT&limit=1000&fromId=14")
    bench.play(aggregate("NKNUSDT", 19), 1)
    bench.adapter.fetched(answer(aggregates(14, 15, 16, 17), fetch.fetch_id, bench.now_ns))
    bench.settle()
    bench.play(aggregate("NKNUSDT", 20), 1)
    bench.play(aggregate("NKNUSDT", 22), 1)
    bench.tick(3)
    assert (told(bench), missing(bench)) == ([13, 14, 15, 16, 17, 18, 19, 20, 22], [])
    assert bench.polls == [fetch]


def test_a_hole_in_single_trades_is_looked_for_in_the_newest() -> None:
    """The venue gives older ones by id to nobody without a key."""
    bench = Bench(options=VenueOptions(streams=("trade",))).connect()
    data = {"e": "trade", "s": "NKNUSDT", "t": 1, "p": "0.1", "q": "1", "T": 1, "m": True}
    for number, link in ((1, 0), (4, 1)):
        if link:
            bench.disconnect(0)
            bench.connect(1)
        frame = {"stream": "nknusdt@trade", "data": data | {"t": number}}
        bench.play(json.dumps(frame, separators=(",", ":")).encode(), link)
    fetch = asked(bench)
    assert (fetch.path, fetch.query) == ("/api/v3/trades", "symbol=NKNUSDT&limit=1000")
    bench.adapter.fetched(answer(trades(1, 2, 3, 4), fetch.fetch_id, bench.now_ns))
    bench.settle()
    assert (told(bench), missing(bench)) == ([1, 2, 3, 4], [])


@pytest.mark.parametrize(
    ("status", "body"), [(200, HTML), (200, b"[]"), (503, HTML), (0, b""), (200, aggregates(12, 13))]
)
def test_a_hole_that_nobody_fills_is_said(status: int, body: bytes) -> None:
    """What waited is told at once."""
    bench = interrupted()
    bench.play(aggregate("NKNUSDT", 17), 1)
    fetch = asked(bench)
    bench.adapter.fetched(answer(body, fetch.fetch_id, bench.now_ns, status))
    bench.settle()
    assert (told(bench), missing(bench)) == (
        [13, 17],
        ["NKNUSDT: 3 during an interruption of the stream"],
    )


def test_trades_do_not_wait_for_ever() -> None:
    """Two seconds for an answer, or for room in the budget to ask."""
    for used in (0, 6_000):
        bench = interrupted()
        bench.budget.counted(used, bench.now_ns)
        bench.play(aggregate("NKNUSDT", 15), 1)
        bench.tick(1)
        assert (told(bench), len(bench.polls)) == ([13], 0 if used else 1)
        bench.tick(1.5)
        assert (told(bench), len(missing(bench))) == ([13, 15], 1)


def test_an_interruption_in_an_interruption_loses_nothing_in_silence() -> None:
    """What waited for others is asked for together with them."""
    bench = interrupted()
    for _ in range(60):
        bench.tick(1)  # another minute of the budget
    bench.play(aggregate("NKNUSDT", 17), 1)
    bench.disconnect(1)
    bench.connect(2)
    bench.play(aggregate("NKNUSDT", 19), 2)
    fetch = asked(bench)
    bench.adapter.fetched(answer(aggregates(14, 15, 16, 17, 18), fetch.fetch_id, bench.now_ns))
    bench.settle()
    assert (told(bench), missing(bench)) == ([13, *range(14, 20)], [])


def test_ids_that_began_anew_are_no_repetition() -> None:
    """The venue was wiped: a lower id that happened later. Over the stream, and when polled."""
    bench = live()
    bench.play(at(9_000, SECOND_MS))
    bench.disconnect(0)
    bench.connect(1)
    bench.play(at(9_000, SECOND_MS), 1)
    bench.play(at(1, 5 * SECOND_MS), 1)
    bench.play(at(2, 6 * SECOND_MS), 1)
    assert told(bench) == [9_000, 1, 2]
    venue = Venue(bench)
    venue.bodies["/api/v3/aggTrades"] = aggregates(1).replace(b'"T": 1', b'"T": 60000')
    bench.disconnect(1)
    venue.run(20)
    assert (told(bench), missing(bench)) == ([9_000, 1, 2, 1], [])


def test_a_hole_without_an_interruption_waits_for_nothing() -> None:
    """Whatever the venue left out: it did not get lost on the way."""
    bench = live()
    for number in (13, 15):
        bench.play(aggregate("NKNUSDT", number))
    bench.tick()
    assert (told(bench), bench.polls, missing(bench)) == ([13, 15], [], [])
