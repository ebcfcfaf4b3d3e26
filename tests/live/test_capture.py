"""A session on real captured Binance traffic, through the real socket path, judged from its journal."""

from __future__ import annotations

import json
from bisect import bisect_right

import pytest

from livestack.core.book import Book
from livestack.core.events import (
    BookDelta,
    BookSnapshot,
    Event,
    FeedStatusChanged,
    OrderFill,
    QuoteTick,
)
from livestack.core.types import ConnectionStatus
from livestack.journal.reader import JournalReader
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.support import BINANCE_CAPTURE, Venue, start_node

pytestmark = pytest.mark.skipif(
    not BINANCE_CAPTURE.exists(), reason="captured traffic is not beside the project"
)

SPEED = 4
CAPTURED_QUOTES = 84
ORACLE_COMPARISONS = 159


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], list[Event]]:
    """One session over the whole capture: its summary and the Events of its journal."""
    directory = tmp_path_factory.mktemp("capture")
    with Venue(directory, "--capture", str(BINANCE_CAPTURE), "--speed", str(SPEED)) as venue:
        path = configuration.write(directory, venue.symbols, market_maker("NKNUSDT", "100", "500"))
        with start_node(directory, path, venue.environment(), "--for", f"{30 // SPEED + 4}s") as node:
            code, output = node.finish()
            assert code == 0, node.stderr()
    summary = json.loads(output)
    reader = JournalReader.open(directory / "data" / "sessions", str(summary["session"]))
    return summary, [record.event for record in reader.records()]


def test_the_book_equals_the_best_quote_after_every_diff(
    session: tuple[dict[str, object], list[Event]],
) -> None:
    """The oracle: after each applied diff the best prices and quantities are the newest bookTicker's, 159 of 159."""
    _, events = session
    quotes: dict[str, list[QuoteTick]] = {}
    for event in events:
        if isinstance(event, QuoteTick):
            quotes.setdefault(event.instrument, []).append(event)
    books: dict[str, Book] = {}
    equal = compared = 0
    for event in events:
        if isinstance(event, BookSnapshot):
            book = books[event.instrument] = Book()
            assert "" == book.replace(event.last_update_id, event.bids, event.asks)
        elif isinstance(event, BookDelta):
            book = books[event.instrument]
            assert "" == book.change(event.first_update_id, event.last_update_id, event.bids, event.asks)
            known = quotes.get(event.instrument, [])
            newest = bisect_right(known, event.last_update_id, key=lambda quote: quote.update_id)
            if newest:
                quote = known[newest - 1]
                compared += 1
                equal += (quote.bid, quote.bid_qty, quote.ask, quote.ask_qty) == (
                    book.best_bid,
                    book.best_bid_qty,
                    book.best_ask,
                    book.best_ask_qty,
                )
    assert (ORACLE_COMPARISONS, ORACLE_COMPARISONS) == (equal, compared)


def test_all_four_books_are_live(session: tuple[dict[str, object], list[Event]]) -> None:
    """The last status of each book before the stop is LIVE."""
    _, events = session
    last = {
        event.instrument: event.status
        for event in events
        if isinstance(event, FeedStatusChanged) and event.instrument
    }
    assert {ConnectionStatus.LIVE} == set(last.values())
    assert 4 == len(last)


def test_orders_fill_against_the_capture(session: tuple[dict[str, object], list[Event]]) -> None:
    """A strategy trades on real traffic; its orders fill against real trades and quotes."""
    summary, events = session
    assert int(str(summary["dispatches"])) > 0
    assert any(isinstance(event, OrderFill) for event in events)


def test_own_orders_never_show_in_the_public_stream(session: tuple[dict[str, object], list[Event]]) -> None:
    """Every quote of the stream is a captured one."""
    _, events = session
    assert CAPTURED_QUOTES == sum(isinstance(event, QuoteTick) for event in events)
