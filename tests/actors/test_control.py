"""The control actor: commands to the Core, answers when they are durable, and what is shown kept up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog.testing

from livestack.actors.control import ANSWER_NS, BACKLOG_MAX, ControlActor
from livestack.actors.desk import Board, Desk
from livestack.actors.gate import DispatchGate, Hold
from livestack.actors.mailbox import HarnessMailbox, Mailbox, Told
from livestack.actors.messages import (
    ActorFailed,
    Answered,
    Asked,
    Committed,
    Engaged,
    Engagement,
    StopRequested,
    Tick,
    Viewed,
)
from livestack.actors.progress import Progress
from livestack.control.commands import Role, Sender
from livestack.control.latch import Latch
from livestack.control.view import IncidentView, KillView, View, view_of
from livestack.core import events
from livestack.core.events import Command, InputEvent, OperatorCommand, OrderFill, Recorded
from livestack.core.types import Origin, TradingState
from livestack.wire import control_pb2 as pb
from tests.actors.fakes import FakeClock, FakeTimers, kill_switch, messages
from tests.control.support import request
from tests.core.support import Bench as CoreBench

ANNA = Sender("anna", Role.ADMIN, "tcp")


class FakeProof:
    """Remembers what it was told; ``failure`` is raised at the next engagement."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.failure: Exception | None = None

    def follow(self, engagements: tuple[Engagement, ...]) -> None:
        if self.failure is not None:
            raise self.failure
        self.told.append(engagements)

    def seen(self, view: View) -> None:
        self.told.append(view.seq)

    def tick(self) -> None:
        """Time is nothing here."""

    def end(self) -> None:
        self.told.append("end")


class FakePublisher:
    def __init__(self) -> None:
        self.topics: set[str] = set()
        self.published: list[tuple[str, pb.Publication]] = []

    def publish(self, topic: str, payload: bytes) -> None:
        self.published.append((topic, pb.Publication.FromString(payload)))

    def is_subscribed(self, topic: str) -> bool:
        return topic in self.topics


class Bench:
    """A control actor without a thread, between a desk and a Core that a test plays."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = FakeClock()
        self.timers = FakeTimers()
        self.gate = DispatchGate(["v"])
        self.switch = kill_switch(self.gate, directory)
        self.harness = HarnessMailbox()
        self.lane: list[InputEvent] = []
        self.switch.attach(self.harness.tell_control, {}, lambda: None, ())
        self.mailbox = Mailbox()
        self.supervisor = Mailbox()
        self.proof = FakeProof()
        self.publisher = FakePublisher()
        self.progress = Progress()
        self.board = Board("demo", 5, self.clock, self.gate)
        self.desk = Desk(self.board, self.switch, self.mailbox)
        self.replies: list[pb.Reply] = []
        self.accepted: list[str] = []
        self.actor = self.started()

    def started(self) -> ControlActor:
        actor = ControlActor(
            mailbox=self.mailbox,
            supervisor=self.supervisor,
            harness=self.harness,
            kill_switch=self.switch,
            proof=self.proof,
            desk=self.desk,
            board=self.board,
            publisher=self.publisher,
            progress=self.progress,
            publish_every_ns=250_000_000,
            accept=self.accepted.append,
            clock=self.clock,
            timers=self.timers,
        )
        actor.on_start()
        return actor

    def asked(self, request_id: str = "r", **fields: Any) -> Asked:
        return Asked(request(request_id=request_id, **fields), ANNA, self.replies.append)

    def hand_in(self, request_id: str = "r", **fields: Any) -> OperatorCommand:
        """The command as it reaches the Core."""
        self.actor.on_receive([self.asked(request_id, **fields)])
        command = messages(self.harness)[-1]
        assert isinstance(command, OperatorCommand)
        return command

    def answer(self, command: OperatorCommand, *derived: events.DerivedEvent, seq: int = 9) -> None:
        out = derived or (events.CommandApplied(request_id=command.request_id),)
        self.actor.on_receive([Answered(seq, command, out)])

    def reply(self) -> pb.Reply:
        """The one that was given since the last call."""
        (reply,) = self.replies
        self.replies.clear()
        return reply

    def view(self) -> View:
        core = CoreBench().start()
        return view_of(core.state, core.seq, core.ts)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def reset_by(bench: Bench, command: OperatorCommand) -> tuple[events.DerivedEvent, ...]:
    """What the Core makes of a reset that it takes."""
    return (
        events.CommandApplied(request_id=command.request_id),
        events.KillSwitchReset(by="anna", reason="over", accept_unknown=False),
    )


@pytest.mark.parametrize(
    ("fields", "command"),
    [
        (
            {"trading": pb.SetTradingState(state=pb.HALTED, venue="v", instrument="")},
            events.SetTradingState(TradingState.HALTED, "v", ""),
        ),
        ({"cancel": pb.CancelOrder(order_id=7)}, events.CancelOrder(7)),
        ({"cancel_all": pb.CancelAll(instrument="v:A")}, events.CancelAll("", "v:A")),
        ({"strategy": pb.SetStrategy(enabled=True)}, events.SetStrategyEnabled(True)),
        (
            {"configuration_set": pb.SetConfiguration(settings=[pb.Setting(key="a.b", json_value="1")])},
            events.SetConfiguration((("a.b", "1"),)),
        ),
        ({"configuration_roll_back": pb.RollBackConfiguration(version=3)}, events.RollBackConfiguration(3)),
        ({"kill_reset": pb.ResetKill(accept_unknown=True)}, events.ResetKillSwitch(True)),
        ({"checkpoint": pb.Checkpoint()}, events.TakeCheckpoint()),
        ({"session_stop": pb.StopSession()}, events.StopSession()),
    ],
    ids=lambda one: type(one).__name__ if not isinstance(one, dict) else "",
)
def test_each_request_is_one_command_of_the_core(
    bench: Bench, fields: dict[str, Any], command: Command
) -> None:
    """With who asked, why, and against which version; its reply comes only with the Core's answer."""
    handed = bench.hand_in(reason="because", expected_version=4, **fields)
    assert (
        OperatorCommand(
            request_id="r", command=command, who="anna", why="because", base_version=4, origin="tcp"
        )
        == handed
    )
    assert [] == bench.replies
    bench.answer(handed, seq=12)
    reply = bench.reply()
    assert (pb.DONE, 12, "r") == (reply.outcome, reply.seq, reply.request_id)


def test_a_request_that_is_no_command_is_refused(bench: Bench) -> None:
    """Nothing reaches the Core."""
    bench.actor.on_receive([bench.asked(confirm=pb.Confirm(request_id="x"))])
    assert pb.INVALID == bench.reply().code
    assert [] == messages(bench.harness)


def test_a_command_is_made_against_what_its_sender_was_shown(bench: Bench) -> None:
    """Without an expected version: the one on the board, and 0 where nothing is shown yet."""
    assert 0 == bench.hand_in("a", checkpoint=pb.Checkpoint()).base_version
    view = bench.view()
    bench.actor.on_receive([Viewed(view)])
    assert view.configuration.version == bench.hand_in("b", checkpoint=pb.Checkpoint()).base_version


def test_the_reply_tells_what_the_core_made_of_it(bench: Bench) -> None:
    """A new version of the Configuration, a checkpoint's digest."""
    command = bench.hand_in(checkpoint=pb.Checkpoint())
    changed = events.ConfigurationChanged(version=5, digest="d5", patch=())
    bench.answer(command, changed)
    reply = bench.reply()
    assert (5, "d5") == (reply.configuration_version.version, reply.configuration_version.digest)
    bench.answer(bench.hand_in(checkpoint=pb.Checkpoint()), events.Checkpoint(digest="cafe"))
    assert "cafe" == bench.reply().digest.digest


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("order 7 is not open", pb.REFUSED_BY_CORE),
        ("made against version 1, and 2 is active", pb.VERSION_CONFLICT),
    ],
)
def test_a_refusal_of_the_core_is_told_in_its_words(bench: Bench, reason: str, code: int) -> None:
    """Nothing has changed, and where that stands."""
    command = bench.hand_in(cancel=pb.CancelOrder(order_id=7))
    bench.answer(command, events.CommandRefused(request_id="r", reason=reason), seq=8)
    reply = bench.reply()
    assert (pb.REFUSED, code, reason, 8) == (reply.outcome, reply.code, reply.message, reply.seq)


def test_the_core_says_made_against_where_a_version_is_too_old() -> None:
    """The words by which a conflict is known are the Core's own."""
    core = CoreBench().start()
    old = events.SetConfiguration((("risk.defaults.max_open_orders", "3"),))
    step = core.feed(OperatorCommand(request_id="r", command=old, who="a", why="b", base_version=9))
    (refused,) = step.derived
    assert isinstance(refused, events.CommandRefused)
    assert refused.reason.startswith("made against version")


def test_a_command_without_an_answer_is_unknown_and_may_be_asked_again(bench: Bench) -> None:
    """After five seconds; the answer that comes later is nobody's, asked again it is the answer to that."""
    command = bench.hand_in(checkpoint=pb.Checkpoint())
    bench.clock.time_ns += ANSWER_NS - 1
    bench.actor.on_receive([Tick()])
    assert [] == bench.replies
    bench.clock.time_ns += 1
    bench.actor.on_receive([Tick()])
    reply = bench.reply()
    assert (pb.UNKNOWN, pb.TIMED_OUT) == (reply.outcome, reply.code)
    bench.answer(command)
    assert [] == bench.replies
    assert command == bench.hand_in(checkpoint=pb.Checkpoint())
    bench.answer(command)
    assert pb.DONE == bench.reply().outcome


def test_two_senders_may_use_the_same_request_id(bench: Bench) -> None:
    """Each gets the answer to their own."""
    bens: list[pb.Reply] = []
    bench.actor.on_receive(
        [
            bench.asked(checkpoint=pb.Checkpoint()),
            Asked(
                request(request_id="r", strategy=pb.SetStrategy()), Sender("ben", Role.ADMIN, ""), bens.append
            ),
        ]
    )
    annas, of_ben = messages(bench.harness)
    bench.answer(of_ben, seq=2)
    assert ([2], []) == ([one.seq for one in bens], bench.replies)
    bench.answer(annas, seq=1)
    assert 1 == bench.reply().seq


def test_a_stop_ends_the_session_once_the_core_has_taken_it(bench: Bench) -> None:
    """The supervisor hears by whom and why; of a refused one it hears nothing."""
    command = bench.hand_in(reason="evening", session_stop=pb.StopSession())
    assert [] == messages(bench.supervisor)
    bench.answer(command, events.CommandRefused(request_id="r", reason="no"))
    assert [] == messages(bench.supervisor)
    bench.answer(bench.hand_in("s", reason="evening", session_stop=pb.StopSession()))
    assert [StopRequested("anna", "evening")] == messages(bench.supervisor)


# -- The kill-switch's reset


def test_a_reset_releases_when_the_core_has_taken_it(bench: Bench) -> None:
    """Not before: hold and latch stand until its answer is durable; then the proof is over."""
    bench.switch.engage("operator", "anna", "r")
    command = bench.hand_in(kill_reset=pb.ResetKill())
    assert bench.switch.is_engaged
    bench.answer(command, *reset_by(bench, command))
    assert (False, ()) == (bench.switch.is_engaged, Latch(bench.directory).entries())
    assert pb.DONE == bench.reply().outcome
    assert [()] == bench.proof.told


def test_a_refused_reset_releases_nothing(bench: Bench) -> None:
    """An order of unknown fate, say."""
    bench.switch.engage("operator", "anna", "r")
    command = bench.hand_in(kill_reset=pb.ResetKill())
    bench.answer(command, events.CommandRefused(request_id="r", reason="1 order of unknown fate"))
    assert pb.REFUSED_BY_CORE == bench.reply().code
    assert bench.switch.is_engaged
    assert 1 == len(Latch(bench.directory).entries())


def test_a_kill_file_that_is_there_stands_in_the_way(bench: Bench) -> None:
    """The Core is not even asked: it would be engaged again at once."""
    bench.switch.engage("file", "uid 0", "r")
    messages(bench.harness)
    (bench.directory / "KILL").touch()
    bench.actor.on_receive([bench.asked(kill_reset=pb.ResetKill())])
    reply = bench.reply()
    assert (pb.REFUSED, pb.REFUSED_BY_CORE) == (reply.outcome, reply.code)
    assert "remove that file first" in reply.message
    assert [] == messages(bench.harness)


def test_a_reset_that_was_overtaken_by_a_kill_is_refused(bench: Bench) -> None:
    """The Core has taken it, and then the next kill: it stays engaged, and the proof goes on."""
    bench.switch.engage("operator", "anna", "first")
    command = bench.hand_in(kill_reset=pb.ResetKill())
    bench.switch.engage("operator", "ben", "second")
    bench.answer(command, *reset_by(bench, command))
    reply = bench.reply()
    assert pb.REFUSED == reply.outcome
    assert "pulled again meanwhile" in reply.message
    assert bench.switch.is_engaged
    assert [] == bench.proof.told


def test_a_reset_whose_sender_has_given_up_releases_all_the_same(bench: Bench) -> None:
    """State is reset, so is the gate; asked again it is done."""
    bench.switch.engage("operator", "anna", "r")
    command = bench.hand_in(kill_reset=pb.ResetKill())
    bench.clock.time_ns += ANSWER_NS
    bench.actor.on_receive([Tick()])
    assert pb.UNKNOWN == bench.reply().outcome
    bench.answer(command, *reset_by(bench, command))
    assert not bench.switch.is_engaged
    again = bench.hand_in(kill_reset=pb.ResetKill())
    bench.answer(again)  # the Core has answered this before, and resets nothing
    assert pb.DONE == bench.reply().outcome


def test_a_reset_that_is_repeated_lifts_no_later_kill(bench: Bench) -> None:
    """The same request id behind a new kill: the Core says "applied" again, and nothing is released."""
    bench.switch.engage("operator", "anna", "first")
    command = bench.hand_in(kill_reset=pb.ResetKill())
    bench.clock.time_ns += ANSWER_NS
    bench.actor.on_receive([Tick()])
    bench.reply()
    bench.switch.engage("operator", "ben", "second")
    again = bench.hand_in(kill_reset=pb.ResetKill())
    bench.answer(command, *reset_by(bench, command))
    assert bench.switch.is_engaged
    bench.replies.clear()
    third = bench.hand_in(kill_reset=pb.ResetKill())
    bench.answer(again)
    bench.answer(third)
    assert bench.switch.is_engaged
    assert 1 == len(Latch(bench.directory).entries())
    assert pb.REFUSED == bench.reply().outcome


def test_a_latch_that_cannot_be_removed_keeps_it_engaged(bench: Bench) -> None:
    """Everywhere: the Core is told, so that it can be reset again when the disk is well."""
    bench.switch.engage("operator", "anna", "r", venue="v")
    command = bench.hand_in(kill_reset=pb.ResetKill())
    path = bench.switch._latch.path
    path.unlink()
    path.mkdir()
    bench.answer(command, *reset_by(bench, command))
    assert pb.REFUSED_BY_CORE == bench.reply().code
    assert bench.switch.is_engaged
    (told,) = messages(bench.harness)
    assert ("operator", "v") == (told.trigger, told.venue)
    path.rmdir()
    command = bench.hand_in("r2", kill_reset=pb.ResetKill())
    bench.answer(command, *reset_by(bench, command))
    assert not bench.switch.is_engaged


# -- What is shown


def looked(bench: Bench) -> list[Told]:
    """What the harness would tell now."""
    core = CoreBench().start()
    told = [look(core.runtime) for look in bench.harness.looks]
    bench.harness.looks.clear()
    return [one for one in told if one is not None]


def test_a_view_is_asked_for_again_when_the_last_one_has_come(bench: Bench) -> None:
    """One is on its way at most; it holds what the host knows beside State."""
    bench.progress.incidents["stall", ""] = incident = IncidentView("stall", "", "halting", "slow")
    bench.progress.counts = {OrderFill: 2, Recorded: 1}
    bench.progress.fills_counted = 2
    bench.progress.denials = {"max_position": (3, "too much")}
    bench.actor.on_receive([Tick()])
    bench.actor.on_receive([Tick()])
    (told,) = looked(bench)
    assert bench.mailbox is told.to
    view = told.message.view
    assert ((incident,), 3, 2, (("max_position", 3, "too much"),)) == (
        view.incidents, view.events, view.fills_total, view.denials,
    )  # fmt: skip
    bench.actor.on_receive([told.message])
    assert (view, "running", [view.seq]) == (bench.board.view, bench.board.phase, bench.proof.told)
    bench.actor.on_receive([Tick()])
    assert 1 == len(looked(bench))


def test_a_tick_comes_back_as_often_as_is_published(bench: Bench) -> None:
    """One timer, not one more for each."""
    bench.actor.on_receive([Tick()])
    ((due_ns, _),) = bench.timers.pending
    assert bench.clock.now_ns() + 250_000_000 == due_ns
    bench.timers.fire()
    assert [Tick()] == messages(bench.mailbox)


def test_status_is_published_only_to_somebody(bench: Bench) -> None:
    """With the view's position."""
    view = bench.view()
    bench.actor.on_receive([Viewed(view)])
    assert [] == bench.publisher.published
    bench.publisher.topics.add("status")
    bench.actor.on_receive([Viewed(view)])
    ((topic, published),) = bench.publisher.published
    assert ("status", view.seq, "demo") == (topic, published.seq, published.status.node)


def test_events_are_followed_only_while_somebody_wants_them(bench: Bench) -> None:
    """The recorder looks at ``followed``; each record becomes a publication of its own."""
    assert not bench.progress.followed
    bench.publisher.topics.add("event")
    bench.actor.on_receive([Tick()])
    assert bench.progress.followed
    stopping = events.SessionStopping(by="anna", reason="r")
    bench.actor.on_receive([Committed([Recorded(7, 8, Origin.INPUT, stopping)])])
    ((topic, published),) = bench.publisher.published
    assert ("event", 7, 8, "input", "SessionStopping") == (
        topic, published.seq, published.ts_ns, published.event.origin, published.event.type,
    )  # fmt: skip
    assert '{"event":"SessionStopping","by":"anna","reason":"r"}' == published.event.json
    bench.publisher.topics.clear()
    bench.actor.on_receive([Tick()])
    assert not bench.progress.followed


def test_a_backlog_of_events_is_left_out(bench: Bench) -> None:
    """Whoever follows sees the gap in ``seq``; commands behind it do not wait for it."""
    for _ in range(BACKLOG_MAX + 1):
        bench.mailbox.tell(Tick())
    bench.actor.on_receive(
        [Committed([Recorded(7, 8, Origin.INPUT, events.SessionStopping(by="", reason=""))])]
    )
    assert [] == bench.publisher.published


def test_a_kill_begins_its_proof(bench: Bench) -> None:
    """And a view is asked for at once."""
    looked(bench)
    bench.actor.on_receive([Viewed(bench.view())])
    bench.switch.engage("operator", "anna", "r")
    bench.actor.on_receive([Engaged()])
    assert bench.switch.engagements() == bench.proof.told[-1]
    assert 1 == len(looked(bench))


# -- Its end


def test_whoever_waits_when_the_session_ends_is_told(bench: Bench) -> None:
    """Those whose command is with the Core and those that nobody has looked at; later ones are refused."""
    bench.actor.on_receive([bench.asked("a", checkpoint=pb.Checkpoint())])
    bench.mailbox.tell(bench.asked("b", checkpoint=pb.Checkpoint()))
    bench.actor.on_stop()
    assert [("a", pb.UNKNOWN), ("b", pb.UNKNOWN)] == [(one.request_id, one.outcome) for one in bench.replies]
    assert (False, "stopped") == (bench.desk.is_running, bench.board.phase)
    assert [] == bench.timers.pending
    assert "end" == bench.proof.told[-1]


def test_a_dead_control_actor_leaves_nobody_waiting(bench: Bench) -> None:
    """Who waits is told that the outcome is unknown; what was behind in its batch is done by the next one."""
    bench.actor.on_receive([bench.asked("a", checkpoint=pb.Checkpoint())])
    messages(bench.harness)
    bench.proof.failure = RuntimeError("bug")
    bench.switch.engage("operator", "anna", "r")
    messages(bench.harness)
    batch = [Engaged(), bench.asked("b", checkpoint=pb.Checkpoint()), Engaged()]
    with pytest.raises(RuntimeError) as raised:
        bench.actor.on_receive(batch)
    bench.actor.on_failure(raised.type, raised.value, raised.tb)
    assert [("a", pb.UNKNOWN)] == [(one.request_id, one.outcome) for one in bench.replies]
    (failed,) = messages(bench.supervisor)
    assert isinstance(failed, ActorFailed)
    assert "control" == failed.actor
    assert not bench.desk.is_running
    assert [] == bench.timers.pending

    bench.proof.failure = None
    bench.actor = bench.started()
    assert bench.desk.is_running
    bench.actor.on_receive(messages(bench.mailbox))
    (command,) = messages(bench.harness)
    assert "b" == command.request_id
    assert bench.switch.engagements() in bench.proof.told


def test_the_command_that_it_died_of_is_answered(bench: Bench) -> None:
    """Its outcome is unknown, and it is not tried again."""

    def broken(command: OperatorCommand) -> int:
        raise RuntimeError("bug")

    bench.switch.ask_reset = broken  # type: ignore[method-assign]
    with pytest.raises(RuntimeError) as raised:
        bench.actor.on_receive([bench.asked(kill_reset=pb.ResetKill())])
    bench.actor.on_failure(raised.type, raised.value, raised.tb)
    assert {("r", pb.UNKNOWN)} == {(one.request_id, one.outcome) for one in bench.replies}
    assert [] == messages(bench.mailbox)


def test_a_restart_lifts_no_hold(bench: Bench) -> None:
    """Whose hold it is does not depend on who shows it."""
    bench.switch.engage("operator", "anna", "r")
    bench.actor.on_failure(RuntimeError, RuntimeError("bug"), None)
    bench.actor = bench.started()
    assert [Hold.KILL] == [one.hold for one in bench.gate.standing()]


def test_who_enables_trading_has_accepted_what_it_was_halted_for(bench: Bench) -> None:
    """A session whose end nobody knows: its incident is over, and the next start is not HALTED for it again."""
    view = msgspec.structs.replace(
        bench.view(), incidents=(IncidentView("session_not_resumed", "s1", "critical", "damaged"),)
    )
    bench.actor.on_receive([Viewed(view)])
    command = OperatorCommand(
        request_id="r",
        command=events.SetTradingState(TradingState.ACTIVE),
        who="anna",
        why="w",
        base_version=0,
    )
    halted = Answered(7, command, (events.CommandApplied(request_id="r"),), TradingState.HALTED)
    bench.actor.on_receive([halted])
    assert [] == bench.accepted
    bench.actor.on_receive([msgspec.structs.replace(halted, trading=TradingState.ACTIVE)])
    assert ["s1"] == bench.accepted
    (closed,) = messages(bench.harness)
    assert ("session_not_resumed", "s1") == (closed.name, closed.scope)


def test_incidents_are_in_the_log(bench: Bench) -> None:
    """Once where one opens, once where it is over, whoever told of it; an error where somebody has to look now."""
    opened = msgspec.structs.replace(
        bench.view(), incidents=(IncidentView("clock_skew", "v", "critical", "5 s off"),)
    )
    with structlog.testing.capture_logs() as logs:
        for view in (opened, opened, bench.view(), bench.view()):
            bench.actor.on_receive([Viewed(view)])
    assert [("incident", "clock_skew", "v"), ("incident_over", "clock_skew", "v")] == [
        (one["event"], one["name"], one["scope"]) for one in logs
    ]
    assert ["error", "warning"] == [one["log_level"] for one in logs]


# -- Conditions


def test_a_condition_that_lasts_is_told_to_the_core_once(bench: Bench) -> None:
    """The kill-switch, a guard that is lost, a lease: with the first view, and over likewise."""
    bench.gate.close(Hold.LEASE)
    bench.board.guard = "lost"
    view = msgspec.structs.replace(bench.view(), kill=(KillView("", "operator", "anna", "drill"),))
    bench.actor.on_receive([Viewed(view), Viewed(view)])
    told = messages(bench.harness)
    assert [("kill", ""), ("lease_lost", "lease"), ("guard_lost", "guard")] == [
        (one.name, one.scope) for one in told
    ]
    shown = tuple(IncidentView(one.name, one.scope, one.grade, one.detail) for one in told)
    bench.gate.open(Hold.LEASE)
    bench.actor.on_receive([Viewed(msgspec.structs.replace(view, kill=(), incidents=shown))])
    assert ["kill", "lease_lost"] == [one.name for one in messages(bench.harness)]


def test_another_control_actor_tells_nothing_twice(bench: Bench) -> None:
    """What is open is what is shown."""
    shown = (IncidentView("kill", "", "critical", "operator by anna: drill"),)
    view = msgspec.structs.replace(
        bench.view(), kill=(KillView("", "operator", "anna", "drill"),), incidents=shown
    )
    bench.actor = bench.started()
    bench.actor.on_receive([Viewed(view)])
    assert [] == messages(bench.harness)


def test_people_who_look_on_are_spared_the_market(bench: Bench) -> None:
    """``notable`` has every Event but the many; ``event`` has all."""
    bench.publisher.topics = {"event", "notable"}
    quote = Recorded(1, 1, Origin.INPUT, events.VenueClock(venue="v", offset_ns=0, error_ns=1))
    opened = Recorded(
        2, 1, Origin.INPUT, events.IncidentOpened(name="n", scope="", grade="warning", detail="")
    )
    bench.actor.on_receive([Committed([quote, opened])])
    assert [("event", 1), ("event", 2), ("notable", 2)] == [
        (topic, one.seq) for topic, one in bench.publisher.published
    ]
