"""What hot paths bump and telemetry reads: counters, histograms with fixed buckets, and probes, in one registry.

Theory of operation. Every instrument has one writer, the actor (or the lock's holder) that registered it, and any
number of readers; neither takes a lock. A writer adds to plain integers, so a reader sees each of them whole, at worst
one addition later than another. Counters only grow; whoever reports a rate keeps what it read before. What exists
already elsewhere (the depth of a mailbox, a figure of State) is not counted a second time but read by a probe, on the
telemetry actor's thread, once per reading.

An instrument that is registered again (an actor was restarted) is the one that is there already, and goes on.
No I/O, no clock. Imports the catalogue.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from itertools import compress
from operator import sub
from typing import Final

import msgspec

from livestack.telemetry.catalogue import Kind, Metric

_STEPS: Final = 3
"""Each doubling is cut into 2 ** _STEPS buckets: a bucket is at most an eighth as wide as its values are large."""

BUCKETS: Final = 64 << _STEPS
_INDICES: Final = range(BUCKETS)


class Counter:
    """A number that grows. ``counter.value += 1``, on the writer's thread."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Counters:
    """Counters by a label that is not known beforehand: a rule, a code. ``add(label)``, on the writer's thread.

    ``most``: labels that are told apart; what comes later counts as ``other``, so that no venue can fill a storage.
    """

    __slots__ = ("_most", "values")

    def __init__(self, most: int = 64) -> None:
        self.values: dict[str, int] = {}
        self._most = most

    def add(self, label: str, by: int = 1) -> None:
        if label not in self.values and len(self.values) >= self._most:
            label = "other"
        self.values[label] = self.values.get(label, 0) + by


class Histogram:
    """How large values were, by fixed buckets: times in nanoseconds, or sizes. ``note(value)``, on the writer's thread.

    ``total`` is their sum, ``most`` the largest since the last :meth:`take_most`.
    """

    __slots__ = ("counts", "most", "total")

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.total = 0
        self.most = 0

    def note(self, value: int, times: int = 1) -> None:
        """Count ``value`` so many ``times``: a sample stands for those that were not measured. A negative one (clocks
        that disagree) is 0."""
        if value < 8:
            value = max(value, 0)
            self.counts[value] += times
        else:
            octave = value.bit_length() - 4
            self.counts[(octave << 3) + (value >> octave)] += times
        self.total += value * times
        if value > self.most:
            self.most = value

    def take_most(self) -> int:
        """The largest value since the last call. One reader; a value noted at this very moment may be missed."""
        most, self.most = self.most, 0
        return most


def bucket_middle(index: int) -> int:
    """The value that stands for bucket ``index`` of a histogram."""
    if index < 16:
        return index
    octave = (index >> 3) - 1
    return ((index - (octave << 3)) << octave) + (1 << octave >> 1)


class Distribution(msgspec.Struct, frozen=True, gc=False):
    """What a histogram held when it was read: ``counts`` by bucket since it began, ``most`` since the last reading."""

    counts: tuple[int, ...]
    total: int
    most: int

    @property
    def count(self) -> int:
        return sum(self.counts)

    def since(self, before: Distribution | None) -> Distribution:
        """What came after ``before``."""
        if before is None:
            return self
        counts = tuple(map(sub, self.counts, before.counts))
        return Distribution(counts, self.total - before.total, self.most)

    def at(self, *shares: float) -> tuple[int, ...]:
        """The values below which ``shares`` (ascending, 0 to 1) of all lie; 0 for an empty one. None is larger than
        the largest value noted."""
        count, counts, most = self.count, self.counts, self.most
        out: list[int] = []
        filled = compress(_INDICES, counts)
        seen = value = 0
        for share in shares:
            while seen < share * count and (index := next(filled, None)) is not None:
                seen += counts[index]
                value = bucket_middle(index)
            out.append(min(value, most) if most else value)
        return tuple(out)


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One series at one moment. ``labels`` in the catalogue's order. ``value``: a counter's total, a gauge's value in
    ``decimals`` (money is integers); a timing has its ``distribution`` instead."""

    metric: Metric
    labels: tuple[str, ...] = ()
    value: int = 0
    decimals: int = 0
    distribution: Distribution | None = None


Probe = Callable[[], Iterable[Reading]]
"""Reads what is there anyway. Called on the telemetry actor's thread; must not block, and takes no lock."""


class Registry:
    """All instruments of a node. Registering: any thread, at an actor's start. Reading: the telemetry actor's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[tuple[Metric, tuple[str, ...]], Counter] = {}
        self._families: dict[tuple[Metric, tuple[str, ...]], Counters] = {}
        self._histograms: dict[tuple[Metric, tuple[str, ...]], Histogram] = {}
        self._probes: dict[str, Probe] = {}

    def counter(self, metric: Metric, *labels: str) -> Counter:
        """The counter of ``metric`` with all of its ``labels``."""
        _check(metric, Kind.COUNTER, len(labels))
        with self._lock:
            return self._counters.setdefault((metric, labels), Counter())

    def counters(self, metric: Metric, *labels: str) -> Counters:
        """Counters of ``metric`` by its last label, the ones before it given."""
        _check(metric, Kind.COUNTER, len(labels) + 1)
        with self._lock:
            return self._families.setdefault((metric, labels), Counters())

    def histogram(self, metric: Metric, *labels: str) -> Histogram:
        """The histogram of the timing ``metric`` with all of its ``labels``."""
        _check(metric, Kind.TIMING, len(labels))
        with self._lock:
            return self._histograms.setdefault((metric, labels), Histogram())

    def probe(self, name: str, probe: Probe) -> None:
        """Read ``probe`` too; one of the same name takes the place of the one before."""
        with self._lock:
            self._probes = {**self._probes, name: probe}

    def read(self, failed: Callable[[str, Exception], None] | None = None) -> list[Reading]:
        """Every series as it is now. A probe that raises is left out, and ``failed`` is told its name and why."""
        with self._lock:
            counters, families = list(self._counters.items()), list(self._families.items())
            histograms, probes = list(self._histograms.items()), self._probes
        out = [Reading(metric, labels, counter.value) for (metric, labels), counter in counters]
        for (metric, labels), family in families:
            out.extend(Reading(metric, (*labels, one), value) for one, value in family.values.copy().items())
        for (metric, labels), histogram in histograms:
            held = Distribution(tuple(histogram.counts), histogram.total, histogram.take_most())
            out.append(Reading(metric, labels, distribution=held))
        for name, probe in probes.items():
            try:
                out.extend(tuple(probe()))  # whole or not at all
            except Exception as error:
                if failed is None:
                    raise
                failed(name, error)
        return out


def _check(metric: Metric, kind: Kind, labels: int) -> None:
    """``ValueError`` for a use that contradicts the catalogue."""
    if metric.kind is not kind or len(metric.labels) != labels:
        raise ValueError(f"{metric.name} is a {metric.kind.value} with the labels {metric.labels}")
