"""One whole node and one simulated venue in one thread: build it with a seed, run it, look at everything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from livestack.actors.desk import Board, Desk
from livestack.actors.gate import DispatchGate
from livestack.actors.kill_switch import KillSwitch
from livestack.actors.mailbox import Mailbox
from livestack.actors.messages import Engagement, StopRequested
from livestack.control.latch import Latch
from livestack.control.view import View
from livestack.core.configuration import Configuration
from livestack.core.events import Recorded
from livestack.journal.reader import JournalReader
from livestack.journal.space import Space
from livestack.journal.writer import CommittedDispatch, JournalWriter
from livestack.node.adapters import ADAPTERS
from livestack.node.beginning import begin_anew
from livestack.node.composition import Node, Seams, Surface, VenueParts
from livestack.node.session_names import new_session_id
from livestack.node.supervisor import Phase
from livestack.research.replay import ReplayResult, replay
from livestack.settings import Settings
from livestack.simulator.binance_spot.venue import BinanceSpotVenue
from livestack.venues.adapter import Credentials, Fetched
from livestack.venues.budget import RequestBudget
from tests.actors.fakes import FakeSender
from tests.simulation.network import SimulatedNetwork
from tests.simulation.requests import SimulatedRequests
from tests.simulation.scheduler import Scheduler, SimulatedLauncher, SimulatedSignal

SECOND_NS = 1_000_000_000


class Unread:
    """Nobody subscribes."""

    def publish(self, topic: str, payload: bytes) -> None: ...

    def is_subscribed(self, topic: str) -> bool:
        return False


class Unproven:
    """The proof has threads of its own, and is tested with them."""

    def follow(self, engagements: tuple[Engagement, ...]) -> None: ...

    def seen(self, view: View) -> None: ...

    def tick(self) -> None: ...

    def end(self) -> None: ...


class WatchedWriter(JournalWriter):
    """The node's own writer, which also keeps what it has made durable: a journal is open once in a process."""

    committed: list[Recorded]

    def commit(self, records: Sequence[Recorded]) -> tuple[CommittedDispatch, ...]:
        released = super().commit(records)
        self.committed.extend(records)
        return released


class World:
    """``seed`` decides everything: the market, every delay, and whatever a test draws from ``scheduler.random``."""

    def __init__(
        self,
        seed: int,
        directory: Path,
        settings: Settings,
        configuration: Configuration,
        venue: BinanceSpotVenue,
    ) -> None:
        self.scheduler = Scheduler(seed)
        self.venue = venue
        self.network = SimulatedNetwork(self.scheduler, venue)
        self.requests = SimulatedRequests(self.network)
        self.statsd = FakeSender()
        self.sessions = directory / "sessions"
        signals: dict[str, SimulatedSignal] = {}
        self.launcher = SimulatedLauncher(signals)

        def signal(name: str) -> SimulatedSignal:
            return signals.setdefault(name, SimulatedSignal(self.scheduler, name))

        seams = Seams(
            clock=self.scheduler,
            timers=self.scheduler,
            random=self.scheduler.random,
            websocket=self.network.websocket,
            http=self.network.http,
            requests=lambda name: self.requests,
            launcher=self.launcher,
            signal=signal,
            statsd=lambda host, port: self.statsd,
            give_way=lambda: None,
        )
        wall_ns = self.scheduler.wall_ns()
        self.session = new_session_id(wall_ns, "")
        beginning = begin_anew(settings, configuration, self.session, wall_ns, self.scheduler.random)
        gate = DispatchGate(settings.venues)
        self.kill_switch = KillSwitch(
            gate=gate,
            latch=Latch(directory),
            clock=self.scheduler,
            venues={
                venue: [f"{venue}:{symbol}" for symbol in one.symbols]
                for venue, one in settings.venues.items()
            },
            kill_file=directory / "KILL",
        )
        mailbox = Mailbox(signal("control"))
        self.board = Board(settings.node.name, wall_ns, self.scheduler, gate)
        self.desk = Desk(self.board, self.kill_switch, mailbox)
        self.writer = WatchedWriter.create(self.sessions, beginning.header, "relaxed")
        self.writer.committed = []
        self.node = Node(
            settings=settings,
            seams=seams,
            runtime=beginning.runtime,
            writer=self.writer,
            space=Space(directory, 0, 0),
            venues={name: self._parts(name, settings) for name in settings.venues},
            surface=Surface(gate, self.kill_switch, self.desk, self.board, Unread(), mailbox),
            set_aside=lambda record, error: None,
        )
        signals["supervisor"].deliver = self._supervise
        self.network.pump()
        self.node.start(beginning.events, Unproven())

    def run(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.scheduler.run_until(lambda: self.node.supervisor.phase is Phase.DONE, int(seconds * SECOND_NS))

    def stop(self) -> int:
        """End the session in order; the exit code."""
        self.node.supervisor.mailbox.tell(StopRequested("test", "the test is over"))
        assert self.scheduler.run_until(lambda: self.node.supervisor.phase is Phase.DONE, 120 * SECOND_NS), (
            "the session did not end"
        )
        self.node.stop()
        return self.node.supervisor.exit_code

    def reader(self) -> JournalReader:
        return JournalReader.open(self.sessions, self.session)

    def replay(self) -> ReplayResult:
        return replay(self.reader())

    def _supervise(self) -> None:
        envelope = self.node.supervisor.mailbox.take()
        while envelope is not None:
            for message in envelope.message:
                self.node.supervisor.handle(message)
            envelope = self.node.supervisor.mailbox.take()

    def _parts(self, name: str, settings: Settings) -> VenueParts:
        venue_settings = settings.venues[name]
        module = ADAPTERS[venue_settings.adapter](venue_settings)
        fetch = module.instruments_fetch(venue_settings.symbols)
        now_ns = self.scheduler.now_ns()
        status, headers, body = self.venue.rest(fetch.method, fetch.path, fetch.query, {}, b"", now_ns)
        answer = Fetched(fetch.fetch_id, status, tuple(headers.items()), body, "", now_ns, now_ns)
        key = next(key for key in self.venue.keys if key.kind == venue_settings.key_kind)
        budget = RequestBudget()
        return VenueParts(
            module,
            venue_settings,
            Credentials(key.api_key, key.kind, key.secret),
            tuple(module.parse_instruments(name, venue_settings.symbols, answer)),
            tuple(module.read_limits(name, answer, budget)),
            budget,
        )
