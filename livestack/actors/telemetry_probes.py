"""What telemetry reads of a session instead of counting it: State as operators are shown it, sinks, and the desk.

Every probe is called on the telemetry actor's thread, once for each reading, and neither waits nor takes a lock of the
trading path. A figure of State is as old as the view, which the control actor renews several times a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from livestack.actors.desk import Board, Desk
from livestack.actors.progress import Progress
from livestack.control.view import InstrumentView, PositionView, SinkView, View
from livestack.core.state import ExecutionState
from livestack.core.types import ConnectionStatus
from livestack.telemetry import catalogue, logs
from livestack.telemetry.catalogue import Metric
from livestack.telemetry.instruments import Reading, Registry

NS_IN_MS: Final = 6
"""Decimals of milliseconds that are kept in nanoseconds."""

SINK_STATES: Final = ("ok", "starting", "behind", "down", "refused")

_UNITS: Final = (
    (86_400_000_000_000, "d"),
    (3_600_000_000_000, "h"),
    (60_000_000_000, "m"),
    (1_000_000_000, "s"),
    (1_000_000, "ms"),
)


class Probes:
    """``before``: what State had counted before this run; counters are of the run. ``progress`` knows of the
    session's end, behind which no view is shown any more."""

    def __init__(self, board: Board, desk: Desk, progress: Progress, before: ExecutionState) -> None:
        self._board = board
        self._desk = desk
        self._progress = progress
        counts = before.counts
        self._before = (counts.total, before.queue.superseded, counts.dispatched)

    def register(self, registry: Registry) -> None:
        """One by one: what fails takes nothing else with it."""
        registry.probe("session", self.session)
        registry.probe("positions", self.positions)
        registry.probe("venues", self.venues)
        registry.probe("sinks", self.sinks)
        registry.probe("requests", self.requests)
        registry.probe("logs", logs.readings)

    def session(self) -> Iterable[Reading]:
        view = self._board.view
        if view is None:
            return
        yield Reading(catalogue.SESSION_PHASE, value=self._progress.phase)
        yield Reading(catalogue.SESSION_TRADING, value=view.trading_state)
        yield Reading(catalogue.SESSION_KILLED, value=len(view.kill))
        yield Reading(catalogue.SESSION_CONFIGURATION, value=view.configuration.version)
        yield Reading(catalogue.SESSION_STRATEGY, value=int(view.strategy_enabled))
        intents, superseded, dispatches = self._before
        yield Reading(catalogue.RUNTIME_INTENTS, value=view.intents - intents)
        yield Reading(catalogue.RUNTIME_SUPERSEDED, value=view.superseded - superseded)
        yield Reading(catalogue.RUNTIME_DISPATCHES, value=view.dispatches - dispatches)
        yield Reading(catalogue.RUNTIME_QUEUED, value=view.queued)

    def positions(self) -> Iterable[Reading]:
        view = self._board.view
        if view is not None:
            markets = {one.instrument: one for one in view.instruments}
            for position in view.positions:
                yield from _position(position, markets.get(position.instrument))

    def venues(self) -> Iterable[Reading]:
        view = self._board.view
        return () if view is None else _venues(view, self._board.clock.now_ns())

    def sinks(self) -> Iterable[Reading]:
        for sink in self._board.sinks():
            yield from _sink(sink)

    def requests(self) -> Iterable[Reading]:
        yield from _counted(catalogue.CONTROL_REQUESTS, self._desk.let_in.values)
        yield from _counted(catalogue.CONTROL_REFUSED, self._desk.not_let_in.values)
        if self._board.operator_heard_ns:
            yield Reading(catalogue.CONTROL_OPERATOR_AGE, (), self._board.operator_silent_ns(), NS_IN_MS)


def _counted(metric: Metric, values: dict[str, int]) -> Iterator[Reading]:
    for label, value in values.copy().items():
        yield Reading(metric, (label,), value)


def _position(one: PositionView, market: InstrumentView | None) -> Iterator[Reading]:
    """Without a price at which it could be closed nobody knows what it is worth."""
    labels, decimals = (one.instrument,), one.price_decimals + one.qty_decimals
    yield Reading(catalogue.POSITION_QTY, labels, one.qty, one.qty_decimals)
    yield Reading(catalogue.POSITION_REALISED, labels, one.realised, decimals)
    if one.unrealised is not None:
        yield Reading(catalogue.POSITION_UNREALISED, labels, one.unrealised, decimals)
    price = 0 if market is None else market.bid if one.qty > 0 else market.ask
    if price or not one.qty:
        yield Reading(catalogue.POSITION_EXPOSURE, labels, abs(one.qty) * price, decimals)


def _venues(view: View, now_ns: int) -> Iterator[Reading]:
    newest: dict[str, int] = {}
    for market in view.instruments:
        newest[market.venue] = max(newest.get(market.venue, 0), market.recv_ns)
    for one in view.venues:
        labels = (one.venue,)
        yield Reading(catalogue.VENUE_STATE, labels, ConnectionStatus[one.status.upper()])
        yield Reading(catalogue.FEED_STATE, labels, ConnectionStatus[one.feed_status.upper()])
        if recv_ns := newest.get(one.venue):
            yield Reading(catalogue.FEED_AGE, labels, max(now_ns - recv_ns, 0), NS_IN_MS)
        yield Reading(catalogue.VENUE_OPEN, labels, one.open_orders)
        yield Reading(catalogue.VENUE_UNKNOWN, labels, one.unknown_orders)
        age_ns = max(now_ns - one.asked_ts, 0) if one.asked_ts else 0
        yield Reading(catalogue.VENUE_INFLIGHT_AGE, labels, age_ns, NS_IN_MS)
        yield Reading(catalogue.VENUE_CLOCK_OFFSET, labels, one.clock_offset_ns, 3)
        rates: dict[str, int] = {}
        for kind, interval_ns, left, whole in one.rates:
            rule, share = f"{kind.lower()}_{span(interval_ns)}", left * 1_000 // max(whole, 1)
            rates[rule] = min(share, rates.get(rule, share))  # of two of one name the tighter one
        for rule, share in rates.items():
            yield Reading(catalogue.VENUE_RATE_LEFT, (one.venue, rule), share, 1)


def span(interval_ns: int) -> str:
    """10 s as ``10s``; in the largest unit that leaves nothing over."""
    for unit_ns, name in _UNITS:
        if interval_ns % unit_ns == 0:
            return f"{interval_ns // unit_ns}{name}"
    return f"{interval_ns}ns"


def _sink(one: SinkView) -> Iterator[Reading]:
    labels = (one.name,)
    yield Reading(catalogue.RECORDS_BEHIND, labels, one.behind)
    yield Reading(catalogue.RECORDS_LAG, labels, one.lag_ns, NS_IN_MS)
    yield Reading(catalogue.RECORDS_THROUGH, labels, one.through)
    yield Reading(catalogue.RECORDS_STATE, labels, SINK_STATES.index(one.state))
    yield Reading(catalogue.RECORDS_ERRORS, labels, one.errors)
    yield Reading(catalogue.RECORDS_DEAD_LETTERS, labels, one.dead_letters)
