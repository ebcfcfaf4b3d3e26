"""Ranges of positions: all of them, in order, of about the same number of rows."""

from __future__ import annotations

from itertools import pairwise

import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st

from livestack.storage import delta_reading
from livestack.storage.delta_reading import RANGE_ROWS, Extent, extents, ranges
from livestack.storage.delta_replaced import REPLACED_NS
from tests.storage.delta_support import (
    SECOND_NS,
    SESSION,
    HandTime,
    Place,
    batch,
    expected,
    fill,
    fills,
    rows_of,
)

files = st.builds(
    lambda first, width, rows: Extent(first, first + width, rows),
    st.integers(1, 10**6),
    st.integers(0, 10**5),
    st.integers(1, 10 * RANGE_ROWS),
)


@given(st.lists(files, max_size=20), st.integers(1, 10**6), st.integers(0, 10**6))
def test_ranges_leave_nothing_out_and_nothing_twice(some: list[Extent], first: int, width: int) -> None:
    """Whatever the files are, they go from one end to the other without a gap."""
    found = list(ranges(some, first, first + width))
    assert first == found[0][0]
    assert first + width == found[-1][1]
    assert all(begin <= end for begin, end in found)
    assert all(one[1] + 1 == other[0] for one, other in pairwise(found))


def test_no_range_where_nothing_is_asked_for() -> None:
    """An empty question has no answer."""
    assert [] == list(ranges([Extent(1, 10, 10)], 5, 4))


def test_a_range_is_about_as_large_as_it_may_be() -> None:
    """Small files are gathered, large ones are parted."""
    small = [Extent(1 + 100 * number, 100 + 100 * number, 100) for number in range(2_000)]
    assert 4 == len(list(ranges(small, 1, 200_000)))
    assert 10 == len(list(ranges([Extent(1, 500_000, 500_000)], 1, 500_000)))


def test_many_rows_in_one_file_and_in_no_order(disk: Place) -> None:
    """After the owner's compaction everything is read as before, in order and in parts."""
    sink = disk.opened()
    records = fills(1, 60_000)
    for first in range(0, 60_000, 20_000):
        sink.write(batch(first + 20_000, fills=records[first : first + 20_000]))
    table = DeltaTable(f"{disk.root}/fills")
    table.optimize.z_order(["fee", "fill_id"])
    assert [Extent(1, 60_000, 60_000)] == extents(DeltaTable(f"{disk.root}/fills"), SESSION)
    sizes = [len(some) for some in sink.read("fills", SESSION, 1, 60_000)]
    assert 60_000 == sum(sizes)
    assert 5_000 >= max(sizes)
    assert expected("fills", records[29_999:30_010]) == rows_of(sink, "fills", SESSION, 30_000, 30_010)
    assert list(range(1, 60_001)) == [row[2] for row in rows_of(sink, "fills")]


def test_a_long_reading_outlives_the_files_that_it_began_with(
    disk: Place, clock: HandTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were replaced and removed while it was at an earlier range."""
    monkeypatch.setattr(delta_reading, "RANGE_ROWS", 6_000)
    sink = disk.opened(clock)
    sink.write(batch(6_000, fills=fills(1, 6_000)))
    clock.advance(30)
    sink.write(batch(6_001, fills=[fill(6_001)]))
    begun = set(disk.live("fills"))
    parts = disk.opened(clock).read("fills", SESSION, 1, 6_001)
    rows = next(parts)
    sink.write(batch(6_002, fills=[fill(6_002)]))
    clock.advance(REPLACED_NS // SECOND_NS)
    sink.write(batch(6_003, fills=[fill(6_003)]))
    assert 1 == len(begun - set(disk.names("fills")))
    rows += [row for some in parts for row in some]
    assert list(range(1, 6_002)) == [row[2] for row in rows]
