"""Connections of the feed: a successor takes over without a gap, whatever is dead is closed, slots stand alone."""

from __future__ import annotations

import json

import pytest

from livestack.core.events import BookDelta, FeedStatusChanged, QuoteTick, TradeTick
from livestack.core.types import ConnectionStatus
from livestack.venues.adapter import CloseLink, Renew
from livestack.venues.binance_spot import streams
from livestack.venues.options import VenueOptions
from tests.venues.binance_spot.capture import STREAMS, SYMBOLS, VENUE, Bench, answer, needs_capture
from tests.venues.binance_spot.test_market_data import LAST, aggregate, diff, live

pytestmark = needs_capture

SHUTDOWNS = (
    b'{"e":"serverShutdown","E":1}',
    b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}',
)


def quote(update_id: int) -> bytes:
    data = {"u": update_id, "s": "NKNUSDT", "b": "0.1", "B": "1", "a": "0.2", "A": "1"}
    return json.dumps({"stream": "nknusdt@bookTicker", "data": data}, separators=(",", ":")).encode()


def leaving() -> Bench:
    """All books in step over link 0, which the venue is about to close; the successor 1 is open beside it."""
    bench = live()
    bench.play(SHUTDOWNS[1])
    assert bench.asked == [Renew(0, "the venue is shutting down")]
    bench.asked.clear()
    bench.adapter.complaints()
    bench.adapter.faults.clear()
    bench.fetched.clear()
    bench.events.clear()
    return bench.connect(1)


def statuses(bench: Bench) -> list[tuple[str, ConnectionStatus]]:
    return [(one.instrument, one.status) for one in bench.events if isinstance(one, FeedStatusChanged)]


def applied(bench: Bench) -> list[int]:
    return [one.last_update_id for one in bench.events if isinstance(one, BookDelta)]


def is_over(bench: Bench) -> bool:
    return CloseLink(0, "another connection has taken its place") in bench.asked


# -- Make before break


def test_a_successor_takes_over_without_a_gap() -> None:
    """Frames of both, each once; no status, no snapshot, no complaint; the old link is closed once all is verified."""
    bench = leaving()
    bench.play(diff(LAST + 1, LAST + 1))
    bench.play(diff(LAST + 1, LAST + 1), link=1)
    bench.play(diff(LAST + 2, LAST + 2), link=1)
    bench.play(diff(LAST + 2, LAST + 2))
    assert not is_over(bench)
    bench.tick(2)
    assert is_over(bench)
    bench.play(diff(LAST + 3, LAST + 3), link=1)
    bench.disconnect(0)
    bench.play(diff(LAST + 4, LAST + 4), link=1)
    assert applied(bench) == [LAST + 1, LAST + 2, LAST + 3, LAST + 4]
    assert (statuses(bench), bench.fetched, bench.adapter.faults) == ([], [], {})
    assert all(bench.is_live(symbol) for symbol in SYMBOLS)


def test_a_successor_that_is_ahead_waits_for_the_old_link() -> None:
    """The old one is slow, not wrong: what the new one brought early is applied in its turn; then it is over."""
    bench = leaving()
    bench.play(diff(LAST + 3, LAST + 4), link=1)
    bench.play(diff(LAST + 5, LAST + 5), link=1)
    bench.tick(3)
    assert (applied(bench), is_over(bench)) == ([], False)
    bench.play(diff(LAST + 1, LAST + 2))
    bench.tick()
    assert (applied(bench), is_over(bench)) == ([LAST + 2, LAST + 4, LAST + 5], True)
    assert (statuses(bench), bench.fetched, bench.adapter.faults) == ([], [], {})


def test_a_gap_on_the_old_link_is_one_although_there_is_a_successor() -> None:
    """What it lost is lost, unless the successor has it: here nobody has."""
    bench = leaving()
    bench.serve = lambda symbol: None
    bench.play(diff(LAST + 3, LAST + 3))
    assert not bench.is_live("NKNUSDT")
    assert bench.adapter.faults == {"book_lost": 1}


def test_quotes_and_trades_of_both_come_once() -> None:
    """A quote by its update id, a trade by its own; a trade that is ahead follows those before it."""
    bench = leaving()
    for frame, link in ((quote(5), 0), (quote(5), 1), (quote(7), 1), (quote(6), 0), (quote(7), 0)):
        bench.play(frame, link)
    trades = ((7, 0), (9, 1), (7, 1), (10, 1), (8, 0), (9, 0), (13, 1))
    for number, link in trades:
        bench.play(aggregate("NKNUSDT", number), link)
    assert [one.update_id for one in bench.events if isinstance(one, QuoteTick)] == [5, 7]
    assert [one.trade_id for one in bench.events if isinstance(one, TradeTick)] == [7, 8, 9, 10]
    bench.tick(3)
    assert not is_over(bench)
    bench.play(aggregate("NKNUSDT", 11), 0)
    bench.play(aggregate("NKNUSDT", 12), 0)
    bench.tick()
    assert is_over(bench)
    assert [one.trade_id for one in bench.events if isinstance(one, TradeTick)] == [*range(7, 14)]
    assert bench.adapter.faults == {}


def test_a_successor_does_not_wait_for_trades_for_ever() -> None:
    """Two seconds after it has all else it takes over; what is missing is asked for, told in order, and then said."""
    bench = leaving()
    bench.play(aggregate("NKNUSDT", 13))
    bench.play(aggregate("NKNUSDT", 20), 1)
    bench.tick(3)
    bench.tick(2)
    assert not is_over(bench)
    bench.tick()
    assert is_over(bench)
    (poll,) = bench.polls
    assert (poll.path, poll.query) == ("/api/v3/aggTrades", "symbol=NKNUSDT&limit=1000&fromId=14")
    bench.play(aggregate("NKNUSDT", 21), 1)
    body = [
        {"a": number, "p": "0.1", "q": "5", "f": 1, "l": 1, "T": 1, "m": False} for number in (16, 17, 18)
    ]
    bench.adapter.fetched(answer(json.dumps(body).encode(), poll.fetch_id, bench.now_ns))
    bench.settle()
    told = [one.trade_id for one in bench.events if isinstance(one, TradeTick)]
    assert told == [13, 16, 17, 18, 20, 21]
    assert bench.adapter.faults == {"trades_missed": 1}
    assert [one.detail for one in bench.adapter.complaints()] == [
        "NKNUSDT: 3 during an interruption of the stream"
    ]


def test_the_old_link_dies_before_its_successor_is_complete() -> None:
    """Every book of it is synchronised anew, over the successor, which need not subscribe again."""
    bench = leaving()
    bench.serve = lambda symbol: None
    before = len(bench.sent)
    bench.disconnect(0)
    assert {name for name, status in statuses(bench) if status is ConnectionStatus.SYNCHRONISING} == {
        f"{VENUE}:{symbol}" for symbol in SYMBOLS
    }
    assert "" not in {name for name, _ in statuses(bench)}
    assert not any(bench.is_live(symbol) for symbol in SYMBOLS)
    bench.serve = Bench().serve
    for _ in range(20):
        bench.tick()
    assert all(bench.is_live(symbol) for symbol in SYMBOLS)
    assert sorted(bench.fetched) == sorted(SYMBOLS)
    assert not [text for text in bench.sent[before:] if "SUBSCRIBE" in text and "LIST" not in text]


def test_a_successor_that_does_not_become_complete_is_given_up() -> None:
    """After a minute; the old link stays, and another successor is asked for later each time."""
    bench = live()
    bench.play(SHUTDOWNS[0])
    bench.asked.clear()
    for link in (1, 2):
        bench.is_mute = True
        bench.connect(link)
        for _ in range(70):
            bench.play(quote(bench.now_ns))
            bench.tick(1)
        assert CloseLink(link, "it did not become complete in time") in bench.asked
        assert any(isinstance(one, Renew) for one in bench.asked)
        bench.disconnect(link)
        bench.asked.clear()
    assert all(bench.is_live(symbol) for symbol in SYMBOLS)


def test_a_successor_that_is_cut_changes_nothing() -> None:
    """What it was ahead by comes over the old link; another one is asked for."""
    bench = leaving()
    bench.play(diff(LAST + 3, LAST + 3), link=1)
    bench.disconnect(1)
    for number in range(1, 4):
        bench.play(diff(LAST + number, LAST + number))
    bench.tick(6)
    assert applied(bench) == [LAST + 1, LAST + 2, LAST + 3]
    assert (statuses(bench), bench.adapter.faults) == ([], {})
    assert Renew(0, "the venue is shutting down") in bench.asked


@pytest.mark.parametrize("frame", SHUTDOWNS)
def test_a_shutdown_is_told_in_two_forms(frame: bytes) -> None:
    """Either asks for a successor at once; a second notice asks for no second one."""
    bench = live()
    bench.play(frame)
    bench.play(frame)
    assert bench.asked == [Renew(0, "the venue is shutting down")]


def test_a_successor_that_is_to_go_as_well_is_replaced_in_its_turn() -> None:
    """Once it has taken over."""
    bench = leaving()
    bench.play(SHUTDOWNS[0], link=1)
    assert bench.asked == []
    bench.tick(3)
    bench.tick()
    assert is_over(bench)
    assert bench.asked[-1] == Renew(1, "the venue is shutting down")


def test_an_old_link_is_renewed_before_the_venue_cuts_it() -> None:
    """At its age, each link a little earlier than it has to, by its number; asked for again where nothing comes."""
    hour = 3_600 * 1_000_000_000
    ages = []
    for number in (64, 80, 100):
        bench = Bench(options=VenueOptions(streams=STREAMS, renew_after_ns=hour)).connect(number)
        bench.is_mute = False
        while not bench.asked:
            bench.tick(10)
        assert bench.asked == [Renew(number, "it is old")]
        ages.append(bench.now_ns)
    assert hour * 19 // 20 <= ages[2] < ages[1] < ages[0] == hour
    bench.tick(10)
    assert len(bench.asked) == 2


# -- Whether anybody is there


def test_silence_is_probed_and_answered() -> None:
    """No data for half a minute: the list is asked for; its answer is a sign of life, and nothing is closed."""
    bench = live()
    before = len(bench.sent)
    for _ in range(100):
        bench.tick(1)
    assert {json.loads(text)["method"] for text in bench.sent[before:]} == {"LIST_SUBSCRIPTIONS"}
    assert bench.asked == []
    assert all(bench.is_live(symbol) for symbol in SYMBOLS)


def test_a_connection_that_answers_nothing_is_closed() -> None:
    """Half-open as far as anybody can see: ten seconds after the probe."""
    bench = live()
    bench.is_mute = True
    seconds = 0
    while not bench.asked:
        bench.tick(1)
        seconds += 1
    assert bench.asked == [CloseLink(0, "the venue does not answer")]
    assert 36 <= seconds <= 44


def test_a_stream_that_the_venue_does_not_know_never_becomes_live() -> None:
    """It was confirmed, and is not in the list: subscribed to again and again, complained about, SYNCHRONISING."""
    bench = Bench()
    bench.unknown = {"nknusdt@depth@100ms"}
    bench.connect()
    for _ in range(60):
        bench.tick(1)
    assert [symbol for symbol in SYMBOLS if not bench.is_live(symbol)] == ["NKNUSDT"]
    assert bench.adapter.faults["subscription_missing"] in range(2, 6)
    bench.unknown = set()
    for _ in range(60):
        bench.tick(1)
    assert bench.is_live("NKNUSDT")


def test_a_quiet_book_is_not_live_before_the_list_confirms_it() -> None:
    """The snapshot is there, nothing comes, and nobody has said that the stream exists."""
    bench = Bench()
    bench.is_mute = True
    bench.connect()
    for number in range(1, 3):
        bench.adapter.receive(b'{"result":null,"id":%d}' % number, bench.now_ns)
        bench.settle()
    for _ in range(8):
        bench.tick(1)
    assert bench.fetched
    assert not any(bench.is_live(symbol) for symbol in SYMBOLS)
    bench.is_mute = False
    for _ in range(20):
        bench.tick(1)
    assert all(bench.is_live(symbol) for symbol in SYMBOLS)


def test_a_stream_that_the_venue_dropped_is_noticed() -> None:
    """At the next look at the list: the book is invalid until the stream is back and a snapshot came."""
    bench = live()
    bench.subscribed[0].remove("nknusdt@depth@100ms")
    bench.serve = lambda symbol: None
    for _ in range(31):
        bench.tick(1)
    assert not bench.is_live("NKNUSDT")
    assert bench.is_live("LRCBTC")
    bench.serve = Bench().serve
    for _ in range(10):
        bench.tick(1)
    assert bench.is_live("NKNUSDT")


def test_frames_of_a_link_that_is_gone_are_nobodys() -> None:
    """They may have been under way."""
    bench = live()
    bench.disconnect(0)
    bench.connect(5)
    before = len(bench.events)
    bench.play(diff(LAST + 1, LAST + 1), link=0)
    assert len(bench.events) == before


# -- Slots


def two_slots(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Two symbols in each; everything in step."""
    monkeypatch.setattr(streams, "STREAMS_MAX", 6)
    bench = Bench()
    assert bench.adapter.slots == 2
    bench.connect(1, 0)
    bench.connect(2, 1)
    for _ in range(10):
        bench.tick(1)
    assert all(bench.is_live(symbol) for symbol in SYMBOLS)
    return bench


def test_a_slot_that_is_lost_leaves_the_other_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its instruments are DISCONNECTED one by one; the feed as a whole only with the last connection."""
    bench = two_slots(monkeypatch)
    bench.disconnect(2)
    assert [symbol for symbol in SYMBOLS if bench.is_live(symbol)] == ["NKNUSDT", "LRCBTC"]
    assert bench.status[f"{VENUE}:BLZETH"] is ConnectionStatus.DISCONNECTED
    assert bench.feed is ConnectionStatus.LIVE
    bench.connect(3, 1)
    for _ in range(10):
        bench.tick(1)
    assert all(bench.is_live(symbol) for symbol in SYMBOLS)
    bench.disconnect(1)
    bench.disconnect(3)
    assert bench.feed is ConnectionStatus.DISCONNECTED
