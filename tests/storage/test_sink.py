"""What all sinks share: how far a table is, and the one form of a decimal."""

from __future__ import annotations

import pytest

from livestack.storage.sink import Batch, Position, plain_decimal
from livestack.wire import records_pb2 as wire


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("50000.10", "50000.1"),
        ("50000.00", "50000"),
        ("50000", "50000"),
        ("100", "100"),
        ("-0.00", "0"),
        ("0.0", "0"),
        ("-1.50", "-1.5"),
        ("0", "0"),
    ],
)
def test_decimals_of_one_value_are_one_text(text: str, plain: str) -> None:
    """Zeros behind the point say nothing; those before it do."""
    assert plain == plain_decimal(text)


def test_position_of_a_table() -> None:
    """What all have counts for each, and no table is behind it."""
    position = Position(10, {"fills": 15, "orders": 5})
    assert (15, 10, 10) == (position.of("fills"), position.of("orders"), position.of("balances"))


def test_records_of_a_batch() -> None:
    """Those of all tables."""
    assert 3 == Batch("s", {"fills": [wire.FillRecord()] * 2, "orders": [wire.OrderRecord()]}, 9, 9).count
