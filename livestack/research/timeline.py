"""A session's incidents, commands and state changes in order: what an operator wants to know first. Any one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from livestack.core import events
from livestack.core.control_events import (
    CancelAll,
    CancelOrder,
    EngageKillSwitch,
    ResetKillSwitch,
    RollBackConfiguration,
    SetConfiguration,
    SetStrategyEnabled,
    SetTradingState,
    StartSession,
    StopSession,
    TakeCheckpoint,
)
from livestack.core.describe import describe_event
from livestack.core.events import Recorded
from livestack.core.incidents import STALL
from livestack.journal.salvage import Gap
from livestack.research.wording import duration, word
from livestack.summary import rfc3339


class Moment(msgspec.Struct, frozen=True):
    """One entry. ``after_ns`` is session time since the first Event read; ``grade``: ``info``, ``warning`` or ``bad``;
    ``seq`` of a gap is its first position."""

    seq: int
    ts: int
    at: str
    after_ns: int
    kind: str
    grade: str
    text: str
    details: dict[str, Any]


def timeline(items: Iterable[Recorded | Gap]) -> Iterator[Moment]:
    """The moments of a stream, one after another; a gap in it is one too."""
    first_ts = ts = seq = 0
    incidents = _Incidents()
    for item in items:
        if isinstance(item, Gap):
            text = f"the journal cannot be read from here: {item.damage}"
            yield Moment(
                item.first_seq, ts, _time(ts), ts - first_ts, "gap", "bad", text, msgspec.to_builtins(item)
            )
            continue
        ts, seq = item.ts, item.seq
        first_ts = first_ts or ts
        told = _TOLD.get(type(item.event))
        if told is None:
            continue
        kind, grade, say = told
        text, worse = say(item.event)
        details = describe_event(item.event) or {}
        text, more = incidents.take(item, text)
        yield Moment(seq, ts, _time(ts), ts - first_ts, kind, worse or grade, text, details | more)
    for text, more in incidents.left(ts):
        yield Moment(seq, ts, _time(ts), ts - first_ts, "incident", "warning", text, more)


class _Incidents:
    """Since when which ones are open. A session that is resumed begins without any."""

    def __init__(self) -> None:
        self._opened: dict[tuple[str, str], int] = {}

    def take(self, item: Recorded, text: str) -> tuple[str, dict[str, Any]]:
        """What is said of it, and what more there is: how long one that is over was open."""
        event = item.event
        if isinstance(event, events.SessionResumed):
            self._opened.clear()
        elif isinstance(event, events.IncidentOpened):
            key = event.name, event.scope
            if key in self._opened:
                return f"{event.name} still open for {event.scope or 'the node'}{_because(event.detail)}", {}
            self._opened[key] = item.ts
        elif isinstance(event, events.IncidentClosed):
            opened_ts = self._opened.pop((event.name, event.scope), None)
            # The Core hears that a stall began when it is over: how long it was is in its detail.
            if opened_ts is not None and event.name != STALL.name:
                lasted = f" after {duration(item.ts - opened_ts)}"
                scope = event.scope or "the node"
                text = f"{event.name} closed for {scope}{lasted}{_because(event.detail)}"
                return text, {"open_ns": item.ts - opened_ts}
        return text, {}

    def left(self, ts: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Those that are open at the end."""
        for (name, scope), opened_ts in self._opened.items():
            open_ns = ts - opened_ts
            text = f"{name} open for {scope or 'the node'} to the end, for {duration(open_ns)}"
            yield text, {"name": name, "scope": scope, "open_ns": open_ns}


def _time(ts: int) -> str:
    return rfc3339(ts) if ts else ""


Said = tuple[str, str]
"""A sentence, and a grade where it is not the usual one of its kind."""


def _scope(event: Any) -> str:
    return event.instrument or event.venue or "everything"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _command(event: events.OperatorCommand) -> Said:
    return f"{event.who} asks: {_asked(event.command)}{_because(event.why)}", ""


def _asked(asked: events.Command) -> str:
    match asked:
        case SetTradingState():
            what = f"trading {asked.state.name} for {_scope(asked)}"
        case EngageKillSwitch():
            what = f"kill-switch for {_scope(asked)}"
        case ResetKillSwitch():
            what = "reset the kill-switch" + (
                ", orders of unknown fate accepted" if asked.accept_unknown else ""
            )
        case StopSession():
            what = "stop the session"
        case StartSession():
            what = "start the session"
        case TakeCheckpoint():
            what = "a checkpoint"
        case RollBackConfiguration():
            what = f"configuration back to version {asked.version}"
        case CancelOrder():
            what = f"cancel order {asked.order_id}"
        case CancelAll():
            what = f"cancel every order of {_scope(asked)}"
        case SetStrategyEnabled():
            what = f"strategy {'enabled' if asked.enabled else 'disabled'}"
        case SetConfiguration():
            what = f"configuration {', '.join(f'{key} = {value}' for key, value in asked.patch)}"
    return what


def _reset(event: events.KillSwitchReset) -> Said:
    accepted = ", orders of unknown fate accepted" if event.accept_unknown else ""
    return f"reset by {event.by}{accepted}{_because(event.reason)}", ""


def _receipt(event: events.KillReceipt) -> Said:
    asked = f"asked {event.rounds} times"
    if event.flat:
        return f"nothing is open, {asked}{_because(event.detail)}", "info"
    left = f"{event.open_orders} orders open, {event.unknown_orders} of unknown fate"
    return f"{left}, {asked}{_because(event.detail)}", ""


def _status(event: events.FeedStatusChanged | events.VenueStatusChanged) -> Said:
    where = getattr(event, "instrument", "") or event.venue
    what = "feed" if isinstance(event, events.FeedStatusChanged) else "order entry"
    live = event.status.name == "LIVE"
    return f"{what} of {where} {word(event.status.name)}{_because(event.reason)}", "info" if live else ""


def _trading(event: events.TradingStateChanged) -> Said:
    active = event.state.name == "ACTIVE"
    text = f"trading {event.state.name} for {_scope(event)}, by {event.by}{_because(event.reason)}"
    return text, "info" if active else ""


def _anomaly(event: events.AnomalyDetected) -> Said:
    halted = f"; halts {event.halts}" if event.halts else ""
    return f"{event.kind}: {event.detail}{halted}", "bad" if halted else ""


_TOLD: Final[dict[type, tuple[str, str, Callable[[Any], Said]]]] = {
    events.SessionStarted: (
        "session",
        "info",
        lambda event: (f"started on node {event.node} with {event.strategy or 'its strategy'}", ""),
    ),
    events.SessionResumed: (
        "session",
        "warning",
        lambda event: (f"resumed after an interruption, epoch {event.epoch}", ""),
    ),
    events.SessionStopping: (
        "session",
        "info",
        lambda event: (f"stopping, by {event.by}{_because(event.reason)}", ""),
    ),
    events.SessionStopped: ("session", "info", lambda event: (f"stopped{_because(event.reason)}", "")),
    events.AccountBaseline: (
        "account",
        "info",
        lambda event: (f"baseline of {event.account} at {event.venue}, {len(event.positions)} positions", ""),
    ),
    events.OperatorCommand: ("command", "info", _command),
    events.CommandApplied: ("command", "info", lambda event: (f"{event.request_id} applied", "")),
    events.CommandRefused: (
        "command",
        "warning",
        lambda event: (f"{event.request_id} refused{_because(event.reason)}", ""),
    ),
    events.ConfigurationChanged: (
        "configuration",
        "info",
        lambda event: (f"version {event.version}: {', '.join(f'{k} = {v}' for k, v in event.patch)}", ""),
    ),
    events.TradingStateChanged: ("trading", "warning", _trading),
    events.KillSwitchEngaged: (
        "kill switch",
        "bad",
        lambda event: (
            f"engaged for {_scope(event)} by {event.by}, trigger {event.trigger}{_because(event.reason)}",
            "",
        ),
    ),
    events.KillSwitchReset: ("kill switch", "info", _reset),
    events.KillReceipt: ("kill switch", "warning", _receipt),
    events.FeedStatusChanged: ("feed", "warning", _status),
    events.VenueStatusChanged: ("venue", "warning", _status),
    events.VenueBackoff: (
        "venue",
        "warning",
        lambda event: (
            (
                f"{event.venue} asked for {'no more orders for' if event.spares_cancels else 'silence of'} "
                f"{duration(event.retry_after_ns)}{_because(event.reason)}"
            ),
            "",
        ),
    ),
    events.IncidentOpened: (
        "incident",
        "bad",
        lambda event: (f"{event.name} opened for {event.scope or 'the node'}{_because(event.detail)}", ""),
    ),
    events.IncidentClosed: (
        "incident",
        "info",
        lambda event: (f"{event.name} closed for {event.scope or 'the node'}{_because(event.detail)}", ""),
    ),
    events.AnomalyDetected: ("anomaly", "warning", _anomaly),
    events.StrategyFailed: (
        "strategy",
        "bad",
        lambda event: (f"failed: {event.error} in {event.hook}", ""),
    ),
    events.StrategyDisabled: (
        "strategy",
        "bad",
        lambda event: (f"disabled by {event.by}{_because(event.reason)}", ""),
    ),
    events.StrategyEnabled: (
        "strategy",
        "info",
        lambda event: (f"enabled by {event.by}{_because(event.reason)}", ""),
    ),
}
"""By Event type: kind, usual grade, and what is said."""
