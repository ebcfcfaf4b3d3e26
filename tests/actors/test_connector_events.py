"""The Events that the connector makes: a baseline once, in front of what it is taken from."""

from __future__ import annotations

from livestack.actors.connector_events import Baseline, not_sent, request_sent, says_live
from livestack.core.events import AccountBaseline, BalanceReport, Event, VenueStatusChanged
from livestack.core.types import ConnectionStatus, FailureReason
from tests.actors.fakes import REQUEST


def report(complete: bool) -> BalanceReport:
    return BalanceReport(recv_ns=4, venue="v", event_ns=3, balances=(), complete=complete)


def test_the_first_complete_report_makes_the_baseline() -> None:
    """Not a partial one, not a second one, and none where the session has its own."""
    events: list[Event] = [report(False), report(True), report(True)]
    kinds = [BalanceReport, AccountBaseline, BalanceReport, BalanceReport]
    baseline = Baseline("v", "a", is_known=False)
    assert kinds == [type(one) for one in baseline.add_to(events)]
    assert events == baseline.add_to(events)
    assert events == Baseline("v", "a", is_known=True).add_to(events)


def test_what_is_said_of_a_request_names_it() -> None:
    """By order id and revision, whatever became of it."""
    failed, sent = not_sent("v", REQUEST, "gate: KILL"), request_sent("v", REQUEST, 5, 6)
    assert (1, 1, FailureReason.NOT_SENT, "gate: KILL") == (
        failed.order_id,
        failed.revision,
        failed.reason,
        failed.detail,
    )
    assert (1, 1, 5, 6) == (sent.order_id, sent.revision, sent.gate_ns, sent.send_ns)


def test_only_a_live_venue_is_live() -> None:
    """Whatever else is told beside it."""
    statuses = {
        status: VenueStatusChanged(recv_ns=0, venue="v", status=status, reason="")
        for status in ConnectionStatus
    }
    assert [ConnectionStatus.LIVE] == [status for status, event in statuses.items() if says_live([event])]
    assert says_live(list(statuses.values()))
    assert not says_live([])
