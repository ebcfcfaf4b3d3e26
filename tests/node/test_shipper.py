"""A shipper as a node has it: a process beside a growing journal, told what to do on its stdin, killed at any point."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from livestack.node.shipper import Instructions
from livestack.storage.cursor import read_marks
from livestack.storage.place import SinkPlace, default_url, make_sink
from livestack.storage.sink import plain_decimal
from livestack.storage.tables import TABLES, Kind
from tests.actors.shipping import Session, Writing, expected, session, stored
from tests.support import ROOT

POINTS = ("ship.before_write", "ship.after_write", "ship.before_mark")
SINK = "local"


@pytest.fixture(scope="module", name="writing")
def _writing() -> Iterator[Writing]:
    process = Writing()
    yield process
    process.end()


def place(data_dir: Path) -> SinkPlace:
    return SinkPlace(name=SINK, url=default_url(data_dir))


class Child:
    """``livestack records ship live --child`` with what a node tells it."""

    def __init__(self, data_dir: Path, first_line: bytes | None = None, **environment: str) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "livestack",
                "records",
                "ship",
                "live",
                "--child",
                "--data-dir",
                str(data_dir),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        )
        line = msgspec.json.encode(Instructions(place=place(data_dir))) + b"\n"
        self.tell(line if first_line is None else first_line)

    def tell(self, text: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """The next report; {} once it has ended."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return dict(json.loads(line)) if line else {}

    def stop(self) -> tuple[int, list[dict[str, Any]]]:
        """Tell it that the session is over; its exit code and what it still said."""
        self.tell(b"stop\n")
        return self.rest()

    def rest(self) -> tuple[int, list[dict[str, Any]]]:
        """What it says until it ends by itself, and its exit code."""
        said = []
        while report := self.hear():
            said.append(report)
        code = self.process.wait(60)
        self.process.communicate()
        return code, said

    def leave(self) -> int:
        """Be gone; its exit code."""
        self.process.communicate(timeout=60)
        return self.process.returncode


def kept(data_dir: Path, name: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of session ``name`` in the sink, by table."""
    sink = make_sink(place(data_dir), os.environ)
    sink.open()
    try:
        rows = {
            table: [row for part in sink.read(table, name, 0, 1 << 62) for row in part] for table in TABLES
        }
    finally:
        sink.close()
    return {table: found for table, found in rows.items() if found}


def wanted(data_dir: Path, whole: Session, name: str) -> dict[str, list[tuple[Any, ...]]]:
    """The rows that there are to be."""
    found = {}
    for table, records in expected(data_dir, whole, name).items():
        parsed = [TABLES[table].message.FromString(row) for _, row in sorted(records.items())]
        columns = [
            [
                plain_decimal(value) if column.kind is Kind.DECIMAL and value is not None else value
                for value in values
            ]
            for column, values in zip(TABLES[table].columns, TABLES[table].values(parsed), strict=True)
        ]
        found[table] = list(zip(*columns, strict=True))
    return found


def test_it_ships_beside_the_node_and_ends_with_it(tmp_path: Path, writing: Writing) -> None:
    """What is committed reaches the storage; told to stop it ships the rest, and an earlier session was drained."""
    old = stored(tmp_path, session(3, 60), "a")
    writing.begin(tmp_path, name="live").commit(10)
    child = Child(tmp_path)
    while child.hear()["seq"] < writing.last_seq:
        pass
    last = writing.commit(10)
    while child.hear()["seq"] < last:
        pass
    while not (mark := read_marks(tmp_path / "sessions", "a").get(SINK)) or not mark.ended:
        child.hear()
    writing.close()
    code, said = child.stop()
    assert 0 == code, said
    assert {"behind": 0, "through": writing.last_seq, "refused": 0}.items() <= said[-1].items()
    assert wanted(tmp_path, writing.whole, "live") == kept(tmp_path, "live")
    assert wanted(tmp_path, old, "a") == kept(tmp_path, "a")


@pytest.mark.parametrize("point", POINTS)
def test_a_death_at_every_point_costs_nothing(tmp_path: Path, writing: Writing, point: str) -> None:
    """SIGKILL there, and another one goes on: none missing, none twice, in a real storage."""
    writing.begin(tmp_path, name="live").commit(15)
    code, _ = Child(tmp_path, LIVESTACK_FAILPOINTS=f"{point}=kill").rest()
    assert -9 == code
    writing.close()
    code, _ = Child(tmp_path, LIVESTACK_FAILPOINTS=f"{point}=kill@2").stop()
    assert -9 == code
    code, said = Child(tmp_path).stop()
    assert 0 == code, said
    assert wanted(tmp_path, writing.whole, "live") == kept(tmp_path, "live")


def test_it_ends_at_once_with_its_node(tmp_path: Path, writing: Writing) -> None:
    """Its stdin closes however the node dies; what is left is somebody else's, by hand or in the next session."""
    writing.begin(tmp_path, name="live").commit(10)
    child = Child(tmp_path)
    child.hear()
    assert 3 == child.leave()
    writing.close()


def test_instructions_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    """In a report, with an exit code, and without the line: it may hold a password."""
    code, said = Child(tmp_path, b'{"place": "hunter2"}\n').rest()
    assert 2 == code
    assert ["error"] == [one["report"] for one in said]
    assert said[0]["refused"]
    assert "hunter2" not in said[0]["text"]


def test_a_node_that_dies_before_it_said_anything(tmp_path: Path) -> None:
    """Nothing is done, and nothing is wrong."""
    assert 3 == Child(tmp_path, b"").leave()


def test_a_fault_of_ours_is_told_and_has_its_exit_code(tmp_path: Path, writing: Writing) -> None:
    """The node starts another one; it is not taken for a sink that is away."""
    writing.begin(tmp_path, name="live").commit(10)
    child = Child(tmp_path, LIVESTACK_FAILPOINTS="ship.before_write=raise")
    code, said = child.rest()
    assert 4 == code
    assert "the shipper failed: FailpointError" in said[-1]["text"]
    writing.close()


def test_a_sink_that_cannot_be_made_is_trouble(tmp_path: Path, writing: Writing) -> None:
    """Told as such, while it goes on trying."""
    writing.begin(tmp_path, name="live").commit(10)
    (tmp_path / "records").write_text("in the way")
    child = Child(tmp_path)
    report = child.hear()
    assert "error" == report["report"], report
    assert str(tmp_path / "records") in report["text"]
    assert child.process.poll() is None
    assert 3 == child.leave()
    writing.close()
