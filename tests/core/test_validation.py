"""Plain data into typed structs: what is accepted, and that every fault is told with what would be right."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest

from livestack.core.types import TradingState
from livestack.core.validation import (
    Decimal,
    Duration,
    Faults,
    Unlimited,
    convert,
    describe,
    encodable,
    is_encodable,
    join_key,
    parse_duration,
    to_plain,
)


class Inner(msgspec.Struct, frozen=True, kw_only=True):
    size: Annotated[int, msgspec.Meta(ge=1, le=5)]
    limit: Decimal | Unlimited | None = None
    wait: Duration = 5

    def __post_init__(self) -> None:
        if self.wait == 13:
            raise ValueError("wait must not be 13ns")


class Outer(msgspec.Struct, frozen=True, kw_only=True):
    inner: Inner
    state: TradingState = TradingState.ACTIVE
    tables: dict[str, Inner] = {}
    names: tuple[str, ...] = ()
    flag: bool = False
    count: Annotated[int, msgspec.Meta(ge=1)] | Unlimited = 1
    free: dict[str, object] = {}


def faults_of(data: object) -> Faults:
    faults: Faults = []
    assert convert(data, Outer, "", faults) is None
    return faults


def test_good_data_becomes_the_struct() -> None:
    """Durations become nanoseconds, enums members, decimals stay text."""
    data = {
        "inner": {"size": 3, "limit": "0.50", "wait": "250ms"},
        "state": "halted",
        "tables": {"v:S": {"size": 1, "limit": "unlimited"}},
        "names": ["a"],
        "count": "unlimited",
        "free": {"anything": [1, {"x": "y"}]},
    }
    faults: Faults = []
    made = convert(data, Outer, "", faults)
    assert ([], Inner(size=3, limit="0.50", wait=250_000_000)) == (faults, made and made.inner)
    assert made is not None
    assert (TradingState.HALTED, ("a",), "unlimited") == (made.state, made.names, made.count)


def test_every_fault_is_told_at_once() -> None:
    """Each fault has its dotted key and what would be right; keys with other characters are quoted."""
    data = {
        "inner": {"size": 9, "limit": 0.5, "wait": "3x", "sise": 1},
        "state": "x",
        "tables": {"v:S": {}, "y": 3},
        "names": ["a", 3],
        "flag": 1,
        "count": 0,
    }
    assert [
        "inner.size",
        "inner.limit",
        "inner.wait",
        "inner.sise",
        "state",
        'tables."v:S".size',
        "tables.y",
        "names[1]",
        "flag",
        "count",
    ] == [key for key, _ in faults_of(data)]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"size": 9}, "must be an integer from 1 to 5, not 9"),
        ({"size": 1, "sise": 1}, "is not a known key; did you mean size?"),
        ({}, "is missing; it must be an integer from 1 to 5"),
        ({"size": True}, "must be an integer from 1 to 5, not true"),
        ({"size": 1, "wait": "3x"}, 'must be a duration such as "250ms", "30s", "5m" or "2h", not "3x"'),
        ({"size": 1, "wait": "13ns"}, "wait must not be 13ns"),
    ],
)
def test_the_sentence_says_what_would_be_right(data: dict[str, Any], sentence: str) -> None:
    """The sentence names type, range or allowed values, and what was found."""
    assert sentence == faults_of({"inner": data})[0][1]


def test_a_float_is_refused() -> None:
    """What looks like a float belongs in quotes."""
    assert "without quotes" in faults_of({"inner": {"size": 1, "limit": 0.5}})[0][1]


@pytest.mark.parametrize(
    ("text", "value"), [("1ns", 1), ("2us", 2_000), ("2h", 7_200_000_000_000), ("0s", 0)]
)
def test_durations(text: str, value: int) -> None:
    """Units from nanoseconds to days."""
    assert value == parse_duration(text)


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1.5s", "1 s", "999999999999d"])
def test_what_is_no_duration(text: str) -> None:
    """Everything else is refused, overlong ones too."""
    with pytest.raises(ValueError, match=r"duration|long"):
        parse_duration(text)


def test_plain_data_converts_back() -> None:
    """``to_plain`` is the inverse of ``convert``."""
    data = {
        "inner": {"size": 3, "limit": "0.5", "wait": "5m"},
        "tables": {"v:S": {"size": 1}},
        "names": ["a"],
    }
    faults: Faults = []
    made = convert(data, Outer, "", faults)
    assert made == convert(to_plain(made, Outer), Outer, "", faults)
    assert [] == faults


def test_keys_and_descriptions() -> None:
    """Keys are quoted where TOML asks for it; alternatives read as a sentence."""
    assert 'risk."v:S"' == join_key("risk", "v:S")
    assert '"active", "reducing" or "halted"' == describe(TradingState)
    assert "a list of text in quotes" == describe(tuple[str, ...])


@pytest.mark.parametrize(
    ("text", "written"), [("\ud800x", "\\ud800x"), ("\U0001f600", "\U0001f600"), ("", "")]
)
def test_text_from_outside_can_be_made_encodable(text: str, written: str) -> None:
    """A lone surrogate is written out, everything else stays as it is."""
    assert (written, written == text) == (encodable(text), is_encodable(text))


def test_tables_come_out_in_the_order_of_their_keys() -> None:
    """Faults are told in the order of the data."""
    faults: Faults = []
    assert ["a", "b"] == list(convert({"b": 1, "a": 2}, dict[str, int], "", faults) or {})
    convert({"b": "x", "a": "x"}, dict[str, int], "t", faults)
    assert ["t.b", "t.a"] == [key for key, _ in faults]


def test_a_sentence_about_a_surrogate_can_be_encoded() -> None:
    """What was written is shown with the surrogate as an escape."""
    faults: Faults = []
    convert("\ud800", int, "x", faults)
    assert [("x", 'must be an integer, not "\\ud800"')] == faults
