"""From plain TOML (or JSON) data to typed structs, with every fault at once. Pure; imports only msgspec.

A schema is a ``msgspec.Struct``. :func:`convert` walks it over ``dict``/``list``/scalar data and gathers each fault
as ``(dotted key, sentence)``, where the sentence says what would be right. Field types it knows: nested structs,
``dict[str, X]``, ``list[X]``, ``tuple[X, ...]``, ``bool``, ``int``, ``str``, enums (by lower-case name),
``Literal``, unions, ``object`` (kept as it is), ``Annotated`` with ``msgspec.Meta`` bounds, :data:`Duration` and
:data:`Decimal`. There is no float: what looks like one belongs in quotes. Every table comes out as a :class:`Table`:
in the order of its keys, and closed. Any thread.
"""

from __future__ import annotations

import difflib
import enum
import re
import types
from typing import Annotated, Any, Literal, NoReturn, TypeVar, Union, cast, get_args, get_origin

import msgspec

Faults = list[tuple[str, str]]
"""``(dotted key, sentence)`` in the order of the data."""

T = TypeVar("T")

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DURATION = re.compile(r"(\d{1,12})(ns|us|ms|s|m|h|d)")
_DECIMAL = re.compile(r"-?\d{1,38}(\.\d{1,18})?")
_UNIT_NS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_DURATION_NS_MAX = 2**62  # 146 years; sums of two stay within 64 bits


class _Text(msgspec.Struct, frozen=True):
    """Marks a field that is written as text of a form of its own."""

    form: Literal["duration", "decimal"]


Duration = Annotated[int, _Text("duration")]
"""Nanoseconds, written as text: ``"250ms"``, ``"30s"``, ``"5m"``, ``"2h"``."""

Decimal = Annotated[str, _Text("decimal")]
"""A decimal number kept as text until the instrument's scale is known: ``"0.05"``."""

Unlimited = Literal["unlimited"]
"""The word that must be written where no limit is wanted."""

KNOWN_SHOWN = 30
"""Names that a sentence lists at most: as many as the keys of the largest table."""


class Table(dict[str, Any]):
    """A dict that is never written again, so that it may be handed to anyone; ``dict(...)`` copies it."""

    def _closed(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a table of the configuration cannot be written")

    __setitem__ = __delitem__ = __ior__ = _closed
    clear = pop = popitem = setdefault = update = _closed

    def __reduce__(self) -> tuple[type[Table], tuple[dict[str, Any]]]:
        return Table, (dict(self),)


def encodable(text: str) -> str:
    """``text`` with what UTF-8 has no bytes for (a lone surrogate) written out as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def is_encodable(text: str) -> bool:
    """Whether UTF-8 has bytes for every character of ``text``."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse_duration(text: str) -> int:
    """``"250ms"`` as nanoseconds; ``ValueError`` where it is not a duration."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration such as 250ms, 30s, 5m or 2h")
    value = int(match[1]) * _UNIT_NS[match[2]]
    if value > _DURATION_NS_MAX:
        raise ValueError(f"{text!r} is too long")
    return value


def join_key(parent: str, name: str) -> str:
    """``parent.name``, with ``name`` in quotes where TOML asks for them."""
    part = name if _BARE_KEY.fullmatch(name) else f'"{name}"'
    return f"{parent}.{part}" if parent else part


def convert(data: object, type_: type[T], key: str, faults: Faults) -> T | None:
    """``data`` as a ``type_``; None where faults were added to ``faults`` (their keys begin with ``key``)."""
    before = len(faults)
    value = _convert(data, type_, key, faults)
    return cast(T, value) if len(faults) == before else None


def to_plain(value: object, type_: Any) -> object:
    """The inverse of :func:`convert`: data that converts back to ``value``. What is None is left out."""
    base, _ = _unwrap(type_)
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        items = {field.encode_name: (getattr(value, field.name), field.type) for field in fields}
        return {
            name: to_plain(item, item_type) for name, (item, item_type) in items.items() if item is not None
        }
    if isinstance(value, enum.Enum):
        return value.name.lower()
    if isinstance(value, dict):
        item_type = next((get_args(one)[1] for one in _members(base) if get_origin(one) is dict), object)
        return {name: to_plain(item, item_type) for name, item in value.items()}
    if isinstance(value, list | tuple):
        item_type = next(
            (get_args(one)[0] for one in _members(base) if get_origin(one) in (list, tuple)), object
        )
        return [to_plain(item, item_type) for item in value]
    if type(value) is int and any(_unwrap(one)[1][:1] == (_Text("duration"),) for one in _members(type_)):
        if value == 0:
            return "0s"
        unit = next(unit for unit in ("h", "m", "s", "ms", "us", "ns") if value % _UNIT_NS[unit] == 0)
        return f"{value // _UNIT_NS[unit]}{unit}"
    return value


def describe(type_: Any) -> str:
    """What may be written for a ``type_``, for the end of a sentence."""
    base, marks = _unwrap(type_)
    for mark in marks:
        if isinstance(mark, _Text):
            return _TEXT_DESCRIPTION[mark.form]
    if get_origin(base) is Literal:
        return _alternatives([_got(value) for value in get_args(base)])
    if _is_union(base):
        return _alternatives([describe(member) for member in get_args(base) if member is not type(None)])
    if isinstance(base, type) and issubclass(base, enum.Enum):
        return _alternatives([f'"{member.name.lower()}"' for member in base])
    if base in _SCALAR_DESCRIPTION:
        return _SCALAR_DESCRIPTION[base] + _bounds(marks)
    if get_origin(base) in (list, tuple):
        return f"a list of {describe(get_args(base)[0])}"
    return "a table"


_TEXT_DESCRIPTION = {
    "duration": 'a duration such as "250ms", "30s", "5m" or "2h"',
    "decimal": 'a decimal number in quotes such as "0.05"',
}
_SCALAR_DESCRIPTION: dict[Any, str] = {bool: "true or false", int: "an integer", str: "text in quotes"}


def _unwrap(type_: Any) -> tuple[Any, tuple[Any, ...]]:
    if get_origin(type_) is Annotated:
        base, *marks = get_args(type_)
        return base, tuple(marks)
    return type_, ()


def _is_union(type_: Any) -> bool:
    return get_origin(type_) in (Union, types.UnionType)


def _members(type_: Any) -> tuple[Any, ...]:
    return get_args(type_) if _is_union(type_) else (type_,)


def _alternatives(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _bounds(marks: tuple[Any, ...]) -> str:
    words: list[str] = []
    for mark in marks:
        if not isinstance(mark, msgspec.Meta):
            continue
        if mark.ge is not None and mark.le is not None:
            words.append(f"from {mark.ge} to {mark.le}")
        elif mark.ge is not None:
            words.append(f"of at least {mark.ge}")
        elif mark.le is not None:
            words.append(f"of at most {mark.le}")
        if mark.gt is not None:
            words.append(f"greater than {mark.gt}")
        if mark.lt is not None:
            words.append(f"less than {mark.lt}")
        if mark.min_length is not None:
            words.append(f"of length at least {mark.min_length}")
        if mark.max_length is not None:
            words.append(f"of length at most {mark.max_length}")
        if mark.pattern is not None:
            words.append(f"matching {mark.pattern}")
    return "".join(f" {word}" for word in words)


def _got(data: object) -> str:
    if isinstance(data, dict):
        return "a table"
    if isinstance(data, list | tuple):
        return "a list"
    if isinstance(data, float):
        return f"{data} without quotes (a float is never exact)"
    if isinstance(data, bool):
        return str(data).lower()
    return f'"{encodable(data)}"' if isinstance(data, str) else str(data)


def _refuse(data: object, type_: Any, key: str, faults: Faults) -> None:
    faults.append((key, f"must be {describe(type_)}, not {_got(data)}"))


def _convert(data: object, type_: Any, key: str, faults: Faults) -> object:
    base, marks = _unwrap(type_)
    if base is object or base is Any:
        return _frozen(data)
    if _is_union(base):
        return _convert_union(data, base, key, faults)
    if isinstance(base, type) and issubclass(base, msgspec.Struct):
        return _convert_struct(data, base, key, faults)
    if get_origin(base) is dict:
        return _convert_table(data, base, key, faults)
    if get_origin(base) in (list, tuple):
        return _convert_list(data, base, key, faults)
    if get_origin(base) is Literal:
        if any(data == value and type(data) is type(value) for value in get_args(base)):
            return data
    elif isinstance(base, type) and issubclass(base, enum.Enum):
        for member in base:
            if data == member.name.lower():
                return member
    elif marks and isinstance(marks[0], _Text):
        return _convert_text(data, marks[0], type_, key, faults)
    elif type(data) is base and _within(data, marks):
        return data
    _refuse(data, type_, key, faults)
    return None


def _within(data: Any, marks: tuple[Any, ...]) -> bool:
    for mark in marks:
        if isinstance(mark, msgspec.Meta):
            try:
                msgspec.convert(data, cast(Any, Annotated[type(data), mark]))
            except msgspec.ValidationError:
                return False
    return True


def _convert_text(data: object, mark: _Text, type_: Any, key: str, faults: Faults) -> object:
    if isinstance(data, str):
        if mark.form == "decimal" and _DECIMAL.fullmatch(data):
            return data
        if mark.form == "duration":
            try:
                return parse_duration(data)
            except ValueError:
                pass
    _refuse(data, type_, key, faults)
    return None


def _convert_union(data: object, base: Any, key: str, faults: Faults) -> object:
    """The first member that fits. A table's own faults are told rather than 'none of these'."""
    for member in get_args(base):
        attempt: Faults = []
        value = None if member is type(None) else _convert(data, member, key, attempt)
        if member is not type(None) and not attempt:
            return value
        if isinstance(data, dict) and any(where != key for where, _ in attempt):
            faults.extend(attempt)
            return None
    _refuse(data, base, key, faults)
    return None


def _convert_table(data: object, base: Any, key: str, faults: Faults) -> object:
    if not isinstance(data, dict):
        _refuse(data, base, key, faults)
        return None
    item_type = get_args(base)[1]
    items = {name: _convert(item, item_type, join_key(key, name), faults) for name, item in data.items()}
    return _table(items)


def _table(items: dict[str, object]) -> Table:
    """In the order of the keys: tables of equal content and digest then do everything in the same order."""
    return Table(sorted(items.items()))


def _frozen(data: object) -> object:
    if isinstance(data, dict):
        return _table({str(name): _frozen(item) for name, item in data.items()})
    return tuple(_frozen(item) for item in data) if isinstance(data, list | tuple) else data


def _convert_list(data: object, base: Any, key: str, faults: Faults) -> object:
    if not isinstance(data, list | tuple):
        _refuse(data, base, key, faults)
        return None
    item_type = get_args(base)[0]
    items = [_convert(item, item_type, f"{key}[{index}]", faults) for index, item in enumerate(data)]
    return tuple(items) if get_origin(base) is tuple else items


def _convert_struct(data: object, base: type[msgspec.Struct], key: str, faults: Faults) -> object:
    if not isinstance(data, dict):
        _refuse(data, base, key, faults)
        return None
    before = len(faults)
    fields = {field.encode_name: field for field in msgspec.structs.fields(base)}
    values: dict[str, object] = {}
    for name, item in data.items():
        if name in fields:
            field = fields[name]
            values[field.name] = _convert(item, field.type, join_key(key, name), faults)
        else:
            faults.append((join_key(key, str(name)), unknown_key(str(name), list(fields))))
    for name, field in fields.items():
        if field.required and name not in data:
            faults.append((join_key(key, name), f"is missing; it must be {describe(field.type)}"))
    if len(faults) > before:
        return None
    try:
        return base(**values)
    except (ValueError, TypeError) as error:
        faults.append((key, str(error)))
        return None


def unknown_key(name: str, known: list[str]) -> str:
    """A sentence for a key that there is not."""
    return f"is not a known key{guess(name, known)}"


def guess(name: str, known: list[str]) -> str:
    """What may have been meant instead of ``name``, for the end of a sentence."""
    # What all have in common, the venue, would make any instrument look like any other.
    venue, colon, _ = name.casefold().rpartition(":")
    start = len(venue + colon)
    folded = {one.casefold()[start:]: one for one in known if one.casefold().startswith(venue + colon)}
    close = difflib.get_close_matches(name.casefold()[start:], folded, n=1)
    if close:
        return f"; did you mean {folded[close[0]]}?"
    more = f" and {len(known) - KNOWN_SHOWN} more" if len(known) > KNOWN_SHOWN else ""
    return f"; known: {', '.join(known[:KNOWN_SHOWN])}{more}" if known else "; there are none"
