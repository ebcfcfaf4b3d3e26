"""A capture as a history: the adapter's own Events, at the capture's times."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from livestack.core.book import Book
from livestack.core.events import BookDelta, BookSnapshot, FeedStatusChanged, QuoteTick, TradeTick
from livestack.core.types import ConnectionStatus
from livestack.exceptions import UsageError
from livestack.research.capture import CaptureHistory, is_capture
from livestack.venue_settings import VenueSettings
from tests.support import BINANCE_CAPTURE
from tests.venues.binance_spot.capture import SYMBOLS, needs_capture

pytestmark = needs_capture


def settings(*symbols: str) -> VenueSettings:
    return VenueSettings(
        adapter="binance_spot",
        rest_url="",
        stream_url="",
        ws_api_url="",
        symbols=symbols,
        key_kind="hmac",
        api_key_env="K",
        secret_env="S",
    )


def test_frames_become_the_adapters_events() -> None:
    """Every kind of market Event; times never go back; every book becomes LIVE after its snapshot and stays sound."""
    history = CaptureHistory("venue", settings(*SYMBOLS), BINANCE_CAPTURE)
    books = {one.instrument: Book() for one in history.instruments}
    live, last_ns, kinds = set(), history.start_ns, set()
    for ts, event in history.items():
        assert ts >= last_ns
        last_ns = ts
        kinds.add(type(event))
        if isinstance(event, BookSnapshot):
            assert "" == books[event.instrument].replace(event.last_update_id, event.bids, event.asks)
        elif isinstance(event, BookDelta):
            book = books[event.instrument]
            assert "" == book.change(event.first_update_id, event.last_update_id, event.bids, event.asks)
        elif isinstance(event, FeedStatusChanged) and event.status is ConnectionStatus.LIVE:
            live.add(event.instrument)
    assert {BookSnapshot, BookDelta, QuoteTick, TradeTick, FeedStatusChanged} == kinds
    assert {"", *books} == live
    assert history.end_ns == last_ns


def test_a_snapshot_does_not_come_before_the_capture_had_it() -> None:
    """What was asked later is not known earlier."""
    history = CaptureHistory("venue", settings(*SYMBOLS), BINANCE_CAPTURE)
    had = {symbol: answers[0].recv_ns for symbol, answers in history._depths.items()}
    for ts, event in history.items():
        if isinstance(event, BookSnapshot):
            assert ts >= had[event.instrument.partition(":")[2]]


def test_only_the_symbols_of_the_file_are_played() -> None:
    """The others' frames are left out, without a complaint about them."""
    history = CaptureHistory("venue", settings("NKNUSDT"), BINANCE_CAPTURE)
    named = {getattr(event, "instrument", "") for _, event in history.items()}
    assert {"", "venue:NKNUSDT"} == named
    assert {} == {name: count for name, count in history._adapter.faults.items() if count}


def test_symbols_that_the_capture_does_not_have_are_named() -> None:
    """With those that it has."""
    with pytest.raises(UsageError, match=r"does not hold BTCUSDT.*it holds .*NKNUSDT"):
        CaptureHistory("venue", settings("NKNUSDT", "BTCUSDT"), BINANCE_CAPTURE)


def test_an_empty_capture_is_refused(tmp_path: Path) -> None:
    """Only the line of the connection is there."""
    for path in BINANCE_CAPTURE.glob("BINANCE*"):
        shutil.copy(path, tmp_path)
    packed = tmp_path / "BINANCE.ws.1.0.gz"
    path = tmp_path / "BINANCE.ws.1.0"
    text = gzip.decompress(packed.read_bytes()).decode() if packed.exists() else path.read_text()
    packed.unlink(missing_ok=True)
    path.write_text(text.partition("\n")[0] + "\n")
    assert is_capture(tmp_path)
    with pytest.raises(UsageError, match="holds no market data"):
        CaptureHistory("venue", settings("NKNUSDT"), tmp_path)
