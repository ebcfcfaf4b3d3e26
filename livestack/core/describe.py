"""Events as plain values, for ``--json``, exports, publications and people. Pure; reads only; any one thread."""

from __future__ import annotations

from typing import Any

import msgspec

from livestack.core.events import Event, Recorded


def describe_event(event: Event | None) -> dict[str, Any] | None:
    """An Event as a JSON object with its type's name and its fields' names."""
    if event is None:
        return None
    return {
        "event": type(event).__name__,
        **{name: _value(getattr(event, name)) for name in event.__struct_fields__},
    }


def describe_record(record: Recorded) -> dict[str, Any]:
    """One position of the Event Stream: envelope and Event in one object."""
    event = describe_event(record.event) or {}
    return {"seq": record.seq, "ts": record.ts, "origin": record.origin.name, **event}


def _value(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        inner = getattr(value, "value", None)
        if inner is not None:
            return str(inner)
        return {name: _value(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    return getattr(value, "name", value)
