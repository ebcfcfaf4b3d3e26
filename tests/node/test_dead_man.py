"""The dead man's switch: who counts as being there, from when on, and that each silence kills once."""

from __future__ import annotations

from pathlib import Path

import pytest

from livestack.actors.desk import Board, Desk
from livestack.actors.gate import DispatchGate, Hold
from livestack.actors.mailbox import Mailbox
from livestack.control.commands import Role, Sender
from livestack.control.view import view_of
from livestack.core import events
from livestack.node.dead_man import DeadMan
from livestack.wire import control_pb2 as pb
from tests.actors.fakes import FakeClock, kill_switch
from tests.core.support import SECOND
from tests.core.support import Bench as CoreBench

LIMIT_NS = 30 * SECOND


class Bench:
    """A node's board, desk and kill-switch, on a clock that the test moves; the session has not begun."""

    def __init__(self, directory: Path, limit_ns: int = LIMIT_NS) -> None:
        self.clock = FakeClock()
        self.clock.time_ns = SECOND
        gate = DispatchGate(["v"])
        self.switch = kill_switch(gate, directory)
        self.board = Board("n", 0, self.clock, gate)
        self.desk = Desk(self.board, self.switch, Mailbox())
        self.core = CoreBench()
        self.dead_man = DeadMan(limit_ns, self.board, self.switch)

    def run(self) -> None:
        self.core.start()
        self.show()

    def show(self) -> None:
        self.board.view = view_of(self.core.state, self.core.seq, self.core.ts)

    def ask(self, role: Role) -> None:
        self.desk.serve(pb.Request(ping=pb.Ping()), Sender("anna", role, "tcp"), lambda reply: None)

    def passes(self, seconds: float) -> list[tuple[str, str]]:
        """Who pulled what so far, after looks at ten a second."""
        for _ in range(round(10 * seconds)):
            self.clock.time_ns += SECOND // 10
            self.dead_man.look()
        return [(one.trigger, one.scope) for one in self.switch.engagements()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_silence_kills_everything_within_a_second_of_its_time(bench: Bench) -> None:
    """Counted from the session's begin, if nobody was ever heard; the reason names the setting."""
    bench.run()
    assert [] == bench.passes(30)
    assert [("dead_man", "")] == bench.passes(0.1)
    (engaged,) = bench.switch.engagements()
    assert ("livestack", "no operator was heard for 30 s (control.dead_man)") == (engaged.by, engaged.reason)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMIN])
def test_an_operator_who_asks_for_anything_is_there(bench: Bench, role: Role) -> None:
    """Again and again; the count begins anew each time."""
    bench.run()
    for _ in range(3):
        assert [] == bench.passes(29)
        bench.ask(role)
    assert [] == bench.passes(29)
    assert [("dead_man", "")] == bench.passes(1)


def test_a_viewer_is_nobody(bench: Bench) -> None:
    """Who can only look cannot stop anything."""
    bench.run()
    for _ in range(4):
        bench.ask(Role.VIEWER)
        found = bench.passes(10)
    assert [("dead_man", "")] == found


def test_it_counts_only_while_the_session_runs(bench: Bench) -> None:
    """Not before, however long ago somebody was heard; and who has told it to stop may leave."""
    assert [] == bench.passes(40)
    bench.ask(Role.ADMIN)
    assert [] == bench.passes(40)
    bench.run()
    assert [] == bench.passes(29)
    bench.core.feed(events.SessionStopping(by="anna", reason="the day is over"))
    bench.show()
    assert [] == bench.passes(40)


def test_each_silence_kills_once(bench: Bench) -> None:
    """What was released by somebody who then stays is not killed again; the next silence is another one."""
    bench.run()
    bench.passes(31)
    bench.ask(Role.ADMIN)
    bench.switch.ask_reset(command := reset())
    assert bench.switch.settle_reset(command, is_reset=True)
    assert [] == bench.passes(29)
    assert [("dead_man", "")] == bench.passes(2)
    assert [("dead_man", "")] == bench.passes(100)


def test_one_who_was_killed_for_a_part_is_killed_for_the_rest(bench: Bench) -> None:
    """What is killed for everything already is left as it is: its story is the one of who did it."""
    bench.run()
    bench.switch.engage("operator", "anna", "odd prices", "v")
    assert [("operator", "v"), ("dead_man", "")] == bench.passes(31)
    other = Bench(bench.switch._latch.path.parent / "other")
    other.switch.engage("file", "uid 0", "KILL")
    other.run()
    assert [("file", "")] == other.passes(31)


def test_without_a_limit_a_session_runs_alone(tmp_path: Path) -> None:
    """As by default."""
    bench = Bench(tmp_path, 0)
    bench.run()
    assert [] == bench.passes(1_000)
    assert Hold.KILL not in {one.hold for one in bench.board.gate.standing()}


def reset() -> events.OperatorCommand:
    return events.OperatorCommand(
        request_id="r", command=events.ResetKillSwitch(), who="anna", why="back", base_version=0
    )
