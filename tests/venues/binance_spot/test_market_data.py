"""The market-data adapter with bad input: counted, complained about, and no book is ever silently wrong."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livestack.core.events import FeedStatusChanged
from livestack.core.types import ConnectionStatus, Side
from livestack.venues.adapter import FRAME_HEAD_BYTES, Fetched
from livestack.venues.binance_spot.market_data import BinanceMarketData
from livestack.venues.budget import RequestBudget
from livestack.venues.options import VenueOptions
from tests.venues.binance_spot.capture import (
    SYMBOLS,
    VENUE,
    Bench,
    frames,
    instruments,
    needs_capture,
    snapshots,
)

pytestmark = needs_capture

LAST = 499869752  # lastUpdateId of the captured NKNUSDT snapshot


def diff(
    first: int, last: int, bids: list[list[str]] | None = None, asks: list[list[str]] | None = None
) -> bytes:
    data = {
        "e": "depthUpdate",
        "E": 1,
        "s": "NKNUSDT",
        "U": first,
        "u": last,
        "b": bids or [],
        "a": asks or [],
    }
    return json.dumps({"stream": "nknusdt@depth@100ms", "data": data}, separators=(",", ":")).encode()


HTML = b"<html><body>Forbidden</body></html>"


def aggregate(symbol: str, trade_id: int) -> bytes:
    data = {"e": "aggTrade", "s": symbol, "a": trade_id, "p": "0.1", "q": "1", "T": 1, "m": True}
    return json.dumps({"stream": f"{symbol.lower()}@aggTrade", "data": data}, separators=(",", ":")).encode()


def live() -> Bench:
    """All four books in step."""
    bench = Bench().connect()
    bench.play(diff(LAST - 2, LAST))
    bench.tick(3)
    assert all(bench.is_live(symbol) for symbol in SYMBOLS)
    bench.adapter.complaints()
    return bench


# name of the fault, frame, books that could be wrong by it
FAULTS: list[tuple[str, bytes, tuple[str, ...]]] = [
    ("malformed_frame", diff(LAST + 1, LAST + 1)[:-9], ("NKNUSDT",)),
    ("malformed_frame", b"", SYMBOLS),
    ("malformed_frame", b"CloudFlare WebSocket proxy restarting", SYMBOLS),
    ("malformed_frame", b'{"stream":', SYMBOLS),
    ("malformed_frame", b"[" * 5_000, SYMBOLS),
    ("malformed_frame", diff(LAST + 1, LAST + 1).replace(b"depthUpdate", b"depthUPDATE"), ("NKNUSDT",)),
    ("malformed_frame", diff(LAST + 1, 2**70), ("NKNUSDT",)),
    ("malformed_frame", diff(LAST + 1, LAST + 1, [["0.1"]]), ("NKNUSDT",)),
    ("malformed_frame", diff(LAST + 1, LAST + 1).replace(b'"s":"NKNUSDT"', b'"s":null'), ("NKNUSDT",)),
    ("malformed_frame", diff(LAST + 1, LAST + 1, [["\x80", "1"]]).replace(b"\\u0080", b"\x80"), ("NKNUSDT",)),
    ("bad_number", diff(LAST + 1, LAST + 1, [["0.123456789", "1.00000000"]]), ("NKNUSDT",)),
    ("bad_number", diff(LAST + 1, LAST + 1, [["0.10000000", "-1.00000000"]]), ("NKNUSDT",)),
    ("bad_number", diff(LAST + 1, LAST + 1, [["1e3", "1"]]), ("NKNUSDT",)),
    ("bad_number", diff(LAST + 1, LAST + 1, [["1_0.10000000", "1"]]), ("NKNUSDT",)),
    ("bad_number", diff(LAST + 1, LAST + 1, [["９.10000000", "1"]]), ("NKNUSDT",)),
    ("bad_number", diff(LAST + 1, LAST + 1, [["9" * 30, "1"]]), ("NKNUSDT",)),
    ("bad_number", diff(LAST + 1, LAST + 1, [["9" * 500, "1"]]), ("NKNUSDT",)),
    ("book_lost", diff(LAST + 2, LAST + 2), ("NKNUSDT",)),
    ("book_lost", diff(LAST + 1, LAST), ("NKNUSDT",)),
    ("book_lost", diff(LAST + 1, LAST + 1, [["9.00000000", "1.00000000"]]), ("NKNUSDT",)),
    ("book_lost", diff(LAST + 1, LAST + 1, [["0.00000000", "1.00000000"]]), ("NKNUSDT",)),
    ("unknown_symbol", diff(LAST + 1, LAST + 1).replace(b"NKNUSDT", b"LRCBTC"), ("NKNUSDT", "LRCBTC")),
    ("unknown_symbol", diff(LAST + 1, LAST + 1).replace(b"NKNUSDT", b"ABCDEF"), ("NKNUSDT",)),
    ("unknown_stream", diff(LAST + 1, LAST + 1).replace(b"nknusdt@", b"abcdef@"), ("NKNUSDT",)),
    ("unknown_stream", b'{"stream":"nknusdt@kline_1m","data":{"e":"kline","s":"NKNUSDT"}}', ()),
    ("unknown_frame", b'{"hello":1}', ()),
    ("unknown_frame", b'{"e":"news","E":1}', ()),
    ("unknown_frame", b'{"e":"depthUpdate","E":1}', SYMBOLS),
    ("unknown_frame", b'{"strexm":"nknusdt@depth@100ms","data":{"e":"depthUpdate"}}', SYMBOLS),
    ("oversized_frame", diff(LAST + 1, LAST + 1, [["0.30000000", "1.00000000"]] * 50_000), ("NKNUSDT",)),
    ("subscription_refused", b'{"code":2,"msg":"Invalid request: too many parameters","id":1}', ()),
    ("subscription_refused", b'{"result":null,"id":77}', ()),
    ("server_shutdown", b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}', ()),
    ("malformed_frame", b'{"stream":"nknusdt@bookTicker","data":{"u":1,"s":"NKNUSDT","b":"0.1"}}', ()),
    (
        "bad_number",
        b'{"stream":"nknusdt@bookTicker","data":{"u":1,"s":"NKNUSDT","b":"x","B":"1","a":"1","A":"1"}}',
        (),
    ),
]


@pytest.mark.parametrize(("kind", "frame", "hit"), FAULTS)
def test_what_cannot_be_used_is_counted_and_its_book_invalid(
    kind: str, frame: bytes, hit: tuple[str, ...]
) -> None:
    """One bad frame: one fault, one complaint with the frame's head, exactly the books invalid that may be wrong."""
    bench = live()
    bench.serve = lambda symbol: None
    before = len(bench.events)
    bench.play(frame)
    assert bench.adapter.faults == {kind: 1}
    (complaint,) = bench.adapter.complaints()
    assert complaint.kind == kind
    assert frame.startswith(complaint.frame_head)
    assert len(complaint.frame_head) <= FRAME_HEAD_BYTES
    assert {symbol for symbol in SYMBOLS if not bench.is_live(symbol)} == set(hit)
    assert all(isinstance(event, FeedStatusChanged) for event in bench.events[before:])


def test_an_invalid_book_comes_back_from_a_snapshot() -> None:
    """After a gap: SYNCHRONISING, a new snapshot, LIVE."""
    bench = live()
    bench.play(diff(LAST + 5, LAST + 6))
    assert not bench.is_live("NKNUSDT")
    bench.tick(3)
    assert bench.is_live("NKNUSDT")


def test_the_same_frame_in_another_spelling_is_understood() -> None:
    """Blanks and another order of keys: slower, not wrong."""
    bench = live()
    document = json.loads(diff(LAST + 1, LAST + 1, [["0.30000000", "7.00000000"]]))
    bench.play(json.dumps(dict(reversed(document.items())), indent=1).encode())
    assert bench.adapter.faults == {}
    assert dict(bench.book("NKNUSDT").levels(Side.BUY))[30_000_000] == 700_000_000


def test_an_overflow_invalidates_everything_and_begins_anew() -> None:
    """``overflowed``: every book invalid, feed SYNCHRONISING, each book back after its own snapshot."""
    bench = live()
    fetched = len(bench.fetched)
    bench.serve = lambda symbol: None
    bench.adapter.overflowed(bench.now_ns)
    bench.settle()
    assert bench.feed is ConnectionStatus.SYNCHRONISING
    assert not any(bench.is_live(symbol) for symbol in SYMBOLS)
    bench.serve = lambda symbol: snapshots()[symbol]
    for _ in range(20):
        bench.tick()
    assert bench.feed is ConnectionStatus.LIVE
    assert all(bench.is_live(symbol) for symbol in SYMBOLS)
    assert len(bench.fetched) == fetched + len(SYMBOLS)


def test_a_disconnect_invalidates_everything_and_old_answers_are_nobody_s() -> None:
    """After the connection is gone an answer to a request of it changes nothing."""
    bench = Bench(lambda symbol: None).connect()
    fetch = bench.waiting[0]
    bench.adapter.disconnected("cut", bench.now_ns)
    bench.adapter.fetched(Fetched(fetch.fetch_id, 200, (), snapshots()["NKNUSDT"], "", 0, 0))
    bench.settle()
    assert bench.feed is ConnectionStatus.DISCONNECTED
    assert not any(bench.is_live(symbol) for symbol in SYMBOLS)
    assert bench.adapter.outgoing() == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"{}"),
        (200, b'{"lastUpdateId":1,"bids":[["x","1"]],"asks":[]}'),
        (200, b'{"lastUpdateId":"1","bids":[],"asks":[]}'),
        (200, HTML),
        (400, b'{"code":-1121,"msg":"Invalid symbol."}'),
        (502, HTML),
        (500, b""),
        (0, b""),
        (200, b"["),
    ],
)
def test_a_bad_snapshot_is_no_snapshot(status: int, body: bytes) -> None:
    """It is complained about, nothing becomes LIVE by it, and another one is asked for."""
    bench = Bench(lambda symbol: None).connect()
    fetch = next(fetch for fetch in bench.waiting if "NKNUSDT" in fetch.query)
    bench.adapter.fetched(Fetched(fetch.fetch_id, status, (), body, "", 0, bench.now_ns))
    bench.settle()
    assert sum(bench.adapter.faults.values()) == 1
    assert not bench.is_live("NKNUSDT")
    bench.serve = lambda symbol: snapshots()[symbol]
    bench.tick(3)
    bench.tick(3)
    assert bench.is_live("NKNUSDT")


class Model:
    """A slow, obviously right reader of NKNUSDT's frames: what the book must be, or that nobody can know."""

    def __init__(self) -> None:
        document = json.loads(snapshots()["NKNUSDT"])
        self.bids = {Decimal(price): Decimal(qty) for price, qty in document["bids"]}
        self.asks = {Decimal(price): Decimal(qty) for price, qty in document["asks"]}
        self.last = document["lastUpdateId"]
        self.known = True

    def take(self, frame: bytes) -> None:
        try:
            document = json.loads(frame)
            assert document["stream"] == "nknusdt@depth@100ms"
            data = document["data"]
            assert (data["e"], data["s"]) == ("depthUpdate", "NKNUSDT")
            first, last = data["U"], data["u"]
            assert type(first) is int
            assert type(last) is int
            assert 0 <= first <= last
            changes = [(self.bids, data["b"]), (self.asks, data["a"])]
            levels = [(side, Decimal(price), Decimal(qty)) for side, pairs in changes for price, qty in pairs]
        except Exception:  # noqa: BLE001 - any reason at all: this frame says nothing
            self.known = False
            return
        if last <= self.last:
            return
        self.known = self.known and first <= self.last + 1
        self.last = last
        for side, price, qty in levels:
            side.pop(price, None)
            if qty:
                side[price] = qty


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_mutated_frames_never_raise_and_never_leave_a_wrong_book(data: st.DataObject) -> None:
    """Frames with bytes cut, changed, doubled or out of place: a LIVE book is the model's book, to the last level."""
    pool = [frame for frame in frames() if frame.startswith(b'{"stream":"nknusdt@depth')][:40]
    bench, model = live(), Model()
    bench.serve = lambda symbol: None
    for index in range(25):
        frame = pool[index + 1] if index + 1 < len(pool) else pool[-1]
        match data.draw(
            st.sampled_from(["keep"] * 12 + ["drop", "cut", "change", "double", "swap", "insert"])
        ):
            case "drop":
                continue
            case "cut":
                frame = frame[: data.draw(st.integers(0, len(frame)))]
            case "change":
                at = data.draw(st.integers(0, len(frame) - 1))
                frame = frame[:at] + bytes([data.draw(st.integers(0, 255))]) + frame[at + 1 :]
            case "double":
                bench.play(frame)
                model.take(frame)
            case "swap":
                frame = pool[data.draw(st.integers(0, len(pool) - 1))]
            case "insert":
                at = data.draw(st.integers(0, len(frame)))
                frame = frame[:at] + data.draw(st.binary(max_size=6)) + frame[at:]
        bench.play(frame)
        model.take(frame)
        if not bench.is_live("NKNUSDT"):
            return
        assert model.known
        book = bench.book("NKNUSDT")
        assert {
            Decimal(price).scaleb(-8): Decimal(qty).scaleb(-8) for price, qty in book.levels(Side.BUY)
        } == model.bids
        assert {
            Decimal(price).scaleb(-8): Decimal(qty).scaleb(-8) for price, qty in book.levels(Side.SELL)
        } == model.asks


@settings(max_examples=300)
@given(frame=st.one_of(st.binary(max_size=300), st.text(max_size=200).map(str.encode)))
def test_no_bytes_raise(frame: bytes) -> None:
    """Anything at all: no exception."""
    bench = live()
    bench.play(frame)
    bench.adapter.fetched(Fetched(1, 200, (), frame, "", 0, 0))


def test_a_feed_without_books_is_live_with_its_first_data_or_when_the_venue_lists_it() -> None:
    """With trades only there is nothing to synchronise; that a subscription was confirmed proves nothing."""
    bench = Bench(options=VenueOptions(streams=("aggTrade",))).connect()
    assert bench.waiting == []
    assert bench.feed is ConnectionStatus.SYNCHRONISING
    bench.play(aggregate("NKNUSDT", 7))
    bench.tick()
    assert [symbol for symbol in SYMBOLS if bench.is_live(symbol)] == ["NKNUSDT"]
    assert bench.feed is ConnectionStatus.LIVE
    bench.tick(2)
    assert all(bench.is_live(symbol) for symbol in SYMBOLS)


def test_an_unknown_stream_kind_is_refused_at_once() -> None:
    """A name that the adapter does not serve is the caller's error."""
    with pytest.raises(ValueError, match="klines"):
        BinanceMarketData(VENUE, instruments(), VenueOptions(streams=("klines",)), RequestBudget())
