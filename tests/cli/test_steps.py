"""Lists of steps for people and tools."""

from __future__ import annotations

import io
import json

import msgspec
import pytest
from rich.console import Console

from livestack.cli.steps import elapsed, print_list, print_step


class Item(msgspec.Struct):
    """Anything."""

    number: int


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_list_is_one_json_value(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    """However many there are; written one by one."""
    print_list(Item(number) for number in range(count))
    assert [{"number": number} for number in range(count)] == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [
        (0, "+0.000000"),
        (1_250_000_000, "+1.250000"),
        (999, "+0.000000"),
        (3_599_999_999_999, "+3599.999999"),
        (3_723_250_000_000, "+1:02:03.250"),
    ],
)
def test_time_since_the_start(nanoseconds: int, expected: str) -> None:
    """Seconds with microseconds, hours from an hour on."""
    assert expected == elapsed(nanoseconds)


@pytest.mark.parametrize("width", [80, 200])
def test_a_step_fits_the_terminal(width: int) -> None:
    """Its sentence is folded below itself; brackets in it are no markup."""
    out = io.StringIO()
    print_step(Console(file=out, width=width), 7, 0, "answer", "[red] " + "word " * 60, "red")
    lines = out.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    assert "[red]" in lines[0]
    assert not lines[1][:36].strip()
