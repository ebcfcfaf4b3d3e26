"""The book procedure step by step (venues.md 1.3): every row of the table at the head of the module."""

from __future__ import annotations

import pytest

from livestack.core.events import BookDelta, BookSnapshot, Event, Levels
from livestack.venues.binance_spot.book_sync import BUFFER_MAX, BookState, BookSync, SnapshotUse

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
    for number in range(BUFFER_MAX + 10):
        book.delta(delta(number, number), [])
    assert len(book._buffer) <= BUFFER_MAX
