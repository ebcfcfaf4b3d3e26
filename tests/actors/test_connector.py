"""The connector: nothing but committed dispatches through the gate, and every outcome said truly."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from livestack.actors.connector import ConnectorActor
from livestack.actors.gate import DispatchGate, Hold, Passage
from livestack.actors.mailbox import HarnessMailbox, Mailbox
from livestack.actors.measures import Measures
from livestack.actors.messages import (
    ActorFailed,
    AskVenue,
    Closed,
    Connect,
    FrameReceived,
    Opened,
    Release,
    Tick,
    Unreachable,
)
from livestack.core.events import (
    AccountBaseline,
    BalanceReport,
    DispatchFailed,
    RequestSent,
    VenueStatusChanged,
)
from livestack.core.obligations import CancelAllAtVenue, QueryOpenOrders
from livestack.core.types import ConnectionStatus, FailureReason, OrderRequest
from livestack.exceptions import NotSentError, TransportError
from livestack.journal.writer import CommittedDispatch
from livestack.venues.adapter import LOG_ON_REFUSED, Complaint, HostRequest
from livestack.venues.budget import RequestBudget
from tests.actors.fakes import (
    REQUEST,
    FakeBackoff,
    FakeClock,
    FakeHttp,
    FakeOrderEntry,
    FakeRequests,
    FakeTimers,
    FakeWebSocket,
    dispatched,
    messages,
)
from tests.journal_support import committed


class Bench:
    """A connector without a thread, connected and LIVE unless told otherwise."""

    def __init__(self, directory: Path, live: bool = True) -> None:
        self.starts = 0
        self.clock = FakeClock()
        self.timers = FakeTimers()
        self.adapter = FakeOrderEntry()
        self.harness = HarnessMailbox()
        self.supervisor = Mailbox()
        self.mailbox = Mailbox()
        self.gate = DispatchGate(["v"])
        self.websocket = FakeWebSocket()
        self.http = FakeHttp()
        self.requests = FakeRequests()
        self.budget = RequestBudget()
        self.directory = directory
        self.measures = self.measured()
        self.actor = self.started()
        if live:
            self.actor.on_receive([Opened(1, self.clock.now_ns())])

    def measured(self) -> Measures | None:
        """What it is measured with: nothing."""
        return None

    def started(self) -> ConnectorActor:
        """The first one, or the next with the same mailbox."""
        actor = ConnectorActor(
            venue="v",
            account="a",
            mailbox=self.mailbox,
            supervisor=self.supervisor,
            adapter=self.adapter,
            harness=self.harness,
            gate=self.gate,
            websocket=self.websocket,
            url="ws://venue",
            http=self.http,
            requests=self.requests,
            rest_url="http://venue",
            budget=self.budget,
            clock=self.clock,
            timers=self.timers,
            backoff=FakeBackoff(),
            dispatch_age_ns_max=1_000_000,
            start=self.starts,
            measures=self.measures,
        )
        self.starts += 1
        actor.on_start()
        return actor

    @property
    def connection(self):
        return self.websocket.connections[-1]

    def release(self) -> CommittedDispatch:
        (dispatch,) = committed(self.directory, [dispatched(ts=self.clock.now_ns())])
        self.actor.on_receive([Release([dispatch])])
        return dispatch


def test_writes_a_committed_dispatch_and_says_so(tmp_path: Path) -> None:
    """LIVE, gate open: the frame goes out, then ``RequestSent``."""
    bench = Bench(tmp_path)
    bench.release()
    assert ["NEW AAAAAAAAA-1-1"] == bench.connection.sent
    assert [RequestSent] == [type(event) for event in messages(bench.harness)]
    assert ("sent", "AAAAAAAAA-1-1") in bench.adapter.calls


@pytest.mark.parametrize("hold", [Hold.KILL, Hold.JOURNAL, Hold.STALL, Hold.SHUTDOWN])
def test_a_hold_stops_it_before_the_first_byte(tmp_path: Path, hold: Hold) -> None:
    """Under a hold nothing is written and the outcome is a certain no that names the hold."""
    bench = Bench(tmp_path)
    bench.gate.close(hold)
    bench.release()
    (event,) = messages(bench.harness)
    assert [] == bench.connection.sent
    assert isinstance(event, DispatchFailed)
    assert (FailureReason.NOT_SENT, f"gate: {hold.name}") == (event.reason, event.detail)
    assert ("unsent", "AAAAAAAAA-1-1") in bench.adapter.calls


def test_not_live_means_not_sent(tmp_path: Path) -> None:
    """Before log-on and reconciliation nothing is sent, and nothing waits for it."""
    bench = Bench(tmp_path, live=False)
    bench.release()
    (event,) = messages(bench.harness)
    assert isinstance(event, DispatchFailed)
    assert "connector is DISCONNECTED" == event.detail


def test_too_old_means_not_sent(tmp_path: Path) -> None:
    """A dispatch that waited longer than allowed is not sent any more."""
    bench = Bench(tmp_path)
    (dispatch,) = committed(tmp_path, [dispatched(ts=bench.clock.now_ns() - 2_000_000)])
    bench.actor.on_receive([Release([dispatch])])
    (event,) = messages(bench.harness)
    assert isinstance(event, DispatchFailed)
    assert "2 ms old" == event.detail


def test_what_the_protocol_cannot_say_is_not_sent(tmp_path: Path) -> None:
    """The adapter's refusal reaches the Core with its sentence."""
    bench = Bench(tmp_path)
    bench.adapter.refuse = "no such order type here"
    bench.release()
    (event,) = messages(bench.harness)
    assert isinstance(event, DispatchFailed)
    assert "no such order type here" == event.detail


def test_nothing_written_is_a_certain_no(tmp_path: Path) -> None:
    """``NotSentError`` proves it: ``DispatchFailed``."""
    bench = Bench(tmp_path)
    bench.connection.error = NotSentError("refused")
    bench.release()
    assert [DispatchFailed] == [type(event) for event in messages(bench.harness)]


def test_a_failed_write_is_unknown_and_stays_so(tmp_path: Path) -> None:
    """An error inside the write: neither sent nor failed is said, and the connection is given up."""
    bench = Bench(tmp_path)
    bench.connection.error = TransportError("broken pipe")
    bench.release()
    assert [] == messages(bench.harness)
    assert bench.connection.closed


def test_the_venue_down_hold_follows_the_connection(tmp_path: Path) -> None:
    """It stands until LIVE and again after a loss; then the adapter hears of it and a reconnect is planned."""
    bench = Bench(tmp_path, live=False)
    assert Hold.VENUE_DOWN is bench.gate.refusal("v", "", Passage.CANCEL)
    bench.actor.on_receive([Opened(1, 5)])
    assert bench.gate.refusal("v", "", Passage.NEW) is None
    bench.actor.on_receive([Closed(1, "gone", 6)])
    assert Hold.VENUE_DOWN is bench.gate.refusal("v", "", Passage.NEW)
    assert ("disconnected", "gone") in bench.adapter.calls
    bench.timers.fire()
    bench.actor.on_receive(messages(bench.mailbox))
    assert 2 == len(bench.websocket.connections)


def test_frames_of_an_earlier_connection_are_ignored(tmp_path: Path) -> None:
    """What a reader thread of a dead connection still delivers belongs to nobody."""
    bench = Bench(tmp_path)
    bench.actor.on_receive([FrameReceived(0, b"old", 1), FrameReceived(1, b"new", 2)])
    assert [("receive", b"new")] == [call for call in bench.adapter.calls if call[0] == "receive"]


def test_questions_wait_for_live(tmp_path: Path) -> None:
    """An obligation that comes while the venue is down is asked after the next reconciliation."""
    bench = Bench(tmp_path, live=False)
    query = QueryOpenOrders(scope="s", venue="v")
    bench.actor.on_receive([AskVenue(query)])
    assert not [call for call in bench.adapter.calls if call[0] == "ask"]
    bench.actor.on_receive([Opened(1, 5)])
    assert ("ask", query) in bench.adapter.calls


@pytest.mark.parametrize("status", [ConnectionStatus.SYNCHRONISING, ConnectionStatus.DEGRADED])
def test_cancelling_everything_does_not_wait_for_live(tmp_path: Path, status: ConnectionStatus) -> None:
    """A handshake may never end: whatever way there is carries it, while questions go on waiting."""
    bench = Bench(tmp_path)
    bench.adapter.status = status
    query, cancel = (
        QueryOpenOrders(scope="s", venue="v"),
        CancelAllAtVenue(scope="k", venue="v", instrument=""),
    )
    bench.actor.on_receive([AskVenue(query), AskVenue(cancel)])
    assert [cancel] == [what for call, what in bench.adapter.calls if call == "ask"]
    bench.adapter.status = ConnectionStatus.LIVE
    bench.actor.on_receive([Tick(0)])
    assert [cancel, query] == [what for call, what in bench.adapter.calls if call == "ask"]


def test_cancelling_everything_waits_for_a_way(tmp_path: Path) -> None:
    """Without any connection there is nobody to ask; it goes first when one opens, and once, however often wanted."""
    bench = Bench(tmp_path, live=False)
    cancel = CancelAllAtVenue(scope="k", venue="v", instrument="")
    bench.actor.on_receive([AskVenue(cancel), AskVenue(cancel)])
    assert [] == [call for call in bench.adapter.calls if call[0] == "ask"]
    bench.actor.on_receive([Opened(1, 5)])
    assert [cancel] == [what for call, what in bench.adapter.calls if call == "ask"]


def test_host_requests_pass_a_kill(tmp_path: Path) -> None:
    """Looking and reducing go on under every hold."""
    bench = Bench(tmp_path)
    bench.gate.close(Hold.KILL)
    bench.adapter.pending_out = [HostRequest("cancel all", "cancel-all", 1)]
    bench.actor.on_receive([FrameReceived(1, b"", 1)])
    assert ["cancel all"] == bench.connection.sent


def test_the_first_complete_balances_are_the_baseline(tmp_path: Path) -> None:
    """Once in a session, in front of the report itself."""
    bench = Bench(tmp_path)
    report = BalanceReport(recv_ns=1, venue="v", event_ns=1, balances=(), complete=True)
    bench.adapter.pending_events = [report]
    bench.actor.on_receive([FrameReceived(1, b"", 1)])
    bench.adapter.pending_events = [report]
    bench.actor.on_receive([FrameReceived(1, b"", 1)])
    kinds = [type(event) for event in messages(bench.harness)]
    assert [AccountBaseline, BalanceReport, BalanceReport] == kinds


def test_an_unreachable_venue_is_reported(tmp_path: Path) -> None:
    """The first connection failed: the supervisor hears address and cause."""
    bench = Bench(tmp_path, live=False)
    bench.actor.on_receive([Closed(1, "refused", 1)])
    assert [Unreachable("ws://venue", "refused")] == messages(bench.supervisor)


def test_a_refused_log_on_ends_a_session_that_has_not_begun(tmp_path: Path) -> None:
    """Wrong credentials: the supervisor hears what the venue said; after having been LIVE it is only logged."""
    bench = Bench(tmp_path, live=False)
    bench.adapter.pending_complaints = [Complaint(LOG_ON_REFUSED, "bad signature (-1022)", b"")]
    bench.actor.on_receive([FrameReceived(1, b"", 1)])
    assert [Unreachable("ws://venue", "log-on refused: bad signature (-1022)")] == messages(bench.supervisor)
    bench.actor.on_receive([Opened(1, 5)])
    bench.adapter.pending_complaints = [Complaint(LOG_ON_REFUSED, "bad signature (-1022)", b"")]
    bench.actor.on_receive([FrameReceived(1, b"", 1)])
    assert [] == messages(bench.supervisor)


def test_status_is_never_guessed(tmp_path: Path) -> None:
    """The adapter alone says when the connection is LIVE."""
    bench = Bench(tmp_path)
    bench.adapter.status = ConnectionStatus.SYNCHRONISING
    bench.release()
    (event,) = messages(bench.harness)
    assert isinstance(event, DispatchFailed)
    assert [] == bench.connection.sent


# -- One that fails, and the next


def fail(bench: Bench, batch: list[object]) -> None:
    """Have the adapter break at the second order, and Pykka tell the actor."""
    encode, orders = bench.adapter.encode, iter(range(100))

    def breaks(request: OrderRequest, now_ns: int, wall_ns: int) -> str:
        if next(orders) == 1:
            raise RuntimeError("bug")
        return encode(request, now_ns, wall_ns)

    bench.adapter.encode = breaks  # type: ignore[method-assign]
    with pytest.raises(RuntimeError) as raised:
        bench.actor.on_receive(batch)
    bench.actor.on_failure(raised.type, raised.value, raised.tb)


def released(bench: Bench, *numbers: int) -> Release:
    records = [
        dispatched(
            seq,
            bench.clock.now_ns(),
            msgspec.structs.replace(REQUEST, order_id=number, client_id=f"AAAAAAAAA-{number}-1"),
        )
        for seq, number in enumerate(numbers, 1)
    ]
    return Release(list(committed(bench.directory, records)))


def test_a_dead_connector_leaves_no_order_half_told(tmp_path: Path) -> None:
    """What was written is told, the one at hand is unknown, everything behind it was certainly not sent."""
    bench = Bench(tmp_path)
    first = released(bench, 1, 2, 3, 4, 5)
    question = AskVenue(QueryOpenOrders(scope="q", venue="v"))
    batch = [Release(first.dispatches[:3]), question, Release(first.dispatches[3:])]
    fail(bench, batch)
    told = messages(bench.harness)
    assert [1] == [one.order_id for one in told if isinstance(one, RequestSent)]
    failed = [one for one in told if isinstance(one, DispatchFailed)]
    assert [(3, FailureReason.NOT_SENT), (4, FailureReason.NOT_SENT), (5, FailureReason.NOT_SENT)] == [
        (one.order_id, one.reason) for one in failed
    ]
    assert ["NEW AAAAAAAAA-1-1"] == bench.connection.sent
    status = told[-1]
    assert isinstance(status, VenueStatusChanged)
    assert ConnectionStatus.DISCONNECTED is status.status


def test_a_dead_connector_closes_its_venue(tmp_path: Path) -> None:
    """Socket and gate; no timer of it is left; the supervisor hears its name."""
    bench = Bench(tmp_path)
    assert () == bench.gate.standing()
    fail(bench, [released(bench, 1, 2)])
    assert bench.connection.closed
    assert Hold.VENUE_DOWN is bench.gate.refusal("v", "", Passage.CANCEL)
    assert [] == bench.timers.pending
    (failed,) = messages(bench.supervisor)
    assert isinstance(failed, ActorFailed)
    assert "connector v" == failed.actor


def test_what_is_left_in_its_mailbox_is_the_next_ones(tmp_path: Path) -> None:
    """A question is asked by whoever can; an order that came meanwhile is refused, not forgotten."""
    bench = Bench(tmp_path)
    query = QueryOpenOrders(scope="q", venue="v")
    fail(bench, [released(bench, 1, 2), AskVenue(query)])
    bench.mailbox.tell(released(bench, 7))
    messages(bench.harness)
    bench.adapter = FakeOrderEntry()
    bench.actor = bench.started()
    bench.actor.on_receive(messages(bench.mailbox))
    assert [(7, "connector is DISCONNECTED")] == [
        (one.order_id, one.detail) for one in messages(bench.harness) if isinstance(one, DispatchFailed)
    ]
    bench.actor.on_receive([Opened((1 << 32) + 1, 5)])
    assert ("ask", query) in bench.adapter.calls
    assert () == bench.gate.standing()


def test_a_question_that_waited_for_log_on_is_not_lost_with_it(tmp_path: Path) -> None:
    """The venue was not LIVE yet when the connector failed."""
    bench = Bench(tmp_path, live=False)
    query = QueryOpenOrders(scope="q", venue="v")
    bench.actor.on_receive([AskVenue(query)])
    bench.actor.on_failure(RuntimeError, RuntimeError("bug"), None)
    assert [AskVenue(query)] == messages(bench.mailbox)


def test_frames_of_an_older_connectors_connection_are_nobodys(tmp_path: Path) -> None:
    """Its reader thread may live a moment longer: its messages carry a number of their own."""
    bench = Bench(tmp_path)
    old = bench.websocket.receivers[0]
    bench.actor.on_failure(RuntimeError, RuntimeError("bug"), None)
    bench.adapter = FakeOrderEntry()
    bench.actor = bench.started()
    old.on_frame(b"late", 1)
    old.on_open(1)
    old.on_close("late", 1)
    bench.actor.on_receive(messages(bench.mailbox))
    assert [] == bench.adapter.calls
    assert 2 == len(bench.websocket.connections)
    bench.websocket.receivers[1].on_frame(b"mine", 2)
    bench.actor.on_receive(messages(bench.mailbox))
    assert [("receive", b"mine")] == bench.adapter.calls


def test_a_later_connector_that_cannot_connect_does_not_end_the_session(tmp_path: Path) -> None:
    """The venue was reached in this run: the first connection alone may say that it cannot be."""
    bench = Bench(tmp_path)
    bench.actor.on_failure(RuntimeError, RuntimeError("bug"), None)
    bench.actor = bench.started()
    messages(bench.supervisor)
    bench.actor.on_receive([Closed((1 << 32) + 1, "refused", 5)])
    assert [] == messages(bench.supervisor)


# -- What a dead one's timers, or a failed start, leave behind


def succeeded(bench: Bench) -> None:
    """It failed, and another one has its place."""
    bench.actor.on_failure(RuntimeError, RuntimeError("bug"), None)
    bench.adapter = FakeOrderEntry()
    bench.actor = bench.started()


def test_a_reconnect_that_a_dead_one_planned_never_comes(tmp_path: Path) -> None:
    """Its timer is cancelled; the next one has one connection and one chain of ticks."""
    bench = Bench(tmp_path)
    bench.actor.on_receive([Closed(1, "gone", 6)])
    succeeded(bench)
    assert 1 == len(bench.timers.pending)
    bench.timers.fire()
    bench.actor.on_receive(messages(bench.mailbox))
    assert 2 == len(bench.websocket.connections)
    assert 1 == len(bench.timers.pending)


def test_a_timer_that_fired_for_a_dead_one_moves_nothing(tmp_path: Path) -> None:
    """Connect and Tick in the mailbox were not meant for its successor."""
    bench = Bench(tmp_path)
    bench.actor.on_receive([Closed(1, "gone", 6)])
    bench.timers.fire()
    succeeded(bench)
    pending = list(bench.timers.pending)
    left = messages(bench.mailbox)
    assert {Connect(0), Tick(0)} == set(left)
    bench.actor.on_receive(left)
    assert 2 == len(bench.websocket.connections)
    assert pending == bench.timers.pending
    assert [] == bench.adapter.calls


def test_it_never_has_two_connections(tmp_path: Path) -> None:
    """Whoever says that it is time to connect."""
    bench = Bench(tmp_path)
    bench.actor.on_receive([Connect(0)])
    assert 1 == len(bench.websocket.connections)


def test_one_that_stops_plans_nothing_more(tmp_path: Path) -> None:
    """Neither ticks nor connections."""
    bench = Bench(tmp_path)
    bench.actor.on_receive([Closed(1, "gone", 6)])
    bench.actor.on_stop()
    assert [] == bench.timers.pending
    assert [] == messages(bench.harness)


def test_one_that_started_too_late_hands_over(tmp_path: Path) -> None:
    """It was given up: its venue is shut, its questions are the next one's, and nobody hears that it failed."""
    bench = Bench(tmp_path, live=False)
    query = QueryOpenOrders(scope="q", venue="v")
    bench.actor.on_receive([AskVenue(query)])
    bench.actor.retire()
    bench.actor.on_stop()
    assert bench.connection.closed
    assert [AskVenue(query)] == messages(bench.mailbox)
    (status,) = messages(bench.harness)
    assert (ConnectionStatus.DISCONNECTED, "the connector did not start in time") == (
        status.status, status.reason,
    )  # fmt: skip
    assert [] == messages(bench.supervisor)
