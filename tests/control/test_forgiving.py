"""What people type for a kill: made into what the node takes."""

from __future__ import annotations

import pytest

from livestack.control.forgiving import kill_name, kill_reason, kill_request_id, one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [(" a\nb\x1b[2J ", "a b [2J"), ("\u202ea\u2028b", "a b"), ("\udcff", "\\udcff"), ("", "")],
)
def test_a_line_has_no_hidden_characters(text: str, line: str) -> None:
    """A blank for each that cannot be seen, and none at the ends."""
    assert line == one_line(text)


def test_a_reason_is_never_missing_and_never_too_long() -> None:
    """So that none is a cause to refuse."""
    assert ("no reason given", "x" * 500) == (kill_reason("\n "), kill_reason("x" * 1000))


def test_a_name_is_what_was_meant() -> None:
    """Without blanks around it, and no longer than a name is."""
    assert ("v:I", "x" * 200) == (kill_name(" v:I\t"), kill_name("x" * 300))


def test_an_id_that_is_none_is_replaced() -> None:
    """A new one is made where this says None."""
    assert ("a-1", None, None) == (kill_request_id("a-1"), kill_request_id("a 1"), kill_request_id(None))
