"""The book procedure step by step (venues.md 1.3): every row of the table at the head of the module."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livestack.core.events import BookDelta, BookSnapshot, Event, Levels
from livestack.venues.binance_spot.book_sync import (
    BUFFER_MAX,
    IDLE_BUFFER_MAX,
    BookState,
    BookSync,
    SnapshotUse,
)

L = 100


def delta(first: int, last: int, bids: Levels = (), asks: Levels = ()) -> BookDelta:
    return BookDelta(
        recv_ns=0,
        instrument="i",
        event_ns=0,
        first_update_id=first,
        last_update_id=last,
        bids=bids,
        asks=asks,
    )


def snapshot(last: int = L, bids: Levels = ((10, 1),), asks: Levels = ((12, 1),)) -> BookSnapshot:
    return BookSnapshot(recv_ns=0, instrument="i", event_ns=0, last_update_id=last, bids=bids, asks=asks)


@pytest.mark.parametrize(
    ("kept", "use", "applied"),
    [
        ([(90, 95)], SnapshotUse.INSTALLED, []),
        ([(90, 100)], SnapshotUse.INSTALLED, []),
        ([(98, 103)], SnapshotUse.INSTALLED, [103]),
        ([(101, 103)], SnapshotUse.INSTALLED, [103]),
        ([(95, 99), (100, 102), (103, 104)], SnapshotUse.INSTALLED, [102, 104]),
        ([(102, 103)], SnapshotUse.STALE, []),
        ([], SnapshotUse.HELD, []),
    ],
)
def test_a_snapshot_and_the_diffs_kept_before_it(
    kept: list[tuple[int, int]], use: SnapshotUse, applied: list[int]
) -> None:
    """``U <= L + 1`` proves the stream complete; one direct continuation ``U == L + 1`` is valid too."""
    book, events = BookSync(), list[Event]()
    for first, last in kept:
        assert book.delta(delta(first, last), events) == ""
    assert book.snapshot(snapshot(), events)[0] is use
    assert [event.last_update_id for event in events if isinstance(event, BookDelta)] == applied
    assert (book.state is BookState.LIVE) is (use is SnapshotUse.INSTALLED)


@pytest.mark.parametrize(
    ("first", "last", "state"),
    [
        (101, 101, BookState.LIVE),
        (90, 95, BookState.LIVE),
        (99, 105, BookState.LIVE),
        (102, 103, BookState.BUFFERING),
    ],
)
def test_a_held_snapshot_and_the_first_diff(first: int, last: int, state: BookState) -> None:
    """The first diff decides whether the snapshot can be continued; if not, it is kept for the next one."""
    book, events = BookSync(), list[Event]()
    book.snapshot(snapshot(), events)
    assert events == []
    assert book.delta(delta(first, last), events) == ""
    assert book.state is state
    if state is BookState.BUFFERING:
        assert book.snapshot(snapshot(last), events)[0] is SnapshotUse.INSTALLED


def live() -> BookSync:
    book = BookSync()
    book.snapshot(snapshot(), [])
    assert book.settle([])
    return book


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (delta(102, 102), "gap"),
        (delta(101, 100), "backwards"),
        (delta(101, 101, bids=((12, 1),)), "crossed"),
        (delta(101, 101, asks=((10, 1),)), "crossed"),
        (delta(101, 101, bids=((0, 1),)), "price 0"),
        (delta(101, 101, asks=((0, 1),)), "crossed"),
    ],
)
def test_what_ends_a_live_book(change: BookDelta, why: str) -> None:
    """Gap, backwards, crossed, a level at no price: a reason, no Event, and BUFFERING from then on."""
    book, events = live(), list[Event]()
    assert why in book.delta(change, events)
    assert events == []
    assert book.state is BookState.BUFFERING


def test_old_diffs_and_deletions_of_absent_levels_are_normal() -> None:
    """``u <= id`` is ignored; quantity 0 at an unknown price removes nothing."""
    book, events = live(), list[Event]()
    assert book.delta(delta(90, 100, bids=((99, 1),)), events) == ""
    assert events == []
    assert book.delta(delta(101, 101, bids=((5, 0),), asks=((77, 0),)), events) == ""
    assert len(events) == 1
    assert book.state is BookState.LIVE


def test_a_crossed_snapshot_is_of_no_use() -> None:
    """FAULTY, and nothing emitted."""
    book, events = BookSync(), list[Event]()
    book.delta(delta(90, 95), events)
    use, why = book.snapshot(snapshot(bids=((12, 1),), asks=((11, 1),)), events)
    assert (use, "crossed" in why, events) == (SnapshotUse.FAULTY, True, [])


def test_a_hole_in_what_is_kept_begins_behind_it() -> None:
    """A snapshot from before the hole is stale."""
    book, events = BookSync(), list[Event]()
    book.delta(delta(90, 95), events)
    book.delta(delta(105, 106), events)
    assert book.snapshot(snapshot(), events)[0] is SnapshotUse.STALE


def test_what_is_kept_is_bounded() -> None:
    """A snapshot that never comes does not fill the memory."""
    book = BookSync()
    book.is_awaited = True
    for number in range(BUFFER_MAX + 10):
        book.delta(delta(number, number), [])
    assert len(book._buffer) <= BUFFER_MAX


def test_while_no_snapshot_was_asked_for_little_is_kept() -> None:
    """A thousand books that wait for their turn must not fill the memory; what is kept continues without a hole."""
    book, events = BookSync(), list[Event]()
    for number in range(1, L + 1):
        book.delta(delta(number, number), events)
    assert len(book._buffer) == IDLE_BUFFER_MAX
    assert book.snapshot(snapshot(L - IDLE_BUFFER_MAX), events)[0] is SnapshotUse.INSTALLED
    book.invalidate()
    book.is_awaited = True
    for number in range(1, L + 1):
        book.delta(delta(number, number), events)
    assert len(book._buffer) == L


def test_a_late_or_doubled_diff_leaves_what_is_kept_alone() -> None:
    """Two connections bring the same; a hole on the new one does not end what the old one keeps."""
    book, events = BookSync(), list[Event]()
    for first, last, is_early in (
        (95, 97, False),
        (96, 97, True),
        (98, 99, True),
        (105, 106, True),
        (90, 95, False),
    ):
        assert book.delta(delta(first, last), events, is_early) == ""
    assert [one.last_update_id for one in book._buffer] == [97, 99]
    assert book.snapshot(snapshot(98), events)[0] is SnapshotUse.INSTALLED


def test_what_is_ahead_follows_in_its_turn() -> None:
    """Of a connection that is about to take over: kept until nothing is missing before it, and never a gap."""
    book, events = live(), list[Event]()
    assert book.delta(delta(103, 104, bids=((11, 1),)), events, True) == ""
    assert book.delta(delta(105, 105), events, True) == ""
    assert (events, book.is_joined) == ([], False)
    assert book.delta(delta(101, 102), events) == ""
    assert [one.last_update_id for one in events if isinstance(one, BookDelta)] == [102, 104, 105]
    assert book.is_joined
    assert book.delta(delta(110, 110), events, True) == ""
    book.disown()
    assert book.is_joined


def test_what_is_ahead_may_be_wrong_as_well() -> None:
    """A crossed book is one, whichever connection brought it."""
    book, events = live(), list[Event]()
    book.delta(delta(102, 102, bids=((12, 1),)), events, True)
    assert "crossed" in book.delta(delta(101, 101), events)
    assert book.state is BookState.BUFFERING


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.lists(st.tuples(st.integers(1, 9), st.integers(0, 2)), max_size=4),
            st.lists(st.tuples(st.integers(20, 29), st.integers(0, 2)), max_size=4),
        ),
        max_size=40,
    )
)
def test_the_prices_are_those_of_a_plain_book(changes: list[tuple[bool, Any, Any]]) -> None:
    """Whatever is set, deleted, deleted again or loaded anew, each side holds each price once, best at its end."""
    book, bids, asks = BookSync(), dict[int, int](), dict[int, int]()
    for last, (is_whole, bid_levels, ask_levels) in enumerate(changes, 1):
        if is_whole or last == 1:
            bids, asks = {p: q for p, q in bid_levels if q}, {p: q for p, q in ask_levels if q}
            book.invalidate()
            book.snapshot(snapshot(last, tuple(bids.items()), tuple(asks.items())), [])
            assert book.settle([])
        else:
            assert book.delta(delta(last, last, tuple(bid_levels), tuple(ask_levels)), []) == ""
            for side, levels in ((bids, bid_levels), (asks, ask_levels)):
                side.update(levels)
        assert list(book._bids.keys) == sorted(price for price, qty in bids.items() if qty)
        assert list(book._asks.keys) == sorted(-price for price, qty in asks.items() if qty)
