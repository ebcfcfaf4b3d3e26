"""Limit monitors: what they lead to, and the session's result that they look at."""

from __future__ import annotations

from livestack.core import events
from livestack.core.monitors import session_result
from livestack.core.types import Amount, TradingState
from tests.core import support
from tests.core.support import Bench, configuration


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
