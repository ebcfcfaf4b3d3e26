"""What a report tells of a session besides its market and its orders: commands, states, incidents, starts and stops.

Pure; bounded, however long the session. Any one thread.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec

from livestack.research.report_measures import Sample

MOMENTS_MAX: Final = 200
"""So many of the first and so many of the last ones are told; how many there were is always known."""

OPEN_MAX: Final = 1_000
"""Incidents that are open at the same time and known to be; a venue has a handful."""

LANES: Final = {
    "SessionStarted": "session",
    "SessionResumed": "session",
    "SessionStopping": "session",
    "SessionStopped": "session",
    "OperatorCommand": "commands",
    "CommandApplied": "commands",
    "CommandRefused": "commands",
    "ConfigurationChanged": "configuration",
    "TradingStateChanged": "trading state",
    "KillSwitchEngaged": "kill-switch",
    "KillSwitchReset": "kill-switch",
    "KillReceipt": "kill-switch",
    "FeedStatusChanged": "connections",
    "VenueStatusChanged": "connections",
    "VenueBackoff": "connections",
    "IncidentOpened": "incidents",
    "IncidentClosed": "incidents",
    "AnomalyDetected": "anomalies",
    "CancelRejected": "refusals",
    "ReplaceRejected": "refusals",
    "StrategyFailed": "strategy",
    "StrategyDisabled": "strategy",
    "StrategyEnabled": "strategy",
}
"""By Event; what is not here is told under ``other``."""

OTHER: Final = "other"
GRADES: Final = ("info", "warning", "bad")

LANE_ORDER: Final = (
    "session",
    "trading state",
    "kill-switch",
    "incidents",
    "anomalies",
    "refusals",
    "connections",
    "strategy",
    "commands",
    "configuration",
    OTHER,
)

BAD: Final = {"KillSwitchEngaged", "IncidentOpened", "AnomalyDetected", "StrategyFailed", "StrategyDisabled"}
WORRYING: Final = {
    "CancelRejected",
    "CommandRefused",
    "KillReceipt",
    "ReplaceRejected",
    "SessionResumed",
    "VenueBackoff",
}
GOOD_STATES: Final = {"live", "active"}
WITH_STATES: Final = {"TradingStateChanged", "FeedStatusChanged", "VenueStatusChanged"}


class Moment(msgspec.Struct, frozen=True):
    """``grade``: ``info``, ``warning`` or ``bad``; ``scope``: an instrument, a venue, or nothing."""

    seq: int
    ts: int
    lane: str
    grade: str
    event: str
    scope: str
    state: str
    actor: str
    reason: str

    @property
    def text(self) -> str:
        """For people: what it came to, who caused it, why."""
        told = [self.state.replace("_", " "), f"by {self.actor}" if self.actor else "", self.reason]
        return ", ".join(part for part in told if part)


class Span(msgspec.Struct):
    """An incident from its beginning to its end (0: it was open when the records end)."""

    name: str
    scope: str
    start: int
    end: int = 0


class Timeline:
    """Takes control and session records in order. ``counts``: moments by lane; ``trading``: the newest state of all."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.spans: Sample[Span] = Sample()
        self.trading = ""
        self._marks: dict[tuple[str, str], Sample[Moment]] = {}
        self._open: dict[tuple[str, str], Span] = {}
        self._first: list[Moment] = []
        self._last: deque[Moment] = deque(maxlen=MOMENTS_MAX)

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    def moments(self) -> list[Moment]:
        """The first and the last ones."""
        return [*self._first, *self._last]

    def marks(self, lane: str) -> list[Moment]:
        """What of a lane is drawn, what is bad last and so above the rest; of very many moments some."""
        return [one for grade in GRADES for one in self._marks.get((lane, grade), Sample[Moment]()).kept]

    def take_control(self, record: Any) -> None:
        """A ``ControlRecord``."""
        trace = record.trace
        moment = Moment(
            seq=trace.seq,
            ts=trace.ts,
            lane=LANES.get(record.event, OTHER),
            grade=_grade(record.event, record.state.lower()),
            event=record.event,
            scope=_scope(record),
            state=record.state,
            actor=record.actor,
            reason=record.reason,
        )
        if record.event == "TradingStateChanged" and not moment.scope:
            self.trading = record.state
        if moment.lane == "incidents":
            self._incident(moment)
        self._keep(moment)

    def take_session(self, record: Any) -> None:
        """A ``SessionRecord``. Checkpoints are not told: there is one every few seconds."""
        if record.event == "checkpoint":
            return
        event = f"Session{record.event.capitalize()}"
        grade = _grade(event, "")
        trace = record.trace
        self._keep(Moment(trace.seq, trace.ts, "session", grade, event, "", "", record.actor, record.reason))

    def _keep(self, moment: Moment) -> None:
        self.counts[moment.lane] = self.counts.get(moment.lane, 0) + 1
        self._marks.setdefault((moment.lane, moment.grade), Sample()).add(moment)
        if len(self._first) < MOMENTS_MAX:
            self._first.append(moment)
        else:
            self._last.append(moment)

    def _incident(self, moment: Moment) -> None:
        key = (moment.state, moment.scope)
        if moment.event == "IncidentClosed":
            span = self._open.pop(key, None)
            if span is not None:
                span.end = moment.ts
        elif key not in self._open and len(self._open) < OPEN_MAX:
            self._open[key] = span = Span(moment.state, moment.scope, moment.ts)
            self.spans.add(span)


def _scope(record: Any) -> str:
    """An instrument or a venue; of an incident what it says itself."""
    trace = record.trace
    if record.event in ("IncidentOpened", "IncidentClosed"):
        return str(msgspec.json.decode(record.detail).get("scope") or trace.instrument or trace.venue)
    return str(trace.instrument or trace.venue)


def _grade(event: str, state: str) -> str:
    if event in WITH_STATES:
        return "info" if state in GOOD_STATES else "bad" if state == "halted" else "warning"
    return "bad" if event in BAD else "warning" if event in WORRYING else "info"
