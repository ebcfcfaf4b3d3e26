"""What all execution records have in common: their origin, their trace, how texts and numbers become safe to keep.

Pure; imports core and wire. Any one thread.

Texts from outside may hold anything, and a record must never fail to be made: whatever cannot be kept in every sink
(NUL, half a surrogate pair) becomes U+FFFD, one for one; an integer beyond the field's size becomes the nearest that
it holds. The same goes in, the same comes out.
"""

from __future__ import annotations

import functools
import json
import re
from typing import Any, Final

import msgspec

from livestack.core.events import InstrumentDefined
from livestack.core.state import State
from livestack.core.types import format_decimal
from livestack.storage.tables import Record
from livestack.wire import records_pb2 as wire

_UNKEEPABLE: Final = re.compile("[\x00\ud800-\udfff]")

INT32_MAX, INT64_MAX = 2**31 - 1, 2**63 - 1

DECIMALS_CACHED: Final = 8_192

TRACES_MAX: Final = 20_000
"""Prepared traces kept: above all instruments of a session; Events may name any number that are none."""


class RecordOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """What records need to know of a session beyond its Events: what stands in the header of the journal's segment.

    ``account_names`` are by venue; ``configuration`` is the JSON text of the Configuration of ``SessionStarted``.
    """

    node: str
    session: str
    strategy: str
    strategy_digest: str
    account_names: dict[str, str]
    package_version: str
    semantics_version: int
    configuration: str


class Scales(msgspec.Struct, frozen=True):
    """One instrument's decimals: of prices, of quantities, and of amounts, which are price times quantity."""

    price: int
    qty: int
    amount: int
    quote: str

    @classmethod
    def of(cls, definition: InstrumentDefined) -> Scales:
        price, qty = definition.price_decimals, definition.qty_decimals
        return cls(price, qty, price + qty, definition.quote)


RAW: Final = Scales(0, 0, 0, "")
"""Of an instrument that is not defined: its integers as they are."""


class RecordWriter:
    """Collects the records of one Event. :meth:`begin` first, then :meth:`add` for each, then take ``records``."""

    def __init__(self, origin: RecordOrigin, state: State) -> None:
        self._origin = origin
        self.state: Final = state
        self.records: list[Record] = []
        self.seq = 0
        self.ts = 0
        self._traces: dict[tuple[str, str], wire.Trace] = {}
        self._version: tuple[int, str] = (-1, "")
        self._scales: dict[str, Scales] = {}

    @property
    def origin(self) -> RecordOrigin:
        """What the next record says of its session."""
        return self._origin

    @origin.setter
    def origin(self, origin: RecordOrigin) -> None:
        if origin != self._origin:
            self._origin, self._traces = origin, {}

    def begin(self, seq: int, ts: int) -> None:
        """The next Event, at this position."""
        self.records = []
        self.seq, self.ts = seq, ts

    def add(
        self,
        record: Any,
        venue: str = "",
        instrument: str = "",
        order_id: int = 0,
        request_id: str = "",
        event_ns: int = 0,
    ) -> None:
        """Append ``record`` with its trace; what is empty or 0 is left out of it. State is as the Event left it."""
        control = self.state.control
        version = control.configuration_version, control.configuration_digest
        if version != self._version or len(self._traces) > TRACES_MAX:
            self._version, self._traces = version, {}
        prepared = self._traces.get((venue, instrument))
        if prepared is None:
            prepared = self._traces[venue, instrument] = self._prepare(venue, instrument)
        trace = record.trace
        trace.CopyFrom(prepared)
        trace.seq = self.seq
        trace.ordinal = len(self.records)
        trace.ts = self.ts
        if event_ns:
            trace.event_ns = int64(event_ns)
        if order_id:
            trace.order_id = int64(order_id)
        if request_id:
            trace.request_id = safe(request_id)
        self.records.append(record)

    def scales(self, instrument: str) -> Scales:
        """Decimals of ``instrument``: they are fixed by its first definition; ``RAW`` without one."""
        known = self._scales.get(instrument)
        if known is None:
            market = self.state.market.instruments.get(instrument)
            if market is None:
                return RAW
            known = self._scales[instrument] = Scales.of(market.definition)
        return known

    def _prepare(self, venue: str, instrument: str) -> wire.Trace:
        origin, version = self._origin, self._version
        trace = wire.Trace(
            node=safe(origin.node),
            session=safe(origin.session),
            strategy=safe(origin.strategy),
            strategy_digest=safe(origin.strategy_digest),
            configuration_version=int64(version[0]),
            configuration_digest=safe(version[1]),
        )
        if venue:
            trace.venue = safe(venue)
            account = origin.account_names.get(venue)
            if account:
                trace.account = safe(account)
        if instrument:
            trace.instrument = safe(instrument)
        return trace


def safe(text: str) -> str:
    """``text`` as every sink can keep it."""
    if text.isascii() and "\0" not in text:
        return text
    return _UNKEEPABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def safe_or_none(text: str) -> str | None:
    """The same; None for no text at all, so that the field is absent."""
    return safe(text) if text else None


def int64(value: int) -> int:
    """``value``, or the nearest that 64 bits with a sign can hold."""
    return value if -INT64_MAX <= value <= INT64_MAX else (INT64_MAX if value > 0 else -INT64_MAX)


def int32(value: int) -> int:
    """``value``, or the nearest that 32 bits with a sign can hold."""
    return value if -INT32_MAX <= value <= INT32_MAX else (INT32_MAX if value > 0 else -INT32_MAX)


decimal: Final = functools.lru_cache(maxsize=DECIMALS_CACHED)(format_decimal)
"""A decimal text. The same numbers come again and again: an order's with each of its records, a price, zero."""


def decimal_or_none(value: int, decimals: int) -> str | None:
    """A decimal text; None for 0, which stands for no such number, so that the field is absent."""
    return decimal(value, decimals) if value else None


def json_text(value: Any) -> str:
    """A plain value as JSON with every text in it safe; an object's members in the order that they have."""
    return json.dumps(_safe_value(value), ensure_ascii=False, separators=(",", ":"))


def _safe_value(value: Any) -> Any:
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, dict):
        return {safe(key): _safe_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_safe_value(item) for item in value]
    return value
