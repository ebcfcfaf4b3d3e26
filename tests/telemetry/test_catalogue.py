"""The catalogue of metrics: what everything else is made from has to be of one form."""

from __future__ import annotations

import re

import pytest

from livestack.telemetry.catalogue import (
    BY_NAME,
    FEED_DECODE,
    METRICS,
    RUNTIME_STEP,
    VENUE_REJECTS,
    Kind,
    Metric,
)

LABELS = {
    "category", "code", "command", "generation", "instrument", "kind", "lane", "level", "limit", "name", "reason",
    "rule", "sink", "thread", "venue",
}  # fmt: skip

each = pytest.mark.parametrize("metric", METRICS, ids=lambda one: one.name)


def test_names_are_told_once() -> None:
    """And each is found by its name."""
    assert len(METRICS) == len(BY_NAME)
    assert all(BY_NAME[metric.name] is metric for metric in METRICS)


@each
def test_a_name_is_a_group_and_a_name(metric: Metric) -> None:
    """Of letters that every storage takes: labels go between the two."""
    assert re.fullmatch(r"[a-z]+\.[a-z_]+", metric.name)


@each
def test_labels_are_known(metric: Metric) -> None:
    """Each once, in singular: a tag's name."""
    assert LABELS >= set(metric.labels)
    assert len(metric.labels) == len(set(metric.labels))


@each
def test_it_says_what_it_is(metric: Metric) -> None:
    """A sentence without its full stop, where it is counted, its unit; an alert is no sentence either."""
    assert re.fullmatch(r"[A-Z0-9].*[^.]", metric.meaning)
    assert metric.source
    assert metric.unit
    assert not metric.alert.endswith(".")


@each
def test_times_are_milliseconds(metric: Metric) -> None:
    """What a timing keeps in nanoseconds is told in ``ms``; other timings are sizes."""
    if metric.kind is Kind.TIMING and metric.unit != "ms":
        assert metric.name == "journal.batch"


def test_groups_stand_together() -> None:
    """In the order in which they are listed, drawn and documented."""
    groups = [metric.name.partition(".")[0] for metric in METRICS]
    assert sorted(groups, key=groups.index) == groups


def test_labels_stand_behind_the_group() -> None:
    """In the catalogue's order."""
    assert "feed.sim.decode" == FEED_DECODE.series(("sim",))
    assert "venue.sim.-2010.rejects" == VENUE_REJECTS.series(("sim", "-2010"))
    assert "runtime.step" == RUNTIME_STEP.series(())


def test_no_two_series_can_be_one() -> None:
    """Whatever the labels are: group, number of parts and last part tell metrics apart."""
    shapes = [(metric.name, len(metric.labels)) for metric in METRICS]
    assert len(shapes) == len(set(shapes))
