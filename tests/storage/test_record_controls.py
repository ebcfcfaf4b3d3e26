"""Records of operators, states, incidents, denials and the session: who, why, what became of it."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from livestack.core import events
from livestack.core.control_events import Command
from livestack.core.events import Recorded
from livestack.core.intents import Cancel
from livestack.core.projection import Projection
from livestack.core.state import State
from livestack.core.types import ConnectionStatus, Origin, RequestKind, TradingState, WithdrawReason
from livestack.storage.record_controls import CONTROLS
from livestack.storage.records import _HANDLERS, RecordFold
from tests.core import support
from tests.core.support import INSTRUMENT, VENUE, Bench, configuration
from tests.storage.folding import ORIGIN, Stream, check, folded, rows


def session() -> tuple[Bench, Stream]:
    """A running session whose stream is kept from its first Event."""
    bench = Bench(configuration())
    stream = Stream(bench.runtime, every=3)
    bench.start()
    return bench, stream


def one_event(event: Any, origin: Origin = Origin.INPUT) -> Any:
    """The only record of ``event`` as the first of a session."""
    (record,) = folded(State.initial(configuration(), None), [Recorded(1, 5, origin, event)])
    return record


def test_a_command_and_what_it_changed() -> None:
    """Who asked for what, why, about what, and the answer; the change has its own record."""
    bench, stream = session()
    bench.feed(
        support.command(events.SetTradingState(TradingState.HALTED, VENUE, INSTRUMENT), request_id="r1")
    )
    asked, applied, changed = rows(check(stream), "controls")[-3:]
    assert ("OperatorCommand", "op", "because", "set_trading_state") == (
        asked.event,
        asked.actor,
        asked.reason,
        asked.state,
    )
    assert (VENUE, INSTRUMENT, "main") == (asked.trace.venue, asked.trace.instrument, asked.trace.account)
    detail = json.loads(asked.detail)
    assert {
        "command": "SetTradingState",
        "state": "HALTED",
        "venue": VENUE,
        "instrument": INSTRUMENT,
    } == detail["command"]
    assert ("OperatorCommand", "r1", "op") == (detail["event"], detail["request_id"], detail["who"])
    assert ("CommandApplied", "applied", False) == (applied.event, applied.state, applied.HasField("actor"))
    assert ("TradingStateChanged", "halted", "op", "because") == (
        changed.event,
        changed.state,
        changed.actor,
        changed.reason,
    )


def test_a_refused_command_has_its_sentence() -> None:
    """The reason is what the operator was told; an order that it was about is in the trace."""
    bench, stream = session()
    bench.feed(support.command(events.CancelOrder(12)))
    asked, refused = rows(check(stream), "controls")[-2:]
    assert (12, "cancel_order") == (asked.trace.order_id, asked.state)
    assert ("refused", True) == (refused.state, "12" in refused.reason)


COMMANDS: dict[type, events.Command] = {
    events.SetTradingState: events.SetTradingState(TradingState.ACTIVE),
    events.CancelOrder: events.CancelOrder(1),
    events.CancelAll: events.CancelAll("", ""),
    events.SetStrategyEnabled: events.SetStrategyEnabled(False),
    events.SetConfiguration: events.SetConfiguration((("a", "1"),)),
    events.EngageKillSwitch: events.EngageKillSwitch(),
    events.ResetKillSwitch: events.ResetKillSwitch(),
    events.StopSession: events.StopSession(),
    events.StartSession: events.StartSession(),
    events.TakeCheckpoint: events.TakeCheckpoint(),
    events.RollBackConfiguration: events.RollBackConfiguration(1),
}


@pytest.mark.parametrize("kind", get_args(Command))
def test_every_command_can_be_told(kind: type) -> None:
    """Its name is there, also where it has no fields."""
    record = one_event(support.command(COMMANDS[kind]))
    assert kind.__name__ == json.loads(record.detail)["command"]["command"]


CASES: list[tuple[Any, tuple[str, str, str, str]]] = [
    (support.killed(VENUE), ("op", "operator because", "engaged", VENUE)),
    (support.feed_status(ConnectionStatus.LIVE), ("", "", "live", VENUE)),
    (support.venue_status(ConnectionStatus.DEGRADED), ("", "", "degraded", VENUE)),
    (
        events.IncidentOpened(name="disk", scope="journal", grade="critical", detail="full"),
        ("", "full", "disk", ""),
    ),
    (events.IncidentClosed(name="disk", scope="journal", detail="free"), ("", "free", "disk", "")),
    (
        events.VenueBackoff(recv_ns=1, venue=VENUE, retry_after_ns=5, reason="429"),
        ("", "429", "backoff", VENUE),
    ),
    (
        events.KillReceipt(
            flat=False,
            gate_closed_ns=1,
            last_new_ns=0,
            rounds=2,
            open_orders=1,
            unknown_orders=0,
            detail="one is open",
        ),
        ("", "one is open", "not_flat", ""),
    ),
]


@pytest.mark.parametrize(("event", "expected"), CASES, ids=lambda one: type(one).__name__)
def test_what_is_told_of_an_event(event: Any, expected: tuple[str, str, str, str]) -> None:
    """Actor, reason, state and venue, where there are any; all fields as JSON."""
    record = one_event(event)
    assert expected == (record.actor, record.reason, record.state, record.trace.venue)
    assert type(event).__name__ == record.event == json.loads(record.detail)["event"]
    assert record.HasField("grade") == isinstance(event, events.IncidentOpened)


DERIVED: list[tuple[Any, tuple[str, str, str]]] = [
    (events.KillSwitchReset(by="op", reason="fine"), ("op", "fine", "reset")),
    (events.StrategyFailed(hook="on_event", error="KeyError"), ("", "on_event KeyError", "failed")),
    (events.StrategyDisabled(by="core", reason="failed"), ("core", "failed", "disabled")),
    (events.StrategyEnabled(by="op", reason="mended"), ("op", "mended", "enabled")),
    (
        events.AnomalyDetected(
            kind="bad_fill", venue="", instrument=INSTRUMENT, order_id=3, detail="0 at 1", halts=INSTRUMENT
        ),
        ("", "0 at 1", "bad_fill"),
    ),
]


@pytest.mark.parametrize(("event", "expected"), DERIVED, ids=lambda one: type(one).__name__)
def test_what_is_told_of_a_derived_event(event: Any, expected: tuple[str, str, str]) -> None:
    """The same for what the Core derived."""
    record = one_event(event, Origin.DERIVED)
    assert expected == (record.actor, record.reason, record.state)


def test_a_new_configuration_counts_from_its_own_record_on() -> None:
    """The trace has the version that the Event left."""
    bench, stream = session()
    bench.feed(support.command(events.SetConfiguration((("risk.defaults.max_order_qty", '"5"'),))))
    asked, applied, changed = rows(check(stream), "controls")[-3:]
    versions = [one.trace.configuration_version for one in (asked, applied, changed)]
    assert [1, 1, 2] == versions
    assert ("version 2", bench.state.control.configuration_digest) == (
        changed.state,
        changed.trace.configuration_digest,
    )


def test_an_instrument_knows_its_venue() -> None:
    """Where an Event names an instrument only, the venue is that of its definition; of an unknown one there is none."""
    bench, stream = session()
    bench.feed(support.quote(10, 5))
    bench.feed(support.quote(10, 11, "sim:NONE"))
    known, unknown = rows(check(stream), "controls", event="AnomalyDetected")
    assert (VENUE, INSTRUMENT) == (known.trace.venue, known.trace.instrument)
    assert ("", "sim:NONE") == (unknown.trace.venue, unknown.trace.instrument)


def test_odd_texts_do_no_harm() -> None:
    """Names, reasons and details from outside may be anything."""
    record = one_event(
        events.OperatorCommand(
            request_id="\0",
            command=events.SetConfiguration((("k\ud800", "v\0"),)),
            who="\udfffop",
            why="\0",
            base_version=0,
        )
    )
    assert ("\ufffdop", "\ufffd") == (record.actor, record.reason)
    assert [["k\ufffd", "v\ufffd"]] == json.loads(record.detail)["command"]["patch"]
    assert record == record.FromString(record.SerializeToString())


def test_a_denial_has_its_rule_and_numbers() -> None:
    """The numbers that were compared, in order."""
    bench, stream = session()
    bench.want(Cancel(order_id=77))
    (one,) = rows(check(stream), "denials")
    assert ("cancel", "denied", "strategy", "order_id", "order_id=77", 77) == (
        one.kind,
        one.outcome,
        one.source,
        one.rule,
        one.inputs,
        one.trace.order_id,
    )
    assert one.detail


def test_an_odd_denial_can_be_told() -> None:
    """A source that is none is left out; inputs are one text."""
    event = events.IntentDenied(
        intent=RequestKind.NEW,
        venue="v\0",
        instrument="",
        order_id=0,
        source=99,
        rule="r\ud800",
        inputs=("a=1", "b=\0"),
        detail="",
    )
    one = one_event(event, Origin.DERIVED)
    assert ("r\ufffd", "a=1 b=\ufffd", "v\ufffd") == (one.rule, one.inputs, one.trace.venue)
    absent = [one.HasField(name) for name in ("source", "detail")]
    assert [False, False, False, False] == [
        *absent,
        *(one.trace.HasField(name) for name in ("instrument", "order_id")),
    ]


def test_a_withdrawal_has_its_reason() -> None:
    """Nobody denied it: it left the queue."""
    event = events.IntentWithdrawn(
        intent=RequestKind.REPLACE,
        venue=VENUE,
        instrument=INSTRUMENT,
        order_id=5,
        reason=WithdrawReason.KILL_SWITCH,
    )
    one = one_event(event, Origin.DERIVED)
    assert ("replace", "withdrawn", "kill_switch", False) == (
        one.kind,
        one.outcome,
        one.rule,
        one.HasField("source"),
    )


def test_a_session_from_start_to_end() -> None:
    """With what it was started with, and its last digest."""
    bench, stream = session()
    bench.feed(events.SessionResumed(epoch="BBBBBBBBB", wall_ns=7))
    bench.feed(events.SessionStopping(by="op", reason="over"))
    bench.feed(events.SessionStopped(reason="stopped"))
    told = rows(check(stream), "sessions")
    assert ["started", "resumed", "stopping", "stopped", "checkpoint"] == [one.event for one in told]
    started, resumed, stopping, stopped, last = told
    assert (support.EPOCH, 0, 1, "9.9.9", '{"a":1}') == (
        started.epoch,
        started.wall_ns,
        started.semantics_version,
        started.package_version,
        started.configuration,
    )
    assert ("BBBBBBBBB", 7) == (resumed.epoch, resumed.wall_ns)
    assert ("op", "over", "stopped") == (stopping.actor, stopping.reason, stopped.reason)
    assert bench.state.digest() == last.digest


def test_a_start_that_was_refused_is_no_start() -> None:
    """It is an anomaly, and nothing else; the same for a resumption under an epoch that was used."""
    bench, stream = session()
    bench.feed(support.session_started())
    bench.feed(events.SessionResumed(epoch=support.EPOCH, wall_ns=7))
    records = check(stream)
    assert ["started"] == [one.event for one in rows(records, "sessions")]
    assert ["session_started_twice", "bad_resume"] == [
        one.state for one in rows(records, "controls", event="AnomalyDetected")
    ]


def test_a_huge_number_of_a_start() -> None:
    """The fields hold what they can."""
    event = events.SessionStarted(
        session="s",
        node="n",
        epoch="e\0",
        strategy="",
        strategy_digest="",
        configuration_version=1,
        configuration_digest="",
        semantics_version=2**40,
        wall_ns=2**64 - 1,
    )
    one = one_event(event)
    assert (2**31 - 1, 2**63 - 1, "e\ufffd") == (one.semantics_version, one.wall_ns, one.epoch)


def test_every_event_is_decided_on() -> None:
    """Whoever adds an Event has to say which records it leaves."""
    silent = {
        *events.MARKET_EVENTS,
        events.RateLimitReport,
        events.VenueClock,
        events.ControlTime,
        events.CheckpointRequested,
    }
    every = {*events.MARKET_EVENTS, *events.EXECUTION_EVENTS, *events.CONTROL_EVENTS, *events.DERIVED_EVENTS}
    assert every == silent | set(_HANDLERS)
    assert not silent & set(_HANDLERS)
    assert set(CONTROLS) <= set(_HANDLERS)
    assert RecordFold(ORIGIN, Projection(State.initial(configuration(), None))).origin is ORIGIN
