"""The canonical encoding: there and back, the same bytes for the same value, and nothing without an order."""

from __future__ import annotations

import enum
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.core.canonical import check_restorable, pack, unpack
from livestack.core.positions import Position
from livestack.core.types import Side


class Thing(msgspec.Struct):
    big: int
    side: Side
    names: list[str]
    levels: dict[int, tuple[int, str]]
    pairs: dict[tuple[str, int], int]
    other: Thing | None = None


@given(st.integers(), st.sampled_from(Side), st.lists(st.text()), st.dictionaries(st.integers(), st.text()))
def test_there_and_back(big: int, side: Side, names: list[str], texts: dict[int, str]) -> None:
    """Integers of any size, enums, nested structs and dicts in their order survive."""
    levels = {key: (key, text) for key, text in texts.items()}
    thing = Thing(big, side, names, levels, {("a", 1): big}, Thing(0, side, [], {}, {}))
    again = unpack(pack(thing), Thing)
    assert (thing, list(thing.levels)) == (again, list(again.levels))


def test_insertion_order_is_part_of_it() -> None:
    """Two dicts that would be iterated differently are different State."""
    assert pack({1: 1, 2: 2}) != pack({2: 2, 1: 1})


@pytest.mark.parametrize("value", [{1, 2}, frozenset(), 1.5, object()])
def test_what_has_no_stable_form_is_refused(value: object) -> None:
    """Sets, floats and objects do not get into State."""
    with pytest.raises(TypeError, match="canonical form"):
        pack([value])


class Mood(enum.Enum):
    GOOD = "good"


class Share(enum.Enum):
    HALF = 0.5


class Key(msgspec.Struct, frozen=True):
    name: str


class Node(msgspec.Struct):
    """Everything that may be in a memory."""

    flag: bool = False
    number: Annotated[int, msgspec.Meta(ge=0)] = 0
    text: str = ""
    raw: bytes = b""
    nothing: None = None
    mood: Mood = Mood.GOOD
    side: Side | None = None
    position: Position | None = None
    rows: list[tuple[int, ...]] = []
    pair: tuple[int, Annotated[list[int], "numbers"] | None] = (0, None)
    by_key: dict[Key, dict[tuple[str, int], list[int]]] = {}
    children: list[Node] = []


def test_a_memory_of_known_types_comes_back() -> None:
    """What is declared restorable is."""
    check_restorable(Node)
    big = 10**30
    one = Node(
        True, big, "x", b"y", None, Mood.GOOD, Side.SELL, Position(qty=big), [(1, big)], (big, [big]),
        {Key("a"): {("b", big): [big]}}, [Node()],
    )  # fmt: skip
    assert one == unpack(pack(one), Node)


@pytest.mark.parametrize(
    ("annotation", "sentence"),
    [
        (dict, "dict cannot be restored"),
        (list, "list cannot be restored"),
        (tuple, "tuple cannot be restored"),
        (Any, "Any cannot be restored"),
        (object, "object cannot be restored"),
        (float, "float cannot be restored"),
        (set[int], "cannot be restored"),
        (int | str, "only X | None"),
        (int | str | None, "only X | None"),
        (list[dict], "dict cannot be restored"),
        (dict[str, list], "list cannot be restored"),
        (dict[list[int], int], "cannot be the key"),
        (dict[Thing, int], "cannot be the key"),
        (tuple[int, list], "list cannot be restored"),
        (Annotated[dict, "rows"], "dict cannot be restored"),
        (Annotated[list, "rows"] | None, "list cannot be restored"),
        (list[Annotated[int | str, "mixed"]], "only X | None"),
        (Share, "Share cannot be restored"),
    ],
)
def test_a_memory_that_would_not_come_back_is_refused(annotation: Any, sentence: str) -> None:
    """At any depth; the sentence names the field and says what would be right."""
    inner = msgspec.defstruct("Inner", [("field", annotation)])
    outer = msgspec.defstruct("Outer", [("number", int), ("inner", list[inner])])
    with pytest.raises(TypeError, match=r"Outer\.inner\.field: ") as caught:
        check_restorable(outer)
    assert sentence in str(caught.value)


def test_a_memory_is_a_struct() -> None:
    """Anything else has no fields to tell what they hold."""
    with pytest.raises(TypeError, match=r"a memory is a msgspec\.Struct"):
        check_restorable(dict)
