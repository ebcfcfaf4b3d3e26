"""Lines and tables: they fit to the cell, lose nothing in silence, and put numbers where they are compared."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from livestack.cli.top_lines import (
    Block,
    Column,
    clipped,
    fitted,
    rule,
    sides,
    spark,
    table,
    visible,
    width_of,
    wrapped,
)

COLUMNS = (Column("name", cut=1), Column("price", "."), Column("kind", rank=1), Column("text", rank=2, cut=2))
ROWS = [
    ["BTCUSDT", "60000.1", "limit", "something long to say"],
    ["币币", "7", ("bad", "bad"), "\x1b[2J\n"],
    ["E", "-0.25", "", ""],
]


def text_of(block: Block) -> list[str]:
    lines = [block.head] if block.head is not None else []
    return ["".join(text for text, _ in line) for line in [*lines, *map(block.line, range(block.rows))]]


@pytest.mark.parametrize("width", [1, 2, 7, 12, 20, 31, 80])
def test_every_line_is_as_wide_as_it_may_be(width: int) -> None:
    """In cells, also where a character takes two of them."""
    assert {width} == {cell_len(line) for line in text_of(table("t", COLUMNS, ROWS, width))}
    for text in ("", "abc", "币" * 30, "x" * 200):
        assert width == width_of(fitted(((text, ""), ("币", "bad")), width))
        assert width >= cell_len(clipped(text, width))


def test_decimal_points_stand_below_each_other() -> None:
    """Whatever stands before and behind them."""
    lines = text_of(table("t", COLUMNS, ROWS, 80))
    assert lines[1].index(".") == lines[3].index(".")
    assert "      7  " in lines[2]


def test_what_matters_less_goes_first() -> None:
    """The highest rank; then text is cut, and said to be; numbers never are."""
    whole, narrow, least = (text_of(table("t", COLUMNS, ROWS, width)) for width in (80, 30, 14))
    assert "something long to say" in whole[1]
    assert ("something" in narrow[1], "limit" in narrow[1]) == (False, True)
    assert ("limit" in least[1], "60000.1" in least[1], "…" in least[1]) == (False, False, True)
    assert "BTCUS…" == least[1][:6]


def test_nothing_moves_the_cursor() -> None:
    """Control characters of a foreign text become blanks."""
    assert " [2J " == visible("\x1b[2J\n")
    assert "\x1b" not in "".join(text_of(table("t", COLUMNS, ROWS, 80)))


def test_a_table_without_rows_says_so() -> None:
    """In its title, and takes no other line."""
    block = table("Orders", COLUMNS, [], 80)
    assert ("none", 1) == (block.note, block.rows_wanted())


def test_long_text_is_folded() -> None:
    """Between words, and inside of one that is wider than the line."""
    assert ["one two", "three"] == wrapped("one two three", 8)
    assert ["abcdef", "gh ij"] == wrapped("abcdefgh ij", 6)


@pytest.mark.parametrize("width", [5, 10, 40, 80])
def test_a_title_is_a_line(width: int) -> None:
    """As wide as its panel, whatever it says."""
    for title, note in (
        ("Orders", ""),
        ("Orders", "rows 1-5 of 20"),
        ("x" * 100, "y" * 100),
        ("币" * 20, "n"),
    ):
        assert width == width_of(fitted(rule(title, note, width, "title"), width))
    assert 80 == width_of(rule("Orders", "4", 80, "title")) == width_of(rule("Orders", "", 80, "title"))


def test_two_ends_of_a_line() -> None:
    """The right one goes where there is no room."""
    assert "ab    cd" == "".join(text for text, _ in sides((("ab", ""),), (("cd", ""),), 8))
    assert "ab " == "".join(text for text, _ in sides((("ab", ""),), (("cd", ""),), 3))


def test_a_small_plot() -> None:
    """From nothing to the largest value; a gap is a blank; the newest stand at the right."""
    assert "  ▁▅█" == spark([0.0, 5.0, 10.0], 5)
    assert "▁ █" == spark([9.0, 0.0, None, 3.0], 3)
    assert "▁▁" == spark([0.0, 0.0], 2)
    assert "▂" == spark([1.0], 1, least=8.0)
