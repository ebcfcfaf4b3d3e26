"""From open to LIVE, and what stops it."""

from __future__ import annotations

import json

import pytest

from livestack.core.events import (
    BalanceReport,
    FillsReconciled,
    VenueClock,
    VenueStatusChanged,
)
from livestack.core.types import (
    ConnectionStatus,
)
from livestack.venues.adapter import Credentials
from livestack.venues.binance_spot import BinanceSpot
from livestack.venues.binance_spot.handshake import Done
from tests.venues.binance_spot.venue import VENUE, Desk


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_live_only_after_log_on_subscription_and_reconciliation(kind: str) -> None:
    """SYNCHRONISING when open; LIVE last, behind clock, open orders, fills and complete balances."""
    desk = Desk(kind).connect()
    assert [event.status for event in desk.of(VenueStatusChanged)] == [
        ConnectionStatus.SYNCHRONISING,
        ConnectionStatus.LIVE,
    ]
    assert isinstance(desk.events[-1], VenueStatusChanged)
    assert [event.complete for event in desk.of(BalanceReport)] == [True]
    assert len(desk.of(FillsReconciled)) == len(desk.of(VenueClock)) == 1
    methods = [json.loads(text)["method"] for text in desk.sent]
    log_on = (
        ["session.logon", "userDataStream.subscribe"]
        if kind == "ed25519"
        else ["userDataStream.subscribe.signature"]
    )
    assert methods == ["time", *log_on, "openOrders.status", "myTrades", "account.status"]
    assert desk.adapter.faults == {}


def test_the_venue_ending_the_private_stream_leads_through_reconciliation_again() -> None:
    """eventStreamTerminated: SYNCHRONISING, subscribed and reconciled anew, LIVE."""
    desk = Desk().connect()
    start = len(desk.events)
    desk.adapter.receive(b'{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1}}', desk.now_ns)
    desk.settle()
    statuses = [event.status for event in desk.of(VenueStatusChanged)]
    assert statuses[-2:] == [ConnectionStatus.SYNCHRONISING, ConnectionStatus.LIVE]
    assert desk.names(start)[0] == "VenueStatusChanged"


def test_a_wrong_key_degrades_and_never_shows_itself() -> None:
    """-2014: DEGRADED with the venue's text; neither key nor secret in any complaint; tried again later."""
    desk = Desk()
    credentials = Credentials("wrong" * 12, "hmac", "s3cr3t-of-the-test")
    desk.adapter = BinanceSpot().order_entry(VENUE, (desk.instrument,), credentials)
    desk.connect()
    assert desk.adapter.status is ConnectionStatus.DEGRADED
    shown = repr(desk.adapter.complaints()) + repr(desk.events)
    assert "wrongwrong" not in shown
    assert "s3cr3t" not in shown
    before = len(desk.sent)
    desk.wait(2)
    assert len(desk.sent) > before


def test_a_key_that_is_repaired_leads_to_live() -> None:
    """Refused at first: DEGRADED. Accepted later over the same connection: SYNCHRONISING, LIVE."""
    desk = Desk()

    def refuse(frame: str) -> list[str]:
        document = json.loads(frame)
        if "subscriptionId" not in frame:
            return [frame]
        error = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
        return [json.dumps({"id": document["id"], "status": 401, "error": error})]

    desk.change = refuse
    desk.connect()
    assert desk.adapter.status is ConnectionStatus.DEGRADED
    desk.change = lambda frame: [frame]
    desk.wait(3)
    assert [event.status for event in desk.of(VenueStatusChanged)][-2:] == [
        ConnectionStatus.SYNCHRONISING,
        ConnectionStatus.LIVE,
    ]


def test_frames_that_cannot_be_read_do_not_cost_a_reconciliation_each() -> None:
    """The first one is followed by one at once, the next ones later and later; LIVE again when they stop."""
    desk = Desk().connect()
    for _ in range(40):
        desk.adapter.receive(b"garbage", desk.now_ns)
        desk.settle()
        desk.wait(0.25)
    assert sum(json.loads(text)["method"] == "time" for text in desk.sent) <= 8
    desk.wait(40)
    assert desk.adapter.status is ConnectionStatus.LIVE


def test_a_step_without_an_answer_begins_the_whole_anew() -> None:
    """Ten seconds without a reply: from the clock on again, and LIVE in the end; never LIVE before."""
    desk = Desk()
    desk.change = lambda frame: [] if "subscriptionId" in frame else [frame]
    desk.connect()
    desk.wait(5)
    assert desk.adapter.status is ConnectionStatus.SYNCHRONISING
    desk.wait(6)
    desk.change = lambda frame: [frame]
    desk.wait(12)
    assert desk.adapter.status is ConnectionStatus.LIVE
    assert sum(json.loads(text)["method"] == "time" for text in desk.sent) >= 2


def test_an_answer_that_is_lost_within_does_not_stop_it_for_ever() -> None:
    """A step that is never done, with no question under way: after a minute it begins anew."""
    desk = Desk()
    lost = [True]
    balances = desk.adapter._reconciliation.balances

    def lose_first(done: Done) -> None:
        if lost[0]:
            lost[0] = False
        else:
            balances(done)

    desk.adapter._reconciliation.balances = lose_first  # type: ignore[method-assign]
    desk.connect()
    desk.wait(59)
    assert desk.adapter.status is ConnectionStatus.SYNCHRONISING
    desk.wait(3)
    assert desk.adapter.status is ConnectionStatus.LIVE
    assert {"handshake_failed": 1} == desk.adapter.faults


def test_a_step_that_waits_for_the_budget_is_not_lost() -> None:
    """Two minutes without room for its question: the same attempt goes on."""
    desk = Desk()
    desk.change = lambda frame: [] if "balances" in frame else [frame]
    desk.budget.silence(desk.now_ns + 120_000_000_000, is_ban=False)
    desk.connect()
    desk.wait(119)
    assert [] == desk.sent
    assert {} == desk.adapter.faults
