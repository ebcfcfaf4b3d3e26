"""Distributions of durations, and what every kind of fault declares."""

from __future__ import annotations

import random

import pytest

from livestack.simulator.fault_kinds import KINDS, MS, SECOND, Spread, below


def test_a_fixed_duration_needs_no_chance() -> None:
    """Both ends the same: that, and nothing is drawn."""
    generator = random.Random(1)
    before = generator.getstate()
    assert 5 * MS == Spread(5 * MS, 5 * MS).draw(generator)
    assert before == generator.getstate()


def test_an_even_spread_stays_within_its_ends() -> None:
    """Both ends can come, nothing beyond them."""
    generator = random.Random(1)
    drawn = {Spread(3, 6).draw(generator) for _ in range(200)}
    assert {3, 4, 5, 6} == drawn


def test_a_heavy_tail_has_its_median_and_its_most() -> None:
    """Half is about the median or less, some are many times it, none is above the most."""
    generator = random.Random(1)
    drawn = sorted(Spread(5 * MS, 2 * SECOND, tail=True).draw(generator) for _ in range(20_000))
    assert 4 * MS < drawn[10_000] < 8 * MS
    assert drawn[19_990] > 200 * MS
    assert drawn[-1] <= 2 * SECOND


def test_below_needs_no_chance_where_there_is_no_choice() -> None:
    """One possibility is taken without drawing."""
    generator = random.Random(1)
    before = generator.getstate()
    assert 0 == below(generator, 1)
    assert before == generator.getstate()


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_says_when_it_comes(name: str) -> None:
    """Each has one of five occasions, and filters that exist."""
    kind = KINDS[name]
    assert kind.occasion in ("request", "event", "frame", "message", "moment")
    assert set(kind.filters) <= {"sides", "methods", "streams", "symbols", "events"}
