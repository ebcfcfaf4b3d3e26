"""What a session did, live or in research, as the command line prints it (cli.md): read from State and Event counts.

Pure; imports core only. Read once, after the session has ended; any thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from livestack.core.events import (
    EXECUTION_EVENTS,
    MARKET_EVENTS,
    DerivedEvent,
    StrategyDisabled,
    StrategyFailed,
    TradingStateChanged,
)
from livestack.core.positions import Position
from livestack.core.state import State
from livestack.core.types import format_decimal


class PositionSummary(msgspec.Struct, frozen=True):
    """Decimal strings; ``realised_pnl`` in the quote asset before fees, ``fees`` by asset."""

    instrument: str
    qty: str
    average_price: str
    realised_pnl: str
    fees: dict[str, str]


class DenialSummary(msgspec.Struct, frozen=True):
    """How often one rule denied, and what it said the first time."""

    count: int
    first: str


class SessionSummary(msgspec.Struct, frozen=True):
    """The keys of ``livestack start --json``. ``realised_pnl`` is by quote asset, before fees, as decimal strings."""

    session: str
    exit: int
    reason: str
    events: int
    market_events: int
    execution_events: int
    intents: int
    denied: int
    denials: dict[str, DenialSummary]
    notices: dict[str, int]
    dispatches: int
    orders: int
    fills: int
    positions: list[PositionSummary]
    realised_pnl: dict[str, str]
    fees: dict[str, str]
    digest: str
    last_seq: int
    recovered: bool
    started: str
    stopped: str


NOTICES_MAX = 20
"""What went wrong that is told at the end; a strategy that fails on every Event is told of once."""


def note(notices: dict[str, int], event: DerivedEvent, failure: str) -> None:
    """Count a DERIVED Event that an operator has to know of, by its sentence; ``failure``: where a Strategy failed."""
    if isinstance(event, StrategyFailed):
        text = f"the strategy failed: {event.error} in {event.hook}" + (f" at {failure}" if failure else "")
    elif isinstance(event, StrategyDisabled):
        text = f"the strategy was disabled by {event.by}: {event.reason}"
    elif isinstance(event, TradingStateChanged):
        scope = event.instrument or event.venue
        text = f"trading{f' in {scope}' if scope else ''} became {event.state.name} by {event.by}: {event.reason}"
    else:
        return
    if text in notices or len(notices) < NOTICES_MAX:
        notices[text] = notices.get(text, 0) + 1


class Ending(msgspec.Struct, frozen=True):
    """What State does not know of a session. ``counts``: Events by type; ``denials``: by rule how often, and the first
    one's sentence; ``notices``: see :func:`note`; times in nanoseconds since 1970."""

    exit: int
    reason: str
    counts: Mapping[type, int]
    denials: Mapping[str, tuple[int, str]]
    notices: Mapping[str, int]
    last_seq: int
    started_ns: int
    stopped_ns: int


def summarise(state: State, ending: Ending) -> SessionSummary:
    """Sum up a session that has ended."""
    counts = ending.counts
    positions = [
        _position(state, instrument, position) for instrument, position in state.execution.positions.items()
    ]
    return SessionSummary(
        session=state.control.session,
        exit=ending.exit,
        reason=ending.reason,
        events=sum(counts.values()),
        market_events=_count(counts, MARKET_EVENTS),
        execution_events=_count(counts, EXECUTION_EVENTS),
        intents=state.execution.counts.total,
        denied=state.execution.counts.denied,
        denials={rule: DenialSummary(*told) for rule, told in ending.denials.items()},
        notices=dict(ending.notices),
        dispatches=state.execution.counts.dispatched,
        orders=state.execution.session_orders,
        fills=state.execution.session_fills,
        positions=positions,
        realised_pnl=_realised(state),
        fees=_fees(state),
        digest=state.digest(),
        last_seq=ending.last_seq,
        recovered=False,
        started=rfc3339(ending.started_ns),
        stopped=rfc3339(ending.stopped_ns),
    )


def _count(counts: Mapping[type, int], kinds: tuple[type, ...]) -> int:
    return sum(counts.get(kind, 0) for kind in kinds)


def _position(state: State, instrument: str, position: Position) -> PositionSummary:
    definition = state.market.instruments[instrument].definition
    price_decimals, qty_decimals = definition.price_decimals, definition.qty_decimals
    average = position.cost // abs(position.qty) if position.qty else 0
    return PositionSummary(
        instrument=instrument,
        qty=format_decimal(position.qty, qty_decimals),
        average_price=format_decimal(average, price_decimals),
        realised_pnl=format_decimal(position.realised, price_decimals + qty_decimals),
        fees={asset: format_decimal(fee.amount, fee.decimals) for asset, fee in position.fees.items()},
    )


def _realised(state: State) -> dict[str, str]:
    """By quote asset, exact: instruments of one asset are brought to the finest of their scales."""
    by_asset: dict[str, list[tuple[int, int]]] = {}
    for instrument, position in state.execution.positions.items():
        definition = state.market.instruments[instrument].definition
        decimals = definition.price_decimals + definition.qty_decimals
        by_asset.setdefault(definition.quote, []).append((position.realised, decimals))
    return totals(by_asset)


def _fees(state: State) -> dict[str, str]:
    """Of all instruments together, by the asset that they were paid in."""
    by_asset: dict[str, list[tuple[int, int]]] = {}
    for position in state.execution.positions.values():
        for asset, fee in position.fees.items():
            by_asset.setdefault(asset, []).append((fee.amount, fee.decimals))
    return totals(by_asset)


def totals(by_asset: dict[str, list[tuple[int, int]]]) -> dict[str, str]:
    """Exact sums of ``(value, decimals)``, in the finest of each asset's scales."""
    sums = {}
    for asset, amounts in by_asset.items():
        finest = max(decimals for _, decimals in amounts)
        total = sum(value * 10 ** (finest - decimals) for value, decimals in amounts)
        sums[asset] = format_decimal(total, finest)
    return sums


def rfc3339(wall_ns: int) -> str:
    """Wall-clock nanoseconds as UTC text with milliseconds."""
    stamp = datetime.fromtimestamp(wall_ns // 1_000_000_000, UTC)
    return f"{stamp:%Y-%m-%dT%H:%M:%S}.{wall_ns // 1_000_000 % 1000:03d}Z"
