"""State from a record with nothing decided again: the Core's own, after every whole position, wherever it began."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given

from livestack.core import events
from livestack.core.events import InputEvent, Recorded
from livestack.core.intents import Cancel, New, Replace
from livestack.core.projection import Projection
from livestack.core.state import State
from livestack.core.types import (
    Amount,
    ConnectionStatus,
    FailureReason,
    OrderStatus,
    OrderType,
    Origin,
    RequestKind,
    Side,
    TradingState,
    WithdrawReason,
)
from tests.core import support
from tests.core.projecting import Shadow, different, records
from tests.core.support import INSTRUMENT, SECOND, VENUE, Bench, configuration, definition
from tests.core.test_fuzz import SEQUENCES, book, fuzz, running_again

MARK = "sim:BNBUSDT"
SILENCE = events.VenueBackoff(recv_ns=0, venue=VENUE, retry_after_ns=SECOND, reason="")
"""What is wanted now waits in the Queue."""


class Shadowed(Bench):
    """A Core, a projection of its record from the start, and one from a snapshot that :meth:`look_back` takes."""

    def __init__(self, **execution: Any) -> None:
        wide = {"kind": "ORDERS", "interval": "10s", "limit": 1_000, "cancel_reserve": 1, "cancel": 1}
        super().__init__(
            configuration(
                execution=execution,
                rate_limits=[wide],
                decisions={"events": ["quote", "execution"], "every_nth": 1},
                valuation={"fee_marks": {"BNB": MARK}},
            )
        )
        self.shadows = [Shadow(self.state)]
        self.record: list[Recorded] = []
        self.start(definition(), definition(MARK, base="BNB"))

    def feed(self, event: InputEvent, wait_ns: int = 0) -> Any:
        first = self.seq + 1
        step = super().feed(event, wait_ns)
        self.record += records(first, self.ts, event, step.derived)
        for shadow in self.shadows:
            shadow.take(first, self.ts, event, step)
            shadow.check(self.state)
        digests = {shadow.projection.state.digest() for shadow in self.shadows}
        assert 1 == len(digests), "it makes a difference where the fold began"
        return step

    def look_back(self) -> None:
        """From here on another projection goes on from a snapshot."""
        self.state.control.memory = type(self.strategy.memory)()
        self.shadows.append(Shadow(self.state))

    def found(self, client_id: str, **changes: Any) -> Any:
        return self.feed(support.report(0, OrderStatus.ACCEPTED, client_id=client_id, **changes))

    def failed(self, order_id: int, reason: FailureReason, revision: int = 1) -> Any:
        return self.feed(
            events.DispatchFailed(
                venue=VENUE,
                instrument=INSTRUMENT,
                kind=RequestKind.NEW,
                order_id=order_id,
                revision=revision,
                reason=reason,
                detail="",
            )
        )


def sent(order_id: int, kind: RequestKind, revision: int) -> events.RequestSent:
    return events.RequestSent(
        venue=VENUE,
        instrument=INSTRUMENT,
        kind=kind,
        order_id=order_id,
        revision=revision,
        gate_ns=5,
        send_ns=7,
    )


def adoption(bench: Shadowed) -> None:
    """An order of somebody else is taken, filled, replaced, and the session stops."""
    bench.found("web_1", qty=10, filled_qty=4)
    order_id = bench.execution.adopted[(VENUE, "web_1")]
    bench.look_back()
    bench.feed(support.fill(0, 1, 1, client_id="web_1"))
    bench.want(Replace(order_id=order_id, qty=20, price=9_980))
    bench.feed(support.replaced(order_id, 1, 20, 9_980))
    bench.feed(support.fill(order_id, 2, 2, client_id=support.named(order_id)["client_id"]))
    bench.feed(events.SessionStopping(by="op", reason=""))


def adoption_while_reducing(bench: Shadowed) -> None:
    """What is found then is cancelled, as far as it does not reduce; under the kill-switch all of it is."""
    bench.feed(support.command(events.SetTradingState(TradingState.REDUCING)))
    bench.found("web_1")
    bench.look_back()
    bench.feed(events.KillSwitchEngaged(trigger="op", by="op", reason=""))
    bench.found("web_2")
    bench.found("BBBBBBBBB-1-1")


def taken_back(bench: Shadowed) -> None:
    """Open after its absence was proven, accepted after it was rejected."""
    first, second = bench.buy(), bench.buy()
    bench.failed(first, FailureReason.NOT_AT_VENUE)
    bench.look_back()
    bench.feed(support.report(first, OrderStatus.ACCEPTED))
    bench.feed(support.rejected(second))
    bench.feed(support.accepted(second))
    bench.feed(support.fill(second, 3, 9))
    bench.feed(support.cancelled(first))


def crash(bench: Shadowed) -> None:
    """Orders in flight, a fresh epoch, and answers that come late; then time-outs and a kill."""
    ids = [bench.buy() for _ in range(3)]
    bench.feed(support.accepted(ids[0]))
    bench.feed(events.SessionResumed(epoch="BBBBBBBBB", wall_ns=0))
    bench.look_back()
    bench.feed(support.feed_status(ConnectionStatus.LIVE))
    bench.feed(support.venue_status(ConnectionStatus.LIVE))
    bench.feed(support.report(ids[0], OrderStatus.ACCEPTED))
    bench.failed(ids[1], FailureReason.NOT_AT_VENUE)
    bench.feed(support.accepted(ids[2]))
    bench.feed(support.command(events.SetTradingState(TradingState.ACTIVE)))
    bench.quote(wait_ns=11 * SECOND)  # the venue's counters were taken as full
    late = bench.buy()
    bench.quote(wait_ns=100 * SECOND)
    assert late in bench.execution.unresolved
    bench.feed(events.KillSwitchEngaged(trigger="op", by="op", reason="", venue=VENUE))
    bench.feed(support.command(events.ResetKillSwitch(False)))
    bench.feed(support.command(events.ResetKillSwitch(True)))


def replace_races(bench: Shadowed) -> None:
    """Fills of the old and of the new order, a Cancel that is refused, a claim; when each request was written."""
    order_id = bench.buy(qty=20)
    bench.feed(sent(order_id, RequestKind.NEW, 1))
    bench.feed(support.accepted(order_id))
    bench.want(Replace(order_id=order_id, qty=30, price=9_985))
    bench.look_back()
    bench.feed(support.fill(order_id, 2, 1))
    bench.feed(sent(order_id, RequestKind.REPLACE, 2))
    bench.feed(support.fill(order_id, 2, 2, client_id=support.named(order_id, 2)["client_id"]))
    bench.feed(support.replaced(order_id, 2, 30, 9_985))
    bench.want(Cancel(order_id=order_id))
    bench.feed(sent(order_id, RequestKind.CANCEL, 3))
    bench.feed(support.cancel_rejected(order_id))
    bench.feed(support.cancelled(order_id, filled_qty=6, revision=2))
    bench.feed(support.fill(order_id, 2, 3, client_id=support.named(order_id, 2)["client_id"]))
    bench.feed(support.fill(order_id, 1, 4))  # late


def self_trade(bench: Shadowed) -> None:
    """One fill id and two sides, fees at a mark, a repetition, and what is reconciled."""
    bench.quote(20_000, 20_010, MARK)
    order_id = bench.buy()
    bench.feed(support.accepted(order_id))
    fee = {"fee": Amount.of(10**6), "fee_asset": "BNB"}
    bench.feed(support.fill(order_id, 3, 1, **fee))
    bench.look_back()
    bench.feed(support.fill(order_id, 3, 1, side=Side.SELL, **fee))
    bench.feed(support.fill(order_id, 3, 1, **fee))
    bench.feed(support.reconciled(1, bench.ts))
    bench.feed(support.fill(order_id, 3, 1, **fee))


def by_quote(bench: Shadowed) -> None:
    """What an order by quote quantity may fill at most was known when it was admitted."""
    bench.feed(book(INSTRUMENT))
    order_id = bench.new_id()
    terms: dict[str, Any] = {"type": OrderType.MARKET, "qty": 0, "quote_qty": 100_100, "price": 0}
    bench.want(New(order_id=order_id, instrument=INSTRUMENT, side=Side.BUY, **terms))
    assert bench.order(order_id).worst_qty
    bench.look_back()
    bench.quote(9_000, 9_010)
    bench.feed(support.fill(order_id, 10, 1))
    bench.feed(support.command(events.SetTradingState(TradingState.REDUCING)))


def operator(bench: Shadowed) -> None:
    """Configuration there and back, a Cancel of what waits in the Queue, twice; every third Event is relevant."""
    patch = (("decisions.every_nth", "3"), ("execution.terminal_orders_max", "1"))
    bench.feed(support.command(events.SetConfiguration(patch), request_id="a"))
    for _ in range(4):
        bench.quote()
    bench.look_back()
    bench.feed(support.command(events.RollBackConfiguration(1), request_id="b"))
    bench.feed(SILENCE)
    waiting, other = bench.buy(), bench.buy()
    assert [waiting, other] == list(bench.execution.queue.pending)
    bench.look_back()
    for _ in range(2):
        bench.feed(support.command(events.CancelOrder(waiting), request_id="c"))
    bench.feed(support.command(events.CancelOrder(99), request_id="d"))
    bench.feed(support.command(events.SetStrategyEnabled(False), request_id="e"))
    bench.feed(support.command(events.CancelAll("", ""), request_id="f"))
    bench.feed(events.IncidentOpened(name="disk", scope="", grade="halting", detail=""))
    bench.feed(events.SessionStopped(reason=""))
    bench.quote(wait_ns=1_000 * SECOND)


@pytest.mark.parametrize(
    "story",
    [adoption, adoption_while_reducing, taken_back, crash, replace_races, self_trade, by_quote, operator],
)
def test_a_record_alone_says_what_the_core_knows(story: Any) -> None:
    """From the start and from a snapshot; wherever a fold begins, its State has the same digest."""
    bench = Shadowed(external_orders="adopt", orphan_orders="cancel", request_timeout="10s")
    story(bench)
    assert 2 <= len(bench.shadows)
    assert len(bench.record) == bench.shadows[0].projection.last_seq


@fuzz(1_000)
@given(SEQUENCES)
def test_whatever_comes_the_projection_is_the_core(sequence: list[tuple[InputEvent, int]]) -> None:
    """Any Events on a session in full swing, compared after each one."""
    running = running_again()
    shadow = Shadow(running.runtime.state)
    for event, wait_ns in sequence:
        first = running.seq + 1
        step = running.feed(event, wait_ns)
        shadow.take(first, running.ts, event, step)
        shadow.check(running.runtime.state)


def test_the_record_alone_tells_every_order_id() -> None:
    """Of a stranger's order, which may stay, and of one of ours that is open again, which is cancelled at once."""
    bench = Shadowed(external_orders="adopt", orphan_orders="ignore")
    ours = bench.buy(qty=7)
    bench.found("web_1")
    bench.failed(ours, FailureReason.NOT_AT_VENUE)
    bench.feed(support.report(ours, OrderStatus.ACCEPTED))
    told = [one.event for one in bench.record if isinstance(one.event, events.OrderAdopted)]
    client_id = support.named(ours)["client_id"]
    expected = [(ours + 1, "web_1", 10, 0), (ours + 2, client_id, 7, ours)]
    assert expected == [(one.order_id, one.client_id, one.qty, one.again) for one in told]
    assert (ours + 1, [ours + 2]) == (next(iter(bench.execution.orders)), list(bench.execution.closing))


def test_a_request_knows_when_it_was_written() -> None:
    """It, and no other one of its order; and at which prices it was allowed, whatever they are when it goes out."""
    bench = Shadowed()
    order_id = bench.buy()
    bench.feed(sent(order_id, RequestKind.NEW, 2))
    assert (0, 0) == (bench.execution.requests[order_id].gate_ns, bench.execution.requests[order_id].send_ns)
    bench.feed(sent(order_id, RequestKind.NEW, 1))
    assert (5, 7) == (bench.execution.requests[order_id].gate_ns, bench.execution.requests[order_id].send_ns)
    bench.feed(SILENCE)
    allowed_ts, waiting = bench.ts, bench.buy()
    step = bench.quote(9_000, 9_010, wait_ns=SECOND)
    (dispatched,) = step.derived
    assert isinstance(dispatched, events.IntentDispatched)
    assert waiting == dispatched.request.order_id
    prices = (dispatched.bid, dispatched.ask, dispatched.worst_qty)
    assert (allowed_ts, (10_000, 10_010, 10)) == (dispatched.admitted_ts, prices)
    assert allowed_ts == bench.execution.requests[waiting].admitted_ts


def test_it_holds_nothing_that_only_deciding_needs() -> None:
    """Whatever waits in a snapshot's Queue, and whatever the strategy remembers there."""
    bench = Bench().start()
    bench.feed(SILENCE)
    bench.buy()
    bench.state.control.memory = type(bench.strategy.memory)()
    state = State.restore(bench.state.snapshot(), None)
    assert (1, None) == (len(state.execution.queue.pending), state.control.memory)
    execution = Projection(state).state.execution
    assert ({}, {}, 0) == (execution.queue.pending, execution.drawn, execution.order_counter)


def test_what_an_older_record_does_not_tell_is_left_out() -> None:
    """A request of an order whose adoption was not recorded, a withdrawal of nothing, a patch of unknown settings."""
    bench = Shadowed(external_orders="adopt")
    bench.found("web_1")
    order_id = bench.execution.adopted[(VENUE, "web_1")]
    bench.want(Cancel(order_id=order_id))
    told = [one for one in bench.record if not isinstance(one.event, events.OrderAdopted)]
    withdrawn = events.IntentWithdrawn(
        intent=RequestKind.NEW,
        venue=VENUE,
        instrument=INSTRUMENT,
        order_id=99,
        reason=WithdrawReason.TOO_OLD,
    )
    changed = events.ConfigurationChanged(version=7, digest="d", patch=(("what.was", "1"),))
    told += [
        Recorded(bench.seq + at, bench.ts, Origin.DERIVED, one) for at, one in enumerate((withdrawn, changed))
    ]
    projection = Projection(State.initial(configuration(), None))
    for one in told:
        projection.take(one)
    execution, control = projection.state.execution, projection.state.control
    assert ({}, {}) == (execution.orders, execution.requests)
    assert (7, "d", 7) == (
        control.configuration_version,
        control.configuration_digest,
        projection.state.configuration.version,
    )


def test_a_difference_would_be_seen() -> None:
    """The comparison of these tests sees a value, and the order of a dict."""
    bench = Bench().start()
    bench.buy()
    bench.buy()
    bench.state.control.memory = type(bench.strategy.memory)()
    other = State.restore(bench.state.snapshot(), None)
    assert {} == different(bench.state, other)
    other.execution.requests = dict(reversed(other.execution.requests.items()))
    other.control.kill[""] = msgspec.convert({"ts": 1, "trigger": "", "by": "", "reason": ""}, dict)
    assert ["requests", "kill"] == list(different(bench.state, other))
