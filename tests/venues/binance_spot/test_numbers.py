"""Decimal strings to integers: exact, or an error."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.core.types import format_decimal
from livestack.venues.binance_spot.numbers import (
    INT64_MAX,
    REMEMBERED_MAX,
    DecimalReader,
    ceil_decimal,
    floor_decimal,
    percent_encoded,
    read_amount,
    significant_decimals,
)


@given(value=st.integers(0, INT64_MAX), decimals=st.integers(0, 18))
def test_what_is_printed_is_read_back(value: int, decimals: int) -> None:
    """Any value in any scale, with and without the venue's trailing zeros."""
    text = format_decimal(value, decimals)
    padded = text + "0" * (8 - decimals) if 0 < decimals < 8 else text
    reader = DecimalReader(decimals)
    assert (reader[text], reader[padded], reader[text]) == (value, value, value)


@given(text=st.one_of(st.text(max_size=24), st.from_regex(r"[-+]?[0-9_.eE ]{0,24}", fullmatch=True)))
def test_a_text_is_read_exactly_or_refused(text: str) -> None:
    """Whatever the text: the number that Decimal reads, in the scale, or ValueError."""
    try:
        value = DecimalReader(8)[text]
    except ValueError:
        return
    assert Decimal(value).scaleb(-8) == Decimal(text)
    assert 0 <= value <= INT64_MAX


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "-1",
        "-0.00000000",
        "+1",
        "1_0",
        "1e2",
        " 1",
        "٣",
        "0x1",
        "1.123456789",
        "9" * 20,
        "9" * 5_000,
        ".5",
    ],
)
def test_what_is_no_number_of_ours(text: str) -> None:
    """Signs, exponents, blanks, other scripts, too many decimals, too large: ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - the sentences differ
        DecimalReader(8)[text]


def test_a_reader_does_not_grow_without_end() -> None:
    """It forgets at its limit and goes on reading."""
    reader = DecimalReader(0)
    for value in range(REMEMBERED_MAX + 10):
        assert reader[str(value)] == value
    assert len(reader) <= REMEMBERED_MAX


@pytest.mark.parametrize(
    ("text", "value", "decimals"),
    [("0.00000001", 1, 8), ("1", 10**8, 8), ("0.0000000001", 1, 10), ("-2.5", -250_000_000, 8)],
)
def test_amounts_keep_every_digit(text: str, value: int, decimals: int) -> None:
    """Eight decimals, more where they are needed; a rebate is negative."""
    amount, found = read_amount(text)
    assert (amount.value, found) == (value, decimals)


def test_limits_are_rounded_to_the_safe_side() -> None:
    """An upper limit down, a lower one up."""
    assert (floor_decimal("117.17382979", 5), ceil_decimal("0.000011", 5)) == (11717382, 2)
    assert (floor_decimal("5", 0), ceil_decimal("5.00", 0)) == (5, 5)


def test_small_things() -> None:
    """Trailing zeros are no decimals; a symbol need not be ASCII."""
    assert significant_decimals("0.00100000") == 3
    assert percent_encoded("BTC测") == "BTC%E6%B5%8B"
