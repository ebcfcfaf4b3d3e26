"""One session's run: every thread of it is started and ended here. Main thread."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import msgspec
import structlog

from livestack.actors.gate import Hold
from livestack.actors.mailbox import Told
from livestack.actors.messages import ActorFailed, StopRequested
from livestack.core.events import Recorded
from livestack.core.types import SessionPhase
from livestack.failpoints import failpoint
from livestack.journal.quarantine import accept
from livestack.journal.space import Space
from livestack.journal.writer import JournalWriter
from livestack.lease.session import AccountLease
from livestack.node.beginning import Beginning
from livestack.node.composition import Node, Seams, VenueParts
from livestack.node.following import Following, prune
from livestack.node.guarding import Guarding
from livestack.node.kill_receipts import KillReceipts
from livestack.node.quiescence import Quiescence
from livestack.node.service import ControlService
from livestack.node.shipping import Shipping
from livestack.node.sink_check import CheckedSink
from livestack.node.summary import summarise
from livestack.node.supervisor import EXIT_FAIL_SAFE, EXITS_IN_ORDER, SAME_SIGNAL_NS, Phase
from livestack.node.systemd import STOP_NS, ServiceManager, status_line
from livestack.node.watchdog import LOOK_NS_MAX, STACKS_NAME, Watchdog
from livestack.settings import Settings
from livestack.summary import SessionSummary
from livestack.telemetry import logs
from livestack.telemetry.process import ProcessProbes
from livestack.transports.clock import Clock

GC_THRESHOLDS = (100_000, 50, 1_000)
"""Events are made without cycles; what is left for the collector is rare, and full collections are rarer still."""

LEAVING_NS = 180_000_000_000
"""For actors that do not stop, one after the other, and for the follower's last snapshot."""

LOOKS_A_LIMIT = 20
"""The guard's pulse beats so often in its limit."""

Watching = Callable[[Node], AbstractContextManager[object]]
"""Something that looks at a running node, and only looks: a line on a terminal."""


class Surroundings(msgspec.Struct, frozen=True):
    """What a session finds when it begins, and leaves behind when it ends."""

    settings: Settings
    environment: Mapping[str, str]
    seams: Seams
    lease: AccountLease
    service: ControlService
    guard: Guarding
    manager: ServiceManager
    sinks: Sequence[CheckedSink] = ()


def run_session(
    setting: Surroundings,
    sessions: Path,
    beginning: Beginning,
    venues: Mapping[str, VenueParts],
    duration_ns: int = 0,
    watching: Watching = nullcontext,
) -> SessionSummary:
    """From the first actor's start to the last one's end. ``duration_ns`` 0: until stopped."""
    settings, seams, guard = setting.settings, setting.seams, setting.guard
    header, wall_ns = beginning.header, seams.clock.wall_ns()
    logs.bind(session=header.session)
    sinks = {sink.place.name: sink.address for sink in setting.sinks}
    prune(settings, sessions, header.session, wall_ns, sinks)
    failpoint("recovery.before_segment")
    node = _node(setting, sessions, beginning, venues)
    _tell(beginning)
    leaked: list[str] = []
    following = Following(settings, sessions, header.session, node, seams, setting.environment, sinks)
    shipping = Shipping(settings, setting.sinks, sessions, header.session, node, seams, setting.environment)
    watched = _watched(setting, node)
    proof = Quiescence.of(node, venues, seams, KillReceipts(sessions.parent))
    watchdog = _watchdog(node, setting, sessions / header.session / STACKS_NAME)
    probes = ProcessProbes(node.registry)
    with _signals(node, shipping, seams.clock), watching(node), watched:
        try:
            watchdog.start()  # before the first order may be open, as the guard expects its pulse from then on
            guard.runs(header.session)
            node.start((*beginning.events, *guard.acted()), proof)
            node.harness.tell_look(lambda runtime: Told(guard, "the report is taken in"))
            following.start()
            shipping.start()
            _settle(node, setting, probes)
            _stop_after(duration_ns, node, seams)
            exit_code = node.supervisor.run()
            node.gate.close(Hold.SHUTDOWN)
            guard.ends(in_order=exit_code in EXITS_IN_ORDER and node.supervisor.leaves_nothing)
        finally:
            guard.close()
            watchdog.stop()
            _tell_leaving(setting)
            leaked = node.stop()
            probes.stop()
            shipping.tell_stop()
            following.stop(bool(leaked))
            shipping.stop()
    if leaked:
        exit_code = EXIT_FAIL_SAFE
    _tell_end(node, setting, header.session, exit_code, leaked)
    summary = summarise(node, header.session, exit_code, wall_ns, seams.clock.wall_ns())
    return msgspec.structs.replace(summary, recovered=beginning.recovered is not None)


def _node(
    setting: Surroundings, sessions: Path, beginning: Beginning, venues: Mapping[str, VenueParts]
) -> Node:
    """The actors, none of which runs yet, and their journal's first segment."""
    settings, header = setting.settings, beginning.header
    return Node(
        settings=settings,
        seams=setting.seams,
        runtime=beginning.runtime,
        writer=JournalWriter.create(sessions, header, settings.journal.durability),
        space=_space(settings, sessions.parent),
        venues=venues,
        surface=setting.service.surface,
        set_aside=lambda record, error: set_aside(sessions / header.session, record, error),
        accept=lambda session: accept(sessions, session),
    )


def _settle(node: Node, setting: Surroundings, probes: ProcessProbes) -> None:
    """Everything runs: what the start has made is kept from the collector, and whoever waits for the node may go on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    if setting.settings.telemetry.enabled:
        probes.start()
    setting.manager.ready(status_line(setting.service.board))


def _tell_leaving(setting: Surroundings) -> None:
    """From here on nobody watches progress; each wait that follows has a limit of its own."""
    setting.manager.stopping()
    setting.manager.takes(LEAVING_NS + setting.settings.records.stop_timeout_ns)


def _watched(setting: Surroundings, node: Node) -> AbstractContextManager[object]:
    """The lease, while the session runs: who may have lost it sends nothing."""
    return setting.lease.watched(
        setting.seams.clock,
        setting.seams.timers,
        on_lost=lambda: node.gate.close(Hold.LEASE),
        on_regained=lambda: node.gate.open(Hold.LEASE),
    )


def _space(settings: Settings, data_dir: Path) -> Space:
    space = Space(data_dir, settings.journal.headroom, settings.journal.ballast)
    space.prepare()
    return space


def _tell_end(node: Node, setting: Surroundings, session: str, exit_code: int, leaked: list[str]) -> None:
    log = structlog.get_logger("node")
    if leaked:
        log.error("threads_leaked", actors=leaked, alive=[thread.name for thread in threading.enumerate()])
    log.info("session_stopped", session=session, exit=exit_code, reason=node.supervisor.reason)
    setting.manager.status(f"ended with exit code {exit_code}: {node.supervisor.reason}")


def _watchdog(node: Node, setting: Surroundings, stacks: Path) -> Watchdog:
    settings = setting.settings
    return Watchdog(
        gate=node.gate,
        harness=node.harness,
        progress=node.progress,
        actors=node.actors,
        clock=setting.seams.clock,
        stall_ns=settings.watchdog.stall_ns,
        beat=lambda: _beat(node, setting),
        look_after=lambda: _look_after(node, setting),
        look_ns_max=min(LOOK_NS_MAX, settings.guard.limit_ns // LOOKS_A_LIMIT),
        stacks=stacks,
    )


def _beat(node: Node, setting: Surroundings) -> None:
    """The node gets on: guard and service manager hear of it. Watchdog's thread."""
    setting.guard.beat()
    setting.manager.beat()
    if node.supervisor.phase > Phase.RUNNING:
        setting.manager.takes(STOP_NS)


def _look_after(node: Node, setting: Surroundings) -> None:
    """Dead threads are noticed, whatever they died of; the service manager hears how it is. Watchdog's thread."""
    node.look_after()
    trouble = setting.service.look_after()
    if trouble:
        node.supervisor.mailbox.tell(ActorFailed("node", trouble))
    if setting.manager.listens:
        setting.manager.status(status_line(setting.service.board))
        if node.supervisor.phase > Phase.RUNNING:
            setting.manager.stopping()


def _tell(beginning: Beginning) -> None:
    """Which session this run is part of; that one was taken up is never said too softly."""
    log, recovered = structlog.get_logger("node").bind(session=beginning.header.session), beginning.recovered
    if recovered is None:
        log.info("session_started")
        return
    execution = recovered.runtime.state.execution
    log.warning(
        "session_resumed",
        behind_seq=recovered.last_seq,
        open_orders=len(execution.orders),
        unknown=len(execution.unresolved) + len(execution.requests),
        stopping=recovered.runtime.state.control.phase is SessionPhase.STOPPING,
    )


def _stop_after(duration_ns: int, node: Node, seams: Seams) -> None:
    """``--for``; 0: until somebody stops it."""
    if duration_ns:
        request = StopRequested("duration", "the time given by --for is over")
        seams.timers.at(seams.clock.now_ns() + duration_ns, lambda: node.supervisor.mailbox.tell(request))


def set_aside(session: Path, record: Recorded, error: str) -> None:
    """Keep the input that we could not handle, in a file of its own, out of recovery's way."""
    path = session / f"poison-{record.seq}.json"
    path.write_bytes(msgspec.json.encode({"error": error, "record": msgspec.to_builtins(record)}))


@contextmanager
def _signals(node: Node, shipping: Shipping, clock: Clock) -> Iterator[None]:
    """SIGTERM and SIGINT ask for an ordered stop; the second one hurries, also where only records are waited for."""

    def on_signal(number: int, _frame: object) -> None:
        now_ns = clock.now_ns()
        first_ns.append(now_ns)
        if node.supervisor.phase is Phase.DONE and now_ns - first_ns[0] >= SAME_SIGNAL_NS:
            shipping.hurry()
        name = signal.Signals(number).name
        node.supervisor.mailbox.tell(StopRequested("signal", f"{name} received", is_signal=True))

    first_ns: list[int] = []
    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
