"""The kill-switch: closed when it returns, latched, told in order, and never lifted by a reset that came before it."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import msgspec
import pytest

from livestack.actors.gate import DispatchGate, Hold, Passage
from livestack.actors.kill_switch import KillSwitch
from livestack.actors.mailbox import Mailbox
from livestack.actors.messages import AskVenue
from livestack.control.latch import Latch, LatchEntry
from livestack.core.events import InputEvent, KillSwitchEngaged, OperatorCommand, ResetKillSwitch
from livestack.core.obligations import CancelAllAtVenue
from livestack.failpoints import arm, disarm_all
from tests.actors.fakes import FakeClock, messages

RESET = OperatorCommand(request_id="r", command=ResetKillSwitch(), who="anna", why="over", base_version=0)


class Bench:
    """A switch of two venues, attached to a lane that is a list."""

    def __init__(self, directory: Path, engaged: tuple[str, ...] = ()) -> None:
        self.gate = DispatchGate(["v", "w"])
        self.latch = Latch(directory)
        self.lane: list[InputEvent] = []
        self.connectors = {"v": Mailbox(), "w": Mailbox()}
        self.looked = 0
        self.switch = KillSwitch(
            gate=self.gate,
            latch=self.latch,
            clock=FakeClock(),
            venues={"v": ["v:A"], "w": ["w:A"]},
            kill_file=directory / "KILL",
        )
        self.directory = directory
        self.switch.attach(self.lane.extend, self.connectors, self.look, engaged)

    def look(self) -> None:
        self.looked += 1

    def passes(self, venue: str, instrument: str = "") -> bool:
        return self.gate.refusal(venue, instrument, Passage.NEW) is None

    def cancelled(self) -> list[tuple[str, str]]:
        asked = [one for mailbox in self.connectors.values() for one in messages(mailbox)]
        queries = [one.query for one in asked if isinstance(one, AskVenue)]
        return [(one.venue, one.instrument) for one in queries if isinstance(one, CancelAllAtVenue)]


def test_a_kill_closes_latches_tells_and_cancels(tmp_path: Path) -> None:
    """All of it in one call, for everything."""
    bench = Bench(tmp_path)
    done = bench.switch.engage("operator", "anna", "enough")
    assert not bench.passes("v", "v:A")
    assert done.durable
    assert ["enough"] == [one.reason for one in bench.latch.entries()]
    assert [KillSwitchEngaged(trigger="operator", by="anna", reason="enough")] == bench.lane
    assert [("v", ""), ("w", "")] == bench.cancelled()
    assert [done.number] == [one.number for one in bench.switch.engagements()]
    assert 1 == bench.looked
    assert bench.switch.is_durable
    assert bench.switch.is_engaged


@pytest.mark.parametrize(
    ("scope", "closed", "cancelled"),
    [
        (("", ""), {"v:A", "w:A"}, [("v", ""), ("w", "")]),
        (("v", ""), {"v:A"}, [("v", "")]),
        (("", "w:A"), {"w:A"}, [("w", "w:A")]),
        (("w", "w:A"), {"w:A"}, [("w", "w:A")]),
        (("unknown", ""), {"v:A", "w:A"}, [("v", ""), ("w", "")]),
        (("", "v:MISSPELT"), {"v:A", "w:A"}, [("v", ""), ("w", "")]),
    ],
)
def test_a_scope_is_closed_and_one_that_nobody_knows_is_everything(
    tmp_path: Path, scope: tuple[str, str], closed: set[str], cancelled: list[tuple[str, str]]
) -> None:
    """Deny when in doubt."""
    bench = Bench(tmp_path)
    bench.switch.engage("operator", "anna", "r", *scope)
    assert closed == {one for one in ("v:A", "w:A") if not bench.passes(one[0], one)}
    assert cancelled == bench.cancelled()


def test_the_next_process_begins_killed_and_tells_its_core(tmp_path: Path) -> None:
    """The latch closes the gate before anything else, and a State that does not know of it is told."""
    Bench(tmp_path).switch.engage("signal", "uid 0", "SIGUSR1 received", venue="v")
    again = Bench(tmp_path)
    assert not again.passes("v")
    assert again.passes("w")
    assert [("signal", "v")] == [(one.trigger, one.venue) for one in again.lane]
    assert [] == Bench(tmp_path, engaged=("v",)).lane


def test_a_killed_session_is_held_without_its_latch(tmp_path: Path) -> None:
    """Somebody removed the file: State remembers, and it is written again."""
    bench = Bench(tmp_path, engaged=("",))
    assert not bench.passes("v")
    assert [""] == [one.scope for one in bench.latch.entries()]


def test_a_reset_lifts_its_own_hold_alone(tmp_path: Path) -> None:
    """The latch is gone, other owners' holds stand."""
    bench = Bench(tmp_path)
    bench.gate.close(Hold.JOURNAL)
    bench.switch.engage("operator", "anna", "r", venue="v")
    bench.switch.engage("operator", "anna", "r")
    bench.switch.ask_reset(RESET)
    assert RESET is bench.lane[-1]
    assert bench.switch.is_engaged  # until the Core has agreed
    assert bench.switch.settle_reset(RESET, is_reset=True)
    assert [Hold.JOURNAL] == [one.hold for one in bench.gate.standing()]
    assert () == bench.latch.entries()


def test_a_kill_behind_a_reset_stays(tmp_path: Path) -> None:
    """The Core has taken the reset, but the switch was pulled since: held and latched."""
    bench = Bench(tmp_path)
    bench.switch.engage("operator", "anna", "first")
    bench.switch.ask_reset(RESET)
    bench.switch.engage("operator", "ben", "second")
    assert not bench.switch.settle_reset(RESET, is_reset=True)
    assert bench.switch.is_engaged
    assert 1 == len(bench.latch.entries())
    assert [KillSwitchEngaged, OperatorCommand, KillSwitchEngaged] == [type(one) for one in bench.lane]


def test_a_kill_in_the_middle_of_a_release_stays(tmp_path: Path) -> None:
    """The latch was cleared already: the new kill has written it again, and the gate is never opened."""
    bench = Bench(tmp_path)
    bench.switch.engage("operator", "anna", "first")
    bench.switch.ask_reset(RESET)
    arm("kill.before_open", lambda: bench.switch.engage("operator", "ben", "second"))
    try:
        assert not bench.switch.settle_reset(RESET, is_reset=True)
    finally:
        disarm_all()
    assert not bench.passes("v")
    assert ["second"] == [one.reason for one in bench.latch.entries()]


def test_a_disk_that_refuses_leaves_the_gate_closed(tmp_path: Path) -> None:
    """It says so; the kill stands all the same, and the order in the lane too."""
    bench = Bench(tmp_path)
    bench.latch.path = tmp_path / "missing" / "kill.latch"
    done = bench.switch.engage("operator", "anna", "r")
    assert not done.durable
    assert not bench.passes("v")
    assert 1 == len(bench.lane)


def test_the_file_forbids_a_reset(tmp_path: Path) -> None:
    """While it is there; the sentence says what to do."""
    bench = Bench(tmp_path)
    assert "" == bench.switch.obstacle()
    (tmp_path / "KILL").touch()
    assert "remove that file" in bench.switch.obstacle()


def test_the_last_new_is_told(tmp_path: Path) -> None:
    """Of the scope that is killed; none is 0."""
    bench = Bench(tmp_path)
    bench.gate.wrote("v", "v:A", -1_000)
    assert 0 != bench.switch.engage("operator", "anna", "r", venue="v").last_new_at_ns
    assert 0 == bench.switch.engage("operator", "anna", "r", venue="w").last_new_at_ns


def test_many_pull_and_one_resets_and_it_ends_consistent(tmp_path: Path) -> None:
    """From many threads: gate, latch and the last Event in the lane always agree."""
    bench = Bench(tmp_path)
    counter = itertools.count()

    def pull() -> None:
        while next(counter) < 200:
            bench.switch.engage("operator", "anna", "r")

    def reset() -> None:
        while next(counter) < 200:
            command = msgspec.structs.replace(RESET, request_id=f"r{next(counter)}")
            bench.switch.ask_reset(command)
            bench.switch.settle_reset(command, is_reset=True)

    threads = [threading.Thread(target=work) for work in (pull, reset, pull, reset)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    killed = isinstance(bench.lane[-1], KillSwitchEngaged)
    if killed:
        assert bench.switch.is_engaged
    assert bench.switch.is_engaged == bool(bench.latch.entries())


def test_the_latch_is_engaged_by_whoever_may_write_it(tmp_path: Path) -> None:
    """The guard has no switch of its own: what it latched is held at the next start."""
    Latch(tmp_path).engage(LatchEntry(trigger="guard", by="guard", reason="no progress"))
    bench = Bench(tmp_path)
    assert ["guard"] == [one.trigger for one in bench.lane]


def test_a_disk_that_hangs_holds_up_nothing(tmp_path: Path) -> None:
    """Gate, Core, venues and proof come first; the latch is told not to be durable, and is written when it can be."""
    bench, free = Bench(tmp_path), threading.Event()
    arm("kill.before_latch", lambda: free.wait(60))
    try:
        done = bench.switch.engage("operator", "anna", "r")
        assert not done.durable
        assert not bench.passes("v")
        assert [("v", ""), ("w", "")] == bench.cancelled()
        assert (1, 1) == (bench.looked, len(bench.lane))
        assert not bench.switch.is_durable
    finally:
        free.set()
        disarm_all()
    again = bench.switch.engage("operator", "ben", "r")
    assert again.durable
    assert bench.switch.is_durable
    assert ["anna"] == [one.by for one in bench.latch.entries()]


def test_what_is_pulled_again_is_recorded_and_not_done_again(tmp_path: Path) -> None:
    """A venue that is asked to cancel everything a hundred times in a second lets nobody in any more."""
    bench = Bench(tmp_path)
    first = bench.switch.engage("operator", "anna", "r")
    bench.cancelled()
    for _ in range(5):
        again = bench.switch.engage("operator", "ben", "again")
        assert (True, first.closed_at_ns) == (again.durable, again.closed_at_ns)
    assert [] == bench.cancelled()
    assert [first.number] == [one.number for one in bench.switch.engagements()]
    assert 6 == len(bench.lane)
    bench.switch.engage("operator", "ben", "this too", venue="v")
    assert [("v", "")] == bench.cancelled()


def test_a_kill_while_the_session_begins_is_told(tmp_path: Path) -> None:
    """Before there is a lane: with and without its latch, the Core hears of it when there is one."""
    gate, lane = DispatchGate(["v"]), []
    for directory in (tmp_path, tmp_path / "missing"):
        switch = KillSwitch(
            gate=gate,
            latch=Latch(directory),
            clock=FakeClock(),
            venues={"v": ["v:A"]},
            kill_file=tmp_path / "KILL",
        )
        switch.engage("operator", "anna", str(directory))
        switch.attach(lane.extend, {}, lambda: None, ())
    assert [str(tmp_path), str(tmp_path / "missing")] == [one.reason for one in lane]


def test_a_latch_that_cannot_go_keeps_it_engaged_for_everybody(tmp_path: Path) -> None:
    """State is told again, so that it can be reset again."""
    bench = Bench(tmp_path)
    bench.switch.engage("operator", "anna", "r")
    bench.switch.ask_reset(RESET)
    bench.latch.path.unlink()
    bench.latch.path.mkdir()
    (bench.latch.path / "x").touch()
    assert not bench.switch.settle_reset(RESET, is_reset=True)
    assert KillSwitchEngaged is type(bench.lane[-1])
    assert not bench.passes("v")


def test_a_refused_reset_changes_nothing(tmp_path: Path) -> None:
    """And may be asked for again under another id."""
    bench = Bench(tmp_path)
    bench.switch.engage("operator", "anna", "r")
    bench.switch.ask_reset(RESET)
    assert not bench.switch.settle_reset(RESET, is_reset=False)
    assert bench.switch.is_engaged
    again = msgspec.structs.replace(RESET, request_id="again")
    bench.switch.ask_reset(again)
    assert bench.switch.settle_reset(again, is_reset=True)


def test_text_that_has_no_bytes_stops_nothing(tmp_path: Path) -> None:
    """Nor does a very long one."""
    bench = Bench(tmp_path)
    assert bench.switch.engage("file", "x" * 9_999, "\udc80").durable
    assert 500 == len(bench.switch.engagements()[0].by)


def test_a_link_to_nowhere_is_a_kill_file(tmp_path: Path) -> None:
    """Whatever it points to."""
    bench = Bench(tmp_path)
    (tmp_path / "KILL").symlink_to(tmp_path / "nowhere")
    assert "remove that file" in bench.switch.obstacle()
