"""Answers and stream messages with their times in microseconds, for clients that ask for it (venues.md 1.2, 1.4).

Pure. Any thread. The venue's shapes are made in milliseconds; which of their fields are times is known here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from livestack.simulator.binance_spot.errors import VenueError

_ANSWER_TIMES = frozenset(
    {
        "serverTime",
        "time",
        "updateTime",
        "workingTime",
        "transactTime",
        "transactionTime",
        "openTime",
        "closeTime",
        "T",
        "authorizedSince",
        "connectedSince",
        "trailingTime",
    }
)
_ROW_TIMES = (0, 6)  # of a candle's array
_STREAM_TIMES = frozenset("ET")
_TICKER_TIMES = frozenset("EOC")
_CANDLE_TIMES = frozenset("tT")
MICROSECOND, MILLISECOND = "MICROSECOND", "MILLISECOND"


def wants_microseconds(unit: str | None) -> bool:
    """What ``X-MBX-TIME-UNIT`` or ``timeUnit`` says; the venue's complaint where that is no unit."""
    name = (unit or MILLISECOND).upper()
    if name not in (MICROSECOND, MILLISECOND):
        text = "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."
        raise VenueError(400, -1194, text)
    return name == MICROSECOND


def answer_in_microseconds(result: Any) -> Any:
    """An operation's result; a time that is not set (-1) stays that."""
    if isinstance(result, dict):
        return {
            name: value * 1000
            if name in _ANSWER_TIMES and type(value) is int and value > 0
            else answer_in_microseconds(value)
            for name, value in result.items()
        }
    if isinstance(result, list):
        if len(result) == 12 and type(result[0]) is int:
            return [value * 1000 if index in _ROW_TIMES else value for index, value in enumerate(result)]
        return [answer_in_microseconds(value) for value in result]
    return result


def stream_in_microseconds(data: str) -> str:
    """A market stream's message."""
    message = msgspec.json.decode(data)
    events = message if isinstance(message, list) else [message]
    for event in events:
        kind = event.get("e", "")
        _multiply(event, _TICKER_TIMES if kind.endswith("Ticker") else _STREAM_TIMES)
        if kind == "kline":
            _multiply(event["k"], _CANDLE_TIMES)
        elif kind == "referencePrice":
            _multiply(event, _CANDLE_TIMES)
    return msgspec.json.encode(message).decode()


def _multiply(event: dict[str, Any], names: frozenset[str]) -> None:
    for name in names:
        if type(event.get(name)) is int:
            event[name] *= 1000
