"""Times in microseconds: every field that is one, and no other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from livestack.simulator.binance_spot.errors import VenueError
from livestack.simulator.binance_spot.time_unit import (
    answer_in_microseconds,
    stream_in_microseconds,
    wants_microseconds,
)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [(None, False), ("MILLISECOND", False), ("MICROSECOND", True), ("microsecond", True)],
)
def test_units(unit: str | None, expected: bool) -> None:
    """Either case; none is milliseconds."""
    assert expected is wants_microseconds(unit)


def test_another_unit_is_refused() -> None:
    """-1194."""
    with pytest.raises(VenueError) as caught:
        wants_microseconds("NANOSECOND")
    assert -1194 == caught.value.code


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"serverTime": 5, "id": 5}, {"serverTime": 5000, "id": 5}),
        ({"workingTime": -1, "timeInForce": "GTC"}, {"workingTime": -1, "timeInForce": "GTC"}),
        (
            {"a": {"transactTime": 1}, "b": [{"time": 2}]},
            {"a": {"transactTime": 1000}, "b": [{"time": 2000}]},
        ),
        (
            [[1, "1", "1", "1", "1", "1", 2, "1", 3, "1", "1", "0"]],
            [[1000, "1", "1", "1", "1", "1", 2000, "1", 3, "1", "1", "0"]],
        ),
        ({"T": 1, "a": 2, "f": 3}, {"T": 1000, "a": 2, "f": 3}),
    ],
)
def test_answers(answer: Any, expected: Any) -> None:
    """Names that are times, at any depth; candles by their places; a time that is not set stays so."""
    assert expected == answer_in_microseconds(answer)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"e": "trade", "E": 1, "T": 2, "t": 3}, {"e": "trade", "E": 1000, "T": 2000, "t": 3}),
        (
            {"e": "kline", "E": 1, "k": {"t": 1, "T": 2, "f": 3, "L": 4}},
            {"e": "kline", "E": 1000, "k": {"t": 1000, "T": 2000, "f": 3, "L": 4}},
        ),
        (
            [{"e": "24hrTicker", "E": 1, "O": 2, "C": 3, "F": 4}],
            [{"e": "24hrTicker", "E": 1000, "O": 2000, "C": 3000, "F": 4}],
        ),
        ({"e": "referencePrice", "r": None, "t": 7}, {"e": "referencePrice", "r": None, "t": 7000}),
        ({"u": 1, "s": "BTCUSDT"}, {"u": 1, "s": "BTCUSDT"}),
    ],
)
def test_streams(message: Any, expected: Any) -> None:
    """The same letter is a time in one kind of message and an id in another."""
    assert expected == json.loads(stream_in_microseconds(json.dumps(message)))
