"""The dead man's switch: who counts as being there, from when on, and that each silence kills once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from livestack.actors.desk import Board, Desk
from livestack.actors.gate import DispatchGate
from livestack.actors.mailbox import Mailbox
from livestack.actors.progress import Progress
from livestack.control.commands import COMMANDS, Role, Sender
from livestack.core import events
from livestack.core.events import InputEvent, KillSwitchEngaged
from livestack.core.types import SessionPhase
from livestack.node.dead_man import DeadMan
from livestack.wire import control_pb2 as pb
from tests.actors.fakes import FakeClock, kill_switch
from tests.core.support import SECOND

LIMIT_S = 30
BY_DEAD_MAN = [("dead_man", "")]
QUESTIONS = [name for name, command in COMMANDS.items() if not command.changes and name != "ping"]


class Bench:
    """A node's board, desk and kill-switch, on a clock that the test moves; its session runs. ``pulled``: each time."""

    def __init__(self, directory: Path, limit_s: int = LIMIT_S) -> None:
        self.clock = FakeClock()
        self.clock.time_ns = SECOND
        gate = DispatchGate(["v"])
        self.switch = kill_switch(gate, directory)
        self.pulled: list[tuple[str, str]] = []
        self.switch.attach(self.told, {}, lambda: None, ())
        self.board = Board("n", 0, self.clock, gate)
        self.board.dead_man_ns = limit_s * SECOND
        self.progress = self.board.progress = Progress()
        self.progress.phase = SessionPhase.RUNNING
        self.desk = Desk(self.board, self.switch, Mailbox())
        self.desk.is_running = True
        self.dead_man = DeadMan(self.board, self.switch)

    def told(self, heard: Sequence[InputEvent]) -> None:
        self.pulled += [(one.trigger, one.venue) for one in heard if isinstance(one, KillSwitchEngaged)]

    def ask(self, name: str = "ping", role: Role = Role.OPERATOR) -> None:
        request = pb.Request()
        getattr(request, name).SetInParent()
        self.desk.serve(request, Sender("anna", role, "tcp"), lambda reply: None)

    def passes(self, seconds: float) -> list[tuple[str, str]]:
        """Who pulled it so far, after looks at ten a second."""
        for _ in range(round(10 * seconds)):
            self.clock.time_ns += SECOND // 10
            self.dead_man.look()
        return self.pulled

    def reset(self) -> None:
        """As it is asked for; how long it takes to be settled is the test's."""
        self.ask()
        self.switch.ask_reset(RESET)


RESET = events.OperatorCommand(
    request_id="r", command=events.ResetKillSwitch(), who="anna", why="back", base_version=0
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_silence_kills_everything_within_a_second_of_its_time(bench: Bench) -> None:
    """Counted from the session's begin, if nobody was ever heard; the reason names the setting."""
    assert [] == bench.passes(LIMIT_S)
    assert BY_DEAD_MAN == bench.passes(1)
    (engaged,) = bench.switch.engagements()
    assert ("livestack", "no operator was heard for 30 s (control.dead_man)") == (engaged.by, engaged.reason)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMIN])
@pytest.mark.parametrize("name", ["ping", *(name for name, one in COMMANDS.items() if one.changes)])
def test_an_operator_who_pings_or_acts_is_there(bench: Bench, name: str, role: Role) -> None:
    """Again and again; the count begins anew each time."""
    bench.passes(LIMIT_S - 1)
    bench.ask(name, role)
    bench.pulled.clear()  # a kill is one of the commands
    bench.switch.ask_reset(RESET)
    bench.switch.settle_reset(RESET, is_reset=True)
    assert [] == bench.passes(LIMIT_S - 1)
    assert BY_DEAD_MAN == bench.passes(2)


@pytest.mark.parametrize(
    ("name", "role"),
    [("ping", Role.VIEWER), *((name, Role.ADMIN) for name in QUESTIONS)],
)
def test_who_cannot_act_or_only_asks_is_nobody(bench: Bench, name: str, role: Role) -> None:
    """A viewer could stop nothing; a monitor asks for the status each minute, and stops nothing."""
    for _ in range(4):
        bench.ask(name, role)
        bench.passes(LIMIT_S / 3)
    assert BY_DEAD_MAN == bench.pulled


@pytest.mark.parametrize("phase", [SessionPhase.STARTING, SessionPhase.STOPPING, SessionPhase.STOPPED])
def test_it_counts_only_while_the_session_runs(bench: Bench, phase: SessionPhase) -> None:
    """Not before, however long ago somebody was heard; and who has told it to stop may leave."""
    bench.ask()
    bench.progress.phase = phase
    assert [] == bench.passes(2 * LIMIT_S)
    bench.progress.phase = SessionPhase.RUNNING
    assert [] == bench.passes(LIMIT_S)
    bench.progress.phase = phase
    assert [] == bench.passes(2 * LIMIT_S)


def test_without_a_session_or_a_limit_nothing_is_killed(tmp_path: Path) -> None:
    """In standby; and by default a session runs alone."""
    bench = Bench(tmp_path)
    bench.board.progress = None
    assert [] == bench.passes(2 * LIMIT_S)
    assert [] == Bench(tmp_path, 0).passes(1_000)


def test_each_silence_kills_once(bench: Bench) -> None:
    """However long it is; what was released by somebody who stays for a while is killed by the next one."""
    assert BY_DEAD_MAN == bench.passes(10 * LIMIT_S)
    bench.reset()
    assert bench.switch.settle_reset(RESET, is_reset=True)
    assert BY_DEAD_MAN == bench.passes(LIMIT_S - 1)
    assert 2 * BY_DEAD_MAN == bench.passes(10 * LIMIT_S)


def test_who_leaves_before_the_reset_is_done_leaves_a_node_that_is_killed_again(bench: Bench) -> None:
    """It must not trade without anybody because nobody was heard while nothing could leave anyway."""
    bench.passes(2 * LIMIT_S)
    bench.reset()
    assert BY_DEAD_MAN == bench.passes(2 * LIMIT_S)
    assert bench.switch.settle_reset(RESET, is_reset=True)
    assert 2 * BY_DEAD_MAN == bench.passes(0.1)


def test_what_is_killed_for_a_part_is_killed_for_the_rest(bench: Bench, tmp_path: Path) -> None:
    """What is killed for everything already is left as it is: its story is that of who did it."""
    bench.switch.engage("operator", "anna", "odd prices", "v")
    assert [("operator", "v"), *BY_DEAD_MAN] == bench.passes(2 * LIMIT_S)
    (tmp_path / "other").mkdir()
    other = Bench(tmp_path / "other")
    other.switch.engage("file", "uid 0", "KILL")
    assert [("file", "")] == other.passes(2 * LIMIT_S)


def test_a_kill_that_fails_is_tried_again(bench: Bench) -> None:
    """At the next look, until it is told and latched."""
    tell = bench.switch._tell

    def broken(heard: Sequence[InputEvent]) -> None:
        raise RuntimeError("told to")

    bench.switch._tell = broken
    with pytest.raises(RuntimeError):
        bench.passes(2 * LIMIT_S)
    bench.switch._tell = tell
    assert BY_DEAD_MAN == bench.passes(1)


def test_a_machine_that_stood_still_has_time_to_hear_somebody(bench: Bench) -> None:
    """What was sent meanwhile is read first; if there is nothing, it is killed."""
    bench.passes(1)
    bench.clock.time_ns += 3_600 * SECOND
    assert [] == bench.passes(LIMIT_S / 2 - 2)
    assert BY_DEAD_MAN == bench.passes(2)


def test_a_silence_is_told_before_it_kills(bench: Bench) -> None:
    """Once, at half of it, with what to do; and by its length, which goes back to nothing with the next ping."""
    assert 0 == bench.board.operator_silent_ns()
    with capture_logs() as logs:
        bench.passes(LIMIT_S - 1)
        assert (LIMIT_S - 1.1) * SECOND == pytest.approx(bench.board.operator_silent_ns())
        bench.ask()
        assert 0 == bench.board.operator_silent_ns()
        bench.passes(LIMIT_S - 1)
    told = [one["next"] for one in logs if one["event"] == "operator_silent"]
    assert 2 * ["the kill-switch, in 15 s"] == told
    status = bench.board.status()
    assert (30_000, 29_000) == (status.dead_man_ms, status.operator_silent_ms)
