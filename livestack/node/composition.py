"""Which actors a node has, who knows whose mailbox, and in which order they start and stop.

Everything that touches the machine (clock, timers, random numbers, sockets, threads) comes in as :class:`Seams`, so the
same composition runs on threads against real venues and in one thread on virtual time against a simulated one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import pykka

from livestack.actors.base import NodeActor, Ping
from livestack.actors.connector import ConnectorActor
from livestack.actors.control import ControlActor, Proof, Publisher
from livestack.actors.desk import Board, Desk
from livestack.actors.feed import FeedActor
from livestack.actors.gate import DispatchGate
from livestack.actors.harness import HarnessActor
from livestack.actors.kill_switch import KillSwitch
from livestack.actors.mailbox import HarnessMailbox, Mailbox, Signal, ThreadSignal, Told
from livestack.actors.messages import ConnectorWanted, Engaged, StopRequested
from livestack.actors.progress import Progress
from livestack.actors.recorder import RecorderActor
from livestack.core.events import InputEvent, InstrumentDefined, Recorded
from livestack.core.runtime import CoreRuntime
from livestack.core.state import ExecutionState
from livestack.core.types import RequestKind, SessionPhase
from livestack.exceptions import LivestackError
from livestack.journal.space import Space
from livestack.journal.writer import JournalWriter
from livestack.node.supervisor import Supervisor
from livestack.settings import Settings
from livestack.transports.backoff import Backoff
from livestack.transports.base import HttpTransport, WebSocketTransport
from livestack.transports.clock import Clock, Timers
from livestack.venue_settings import VenueSettings
from livestack.venues.adapter import Credentials, Inherited, InheritedOrder, VenueModule

PING_TIMEOUT_S = 10.0
"""An actor that does not answer its first ping by then did not start; generous, machines are shared."""

STOP_TIMEOUT_S = 15.0
"""An actor that does not stop by then is reported as leaked: longer than the slowest bounded write and commit."""


class Launcher(Protocol):
    """Brings actors to life. Threads in a node, the scheduler in the simulation."""

    def start(self, actor_class: type[NodeActor], **arguments: Any) -> None:
        """Start one actor and return once it answered a ping."""

    def stop_all(self) -> list[str]:
        """Stop every actor in reverse order of start; returns the names of those that did not stop."""

    def look_after(self) -> None:
        """Have every actor whose thread has ended by itself tell of it."""

    @property
    def actors(self) -> Sequence[NodeActor]:
        """Those that were started. Any thread."""


class ThreadLauncher:
    """Pykka threads."""

    def __init__(self) -> None:
        self._references: list[Any] = []
        self._actors: list[NodeActor] = []  # Pykka's references are weak, and a dead actor has to be asked

    def start(self, actor_class: type[NodeActor], **arguments: Any) -> None:
        reference = actor_class.start(**arguments)
        self._references.append(reference)
        actor = reference._actor_weakref()
        try:
            answer = reference.ask(Ping(), timeout=PING_TIMEOUT_S)
        except (pykka.ActorDeadError, pykka.Timeout) as error:
            raise LivestackError(f"{actor_class.__name__} did not start: {error}") from error
        if answer is None:  # its last act, see NodeActor
            raise LivestackError(f"{actor_class.__name__} did not start: it ended at once")
        if actor is not None:
            self._actors.append(actor)

    def stop_all(self) -> list[str]:
        leaked = []
        for reference in reversed(self._references):
            try:
                reference.stop(block=True, timeout=STOP_TIMEOUT_S)
            except pykka.Timeout:
                leaked.append(reference.actor_class.__name__)
        self._references, self._actors = [], []
        return leaked

    def look_after(self) -> None:
        for actor in self._actors:
            actor.is_dead()

    @property
    def actors(self) -> Sequence[NodeActor]:
        return tuple(self._actors)


class Surface(msgspec.Struct, frozen=True):
    """What the node's actors have of the control surface. ``mailbox`` is the control actor's."""

    gate: DispatchGate
    kill_switch: KillSwitch
    desk: Desk
    board: Board
    publisher: Publisher
    mailbox: Mailbox


class Seams(msgspec.Struct, frozen=True):
    """Everything that a node takes from the machine."""

    clock: Clock
    timers: Timers
    random: random.Random
    websocket: Callable[[str], WebSocketTransport]
    http: Callable[[str], HttpTransport]
    launcher: Launcher
    signal: Callable[[str], Signal] = lambda name: ThreadSignal()


class VenueParts(msgspec.Struct, frozen=True):
    """One venue of a session: its protocol, its settings, and what was asked of it before the start."""

    module: VenueModule
    settings: VenueSettings
    credentials: Credentials
    instruments: tuple[InstrumentDefined, ...]


class Node:
    """The actors of one session: :meth:`start` begins it, the supervisor says when it is over, :meth:`stop` ends it."""

    def __init__(
        self,
        *,
        settings: Settings,
        seams: Seams,
        runtime: CoreRuntime,
        writer: JournalWriter,
        space: Space,
        venues: Mapping[str, VenueParts],
        surface: Surface,
        set_aside: Callable[[Recorded, str], None],
    ) -> None:
        self.settings = settings
        self.runtime = runtime
        self.progress = Progress(writer.last_seq)
        self.gate = surface.gate
        self.surface = surface
        self._seams = seams
        self._writer = writer
        self._space = space
        self._venues = venues
        self.harness = HarnessMailbox(
            seams.signal("harness"),
            batch_max=settings.harness.batch_max,
            market_lane_max=settings.harness.market_lane_max,
        )
        self._recorder = Mailbox(seams.signal("recorder"))
        self._connectors = {venue: Mailbox(seams.signal(f"connector {venue}")) for venue in venues}
        self._feeds = {venue: Mailbox(seams.signal(f"feed {venue}")) for venue in venues}
        self._http: dict[str, HttpTransport] = {}
        self._starts: dict[str, int] = {}
        self._proof: Proof
        self.supervisor = Supervisor(
            mailbox=Mailbox(seams.signal("supervisor")),
            harness=self.harness,
            connectors=self._connectors,
            gate=self.gate,
            kill_switch=surface.kill_switch,
            restart=self.restart,
            start_connector=self._start_connector,
            clock=seams.clock,
            timers=seams.timers,
            timeout_ns=settings.shutdown.timeout_ns,
            set_aside=set_aside,
            resumed=runtime.state.control.seq > 0,
        )

    def start(self, first: Sequence[InputEvent], proof: Proof) -> None:
        """Recorder, harness, control, connectors, feeds: whoever is spoken to exists before whoever speaks.

        ``first`` and the instruments are the first Events of this run. A session that was stopping when it was
        interrupted goes on stopping.
        """
        instruments = [one for parts in self._venues.values() for one in parts.instruments]
        self.harness.tell_control([*first, *instruments])
        state, mailbox = self.runtime.state, self.surface.mailbox
        self.surface.kill_switch.attach(
            self.harness.tell_control,
            self._connectors,
            lambda: mailbox.tell(Engaged()),
            state.control.kill,
            self.surface.board.kill_cancels,
        )
        self._proof = proof
        self._start_recorder()
        self._start_harness()
        self._start_control()
        for venue in self._venues:
            has_baseline = venue in state.execution.baselines
            self._start_connector(ConnectorWanted(venue, _inherited(venue, state.execution), has_baseline))
        for venue in self._venues:
            self._start_feed(venue)
        self.supervisor.started()
        if self.runtime.state.control.phase is SessionPhase.STOPPING:
            self.supervisor.mailbox.tell(StopRequested("recovery", "the session was stopping"))

    def stop(self) -> list[str]:
        """Stop the actors in reverse order; returns the names of those that did not stop."""
        leaked = self._seams.launcher.stop_all()
        for http in self._http.values():
            http.close()
        return leaked

    def look_after(self) -> None:
        """Have dead actors tell of it. Any thread."""
        self._seams.launcher.look_after()

    def actors(self) -> Sequence[NodeActor]:
        """Those that were started, dead ones among them. Any thread."""
        return self._seams.launcher.actors

    def restart(self, actor: str) -> None:
        """Another one in the place of a feed, connector or control actor that failed. Supervisor's thread.

        A connector's adapter begins with what the Core knows, so the harness is asked first: the supervisor hears
        ``ConnectorWanted`` then.
        """
        kind, _, venue = actor.partition(" ")
        if kind == "feed":
            self._feeds[venue] = Mailbox(self._seams.signal(actor))
            self._start_feed(venue)
        elif kind == "control":
            self._start_control()
        else:

            def look(runtime: CoreRuntime) -> Told:
                execution = runtime.state.execution
                wanted = ConnectorWanted(venue, _inherited(venue, execution), venue in execution.baselines)
                return Told(self.supervisor.mailbox, wanted)

            self.harness.tell_look(look)

    def _start_recorder(self) -> None:
        self._seams.launcher.start(
            RecorderActor,
            mailbox=self._recorder,
            supervisor=self.supervisor.mailbox,
            writer=self._writer,
            space=self._space,
            settings=self.settings.journal,
            gate=self.gate,
            connectors=self._connectors,
            harness=self.harness,
            control=self.surface.mailbox,
            progress=self.progress,
            clock=self._seams.clock,
            timers=self._seams.timers,
        )

    def _start_control(self) -> None:
        surface = self.surface
        self._seams.launcher.start(
            ControlActor,
            mailbox=surface.mailbox,
            supervisor=self.supervisor.mailbox,
            harness=self.harness,
            kill_switch=surface.kill_switch,
            proof=self._proof,
            desk=surface.desk,
            board=surface.board,
            publisher=surface.publisher,
            progress=self.progress,
            publish_every_ns=self.settings.control.publish_every_ns,
            clock=self._seams.clock,
            timers=self._seams.timers,
        )

    def _start_harness(self) -> None:
        self._seams.launcher.start(
            HarnessActor,
            mailbox=self.harness,
            supervisor=self.supervisor.mailbox,
            runtime=self.runtime,
            recorder=self._recorder,
            connectors=self._connectors,
            clock=self._seams.clock,
            timers=self._seams.timers,
            control=self.surface.mailbox,
            progress=self.progress,
            uncommitted_max=self.settings.harness.uncommitted_max,
        )

    def _start_connector(self, wanted: ConnectorWanted) -> None:
        """The first one of a venue, or the next. Main thread."""
        venue, inherited = wanted.venue, wanted.inherited
        parts, start = self._venues[venue], self._count_start(f"connector {venue}")
        self._seams.launcher.start(
            ConnectorActor,
            venue=venue,
            account=parts.settings.account,
            mailbox=self._connectors[venue],
            supervisor=self.supervisor.mailbox,
            adapter=parts.module.order_entry(venue, parts.instruments, parts.credentials, inherited),
            harness=self.harness,
            gate=self.gate,
            websocket=self._seams.websocket(f"connector {venue}"),
            url=parts.settings.ws_api_url + parts.module.order_entry_path(),
            clock=self._seams.clock,
            timers=self._seams.timers,
            backoff=Backoff(self._seams.random),
            dispatch_age_ns_max=self.settings.dispatch.age_ns_max,
            has_baseline=wanted.has_baseline,
            start=start,
        )

    def _count_start(self, actor: str) -> int:
        """How often it was started before."""
        self._starts[actor] = self._starts.get(actor, -1) + 1
        return self._starts[actor]

    def _start_feed(self, venue: str) -> None:
        parts, start = self._venues[venue], self._count_start(f"feed {venue}")
        before = self._http.pop(venue, None)
        if before is not None:
            before.close()
        http = self._http[venue] = self._seams.http(f"feed {venue}")
        self._seams.launcher.start(
            FeedActor,
            venue=venue,
            mailbox=self._feeds[venue],
            supervisor=self.supervisor.mailbox,
            adapter=parts.module.market_data(venue, parts.instruments),
            harness=self.harness,
            websocket=self._seams.websocket(f"feed {venue}"),
            http=http,
            url=parts.settings.stream_url + parts.module.market_data_path(),
            rest_url=parts.settings.rest_url,
            clock=self._seams.clock,
            timers=self._seams.timers,
            backoff=Backoff(self._seams.random),
            start=start,
        )


def _inherited(venue: str, execution: ExecutionState) -> Inherited:
    """What the session knew of ``venue`` when it was interrupted; nothing for a new one."""
    orders = []
    for order in execution.orders.values():
        if order.venue != venue:
            continue
        under_way = (execution.requests.get(order.order_id), execution.unresolved.get(order.order_id))
        replace = next((one for one in under_way if one and one.kind is RequestKind.REPLACE), None)
        orders.append(
            InheritedOrder(
                instrument=order.instrument,
                order_id=order.order_id,
                client_id=order.client_id,
                venue_order_id=order.venue_order_id,
                qty=order.qty,
                replace_id=replace.client_id if replace else "",
                replace_qty=replace.qty if replace else 0,
            )
        )
    floors = {
        name: ledger.floor for name, ledger in execution.ledgers.items() if name.startswith(f"{venue}:")
    }
    return Inherited(floors, tuple(orders))
