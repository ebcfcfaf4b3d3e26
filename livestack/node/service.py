"""The control surface of a node, from its first breath to its last: before there is a session, and while there is one.

It holds what outlives a session's actors: the gate, the kill-switch with its latch and local triggers, the desk and
the servers' threads. So a node that recovers, connects or stands by can be asked, and killed. Main thread, but for what
is said of threads elsewhere.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import structlog

from livestack.actors.desk import Board, Desk
from livestack.actors.gate import DispatchGate
from livestack.actors.kill_switch import KillSwitch
from livestack.actors.mailbox import Mailbox
from livestack.control.allow_list import AllowList
from livestack.control.commands import Sender
from livestack.control.endpoints import prepare
from livestack.control.keys import load_server
from livestack.control.lanes import ServerKeys
from livestack.control.latch import Latch
from livestack.control.server import ControlServer
from livestack.core.events import OperatorCommand, StartSession
from livestack.exceptions import StoppedEarly
from livestack.node.composition import Surface
from livestack.node.dead_man import DeadMan
from livestack.node.triggers import KILL_NAME, LocalTriggers
from livestack.settings import Settings
from livestack.transports.clock import Clock
from livestack.wire import control_pb2 as pb

STUCK_NS = 10_000_000_000
STUCK_LOOKS = 100
"""A server's loop passes four times a second; one that has not for so long will not let an operator in any more."""


class ControlService:
    """``with ControlService(...) as service``: sockets are bound inside, and gone behind."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        data_dir = Path(settings.data_dir)
        instruments = {
            venue: [f"{venue}:{symbol}" for symbol in one.symbols] for venue, one in settings.venues.items()
        }
        gate = DispatchGate(settings.venues)
        self._latch = Latch(data_dir)
        kill_switch = KillSwitch(
            gate=gate, latch=self._latch, clock=clock, venues=instruments, kill_file=data_dir / KILL_NAME
        )
        mailbox = Mailbox()
        self.board = Board(settings.node.name, clock.wall_ns(), clock, gate)
        self.board.is_measured = settings.telemetry.enabled
        self.desk = Desk(self.board, kill_switch, mailbox)
        self.kill_switch = kill_switch
        self.main, self.kill_lane = _servers(settings, data_dir, self.desk, clock)
        self.surface = Surface(gate, kill_switch, self.desk, self.board, self.main, mailbox)
        self.board.dead_man_ns = settings.control.dead_man_ns or 0
        self._triggers = LocalTriggers(kill_switch, data_dir, DeadMan(self.board, kill_switch).look)
        self._opened = ExitStack()
        self._log = structlog.get_logger("control")
        self._started = threading.Event()
        self._order: OperatorCommand | None = None
        self._stopped_by = ""
        self._passes: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> ControlService:
        with ExitStack() as stack:
            stack.enter_context(self._triggers)
            for server in (self.kill_lane, self.main):
                server.start()
                stack.callback(server.stop)
            self._opened = stack.pop_all()
        for entry in self._latch.entries():
            scope, how = entry.scope or "everything", f"{entry.trigger} by {entry.by}"
            self._log.error(
                "starts_killed", scope=scope, how=how, why=entry.reason, next="livestack kill reset"
            )
        return self

    def __exit__(
        self,
        type_: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._opened.__exit__(type_, value, traceback)

    def look_after(self) -> str:
        """Why the node cannot be controlled any more, as a sentence; empty: it can. Watchdog's thread."""
        for name, server in (("control", self.main), ("kill", self.kill_lane)):
            health = server.health()
            if not health.is_alive:
                return f"the thread of the {name} socket has ended"
            passed_ns, looks = self._passes.get(name, (0, 0))
            looks = looks + 1 if health.passed_ns == passed_ns else 0
            self._passes[name] = (health.passed_ns, looks)
            # Looks and time: a machine that slept has had neither thread run.
            if looks >= STUCK_LOOKS and self.board.clock.now_ns() - passed_ns >= STUCK_NS:
                return f"the thread of the {name} socket is stuck"
        return ""

    def stand_by(
        self, ready: Callable[[], None] = lambda: None, beat: Callable[[], None] = lambda: None
    ) -> OperatorCommand:
        """Wait for ``session start``; returns the command, for the record. ``StoppedEarly`` where it was ``stop``.

        ``ready`` is called once it would be heard, ``beat`` about once a second from then on.
        """
        self.board.phase = "standby"
        self.desk.standing_by = self._begin
        self._log.info("standing_by")
        ready()
        while not self._started.wait(1.0):  # bounded, so that a signal's handler gets its turn
            beat()
        self.desk.standing_by = None
        self.board.phase = "starting"
        if self._order is None:
            raise StoppedEarly(f"stopped by {self._stopped_by} while standing by")
        return self._order

    def _begin(self, request: pb.Request, sender: Sender) -> None:
        """A server's thread."""
        if request.WhichOneof("command") == "session_start":
            self._order = OperatorCommand(
                request_id=request.request_id,
                command=StartSession(),
                who=sender.by,
                why=request.reason,
                base_version=0,
                origin=sender.origin,
            )
        else:
            self._stopped_by = sender.by
        self._started.set()


def _servers(
    settings: Settings, data_dir: Path, desk: Desk, clock: Clock
) -> tuple[ControlServer, ControlServer]:
    """The main lane and the kill lane."""
    control, places = settings.control, prepare(data_dir)
    directory = data_dir / "keys"
    keys = ServerKeys(load_server(directory), AllowList(directory, clock)) if control.listen else None
    main = ControlServer(
        desk=desk,
        clock=clock,
        local=places.control,
        tcp=control.listen,
        publish=places.publish,
        publish_tcp=control.listen_publish,
        keys=keys,
        rate=control.rate,
        four_eyes=control.four_eyes,
        confirm_within_ns=control.confirm_within_ns,
    )
    kill = ControlServer(
        desk=desk, clock=clock, local=places.kill, tcp=control.listen_kill, keys=keys, kill_only=True
    )
    return main, kill
