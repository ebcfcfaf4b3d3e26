"""Events for the journal's properties: any value of any Event type, built from the struct's own type hints."""

from __future__ import annotations

import enum
import types
import typing
from typing import Any

import msgspec
from hypothesis import strategies as st

from livestack.core.events import (
    CONTROL_EVENTS,
    DERIVED_EVENTS,
    EXECUTION_EVENTS,
    MARKET_EVENTS,
    Event,
    Recorded,
)
from livestack.core.types import Amount, Origin

ALL_EVENTS = (*MARKET_EVENTS, *EXECUTION_EVENTS, *CONTROL_EVENTS, *DERIVED_EVENTS)
WORD = st.integers(-(2**63), 2**63 - 1)


def of(type_: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type."""
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if type_ is Amount:
        return st.integers(-(10**30), 10**30).map(Amount.of)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([of(member) for member in arguments])
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return st.lists(of(arguments[0]), max_size=3).map(tuple)
        return st.tuples(*map(of, arguments))
    if isinstance(type_, type) and issubclass(type_, enum.Enum):
        return st.sampled_from(type_)
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return struct(type_)
    return {bool: st.booleans(), int: WORD, str: st.text(max_size=8)}[type_]


def struct(type_: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Values of a struct."""
    fields = msgspec.structs.fields(type_)
    return st.fixed_dictionaries({field.name: of(field.type) for field in fields}).map(
        lambda values: type_(**values)
    )


def event() -> st.SearchStrategy[Event]:
    """Any Event."""
    return st.one_of([struct(type_) for type_ in ALL_EVENTS])


def records(events: list[Event], first: int = 1) -> list[Recorded]:
    """Events at consecutive positions."""
    return [Recorded(first + index, index, Origin.INPUT, event) for index, event in enumerate(events)]
