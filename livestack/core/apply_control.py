"""Control Events into Control State: session phases, kill-switch, connections.

Pure. A session is STARTING from ``SessionStarted`` until every venue that has a defined instrument gave its
``AccountBaseline``; then RUNNING, the only phase in which the Strategy runs (``on_stop`` excepted); STOPPING from
``SessionStopping``; STOPPED at ``SessionStopped``, which carries the last digest. What operators ask for is in
:mod:`livestack.core.apply_commands`. Harness thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from livestack.core import events
from livestack.core.apply_commands import operator_command
from livestack.core.control_events import HALTING, VENUE_HALTING
from livestack.core.derivation import Derivation
from livestack.core.rates import OFFSET_MAX_NS, VenueRates
from livestack.core.state import KillRecord, State
from livestack.core.types import (
    ConnectionStatus,
    RequestSource,
    SessionPhase,
    TradingState,
    WithdrawReason,
)

INCIDENTS_MAX = 1_000
"""Open incidents remembered; the host keeps the list, State only what a monitor may look at."""

EPOCHS_MAX = 10_000
"""Resumptions of one session."""


def session_started(state: State, event: events.SessionStarted, out: Derivation) -> None:
    execution, control = state.execution, state.control
    if execution.epochs:
        out.anomaly("session_started_twice", "a session is started once")
        return
    execution.epochs.append(event.epoch)
    control.session = event.session


def session_resumed(state: State, event: events.SessionResumed, out: Derivation) -> None:
    """After a crash: nothing pending goes out, nothing seen is current, nothing inflight is known."""
    execution, control = state.execution, state.control
    if not execution.epochs or event.epoch in execution.epochs or len(execution.epochs) >= EPOCHS_MAX:
        out.anomaly("bad_resume", "a resumed session has a fresh epoch, and was started")
        return
    execution.epochs.append(event.epoch)
    out.withdraw(WithdrawReason.SESSION_RESUMED)
    for market in state.market.instruments.values():
        market.invalidate()
        market.status = ConnectionStatus.DISCONNECTED
    control.feed_status = {}
    control.venue_status = {}
    for order_id, request in execution.requests.items():
        execution.unresolved.setdefault(order_id, request)
    execution.requests = {}
    control.incidents = {}  # of the host that died; what still is will be opened anew
    execution.in_doubt = dict.fromkeys(
        execution.orders
    )  # the venue reports those that it has; the rest is asked for
    for venue, rules in state.configuration.execution.venue.items():
        execution.rates.setdefault(venue, VenueRates()).take_as_full(rules.rate_limits, control.ts)
    recovery = state.configuration.recovery.trading_state
    if recovery is not TradingState.ACTIVE and control.trading_state() < recovery:
        out.emit(events.TradingStateChanged(state=recovery, by="recovery", reason="session resumed"))


def session_stopping(state: State, event: events.SessionStopping, out: Derivation) -> None:
    control = state.control
    if control.phase in (SessionPhase.STOPPING, SessionPhase.STOPPED):
        return
    control.phase = SessionPhase.STOPPING
    out.withdraw(WithdrawReason.SESSION_STOPPING)
    state.execution.leaves_open = state.configuration.execution.on_stop == "leave"
    if not state.execution.leaves_open:
        out.close_orders(RequestSource.CORE)


def session_stopped(state: State, event: events.SessionStopped, out: Derivation) -> None:
    state.control.phase = SessionPhase.STOPPED
    out.withdraw(WithdrawReason.SESSION_STOPPING)
    out.wants_checkpoint = True


def kill_switch_engaged(state: State, event: events.KillSwitchEngaged, out: Derivation) -> None:
    control = state.control
    venue, instrument = _kill_scope(state, event)
    record = KillRecord(control.ts, event.trigger, event.by, event.reason)
    control.kill.setdefault(instrument or venue, record)
    out.withdraw(WithdrawReason.KILL_SWITCH, venue, instrument)
    if state.configuration.kill.cancel_open_orders:
        out.close_orders(RequestSource.CORE, venue, instrument)


def _kill_scope(state: State, event: events.KillSwitchEngaged) -> tuple[str, str]:
    """What is no venue or instrument of this session is everything, as it is for the host's gate; so there are no more
    scopes than the session has."""
    venue, instruments = event.venue, state.market.instruments
    if event.instrument:
        market = instruments.get(event.instrument)
        if market is None or venue not in ("", market.definition.venue):
            return "", ""
        return market.definition.venue, event.instrument
    is_known = any(one.definition.venue == venue for one in instruments.values())
    return (venue, "") if is_known else ("", "")


def feed_status_changed(state: State, event: events.FeedStatusChanged, out: Derivation) -> None:
    if not event.instrument:
        state.control.feed_status[event.venue] = event.status
    for market in state.market.instruments.values():
        definition = market.definition
        if definition.venue != event.venue or event.instrument not in ("", definition.instrument):
            continue
        market.status = event.status
        market.faulty = False
        if event.status is not ConnectionStatus.LIVE:
            market.invalidate()


def venue_status_changed(state: State, event: events.VenueStatusChanged, out: Derivation) -> None:
    state.control.venue_status[event.venue] = event.status


def venue_clock(state: State, event: events.VenueClock, out: Derivation) -> None:
    if abs(event.offset_ns) > OFFSET_MAX_NS:
        out.anomaly("bad_clock", "a clock is at most ten years off; the last estimate stays", event.venue)
        return
    rates = state.execution.rates.setdefault(event.venue, VenueRates())
    rates.set_clock(event.offset_ns, event.error_ns, state.control.ts)


def incident_opened(state: State, event: events.IncidentOpened, out: Derivation) -> None:
    incidents = state.control.incidents
    if len(incidents) < INCIDENTS_MAX or event.grade in (HALTING, VENUE_HALTING):
        incidents[f"{event.name} {event.scope}".strip()] = event.grade
    if event.grade == HALTING:
        out.withdraw(WithdrawReason.TRADING_STATE)


def incident_closed(state: State, event: events.IncidentClosed, out: Derivation) -> None:
    state.control.incidents.pop(f"{event.name} {event.scope}".strip(), None)


def checkpoint_requested(state: State, event: events.CheckpointRequested, out: Derivation) -> None:
    out.wants_checkpoint = True


def begin_running(state: State) -> None:
    """A STARTING session is RUNNING as soon as every venue with a defined instrument gave its baseline."""
    execution = state.execution
    venues = {market.definition.venue: None for market in state.market.instruments.values()}
    if execution.epochs and venues and all(venue in execution.baselines for venue in venues):
        state.control.phase = SessionPhase.RUNNING


def nothing(state: State, event: object, out: Derivation) -> None:
    """A record, or its effect comes from another stage: timers look at ``ts``."""


CONTROL: Final[dict[type, Callable[[State, Any, Derivation], None]]] = {
    events.SessionStarted: session_started,
    events.SessionResumed: session_resumed,
    events.SessionStopping: session_stopping,
    events.SessionStopped: session_stopped,
    events.OperatorCommand: operator_command,
    events.KillSwitchEngaged: kill_switch_engaged,
    events.FeedStatusChanged: feed_status_changed,
    events.VenueStatusChanged: venue_status_changed,
    events.VenueClock: venue_clock,
    events.IncidentOpened: incident_opened,
    events.IncidentClosed: incident_closed,
    events.ControlTime: nothing,
    events.CheckpointRequested: checkpoint_requested,
    events.KillReceipt: nothing,
}
