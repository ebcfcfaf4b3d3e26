"""docs/core.rst: its examples print what it says, and the tables of the guides are those of the code."""

from __future__ import annotations

import doctest
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
TABLES = runpy.run_path(str(DOCS / "tables.py"))


def test_the_examples_print_what_the_guide_says() -> None:
    """Every one of them, from top to bottom."""
    failed, tried = doctest.testfile(str(DOCS / "core.rst"), module_relative=False)
    assert 0 == failed
    assert tried > 40


@pytest.mark.parametrize("name", TABLES["FILES"])
def test_generated_tables_are_up_to_date(name: str) -> None:
    """Otherwise: python docs/tables.py."""
    assert TABLES["texts"]()[name] == (DOCS / "generated" / name).read_text(encoding="utf-8")
    assert any(f"generated/{name}" in guide.read_text(encoding="utf-8") for guide in DOCS.glob("*.rst"))


def test_no_other_table_is_left() -> None:
    """A file that nobody writes any more would never be found wrong."""
    assert set(TABLES["FILES"]) == {path.name for path in (DOCS / "generated").iterdir()}
