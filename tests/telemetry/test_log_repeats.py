"""Repetitions in the log: what passes, what is counted, and that the count is exact."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from livestack.telemetry.log_lines import Line
from livestack.telemetry.log_repeats import KINDS_MAX, WINDOW_NS, Repeats


def line(event: str = "e", level: str = "warning", logger: str = "l", **fields: Any) -> Line:
    return Line(0, level, logger, event, {"event": event, **fields}, {})


def test_the_first_ones_pass_and_the_others_are_told_once() -> None:
    """Three of five; when ten seconds are over the newest that was not written, with their number; then anew."""
    repeats = Repeats(3)
    assert [True, True, True, False, False] == [repeats.passes(line(n=n), 0) for n in range(5)]
    assert WINDOW_NS == repeats.next_ns()
    assert [] == list(repeats.over(WINDOW_NS - 1))
    ((newest, count),) = repeats.over(WINDOW_NS)
    assert (4, 2) == (newest.fields["n"], count)
    assert repeats.next_ns() is None
    assert repeats.passes(line(), WINDOW_NS)


def test_errors_are_no_exception_but_their_first_ones_pass() -> None:
    """Whatever else floods, an error of another kind is written."""
    repeats = Repeats(1)
    assert [True, False] == [repeats.passes(line(), 0) for _ in range(2)]
    assert [True, False] == [repeats.passes(line(level="error"), 0) for _ in range(2)]


def test_kinds() -> None:
    """Logger, event, level and where it is tell lines apart; other fields do not."""
    repeats = Repeats(1)
    others = [line("x"), line(logger="x"), line(venue="x"), line(actor="x"), line(scope="x"), line(sink="x")]
    assert all(repeats.passes(one, 0) for one in [line(), *others])
    assert not repeats.passes(line(gap=1), 0)


def test_without_end_ever_new_kinds_are_one() -> None:
    """Events that never repeat cannot fill memory, nor the disk: beyond so many they are told apart by level alone."""
    repeats = Repeats(2)
    passed = sum(repeats.passes(line(f"e{n}"), 0) for n in range(10 * KINDS_MAX))
    assert KINDS_MAX + 2 == passed
    assert repeats.passes(line("e", "error"), 0)
    assert 9 * KINDS_MAX - 2 == repeats.suppressed
    assert [9 * KINDS_MAX - 2] == [count for _, count in repeats.all()]


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, WINDOW_NS // 2)), max_size=200),
)
def test_nothing_is_lost_from_the_count(most: int, said: list[tuple[str, int]]) -> None:
    """Of each kind: written and told as suppressed make all that was said; at most so many in a window."""
    repeats = Repeats(most)
    now_ns, written, told = 0, dict.fromkeys("abc", 0), dict.fromkeys("abc", 0)
    for event, after_ns in said:
        now_ns += after_ns
        for newest, count in repeats.over(now_ns):
            told[newest.kind] += count
        written[event] += repeats.passes(line(event), now_ns)
    for newest, count in repeats.all():
        told[newest.kind] += count
    assert [] == list(repeats.over(1 << 62))
    for kind in "abc":
        assert written[kind] + told[kind] == sum(event == kind for event, _ in said)
        assert written[kind] <= most * (1 + now_ns // WINDOW_NS)
    assert sum(told.values()) == repeats.suppressed
