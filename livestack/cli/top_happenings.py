"""The last notable Events for ``livestack top``, a short sentence each; what repeats itself is one line with a count.

Pure. Numbers of an Event are in its instrument's decimals; where nothing has told these yet, they are left out.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from livestack.cli.outcome import short
from livestack.core.types import format_decimal
from livestack.wire import control_pb2 as wire

KEPT = 500
FOLDED_WITHIN = 6
"""Lines back in which the same is looked for."""

UNTOLD = frozenset(
    ("BalanceReport", "RequestSent", "FillsReconciled", "OrderReport", "Checkpoint", "CheckpointRequested")
)
"""Routine of the host, or told by another Event too."""

BAD = frozenset(
    (
        "KillSwitchEngaged",
        "AnomalyDetected",
        "StrategyFailed",
        "DispatchFailed",
        "IncidentOpened",
        "CommandRefused",
    )
)
WARNING = frozenset(
    ("IntentDenied", "OrderRejected", "CancelRejected", "ReplaceRejected", "VenueBackoff", "StrategyDisabled")
)
DENIED = "IntentDenied"

Numbers = Mapping[str, tuple[int, int]]


class Happening:
    """One line. ``ts_ns``: the newest one's session time; ``times``: how often; ``key``: what counts as the same."""

    __slots__ = ("key", "kind", "style", "text", "times", "ts_ns")

    def __init__(self, ts_ns: int, kind: str, text: str, style: str, key: tuple[str, ...]) -> None:
        self.ts_ns = ts_ns
        self.kind = kind
        self.text = text
        self.style = style
        self.key = key
        self.times = 1


class Happenings:
    """Oldest first, at most :data:`KEPT`."""

    def __init__(self) -> None:
        self.lines: deque[Happening] = deque(maxlen=KEPT)

    def take(self, publications: Iterable[wire.Publication], lost: int, decimals: Numbers) -> None:
        for one in publications:
            if one.event.type not in UNTOLD:
                self._add(happening(one, decimals))
        if lost:
            text = f"{lost:,} Events came faster than they could be shown; the journal has them"
            self.lines.append(
                Happening(self.lines[-1].ts_ns if self.lines else 0, "missed", text, "warn", ())
            )

    def begin(self, session: str) -> None:
        """Another session: what follows is of it."""
        self.lines.append(Happening(0, "session", f"from here on session {session}", "bold", ()))

    def _add(self, new: Happening) -> None:
        if new.key:
            for back in range(1, min(FOLDED_WITHIN, len(self.lines)) + 1):
                one = self.lines[-back]
                if one.key == new.key:
                    del self.lines[-back]
                    new.times = one.times + 1
                    break
        self.lines.append(new)


def happening(publication: wire.Publication, decimals: Numbers) -> Happening:
    """An Event as a line."""
    record = publication.event
    try:
        event = json.loads(record.json or "{}")
    except ValueError:
        event = {}
    if not isinstance(event, dict):
        event = {}
    style = "bad" if record.type in BAD else "warn" if record.type in WARNING else ""
    if event.get("grade") == "warning":
        style = "warn"
    text = told(record.type, event, decimals)
    key = (record.type, *_same(record.type, event, text)) if style else ()
    return Happening(publication.ts_ns, record.type, text, style, key)


def _same(kind: str, event: dict[str, Any], text: str) -> tuple[str, ...]:
    if kind == DENIED:
        return str(event.get("rule")), str(event.get("instrument")), str(event.get("intent"))
    return (text,)


def told(kind: str, event: dict[str, Any], decimals: Numbers) -> str:
    """What it says, in the order in which people ask."""
    match kind:
        case "OrderFill":
            fee = format_fee(event)
            return f"{_order(event)} {_terms(event, decimals)} {_low(event, 'liquidity')}{fee}"
        case "IntentDispatched":
            request = event.get("request")
            inner = request if isinstance(request, dict) else {}
            return f"{_low(inner, 'kind')} {_order(inner)} {_terms(inner, decimals)}"
        case "IntentDenied":
            return f"{event.get('rule', '')}: {event.get('detail', '')} ({_low(event, 'intent')} {_order(event)})"
        case "OrderAccepted":
            return _order(event)
        case "OrderReplaced":
            return f"{_order(event)} {_terms(event, decimals)}"
        case "OrderCancelled" | "OrderExpired":
            return f"{_order(event)} {event.get('reason', '')}"
        case "OrderRejected" | "CancelRejected" | "ReplaceRejected":
            return f"{_order(event)} {event.get('code', '')} {event.get('reason', '')}"
        case "IncidentOpened" | "IncidentClosed":
            return " ".join(
                str(event.get(one, "")) for one in ("grade", "name", "scope", "detail") if event.get(one)
            )
        case "KillReceipt":
            flat = "flat" if event.get("flat") else "not flat"
            return f"{flat}: {event.get('open_orders', 0)} open, {event.get('unknown_orders', 0)} of unknown fate"
        case "OperatorCommand":
            return f"{event.get('who', '')}: {_command(event.get('command'))} ({event.get('why', '')})"
        case _:
            return _plain(event)


def format_fee(event: dict[str, Any]) -> str:
    try:
        fee = short(format_decimal(int(event["fee"]), int(event["fee_decimals"])))
    except (KeyError, TypeError, ValueError):
        return ""
    return f", fee {fee} {event.get('fee_asset', '')}"


def _order(event: dict[str, Any]) -> str:
    number, instrument = event.get("order_id"), str(event.get("instrument") or event.get("venue") or "")
    return f"order {number} {instrument}" if number else instrument


def _terms(event: dict[str, Any], decimals: Numbers) -> str:
    """``buy 0.01 at 60000.1``, as far as it is known."""
    price_decimals, qty_decimals = decimals.get(str(event.get("instrument")), (-1, -1))
    qty, price = _number(event.get("qty"), qty_decimals), _number(event.get("price"), price_decimals)
    return " ".join(filter(None, (_low(event, "side"), qty, f"at {price}" if price else "")))


def _number(value: object, decimals: int) -> str:
    if not isinstance(value, int) or not value or not 0 <= decimals <= 40:
        return ""
    return short(format_decimal(value, decimals))


def _low(event: dict[str, Any], name: str) -> str:
    return str(event.get(name, "")).lower()


def _command(command: object) -> str:
    return _plain(command) if isinstance(command, dict) else str(command or "")


def _plain(event: dict[str, Any]) -> str:
    """Every field that says something."""
    parts = []
    for name, value in event.items():
        if name == "event" or name.endswith("_ns") or value in ("", 0, None, [], {}):
            continue
        parts.append(
            f"{name} {json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value}"
        )
    return ", ".join(parts)
