"""A node as a process: everything that `livestack start` does between reading its files and its exit code.

Runs on the main thread: checks, asks the venues for their instruments, opens the journal, starts the actors, waits for
the supervisor, stops the actors, sums up.
"""

from __future__ import annotations

import gc
import queue
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import structlog

from livestack.actors.feed import as_fetched
from livestack.actors.gate import Hold
from livestack.actors.messages import ActorFailed, StopRequested
from livestack.core.configuration import Configuration
from livestack.core.events import OperatorCommand, Recorded
from livestack.core.types import SessionPhase
from livestack.exceptions import UnreachableError, UsageError
from livestack.failpoints import failpoint
from livestack.journal.directory import DataDirectory
from livestack.journal.quarantine import accept, unaccepted
from livestack.journal.sessions import session_names
from livestack.journal.space import Space
from livestack.journal.writer import JournalWriter
from livestack.lease.identity import Account, Holder, account_of
from livestack.lease.session import AccountLease
from livestack.node.adapters import ADAPTERS
from livestack.node.beginning import (
    Abandoned,
    Beginning,
    Recovery,
    begin_again,
    begin_anew,
    refuse_to_lose,
    unfinished,
)
from livestack.node.composition import Node, Seams, ThreadLauncher, VenueParts
from livestack.node.following import Following, prune
from livestack.node.guarding import Guarding, guarded
from livestack.node.quiescence import Quiescence
from livestack.node.recovery import Recovered
from livestack.node.service import ControlService
from livestack.node.session_names import new_session_id, newest_of
from livestack.node.summary import summarise
from livestack.node.supervisor import EXIT_CLEAN, EXIT_FAIL_SAFE, EXIT_UNREACHABLE
from livestack.node.watchdog import STACKS_NAME, Watchdog
from livestack.settings import Settings, VenueSettings, read_credentials
from livestack.summary import SessionSummary
from livestack.transports.base import HttpRequest, HttpResponse, HttpTransport
from livestack.transports.clock import SystemClock, TimerThread
from livestack.transports.http import RequestsTransport
from livestack.transports.websocket import WebSocketClientTransport
from livestack.venues.adapter import Credentials

SWITCH_INTERVAL_S = 1e-4
"""Python's default of 5 ms lets one busy thread hold up every hand-over between actors (performance.md)."""

GC_THRESHOLDS = (100_000, 50, 1_000)
"""Events are made without cycles; what is left for the collector is rare, and full collections are rarer still."""

INSTRUMENTS_TIMEOUT_S = 30.0
"""A venue that does not describe its instruments by then is not reachable."""

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Process(msgspec.Struct, frozen=True):
    """What the command line chose for this run. ``duration_ns`` 0: until stopped."""

    settings: Settings
    configuration: Configuration
    environment: Mapping[str, str]
    duration_ns: int = 0
    live: bool = False
    recovery: Recovery = "resume"
    accept: str = ""
    standby: bool = False
    recovering: Callable[[int, int], None] = lambda seq, last_seq: None


Watching = Callable[[Node], AbstractContextManager[object]]
"""Something that looks at a running node, and only looks: a line on a terminal."""


def run(process: Process, watching: Watching = nullcontext) -> SessionSummary:
    """Run one session to its end, ``watching`` it meanwhile.

    Raises only before it began: unusable input, a held directory, a venue that is not reachable.
    """
    settings = process.settings
    refuse_real_venues_unless_live(settings, process.live)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with DataDirectory(Path(settings.data_dir)).acquire() as directory:
        _interruptible()
        clock = SystemClock()
        timers = TimerThread(clock)
        try:
            seams = _machine(settings, clock, timers)
            with (
                ControlService(settings, clock) as service,
                guarded(
                    settings,
                    process.environment,
                    seams,
                    service,
                    wanted=process.live or settings.guard.enabled,
                ) as guard,
            ):
                order = service.stand_by() if process.standby else None
                return _run(process, directory, seams, clock, service, guard, order, watching)
        finally:
            timers.close()


def _run(
    process: Process,
    directory: DataDirectory,
    seams: Seams,
    clock: SystemClock,
    service: ControlService,
    guard: Guarding,
    order: OperatorCommand | None,
    watching: Watching,
) -> SessionSummary:
    """Take up what was interrupted or begin anew, and run it to its end. ``order``: who had it start."""
    settings = process.settings
    accounts = _accounts(settings, process.environment)
    accepted = _accept(process.accept, directory.sessions)
    before = unfinished(directory, process.configuration, _fingerprints(accounts), process.recovering)
    if isinstance(before, Recovered):
        clock.resume_behind(before.last_ts)
    holder = Holder.here(settings.node.name, Path(settings.data_dir), clock)
    with AccountLease.acquire(accounts, holder, settings.lease, process.environment) as lease:
        venues = {
            venue: _venue_parts(venue, venue_settings, seams, process.environment)
            for venue, venue_settings in settings.venues.items()
        }
        if isinstance(before, Recovered):
            refuse_to_lose(before, [one.instrument for parts in venues.values() for one in parts.instruments])
        beginning = _begin(process, directory.sessions, before, seams, accepted)
        if order is not None:
            beginning = msgspec.structs.replace(beginning, events=(*beginning.events, order))
        return _run_session(
            process, directory.sessions, beginning, seams, venues, watching, lease, service, guard
        )


def refuse_real_venues_unless_live(settings: Settings, live: bool) -> None:
    """Paper by default: a venue that is not on this machine needs ``--live`` (live-stack.md section 10)."""
    for venue, venue_settings in settings.venues.items():
        for url in (venue_settings.rest_url, venue_settings.stream_url, venue_settings.ws_api_url):
            host = urlsplit(url).hostname or ""
            if host not in _LOOPBACK and not live:
                raise UsageError(
                    f"venue {venue} is at {host}, which is not this machine: real orders with real money need --live"
                )


def _machine(settings: Settings, clock: SystemClock, timers: TimerThread) -> Seams:
    """The real seams."""
    return Seams(
        clock=clock,
        timers=timers,
        random=random.SystemRandom(),
        websocket=lambda name: WebSocketClientTransport(
            clock, name=name, send_timeout_s=settings.dispatch.send_timeout_ns / 1e9
        ),
        http=lambda name: RequestsTransport(clock, name=f"{name} http"),
        launcher=ThreadLauncher(),
    )


def _venue_parts(
    venue: str, settings: VenueSettings, seams: Seams, environment: Mapping[str, str]
) -> VenueParts:
    """Ask ``venue`` for its instruments; UnreachableError with address and cause where it does not answer."""
    key = read_credentials(venue, settings, environment)
    credentials = Credentials(key.api_key, key.kind, key.secret.reveal())
    module = ADAPTERS[settings.adapter](settings)
    fetch = module.instruments_fetch(settings.symbols)
    url = f"{settings.rest_url}{fetch.path}?{fetch.query}"
    http = seams.http(f"start {venue}")
    try:
        response = _ask(http, HttpRequest(fetch.method, url, fetch.headers))
    finally:
        http.close()
    if response is None:
        raise UnreachableError(f"venue {venue} at {settings.rest_url}", "no answer in time")
    if response.status not in (200, 400):  # 400 is an answer: it says what is wrong with the question
        cause = response.error or f"HTTP status {response.status}"
        raise UnreachableError(f"venue {venue} at {settings.rest_url}", cause)
    try:
        instruments = module.parse_instruments(venue, settings.symbols, as_fetched(fetch.fetch_id, response))
    except ValueError as error:
        raise UsageError(f"venues.{venue}.symbols: {error}") from error
    return VenueParts(module, settings, credentials, tuple(instruments))


def _ask(http: HttpTransport, request: HttpRequest) -> HttpResponse | None:
    answers: queue.SimpleQueue[HttpResponse] = queue.SimpleQueue()
    http.submit(request, answers.put)
    try:
        return answers.get(timeout=INSTRUMENTS_TIMEOUT_S)
    except queue.Empty:
        return None


def _run_session(
    process: Process,
    sessions: Path,
    beginning: Beginning,
    seams: Seams,
    venues: Mapping[str, VenueParts],
    watching: Watching,
    lease: AccountLease,
    service: ControlService,
    guard: Guarding,
) -> SessionSummary:
    settings, header, wall_ns = process.settings, beginning.header, seams.clock.wall_ns()
    space = Space(sessions.parent, settings.journal.headroom, settings.journal.ballast)
    space.prepare()
    prune(settings, sessions, header.session, wall_ns)
    failpoint("recovery.before_segment")
    node = Node(
        settings=settings,
        seams=seams,
        runtime=beginning.runtime,
        writer=JournalWriter.create(sessions, header, settings.journal.durability),
        space=space,
        venues=venues,
        surface=service.surface,
        set_aside=lambda record, error: set_aside(sessions / header.session, record, error),
    )
    log = structlog.get_logger("node")
    _tell(beginning)
    leaked: list[str] = []
    following = Following(settings, sessions, header.session, node, seams, process.environment)
    watched = lease.watched(
        seams.clock,
        seams.timers,
        on_lost=lambda: node.gate.close(Hold.LEASE),
        on_regained=lambda: node.gate.open(Hold.LEASE),
    )
    proof = Quiescence.of(node, venues, seams)
    watchdog = Watchdog(
        gate=node.gate,
        harness=node.harness,
        progress=node.progress,
        clock=seams.clock,
        stall_ns=settings.watchdog.stall_ns,
        beat=guard.beat,
        look_after=lambda: _look_after(node, service),
        stacks=sessions / header.session / STACKS_NAME,
    )
    with _signals(node), watching(node), watched:
        try:
            node.start(beginning.events, proof)
            guard.runs(header.session)
            watchdog.start()
            following.start()
            gc.collect()
            gc.freeze()
            gc.set_threshold(*GC_THRESHOLDS)
            _stop_after(process.duration_ns, node, seams)
            exit_code = node.supervisor.run()
            node.gate.close(Hold.SHUTDOWN)
            guard.ends(in_order=exit_code in (EXIT_CLEAN, EXIT_UNREACHABLE))
        finally:
            watchdog.stop()
            leaked = node.stop()
            following.stop(bool(leaked))
    if leaked:
        exit_code = EXIT_FAIL_SAFE
        log.error("threads_leaked", actors=leaked, alive=[thread.name for thread in threading.enumerate()])
    log.info("session_stopped", session=header.session, exit=exit_code, reason=node.supervisor.reason)
    summary = summarise(node, header.session, exit_code, wall_ns, seams.clock.wall_ns())
    return msgspec.structs.replace(summary, recovered=beginning.recovered is not None)


def _look_after(node: Node, service: ControlService) -> None:
    """Dead threads are noticed, whatever they died of. Watchdog's thread."""
    node.look_after()
    trouble = service.look_after()
    if trouble:
        node.supervisor.mailbox.tell(ActorFailed("node", trouble))


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


def _accounts(settings: Settings, environment: Mapping[str, str]) -> list[Account]:
    return [
        account_of(venue, one, read_credentials(venue, one, environment).api_key)
        for venue, one in settings.venues.items()
    ]


def _fingerprints(accounts: Sequence[Account]) -> tuple[str, ...]:
    return tuple(sorted(account.fingerprint.hex() for account in accounts))


def _interruptible() -> None:
    """SIGTERM ends a recovery as Ctrl-C does: nothing was begun yet."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def _accept(session: str, sessions: Path) -> bool:
    """Note that an operator has accepted ``session``'s end; '' none."""
    if not session:
        return False
    if not accept(sessions, session):
        waiting = ", ".join(unaccepted(sessions)) or "none is"
        raise UsageError(f"session {session} is not waiting to be accepted; waiting: {waiting}")
    return True


def _begin(
    process: Process,
    sessions: Path,
    before: Recovered | Abandoned | None,
    seams: Seams,
    accepted: bool,
) -> Beginning:
    wall_ns = seams.clock.wall_ns()
    if isinstance(before, Recovered):
        return begin_again(before, process.recovery, wall_ns, seams.random, accepted)
    if (waiting := unaccepted(sessions)) and not (before is not None and before.grave):
        before = Abandoned(*next(iter(waiting.items())), grave=True)
    return begin_anew(
        process.settings,
        process.configuration,
        new_session_id(wall_ns, newest_of(session_names(sessions))),
        wall_ns,
        seams.random,
        before,
        process.recovery,
        _fingerprints(_accounts(process.settings, process.environment)),
    )


def set_aside(session: Path, record: Recorded, error: str) -> None:
    """Keep the input that we could not handle, in a file of its own, out of recovery's way."""
    path = session / f"poison-{record.seq}.json"
    path.write_bytes(msgspec.json.encode({"error": error, "record": msgspec.to_builtins(record)}))


@contextmanager
def _signals(node: Node) -> Iterator[None]:
    """SIGTERM and SIGINT ask for an ordered stop; the second one hurries."""

    def on_signal(number: int, _frame: object) -> None:
        name = signal.Signals(number).name
        node.supervisor.mailbox.tell(StopRequested("signal", f"{name} received"))

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
