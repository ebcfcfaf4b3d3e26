"""The desk: what the node answers to a request that the server has let in. Runs on the server's threads; never blocks.

Queries are answered from the board, whatever the rest of the node does; ``kill`` engages the kill-switch here and now;
every other command goes to the control actor, and is answered once what came of it is durable.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import msgspec

import livestack
from livestack.actors.gate import DispatchGate
from livestack.actors.kill_switch import KillSwitch
from livestack.actors.mailbox import Mailbox
from livestack.actors.messages import Answer, Asked, Engagement
from livestack.actors.progress import Progress
from livestack.control import replies
from livestack.control.commands import COMMANDS, Role, Sender
from livestack.control.view import SinkView, View
from livestack.core.events import EngageKillSwitch, OperatorCommand
from livestack.core.versions import way_back
from livestack.telemetry.instruments import Counters
from livestack.transports.clock import Clock
from livestack.wire import control_pb2 as pb

REFUSALS_MAX = 1_000
"""Kinds of refused requests counted between two looks; more are counted as one."""


class Metrics(msgspec.Struct, frozen=True):
    """Every series as it was at session time ``read_ns``."""

    read_ns: int
    metrics: tuple[pb.Metric, ...]


class Board:
    """What operators are shown now. Single attributes, no lock: the control actor writes, the server's threads read.
    ``metrics`` are the telemetry actor's, None before its first reading; ``is_measured``: whether there is one.

    ``phase`` is the node's where there is no session to tell it; ``guard`` off, watching or lost; ``sinks`` tells how
    far those of execution records are, at any time and on any thread. ``progress``: the session's, None before it.
    ``operator_heard_ns``: session time at which an operator was heard last, written by the servers' threads, 0: never;
    ``dead_man_ns``: how long one may be silent, 0: for ever.
    """

    def __init__(self, node: str, started_at_ns: int, clock: Clock, gate: DispatchGate) -> None:
        self.node = node
        self.started_at_ns = started_at_ns
        self.clock = clock
        self.gate = gate
        self.view: View | None = None
        self.receipt = pb.KillReceipt()
        self.phase = "starting"
        self.guard = "off"
        self.sinks: Callable[[], tuple[SinkView, ...]] = tuple
        self.metrics: Metrics | None = None
        self.is_measured = True
        self.progress: Progress | None = None
        self.operator_heard_ns = 0
        self.dead_man_ns = 0

    def host(self) -> replies.Host:
        return replies.Host(
            node=self.node,
            now_ns=self.clock.now_ns(),
            started_at_ns=self.started_at_ns,
            guard=self.guard,
            holds=tuple((one.hold.name.lower(), one.venue, one.instrument) for one in self.gate.standing()),
            sinks=self.sinks(),
            dead_man_ns=self.dead_man_ns,
            operator_silent_ns=self.operator_silent_ns(),
        )

    def operator_silent_ns(self) -> int:
        """Since an operator was heard; 0: never was one. Any thread."""
        heard_ns = self.operator_heard_ns
        return max(self.clock.now_ns() - heard_ns, 0) if heard_ns else 0

    def kill_cancels(self) -> bool:
        """Whether a kill cancels what is open, by the Configuration that was shown last."""
        return self.view is None or self.view.configuration.kill.cancel_open_orders

    def status(self) -> pb.Status:
        host = self.host()
        if self.view is not None:
            status = replies.status(self.view, host)
            if self.phase == "failing":
                status.phase = self.phase
            return status
        return pb.Status(
            node=host.node,
            phase=self.phase,
            started_at_ns=host.started_at_ns,
            guard=host.guard,
            holds=[pb.Hold(name=name, venue=venue, instrument=one) for name, venue, one in host.holds],
            sinks=[replies.sink(one) for one in host.sinks],
            dead_man_ms=host.dead_man_ns // 1_000_000,
            operator_silent_ms=host.operator_silent_ns // 1_000_000,
        )


class Desk:
    """One for the life of the node. ``on_start`` is called at a ``session start`` while the node stands by.

    ``let_in``: requests by command; ``not_let_in``: those that came no further than the server, by code.
    """

    def __init__(self, board: Board, kill_switch: KillSwitch, control: Mailbox) -> None:
        self._board = board
        self._kill_switch = kill_switch
        self._control = control
        self._refusals: dict[tuple[str, str, str], int] = {}
        self._count_lock = threading.Lock()  # each socket has a thread of its own
        self.let_in = Counters()
        self.not_let_in = Counters()
        self.standing_by: Callable[[pb.Request, Sender], None] | None = None
        self.is_running = False

    def serve(self, request: pb.Request, sender: Sender, answer: Answer) -> None:
        """Answer at once, or hand on."""
        name = request.WhichOneof("command")
        self._count(self.let_in, name or "")
        if sender.role >= Role.OPERATOR and (name == "ping" or COMMANDS[name or ""].changes):
            self._board.operator_heard_ns = self._board.clock.now_ns()
        if name == "kill":
            answer(self._kill(request, sender))
        elif name == "ping":
            answer(self._pong(request, sender))
        elif name == "status":
            seq = self._board.view.seq if self._board.view is not None else None
            answer(_reply(request, seq=seq, status=self._board.status()))
        elif name == "kill_receipt":
            answer(_reply(request, kill_receipt=self._board.receipt))
        elif name in _QUERIES:
            answer(self._query(request, name))
        elif (begin := self.standing_by) is not None:
            answer(self._in_standby(request, name or "", sender, begin))
        elif not self.is_running:
            text = (
                f"the node is {self._board.phase}; ping, status, and kill are answered, try again in a moment"
            )
            answer(refusal(request, pb.BUSY, text))
        elif name == "session_start":
            answer(refusal(request, pb.REFUSED_BY_CORE, "the session is running already"))
        else:
            self._control.tell(Asked(request, sender, answer))

    def refused(self, request_id: str, command: str, sender: Sender, code: int) -> None:
        """Audit of what came no further than the server: told once a second, each kind with its number."""
        self._count(self.not_let_in, pb.ErrorCode.Name(code).lower())
        kind = (sender.name, command, pb.ErrorCode.Name(code))
        if kind not in self._refusals and len(self._refusals) >= REFUSALS_MAX:
            kind = ("others", "", "")
        self._refusals[kind] = self._refusals.get(kind, 0) + 1

    def _count(self, counters: Counters, label: str) -> None:
        with self._count_lock:
            counters.add(label)

    def take_refusals(self) -> Mapping[tuple[str, str, str], int]:
        """(sender, command, code) and how often, since the last call. Control actor."""
        taken, self._refusals = self._refusals, {}
        return taken.copy()  # a server's thread may be writing into it

    def _kill(self, request: pb.Request, sender: Sender) -> pb.Reply:
        venue, instrument = request.kill.venue.strip(), request.kill.instrument.strip()
        audit = OperatorCommand(
            request_id=request.request_id,
            command=EngageKillSwitch(venue, instrument),
            who=sender.by,
            why=request.reason,
            base_version=0,
            origin=sender.origin,
        )
        done = self._kill_switch.engage("operator", sender.by, request.reason, venue, instrument, audit)
        return _reply(request, killed=killed(done), message=_warning(done, instrument or venue))

    def _pong(self, request: pb.Request, sender: Sender) -> pb.Reply:
        pong = pb.Pong(
            node=self._board.node,
            version=livestack.__version__,
            who=sender.name,
            role=sender.role.name.lower(),
        )
        return _reply(request, pong=pong)

    def _query(self, request: pb.Request, name: str) -> pb.Reply:
        view, now_ns = self._board.view, self._board.clock.now_ns()
        if view is None:
            return refusal(request, pb.BUSY, f"the node is {self._board.phase} and has nothing to show yet")
        match name:
            case "orders":
                return _reply(request, seq=view.seq, orders=replies.orders(view, now_ns))
            case "positions":
                return _reply(request, seq=view.seq, positions=replies.positions(view, now_ns))
            case "fills":
                return _reply(request, seq=view.seq, fills=replies.fills(view, now_ns, request.fills.last))
            case "feeds":
                return _reply(request, seq=view.seq, feeds=replies.feeds(view, now_ns))
            case "venues":
                return _reply(request, seq=view.seq, venues=replies.venues(view, now_ns))
            case "risk":
                return _reply(request, seq=view.seq, risk=replies.risk(view, now_ns))
            case "configuration":
                return self._configuration(request, view)
            case _:
                return self._metrics(request, view, now_ns)

    def _metrics(self, request: pb.Request, view: View, now_ns: int) -> pb.Reply:
        read = self._board.metrics
        if read is None:
            if not self._board.is_measured:
                return refusal(request, pb.NOT_FOUND, "telemetry is off: telemetry.enabled is false")
            return refusal(request, pb.BUSY, "there are no metrics yet: nothing was read so far")
        found = pb.Metrics(age_ms=max(now_ns - read.read_ns, 0) // 1_000_000, metrics=read.metrics)
        return _reply(request, seq=view.seq, metrics=found)

    def _configuration(self, request: pb.Request, view: View) -> pb.Reply:
        wanted, active = request.configuration.version, view.configuration
        versions = tuple(view.earlier)
        if wanted in view.earlier:
            content = active.patched(way_back(active, view.earlier, wanted))
            active = msgspec.structs.replace(content, version=wanted)
        elif wanted not in (0, active.version):
            known = ", ".join(map(str, (*versions, active.version)))
            return refusal(request, pb.NOT_FOUND, f"version {wanted} is not known; there are {known}")
        return _reply(request, seq=view.seq, configuration=replies.configuration(active, versions))

    @staticmethod
    def _in_standby(
        request: pb.Request, name: str, sender: Sender, begin: Callable[[pb.Request, Sender], None]
    ) -> pb.Reply:
        if name not in ("session_start", "session_stop"):
            return refusal(request, pb.BUSY, "the node stands by: session start begins one")
        begin(request, sender)
        return _reply(request)


_QUERIES = frozenset({"orders", "positions", "fills", "feeds", "venues", "risk", "configuration", "metrics"})


def _reply(request: pb.Request, seq: int | None = None, message: str = "", **answer: object) -> pb.Reply:
    reply = pb.Reply(
        protocol=replies.PROTOCOL,
        request_id=request.request_id,
        outcome=pb.DONE,
        message=message,
        **answer,  # type: ignore[arg-type]
    )
    if seq is not None:
        reply.seq = seq
    return reply


def refusal(request: pb.Request, code: pb.ErrorCode, sentence: str) -> pb.Reply:
    """Nothing has changed, and why."""
    return pb.Reply(
        protocol=replies.PROTOCOL,
        request_id=request.request_id,
        outcome=pb.REFUSED,
        code=code,
        message=sentence,
    )


def killed(engagement: Engagement) -> pb.Killed:
    return pb.Killed(
        scope=engagement.scope,
        durable=engagement.durable,
        gate_closed_at_ns=engagement.closed_at_ns,
        last_new_sent_at_ns=engagement.last_new_at_ns,
    )


def _warning(engagement: Engagement, asked: str) -> str:
    """What the sender of a kill has to know of it; empty: it is as asked."""
    warnings = []
    if asked and not engagement.scope:
        warnings.append(f"{asked} is no venue or instrument of this node: EVERYTHING is killed")
    if not engagement.durable:
        warnings.append("the gate is closed, but the disk refused the latch: a restart would not know of it")
    return "; ".join(warnings)
