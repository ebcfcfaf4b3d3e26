"""The last seconds of every series: rates and percentiles for people who look. Pure; the telemetry actor's thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

from livestack.telemetry.catalogue import Kind
from livestack.telemetry.instruments import Distribution, Reading
from livestack.telemetry.statsd import Names
from livestack.wire import control_pb2 as pb

WINDOW_NS: Final = 10_000_000_000
MARK_NS: Final = 1_000_000_000
"""Marks are so far apart at least: a window has about ten of them, whatever the interval."""

VALUE_MAX: Final = 2**63 - 1

Key = tuple[str, tuple[str, ...]]


class _Mark(msgspec.Struct):
    """Everything as it was read at ``at_ns``. ``most``: of each timing, the largest since the mark before."""

    at_ns: int
    values: dict[Key, int]
    distributions: dict[Key, Distribution]
    most: dict[Key, int]


class Recent:
    """Compares each reading with the one of about ten seconds before; or with nothing, where a series is younger."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._marks: deque[_Mark] = deque()
        self._most: dict[Key, int] = {}
        self._told: dict[Key, pb.Metric] = {}

    def told(self, now_ns: int, readings: Iterable[Reading]) -> tuple[pb.Metric, ...]:
        """Every series, with what became of it lately."""
        while len(self._marks) > 1 and now_ns - self._marks[1].at_ns >= WINDOW_NS:
            self._marks.popleft()
        mark = _Mark(now_ns, {}, {}, self._most)
        out = tuple(self._one(now_ns, reading, mark) for reading in readings)
        if not self._marks or now_ns - self._marks[-1].at_ns >= MARK_NS:
            self._marks.append(mark)
            self._most = {}
        return out

    def _one(self, now_ns: int, reading: Reading, mark: _Mark) -> pb.Metric:
        key = reading.metric.name, reading.labels
        told = pb.Metric()
        told.CopyFrom(self._fixed(key, reading))
        before = self._marks[0] if self._marks else None
        span_ns = now_ns - before.at_ns if before is not None else 0
        if reading.metric.kind is Kind.TIMING and reading.distribution is not None:
            self._time(told, key, reading.distribution, before, mark, span_ns)
            return told
        told.value, told.decimals = _in_bounds(reading.value, reading.decimals)
        if reading.metric.kind is Kind.COUNTER:
            mark.values[key] = reading.value
            if before is not None and span_ns > 0:
                grown = max(reading.value - before.values.get(key, 0), 0)
                told.per_second = grown / 10**reading.decimals * 1e9 / span_ns
        return told

    def _time(
        self, told: pb.Metric, key: Key, now: Distribution, before: _Mark | None, mark: _Mark, span_ns: int
    ) -> None:
        mark.distributions[key] = now
        self._most[key] = max(self._most.get(key, 0), now.most)
        most = max((one.most.get(key, 0) for one in list(self._marks)[1:]), default=0)
        most = max(most, self._most[key])
        then = before.distributions.get(key) if before is not None else None
        told.value = now.count
        if then is not None and then.counts == now.counts:
            return
        lately = Distribution(now.counts, now.total, most).since(then)
        told.p50, told.p90, told.p99 = lately.at(0.5, 0.9, 0.99)
        told.most = most
        if span_ns > 0:
            told.per_second = lately.count * 1e9 / span_ns

    def _fixed(self, key: Key, reading: Reading) -> pb.Metric:
        """What never changes of a series."""
        known = self._told.get(key)
        if known is None:
            metric = reading.metric
            known = self._told[key] = pb.Metric(
                name=metric.series(self._names.of(metric, reading.labels)),
                metric=metric.name,
                labels=reading.labels,
                type=metric.kind.value,
                unit=metric.unit,
            )
        return known


def _in_bounds(value: int, decimals: int) -> tuple[int, int]:
    """As exact as a field of 64 bits can be; what is sent is exact."""
    while not -VALUE_MAX <= value <= VALUE_MAX and decimals:
        value, decimals = value // 10, decimals - 1
    return max(-VALUE_MAX, min(value, VALUE_MAX)), decimals
