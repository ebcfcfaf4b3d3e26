"""The connector with more than one connection, with none, and with requests that go a second time."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from livestack.actors.connector_kept import HELD_NS
from livestack.actors.gate import Hold, Passage
from livestack.actors.messages import Closed, Connect, FrameReceived, Opened, Release, Tick, Unreachable
from livestack.core.events import DispatchFailed, RequestSent
from livestack.core.types import ConnectionStatus, RequestKind
from livestack.exceptions import NotSentError, TransportError
from livestack.transports.base import HttpRequest, HttpResponse, Refusal
from livestack.venues.adapter import CloseLink, Fetch, HostRequest, Renew
from livestack.venues.budget import CONNECTS_MAX, Purpose
from tests.actors.fakes import REQUEST, dispatched, messages
from tests.actors.test_connector import Bench
from tests.journal_support import committed

SECOND_NS = 1_000_000_000


def connects(bench: Bench) -> None:
    """Whatever was planned is due."""
    bench.timers.fire()
    bench.actor.on_receive(messages(bench.mailbox))


def renewed(bench: Bench) -> None:
    """A second connection, open, beside the first."""
    bench.adapter.pending_out = [Renew(1, "it is old")]
    bench.actor.on_receive([FrameReceived(1, b"", 1)])
    bench.actor.on_receive([Opened(2, 2)])


def test_a_connection_is_renewed_beside_the_one_in_use(tmp_path: Path) -> None:
    """Both are open and heard; each request goes over the link that the adapter names; the old one closes when told."""
    bench = Bench(tmp_path)
    renewed(bench)
    first, second = bench.websocket.connections
    bench.adapter.pending_out = [HostRequest("old", "", 1), HostRequest("new", "", 2)]
    bench.actor.on_receive([FrameReceived(1, b"a", 1), FrameReceived(2, b"b", 1)])
    bench.release()
    assert (["old"], ["new", "NEW AAAAAAAAA-1-1"]) == (first.sent, second.sent)
    assert {("receive", b"a"), ("receive", b"b")} <= set(bench.adapter.calls)
    bench.adapter.pending_out = [CloseLink(1, "its successor is in use")]
    bench.actor.on_receive([FrameReceived(2, b"", 1)])
    assert (True, False) == (first.closed, second.closed)


def test_the_end_of_an_old_connection_is_no_loss(tmp_path: Path) -> None:
    """The gate stays open, nothing is reconnected."""
    bench = Bench(tmp_path)
    renewed(bench)
    bench.actor.on_receive([Closed(1, "closed by us", 3)])
    assert bench.gate.refusal("v", "", Passage.NEW) is None
    connects(bench)
    assert 2 == len(bench.websocket.connections)


def test_a_renewal_that_fails_is_tried_again_later(tmp_path: Path) -> None:
    """The connection in use is not touched; the next attempt waits as after any failure."""
    bench = Bench(tmp_path)
    bench.adapter.pending_out = [Renew(1, "it is old")]
    bench.actor.on_receive([FrameReceived(1, b"", 1)])
    bench.actor.on_receive([Closed(2, "refused", 2)])
    assert bench.gate.refusal("v", "", Passage.NEW) is None
    assert 2 == len(bench.websocket.connections)
    connects(bench)
    assert 3 == len(bench.websocket.connections)


def test_one_attempt_at_a_time(tmp_path: Path) -> None:
    """Two wishes for a successor make one."""
    bench = Bench(tmp_path)
    bench.adapter.pending_out = [Renew(1, "it is old"), Renew(1, "the venue is shutting it down")]
    bench.actor.on_receive([FrameReceived(1, b"", 1), Connect(0)])
    assert 2 == len(bench.websocket.connections)


def test_attempts_are_within_the_venue_s_limit(tmp_path: Path) -> None:
    """Where the address has used up its attempts the next one waits until one is free."""
    bench = Bench(tmp_path)
    now_ns = bench.clock.now_ns()
    while not bench.budget.connect(now_ns):
        pass
    assert CONNECTS_MAX > 1
    bench.actor.on_receive([Closed(1, "gone", now_ns)])
    connects(bench)
    assert 1 == len(bench.websocket.connections)
    (until_ns,) = [at_ns for at_ns, _ in bench.timers.pending if at_ns - now_ns > SECOND_NS]
    bench.clock.time_ns = until_ns
    connects(bench)
    assert 2 == len(bench.websocket.connections)


def over_rest(directory: Path) -> Bench:
    bench = Bench(directory)
    bench.adapter.is_over_rest = True
    return bench


def test_a_dispatch_without_a_connection_is_a_plain_request_inside_the_gate(tmp_path: Path) -> None:
    """Written by the request transport, then ``RequestSent``; its answer reaches the adapter through the mailbox."""
    bench = over_rest(tmp_path)
    bench.release()
    ((request, reply),) = bench.requests.written
    assert HttpRequest("POST", "http://venue/order?id=AAAAAAAAA-1-1", ()) == request
    assert [RequestSent] == [type(event) for event in messages(bench.harness)]
    assert bench.gate.last_new_ns("v") > 0
    reply(HttpResponse(200, (), b"{}", "", 1, 2))
    bench.actor.on_receive(messages(bench.mailbox))
    (answer,) = [what for call, what in bench.adapter.calls if call == "fetched"]
    assert (7, 200, b"{}") == (answer.fetch_id, answer.status, answer.body)


def test_a_hold_stops_a_plain_request_too(tmp_path: Path) -> None:
    """Not one byte leaves, and that is said."""
    bench = over_rest(tmp_path)
    bench.gate.close(Hold.KILL)
    bench.release()
    assert [] == bench.requests.written
    (event,) = messages(bench.harness)
    assert isinstance(event, DispatchFailed)
    assert "gate: KILL" == event.detail


@pytest.mark.parametrize(
    ("error", "expected"), [(NotSentError("none is ready"), [DispatchFailed]), (TransportError("cut"), [])]
)
def test_what_is_known_of_a_plain_request_s_write(
    tmp_path: Path, error: Exception, expected: list[type]
) -> None:
    """Nothing written is a certain no; anything else stays unknown."""
    bench = over_rest(tmp_path)
    bench.requests.error = error
    bench.release()
    assert expected == [type(event) for event in messages(bench.harness)]


def test_questions_go_their_own_way(tmp_path: Path) -> None:
    """Over the HTTP transport, not over the one for orders, which gets its connections ready meanwhile."""
    bench = Bench(tmp_path)
    bench.adapter.pending_out = [Fetch(3, "GET", "/time", "", (), "time")]
    bench.actor.on_receive([FrameReceived(1, b"", 1)])
    ((request, reply),) = bench.http.asked
    assert ("http://venue/time", [], ["http://venue"]) == (
        request.url,
        bench.requests.written,
        bench.requests.kept,
    )
    reply(HttpResponse(0, (), b"", "no route", 1, 2))
    bench.actor.on_receive(messages(bench.mailbox))
    assert 3 == next(what for call, what in bench.adapter.calls if call == "fetched").fetch_id


CANCEL_ALL = Fetch(4, "DELETE", "/openOrders", "symbol=S", (), "cancel all")


def reduce(bench: Bench, *fetches: Fetch) -> None:
    bench.adapter.pending_out = list(fetches)
    bench.actor.on_receive([FrameReceived(1, b"", 1)])


def fetched(bench: Bench) -> list[tuple[int, int]]:
    """Id and status of every answer that the adapter has heard."""
    return [(what.fetch_id, what.status) for call, what in bench.adapter.calls if call == "fetched"]


def test_what_cancels_does_not_wait_behind_questions(tmp_path: Path) -> None:
    """It is written at once, under a kill, over connections that orders do not take away; its answer is heard."""
    bench = Bench(tmp_path)
    bench.gate.close(Hold.KILL)
    reduce(bench, Fetch(3, "GET", "/time", "", (), "time"), CANCEL_ALL)
    ((request, reply),) = bench.requests.written
    assert "DELETE http://venue/openOrders?symbol=S" == f"{request.method} {request.url}"
    assert [request] == bench.requests.reducing
    assert ["http://venue/time"] == [asked.url for asked, _ in bench.http.asked]
    reply(HttpResponse(200, (), b"[]", "", 1, 2))
    bench.actor.on_receive(messages(bench.mailbox))
    assert [(4, 200)] == fetched(bench)


def test_what_cancels_waits_a_moment_for_a_connection(tmp_path: Path) -> None:
    """In order, and no longer than its signature is good for: then the adapter hears that there is no answer."""
    bench = Bench(tmp_path)
    bench.requests.error = NotSentError("no connection is ready for a request")
    reduce(bench, CANCEL_ALL, structs.replace(CANCEL_ALL, fetch_id=5))
    bench.requests.error = None
    bench.actor.on_receive([Tick(0)])
    assert 2 == len(bench.requests.written)
    bench.requests.error = NotSentError("no connection is ready for a request")
    reduce(bench, structs.replace(CANCEL_ALL, fetch_id=6))
    assert [] == fetched(bench)
    bench.clock.time_ns += HELD_NS
    bench.actor.on_receive([Tick(0)])
    assert [(6, 0)] == fetched(bench)
    bench.requests.error = None
    bench.actor.on_receive([Tick(0)])
    assert 2 == len(bench.requests.written)


def test_a_cancel_of_unknown_outcome_is_asked_again(tmp_path: Path) -> None:
    """No answer will come: the adapter hears that at once, and the next one goes all the same."""
    bench = Bench(tmp_path)
    bench.requests.error = TransportError("cut")
    reduce(bench, CANCEL_ALL, structs.replace(CANCEL_ALL, fetch_id=5))
    assert [(4, 0), (5, 0)] == fetched(bench)


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH"])
def test_the_host_s_own_requests_read_or_cancel(tmp_path: Path, verb: str) -> None:
    """Anything else leaves by no way: an order comes from a committed dispatch alone."""
    bench = Bench(tmp_path)
    reduce(bench, Fetch(4, verb, "/order", "", (), "order"))
    assert ([], []) == (bench.requests.written, bench.http.asked)
    assert [(4, 0)] == fetched(bench)


def test_of_dispatches_a_cancel_alone_takes_what_is_reserved(tmp_path: Path) -> None:
    """A New does not."""
    bench = over_rest(tmp_path)
    cancel = structs.replace(REQUEST, kind=RequestKind.CANCEL, client_id="AAAAAAAAA-1-2", revision=2)
    now_ns = bench.clock.now_ns()
    records = [dispatched(1, now_ns), dispatched(2, now_ns, cancel)]
    bench.actor.on_receive([Release(committed(tmp_path, records))])
    assert 2 == len(bench.requests.written)
    assert [bench.requests.written[1][0]] == bench.requests.reducing


def test_connections_for_dispatches_are_held_open_as_long_as_they_are_the_way(tmp_path: Path) -> None:
    """Also where nothing is asked for minutes; over a link nobody wants them."""
    bench = Bench(tmp_path)
    bench.actor.on_receive([Tick(0)])
    assert [] == bench.requests.kept
    bench.adapter.is_over_rest = True
    bench.actor.on_receive([Tick(0)])
    assert ["http://venue"] == bench.requests.kept


def test_answers_to_an_earlier_connector_are_nobody_s(tmp_path: Path) -> None:
    """What was asked before a restart says nothing to the adapter of after it."""
    bench = over_rest(tmp_path)
    bench.release()
    ((_, reply),) = bench.requests.written
    bench.actor.on_failure(RuntimeError, RuntimeError("dead"), None)
    later = bench.started()
    reply(HttpResponse(200, (), b"{}", "", 1, 2))
    later.on_receive(messages(bench.mailbox))
    assert [] == [what for call, what in bench.adapter.calls if call == "fetched"]


def test_live_over_rest_keeps_on_connecting(tmp_path: Path) -> None:
    """The loss of the last connection plans the next one, also where the adapter stays LIVE."""
    bench = over_rest(tmp_path)
    bench.actor.on_receive([Closed(1, "gone", 3)])
    bench.adapter.status = ConnectionStatus.LIVE
    connects(bench)
    assert bench.gate.refusal("v", "", Passage.NEW) is None
    assert 2 == len(bench.websocket.connections)


def test_impatience_cuts_every_way(tmp_path: Path) -> None:
    """Whoever closes the gate and does not want to wait cuts connections and plain requests alike."""
    bench = Bench(tmp_path)
    renewed(bench)
    bench.actor._shut()
    assert all(one.closed for one in bench.websocket.connections)
    assert 1 == bench.requests.shuts


def repeat(bench: Bench) -> None:
    """The venue refused the first for our clock."""
    bench.adapter.pending_repeats = [REQUEST]
    bench.actor.on_receive([FrameReceived(1, b"", 1)])


def test_a_repeated_dispatch_goes_through_everything_once_more(tmp_path: Path) -> None:
    """The same request, encoded again, through the gate; ``RequestSent`` for each write."""
    bench = Bench(tmp_path)
    bench.release()
    repeat(bench)
    assert ["NEW AAAAAAAAA-1-1"] * 2 == bench.connection.sent
    assert [RequestSent, RequestSent] == [type(event) for event in messages(bench.harness)]


@pytest.mark.parametrize("what", ["too old", "held", "not live", "unknown"])
def test_what_cannot_be_repeated_stays_refused(tmp_path: Path, what: str) -> None:
    """Too old by then, a hold, no connection, or never committed here: the adapter tells the refusal."""
    bench = Bench(tmp_path)
    if what != "unknown":
        bench.release()
    messages(bench.harness)
    if what == "too old":
        bench.clock.time_ns += 2_000_000
    elif what == "held":
        bench.gate.close(Hold.KILL)
    elif what == "not live":
        bench.adapter.status = ConnectionStatus.SYNCHRONISING
    repeat(bench)
    assert ("unrepeated", "AAAAAAAAA-1-1") in bench.adapter.calls
    assert [] == [
        event for event in messages(bench.harness) if isinstance(event, DispatchFailed | RequestSent)
    ]


def test_dispatches_are_remembered_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is forgotten, and cannot be repeated."""
    monkeypatch.setattr("livestack.actors.connector_kept.KEPT_MAX", 1)
    bench = Bench(tmp_path)
    later = structs.replace(REQUEST, order_id=2, client_id="AAAAAAAAA-2-1")
    records = [dispatched(ts=bench.clock.now_ns()), dispatched(2, bench.clock.now_ns(), later)]
    bench.actor.on_receive([Release(committed(tmp_path, records))])
    repeat(bench)
    assert ("unrepeated", "AAAAAAAAA-1-1") in bench.adapter.calls
    assert 2 == len(bench.connection.sent)


def test_what_was_not_written_is_not_remembered(tmp_path: Path) -> None:
    """Only what left can be refused by the venue, and go once more."""
    bench = Bench(tmp_path)
    bench.gate.close(Hold.KILL)
    bench.release()
    bench.gate.open(Hold.KILL)
    repeat(bench)
    assert ("unrepeated", "AAAAAAAAA-1-1") in bench.adapter.calls
    assert [] == bench.connection.sent


def test_a_clock_that_is_off_holds_the_venue(tmp_path: Path) -> None:
    """As long as the adapter says so, no longer."""
    bench = Bench(tmp_path)
    bench.adapter.is_clock_good = False
    bench.actor.on_receive([FrameReceived(1, b"", 1)])
    assert Hold.CLOCK is bench.gate.refusal("v", "", Passage.NEW)
    assert bench.gate.refusal("v", "", Passage.CANCEL) is None
    bench.adapter.is_clock_good = True
    bench.actor.on_receive([FrameReceived(1, b"", 1)])
    assert bench.gate.refusal("v", "", Passage.NEW) is None


def test_time_passes_behind_what_has_arrived(tmp_path: Path) -> None:
    """A tick that came before a frame of the same batch is handled after it: the answer in it is not overdue."""
    bench = Bench(tmp_path)
    bench.actor.on_receive([Tick(0), FrameReceived(1, b"a", 1), FrameReceived(1, b"b", 1)])
    assert ["receive", "receive", "tick"] == [call for call, _ in bench.adapter.calls][-3:]


def test_a_ban_at_the_upgrade_silences_the_node(tmp_path: Path) -> None:
    """Nobody connects or asks before the venue wants; the operator reads why."""
    bench = Bench(tmp_path, live=False)
    bench.actor.on_receive([Closed(1, "this address is banned", 5, Refusal(418, 600))])
    connects(bench)
    assert 1 == len(bench.websocket.connections)
    until_ns = bench.clock.time_ns + 600 * SECOND_NS
    assert until_ns == bench.budget.silent_until_ns(Purpose.REDUCE)
    assert [Unreachable("ws://venue", "this address is banned")] == messages(bench.supervisor)
    bench.clock.time_ns = until_ns
    connects(bench)
    assert 2 == len(bench.websocket.connections)
