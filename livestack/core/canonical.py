"""The one encoding of State: for digests, which must be equal everywhere, and for snapshots, which must come back.

Pure. A struct is the list of its fields, a dict the list of its pairs *in insertion order* (the order is State too: it
may decide), an integer beyond 64 bits its bytes. No sets, because they have no order. Any thread.
"""

from __future__ import annotations

import enum
import functools
import types
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

import msgspec

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1

T = TypeVar("T")


class Packed:
    """What :func:`pack` made of a value whose type is not known here; it packs to the same bytes."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


def pack(value: object) -> bytes:
    """``value`` as canonical MessagePack; ``TypeError`` for what has no stable form (a set, an object)."""
    return msgspec.msgpack.encode(_lower(value))


def unpack(data: bytes, type_: type[T]) -> T:
    """The inverse of :func:`pack` for a value of ``type_``."""
    return cast(T, _raise_to(msgspec.msgpack.decode(data), type_))


def check_restorable(type_: type) -> None:
    """``TypeError``, naming the field, unless :func:`unpack` brings back whatever :func:`pack` takes of ``type_``."""
    if not issubclass(type_, msgspec.Struct):
        raise TypeError(f"{_shown(type_)} cannot be restored: a memory is a msgspec.Struct")
    _check(type_, type_.__name__, set())


_RESTORABLE = (
    "bool, int, str, bytes, None, an enum of text or 64-bit integers, a msgspec.Struct, list[T], tuple[T, ...], "
    "dict[K, V] or X | None"
)


def _check(type_: Any, where: str, seen: set[type]) -> None:
    if get_origin(type_) is Annotated:
        type_ = get_args(type_)[0]
    origin, inner = get_origin(type_), get_args(type_)
    if origin in (Union, types.UnionType):
        members = [member for member in inner if member is not types.NoneType]
        if len(members) != 1:
            raise TypeError(f"{where}: {_shown(type_)} cannot be restored; of a union, only X | None can")
        _check(members[0], where, seen)
    elif origin in (list, tuple) and inner:
        for one in inner:
            if one is not Ellipsis:
                _check(one, where, seen)
    elif origin is dict:
        _check(inner[0], where, seen)
        if not _is_key(inner[0]):
            raise TypeError(f"{where}: {_shown(inner[0])} cannot be the key of a dict; it can be written to")
        _check(inner[1], where, seen)
    elif isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        _check_struct(type_, where, seen)
    elif not _is_scalar(type_):
        raise TypeError(f"{where}: {_shown(type_)} cannot be restored; use {_RESTORABLE}")


def _check_struct(type_: type[msgspec.Struct], where: str, seen: set[type]) -> None:
    if type_ in seen or hasattr(type_, "__raise__"):
        return
    seen.add(type_)
    try:
        fields = _fields(type_)
    except NameError as error:
        raise TypeError(f"{where}: {error}; annotations name what the module defines") from error
    for field in fields:
        _check(field.type, f"{where}.{field.name}", seen)


def _is_scalar(type_: Any) -> bool:
    if isinstance(type_, type) and issubclass(type_, enum.Enum):
        values = [member.value for member in type_]
        return all(type(one) is str or (type(one) is int and _INT_MIN <= one <= _INT_MAX) for one in values)
    return type_ is None or type_ in (bool, int, str, bytes, types.NoneType)


def _is_key(type_: Any) -> bool:
    """What comes back hashable."""
    if get_origin(type_) is Annotated:
        type_ = get_args(type_)[0]
    if get_origin(type_) in (tuple, Union, types.UnionType):
        return all(one is Ellipsis or _is_key(one) for one in get_args(type_))
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return bool(type_.__struct_config__.frozen)
    return _is_scalar(type_)


def _shown(type_: Any) -> str:
    return type_.__name__ if isinstance(type_, type) and not get_args(type_) else str(type_)


def _lower(value: Any) -> Any:
    if value is None or isinstance(value, bool | str | bytes):
        return value
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, int):
        small = _INT_MIN <= value <= _INT_MAX
        return value if small else value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)
    if isinstance(value, msgspec.Struct):
        lower = getattr(value, "__lower__", None)
        if lower is not None:
            return _lower(lower())
        return [_lower(getattr(value, name)) for name in value.__struct_fields__]
    if isinstance(value, dict):
        return [[_lower(key), _lower(item)] for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [_lower(item) for item in value]
    if type(value) is Packed:
        return msgspec.Raw(value.data)
    raise TypeError(
        f"{type(value).__name__} has no canonical form; use int, str, bytes, enum, struct, list or dict"
    )


def _raise_to(data: Any, type_: Any) -> Any:
    if get_origin(type_) is Annotated:
        type_ = get_args(type_)[0]
    origin = get_origin(type_)
    if origin in (Union, types.UnionType):
        inner = [member for member in get_args(type_) if member is not type(None)]
        return None if data is None else _raise_to(data, inner[0])
    if origin is dict:
        key_type, item_type = get_args(type_)
        return {_hashable(_raise_to(key, key_type)): _raise_to(item, item_type) for key, item in data}
    if origin is list:
        return [_raise_to(item, get_args(type_)[0]) for item in data]
    if origin is tuple:
        inner = list(get_args(type_))
        if inner[-1] is Ellipsis:
            return tuple(_raise_to(item, inner[0]) for item in data)
        return tuple(_raise_to(item, one) for item, one in zip(data, inner, strict=True))
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        raised = getattr(type_, "__raise__", None)
        if raised is not None:
            return raised(data)
        fields = _fields(type_)
        return type_(**{one.name: _raise_to(item, one.type) for one, item in zip(fields, data, strict=True)})
    if isinstance(type_, type) and issubclass(type_, dict):  # a class of its own over dict[...]
        return type_.__raise__(_raise_to(data, type_.__orig_bases__[0]))  # type: ignore[attr-defined]
    if isinstance(type_, type) and issubclass(type_, enum.Enum):
        return type_(data)
    return int.from_bytes(data, "big", signed=True) if type_ is int and isinstance(data, bytes) else data


@functools.cache
def _fields(type_: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Looked up once per type: it resolves every annotation anew."""
    return msgspec.structs.fields(type_)


def _hashable(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key
