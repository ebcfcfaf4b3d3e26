"""The guard's record: whole at any moment, one for each time, there for the next start."""

from __future__ import annotations

from pathlib import Path

import msgspec

from livestack.node.guard_report import (
    REPORT_NAME,
    REPORTS_NAME,
    GuardReport,
    VenueReport,
    read_report,
    set_report_aside,
    write_report,
)
from livestack.venues.adapter import OpenOrder

REPORT = GuardReport(trigger="guard", by="guard", reason="it hung", began_ns=5)
ORDER = OpenOrder("BTCUSDT", "BUY", "1.00", "2.00", "0.00", "c", "7")


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    """And an update of the same time takes its place."""
    assert read_report(tmp_path) is None
    write_report(tmp_path, REPORT)
    whole = msgspec.structs.replace(REPORT, venues={"v": VenueReport(open=(ORDER,), attempts=3)})
    write_report(tmp_path, whole)
    assert whole == read_report(tmp_path)
    assert [REPORT_NAME] == [path.name for path in tmp_path.iterdir()]
    assert 0o600 == (tmp_path / REPORT_NAME).stat().st_mode & 0o777


def test_an_earlier_one_is_kept(tmp_path: Path) -> None:
    """Nobody took it in, and it is not lost."""
    write_report(tmp_path, REPORT)
    later = msgspec.structs.replace(REPORT, began_ns=6)
    write_report(tmp_path, later)
    assert later == read_report(tmp_path)
    assert ["5-0.json"] == [path.name for path in (tmp_path / REPORTS_NAME).iterdir()]


def test_it_is_taken_in_once(tmp_path: Path) -> None:
    """Afterwards it is among the others, and a second one of the same moment beside it."""
    assert set_report_aside(tmp_path) is None
    for number in range(2):
        write_report(tmp_path, REPORT)
        assert tmp_path / REPORTS_NAME / f"5-{number}.json" == set_report_aside(tmp_path)
        assert read_report(tmp_path) is None


def test_one_that_cannot_be_read_is_one(tmp_path: Path) -> None:
    """That a guard acted is known all the same."""
    (tmp_path / REPORT_NAME).write_text("{")
    report = read_report(tmp_path)
    assert report is not None
    assert "cannot be read" in report.note
    write_report(tmp_path, REPORT)
    assert REPORT == read_report(tmp_path)


def test_flat_is_every_venue(tmp_path: Path) -> None:
    """One that is not, or that never answered, is enough for a no."""
    flat, open_ = VenueReport(flat=True), VenueReport(open=(ORDER,))
    assert msgspec.structs.replace(REPORT, venues={"a": flat}).flat
    assert not msgspec.structs.replace(REPORT, venues={"a": flat, "b": open_}).flat


def test_it_is_told_in_a_sentence() -> None:
    """Who, why, how it ended, and what else is to be known."""
    both = {"a": VenueReport(flat=True), "b": VenueReport()}
    assert "guard: it hung; b not flat, not done" == str(msgspec.structs.replace(REPORT, venues=both))
    done = msgspec.structs.replace(REPORT, ended_ns=9, note="not latched")
    assert "guard: it hung; all venues flat; not latched" == str(done)
