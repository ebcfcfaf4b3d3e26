"""The canonical encoding: there and back, the same bytes for the same value, and nothing without an order."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.core.canonical import pack, unpack
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
