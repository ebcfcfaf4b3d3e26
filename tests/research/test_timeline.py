"""A session's incidents, commands and state changes."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from hypothesis import given

from livestack.core import events
from livestack.core.events import Event, Recorded
from livestack.core.incidents import FEED_DOWN, KILL, STALL
from livestack.core.types import ConnectionStatus, Origin, TradingState
from livestack.journal.salvage import Gap
from livestack.research.timeline import timeline
from tests.journal import strategies
from tests.research.sessions import CLOSING, INSTRUMENT, opening, quotes

SECOND = 1_000_000_000
TOLD = {
    "SessionStarted",
    "SessionResumed",
    "SessionStopping",
    "SessionStopped",
    "AccountBaseline",
    "OperatorCommand",
    "CommandApplied",
    "CommandRefused",
    "ConfigurationChanged",
    "TradingStateChanged",
    "KillSwitchEngaged",
    "KillSwitchReset",
    "KillReceipt",
    "FeedStatusChanged",
    "VenueStatusChanged",
    "VenueBackoff",
    "IncidentOpened",
    "IncidentClosed",
    "AnomalyDetected",
    "StrategyFailed",
    "StrategyDisabled",
    "StrategyEnabled",
}


def records(*happened: Event) -> list[Recorded]:
    """A second apart."""
    return [Recorded(seq, (100 + seq) * SECOND, Origin.INPUT, one) for seq, one in enumerate(happened, 1)]


def test_a_session_from_start_to_stop() -> None:
    """In order, with times from the start; its market is left out."""
    found = list(timeline(records(*opening("s"), *quotes(3), *CLOSING)))
    assert ["session", "account", "venue", "feed", "session", "session"] == [one.kind for one in found]
    assert [0, 2, 3, 4, 9, 10] == [one.after_ns // SECOND for one in found]
    assert "feed of binance_spot:BTCUSDT live" == found[3].text
    assert {"info"} == {one.grade for one in found}


@given(strategies.event())
def test_every_event_that_an_operator_asks_for_has_a_sentence(event: Event) -> None:
    """And no other is told."""
    found = list(timeline([Recorded(1, 1, Origin.INPUT, event)]))
    assert (type(event).__name__ in TOLD) is bool(found)
    assert all(one.text and one.grade in ("info", "warning", "bad") for one in found)


def test_what_is_bad_is_marked() -> None:
    """A feed that is lost, a kill-switch, trading that is halted; what is well again is not."""
    lost = events.FeedStatusChanged(
        recv_ns=0, venue="v", instrument=INSTRUMENT, status=ConnectionStatus.DEGRADED, reason="gap"
    )
    killed = events.KillSwitchEngaged(trigger="operator", by="me", reason="enough")
    halted = events.TradingStateChanged(state=TradingState.HALTED, by="me", reason="")
    active = events.TradingStateChanged(state=TradingState.ACTIVE, by="me", reason="")
    found = list(timeline(records(lost, killed, halted, active)))
    assert ["warning", "bad", "warning", "info"] == [one.grade for one in found]
    assert "feed of binance_spot:BTCUSDT degraded: gap" == found[0].text
    assert "engaged for everything by me, trigger operator: enough" == found[1].text


def test_a_command_says_what_was_asked_and_why() -> None:
    """Each of them."""
    commands: list[tuple[events.Command, str]] = [
        (events.SetTradingState(state=TradingState.HALTED), "trading HALTED for everything"),
        (events.SetTradingState(state=TradingState.ACTIVE, venue="v"), "trading ACTIVE for v"),
        (events.EngageKillSwitch(venue="v", instrument="v:S"), "kill-switch for v:S"),
        (events.ResetKillSwitch(), "reset the kill-switch"),
        (
            events.ResetKillSwitch(accept_unknown=True),
            "reset the kill-switch, orders of unknown fate accepted",
        ),
        (events.StopSession(), "stop the session"),
        (events.StartSession(), "start the session"),
        (events.TakeCheckpoint(), "a checkpoint"),
        (events.RollBackConfiguration(version=3), "configuration back to version 3"),
        (events.CancelOrder(order_id=7), "cancel order 7"),
        (events.CancelAll(venue="v", instrument=""), "cancel every order of v"),
        (events.SetStrategyEnabled(enabled=False), "strategy disabled"),
        (
            events.SetConfiguration(patch=(("decisions.every_nth", "2"),)),
            "configuration decisions.every_nth = 2",
        ),
    ]
    for command, expected in commands:
        one = events.OperatorCommand(request_id="r", command=command, who="me", why="drill", base_version=0)
        (found,) = timeline(records(one))
        assert f"me asks: {expected}: drill" == found.text


def test_a_kill_receipt_says_what_is_left() -> None:
    """A warning with what is open and unknown, until nothing is."""
    receipt = events.KillReceipt(
        flat=False,
        gate_closed_ns=1,
        last_new_ns=0,
        rounds=2,
        open_orders=3,
        unknown_orders=1,
        detail="v is silent",
    )
    flat = msgspec.structs.replace(receipt, flat=True, open_orders=0, unknown_orders=0, detail="")
    found = [(one.kind, one.grade, one.text) for one in timeline(records(receipt, flat))]
    assert [
        ("kill switch", "warning", "3 orders open, 1 of unknown fate, asked 2 times: v is silent"),
        ("kill switch", "info", "nothing is open, asked 2 times"),
    ] == found


def test_a_hole_in_the_journal_is_a_moment() -> None:
    """With its positions; what comes behind it is told."""
    before, after = records(CLOSING[1], CLOSING[2])
    found = list(timeline([before, Gap(2, 9, "damaged"), after]))
    assert [("session", 1), ("gap", 2), ("session", 2)] == [(one.kind, one.seq) for one in found]
    assert "damaged" in found[1].text


def test_an_incident_says_how_long_it_was_open() -> None:
    """From its first telling; what is open at the end is told there; a session that is resumed begins without any."""
    moments = list(
        timeline(
            records(
                FEED_DOWN.opened("v", "gone"),
                FEED_DOWN.opened("v", "still gone"),
                KILL.opened("", "file"),
                FEED_DOWN.closed("v", "back"),
                FEED_DOWN.closed("v", "back"),
                STALL.opened("harness", "slow"),
                STALL.closed("harness", "it returned after 3.0 s"),
                STALL.opened("harness", "slow"),
                events.SessionResumed(epoch="e", wall_ns=1),
                STALL.closed("harness", "late"),
                KILL.opened("", "again"),
                events.SessionStopped(reason=""),
            )
        )
    )
    assert [
        "feed_down opened for v: gone",
        "feed_down still open for v: still gone",
        "kill opened for the node: file",
        "feed_down closed for v after 3.000 s: back",
        "feed_down closed for v: back",
        "stall opened for harness: slow",
        "stall closed for harness: it returned after 3.0 s",
        "stall opened for harness: slow",
        "resumed after an interruption, epoch e",
        "stall closed for harness: late",
        "kill opened for the node: again",
        "stopped",
        "kill open for the node to the end, for 1.000 s",
    ] == [one.text for one in moments]
    assert [3 * SECOND, SECOND] == [one.details["open_ns"] for one in moments if "open_ns" in one.details]


def test_it_is_told_as_it_is_read() -> None:
    """Memory does not depend on the journal's length: each moment comes before the next record is asked for."""
    asked = []

    def stream() -> Iterator[Recorded]:
        for one in records(CLOSING[1], *quotes(1), CLOSING[2]):
            asked.append(one.seq)
            yield one

    moments = timeline(stream())
    next(moments)
    assert [1] == asked
