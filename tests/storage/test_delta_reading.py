"""Ranges of positions: all of them, in order, of about the same number of rows."""

from __future__ import annotations

from itertools import pairwise

from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st

from livestack.storage.delta_reading import RANGE_ROWS, Extent, extents, ranges
from tests.storage.delta_support import SESSION, Place, batch, expected, fills, rows_of

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
