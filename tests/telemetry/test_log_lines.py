"""One line of the log: whatever is put into it, it is one line, valid, bounded, and without a secret."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.secret import Secret
from livestack.telemetry.log_lines import ITEMS_MAX, TEXT_MAX, Line, console_lines, json_lines, plain

WALL_NS = 1_790_000_000_123_456_789


class Nasty:
    """Everything about it raises."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__


class Colour(Enum):
    RED = "red"


class Holder(msgspec.Struct):
    secret: Secret


def line(**fields: Any) -> Line:
    return Line(WALL_NS, "warning", "feed", "e", plain({"event": "e", **fields}), {"node": "n"})


def as_json(**fields: Any) -> dict[str, Any]:
    data = json_lines()(line(**fields))
    assert 1 == data.count(b"\n")
    found: dict[str, Any] = json.loads(data)
    return found


def as_text(**fields: Any) -> str:
    return console_lines(colours=False)(line(**fields)).decode()


def test_what_is_in_a_line() -> None:
    """Time in UTC with microseconds, level, logger, event, what the process is, then the caller's own."""
    found = as_json(venue="v", gap=3)
    names = ["timestamp", "level", "logger", "event", "node", "venue", "gap"]
    assert names == list(found)
    assert ["2026-09-21T14:13:20.123456Z", "warning", "feed", "e", "n", "v", 3] == list(found.values())
    text = as_text(venue="v", gap=3)
    assert f"2026-09-21T14:13:20.123456Z [warning  ] {'e':<30} [feed] node=n venue=v gap=3\n" == text


def test_names_of_our_own_are_not_taken() -> None:
    """A caller's ``level`` does not change the line's."""
    found = as_json(level="x", logger="y", timestamp="z")
    assert ("warning", "feed", "x", "y", "z") == tuple(
        found[name] for name in ("level", "logger", "level_", "logger_", "timestamp_")
    )


@pytest.mark.parametrize(
    "value",
    [
        Secret("canary"),
        [Secret("canary")],
        {"a": {"b": (1, Secret("canary"))}},
        {Secret("canary"): 1},
        Holder(Secret("canary")),
        [[[[[[[[Secret("canary")]]]]]]]],
        ValueError("refused", Secret("canary")),
        {Secret("canary")},
    ],
    ids=range(8),
)
def test_a_secret_is_stars(value: Any) -> None:
    """Wherever it is: by itself, in a list, a mapping, a struct, an exception."""
    for text in (json.dumps(as_json(value=value)), as_text(value=value)):
        assert "********" in text
        assert "canary" not in text


def test_what_cannot_be_told_fails_nobody() -> None:
    """An object whose text raises, numbers beyond all bounds, text that is no Unicode, a list that holds itself."""
    endless: list[Any] = []
    endless.append(endless)
    values = {"a": Nasty(), "b": [Nasty()], "c": 1 << 20_000, "d": "\ud800", "e": float("nan"), "f": endless}
    found = as_json(**values)
    assert "<Nasty without a text>" == found["a"] == found["b"][0]
    assert found["c"].startswith("0x1000")
    assert "\\ud800" == found["d"]
    assert 1 == as_text(**values).count("\n")


def test_values_are_bounded() -> None:
    """What is longer is cut, and says so."""
    found = as_json(text="x" * (TEXT_MAX + 5), items=list(range(ITEMS_MAX + 2)), raw=b"y" * 9_999)
    assert found["text"].endswith("x... (5 more)")
    assert [*range(ITEMS_MAX), "... (2 more)"] == found["items"]
    assert len(found["raw"]) < TEXT_MAX + 100


def test_plain_values() -> None:
    """Paths, enumerations, exceptions, bytes, sets: as their text."""
    found = as_json(a=Path("/x"), b=Colour.RED, c=KeyError("k"), d=b"\x00", e=frozenset({1}), f=None, g=True)
    assert ["/x", "red", "KeyError: 'k'", "b'\\x00'", [1], None, True] == [found[name] for name in "abcdefg"]


def test_what_is_changed_afterwards_is_told_as_it_was() -> None:
    """The writer comes later: it never sees an object of the caller's."""
    orders = [1, 2]
    said = line(orders=orders)
    orders.append(3)
    assert [1, 2] == json.loads(json_lines()(said))["orders"]


FORGED = "x\n2026-01-01T00:00:00.000000Z [error    ] \x1b[2Jforged\r\x9b31m\u202e\u2028 \x07"


def test_nobody_forges_a_line_or_steers_a_terminal() -> None:
    """Line ends, escapes, C1 controls and what turns text around are told by name, in value, name, event and logger."""
    said = Line(
        0, "info", FORGED, FORGED, plain({"event": FORGED, "text": FORGED, FORGED: FORGED}), {"node": FORGED}
    )
    for data in (console_lines(colours=False)(said), json_lines()(said)):
        text = data.decode()
        assert text.endswith("\n")
        assert text[:-1].isprintable()
    assert FORGED == json.loads(json_lines()(said))["text"]


def test_a_traceback_is_indented_on_a_console() -> None:
    """Its lines cannot be taken for lines of the log; in JSON it is a field. No variable of any frame is shown."""
    try:
        canary = "of-a-variable"
        raise ValueError("first\nsecond\x1b[2J")
    except ValueError as failure:
        error = failure
    del canary
    text = as_text(exc_info=error)
    assert text.endswith("    ValueError: first\n    second\\x1b[2J\n")
    assert all(one.startswith("    ") for one in text.splitlines()[1:])
    assert "of-a-variable" not in text.replace('canary = "of-a-variable"', "")
    assert "ValueError: first\nsecond" in as_json(exc_info=error)["exception"]


def test_a_terminal_has_colours_and_a_cleared_line() -> None:
    """Something may be drawn in the line where the cursor is."""
    text = console_lines(colours=True)(line(gap=3)).decode()
    assert text.startswith("\r\x1b[2K")
    assert "\x1b[33m" in text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.builds(Nasty),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8).filter(lambda name: name != "exc_info"), VALUES, max_size=5))
def test_always_one_valid_line(fields: dict[str, Any]) -> None:
    """Whatever is logged: one line, which JSON's reader takes, and one line that a terminal only prints."""
    said = Line(WALL_NS, "info", "l", "e", plain({"event": "e", **fields}), {})
    data = json_lines()(said).decode()
    assert "info" == json.loads(data)["level"]
    assert data[:-1].isprintable()
    text = console_lines(colours=False)(said).decode()
    assert text.replace("\n    ", "")[:-1].isprintable() if "exception" in fields else text[:-1].isprintable()
