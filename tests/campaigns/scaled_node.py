"""A whole node in this process on a scaled clock: what ``livestack start`` does, but for where its time comes from.

Real threads, sockets and files. Time-outs that are counted in the machine's own seconds are divided by the pace, but
not below what a busy machine needs. Main thread.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import msgspec

from livestack.credentials import read_credentials
from livestack.journal.directory import DataDirectory
from livestack.lease.identity import Holder, account_of
from livestack.lease.session import AccountLease
from livestack.node.beginning import begin_anew
from livestack.node.composition import Seams
from livestack.node.guarding import guarded
from livestack.node.launcher import ThreadLauncher
from livestack.node.service import ControlService
from livestack.node.session import Surroundings, Watching, run_session
from livestack.node.session_names import new_session_id
from livestack.node.systemd import ServiceManager
from livestack.node.venue_parts import venue_parts
from livestack.settings import Settings, load
from livestack.summary import SessionSummary
from livestack.transports.clock import TimerThread
from livestack.transports.http import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, TOTAL_TIMEOUT_S, RequestsTransport
from livestack.transports.request_sender import RequestSender
from livestack.transports.websocket import WAKE_MS, WebSocketClientTransport
from tests.campaigns.scaled_clock import ScaledClock

WAIT_S_LEAST = 0.5
"""No time-out of a socket is shorter: threads wait for the interpreter, and the machine is shared."""

WAKE_MS_LEAST = 10


def run_scaled(
    path: Path, environment: Mapping[str, str], data: Path, clock: ScaledClock, watching: Watching
) -> SessionSummary:
    """One session of the configuration at ``path``, from its first actor to its last, without a guard."""
    settings, rules = load(path, environment)
    settings = msgspec.structs.replace(settings, data_dir=str(data))
    accounts = [
        account_of(venue, one, read_credentials(venue, one.key_place, environment).api_key)
        for venue, one in settings.venues.items()
    ]
    timers = TimerThread(clock, clock.pace)
    try:
        seams = _seams(settings, clock, timers)
        holder = Holder.here(settings.node.name, data, clock)
        with (
            DataDirectory(data).acquire() as directory,
            ControlService(settings, clock) as service,
            guarded(settings, environment, seams, service, wanted=False) as guard,
            AccountLease.acquire(accounts, holder, settings.lease, environment) as lease,
        ):
            venues = {
                venue: venue_parts(venue, one, seams, environment) for venue, one in settings.venues.items()
            }
            wall_ns = clock.wall_ns()
            session = new_session_id(wall_ns, "")
            beginning = begin_anew(settings, rules, session, wall_ns, seams.random)
            surroundings = Surroundings(
                settings, environment, seams, lease, service, guard, ServiceManager({}, clock)
            )
            return run_session(surroundings, directory.sessions, beginning, venues, 0, watching)
    finally:
        timers.close()


def _seams(settings: Settings, clock: ScaledClock, timers: TimerThread) -> Seams:
    def scaled(seconds: float) -> float:
        return max(seconds / clock.pace, WAIT_S_LEAST)

    return Seams(
        clock=clock,
        timers=timers,
        random=random.SystemRandom(),
        websocket=lambda name: WebSocketClientTransport(
            clock,
            name=name,
            send_timeout_s=settings.dispatch.send_timeout_ns / 1e9,
            wake_ms=max(WAKE_MS // clock.pace, WAKE_MS_LEAST),
        ),
        http=lambda name: RequestsTransport(
            clock,
            name=f"{name} http",
            timeouts_s=(scaled(CONNECT_TIMEOUT_S), scaled(READ_TIMEOUT_S)),
            total_timeout_s=TOTAL_TIMEOUT_S,
        ),
        requests=lambda name: RequestSender(clock, name=f"{name} requests"),
        launcher=ThreadLauncher(),
    )
