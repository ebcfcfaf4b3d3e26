"""``livestack records show``: what real storage has, for people and for tools."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from livestack.storage.tables import TABLES
from tests.cli.stored import SESSION, ship
from tests.cli.support import Shell


@pytest.fixture
def rows(tmp_path: Path) -> dict[str, int]:
    """How many records of each table are in the default place."""
    return {name: len(records) for name, records in ship(tmp_path).items()}


def test_tables(shell: Shell, rows: dict[str, int]) -> None:
    """Without a table: all of them with their rows, and the times of the first and the last."""
    outcome = shell("records", "show", "--json")
    found = [json.loads(line) for line in outcome.out.splitlines()]
    assert {name: rows.get(name, 0) for name in TABLES} == {one["table"]: one["rows"] for one in found}
    assert all((one["first"] is None) == (one["rows"] == 0) for one in found)
    outcome = shell("records", "show", SESSION)
    assert "2027-01-15" in outcome.out
    assert "dead_letters" in outcome.out


@pytest.mark.usefixtures("rows")
def test_rows_for_tools(shell: Shell) -> None:
    """One object a line with every column; decimals are texts, what is absent is null."""
    outcome = shell("records", "show", SESSION, "fills", "--json")
    assert [column.name for column in TABLES["fills"].columns] == list(outcome.json)
    assert ("49995.5", SESSION, "maker") == tuple(
        outcome.json[name] for name in ("price", "session", "liquidity")
    )


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.usefixtures("rows")
def test_rows_for_people(shell: Shell, table: str) -> None:
    """Every table can be shown; one without rows is a line that says so."""
    outcome = shell("records", "show", table)
    assert 0 == outcome.code
    assert f"{table} of session s" in outcome.out


def test_newest_and_where(shell: Shell, rows: dict[str, int]) -> None:
    """--limit keeps the newest, oldest first; --where asks for values, several for all of them."""
    lines = shell("records", "show", "orders", "--json").out.splitlines()
    assert rows["orders"] == len(lines)
    assert lines[-2:] == shell("records", "show", "orders", "--json", "--limit", "2").out.splitlines()
    filled = [line for line in lines if json.loads(line)["status"] == "filled"]
    conditions = ("--where", "status=filled", "--where", "filled_qty=0.0100", "--where", "stop_price=")
    found = shell("records", "show", "orders", "--json", *conditions).out.splitlines()
    assert [line for line in filled if json.loads(line)["filled_qty"] == "0.01"] == found
    assert found
    assert (
        found[-1:]
        == shell("records", "show", "orders", "--json", *conditions, "--limit", "1").out.splitlines()
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("s", "ordrs"), "no table is named ordrs; did you mean orders?"),
        (("s", "t", "orders"), "there may be one SESSION and one TABLE"),
        (("s", "fills", "--all"), "SESSION and --all do not go together"),
        (("ordrs", "--all"), "no table is named ordrs; did you mean orders?"),
        (("--where", "side=buy"), "--where needs a TABLE"),
        (("fills", "--where", "sid=buy"), "must be COLUMN=VALUE with a column of fills; did you mean side?"),
        (("fills", "--where", "side"), "must be COLUMN=VALUE with a column of fills"),
        (("fills", "--limit", "0"), "--limit"),
    ],
)
@pytest.mark.usefixtures("rows")
def test_wrong_words(shell: Shell, arguments: tuple[str, ...], sentence: str) -> None:
    """Exit 2, and what would be right."""
    outcome = shell("records", "show", *arguments)
    assert 2 == outcome.code
    assert sentence in outcome.err


@pytest.mark.parametrize("words", [(), ("fills",), ("fills", "--json"), ("--json",)])
@pytest.mark.usefixtures("rows")
def test_store_without_the_session(shell: Shell, tmp_path: Path, words: tuple[str, ...]) -> None:
    """It is said on stderr, and is no failure; of one that has the session nothing is said."""
    outcome = shell("records", "show", *words, "--sink", f"delta+file://{tmp_path}/none")
    assert 0 == outcome.code
    assert f"Delta Lake in {tmp_path}/none has no records of session s\n" == outcome.err
    if words == ("--json",):
        assert [0] * len(TABLES) == [json.loads(line)["rows"] for line in outcome.out.splitlines()]
    assert not (tmp_path / "none").exists()
    assert "" == shell("records", "show", "dead_letters", "--json").err


@pytest.mark.usefixtures("rows")
def test_session_that_is_not_there(shell: Shell) -> None:
    """Storage may have sessions that the data directory has no more; one that neither has is refused by name."""
    outcome = shell("records", "show", "t")
    assert 2 == outcome.code
    assert "no session t" in outcome.err
