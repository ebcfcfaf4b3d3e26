"""``livestack follower``, as a process beside a journal that grows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from livestack.cli.main import cli
from livestack.core.events import Recorded
from livestack.core.runtime import SEMANTICS_VERSION
from livestack.core.types import Origin
from livestack.journal.directory import DataDirectory
from livestack.journal.snapshots import SNAPSHOTS_NAME, snapshots
from livestack.journal.writer import JournalWriter
from livestack.storage.cursor import Mark, write_mark
from tests.research.sessions import CLOSING, header, opening, quotes, record, rules, store
from tests.support import ROOT, Process

OFTEN = ("--snapshot-every-events", "200", "--keep", "50")


class LiveNode:
    """What a follower sees of a node: a held directory and a journal that grows."""

    def __init__(self, directory: Path, stops: bool = True) -> None:
        self.path = directory
        self.directory = DataDirectory(directory / "data")
        self.directory.acquire()
        configured = rules(directory)
        self.records = record(configured, [*opening("s"), *quotes(2_000), *(CLOSING if stops else ())])
        self.writer = JournalWriter.create(self.directory.sessions, header("s", configured), "relaxed")
        self.commit(20)

    def commit(self, count: int) -> int:
        """The next records, an input and what came of it never apart; the last position."""
        first = self.writer.last_seq
        last = min(first + count, len(self.records))
        while last < len(self.records) and self.records[last].origin is Origin.DERIVED:
            last += 1
        for at in range(first, last, 25):
            self.writer.commit(self.records[at : min(at + 25, last)])
        return self.writer.last_seq

    def die(self) -> None:
        """As the kernel would leave it."""
        self.writer.close()
        self.directory.release()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[LiveNode]:
    running = LiveNode(tmp_path)
    yield running
    running.die()


def follow(directory: Path, *arguments: str, **environment: str) -> Process:
    return Process(["follower", "s", "--data-dir", "data", *arguments], directory, environment)


def next_snapshot(process: Process, beyond: int) -> int:
    """The position of its first snapshot at or behind ``beyond``, once it says so."""
    while line := process.line():
        said = json.loads(line)
        assert said["report"] in ("position", "snapshot")
        if said["report"] == "snapshot" and said["seq"] >= beyond:
            return int(said["seq"])
    raise AssertionError(f"it ended: {process.stderr()}")


def rest(process: Process) -> tuple[int, list[dict[str, Any]]]:
    """Its exit code and what it still said."""
    code, output = process.finish()
    return code, [json.loads(line) for line in output.splitlines()]


def usable(directory: Path) -> list[int]:
    """Positions of usable snapshots, oldest first."""
    found = snapshots(directory / "data" / "sessions", "s", 2**62, SEMANTICS_VERSION)
    return sorted(one.seq for one in found)


def test_it_follows_what_is_written_beside_it(node: LiveNode) -> None:
    """Through a rotation, to the end of the session, and then it ends too."""
    with follow(node.path, *OFTEN) as process:
        next_snapshot(process, node.commit(300) - 200)
        node.writer.rotate()
        next_snapshot(process, node.commit(300) - 200)
        node.commit(100)
        node.writer.rotate()
        node.commit(10_000)
        code, said = rest(process)
    assert 0 == code, process.stderr()
    assert len(node.records) == node.writer.last_seq
    assert len(node.records) == [one["seq"] for one in said if one["report"] == "snapshot"][-1]
    assert {"report": "position", "seq": len(node.records), "behind": 0}.items() <= said[-1].items()
    assert len(node.records) == usable(node.path)[-1]


def test_there_is_one_at_a_time(node: LiveNode) -> None:
    """The other one is named; an operator looks with ``livestack replay`` instead."""
    with follow(node.path, *OFTEN) as process:
        next_snapshot(process, node.commit(300) - 200)
        with follow(node.path) as second:
            code, _ = second.finish()
        assert 5 == code
        assert f"it is followed by process {process.pid} already" in second.stderr()


def test_what_sinks_in_use_go_on_from_stays(node: LiveNode) -> None:
    """By name and address, as the node says them; for a mark of any other sink nothing stays."""
    sessions = node.directory.sessions
    sinks = ("--sink", "local=Delta Lake in /a=b", "--sink", "pg=there")
    write_mark(sessions, "s", Mark(name="pg", address="there", through=len(node.records)))
    with follow(node.path, "--snapshot-every-events", "200", "--keep", "1", *sinks) as process:
        seq = next_snapshot(process, node.commit(300) - 200)
        write_mark(sessions, "s", Mark(name="sink-1234", address="by hand", through=seq))
        seq = next_snapshot(process, node.commit(300) - 200)
        write_mark(sessions, "s", Mark(name="local", address="Delta Lake in /a=b", through=seq))
        next_snapshot(process, node.commit(300) - 200)
        node.commit(10_000)
        code, _ = rest(process)
    assert 0 == code, process.stderr()
    assert [seq, len(node.records)] == usable(node.path)


def test_a_nodes_own_child_ends_when_the_node_says_so(node: LiveNode) -> None:
    """A signal from elsewhere does not end it: a node would take its exit for the session's end."""
    command = [sys.executable, "-m", "livestack", "follower", "s", "--data-dir", "data", "--child", *OFTEN]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=node.path, env=environment, stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(2):
            beyond = node.commit(400) - 200
            while (said := json.loads(process.stdout.readline()))["seq"] < beyond:
                pass
            process.send_signal(signal.SIGTERM)
        process.stdin.write(b"stop\n")
        process.stdin.flush()
        assert f'"seq":{node.writer.last_seq}'.encode() in process.stdout.read() or said["behind"] == 0
        assert 0 == process.wait()


@pytest.mark.parametrize("point", ["follower.before_snapshot", "snapshot.in_write", "snapshot.before_rename"])
def test_a_kill_in_a_snapshot_costs_that_snapshot(node: LiveNode, point: str) -> None:
    """The one before is whole, the next follower goes on from it and clears up."""
    with follow(node.path, *OFTEN, LIVESTACK_FAILPOINTS=f"{point}=kill@2") as process:
        kept = next_snapshot(process, node.commit(250) - 200)
        node.commit(250)
        code, _ = rest(process)
    assert -signal.SIGKILL == code
    assert [kept] == usable(node.path)
    with follow(node.path, *OFTEN) as process:
        node.commit(10_000)
        code, _ = rest(process)
    assert 0 == code, process.stderr()
    assert len(node.records) == usable(node.path)[-1]
    left = (node.directory.sessions / "s" / SNAPSHOTS_NAME).iterdir()
    assert all(path.name.isdigit() for path in left)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_gets_a_last_snapshot(node: LiveNode, number: signal.Signals) -> None:
    """It ends in order, where the journal ends now."""
    with follow(node.path, *OFTEN) as process:
        next_snapshot(process, node.commit(300) - 200)
        last_seq = node.commit(7)
        process.signal(number)
        code, _ = rest(process)
    assert 0 == code, process.stderr()
    assert last_seq == usable(node.path)[-1]


def test_it_ends_behind_a_node_that_died(tmp_path: Path) -> None:
    """The directory is free: what is there is verified and written down, and that was all."""
    node = LiveNode(tmp_path, stops=False)
    with follow(node.path, *OFTEN) as process:
        next_snapshot(process, node.commit(300) - 200)
        last_seq = node.commit(7)
        node.die()
        code, _ = rest(process)
    assert 0 == code, process.stderr()
    assert last_seq == usable(tmp_path)[-1]


def recorded(directory: Path) -> list[Recorded]:
    return record(rules(directory), [*opening("s"), *quotes(50), *CLOSING])


def test_a_difference_has_an_exit_code(tmp_path: Path) -> None:
    """6, and both sides by name."""
    records = recorded(tmp_path)
    at = next(at for at, one in enumerate(records) if one.origin is Origin.DERIVED)
    records[at] = msgspec.structs.replace(records[at], event=records[-1].event)
    store(tmp_path / "data", header("s", rules(tmp_path)), records)
    with follow(tmp_path) as process:
        code, said = rest(process)
    assert 6 == code
    assert ("difference", at + 1, "Checkpoint") == tuple(said[-1].values())[:3]


def test_a_session_that_is_over_takes_a_moment(tmp_path: Path) -> None:
    """Its last snapshot is all that there is to do; ``latest`` is the newest."""
    records = recorded(tmp_path)
    store(tmp_path / "data", header("s", rules(tmp_path)), records)
    with Process(["follower", "--data-dir", "data"], tmp_path) as process:
        code, said = rest(process)
    assert (0, len(records)) == (code, said[-1]["seq"])
    assert [len(records)] == usable(tmp_path)


def damage(directory: Path) -> None:
    """Another epoch than was written."""
    store(directory / "data", header("s", rules(directory)), recorded(directory))
    data = directory / "data" / "sessions" / "s" / "journal" / f"{1:020d}" / "data.mdb"
    data.write_bytes(data.read_bytes().replace(b"AAAAAAAAA", b"AAAAAAAAB"))


@pytest.mark.parametrize("child", [False, True])
def test_damage_is_a_sentence(tmp_path: Path, child: bool) -> None:
    """On stderr for people, as a report for a node; with its segment and position."""
    damage(tmp_path)
    with follow(tmp_path, *(["--child"] if child else [])) as process:
        code, said = rest(process)
    assert 6 == code
    text = said[-1]["text"] if child else process.stderr()
    assert "checksum does not match" in text
    assert "Traceback" not in process.stderr()


def test_help_does_not_list_it() -> None:
    """It is the node's; whoever asks for it by name is told what it does."""
    assert "follower" not in CliRunner().invoke(cli, ["--help"]).output
    assert "verify what its node does" in CliRunner().invoke(cli, ["follower", "--help"]).output


def test_what_cannot_be_is_a_usage_error(tmp_path: Path) -> None:
    """Nothing is followed then."""
    store(tmp_path / "data", header("s", rules(tmp_path)), recorded(tmp_path))
    with follow(tmp_path, "--snapshot-every", "10ms") as process:
        code, said = rest(process)
    assert (2, []) == (code, said)
    assert "snapshot_every must be from 1s to 24h" in process.stderr()
    assert [] == usable(tmp_path)
