"""Records of what steers a session, of what Risk denied, and of the session itself, made from Events. Pure; any one
thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from livestack.core import events
from livestack.core.describe import describe_event
from livestack.storage.record_orders import KINDS, SOURCES
from livestack.storage.record_writer import RecordWriter, int32, int64, json_text, safe, safe_or_none
from livestack.wire import records_pb2 as wire

Words = tuple[str, str, str]
"""Who, why, and what became of it; '' where it makes no sense."""


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


CONTROLS: Final[dict[type, Callable[[Any], Words]]] = {
    events.OperatorCommand: lambda one: (one.who, one.why, _snake(type(one.command).__name__)),
    events.CommandApplied: lambda one: ("", "", "applied"),
    events.CommandRefused: lambda one: ("", one.reason, "refused"),
    events.KillSwitchEngaged: lambda one: (one.by, _joined(one.trigger, one.reason), "engaged"),
    events.KillSwitchReset: lambda one: (one.by, one.reason, "reset"),
    events.KillReceipt: lambda one: ("", one.detail, "flat" if one.flat else "not_flat"),
    events.TradingStateChanged: lambda one: (one.by, one.reason, one.state.name.lower()),
    events.ConfigurationChanged: lambda one: ("", "", f"version {one.version}"),
    events.IncidentOpened: lambda one: ("", one.detail, one.name),
    events.IncidentClosed: lambda one: ("", one.detail, one.name),
    events.FeedStatusChanged: lambda one: ("", one.reason, one.status.name.lower()),
    events.VenueStatusChanged: lambda one: ("", one.reason, one.status.name.lower()),
    events.VenueBackoff: lambda one: ("", one.reason, "backoff"),
    events.AnomalyDetected: lambda one: ("", one.detail, one.kind),
    events.StrategyFailed: lambda one: ("", _joined(one.hook, one.error), "failed"),
    events.StrategyDisabled: lambda one: (one.by, one.reason, "disabled"),
    events.StrategyEnabled: lambda one: (one.by, one.reason, "enabled"),
    events.CancelRejected: lambda one: ("", _joined(one.code, one.reason), "rejected"),
    events.ReplaceRejected: lambda one: ("", _joined(one.code, one.reason), "rejected"),
}
"""Events that have a ControlRecord each."""


def add_control(writer: RecordWriter, event: Any, order_id: int = 0, request_id: str = "") -> None:
    """One Event of ``CONTROLS``. Of a command, the scope is what it is about."""
    kind = type(event)
    actor, reason, state = CONTROLS[kind](event)
    detail = describe_event(event) or {}
    about = event
    if kind is events.OperatorCommand:
        about = event.command
        detail["command"] = {"command": type(about).__name__, **detail["command"]}
    record = wire.ControlRecord(
        event=kind.__name__,
        actor=safe_or_none(actor),
        reason=safe_or_none(reason),
        state=safe_or_none(state),
        grade=safe_or_none(event.grade) if kind is events.IncidentOpened else None,
        detail=json_text(detail),
    )
    venue, instrument = getattr(about, "venue", ""), getattr(about, "instrument", "")
    if instrument and not venue:
        market = writer.state.market.instruments.get(instrument)
        venue = "" if market is None else market.definition.venue
    order_id = order_id or getattr(about, "order_id", 0)
    writer.add(record, venue, instrument, order_id, request_id, getattr(event, "event_ns", 0))


def _snake(name: str) -> str:
    """``SetTradingState`` as ``set_trading_state``."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def add_denial(writer: RecordWriter, event: events.IntentDenied | events.IntentWithdrawn) -> None:
    """An Intent that did not become a request."""
    record = wire.DenialRecord(kind=KINDS[event.intent])
    if isinstance(event, events.IntentDenied):
        record.outcome, record.rule = "denied", safe(event.rule)
        source = SOURCES[event.source] if 0 <= event.source < len(SOURCES) else ""
        if source:
            record.source = source
        if event.inputs:
            record.inputs = safe(" ".join(event.inputs))
        if event.detail:
            record.detail = safe(event.detail)
    else:
        record.outcome, record.rule = "withdrawn", event.reason.name.lower()
    writer.add(record, event.venue, event.instrument, event.order_id)


def add_session(writer: RecordWriter, event: Any) -> None:
    """A start, a resumption, a stop or a checkpoint."""
    origin = writer.origin
    match event:
        case events.SessionStarted():
            record = wire.SessionRecord(
                event="started",
                epoch=safe(event.epoch),
                wall_ns=int64(event.wall_ns),
                semantics_version=int32(event.semantics_version),
                package_version=safe(origin.package_version),
                configuration=safe(origin.configuration),
            )
        case events.SessionResumed():
            record = wire.SessionRecord(
                event="resumed", epoch=safe(event.epoch), wall_ns=int64(event.wall_ns)
            )
        case events.SessionStopping():
            record = wire.SessionRecord(
                event="stopping", actor=safe_or_none(event.by), reason=safe_or_none(event.reason)
            )
        case events.SessionStopped():
            record = wire.SessionRecord(event="stopped", reason=safe_or_none(event.reason))
        case _:
            record = wire.SessionRecord(event="checkpoint", digest=safe(event.digest))
    writer.add(record)
