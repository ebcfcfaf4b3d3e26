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


def pack(value: object) -> bytes:
    """``value`` as canonical MessagePack; ``TypeError`` for what has no stable form (a set, an object)."""
    return msgspec.msgpack.encode(_lower(value))


def unpack(data: bytes, type_: type[T]) -> T:
    """The inverse of :func:`pack` for a value of ``type_``."""
    return cast(T, _raise_to(msgspec.msgpack.decode(data), type_))


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
