"""Values of messages for people and tools."""

from __future__ import annotations

import pytest

from livestack.cli.showing import age, number, plain, utc
from livestack.wire import control_pb2 as wire


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(-1, "-"), (250, "250 ms"), (12_345, "12.3 s"), (300_000, "5 min")]
)
def test_ages_are_short(milliseconds: int, text: str) -> None:
    """One unit."""
    assert text == age(milliseconds)


def test_moments_are_exact() -> None:
    """Two that differ by a nanosecond do not look the same; none is null."""
    assert "1970-01-01T00:00:01.000000002Z" == utc(1_000_000_002)
    assert utc(0) is None


def test_decimals_are_as_they_are() -> None:
    """Without zeros at the end; nothing is a dash."""
    assert ("0.05", "-") == (number("0.0500"), number(""))


def test_a_message_is_an_object_with_every_field() -> None:
    """Also those that were not set, and messages within messages."""
    found = plain(wire.KillReceipt(venues=[wire.VenueAnswer(venue="v", answered_at_ns=1)]))
    assert not found["flat"]
    assert found["gate_closed_at"] is None
    assert "1970-01-01T00:00:00.000000001Z" == found["venues"][0]["answered_at"]
    assert [] == found["venues"][0]["open_orders"]
