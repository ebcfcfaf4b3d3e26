"""What a change of the Configuration does, key by key, for the person who made it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from livestack.core.configuration import split_key
from livestack.core.validation import join_key

MISSING = object()

UNLIMITED = "unlimited"


class Change(NamedTuple):
    """``old``, ``new``: the values; None where there is none. ``note``: what a person should look at."""

    key: str
    old: Any
    new: Any
    note: str = ""

    def __str__(self) -> str:
        sentence = f"{self.key}: {_text(self.old)} -> {_text(self.new)}"
        return f"{sentence}  ({self.note})" if self.note else sentence


def lines(content: Mapping[str, Any], parent: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of everything in ``content``."""
    for name, value in content.items():
        key = join_key(parent, name)
        if isinstance(value, dict) and value:
            yield from lines(value, key)
        else:
            yield key, value


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Every key that is not as it was, in the order of its name; the version itself is none."""
    old, new = dict(lines(before)), dict(lines(after))
    keys = sorted(key for key in old.keys() | new.keys() if key != "version")
    found = []
    for key in keys:
        if old.get(key, MISSING) != new.get(key, MISSING):
            was, is_ = old.get(key), new.get(key)
            found.append(Change(key, was, is_, _note(key, was, is_, new)))
    return found


def _note(key: str, old: Any, new: Any, after: Mapping[str, Any]) -> str:
    """Where it is easy to tell: what is looser now, and what denies everything."""
    parts = split_key(key)
    if parts[0] != "risk":
        return ""
    if new == UNLIMITED:
        return "NO LIMIT"
    if new in (None, {}):
        if parts[1] == "defaults":
            return "removed: every order is denied where nothing narrower says it"
        wider = after.get(join_key("risk.defaults", parts[-1]))
        return f"removed: the wider one holds, {_text(wider)} by default"
    if not parts[-1].startswith(("max_", "price_collar")) and not any(
        one.startswith("max_") for one in parts
    ):
        return ""
    was, is_ = _number(old), _number(new)
    return "looser" if was is not None and is_ is not None and is_ > was else ""


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _text(value: Any) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)
