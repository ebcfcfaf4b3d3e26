"""Instruments: what is counted is told as it is, percentiles within an eighth; a probe that fails fails alone."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.telemetry import catalogue
from livestack.telemetry.instruments import (
    BUCKETS,
    Counters,
    Distribution,
    Histogram,
    Reading,
    Registry,
    bucket_middle,
)
from tests.core.test_fuzz import fuzz

VALUES = st.integers(-5, 2**40)


def held(histogram: Histogram) -> Distribution:
    return Distribution(tuple(histogram.counts), histogram.total, histogram.take_most())


def noted(*values: int) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.note(value)
    return histogram


@fuzz(200)
@given(st.integers(0, 2**66 - 1))
def test_a_bucket_is_at_most_an_eighth_as_wide_as_its_values(value: int) -> None:
    """What stands for a value is that near to it, from a nanosecond to centuries."""
    histogram = noted(value)
    (index,) = [one for one in range(BUCKETS) if histogram.counts[one]]
    assert abs(bucket_middle(index) - value) <= value // 8


@fuzz(100)
@given(st.lists(VALUES, min_size=1, max_size=40), st.lists(VALUES, max_size=40))
def test_percentiles_are_those_of_what_came_since(before: list[int], after: list[int]) -> None:
    """The value at a rank, within its bucket; the largest of all as it was; nothing of what came before."""
    histogram = noted(*before)
    then = held(histogram)
    for value in after:
        histogram.note(value)
    lately = held(histogram).since(then)
    assert len(after) == lately.count
    assert sum(max(value, 0) for value in after) == lately.total or any(value < 0 for value in after)
    ordered = sorted(max(value, 0) for value in after)
    for share, told in zip((0.5, 0.9, 1.0), lately.at(0.5, 0.9, 1.0), strict=True):
        rank = max(-(-int(share * 1_000) * len(after) // 1_000), 1)
        expected = ordered[rank - 1] if ordered else 0
        assert abs(expected - told) <= max(expected, told) // 8
    assert max(ordered, default=0) == lately.most


def test_a_sample_stands_for_all_that_were_not_measured() -> None:
    """Noted once for ten: ten in the count, ten times in the sum, the value itself as the largest."""
    histogram = Histogram()
    histogram.note(100, 10)
    now = held(histogram)
    assert (10, 1_000, 100) == (now.count, now.total, now.most)


def test_an_empty_distribution_has_only_zeros() -> None:
    """No percentile of nothing is made up."""
    assert (0, 0) == held(Histogram()).at(0.5, 0.99)


def test_labels_that_are_too_many_count_as_other() -> None:
    """A venue that invents codes fills nobody's storage; those that are known go on."""
    counters = Counters(most=2)
    for label in ("a", "b", "c", "a", "d"):
        counters.add(label)
    assert {"a": 2, "b": 1, "other": 2} == counters.values


def test_an_instrument_that_is_registered_again_goes_on() -> None:
    """An actor that was restarted counts where the one before had got to."""
    registry = Registry()
    registry.counter(catalogue.FEED_MESSAGES, "v").value += 3
    assert 3 == registry.counter(catalogue.FEED_MESSAGES, "v").value
    assert 0 == registry.counter(catalogue.FEED_MESSAGES, "w").value


@pytest.mark.parametrize(
    "misuse",
    [
        lambda one: one.counter(catalogue.FEED_DECODE, "v"),
        lambda one: one.counter(catalogue.FEED_MESSAGES),
        lambda one: one.histogram(catalogue.FEED_DECODE),
        lambda one: one.counters(catalogue.RUNTIME_DENIALS, "rule"),
        lambda one: one.histogram(catalogue.FEED_AGE, "v"),
    ],
)
def test_what_contradicts_the_catalogue_is_refused(misuse: object) -> None:
    """A kind or a number of labels that the metric does not have."""
    with pytest.raises(ValueError, match=r"is a .* with the labels"):
        misuse(Registry())  # type: ignore[operator]


def test_everything_is_read_once() -> None:
    """Counters, families by label, histograms, and what probes yield."""
    registry = Registry()
    registry.counter(catalogue.FEED_MESSAGES, "v").value += 1
    registry.counters(catalogue.VENUE_REJECTS, "v").add("-2010", 2)
    registry.histogram(catalogue.RUNTIME_STEP).note(5)
    registry.probe("one", lambda: [Reading(catalogue.RUNTIME_SEQ, value=1)])
    registry.probe("one", lambda: [Reading(catalogue.RUNTIME_SEQ, value=2)])
    read = {(one.metric.name, one.labels): one for one in registry.read()}
    assert (1, 2, 2) == (
        read["feed.messages", ("v",)].value,
        read["venue.rejects", ("v", "-2010")].value,
        read["runtime.seq", ()].value,
    )
    distribution = read["runtime.step", ()].distribution
    assert distribution is not None
    assert (1, 5) == (distribution.count, distribution.most)
    assert 4 == len(read)


def test_a_probe_that_fails_is_left_out_whole_and_takes_nothing_along() -> None:
    """Half of what it reads would be shown as all; every other series is there."""

    def half() -> Iterable[Reading]:
        yield Reading(catalogue.SESSION_KILLED, value=1)
        raise OSError("gone")

    registry, failures = Registry(), []
    registry.counter(catalogue.FEED_MESSAGES, "v")
    registry.probe("half", half)
    registry.probe("whole", lambda: [Reading(catalogue.RUNTIME_SEQ, value=7)])
    read = registry.read(lambda name, error: failures.append((name, str(error))))
    assert ["feed.messages", "runtime.seq"] == [one.metric.name for one in read]
    assert [("half", "gone")] == failures
    with pytest.raises(OSError, match="gone"):
        registry.read()


def test_labels_may_come_up_while_they_are_read() -> None:
    """Writers take no lock: a reading among them raises nothing and misses at most what is not there yet."""
    registry = Registry()
    counters = registry.counters(catalogue.RUNTIME_DENIALS)
    counters._most = 10**6
    is_over = threading.Event()

    def write() -> None:
        for number in range(20_000):
            counters.add(str(number))
        is_over.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not is_over.is_set():
        registry.read()
    writer.join()
    assert 20_000 == len(registry.read())
