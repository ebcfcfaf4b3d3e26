"""The slow model's Control and account Events: sessions, connections, kill-switch, commands, balances, rates.

A handler returns False where it refuses its Event.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from livestack.core import events
from livestack.core.types import (
    ConnectionStatus,
    RequestKind,
    RequestSource,
    SessionPhase,
    TradingState,
    WithdrawReason,
)
from tests.core.model_market import RESUMED

if TYPE_CHECKING:
    from tests.core.model import Model

DAY_NS = 86_400_000_000_000


def covers(venue: str, instrument: str, name: str) -> bool:
    """Whether a scope ('' for all) covers the instrument ``name``."""
    return (not venue or name.startswith(f"{venue}:")) and (not instrument or instrument == name)


def sent(model: Model, event: events.RequestSent) -> None:
    """When it was written, of the one request that it can be."""
    for waiting in (model.unresolved, model.inflight):
        one = waiting.get(event.order_id)
        if one and (one.request.kind, one.request.revision) == (event.kind, event.revision):
            one.written = (event.gate_ns, event.send_ns)


def nothing(model: Model, event: Any) -> None:
    """A record, or an Event whose effect is another stage's."""


def started(model: Model, event: events.SessionStarted) -> bool | None:
    if model.epochs:
        model.anomaly("session_started_twice")
        return False
    model.epochs.append(event.epoch)
    return None


def resumed(model: Model, event: events.SessionResumed) -> bool | None:
    if not model.epochs or event.epoch in model.epochs:
        model.anomaly("bad_resume")
        return False
    model.epochs.append(event.epoch)
    model.withdraw_all(WithdrawReason.SESSION_RESUMED)
    for log in model.logs.values():
        log.append(RESUMED)
    model.feed_status, model.venue_status, model.incidents = {}, {}, {}
    for order_id, sent in model.inflight.items():
        model.unresolved.setdefault(order_id, sent)
    model.inflight = {}
    model.in_doubt = dict.fromkeys(model.open)
    for rates in model.rates.values():
        rates.fill_up(model.ts)
    if model.rules.recovery > model.trading_of(""):
        model.set_trading(model.rules.recovery, "recovery")
    return None


def stopping(model: Model, event: events.SessionStopping) -> None:
    if model.phase not in (SessionPhase.STARTING, SessionPhase.RUNNING):
        return
    model.phase = SessionPhase.STOPPING
    model.withdraw_all(WithdrawReason.SESSION_STOPPING)
    if model.rules.on_stop == "cancel":
        close_all(model, RequestSource.CORE)


def stopped(model: Model, event: events.SessionStopped) -> None:
    model.phase = SessionPhase.STOPPED
    model.withdraw_all(WithdrawReason.SESSION_STOPPING)


def close_all(model: Model, source: RequestSource, venue: str = "", instrument: str = "") -> None:
    for order_id, order in model.open.items():
        if covers(venue, instrument, order.first.instrument):
            model.close(order_id, source)


def kill(model: Model, event: events.KillSwitchEngaged) -> None:
    venue, instrument = event.venue, event.instrument
    if not any(covers(venue, instrument, name) for name in model.definitions):
        venue = instrument = ""  # nobody knows it: everything
    model.killed[instrument or venue] = None
    model.withdraw_all(WithdrawReason.KILL_SWITCH, venue, instrument)
    if model.rules.cancel_open_orders:
        close_all(model, RequestSource.CORE, venue, instrument)


def feed_status(model: Model, event: events.FeedStatusChanged) -> None:
    if not event.instrument:
        model.feed_status[event.venue] = event.status
    for name, log in model.logs.items():
        if model.venue_of(name) == event.venue and event.instrument in ("", name):
            log.append(ConnectionStatus(event.status))


def venue_status(model: Model, event: events.VenueStatusChanged) -> None:
    model.venue_status[event.venue] = event.status


def opened(model: Model, event: events.IncidentOpened) -> None:
    model.incidents[f"{event.name} {event.scope}".strip()] = event.grade
    if event.grade == "halting":
        model.withdraw_all(WithdrawReason.TRADING_STATE)


def closed(model: Model, event: events.IncidentClosed) -> None:
    model.incidents.pop(f"{event.name} {event.scope}".strip(), None)


def baseline(model: Model, event: events.AccountBaseline) -> None:
    if event.venue in model.based or model.phase is not SessionPhase.STARTING:
        model.anomaly("second_baseline", event.venue)
        return
    model.based[event.venue] = None
    _balances(model, event)
    for one in event.positions:
        here = one.instrument in model.definitions and model.venue_of(one.instrument) == event.venue
        if here and one.cost.value >= 0:
            model.baselines[one.instrument] = (one.qty, one.cost.value if one.qty else 0)
        else:
            model.anomaly("bad_baseline", event.venue, one.instrument, halt=True)


def balances(model: Model, event: events.BalanceReport) -> None:
    if event.complete:
        model.balances = {key: one for key, one in model.balances.items() if key[0] != event.venue}
    _balances(model, event)


def _balances(model: Model, event: events.AccountBaseline | events.BalanceReport) -> None:
    for one in event.balances:
        if 0 <= one.decimals <= 18:
            model.balances[event.venue, one.asset] = (one.free.value, one.locked.value)
        else:
            model.anomaly("bad_balance", event.venue, halt=True)


def rate_report(model: Model, event: events.RateLimitReport) -> None:
    if event.venue in model.rates:
        key = (event.order_id, event.revision)
        model.rates[event.venue].reported(key, event.usage, model.ts)


def backoff(model: Model, event: events.VenueBackoff) -> None:
    if event.venue in model.rates:
        until = model.ts + min(max(event.retry_after_ns, 0), 7 * DAY_NS)
        rates = model.rates[event.venue]
        if event.spares_cancels:
            rates.orders_backoff_until = max(rates.orders_backoff_until, until)
        else:
            rates.backoff_until = max(rates.backoff_until, until)


def clock(model: Model, event: events.VenueClock) -> None:
    if event.venue in model.rates:
        model.rates[event.venue].offset_ns = event.offset_ns
        model.rates[event.venue].error_ns = max(event.error_ns, 0)


# -- operator commands

PATCHES: dict[tuple[tuple[str, str], ...], dict[str, Any] | None] = {
    (): {},
    (("risk.defaults.max_order_qty", '"0.006"'),): {"max_order_qty": 6},
    (("risk.defaults.max_order_qty", "null"),): {"max_order_qty": None},
    (("risk.defaults.max_position", '"0.012"'), ("execution.max_queue_age", '"5s"')): {
        "max_position": 12,
        "max_queue_age": 5_000_000_000,
    },
    (("risk.defaults.max_open_orders", "2"),): {"max_open_orders": 2},
    (("risk.defaults.trade", "false"),): {"trade": False},
    (("risk.defaults.trade", "true"),): {"trade": True},
    (("execution.request_timeout", '"2s"'),): {"request_timeout": 2_000_000_000},
    (("execution.order", json.dumps(["new", "replace", "cancel"])),): {"order": ("new", "replace", "cancel")},
    (("execution.terminal_orders_max", "1"),): {"terminal_orders_max": 1},
    (("decisions.events", '["quote", "execution", "status"]'),): {"events": ("quote", "execution", "status")},
    (("kill.cancel_open_orders", "false"),): {"cancel_open_orders": False},
    (("strategy.path", '"a:B"'),): None,
    (("risk.defaults.trade", "1.5"),): None,
    (("risk.defaults.max_position", '"0.001"'), ("risk.defaults.nonsense", "1")): None,
    (("risk..x", "1"),): None,
    (("execution.order", "{"),): None,
}
"""Patches and what they make of the model's rules; None: refused as a whole."""


def command(model: Model, event: events.OperatorCommand) -> None:
    """Answered once; what was asked before gets the same answer, and under its id nothing else can be asked."""
    known = model.answers.get((event.who, event.request_id))
    payload = event.command
    applies = _applies(model, event) if known is None else known == (payload, True)
    model.told.append(("CommandApplied" if applies else "CommandRefused", event.request_id))
    if known is None:
        model.answers[event.who, event.request_id] = (payload, applies)
        if applies:
            _do(model, event)


def _applies(model: Model, event: events.OperatorCommand) -> bool:
    """Whether a command is carried out, kind by kind."""
    version = model.rules.version
    match event.command:
        case events.SetConfiguration(patch=patch):
            return event.base_version in (0, version) and PATCHES[patch] is not None
        case events.RollBackConfiguration(version=wanted):
            return event.base_version in (0, version) and wanted in model.versions and wanted != version
        case events.CancelOrder(order_id=order_id):
            return order_id in model.pending or order_id in model.open
        case events.CancelAll(venue=venue, instrument=instrument):
            return _exists(model, venue, instrument)
        case events.SetTradingState(state=TradingState.ACTIVE, venue=venue, instrument=instrument):
            wider = [] if not venue else [""] if not instrument else ["", venue]
            return _exists(model, venue, instrument) and not any(one in model.trading for one in wider)
        case events.SetTradingState(venue=venue, instrument=instrument):
            return _exists(model, venue, instrument)
        case events.ResetKillSwitch(accept_unknown=accept_unknown):
            return bool(model.killed) and (accept_unknown or not _unknown(model))
    return True


def _exists(model: Model, venue: str, instrument: str) -> bool:
    venues = {model.venue_of(name) for name in model.definitions}
    return (not venue or venue in venues) and (not instrument or instrument in model.definitions)


def _unknown(model: Model) -> list[int]:
    """Orders under the kill-switch whose last request has no answer, or about which the venue contradicts itself."""
    found = []
    for order_id, order in model.open.items():
        name, sent = order.first.instrument, model.inflight.get(order_id)
        asked = sent is not None and sent.request.kind is not RequestKind.CANCEL
        if asked or order_id in model.unresolved or order_id in model.in_doubt:
            found += [order_id for scope in model.killed if scope in ("", name, model.venue_of(name))]
    return found


def _do(model: Model, event: events.OperatorCommand) -> None:
    match event.command:
        case events.SetTradingState(state=state, venue=venue, instrument=instrument):
            model.set_trading(state, event.who, venue, instrument)
        case events.CancelOrder(order_id=order_id):
            if order_id in model.open:
                model.close(order_id, RequestSource.OPERATOR)
            else:
                model.withdraw(model.pending[order_id], WithdrawReason.SUPERSEDED)
        case events.CancelAll(venue=venue, instrument=instrument):
            for one in list(model.pending.values()):
                if one.kind is RequestKind.NEW and covers(venue, instrument, one.instrument):
                    model.withdraw(one, WithdrawReason.SUPERSEDED)
            close_all(model, RequestSource.OPERATOR, venue, instrument)
        case events.SetStrategyEnabled(enabled=enabled):
            if enabled is not model.enabled:
                model.told.append(("StrategyEnabled" if enabled else "StrategyDisabled", event.who))
                model.enabled = enabled
                model.rejects_in_a_row = 0 if enabled else model.rejects_in_a_row
        case events.TakeCheckpoint():
            model.checkpoint = True
        case events.ResetKillSwitch(accept_unknown=accept_unknown):
            model.told.append(("KillSwitchReset", event.who, accept_unknown))
            model.killed = {}
        case events.SetConfiguration(patch=patch):
            _configure(model, PATCHES[patch] or {}, any(key.startswith("risk.") for key, _ in patch))
        case events.RollBackConfiguration(version=version):
            old, now = vars(model.versions[version]), vars(model.rules)
            changes = {name: value for name, value in old.items() if name != "version" and value != now[name]}
            _configure(model, changes, any(name in RISK for name in changes))


def _configure(model: Model, changes: dict[str, Any], risk: bool) -> None:
    model.changed(changes)
    model.told.append(("ConfigurationChanged", model.rules.version))
    if risk:
        model.withdraw_all(WithdrawReason.CONFIGURATION)


RISK = (
    "trade",
    "max_order_qty",
    "max_position",
    "max_open_orders",
    "max_data_age",
    "max_consecutive_rejects",
)
"""Of the rules those that are keys of the risk table."""

assert TradingState.ACTIVE < TradingState.REDUCING < TradingState.HALTED

CONTROL: dict[type, Any] = {
    events.AccountBaseline: baseline,
    events.BalanceReport: balances,
    events.RateLimitReport: rate_report,
    events.VenueBackoff: backoff,
    events.RequestSent: sent,
    events.SessionStarted: started,
    events.SessionResumed: resumed,
    events.SessionStopping: stopping,
    events.SessionStopped: stopped,
    events.OperatorCommand: command,
    events.KillSwitchEngaged: kill,
    events.FeedStatusChanged: feed_status,
    events.VenueStatusChanged: venue_status,
    events.VenueClock: clock,
    events.IncidentOpened: opened,
    events.IncidentClosed: closed,
    events.ControlTime: nothing,
    events.CheckpointRequested: nothing,
    events.KillReceipt: nothing,
}
