"""The control actor: brings operators' commands to the Core and its answers back, and keeps what is shown up to date.

One thread, one per node. A command becomes an ``OperatorCommand`` in the control lane; its reply is given when what the
Core made of it is durable. A few times a second the harness is asked for a view, which arrives by way of the recorder:
nothing is shown before its commit. The sockets and what comes before a command belong to the server's threads
(:mod:`livestack.control.server`), the kill-switch to nobody's mailbox (:mod:`livestack.actors.kill_switch`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import structlog

from livestack.actors.base import NodeActor
from livestack.actors.commands import (
    enables_everything,
    payload_of,
    refusal_of,
    unknown,
    warning_of,
)
from livestack.actors.conditions import SEEN_NS, Conditions
from livestack.actors.desk import Board, Desk, refusal
from livestack.actors.kill_switch import KillSwitch
from livestack.actors.mailbox import HarnessMailbox, Mailbox, Told
from livestack.actors.measures import Measures
from livestack.actors.messages import (
    Answer,
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
from livestack.control import replies
from livestack.control.commands import Sender
from livestack.control.view import View, view_of
from livestack.core.describe import describe_event
from livestack.core.events import (
    MARKET_EVENTS,
    Checkpoint,
    ConfigurationChanged,
    ControlTime,
    KillSwitchReset,
    OperatorCommand,
    RateLimitReport,
    Recorded,
    ResetKillSwitch,
    StopSession,
    VenueClock,
)
from livestack.core.incidents import GUARD_ACTED, SESSION_NOT_RESUMED, WARNING, Incident
from livestack.core.runtime import CoreRuntime
from livestack.failpoints import failpoint
from livestack.telemetry.catalogue import CONTROL_VIEW
from livestack.transports.clock import Clock, Timers
from livestack.wire import control_pb2 as pb

ANSWER_NS = 5_000_000_000
"""A command that the Core has not taken by then is told to be unknown; it may yet be carried out."""

BACKLOG_MAX = 200
"""Batches of Events that wait to be published; a follower that needs them all reads the journal."""

COMMON = frozenset((*MARKET_EVENTS, RateLimitReport, VenueClock, ControlTime))
"""What the topic ``notable`` leaves out: it is for people who look on."""

LOOK_AGAIN_NS = 1_000_000_000
LOOKS_MAX = 10
"""A harness that answers no question has enough of them."""


class Publisher(Protocol):
    """Where publications go: the server."""

    def publish(self, topic: str, payload: bytes) -> None: ...

    def is_subscribed(self, topic: str) -> bool: ...


class Proof(Protocol):
    """Proves after a kill that nothing is left, and shows on the board how far it is. Control actor's thread."""

    def follow(self, engagements: tuple[Engagement, ...]) -> None:
        """What is engaged now, one for each scope; what is new among it is to be proven. Empty: it is reset."""

    def seen(self, view: View) -> None:
        """What State says now."""

    def tick(self) -> None:
        """Time passes."""

    def end(self) -> None:
        """The session is over."""


class Waiting(msgspec.Struct):
    """A command that is with the Core."""

    request: pb.Request
    answer: Answer
    deadline_ns: int


class ControlActor(NodeActor):
    """``proof`` hears of every engagement and of every view, and is ticked. ``accept`` notes that an operator goes on
    behind a session whose end nobody knows."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        supervisor: Mailbox,
        harness: HarnessMailbox,
        kill_switch: KillSwitch,
        proof: Proof,
        desk: Desk,
        board: Board,
        publisher: Publisher,
        progress: Progress,
        publish_every_ns: int,
        accept: Callable[[str], object],
        clock: Clock,
        timers: Timers,
        measures: Measures | None = None,
    ) -> None:
        super().__init__("control", mailbox, supervisor)
        self._harness = harness
        self._view_time = measures.registry.histogram(CONTROL_VIEW) if measures is not None else None
        self._kill_switch = kill_switch
        self._proof = proof
        self._desk = desk
        self._board = board
        self._publisher = publisher
        self._progress = progress
        self._publish_every_ns = publish_every_ns
        self._accept = accept
        self._clock = clock
        self._timers = timers
        self._batch: deque[Any] = deque()
        self._at: object = None
        self._waiting: dict[tuple[str, str], Waiting] = {}
        self._look_again_ns = 0
        self._cancel_tick: Callable[[], None] = lambda: None
        self._conditions = Conditions(max(SEEN_NS, 2 * publish_every_ns))
        self._incidents: tuple[tuple[str, str], ...] = ()
        self._log = structlog.get_logger("control")

    def on_start(self) -> None:
        self._desk.is_running = True
        engaged = self._kill_switch.engagements()
        if engaged:  # perhaps one that another actor died over
            self._proof.follow(engaged)
        self._tick()

    def on_stop(self) -> None:
        """The Core takes no command any more; whoever still waits is told so."""
        self._desk.is_running = False
        self._board.phase = "stopped"
        self._cancel_tick()
        self._proof.end()
        while (envelope := self._mailbox.take()) is not None:
            if isinstance(envelope.message, list):
                self._batch.extend(envelope.message)
        self._tell_waiting("the session has ended meanwhile", [*self._batch])

    def on_failure(self, *error: Any) -> None:
        """Whoever waits is told; what is still to be done waits for the next one."""
        self._desk.is_running = False
        self._cancel_tick()
        self._tell_waiting("the control actor failed", [self._at])
        at = [self._at] if isinstance(self._at, Answered) else []
        self._mailbox.put_back([*at, *self._batch])
        super().on_failure(*error)

    def _tell_waiting(self, sentence: str, messages: list[Any]) -> None:
        for waiting in self._waiting.values():
            waiting.answer(unknown(waiting.request, sentence))
        for message in messages:
            if isinstance(message, Asked):
                message.answer(unknown(message.request, sentence))

    def on_batch(self, batch: list[Any]) -> None:
        self._batch.extend(batch)
        while self._batch:
            self._at = message = self._batch.popleft()
            failpoint("control.before_message")
            match message:
                case Asked(request, sender, answer):
                    self._ask(request, sender, answer)
                case Answered():
                    self._answered(message)
                case Viewed(view):
                    self._viewed(view)
                case Committed(records):
                    self._publish(records)
                case Engaged():
                    self._proof.follow(self._kill_switch.engagements())
                    self._look()
                case Tick():
                    self._tick()

    # -- Commands ------------------------------------------------------------------------------------------------

    def _ask(self, request: pb.Request, sender: Sender, answer: Answer) -> None:
        payload, who = payload_of(request), sender.by
        if payload is None:
            name = request.WhichOneof("command")
            answer(refusal(request, pb.INVALID, f"{name} is no command for a running session"))
            return
        obstacle = self._kill_switch.obstacle() if isinstance(payload, ResetKillSwitch) else ""
        if obstacle:
            answer(refusal(request, pb.REFUSED_BY_CORE, obstacle))
            return
        view = self._board.view
        command = OperatorCommand(
            request_id=request.request_id,
            command=payload,
            who=who,
            why=request.reason,
            base_version=request.expected_version or (view.configuration.version if view is not None else 0),
            origin=sender.origin,
        )
        self._waiting[who, request.request_id] = Waiting(request, answer, self._clock.now_ns() + ANSWER_NS)
        if isinstance(payload, ResetKillSwitch):
            self._kill_switch.ask_reset(command)
        else:
            self._harness.tell_control([command])

    def _answered(self, answered: Answered) -> None:
        command = answered.command
        if isinstance(command.command, StopSession) and not refusal_of(answered):
            self._supervisor.tell(StopRequested(command.who, command.why))
        is_reset = any(isinstance(one, KillSwitchReset) for one in answered.derived)
        # Whether its sender still waits or not.
        if isinstance(command.command, ResetKillSwitch) and self._kill_switch.settle_reset(command, is_reset):
            self._proof.follow(self._kill_switch.engagements())
            self._end_incidents(GUARD_ACTED, f"the kill-switch was reset by {command.who}")
        if enables_everything(answered):
            for session in self._end_incidents(SESSION_NOT_RESUMED, f"trading was enabled by {command.who}"):
                self._accept(session)
        key = command.who, command.request_id
        waiting = self._waiting.pop(key, None)
        self._look()
        if waiting is None:
            return  # its sender was told that the outcome is unknown; asked again the Core answers the same
        waiting.answer(self._reply(waiting, answered))

    def _end_incidents(self, incident: Incident, detail: str) -> list[str]:
        """An operator has looked at what it tells of; returns the scopes."""
        view = self._board.view
        shown = view.incidents if view is not None else ()
        scopes = [one.scope for one in shown if one.name == incident.name]
        self._harness.tell_control([incident.closed(scope, detail) for scope in scopes])
        return scopes

    def _reply(self, waiting: Waiting, answered: Answered) -> pb.Reply:
        refused = refusal_of(answered)
        if refused is not None:
            code = pb.VERSION_CONFLICT if refused.startswith("made against version") else pb.REFUSED_BY_CORE
            reply = refusal(waiting.request, code, refused)
            reply.seq = answered.seq
            return reply
        if isinstance(answered.command.command, ResetKillSwitch) and self._kill_switch.is_engaged:
            text = "the kill-switch was pulled again meanwhile, or its latch could not be removed: it stays engaged"
            return refusal(waiting.request, pb.REFUSED_BY_CORE, text)
        reply = pb.Reply(
            protocol=replies.PROTOCOL,
            request_id=waiting.request.request_id,
            outcome=pb.DONE,
            message=warning_of(answered),
            seq=answered.seq,
        )
        for event in answered.derived:
            if isinstance(event, ConfigurationChanged):
                changed = pb.ConfigurationVersion(version=event.version, digest=event.digest)
                reply.configuration_version.CopyFrom(changed)
            elif isinstance(event, Checkpoint):
                reply.digest.CopyFrom(pb.Digest(digest=event.digest))
        return reply

    def _overdue(self) -> None:
        now_ns = self._clock.now_ns()
        for key in [key for key, waiting in self._waiting.items() if waiting.deadline_ns <= now_ns]:
            waiting = self._waiting.pop(key)
            text = "the Core did not take it in 5 s; it may yet: ask again with the same request id"
            waiting.answer(unknown(waiting.request, text))

    # -- What is shown -------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._overdue()
        self._tell_refusals()
        self._progress.followed = any(map(self._publisher.is_subscribed, ("event", "notable")))
        self._look()
        self._proof.tick()
        self._cancel_tick()
        self._cancel_tick = self._timers.at(
            self._clock.now_ns() + self._publish_every_ns, lambda: self._mailbox.tell(Tick())
        )

    def _look(self) -> None:
        """Ask for a view, unless one is on its way; after a second it is not coming, and is asked for again."""
        now_ns = self._clock.now_ns()
        if now_ns >= self._look_again_ns and len(self._harness.looks) < LOOKS_MAX:
            self._look_again_ns = now_ns + LOOK_AGAIN_NS
            self._harness.tell_look(self._take_view)

    def _take_view(self, runtime: CoreRuntime) -> Told:
        """Harness thread, between two steps."""
        progress, state, begun_ns = self._progress, runtime.state, self._clock.now_ns()
        view = msgspec.structs.replace(
            view_of(state, progress.sequenced, begun_ns),
            incidents=tuple(progress.incidents.values()),
            fills=tuple(progress.fills),
            trading_whys=tuple((scope, *one) for scope, one in progress.trading.items()),
            denials=tuple((rule, *told) for rule, told in progress.denials.items()),
            events=sum(progress.counts.values()),
            fills_total=progress.fills_counted,
        )
        if self._view_time is not None:
            self._view_time.note(self._clock.now_ns() - begun_ns)
        return Told(self._mailbox, Viewed(view))

    def _viewed(self, view: View) -> None:
        self._look_again_ns = 0
        self._board.view = view
        if self._board.phase != "failing":
            self._board.phase = view.phase
        self._proof.seen(view)
        self._log_incidents(view)
        told = self._conditions.look(view, view.ts, self._board.guard, self._board.gate.standing())
        if told:
            self._harness.tell_control(told)
        if self._publisher.is_subscribed("status"):
            publication = pb.Publication(seq=view.seq, ts_ns=view.ts, status=self._board.status())
            self._publisher.publish("status", publication.SerializeToString())

    def _log_incidents(self, view: View) -> None:
        """One line where an incident opens and one where it is over, whoever told of it: an error, if somebody has to
        look now."""
        now = {(one.name, one.scope): one for one in view.incidents}
        for key, one in now.items():
            if key not in self._incidents:
                tell = self._log.warning if one.grade == WARNING else self._log.error
                tell("incident", name=one.name, scope=one.scope, grade=one.grade, detail=one.detail)
        for name, scope in self._incidents:
            if (name, scope) not in now:
                self._log.warning("incident_over", name=name, scope=scope)
        self._incidents = tuple(now)

    def _publish(self, records: list[Recorded]) -> None:
        if self._mailbox.depth() > BACKLOG_MAX:
            return  # the gap in seq says it
        topics = [topic for topic in ("event", "notable") if self._publisher.is_subscribed(topic)]
        for record in records:
            wanted = topics if type(record.event) not in COMMON else [one for one in topics if one == "event"]
            if wanted:
                publication = _publication(record)
                for topic in wanted:
                    self._publisher.publish(topic, publication)

    def _tell_refusals(self) -> None:
        for (who, name, code), times in self._desk.take_refusals().items():
            self._log.warning("request_refused", who=who, command=name, code=code, times=times)


def _publication(record: Recorded) -> bytes:
    event = pb.EventRecord(
        origin=record.origin.name.lower(),
        type=type(record.event).__name__,
        json=msgspec.json.encode(describe_event(record.event)).decode(),
    )
    return pb.Publication(seq=record.seq, ts_ns=record.ts, event=event).SerializeToString()
