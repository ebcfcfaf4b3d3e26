"""Messages made wrong: keys that nobody knows, values that nobody listed, other types, fields that are gone.

Pure. Any thread. What is altered is what a message is about (a stream's data, an event, a result), never its envelope.
"""

from __future__ import annotations

from typing import Any

import msgspec

from livestack.simulator.binance_spot.numbers import text8
from livestack.simulator.fault_kinds import Rule, below
from livestack.simulator.market import Random

KINDS = ("unknown_key", "unknown_value", "wrong_type", "lost_field")
ENUMERATED = (
    "x",
    "X",
    "status",
    "o",
    "S",
    "f",
    "type",
    "side",
    "timeInForce",
    "cancelResult",
    "newOrderResult",
)
UNHEARD_OF = "UNHEARD_OF"
_ENVELOPES = ("data", "event", "result")


def corrupted(text: str, rule: Rule, random: Random) -> str | None:
    """``text`` with what the rule does to it; None where it has nothing that the rule could alter."""
    message = msgspec.json.decode(text)
    tables = _tables(_content(message))
    if not tables:
        return None
    name = "" if rule.kind == "unknown_key" else rule.text("field")
    if name:
        tables = [table for table in tables if name in table]
    if rule.kind == "unknown_value" and not name:
        tables = [table for table in tables if any(key in table for key in ENUMERATED)]
    if not tables:
        return None
    _alter(tables[below(random, len(tables))], rule.kind, name, random)
    return msgspec.json.encode(message).decode()


def crossed(text: str, ask: int, tick: int, *, gap: bool) -> str:
    """A depth diff whose best bid lies above the best ask; with ``gap`` an update id is missing before it as well."""
    message = msgspec.json.decode(text)
    diff = message.get("data", message)
    diff["b"].append([text8(ask + tick), text8(10**8)])
    if gap:
        diff["U"] += 1
    return msgspec.json.encode(message).decode()


def _content(message: Any) -> Any:
    if isinstance(message, dict):
        for name in _ENVELOPES:
            if isinstance(message.get(name), dict | list):
                return message[name]
    return message


def _tables(content: Any) -> list[dict[str, Any]]:
    """The objects in ``content`` that have fields, itself first; of the rest what lies directly in it."""
    if isinstance(content, list):
        return [one for one in content if isinstance(one, dict) and one]
    if not isinstance(content, dict) or not content:
        return []
    return [content, *(one for one in content.values() if isinstance(one, dict) and one)]


def _alter(table: dict[str, Any], kind: str, name: str, random: Random) -> None:
    keys = list(table)
    if kind == "unknown_key":
        table["zz9"] = {"new": [1, "2", None]}
        return
    if kind == "unknown_value" and not name:
        keys = [key for key in keys if key in ENUMERATED]
    key = name or keys[below(random, len(keys))]
    if kind == "lost_field":
        del table[key]
    elif kind == "unknown_value":
        table[key] = UNHEARD_OF
    else:
        table[key] = {"was": 1} if isinstance(table[key], str) else "not what it was"
