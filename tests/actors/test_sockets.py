"""Connections of a connector: one attempt at a time, later each time, within the venue's limits."""

from __future__ import annotations

import pytest

from livestack.actors.mailbox import Mailbox
from livestack.actors.messages import Closed, Connect
from livestack.actors.sockets import Sockets
from livestack.transports.base import Refusal
from livestack.venues.budget import Purpose, RequestBudget
from tests.actors.fakes import FakeBackoff, FakeClock, FakeTimers, FakeWebSocket, messages


class Bench:
    """Sockets of the third connector of a run."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.timers = FakeTimers()
        self.websocket = FakeWebSocket()
        self.mailbox = Mailbox()
        self.budget = RequestBudget()
        self.sockets = Sockets(
            websocket=self.websocket,
            url="ws://venue",
            mailbox=self.mailbox,
            clock=self.clock,
            timers=self.timers,
            backoff=FakeBackoff(),  # type: ignore[arg-type]
            budget=self.budget,
            start=2,
        )

    def fire(self) -> None:
        self.timers.fire()
        for message in messages(self.mailbox):
            assert Connect(2) == message
            self.sockets.due()


def test_numbers_are_never_used_twice() -> None:
    """Each connection has its own, also over the connectors of a run."""
    bench = Bench()
    first = (2 << 32) + 1
    bench.sockets.want()
    assert bench.sockets.opened(first)
    bench.sockets.want()
    assert bench.sockets.opened(first + 1)
    assert not bench.sockets.opened(1)
    assert 2 == len(bench.sockets)


def test_an_attempt_under_way_is_enough() -> None:
    """Wishes and plans meanwhile change nothing; behind a failure one is planned, and no more."""
    bench = Bench()
    bench.sockets.want()
    bench.sockets.want()
    assert 0 == bench.sockets.plan()
    assert 1 == len(bench.websocket.connections)
    assert bench.sockets.closed((2 << 32) + 1)
    assert 1 == bench.sockets.plan()
    assert 0 == bench.sockets.plan()
    bench.sockets.want()
    bench.fire()
    assert 2 == len(bench.websocket.connections)


def test_what_was_not_planned_is_not_done() -> None:
    """A timer that fires late for nothing opens nothing."""
    bench = Bench()
    bench.sockets.due()
    assert [] == bench.websocket.connections


def test_opening_costs_weight() -> None:
    """Two of the minute's, for each."""
    bench = Bench()
    bench.sockets.want()
    assert 2 == bench.budget.used(bench.clock.now_ns())


def test_the_end_of_an_open_connection_is_no_failed_attempt() -> None:
    """``closed`` tells the two apart."""
    bench = Bench()
    bench.sockets.want()
    bench.sockets.opened((2 << 32) + 1)
    assert not bench.sockets.closed((2 << 32) + 1)
    assert 0 == len(bench.sockets)


def test_after_the_end_nothing_is_opened() -> None:
    """Connections are cut, timers cancelled, wishes ignored."""
    bench = Bench()
    bench.sockets.want()
    bench.sockets.opened((2 << 32) + 1)
    bench.sockets.stop()
    bench.sockets.want()
    assert 0 == bench.sockets.plan()
    assert [True] == [one.closed for one in bench.websocket.connections]


@pytest.mark.parametrize(
    ("refusal", "wait_s"),
    [
        (Refusal(418, 600), 600),
        (Refusal(429, 7), 7),
        (Refusal(429), 60),
        (Refusal(418, 10**9), 3 * 24 * 3_600),
    ],
    ids=["ban", "limit", "does not say", "for ever"],
)
def test_an_upgrade_that_is_refused_for_a_while_is_not_tried_before(refusal: Refusal, wait_s: int) -> None:
    """As long as the venue says, a minute where it does not, three days at most; then once."""
    bench = Bench()
    bench.sockets.want()
    bench.sockets.closed((2 << 32) + 1, refusal)
    for _ in range(3):
        bench.sockets.plan()
        bench.fire()
    assert 1 == len(bench.websocket.connections)
    until_ns = 1_000_000_000 + wait_s * 1_000_000_000
    assert [until_ns] == [at_ns for at_ns, _ in bench.timers.pending]
    purpose = Purpose.REDUCE if refusal.status == 418 else Purpose.DOUBT
    assert until_ns == bench.budget.silent_until_ns(purpose)
    bench.clock.time_ns = until_ns
    bench.fire()
    assert 2 == len(bench.websocket.connections)


@pytest.mark.parametrize("refusal", [None, Refusal(401), Refusal(403, 600), Refusal(503)])
def test_any_other_failure_silences_nobody(refusal: Refusal | None) -> None:
    """It is tried again as after any loss."""
    bench = Bench()
    bench.sockets.want()
    bench.sockets.closed((2 << 32) + 1, refusal)
    assert 0 == bench.budget.silent_until_ns(Purpose.MARKET)
    bench.sockets.plan()
    bench.fire()
    assert 2 == len(bench.websocket.connections)


def test_the_connection_s_thread_hands_the_refusal_on() -> None:
    """With the reason, in one message."""
    bench = Bench()
    bench.sockets.want()
    bench.websocket.receivers[0].on_close("refused", 5, Refusal(418, 9))
    assert [Closed((2 << 32) + 1, "refused", 5, Refusal(418, 9))] == messages(bench.mailbox)
