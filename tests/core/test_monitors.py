"""Limit monitors: what they lead to, and the session's result that they look at."""

from __future__ import annotations

from livestack.core import events
from livestack.core.monitors import session_result
from livestack.core.state import State
from livestack.core.strategy import NoMemory
from livestack.core.types import Amount, OrderStatus, Side, TradingState
from tests.core import support
from tests.core.support import INSTRUMENT, SECOND, VENUE, Bench, configuration


def test_session_loss_halts() -> None:
    """Realised and unrealised result, quote fees included; the limit itself is still allowed."""
    bench = Bench(configuration(risk={"max_session_loss": {"USDT": "0.01"}})).start()
    order_id = bench.buy(qty=10, price=10_000)
    step = bench.feed(support.fill(order_id, 10, 1, price=10_100))
    assert () == step.derived
    assert {"USDT": -(10**16)} == session_result(bench.state)
    fee = support.fill(bench.buy(qty=1, price=10_000), 1, 2, price=10_000, fee=Amount.of(1), fee_asset="USDT")
    step = bench.feed(fee)
    changed = [one for one in step.derived if isinstance(one, events.TradingStateChanged)]
    assert [("max_session_loss", TradingState.HALTED)] == [(one.by, one.state) for one in changed]


def test_rejects_in_a_row_disable_the_strategy() -> None:
    """At the limit, once; enabling it again begins a new count."""
    bench = Bench(configuration(risk={"max_consecutive_rejects": 2})).start()
    bench.feed(support.rejected(bench.buy(price=9_981)))
    step = bench.feed(support.rejected(bench.buy(price=9_982)))
    assert ["StrategyDisabled"] == bench.names(step)
    assert [] == bench.names(bench.feed(support.rejected(2)))
    bench.feed(support.command(events.SetStrategyEnabled(True)))
    assert (True, 0) == (bench.state.control.strategy_enabled, bench.execution.consecutive_rejects)


def test_prices_alone_bring_the_loss_to_its_limit() -> None:
    """A market Event that nobody decides on halts at exactly the first price beyond the limit, long and short."""
    for side, fill_price, fine, beyond in (
        (Side.BUY, 10_000, (9_900, 9_950), (9_899, 9_950)),
        (Side.SELL, 10_000, (10_000, 10_100), (10_000, 10_101)),
    ):
        settings = configuration(risk={"max_session_loss": {"USDT": "0.01"}}, decisions={"events": ["trade"]})
        bench = Bench(settings).start()
        bench.feed(support.fill(bench.known(), 10, 1, price=fill_price, side=side))
        assert ((), TradingState.ACTIVE) == (bench.quote(*fine).derived, bench.state.control.trading_state())
        assert ["TradingStateChanged"] == bench.names(bench.quote(*beyond))
        assert () == bench.quote(*beyond).derived


def test_the_loss_is_of_a_currency_over_all_its_instruments() -> None:
    """Two positions lose together; none of them alone is at the limit, and the one that moves last halts."""
    other = "sim:ETHUSDT"
    settings = configuration(risk={"max_session_loss": {"USDT": "0.01"}}, decisions={"events": ["trade"]})
    bench = Bench(settings).start(support.definition(), support.definition(other, base="ETH"))
    for number, instrument in enumerate((INSTRUMENT, other)):
        bench.feed(support.fill(bench.known(instrument), 10, number, price=10_000, instrument=instrument))
    bench.quote(9_950, 9_960)
    assert TradingState.ACTIVE is bench.state.control.trading_state()
    bench.quote(9_950, 9_960, other)
    assert TradingState.ACTIVE is bench.state.control.trading_state()
    bench.quote(9_949, 9_960, other)
    assert TradingState.HALTED is bench.state.control.trading_state()


def test_fees_in_a_third_asset_enter_at_their_mark() -> None:
    """At the mark's ask when they were paid, rounded up; without a mark they are a line of their own."""
    mark = support.definition("sim:BNBUSDT", base="BNB")
    for marks, result in (({}, 0), ({"BNB": "sim:BNBUSDT"}, -(10**18))):
        bench = Bench(configuration(valuation={"fee_marks": marks})).start(support.definition(), mark)
        bench.quote(10_000, 10_000 + 1, INSTRUMENT)
        bench.quote(49_000, 50_000, "sim:BNBUSDT")
        fee = {"fee": Amount.of(200_000), "fee_asset": "BNB", "fee_decimals": 8}
        bench.feed(support.fill(bench.known(), 10, 1, price=10_000, **fee))
        assert {"USDT": result} == session_result(bench.state)


def test_fills_without_an_operator_halt() -> None:
    """Beyond the limit, and an operator's command begins a new count."""
    bench = Bench(configuration(risk={"max_unattended_fills": 2})).start()
    order_id = bench.known()
    for number in (1, 2):
        assert () == bench.feed(support.fill(order_id, 1, number)).derived
    assert () == bench.feed(support.fill(order_id, 1, 2)).derived
    step = bench.feed(support.fill(order_id, 1, 3))
    assert ["max_unattended_fills"] == [
        one.by for one in step.derived if isinstance(one, events.TradingStateChanged)
    ]
    bench.feed(support.command(events.SetTradingState(TradingState.ACTIVE)))
    assert (0, TradingState.ACTIVE) == (bench.execution.unattended_fills, bench.state.control.trading_state())
    assert () == bench.feed(support.fill(order_id, 1, 4)).derived


def aged() -> tuple[Bench, int]:
    """A resting order on an instrument whose data may be a second old, and its check armed."""
    bench = Bench(configuration(risk={"max_resting_data_age": "1s"}, decisions={"events": ["trade"]})).start()
    order_id = bench.known()
    bench.feed(support.accepted(order_id))
    assert {INSTRUMENT: bench.ts + SECOND + 1} == bench.state.control.stale_checks
    return bench, order_id


def test_old_data_under_a_resting_order_reduces() -> None:
    """At its deadline, not before: REDUCING, the order is cancelled; with new data it is over, and watched again."""
    bench, order_id = aged()
    (wake,) = [one for one in bench.runtime.obligations() if one.scope == f"data {INSTRUMENT}"]
    assert () == bench.feed(events.ControlTime(scope=wake.scope, deadline_ns=0), wait_ns=SECOND).derived
    step = bench.feed(events.ControlTime(scope=wake.scope, deadline_ns=wake.deadline_ns), wait_ns=1)
    assert ["TradingStateChanged", "IntentDispatched"] == bench.names(step)
    assert TradingState.REDUCING is bench.state.control.trading_state(VENUE, INSTRUMENT)
    assert not [one for one in bench.runtime.obligations() if one.scope == wake.scope]
    bench.feed(support.cancelled(order_id))
    assert ["TradingStateChanged"] == bench.names(bench.quote())
    assert ({}, {}) == (bench.state.control.stale, bench.state.control.stale_checks)
    assert TradingState.ACTIVE is bench.state.control.trading_state(VENUE, INSTRUMENT)


def test_current_data_moves_the_deadline() -> None:
    """Market Events keep it quiet: at the deadline its age is looked at again, and no ControlTime was needed."""
    bench, _ = aged()
    for _ in range(5):
        assert () == bench.quote(wait_ns=SECOND // 2).derived
    assert bench.ts < bench.state.control.stale_checks[INSTRUMENT] <= bench.ts + SECOND + 1
    restored = State.restore(bench.state.snapshot(), NoMemory)
    assert bench.state.digest() == restored.digest()


def test_an_operator_s_halt_is_not_touched() -> None:
    """What somebody else set is neither replaced while data is old nor lifted when it is current."""
    bench, _ = aged()
    bench.feed(support.command(events.SetTradingState(TradingState.HALTED)))
    assert () == bench.feed(events.ControlTime(scope="", deadline_ns=0), wait_ns=5 * SECOND).derived
    assert () == bench.quote().derived
    assert TradingState.HALTED is bench.state.control.trading_state(VENUE, INSTRUMENT)


def test_without_orders_data_may_be_old() -> None:
    """Once the last order is closed nothing is armed, and nothing is owed."""
    bench, order_id = aged()
    bench.feed(support.cancelled(order_id))
    bench.feed(events.ControlTime(scope="", deadline_ns=0), wait_ns=5 * SECOND)
    assert ((), {}) == (bench.runtime.obligations(), bench.state.control.stale_checks)


def test_a_new_limit_applies_to_what_rests_already() -> None:
    """A change of risk keys arms the check of every instrument with orders."""
    bench = Bench().start()
    bench.feed(support.accepted(bench.known()))
    assert {} == bench.state.control.stale_checks
    patch = (("risk.defaults.max_resting_data_age", '"1s"'),)
    bench.feed(support.command(events.SetConfiguration(patch), base_version=1))
    assert [INSTRUMENT] == list(bench.state.control.stale_checks)
    assert OrderStatus.ACCEPTED is bench.order(1).status
