"""Configuration: everything besides Events that can change State. Typed, versioned, with a digest.

Pure. What cannot change State (paths, endpoints, sizes) is in ``livestack.settings``. Written as TOML; every fault of
a text is reported at once (:mod:`livestack.core.validation`). Limits are decimal strings until an instrument's scale
is known. A limit that is not written denies and names its key; ``"unlimited"`` must be written. Any thread.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

import msgspec

from livestack.core.types import TradingState
from livestack.core.validation import (
    Decimal,
    Duration,
    Faults,
    Table,
    Unlimited,
    convert,
    describe,
    encodable,
    is_encodable,
    to_plain,
    unknown_key,
)
from livestack.exceptions import ConfigurationError

SLIDING_LIMIT_MAX = 10_000
"""A sliding window remembers each dispatch; longer ones must be aligned, which takes two counters."""

LIVE_TABLES = frozenset({"risk", "execution", "decisions", "kill", "valuation"})
"""Tables whose keys may change during a session; every other key asks for a restart."""

PATCH_TEXT_MAX = 4_000
"""Characters of a patch's key and of its value: more than any live key needs, and fewer digits than ``int`` reads."""

PATCH_DEPTH_MAX = 16
"""Brackets open at once in a patch's value: no live key needs more than 4, and no reader's stack is this shallow."""

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Share = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
BasisPoints = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
PerCurrency = dict[str, Decimal | Unlimited]
"""A limit by quote currency."""

DecisionEvent = Literal["quote", "trade", "book", "execution", "status"]


class StrategyConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """Which class decides, by import path (``module:Class``), and its parameters."""

    path: str
    parameters: dict[str, object] = msgspec.field(default_factory=Table)
    on_failure: Literal["disable", "continue"] = "disable"


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """When the Strategy is asked. ``every_nth`` counts relevant market Events per instrument."""

    events: tuple[DecisionEvent, ...] = ("quote", "trade", "book", "execution")
    instruments: tuple[str, ...] = ()
    every_nth: Count = 1


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one scope. None: not written here, so the wider scope decides; written nowhere, Risk denies."""

    trade: bool | None = None
    max_order_qty: Decimal | Unlimited | None = None
    max_order_notional: PerCurrency | Unlimited | None = None
    price_collar_bps: BasisPoints | Unlimited | None = None
    max_position: Decimal | Unlimited | None = None
    max_gross_notional: PerCurrency | Unlimited | None = None
    max_open_orders: Count | Unlimited | None = None
    max_intents_per_second: Count | Unlimited | None = None
    max_session_orders: Count | Unlimited | None = None
    max_session_notional: PerCurrency | Unlimited | None = None
    max_session_loss: PerCurrency | Unlimited | None = None
    max_consecutive_rejects: Count | Unlimited | None = None
    max_unattended_fills: Count | Unlimited | None = None
    max_data_age: Duration | Unlimited | None = None
    max_resting_data_age: Duration | Unlimited | None = None
    duplicate_window: Duration | Unlimited | None = None
    self_trade: Literal["deny", "allow"] | None = None
    balance: Literal["check", "ignore"] | None = None


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """``instrument."venue:symbol"`` before ``venue.<name>`` before ``defaults``, key by key."""

    defaults: RiskLimits = RiskLimits()
    venue: dict[str, RiskLimits] = msgspec.field(default_factory=Table)
    instrument: dict[str, RiskLimits] = msgspec.field(default_factory=Table)


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of a venue: at most ``limit`` in ``interval``.

    ``aligned``: in the venue's own windows (multiples of ``interval`` on its clock), else sliding. ``guard_band``
    covers clock error and time on the wire. ``host_reserve`` is kept for feeds, queries and the guard,
    ``cancel_reserve`` for Cancels; ``new``, ``replace``, ``cancel`` are what one request of that kind takes.
    """

    kind: str
    interval: Duration
    limit: Count
    aligned: bool = True
    guard_band: Duration = 250_000_000
    host_reserve: Share = 0
    cancel_reserve: Share = 0
    new: Share = 1
    replace: Share = 1
    cancel: Share = 0

    def __post_init__(self) -> None:
        if self.host_reserve + self.cancel_reserve >= self.limit:
            raise ValueError("host_reserve + cancel_reserve must leave something of limit")
        if self.interval <= 0 or 2 * self.guard_band > self.interval:
            raise ValueError("guard_band must be at most half of interval, and interval more than nothing")
        if not self.aligned and self.limit > SLIDING_LIMIT_MAX:
            raise ValueError(f"limit must be at most {SLIDING_LIMIT_MAX} where aligned = false")


class VenueExecution(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of one venue. No rate limits written: nothing is sent there."""

    rate_limits: tuple[RateLimit, ...]


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """How and when admitted Intents go out."""

    max_queue_age: Duration = 2_000_000_000
    request_timeout: Duration = 10_000_000_000
    cancel_retry: Duration = 1_000_000_000
    order: tuple[Literal["cancel", "replace", "new"], ...] = ("cancel", "replace", "new")
    on_stop: Literal["cancel", "leave"] = "cancel"
    external_orders: Literal["ignore", "adopt", "cancel"] = "ignore"
    orphan_orders: Literal["ignore", "cancel"] = "cancel"
    terminal_orders_max: Count = 1_000
    terminal_order_age: Duration = 3_600_000_000_000
    venue: dict[str, VenueExecution] = msgspec.field(default_factory=Table)

    def __post_init__(self) -> None:
        if sorted(self.order) != ["cancel", "new", "replace"]:
            raise ValueError('order must name each of "cancel", "replace" and "new" once')


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What a resumed session begins with."""

    trading_state: TradingState = TradingState.ACTIVE


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    cancel_open_orders: bool = True


class Valuation(msgspec.Struct, frozen=True, kw_only=True):
    """``fee_marks``: by fee asset, the instrument at whose price such fees enter P&L; others are their own line."""

    fee_marks: dict[str, str] = msgspec.field(default_factory=Table)


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """One version of everything. Build it with :meth:`from_plain`; change it with :meth:`patched`.

    Nothing in it can be written, at any depth, and its tables are in the order of their keys.
    """

    strategy: StrategyConfiguration
    decisions: Decisions = Decisions()
    risk: Risk = Risk()
    execution: Execution = Execution()
    recovery: Recovery = Recovery()
    kill: Kill = Kill()
    valuation: Valuation = Valuation()
    version: Count = 1

    @classmethod
    def from_plain(cls, data: object, source: str = "configuration") -> Configuration:
        """From parsed TOML; ``ConfigurationError`` with every fault, ``source`` names the file."""
        faults: Faults = []
        configuration = convert(data, cls, "", faults)
        if configuration is None:
            raise ConfigurationError(faults, source)
        return configuration

    def plain(self) -> dict[str, object]:
        """Data that :meth:`from_plain` turns back into this Configuration."""
        data = to_plain(self, Configuration)
        assert isinstance(data, dict)
        return data

    def digest(self) -> str:
        """BLAKE2b over the canonical content. The version is no part of it: a roll-back has its old digest."""
        content = {name: table for name, table in self.plain().items() if name != "version"}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def patched(self, patch: tuple[tuple[str, str], ...]) -> Configuration:
        """The next version with ``(dotted key, JSON value)`` pairs applied, as a whole or not at all.

        JSON ``null`` removes a key. ``ConfigurationError`` names every key that is wrong or needs a restart.
        """
        faults: Faults = []
        data = self.plain()
        for key, text in patch:
            _set(data, key, text, faults)
        data["version"] = self.version + 1
        changed = convert(data, Configuration, "", faults)
        if changed is None or faults:
            raise ConfigurationError(faults, "configuration patch")
        return changed


def split_key(key: str) -> list[str]:
    """``risk.instrument."v:S".trade`` as its parts; ``ValueError`` where a quote is open or a part is empty."""
    parts: list[str] = []
    rest = key
    while True:
        if rest.startswith('"'):
            part, quote, rest = rest[1:].partition('"')
            if not quote or (rest and not rest.startswith(".")):
                raise ValueError(f"{key} is not a dotted key")
            dot, rest = rest[:1], rest[1:]
        else:
            part, dot, rest = rest.partition(".")
        if not part:
            raise ValueError(f"{key} is not a dotted key")
        parts.append(part)
        if not dot:
            return parts


_SHOWN_MAX = 80
_NOT_TEXT = "must be text that UTF-8 can hold, without lone surrogates"


def _unreadable(key: str, text: str) -> str:
    """Why a pair of a patch is not even looked into; '' where it is. Never depends on how deep the stack is."""
    if max(len(key), len(text)) > PATCH_TEXT_MAX:
        return f"key and value must have at most {PATCH_TEXT_MAX} characters each"
    if not is_encodable(key) or not is_encodable(text):
        return _NOT_TEXT
    depth = 0
    for character in text:
        depth += (character in "[{") - (character in "]}")
        if depth > PATCH_DEPTH_MAX:
            return f"lists and tables must be nested at most {PATCH_DEPTH_MAX} deep"
    return ""


def _set(data: dict[str, object], key: str, text: str, faults: Faults) -> None:
    fault = _unreadable(key, text)
    if fault:
        faults.append((encodable(key[:_SHOWN_MAX]), fault))
        return
    try:
        first = split_key(key)[0]
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()  # an escape may stand for what has no bytes
    except UnicodeEncodeError:
        faults.append((key, _NOT_TEXT))
        return
    except (ValueError, RecursionError) as error:
        faults.append((key, f"cannot be read: {error}"))
        return
    if first not in LIVE_TABLES:
        faults.append((key, _not_live(first)))
        return
    try:
        put(data, key, value)
    except ValueError as error:
        faults.append((key, str(error)))


def _not_live(first: str) -> str:
    live = sorted(LIVE_TABLES)
    if first not in Configuration.__struct_fields__:
        return unknown_key(first, live)
    return f"needs a restart; only {', '.join(live)} may change in a session"


def put(data: dict[str, object], key: str, value: object) -> None:
    """Write one dotted key of plain data; None removes it. ``ValueError`` where a table of it is none."""
    *tables, name = split_key(key)
    table = data
    for part in tables:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ValueError(f"{part} is not a table, it is {describe(type(inner))}")
        table = inner
    if value is None:
        table.pop(name, None)
    else:
        table[name] = value
