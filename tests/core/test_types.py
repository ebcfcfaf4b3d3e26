"""The vocabulary: amounts of any size, client ids, decimals at the edges."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.core.types import (
    CLIENT_ID_MAX_LENGTH,
    ORDER_ID_MAX,
    REVISION_MAX,
    Amount,
    ClientId,
    decode_base62,
    encode_base62,
    format_decimal,
    make_epoch,
    parse_client_id,
    parse_decimal,
)


@given(st.integers(-(2**125), 2**125))
def test_amounts_survive_messagepack(value: int) -> None:
    """Two words hold what passes 64 bits, sign included."""
    amount = msgspec.msgpack.decode(msgspec.msgpack.encode(Amount.of(value)), type=Amount)
    assert value == amount.value


@given(
    st.integers(0, 2**40), st.integers(0, 2**62), st.integers(0, ORDER_ID_MAX), st.integers(0, REVISION_MAX)
)
def test_client_ids_come_apart_as_they_were_made(
    wall_s: int, random: int, order_id: int, revision: int
) -> None:
    """At most 18 characters that every venue allows."""
    made = ClientId(make_epoch(wall_s, random), order_id, revision)
    assert made == parse_client_id(str(made))
    assert CLIENT_ID_MAX_LENGTH >= len(str(made))


@pytest.mark.parametrize(
    "text", ["", "web_1", "AAAAAAAAA-1", "AAAAAAAAA-1-1-1", "AAAAAAAAA-!-1", "AAAAAAAA-1-1"]
)
def test_foreign_ids_are_none(text: str) -> None:
    """What is not of our pattern is not ours."""
    assert parse_client_id(text) is None


@given(st.integers(0, 2**70))
def test_base62(value: int) -> None:
    """There and back."""
    assert value == decode_base62(encode_base62(value))


@given(st.integers(-(10**20), 10**20), st.integers(0, 18))
def test_decimals_there_and_back(value: int, decimals: int) -> None:
    """Printing and parsing in the same scale is exact."""
    assert value == parse_decimal(format_decimal(value, decimals), decimals)


@pytest.mark.parametrize("text", ["1.001", "", "-", "1e5", "+1", " 1", "1.", ".", "nan", "1_0", "٣"])
def test_what_does_not_fit_is_an_error(text: str) -> None:
    """Never a silent rounding; a number is digits and a point."""
    if text == "1.":
        assert 100 == parse_decimal(text, 2)
        return
    with pytest.raises(ValueError, match="decimal"):
        parse_decimal(text, 2)
