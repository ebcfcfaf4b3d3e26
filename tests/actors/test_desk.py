"""The desk: queries from the board, kill here and now, everything else to the control actor or refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

import livestack
from livestack.actors.desk import REFUSALS_MAX, Board, Desk, Metrics
from livestack.actors.gate import DispatchGate, Hold, Passage
from livestack.actors.kill_switch import KillSwitch
from livestack.actors.mailbox import Mailbox
from livestack.actors.messages import Asked
from livestack.control.commands import COMMANDS, Role, Sender
from livestack.control.latch import Latch
from livestack.control.view import View, view_of
from livestack.core.events import (
    EngageKillSwitch,
    InputEvent,
    KillSwitchEngaged,
    OperatorCommand,
    SetConfiguration,
)
from livestack.wire import control_pb2 as pb
from tests.actors.fakes import FakeClock, kill_switch, messages
from tests.control.support import request
from tests.core import support
from tests.core.support import Bench as CoreBench

ANNA = Sender("anna", Role.ADMIN, "tcp", confirmed_by="ben")
QUERIES = ("orders", "positions", "fills", "feeds", "venues", "risk", "configuration", "metrics")
ALWAYS = ("ping", "status", "kill_receipt", "kill")


class Bench:
    """A desk of the venue "v", with a gate and a latch, and nobody behind its mailbox."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock()
        self.gate = DispatchGate(["v"])
        self.switch = kill_switch(self.gate, directory)
        self.lane: list[InputEvent] = []
        self.switch.attach(self.lane.extend, {}, lambda: None, ())
        self.mailbox = Mailbox()
        self.board = Board("demo", 5, self.clock, self.gate)
        self.desk = Desk(self.board, self.switch, self.mailbox)
        self.replies: list[pb.Reply] = []

    def ask(self, name: str, **fields: object) -> pb.Reply:
        """The answer that comes at once."""
        asked = request(request_id=f"r-{name}", **fields)
        getattr(asked, name).SetInParent()
        self.desk.serve(asked, ANNA, self.replies.append)
        reply = self.replies.pop()
        assert asked.request_id == reply.request_id
        return reply

    def hand_on(self, name: str) -> Asked:
        asked = request(request_id=f"r-{name}")
        getattr(asked, name).SetInParent()
        self.desk.serve(asked, ANNA, self.replies.append)
        (handed,) = messages(self.mailbox)
        assert isinstance(handed, Asked)
        assert (asked, ANNA) == (handed.request, handed.sender)
        return handed

    def show(self) -> View:
        core = CoreBench().start()
        core.buy()
        self.board.view = view = view_of(core.state, core.seq, core.ts)
        self.board.phase = view.phase
        self.board.metrics = Metrics(core.ts, (pb.Metric(name="runtime.seq", value=core.seq),))
        self.desk.is_running = True
        return view


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ALWAYS])
@pytest.mark.parametrize("phase", ["starting", "failing", "stopped"])
def test_nothing_is_changed_or_shown_before_there_is_a_session(bench: Bench, phase: str, name: str) -> None:
    """Not a view is there: BUSY, and in which phase the node is."""
    bench.board.phase = phase
    reply = bench.ask(name)
    assert (pb.REFUSED, pb.BUSY) == (reply.outcome, reply.code)
    assert phase in reply.message
    assert [] == messages(bench.mailbox)


def test_ping_says_who_asks(bench: Bench) -> None:
    """The node's name and version, and how it knows the sender."""
    pong = bench.ask("ping").pong
    assert ("demo", livestack.__version__, "anna", "admin") == (
        pong.node, pong.version, pong.who, pong.role,
    )  # fmt: skip


def test_status_before_a_session_says_what_the_node_knows(bench: Bench) -> None:
    """Phase, guard, holds; no sequence number, because nothing of a stream is shown."""
    bench.gate.close(Hold.GUARD)
    bench.board.guard = "lost"
    reply = bench.ask("status")
    assert ("demo", "starting", "lost", 5, ["guard"]) == (
        reply.status.node, reply.status.phase, reply.status.guard, reply.status.started_at_ns,
        [one.name for one in reply.status.holds],
    )  # fmt: skip
    assert not reply.HasField("seq")


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_is_answered_from_the_board(bench: Bench, name: str) -> None:
    """At once, with the position that is shown, and without the control actor."""
    view = bench.show()
    reply = bench.ask(name)
    assert (pb.DONE, view.seq, name) == (reply.outcome, reply.seq, reply.WhichOneof("answer"))
    assert [] == messages(bench.mailbox)


def test_queries_are_answered_when_the_session_is_over_or_its_control_actor_dead(bench: Bench) -> None:
    """What was shown last is still true, with its age."""
    view = bench.show()
    bench.desk.is_running = False
    bench.clock.time_ns = view.ts + 7_000_000
    assert (1, 7) == (bench.ask("orders").orders.total, bench.ask("orders").orders.age_ms)
    bench.board.phase = "failing"
    assert "failing" == bench.ask("status").status.phase


def test_metrics_are_told_with_their_own_age_and_their_absence_in_words(bench: Bench) -> None:
    """The telemetry actor reads them at its own pace; without it nothing is made up."""
    view = bench.show()
    bench.clock.time_ns = view.ts + 2_000_000_000
    told = bench.ask("metrics").metrics
    assert (2_000, [("runtime.seq", view.seq)]) == (
        told.age_ms,
        [(one.name, one.value) for one in told.metrics],
    )
    bench.board.metrics = None
    reply = bench.ask("metrics")
    assert (pb.REFUSED, pb.BUSY) == (reply.outcome, reply.code)
    assert "no metrics yet" in reply.message
    bench.board.is_measured = False
    reply = bench.ask("metrics")
    assert (pb.REFUSED, pb.NOT_FOUND) == (reply.outcome, reply.code)
    assert "telemetry.enabled" in reply.message


def test_requests_are_counted_by_command_and_refusals_by_code(bench: Bench) -> None:
    """What was let in, whatever is answered; what was not, as the server tells of it."""
    bench.show()
    for name in ("ping", "status", "ping"):
        bench.ask(name)
    bench.desk.refused("r", "cancel", ANNA, pb.PERMISSION_DENIED)
    assert {"ping": 2, "status": 1} == bench.desk.let_in.values
    assert {"permission_denied": 1} == bench.desk.not_let_in.values


def test_fills_are_as_many_as_asked_for(bench: Bench) -> None:
    """The request's own number counts."""
    bench.show()
    assert 0 == len(bench.ask("fills", fills=pb.GetFills(last=3)).fills.fills)


def test_status_shows_the_session_once_there_is_one(bench: Bench) -> None:
    """With the holds of this very moment, not those of the view."""
    view = bench.show()
    bench.gate.close(Hold.STALL)
    reply = bench.ask("status")
    assert (view.seq, "running", ["stall"]) == (
        reply.seq, reply.status.phase, [one.name for one in reply.status.holds],
    )  # fmt: skip


@pytest.mark.parametrize("state", ["before", "standby", "running", "stopped"])
def test_kill_is_obeyed_at_any_time(bench: Bench, state: str) -> None:
    """Gate closed and latched when the answer is given, which is at once; the audit stands before the kill."""
    if state in ("running", "stopped"):
        bench.show()
    bench.desk.is_running = state == "running"
    if state == "standby":
        bench.desk.standing_by = lambda request, sender: None
    reply = bench.ask("kill", reason="enough", kill=pb.Kill(instrument="v:A"))
    assert (pb.DONE, True, bench.clock.wall_ns(), "") == (
        reply.outcome, reply.killed.durable, reply.killed.gate_closed_at_ns, reply.message,
    )  # fmt: skip
    assert Hold.KILL is bench.gate.refusal("v", "v:A", Passage.NEW)
    assert bench.gate.refusal("v", "v:B", Passage.NEW) is None
    by = "anna, confirmed by ben"
    assert [
        OperatorCommand(
            request_id="r-kill",
            command=EngageKillSwitch("", "v:A"),
            who=by,
            why="enough",
            base_version=0,
            origin=ANNA.origin,
        ),
        KillSwitchEngaged(trigger="operator", by=by, reason="enough", venue="v", instrument="v:A"),
    ] == bench.lane
    assert [] == messages(bench.mailbox)


def test_a_kill_that_the_disk_refuses_is_done_and_says_so(tmp_path: Path) -> None:
    """The gate is closed all the same."""
    bench = Bench(tmp_path)
    gone = tmp_path / "gone"
    bench.desk = Desk(
        bench.board,
        KillSwitch(
            gate=bench.gate, latch=Latch(gone), clock=bench.clock, venues={"v": []}, kill_file=gone / "KILL"
        ),
        bench.mailbox,
    )
    reply = bench.ask("kill", reason="enough")
    assert (pb.DONE, False) == (reply.outcome, reply.killed.durable)
    assert "a restart would not know of it" in reply.message
    assert Hold.KILL is bench.gate.refusal("v", "", Passage.NEW)


def test_the_kill_receipt_is_the_boards(bench: Bench) -> None:
    """Whoever proves it puts it there."""
    bench.board.receipt = pb.KillReceipt(engaged=True, rounds=3)
    assert bench.board.receipt == bench.ask("kill_receipt").kill_receipt


COMMANDS_TO_THE_CORE = [name for name in COMMANDS if name not in (*ALWAYS, *QUERIES, "session_start")]


@pytest.mark.parametrize("name", COMMANDS_TO_THE_CORE)
def test_a_command_goes_to_the_control_actor_while_a_session_runs(bench: Bench, name: str) -> None:
    """It is answered by whoever gets it, not here."""
    bench.show()
    handed = bench.hand_on(name)
    assert [] == bench.replies
    handed.answer(pb.Reply(outcome=pb.DONE))
    assert [pb.DONE] == [reply.outcome for reply in bench.replies]


@pytest.mark.parametrize("name", COMMANDS_TO_THE_CORE)
def test_a_command_is_refused_while_no_session_runs(bench: Bench, name: str) -> None:
    """A dead control actor has no mailbox that anybody empties."""
    bench.show()
    bench.desk.is_running = False
    assert (pb.REFUSED, pb.BUSY) == (bench.ask(name).outcome, bench.ask(name).code)
    assert [] == messages(bench.mailbox)


def test_a_running_session_is_not_started_again(bench: Bench) -> None:
    """Refused, and it is said why."""
    bench.show()
    reply = bench.ask("session_start")
    assert (pb.REFUSED_BY_CORE, "the session is running already") == (reply.code, reply.message)


@pytest.mark.parametrize("name", ["session_start", "session_stop"])
def test_in_standby_a_session_can_be_begun_or_given_up(bench: Bench, name: str) -> None:
    """Whoever stands by hears who asked for it, and why."""
    heard: list[tuple[str, str]] = []
    bench.board.phase = "standby"
    bench.desk.standing_by = lambda asked, sender: heard.append((asked.reason, sender.by))
    assert pb.DONE == bench.ask(name, reason="go").outcome
    assert [("go", "anna, confirmed by ben")] == heard


@pytest.mark.parametrize("name", [one for one in COMMANDS_TO_THE_CORE if one != "session_stop"])
def test_in_standby_nothing_else_is_taken(bench: Bench, name: str) -> None:
    """The sentence says what would be right."""
    heard: list[object] = []
    bench.desk.standing_by = lambda asked, sender: heard.append(asked)
    reply = bench.ask(name)
    assert (pb.BUSY, []) == (reply.code, heard)
    assert "session start" in reply.message


def test_an_earlier_configuration_can_be_looked_at(bench: Bench) -> None:
    """As it was, with its number; one that nobody knows is NOT_FOUND, and those that there are, are named."""
    core = CoreBench().start()
    first = core.state.configuration
    core.feed(support.command(SetConfiguration((("risk.defaults.max_open_orders", "3"),))))
    bench.board.view = view_of(core.state, core.seq, core.ts)
    active = bench.ask("configuration").configuration
    assert (2, [1], core.state.configuration.digest()) == (active.version, [*active.versions], active.digest)
    named = bench.ask("configuration", configuration=pb.GetConfiguration(version=2)).configuration
    assert active == named
    before = bench.ask("configuration", configuration=pb.GetConfiguration(version=1)).configuration
    assert (1, first.digest()) == (before.version, before.digest)
    unknown = bench.ask("configuration", configuration=pb.GetConfiguration(version=7))
    assert (pb.NOT_FOUND, "version 7 is not known; there are 1, 2") == (unknown.code, unknown.message)


def test_refusals_are_counted_by_kind_until_they_are_taken(bench: Bench) -> None:
    """Who, what and why, and how often; a flood of kinds becomes one."""
    for _ in range(3):
        bench.desk.refused("r", "kill", ANNA, pb.PERMISSION_DENIED)
    bench.desk.refused("r", "", ANNA, pb.MALFORMED)
    assert {("anna", "kill", "PERMISSION_DENIED"): 3, ("anna", "", "MALFORMED"): 1} == (
        bench.desk.take_refusals()
    )
    assert {} == bench.desk.take_refusals()
    for number in range(REFUSALS_MAX + 5):
        bench.desk.refused("r", "ping", Sender(str(number), Role.VIEWER, ""), pb.STALE)
    taken = bench.desk.take_refusals()
    assert (REFUSALS_MAX + 1, 5) == (len(taken), taken["others", "", ""])
