"""Records as rows: exact numbers, days and moments in UTC, and what can be no row."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.storage.delta_rows import SCHEMAS, encode
from livestack.storage.tables import TABLES
from tests.storage.delta_support import fill

FILLS = TABLES["fills"]


@given(
    st.decimals(
        min_value=-(10**20) + 1, max_value=10**20 - 1, places=18, allow_nan=False, allow_infinity=False
    )
)
def test_every_number_of_38_digits_is_kept_exactly(number: Decimal) -> None:
    """20 digits before the point, 18 behind it, with any zeros."""
    rows = encode(FILLS, [fill(1, price=f"{number:f}")]).rows
    assert number == rows["price"][0].as_py()


@pytest.mark.parametrize(
    "text",
    ["0.0000000000000000001", "100000000000000000000", "", "abc", "NaN", "Infinity", " 1", "1_0", "\u0661"],
)
def test_what_is_no_such_number_is_refused_as_a_whole(text: str) -> None:
    """The record goes, with column and text in the error; its neighbours stay."""
    found = encode(FILLS, [fill(1), fill(2, 7, price=text), fill(3)])
    assert [1, 3] == found.rows["seq"].to_pylist()
    assert [("fills", 2, 7)] == [(one.table, one.seq, one.ordinal) for one in found.refusals]
    assert f"price = {text!r} is not a number" in found.refusals[0].error
    letter = found.dead_letters[0]
    assert text == json.loads(letter.record).get("price", "")  # type: ignore[attr-defined]
    assert 2 == letter.trace.seq  # type: ignore[attr-defined]


def test_a_batch_of_nothing_but_bad_rows() -> None:
    """Leaves no rows, in the right schema."""
    found = encode(FILLS, [fill(1, price="x")])
    assert 0 == found.rows.num_rows
    assert SCHEMAS["fills"] == found.rows.schema


@pytest.mark.parametrize(
    ("ts", "date", "microsecond"),
    [
        (0, datetime.date(1970, 1, 1), 0),
        (-1, datetime.date(1969, 12, 31), 999_999),
        (86_400 * 10**9 - 1, datetime.date(1970, 1, 1), 999_999),
        (86_400 * 10**9, datetime.date(1970, 1, 2), 0),
        (2**63 - 1, datetime.date(2262, 4, 11), 854_775),
        (-(2**63), datetime.date(1677, 9, 21), 145_224),
    ],
)
def test_day_and_moment_are_in_utc(ts: int, date: datetime.date, microsecond: int) -> None:
    """Towards the past, at the edges of what a position in time can be too."""
    rows = encode(FILLS, [fill(1, ts=ts)]).rows
    assert date == rows["date"][0].as_py()
    assert ts // 1_000 == rows["time"].cast(pa.int64())[0].as_py()
    assert microsecond == rows["time"][0].as_py().microsecond
    assert ts == rows["ts"][0].as_py()
