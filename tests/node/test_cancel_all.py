"""Cancelling by hand: what is left on disk, whom it is told, and that nothing missing stops it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livestack.control.latch import Latch
from livestack.journal.directory import LOCK_NAME, DataDirectory
from livestack.node.aftermath import HOLDER
from livestack.node.cancel_all import begin_by_hand, finish_by_hand, who_holds
from livestack.node.guard_report import GuardReport, VenueReport, read_report
from livestack.node.triggers import KILL_NAME
from tests.actors.fakes import FakeClock

FLAT = VenueReport(flat=True, open=())


class Sweeping:
    """A sweep that ends at once and remembers how it was called."""

    venue = "v"
    settling_ns = 7

    def __init__(self) -> None:
        self.report = VenueReport()
        self.asked: tuple[Any, ...] = ()

    def run(self, settled_ns: int, deadline_ns: int, *, patient: bool) -> None:
        self.report = FLAT
        self.asked = settled_ns, deadline_ns, patient


def finish(directory: Path, report: GuardReport, *, prove: bool = False) -> tuple[GuardReport, Sweeping]:
    sweep = Sweeping()
    make: Callable[..., Any] = lambda pause, changed: [sweep]  # noqa: E731 - it is that short
    return finish_by_hand(directory, report, make, FakeClock(), 100, prove), sweep


def test_the_latch_comes_first(tmp_path: Path) -> None:
    """With who and why; no node runs, so nobody is to be told."""
    report = begin_by_hand(tmp_path, FakeClock(), "anna", "it went mad")
    (entry,) = Latch(tmp_path).entries()
    assert ("guard cancel-all", "anna", "it went mad", "") == (
        entry.trigger, entry.by, entry.reason, entry.scope,
    )  # fmt: skip
    assert (True, True, "") == (report.latched, report.node_ended, report.note)
    assert not (tmp_path / KILL_NAME).exists()


def test_a_running_node_is_told(tmp_path: Path) -> None:
    """By the file that engages its kill-switch, with the reason."""
    node = DataDirectory(tmp_path).acquire()
    assert "node" == who_holds(tmp_path)
    report = begin_by_hand(tmp_path, FakeClock(), "anna", "it went mad")
    assert not report.node_ended
    assert "it went mad" == (tmp_path / KILL_NAME).read_text()
    node.release()
    assert "" == who_holds(tmp_path)


def test_an_acting_guard_is_no_node(tmp_path: Path) -> None:
    """It holds the directory in the dead node's place, and needs no telling."""
    guard = DataDirectory(tmp_path).acquire()
    (tmp_path / LOCK_NAME).write_text(HOLDER.format(pid=os.getpid(), host="here"))
    assert "guard" == who_holds(tmp_path)
    begin_by_hand(tmp_path, FakeClock(), "anna", "why")
    assert not (tmp_path / KILL_NAME).exists()
    guard.release()


def test_a_missing_directory_stops_nothing(tmp_path: Path) -> None:
    """It is not made, as it may be a slip of the pen; the orders go all the same, and what is missing is said."""
    report = begin_by_hand(tmp_path / "nowhere", FakeClock(), "anna", "why")
    assert not report.latched
    assert "not latched" in report.note
    report, _ = finish(tmp_path / "nowhere", report)
    assert report.flat
    assert "this is not recorded" in report.note
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(("prove", "settled_ns"), [(False, 0), (True, 7)])
def test_it_ends_when_it_is_flat_or_proven(tmp_path: Path, prove: bool, settled_ns: int) -> None:
    """As wanted; a person need not wait for a key that is refused. What was done is written down."""
    report = begin_by_hand(tmp_path, FakeClock(), "anna", "why")
    report, sweep = finish(tmp_path, report, prove=prove)
    now_ns = FakeClock().now_ns()
    assert (now_ns + settled_ns if prove else 0, now_ns + 100, False) == sweep.asked
    assert {"v": FLAT} == report.venues
    assert report == read_report(tmp_path)
