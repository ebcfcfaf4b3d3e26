"""Which actors a node has, who knows whose mailbox, and in which order they start and stop.

Everything that touches the machine (clock, timers, random numbers, sockets, threads) comes in as :class:`Seams`, so the
same composition runs on threads against real venues and in one thread on virtual time against a simulated one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import msgspec

from livestack.actors.base import NodeActor
from livestack.actors.connector import ConnectorActor
from livestack.actors.control import ControlActor, Proof, Publisher
from livestack.actors.desk import Board, Desk
from livestack.actors.feed import FeedActor
from livestack.actors.gate import DispatchGate
from livestack.actors.harness import HarnessActor
from livestack.actors.kill_switch import KillSwitch
from livestack.actors.mailbox import HarnessMailbox, Mailbox, Signal, ThreadSignal, Told
from livestack.actors.measures import Measures
from livestack.actors.messages import ActorFailed, ConnectorWanted, Engaged, StopRequested
from livestack.actors.progress import Progress
from livestack.actors.recorder import RecorderActor
from livestack.actors.telemetry import TelemetryActor
from livestack.actors.telemetry_probes import Probes
from livestack.core.events import InputEvent, InstrumentDefined, RateLimitReport, Recorded
from livestack.core.runtime import CoreRuntime
from livestack.core.state import ExecutionState, State
from livestack.core.types import RequestKind, SessionPhase
from livestack.journal.space import Space
from livestack.journal.writer import JournalWriter
from livestack.node.emission import Statsd, emission_of
from livestack.node.launcher import Launcher
from livestack.node.supervisor import Supervisor
from livestack.settings import Settings
from livestack.telemetry.instruments import Registry
from livestack.telemetry.sender import UdpSender
from livestack.transports.backoff import Backoff
from livestack.transports.base import HttpTransport, RequestTransport, WebSocketTransport
from livestack.transports.clock import Clock, Timers, give_way
from livestack.venue_settings import VenueSettings
from livestack.venues.adapter import Credentials, Inherited, InheritedOrder, VenueModule
from livestack.venues.budget import RequestBudget


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
    requests: Callable[[str], RequestTransport]
    launcher: Launcher
    signal: Callable[[str], Signal] = lambda name: ThreadSignal()
    statsd: Statsd = UdpSender
    give_way: Callable[[], None] = give_way


class VenueParts(msgspec.Struct, frozen=True):
    """One venue of a session: its protocol, its settings, and what was asked of it before the start."""

    module: VenueModule
    settings: VenueSettings
    credentials: Credentials
    instruments: tuple[InstrumentDefined, ...]
    limits: tuple[RateLimitReport, ...]
    budget: RequestBudget


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
        accept: Callable[[str], object] = lambda session: None,
    ) -> None:
        self.settings = settings
        self.runtime = runtime
        self.progress = Progress(writer.last_seq)
        self.gate = surface.gate
        self.surface = surface
        surface.board.progress = self.progress
        self._accept = accept
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
        self._telemetry = Mailbox(seams.signal("telemetry"))
        self._emission = emission_of(settings, writer.session, seams.statsd)
        self._connectors = {venue: Mailbox(seams.signal(f"connector {venue}")) for venue in venues}
        self._feeds = {venue: Mailbox(seams.signal(f"feed {venue}")) for venue in venues}
        self.registry = Registry()
        self._measures: Measures | None = None
        if settings.telemetry.enabled:
            self._measures = Measures(self.registry, seams.clock)
            before = runtime.state.execution
            Probes(surface.board, surface.desk, self.progress, before).register(self.registry)
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
            ask_for_connector=self._ask_for_connector,
            start_connector=self._start_connector,
            on_failing=self._show_failing,
            clock=seams.clock,
            timers=seams.timers,
            timeout_ns=settings.shutdown.timeout_ns,
            set_aside=set_aside,
            resumed=runtime.state.control.seq > 0,
            inherits=_leaves_open(runtime.state.execution),
        )

    def start(self, first: Sequence[InputEvent], proof: Proof) -> None:
        """Recorder, harness, control, connectors, feeds: whoever is spoken to exists before whoever speaks.

        ``first`` and the instruments are the first Events of this run. A session that was stopping when it was
        interrupted goes on stopping.
        """
        parts = self._venues.values()
        instruments = [one for venue in parts for one in venue.instruments]
        limits = [one for venue in parts for one in venue.limits]
        self.harness.tell_control([*first, *instruments, *limits])
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
            self._start_connector(ConnectorWanted(venue, _inherited(venue, state), has_baseline))
        for venue in self._venues:
            self._start_feed(venue)
        if self.settings.telemetry.enabled:
            self._begin_telemetry()
        self.supervisor.started()
        if self.runtime.state.control.phase is SessionPhase.STOPPING:
            self.supervisor.mailbox.tell(StopRequested("recovery", "the session was stopping"))

    def stop(self) -> list[str]:
        """Stop the actors in reverse order; returns the names of those that did not stop.

        The telemetry actor is not among them: it does nothing to the session, whatever it hangs in.
        """
        leaked = [one for one in self._seams.launcher.stop_all() if one != TelemetryActor.__name__]
        for http in self._http.values():
            http.close()
        return leaked

    def look_after(self) -> None:
        """Have dead actors tell of it. Any thread."""
        self._seams.launcher.look_after()

    def actors(self) -> Sequence[NodeActor]:
        """Those that were started, dead ones among them. Any thread."""
        return self._seams.launcher.actors

    def restart(self, actor: str) -> int:
        """Another one in the place of an actor that failed, connectors apart; its number. Supervisor's thread."""
        kind, _, venue = actor.partition(" ")
        if kind == "telemetry":
            return self._start_telemetry()
        return self._start_feed(venue) if kind == "feed" else self._start_control()

    def _ask_for_connector(self, venue: str, failure: int) -> None:
        """A connector's adapter begins with what the Core knows: the supervisor hears ``ConnectorWanted`` with it."""

        def look(runtime: CoreRuntime) -> Told:
            execution = runtime.state.execution
            inherited, has_baseline = _inherited(venue, runtime.state), venue in execution.baselines
            return Told(self.supervisor.mailbox, ConnectorWanted(venue, inherited, has_baseline, failure))

        self.harness.tell_look(look)

    def _show_failing(self) -> None:
        self.surface.board.phase = "failing"

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
            measures=self._measures,
        )

    def _start_control(self) -> int:
        surface = self.surface
        return self._seams.launcher.start(
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
            accept=self._accept,
            clock=self._seams.clock,
            timers=self._seams.timers,
            measures=self._measures,
        )

    def _begin_telemetry(self) -> None:
        """A node runs without it while it must."""
        try:
            self._start_telemetry()
        except Exception as error:  # noqa: BLE001 - whatever it was: it is tried again
            self.supervisor.mailbox.tell(ActorFailed("telemetry", f"{type(error).__name__}: {error}"))

    def _start_telemetry(self) -> int:
        return self._seams.launcher.start(
            TelemetryActor,
            mailbox=self._telemetry,
            supervisor=self.supervisor.mailbox,
            registry=self.registry,
            emission=self._emission,
            board=self.surface.board,
            interval_ns=self.settings.telemetry.interval_ns,
            clock=self._seams.clock,
            timers=self._seams.timers,
            give_way=self._seams.give_way,
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
            measures=self._measures,
        )

    def _start_connector(self, wanted: ConnectorWanted) -> int:
        """The first one of a venue, or the next; its number. Main thread."""
        venue, inherited = wanted.venue, wanted.inherited
        parts, start = self._venues[venue], self._count_start(f"connector {venue}")
        return self._seams.launcher.start(
            ConnectorActor,
            venue=venue,
            account=parts.settings.account,
            mailbox=self._connectors[venue],
            supervisor=self.supervisor.mailbox,
            adapter=parts.module.order_entry(
                venue, parts.instruments, parts.credentials, inherited, parts.budget
            ),
            harness=self.harness,
            gate=self.gate,
            websocket=self._seams.websocket(f"connector {venue}"),
            url=parts.settings.ws_api_url + parts.module.order_entry_path(),
            http=self._http_of(f"connector {venue}"),
            requests=self._seams.requests(f"connector {venue}"),
            rest_url=parts.settings.rest_url,
            budget=parts.budget,
            clock=self._seams.clock,
            timers=self._seams.timers,
            backoff=Backoff(self._seams.random),
            dispatch_age_ns_max=self.settings.dispatch.age_ns_max,
            has_baseline=wanted.has_baseline,
            start=start,
            measures=self._measures,
        )

    def _count_start(self, actor: str) -> int:
        """How often it was started before."""
        self._starts[actor] = self._starts.get(actor, -1) + 1
        return self._starts[actor]

    def _http_of(self, actor: str) -> HttpTransport:
        """Another one for ``actor``; the one that its predecessor had ends."""
        before = self._http.pop(actor, None)
        if before is not None:
            before.close()
        http = self._http[actor] = self._seams.http(actor)
        return http

    def _start_feed(self, venue: str) -> int:
        parts, start = self._venues[venue], self._count_start(f"feed {venue}")
        http = self._http_of(f"feed {venue}")
        return self._seams.launcher.start(
            FeedActor,
            venue=venue,
            mailbox=self._feeds[venue],
            supervisor=self.supervisor.mailbox,
            adapter=parts.module.market_data(venue, parts.instruments, parts.budget),
            harness=self.harness,
            websocket=self._seams.websocket(f"feed {venue}"),
            http=http,
            url=parts.settings.stream_url + parts.module.market_data_path(),
            rest_url=parts.settings.rest_url,
            budget=parts.budget,
            clock=self._seams.clock,
            timers=self._seams.timers,
            backoff=Backoff(self._seams.random),
            start=start,
            measures=self._measures,
        )


def _leaves_open(execution: ExecutionState) -> bool:
    """Whether something may be open at a venue from before this run."""
    return bool(execution.orders or execution.requests or execution.unresolved)


def _inherited(venue: str, state: State) -> Inherited:
    """What the session knew of ``venue`` when it was interrupted; nothing for a new one."""
    execution, orders = state.execution, []
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
    scoped = (key.rpartition(" ") for key in state.control.incidents)
    incidents = tuple(name for name, _, scope in scoped if scope == venue)
    return Inherited(floors, tuple(orders), incidents)
