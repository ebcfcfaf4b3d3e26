"""What a data directory tells of a node that does not answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from livestack.cli import on_disk
from livestack.cli.on_disk import leave_kill_file, look, newest_receipt
from livestack.control.latch import Latch, LatchEntry
from livestack.journal.directory import LOCK_NAME, DataDirectory
from livestack.journal.sessions import SessionInfo
from livestack.node.aftermath import HOLDER
from livestack.node.guard_report import GuardReport, VenueReport, write_report

NAME = "20260102T030405Z-aaaa"
SECOND = 1_000_000_000


def sessions(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    """The directory has one session."""
    info = SessionInfo(NAME, state, "", 1, 2, 0, 0, 1, 1)
    monkeypatch.setattr(on_disk, "list_sessions", lambda directory: [info])


def report(**changes: object) -> GuardReport:
    given = {"trigger": "guard", "by": "g", "reason": "dead", "began_ns": SECOND, "ended_ns": 2 * SECOND}
    return GuardReport(**given | {"venues": {"v": VenueReport(flat=True)}} | changes)  # type: ignore[arg-type]


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    """Nobody is told to start a node in the wrong place."""
    assert f"there is no data directory {tmp_path / 'no'}" in look(tmp_path / "no").advice()
    assert not (tmp_path / "no").exists()


def test_one_in_which_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node can be started."""
    assert look(tmp_path).advice().startswith("start one: livestack start")
    sessions(monkeypatch, "stopped")
    assert look(tmp_path).advice().startswith("start one: livestack start")


@pytest.mark.parametrize("state", ["interrupted", "damaged"])
def test_a_dead_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    """Its orders may be open: first one looks."""
    sessions(monkeypatch, state)
    advice = look(tmp_path).advice()
    assert f"the node of {NAME} is dead: orders may be open" in advice
    assert f"livestack guard status -c FILE --data-dir {tmp_path}" in advice
    assert "livestack start" not in advice


def test_a_guard_that_acts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the directory; how far it is is said."""
    sessions(monkeypatch, "running")
    with DataDirectory(tmp_path).acquire():
        (tmp_path / LOCK_NAME).write_text(HOLDER.format(pid=1, host="h"))
        assert f"the node of {NAME} is dead; its guard is acting" in look(tmp_path).advice()
        write_report(tmp_path, report(ended_ns=0, venues={"v": VenueReport()}))
        assert (
            "its guard acts since 1970-01-01 00:00:01.000 UTC: v not flat so far" in look(tmp_path).advice()
        )


def test_a_guard_that_has_acted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When, and how it ended."""
    sessions(monkeypatch, "interrupted")
    write_report(tmp_path, report())
    assert "its guard has acted at 1970-01-01 00:00:01.000 UTC: all venues flat" in look(tmp_path).advice()
    write_report(tmp_path, report(trigger="cancel-all", venues={}))
    assert "livestack guard cancel-all (g) has acted" in look(tmp_path).advice()
    assert "no venue has answered" in look(tmp_path).advice()


def test_a_node_that_is_there_and_says_nothing(tmp_path: Path) -> None:
    """What a report says is older than it."""
    write_report(tmp_path, report())
    with DataDirectory(tmp_path).acquire():
        advice = look(tmp_path).advice()
    assert "a node has the data directory" in advice
    assert "livestack start" not in advice


def test_a_latch_is_said(tmp_path: Path) -> None:
    """Whatever starts there begins killed, where it is for everything."""
    Latch(tmp_path).engage(LatchEntry(trigger="operator", by="a", reason="r", venue="v"))
    assert "the kill-switch is latched" in look(tmp_path).advice()
    assert not look(tmp_path).is_latched()
    Latch(tmp_path).engage(LatchEntry(trigger="operator", by="a", reason="r"))
    assert look(tmp_path).is_latched()


def test_a_kill_file_is_there_as_a_whole(tmp_path: Path) -> None:
    """In the place of an older one, for its owner alone."""
    (tmp_path / "KILL").write_text("old")
    assert "" == leave_kill_file(tmp_path, "new")
    assert ["KILL"] == [one.name for one in tmp_path.iterdir()]
    assert ("new", 0o600) == ((tmp_path / "KILL").read_text(), (tmp_path / "KILL").stat().st_mode & 0o777)


def test_the_newest_receipt_that_can_be_read(tmp_path: Path) -> None:
    """What a newer node wrote beside is passed over."""
    assert newest_receipt(tmp_path) is None
    (tmp_path / "kill-receipts").mkdir()
    (tmp_path / "kill-receipts" / "1.json").write_text('{"gate_closed_at_ns": "5", "new": 1, "session": "s"}')
    (tmp_path / "kill-receipts" / "2.json").write_text("{")
    found = newest_receipt(tmp_path)
    assert found is not None
    assert "s" == found.receipt.session
