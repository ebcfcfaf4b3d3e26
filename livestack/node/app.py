"""A node as a process: everything that `livestack start` does between reading its files and its exit code.

Runs on the main thread: checks, asks the venues for their instruments, opens the journal, starts the actors, waits for
the supervisor, stops the actors, sums up.
"""

from __future__ import annotations

import random
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from livestack.core.configuration import Configuration
from livestack.core.events import OperatorCommand
from livestack.credentials import read_credentials
from livestack.exceptions import UsageError
from livestack.journal.directory import DataDirectory
from livestack.journal.quarantine import accept, unaccepted
from livestack.journal.sessions import session_names
from livestack.lease.identity import Account, Holder, account_of
from livestack.lease.session import AccountLease
from livestack.node.beginning import (
    Abandoned,
    Beginning,
    Recovery,
    begin_again,
    begin_anew,
    refuse_to_lose,
    unfinished,
)
from livestack.node.composition import Seams
from livestack.node.guarding import Guarding, guarded
from livestack.node.launcher import ThreadLauncher
from livestack.node.recovery import Recovered
from livestack.node.service import ControlService
from livestack.node.session import Surroundings, Watching, run_session
from livestack.node.session_names import new_session_id, newest_of
from livestack.node.sink_check import check_sinks, known_sinks, refuse_to_begin
from livestack.node.systemd import START_NS, ServiceManager
from livestack.node.triggers import listen_early
from livestack.node.venue_parts import venue_parts
from livestack.settings import Settings
from livestack.summary import SessionSummary
from livestack.transports.clock import SystemClock, TimerThread
from livestack.transports.http import RequestsTransport
from livestack.transports.request_sender import RequestSender
from livestack.transports.websocket import WebSocketClientTransport

SWITCH_INTERVAL_S = 1e-4
"""Python's default of 5 ms lets one busy thread hold up every hand-over between actors (performance.md)."""

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


def run(process: Process, watching: Watching = nullcontext) -> SessionSummary:
    """Run one session to its end, ``watching`` it meanwhile.

    Raises only before it began: unusable input, a held directory, a venue that is not reachable.
    """
    listen_early()
    settings = process.settings
    refuse_real_venues_unless_live(settings, process.live)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    clock = SystemClock()
    with (
        ServiceManager(process.environment, clock) as manager,
        DataDirectory(Path(settings.data_dir)).acquire() as directory,
    ):
        _interruptible()
        timers = TimerThread(clock)
        try:
            seams = machine(settings, clock, timers)
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
                if process.standby:
                    known_sinks(settings, process.environment)  # what cannot be right later is told now
                order = _stand_by(service, manager) if process.standby else None
                return _run(process, directory, seams, clock, service, guard, manager, order, watching)
        finally:
            timers.close()


def _stand_by(service: ControlService, manager: ServiceManager) -> OperatorCommand:
    """Until somebody has the session start. To the service manager a node that stands by is one that works."""
    return service.stand_by(ready=lambda: manager.ready("standby"), beat=manager.beat)


def _run(
    process: Process,
    directory: DataDirectory,
    seams: Seams,
    clock: SystemClock,
    service: ControlService,
    guard: Guarding,
    manager: ServiceManager,
    order: OperatorCommand | None,
    watching: Watching,
) -> SessionSummary:
    """Take up what was interrupted or begin anew, and run it to its end. ``order``: who had it start."""
    settings = process.settings
    accounts = _accounts(settings, process.environment)
    sinks = known_sinks(settings, process.environment)
    accepted = _accept(process.accept, directory.sessions)
    manager.takes(START_NS)

    def recovering(seq: int, last_seq: int) -> None:
        manager.recovering(seq, last_seq)
        process.recovering(seq, last_seq)

    before = unfinished(directory, process.configuration, _fingerprints(accounts), recovering)
    if isinstance(before, Recovered):
        clock.resume_behind(before.last_ts)
    else:
        sinks = check_sinks(settings, process.environment)
        refuse_to_begin(sinks, settings.records)
    manager.takes(START_NS)
    manager.status("asking the venues")
    holder = Holder.here(settings.node.name, Path(settings.data_dir), clock)
    with AccountLease.acquire(accounts, holder, settings.lease, process.environment) as lease:
        venues = {
            venue: venue_parts(venue, venue_settings, seams, process.environment)
            for venue, venue_settings in settings.venues.items()
        }
        if isinstance(before, Recovered):
            refuse_to_lose(before, [one.instrument for parts in venues.values() for one in parts.instruments])
        beginning = _begin(process, directory.sessions, before, seams, accepted)
        if order is not None:
            beginning = msgspec.structs.replace(beginning, events=(*beginning.events, order))
        surroundings = Surroundings(
            settings, process.environment, seams, lease, service, guard, manager, sinks
        )
        return run_session(surroundings, directory.sessions, beginning, venues, process.duration_ns, watching)


def refuse_real_venues_unless_live(settings: Settings, live: bool) -> None:
    """Paper by default: a venue that is not on this machine needs ``--live`` (live-stack.md section 10)."""
    for venue, venue_settings in settings.venues.items():
        for url in (venue_settings.rest_url, venue_settings.stream_url, venue_settings.ws_api_url):
            host = urlsplit(url).hostname or ""
            if host not in _LOOPBACK and not live:
                raise UsageError(
                    f"venue {venue} is at {host}, which is not this machine: real orders with real money need --live"
                )


def machine(settings: Settings, clock: SystemClock, timers: TimerThread) -> Seams:
    """The real seams."""
    return Seams(
        clock=clock,
        timers=timers,
        random=random.SystemRandom(),
        websocket=lambda name: WebSocketClientTransport(
            clock, name=name, send_timeout_s=settings.dispatch.send_timeout_ns / 1e9
        ),
        http=lambda name: RequestsTransport(clock, name=f"{name} http"),
        requests=lambda name: RequestSender(
            clock, name=name, send_timeout_s=settings.dispatch.send_timeout_ns / 1e9
        ),
        launcher=ThreadLauncher(),
    )


def _accounts(settings: Settings, environment: Mapping[str, str]) -> list[Account]:
    return [
        account_of(venue, one, read_credentials(venue, one.key_place, environment).api_key)
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
        return begin_again(before, process.recovery, wall_ns, seams.random, accepted, process.settings)
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
