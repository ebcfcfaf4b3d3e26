"""Obligations: the full set owed, from State alone, and nothing in a session that owes nothing."""

from __future__ import annotations

from livestack.core import events
from livestack.core.intents import Replace
from livestack.core.obligations import QueryOrder
from livestack.core.owed import next_timer, obligations
from livestack.core.rates import NEVER
from livestack.core.state import State
from livestack.core.strategy import NoMemory
from livestack.core.types import ConnectionStatus, OrderStatus, RequestKind
from tests.core import support
from tests.core.support import Bench


def test_a_quiet_session_owes_nothing() -> None:
    """No pending work: no ControlTime is asked for."""
    bench = Bench().start()
    assert ((), NEVER) == (obligations(bench.state), next_timer(obligations(bench.state)))


def test_the_full_set_survives_a_crash() -> None:
    """It is computed from State, so a restored State owes the same."""
    bench = Bench().start()
    bench.buy()
    bench.runtime._view.wake_at("x", bench.ts + 9)
    restored = State.restore(bench.state.snapshot(), NoMemory)
    assert obligations(bench.state) == obligations(restored)
    assert ["timeout", "strategy x"] == [one.scope for one in obligations(restored)]
    assert bench.ts + 9 == next_timer(obligations(restored))


def test_a_contradicted_order_is_asked_about() -> None:
    """After an illegal transition the venue is asked for the Order until it reports it, whatever it says then."""
    bench = Bench().start()
    order_id = bench.buy()
    bench.feed(support.accepted(order_id))
    bench.feed(support.rejected(order_id))
    assert [f"order {order_id} in doubt"] == [one.scope for one in bench.runtime.obligations()]
    bench.feed(support.report(order_id, OrderStatus.ACCEPTED))
    assert () == bench.runtime.obligations()


def test_a_cancel_without_an_answer_under_the_kill_switch_cancels_everything() -> None:
    """The venue is asked about the order, and to cancel all there is on the instrument, until it is closed."""
    bench = Bench().start()
    order_id = bench.buy()
    bench.feed(support.accepted(order_id))
    bench.feed(support.killed())
    assert ["timeout"] == [one.scope for one in bench.runtime.obligations()]
    bench.feed(events.ControlTime(scope="timeout", deadline_ns=0), wait_ns=10 * support.SECOND)
    scopes = [one.scope for one in bench.runtime.obligations()]
    assert [f"order {order_id}-2", f"cancel all {support.INSTRUMENT}"] == [
        one for one in scopes if one != "timeout"
    ]
    bench.feed(support.cancelled(order_id))
    assert () == bench.runtime.obligations()


def test_questions_wait_for_the_connection() -> None:
    """A venue that is not LIVE is not asked; it is as soon as it is."""
    bench = Bench().start()
    order_id = bench.buy()
    bench.feed(support.venue_status(ConnectionStatus.DISCONNECTED))
    bench.feed(events.ControlTime(scope="timeout", deadline_ns=0), wait_ns=10 * support.SECOND)
    assert () == bench.runtime.obligations()
    assert bench.feed(support.venue_status(ConnectionStatus.LIVE)).obligations_changed
    assert [f"order {order_id}-1"] == [one.scope for one in bench.runtime.obligations()]


def test_an_order_that_is_to_be_closed_is_woken_for_whatever_else_waits() -> None:
    """A Replace in the Queue, or in flight, is no Cancel: its time comes, and the Cancel takes the Replace's place."""
    bench = Bench().start()
    order_id = bench.buy(qty=10)
    bench.feed(support.accepted(order_id))
    bench.feed(support.command(events.CancelOrder(order_id)))
    bench.feed(support.cancel_rejected(order_id, 2))
    bench.want(Replace(order_id=order_id, qty=12, price=9_990))
    assert [bench.ts + support.SECOND] == [
        one.deadline_ns for one in bench.runtime.obligations() if one.scope == "cancel"
    ]
    (request,) = bench.quote(wait_ns=support.SECOND).dispatches
    assert RequestKind.CANCEL is request.kind


def test_a_question_says_what_its_request_was() -> None:
    """Whoever sent it may be gone: a Replace is asked about as one, under its own id and the order's venue id."""
    bench = Bench().start()
    order_id = bench.buy(qty=10)
    bench.feed(support.accepted(order_id))
    (replace,) = bench.want(Replace(order_id=order_id, qty=12, price=9_990)).dispatches
    bench.feed(events.ControlTime(scope="timeout", deadline_ns=0), wait_ns=10 * support.SECOND)
    (question,) = [one for one in bench.runtime.obligations() if isinstance(one, QueryOrder)]
    assert (RequestKind.REPLACE, replace.client_id) == (question.kind, question.client_id)
    assert bench.state.execution.orders[order_id].venue_order_id == question.venue_order_id != ""
