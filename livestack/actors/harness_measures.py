"""What is measured at the harness: its steps and its Strategy, the way of orders, and what its counters say.

Theory of operation. A step may take a microsecond, and a clock is read in a tenth of that: not every step is timed.
A hundred times a second one of a batch is, by turns its first, its middle and its last; it is noted for all that came
since the one before. In that step, and in no other, the Strategy is timed too. At the end of a batch that took longer
than such a batch does, its slowest step is found by the steps' times, so that none is missed. Everything that is
counted anyway is read by a probe.

Harness thread, the probe on the telemetry actor's. Imports core, mailboxes and instruments.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import sub
from typing import Any, Final

from livestack.actors.mailbox import HarnessMailbox
from livestack.actors.measures import SLOW_NS, Measures, Trail
from livestack.actors.progress import Progress
from livestack.actors.strategy_measures import TimedStrategy
from livestack.core.events import (
    CONTROL_EVENTS,
    DERIVED_EVENTS,
    EXECUTION_EVENTS,
    MARKET_EVENTS,
    ControlTime,
    IntentDispatched,
    Recorded,
)
from livestack.core.runtime import CoreRuntime, Step
from livestack.telemetry import catalogue
from livestack.telemetry.instruments import Reading

EVERY_NS: Final = 10_000_000
"""Between two steps that are timed."""

USUAL_NS: Final = 4_000
"""What a step of a long batch takes at the most, on average, where none of them is slow."""

_CATEGORIES: Final = {
    **dict.fromkeys(MARKET_EVENTS, "market"),
    **dict.fromkeys(EXECUTION_EVENTS, "execution"),
    **dict.fromkeys(CONTROL_EVENTS, "control"),
    **dict.fromkeys(DERIVED_EVENTS, "derived"),
    ControlTime: "time",
}


class HarnessMeasures:
    """Those of the one harness of a node."""

    def __init__(
        self, measures: Measures, runtime: CoreRuntime, progress: Progress, lanes: HarnessMailbox
    ) -> None:
        registry = measures.registry
        self._measures = measures
        self._now_ns = measures.clock.now_ns
        self._runtime = runtime
        self._progress = progress
        self._lanes = lanes
        self._step = registry.histogram(catalogue.RUNTIME_STEP)
        self._own = runtime.strategy
        self._timed = TimedStrategy(
            self._own, registry.histogram(catalogue.RUNTIME_STRATEGY), measures.clock.now_ns
        )
        self._turn = 0
        self._untimed = 0
        self._noted_ts = 0
        self.due_ns = 0
        """When the next step is timed."""
        registry.probe("harness", self.read)

    def parts(self, batch: list[Any]) -> Iterator[list[Any]]:
        """A ``batch`` that has just begun, in pieces, each to be stepped through before the next is asked for; one of
        them is timed."""
        self.due_ns = self._progress.busy_ns + EVERY_NS
        self._turn = (self._turn + 1) % 3
        at = (len(batch) - 1) * self._turn // 2
        if at:
            yield batch[:at]
        times = self._timed.times = max(self._untimed + len(batch), 0)
        self._runtime.strategy = self._timed
        yield batch[at : at + 1]
        self._runtime.strategy = self._own
        took_ns = self._now_ns() - self._progress.busy_ns
        if took_ns >= SLOW_NS:
            self._note_slow(self._progress.busy_ns, took_ns)
        else:
            self._step.note(took_ns, times)
            self._untimed -= times
        if at + 1 < len(batch):
            yield batch[at + 1 :]

    def ended(self, begun_ns: int, steps: int, records: list[Recorded]) -> None:
        """A batch of so many ``steps`` is done; ``records`` are what was not handed over before."""
        self._untimed += steps
        ended_ns = self._now_ns()
        if ended_ns - begun_ns >= SLOW_NS:
            self._look_for_slow(records, ended_ns)

    def _look_for_slow(self, records: list[Recorded], ended_ns: int) -> None:
        """Note the slowest step of ``records``, unless they took no longer than they do."""
        if not records or ended_ns - records[0].ts < SLOW_NS + USUAL_NS * len(records):
            return
        times_ns = [record.ts for record in records]
        slowest_ns, ts = max(zip(map(sub, (*times_ns[1:], ended_ns), times_ns), times_ns, strict=True))
        if slowest_ns >= SLOW_NS:
            self._note_slow(ts, slowest_ns)

    def _note_slow(self, ts: int, took_ns: int) -> None:
        """The step that began at ``ts``, once, as itself alone: it stands for no other."""
        if ts != self._noted_ts:
            self._noted_ts = ts
            self._step.note(took_ns)
            self._untimed -= 1

    def decided(self, record: Recorded, step: Step, records: list[Recorded]) -> None:
        """Leave a trail for every dispatch of ``step`` that answers ``record``; one that was withheld before answers
        nothing. Only market data has a frame to begin with. ``records``: what is to be handed over."""
        event: Any = record.event
        decided_ns = self._now_ns()
        self._look_for_slow(records, decided_ns)
        if type(event) not in MARKET_EVENTS:
            return
        recv_ns, ts = event.recv_ns, record.ts
        put_ns = self._measures.arrivals(event.instrument.partition(":")[0]).put_ns(recv_ns)
        for seq, derived in enumerate(step.derived, record.seq + 1):
            if type(derived) is IntentDispatched and derived.admitted_ts == ts:
                self._measures.trails.keep(Trail(seq, recv_ns, min(put_ns, ts), ts, decided_ns))

    def clock_told(self, record: Recorded, step: Step) -> None:
        """A venue's clock was measured anew."""
        clock: Any = record.event
        self._measures.clock_offsets[clock.venue] = clock.offset_ns

    def read(self) -> Iterator[Reading]:
        """Counters and gauges that are there anyway. Telemetry's thread."""
        progress = self._progress
        events = dict.fromkeys(("market", "execution", "control", "time", "derived"), 0)
        for kind, count in progress.counts.copy().items():
            events[_CATEGORIES[kind]] += count
        for category, count in events.items():
            yield Reading(catalogue.RUNTIME_EVENTS, (category,), count)
        yield Reading(catalogue.RUNTIME_SEQ, (), progress.sequenced)
        yield Reading(catalogue.RUNTIME_UNCOMMITTED, (), progress.uncommitted())
        for rule, (times, _) in progress.denials.copy().items():
            yield Reading(catalogue.RUNTIME_DENIALS, (rule,), times)
        for kind_of, times in progress.anomalies.copy().items():
            yield Reading(catalogue.RUNTIME_ANOMALIES, (kind_of,), times)
        yield from self._read_lanes()
        yield from self._read_incidents()

    def _read_lanes(self) -> Iterator[Reading]:
        for lane, depth in self._lanes.depths().items():
            yield Reading(catalogue.RUNTIME_INBOX, (lane,), depth)
        now_ns = self._now_ns()
        for lane, since_ns in self._lanes.waiting_since_ns().items():
            age_ns = max(now_ns - since_ns, 0) if since_ns else 0
            yield Reading(catalogue.RUNTIME_INBOX_AGE, (lane,), age_ns // 1_000_000)

    def _read_incidents(self) -> Iterator[Reading]:
        """Those that were ever open in this run stay, as 0: a dashboard must see them close."""
        is_open = [name for name, _ in self._progress.incidents.copy()]
        for name, times in self._progress.opened.copy().items():
            yield Reading(catalogue.INCIDENTS_OPENED, (name,), times)
            yield Reading(catalogue.INCIDENTS_OPEN, (name,), is_open.count(name))
