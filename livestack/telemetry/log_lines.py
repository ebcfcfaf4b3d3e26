"""One line of the log: what its caller hands over, made harmless there, and how it reads in JSON and on a console.

:func:`plain` runs on the caller's thread: it turns every value into one that nobody can change any more, of a bounded
size, with stars for a :class:`~livestack.secret.Secret`. Rendering runs on the writer's thread. No text of anybody's
can begin a line, end one, or steer a terminal. No I/O. Imports the secret's type.
"""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

import msgspec

from livestack.secret import Secret

TEXT_MAX: Final = 4_096
"""Characters kept of one value: a whole error page of a venue in a log helps nobody."""

ITEMS_MAX: Final = 64
"""Members kept of a list or a mapping."""

DEPTH_MAX: Final = 6
"""Lists within lists; what lies deeper is told as text."""

_ATOMS: Final = frozenset({int, bool, float, type(None)})

_OWN: Final = ("timestamp", "level", "logger", "event")
"""Fields that every line has; a caller's field of that name gets ``_`` behind it."""

_NEEDS_QUOTES: Final = re.compile(r"""[\s='"\\]|^$""")

COLOURS: Final = {
    "debug": "\x1b[32m",
    "info": "\x1b[32m",
    "warning": "\x1b[33m",
    "error": "\x1b[31m",
    "critical": "\x1b[31;1m",
}
_RESET: Final = "\x1b[0m"
_DIM: Final = "\x1b[2m"
_BOLD: Final = "\x1b[1m"


class Line(msgspec.Struct, frozen=True):
    """``kind``: what makes it one of many that are alike; ``fields`` with the event; ``context``: the process's own."""

    wall_ns: int
    level: str
    logger: str
    kind: str
    fields: Mapping[str, Any]
    context: Mapping[str, Any]


Render = Callable[[Line], bytes]
"""A line as bytes, its newline included. Never raises."""


def plain(fields: dict[str, Any]) -> dict[str, Any]:
    """``fields``, with every value harmless and nobody's any more. Changes ``fields``; never raises."""
    error = fields.pop("exc_info", None)
    for name, value in fields.items():
        kind = type(value)
        if kind in _ATOMS or (kind is str and len(value) <= TEXT_MAX):
            continue
        fields[name] = _harmless(value, 0)
    if error:
        fields["exception"] = _harmless(_traceback(error), 0)
    return fields


def _harmless(value: Any, depth: int) -> Any:
    """``value`` as text, number, list or mapping of such."""
    try:
        return _converted(value, depth)
    except Exception:  # noqa: BLE001 - somebody's __repr__, __str__ or __iter__; a log fails nobody
        return f"<{type(value).__name__} without a text>"


def _converted(value: Any, depth: int) -> Any:
    match value:
        case None | bool() | int() | float() if type(value) in _ATOMS:
            return value
        case Secret():
            return repr(value)
        case Enum():
            return _harmless(value.value, depth + 1) if depth < DEPTH_MAX else _cut(repr(value))
        case str():
            return _cut(str.__str__(value))
        case bytes() | bytearray() | memoryview():
            return _cut(repr(bytes(value[: TEXT_MAX + 1])))
        case Mapping() if depth < DEPTH_MAX:
            members = list(value.items())
            kept = {
                str(_harmless(key, depth + 1)): _harmless(one, depth + 1) for key, one in members[:ITEMS_MAX]
            }
            return kept if len(members) <= ITEMS_MAX else {**kept, "...": f"{len(members) - ITEMS_MAX} more"}
        case list() | tuple() | set() | frozenset() if depth < DEPTH_MAX:
            items = list(value)
            more = [f"... ({len(items) - ITEMS_MAX} more)"] if len(items) > ITEMS_MAX else []
            return [_harmless(one, depth + 1) for one in items[:ITEMS_MAX]] + more
        case BaseException():
            return _cut(f"{type(value).__name__}: {value}")
    return _cut(repr(value) if not hasattr(value, "__fspath__") else str(value))


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}... ({len(text) - TEXT_MAX} more)"


def _traceback(error: Any) -> Any:
    """What ``exc_info`` stands for: an exception, the triple of one, or the one being handled; without variables."""
    if isinstance(error, BaseException):
        return "".join(traceback.format_exception(error)).rstrip()
    if isinstance(error, tuple):
        return "".join(traceback.format_exception(*error)).rstrip()
    return traceback.format_exc().rstrip()


class Timestamps:
    """Times of lines as text, UTC, microseconds. One thread."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def text(self, wall_ns: int) -> str:
        second, rest_ns = divmod(wall_ns, 1_000_000_000)
        if second != self._second:
            self._second, self._text = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._text}.{rest_ns // 1_000:06d}Z"


def json_lines() -> Render:
    """JSON, one object a line."""
    timestamps = Timestamps()

    def render(line: Line) -> bytes:
        content = {
            "timestamp": timestamps.text(line.wall_ns),
            "level": line.level,
            "logger": line.logger,
            "event": line.fields.get("event", ""),
            **line.context,
        }
        for name, value in line.fields.items():
            if name != "event":
                content[_name(name)] = value
        return _encoded(content) + b"\n"

    return render


def _name(name: str) -> str:
    return f"{name}_" if name in _OWN else name


def _encoded(content: dict[str, Any]) -> bytes:
    try:
        data = msgspec.json.encode(content)
    except Exception:  # noqa: BLE001 - text that is no Unicode, a number beyond all bounds
        data = msgspec.json.encode(_encodable(content))
    text = data.decode()
    if text.isprintable():
        return data
    return "".join(one if one.isprintable() else _escaped(one) for one in text).encode()


def _escaped(character: str) -> str:
    """What JSON may hold as it is, and a terminal or a reader's eye takes for something else."""
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


def _encodable(value: Any) -> Any:
    match value:
        case bool() | float() | None:
            return value
        case int():
            return value if value.bit_length() <= 64 else _cut(hex(value))
        case dict():
            return {_encodable(key): _encodable(one) for key, one in value.items()}
        case list():
            return [_encodable(one) for one in value]
    return str(value).encode("utf-8", "backslashreplace").decode()


def console_lines(colours: bool) -> Render:
    """For people: time, level, event, then names and values. ``colours``: on a terminal, whose present line is
    cleared first, as something may be drawn there."""
    timestamps = Timestamps()

    def shade(text: str, shade: str) -> str:
        return f"{shade}{text}{_RESET}" if colours else text

    def render(line: Line) -> bytes:
        fields = {
            **line.context,
            **{_name(name): one for name, one in line.fields.items() if name != "event"},
        }
        error = fields.pop("exception", None)
        parts = [
            shade(timestamps.text(line.wall_ns), _DIM),
            f"[{shade(f'{line.level:<9}', COLOURS.get(line.level, ''))}]",
            shade(f"{_quoted_event(line.fields.get('event', '')):<30}", _BOLD),
            f"[{_quoted(line.logger)}]",
            *(f"{_quoted(name)}={_quoted(value)}" for name, value in fields.items()),
        ]
        text = " ".join(parts)
        if error is not None:
            text += "".join(f"\n    {_safe(one)}" for one in str(error).split("\n"))
        start = "\r\x1b[2K" if colours else ""
        return f"{start}{text}\n".encode("utf-8", "backslashreplace")

    return render


def _quoted(value: Any) -> str:
    """``value`` on a console: text in quotes where it could be taken for something else."""
    if isinstance(value, str):
        return repr(value) if _NEEDS_QUOTES.search(value) or not value.isprintable() else value
    if isinstance(value, int) and value.bit_length() > 128:
        return hex(value)[:TEXT_MAX]
    return repr(value) if isinstance(value, list | dict) else str(value)


def _quoted_event(event: Any) -> str:
    text = str(event)
    return text if text.isprintable() else repr(text)


def _safe(text: str) -> str:
    return text if text.isprintable() else repr(text)[1:-1]
