"""Events into files that other programs read."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from pyarrow import parquet

from livestack.core.events import IntentDispatched, Recorded
from livestack.research import export
from livestack.research.export import write_lines, write_parquet
from tests.research.sessions import INSTRUMENT, opening, quotes, record, rules


@pytest.fixture
def stream(tmp_path: Path) -> list[Recorded]:
    return record(rules(tmp_path), [*opening("s"), *quotes(50)])


def test_lines_of_json(stream: list[Recorded]) -> None:
    """One per Event, in order."""
    file = io.BytesIO()
    assert len(stream) == write_lines(stream, file)
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [one.seq for one in stream] == [line["seq"] for line in lines]
    assert [type(one.event).__name__ for one in stream] == [line["event"] for line in lines]


@pytest.mark.parametrize("rows", [7, 20_000])
def test_parquet_has_every_event_and_its_columns(
    tmp_path: Path, stream: list[Recorded], monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """Whatever the size of its row groups; what an order request is about is in columns too."""
    monkeypatch.setattr(export, "ROWS", rows)
    path = tmp_path / "events.parquet"
    assert len(stream) == write_parquet(stream, path)
    table = parquet.read_table(path)
    assert [one.seq for one in stream] == table["seq"].to_pylist()
    assert [one.ts for one in stream] == [value.value for value in table["ts"]]
    assert -(-len(stream) // rows) == parquet.ParquetFile(path).num_row_groups
    index = next(number for number, one in enumerate(stream) if isinstance(one.event, IntentDispatched))
    assert ("IntentDispatched", INSTRUMENT, 1) == tuple(
        table[name][index].as_py() for name in ("event", "instrument", "order_id")
    )
    assert 1 == json.loads(table["event_json"][index].as_py())["request"]["order_id"]


def test_nothing_is_a_file_without_rows(tmp_path: Path) -> None:
    """A session that died before its first commit."""
    assert 0 == write_parquet([], tmp_path / "events.parquet")
    assert 0 == parquet.read_table(tmp_path / "events.parquet").num_rows


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    """An ``OSError``, for the command line to put into words."""
    with pytest.raises(OSError, match="none"):
        write_parquet([], tmp_path / "none" / "events.parquet")
