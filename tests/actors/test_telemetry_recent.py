"""The last seconds of every series, as ``livestack metrics`` shows them."""

from __future__ import annotations

from livestack.telemetry import catalogue
from livestack.telemetry.instruments import Reading
from tests.actors.test_telemetry import Bench


def test_rates_and_percentiles_are_those_of_the_last_ten_seconds() -> None:
    """Of a counter, and of a timing with its largest; what was before is in neither."""
    bench = Bench(sends=False)
    counter = bench.registry.counter(catalogue.JOURNAL_RECORDS)
    times = bench.registry.histogram(catalogue.JOURNAL_COMMIT)
    bench.actor.on_start()
    times.note(10**9)
    counter.value = 1_000_000
    for _ in range(12):
        bench.read()
        counter.value += 20
        for value in (1_000, 1_000, 1_000, 64_000):
            times.note(value)
    bench.read()
    records, commit = bench.shown("journal.records"), bench.shown("journal.commit")
    assert ("counter", "records", 1_000_240, 20.0) == (
        records.type,
        records.unit,
        records.value,
        records.per_second,
    )
    assert ("timing", "ms", 49, 4.0) == (commit.type, commit.unit, commit.value, commit.per_second)
    assert (64_000, True, True) == (commit.most, commit.p50 < 1_200, 50_000 < commit.p99 <= 64_000)
    for _ in range(12):
        bench.read()
    commit = bench.shown("journal.commit")
    assert (49, 0.0, 0, 0) == (commit.value, commit.per_second, commit.p50, commit.most)


def test_a_value_that_no_field_holds_is_shown_as_exactly_as_it_can_be() -> None:
    """Amounts have as many decimals as price and quantity together; what is sent has all of them."""
    bench = Bench()
    value = 39_445_716_317_123_456_789
    bench.registry.probe("p", lambda: [Reading(catalogue.POSITION_EXPOSURE, ("v:S",), -value, 16)])
    bench.actor.on_start()
    assert "p.position.v_S.exposure:-3944.5716317123456789|g" in bench.read()
    shown = bench.shown("position.v_S.exposure")
    assert (-3_944_571_631_712_345_679, 15) == (shown.value, shown.decimals)


def test_series_are_shown_by_the_names_that_are_sent() -> None:
    """And with the catalogue's name and the labels as they are."""
    bench = Bench(sends=False)
    bench.registry.counters(catalogue.VENUE_REJECTS, "v").add("a b")
    bench.actor.on_start()
    bench.read()
    shown = bench.shown("venue.v.a_b.rejects")
    assert ("venue.rejects", ["v", "a b"]) == (shown.metric, list(shown.labels))


def test_what_it_holds_does_not_grow_with_time() -> None:
    """A window's marks, whatever the interval: ten of them, and one behind."""
    bench = Bench(sends=False)
    bench.actor.on_start()
    for _ in range(300):
        bench.read(0.1)
    assert 12 >= len(bench.emission.recent._marks)
