"""``livestack replay --step``, with its answers from a pipe."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from livestack.cli.main import cli
from livestack.cli.stepping import groups
from livestack.core.types import Origin
from tests.research.orders import filled


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A session whose sixth Event makes two orders."""
    filled(tmp_path)
    return tmp_path


def step(directory: Path, answers: str, *options: str) -> Result:
    return CliRunner().invoke(
        cli,
        ["replay", "--step", *options, "--data-dir", str(directory)],
        input=answers,
        catch_exceptions=False,
    )


def shown(result: Result) -> list[tuple[int, str]]:
    """Position and name of each Event in the output."""
    words = [line.replace("->", "").split() for line in result.stdout.splitlines()]
    return [(int(first), name) for first, name, *_ in words if first.isdigit()]


def test_one_at_a_time_with_what_was_derived(directory: Path) -> None:
    """Enter shows the next, a number goes on by so many, q ends it."""
    found = shown(step(directory, "\n\n3\nq\n"))
    assert [
        (1, "SessionStarted"),
        (2, "InstrumentDefined"),
        (3, "AccountBaseline"),
        (6, "QuoteTick"),
        (7, "IntentDispatched"),
        (8, "IntentDispatched"),
    ] == found


@pytest.mark.parametrize("answers", ["", "\nq\n", "\n\n\n"])
def test_the_part_that_was_seen_is_compared(directory: Path, answers: str) -> None:
    """However it ends, a word about it and exit 0."""
    result = step(directory, answers)
    assert (0, True) == (result.exit_code, "identical: from seq 1" in result.stdout)


def test_to_the_end_of_the_session(directory: Path) -> None:
    """More than there is, is all of it."""
    result = step(directory, "1000\n")
    assert [(1, "SessionStarted")] == shown(result)
    assert 0 == result.exit_code


def test_other_answers_are_answered_with_what_there_is(directory: Path) -> None:
    """And ask again."""
    result = step(directory, "what\n0\n\nq\n")
    assert 2 == result.stderr.count("Enter: the next one")
    assert 2 == len(shown(result))


def test_groups_begin_with_an_input(tmp_path: Path) -> None:
    """Each with everything that was derived from it."""
    records = filled(tmp_path)
    found = list(groups(records))
    assert records == [one for group in found for one in group]
    assert all(group[0].origin is Origin.INPUT for group in found)
    assert all(one.origin is Origin.DERIVED for group in found for one in group[1:])
