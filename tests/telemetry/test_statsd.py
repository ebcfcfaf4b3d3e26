"""StatsD's lines: valid whatever labels say, exact in their values, right in their counts, and never torn."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.telemetry import catalogue
from livestack.telemetry.catalogue import METRICS, Kind
from livestack.telemetry.instruments import Distribution, Histogram, Reading
from livestack.telemetry.statsd import (
    PART_MAX,
    SAMPLES_MAX,
    WHOLE_EVERY,
    Encoder,
    Names,
    Naming,
    pack,
    plain_naming,
    samples,
    tagged_naming,
    written,
)
from tests.core.test_fuzz import fuzz

PLAIN = plain_naming("livestack.node.s")
TAGGED = tagged_naming("livestack.{node}.{session}", "node", "s")
LINE = re.compile(
    r"(?P<name>[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64})*):(?P<value>-?\d+(\.\d+)?)\|(?P<type>c|g|ms)"
    r"(\|@(?P<rate>0\.\d+))?(\|#(?P<tags>[a-z]+:[A-Za-z0-9_-]{1,64}(,[a-z]+:[A-Za-z0-9_-]{1,64})*))?"
)
TEXTS = st.text(max_size=100) | st.sampled_from(
    ["a:b|c", "x@1", "#t", "a,b", "a\nb", "a.b", "ÄTH", "", " ", "\ud800"]
)


def encoder(naming: Naming = PLAIN) -> Encoder:
    return Encoder(naming, Names())


def distribution(*values: int) -> Distribution:
    histogram = Histogram()
    for value in values:
        histogram.note(value)
    return Distribution(tuple(histogram.counts), histogram.total, histogram.take_most())


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    """Any series of the catalogue with any labels and any value."""
    metric = draw(st.sampled_from(METRICS))
    labels = tuple(draw(TEXTS) for _ in metric.labels)
    if metric.kind is Kind.TIMING:
        return Reading(
            metric, labels, distribution=distribution(*draw(st.lists(st.integers(0, 10**12), max_size=50)))
        )
    least = 0 if metric.kind is Kind.COUNTER else -(10**30)
    return Reading(metric, labels, draw(st.integers(least, 10**30)), draw(st.integers(0, 36)))


@fuzz(150)
@given(st.lists(readings(), max_size=12), st.sampled_from([PLAIN, TAGGED]), st.integers(256, 1_500))
def test_every_datagram_is_valid_whatever_labels_say(read: list[Reading], naming: Naming, size: int) -> None:
    """Of StatsD's own form, line by line; no larger than asked for; what does not fit is counted, never cut."""
    texts = encoder(naming).encode(read)
    datagrams, too_long = pack(texts, size)
    lines = [line for one in datagrams for line in one.payload.decode("ascii").split("\n")]
    assert [] == [line for line in lines if LINE.fullmatch(line) is None]
    assert all(len(one.payload) <= size for one in datagrams)
    assert len(texts) == too_long + sum(one.values for one in datagrams)
    assert too_long == sum(len(text) > size for text in texts)


@fuzz(150)
@given(st.lists(TEXTS, unique=True, max_size=20))
def test_two_labels_are_never_written_the_same(labels: list[str]) -> None:
    """What cannot be told apart by its letters is by its hash; the same label is always written the same."""
    names = Names()
    once = [names.of(catalogue.POSITION_QTY, (label,)) for label in labels]
    assert len(labels) == len(set(once))
    assert once == [names.of(catalogue.POSITION_QTY, (label,)) for label in labels]
    assert all(re.fullmatch(rf"[A-Za-z0-9_-]{{1,{PART_MAX}}}", name) for (name,) in once)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("binance_spot", "binance_spot"),
        ("sim:BTC/USDT", "sim_BTC_USDT"),
        ("feed sim", "feed_sim"),
        ("-2010", "-2010"),
        ("a.b", "a_b"),
        ("", "_"),
        ("ÄTH", "_TH_b2b735"),
        ("a|b", "a_b_894ba7"),
        ("x" * 64, "x" * 64),
    ],
)
def test_the_rule_for_labels(label: str, expected: str) -> None:
    """Separators become a line; what StatsD or a storage could misread is replaced, with a hash behind the whole."""
    assert expected == written(label)


def test_a_label_that_is_too_long_is_cut_and_has_its_hash() -> None:
    """64 bytes, and others for another tail."""
    one, other = written("x" * 65), written("x" * 64 + "y")
    assert (PART_MAX, PART_MAX) == (len(one), len(other))
    assert one != other
    assert one.startswith("x" * 57 + "_")


def test_the_later_one_of_two_labels_that_would_collide_has_a_hash() -> None:
    """Within one kind; a venue and an instrument of the same name stand in different series anyway."""
    names = Names()
    assert ("a_b",) == names.of(catalogue.POSITION_QTY, ("a:b",))
    assert ("a_b",) == names.of(catalogue.FEED_AGE, ("a_b",))
    (later,) = names.of(catalogue.POSITION_QTY, ("a_b",))
    assert re.fullmatch("a_b_[0-9a-f]{6}", later)


def test_plain_and_tagged_names() -> None:
    """Labels behind the group, or behind the line with node and session; the prefix up to the first name in braces."""
    reading = Reading(catalogue.VENUE_REJECTS, ("sim", "-2010"), 2)
    assert ["livestack.node.s.venue.sim.-2010.rejects:2|c"] == encoder().encode([reading])
    tags = "node:node,session:s,venue:sim,code:-2010"
    assert [f"livestack.venue.rejects:2|c|#{tags}"] == encoder(TAGGED).encode([reading])
    bare = tagged_naming("{node}.live", "node", "s")
    assert [f"venue.rejects:2|c|#{tags}"] == encoder(bare).encode([reading])
    assert "livestack." == tagged_naming("livestack.x{node}", "n", "s").prefix


def test_counters_are_sent_as_what_they_grew_by() -> None:
    """0 when first seen, so that the series is there; nothing while it does not grow; one that fell began anew."""
    sent = encoder()
    series = [(0, "0"), (0, None), (5, "5"), (7, "2"), (7, None), (3, "3")]
    for value, expected in series:
        lines = sent.encode([Reading(catalogue.JOURNAL_RECORDS, value=value)])
        assert ([] if expected is None else [f"livestack.node.s.journal.records:{expected}|c"]) == lines


def test_now_and_then_idle_counters_are_sent_too() -> None:
    """A server that was started again knows of every series a minute later."""
    sent, reading = encoder(), Reading(catalogue.JOURNAL_RECORDS, value=4)
    lines = [sent.encode([reading]) for _ in range(2 * WHOLE_EVERY + 1)]
    assert [0, WHOLE_EVERY, 2 * WHOLE_EVERY] == [number for number, one in enumerate(lines) if one]
    assert ["livestack.node.s.journal.records:0|c"] == lines[-1]


def test_counters_with_decimals_grow_exactly() -> None:
    """Milliseconds of processor time, kept in nanoseconds."""
    sent = encoder()
    sent.encode([Reading(catalogue.PROCESS_CPU, value=1_000_000, decimals=6)])
    assert ["livestack.node.s.process.cpu:0.25|c"] == sent.encode(
        [Reading(catalogue.PROCESS_CPU, value=1_250_000, decimals=6)]
    )


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0, 0, "0"),
        (5, 0, "5"),
        (100, 0, "100"),
        (1_050, 3, "1.05"),
        (1_000, 3, "1"),
        (1, 8, "0.00000001"),
        (123456789012345678901234567890, 16, "12345678901234.567890123456789"),
    ],
)
def test_gauges_are_exact_decimal_text(value: int, decimals: int, text: str) -> None:
    """Money is integers until here and no float comes of it here either; a negative one is set from 0 in one piece."""
    series = "livestack.node.s.position.i.realised"
    assert [f"{series}:{text}|g"] == encoder().encode(
        [Reading(catalogue.POSITION_REALISED, ("i",), value, decimals)]
    )
    if value:
        negative = Reading(catalogue.POSITION_REALISED, ("i",), -value, decimals)
        assert [f"{series}:0|g\n{series}:-{text}|g"] == encoder().encode([negative])


def test_gauges_are_sent_at_every_reading() -> None:
    """StatsD servers forget what does not come."""
    sent, reading = encoder(), Reading(catalogue.RUNTIME_SEQ, value=4)
    assert 1 == len({tuple(sent.encode([reading])) for _ in range(3)})


def test_timings_are_sent_for_what_came_since_the_last_reading() -> None:
    """In milliseconds, or in their own unit where they are sizes; nothing where nothing came."""
    sent, histogram = encoder(), Histogram()

    def lines(metric: catalogue.Metric) -> list[str]:
        return sent.encode(
            [
                Reading(
                    metric,
                    distribution=Distribution(
                        tuple(histogram.counts), histogram.total, histogram.take_most()
                    ),
                )
            ]
        )

    histogram.note(1_500_003)
    assert ["livestack.node.s.runtime.step:1.500003|ms"] == lines(catalogue.RUNTIME_STEP)
    assert [] == lines(catalogue.RUNTIME_STEP)
    histogram.note(7)
    assert ["livestack.node.s.runtime.step:0.000007|ms"] == lines(catalogue.RUNTIME_STEP)
    assert "livestack.node.s.journal.batch:7|ms" in lines(catalogue.JOURNAL_BATCH)


@fuzz(100)
@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=2_000))
def test_samples_count_as_many_as_there_were_and_show_the_largest(values: list[int]) -> None:
    """At most twenty; each weighted by its rate; in order; the last one is the largest, as it was."""
    told = samples(distribution(*values))
    assert min(len(values), SAMPLES_MAX) == len(told)
    weights = sum(1 / Fraction(rate.removeprefix("|@")) if rate else Fraction(1) for _, rate in told)
    assert abs(weights - len(values)) < Fraction(1, 100)
    assert max(values) == told[-1][0]
    assert sorted(value for value, _ in told) == [value for value, _ in told]
    middle, half = sorted(values)[(len(values) - 1) // 2], told[(len(told) - 1) // 2][0]
    if len(values) <= SAMPLES_MAX:
        assert abs(middle - half) <= middle // 8


def test_the_rate_of_many_is_plain_decimals() -> None:
    """StatsD reads digits and a point only: 1e-05 would be 1."""
    rates = {rate for _, rate in samples(Distribution((0, 10**7), 10**7, 1))}
    assert {"", "|@0.0000019"} == rates


def test_a_value_of_two_lines_is_never_torn() -> None:
    """Both in one datagram, counted as one value; a datagram may be filled to its last byte."""
    texts = ["a:1|g", "b:0|g\nb:-1|g", "c:1|g"]
    assert [(b"a:1|g\nb:0|g\nb:-1|g\nc:1|g", 3)] == [(one.payload, one.values) for one in pack(texts, 24)[0]]
    assert [b"a:1|g", b"b:0|g\nb:-1|g", b"c:1|g"] == [one.payload for one in pack(texts, 17)[0]]
    datagrams, too_long = pack(texts, 10)
    assert ([b"a:1|g", b"c:1|g"], 1) == ([one.payload for one in datagrams], too_long)
    assert ([], 0) == pack([], 10)


def test_a_histogram_that_fell_says_nothing_and_goes_on_from_there() -> None:
    """None ever does; if one did, the other series must not be lost with it."""
    told = encoder()
    series = [
        Reading(catalogue.JOURNAL_COMMIT, (), distribution=distribution(*one))
        for one in ((5, 5), (5,), (5, 7))
    ]
    assert [2, 0, 1] == [len(told.encode([one])) for one in series]
