"""Risk as a whole: only it can allow, a failing rule denies, Cancels are always admissible, intents judged in turn."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from livestack.core import events
from livestack.core.execution_control import admit
from livestack.core.intents import Cancel, Intent, New, Replace
from livestack.core.risk import Allowed, Risk
from livestack.core.risk_rules import Denial
from livestack.core.types import RequestSource, Side, TradingState
from tests.core import support
from tests.core.support import INSTRUMENT, Bench, configuration


def test_nothing_else_can_make_an_allowed() -> None:
    """Execution Control takes an ``Allowed``, and only Risk holds the key to make one."""
    with pytest.raises(TypeError, match="only Risk"):
        Allowed(object(), Cancel(order_id=1), RequestSource.STRATEGY, "v", "v:S", None)


def test_a_rule_that_fails_denies() -> None:
    """An exception in a rule is a denial by that rule, with the exception's type."""

    def broken(proposal: Any, state: Any) -> None:
        raise ZeroDivisionError

    bench = Bench().start()
    intent = New(order_id=bench.new_id(), instrument=INSTRUMENT, side=Side.BUY, qty=1, price=9_990)
    verdict = Risk({"broken": broken}).judge(intent, RequestSource.STRATEGY, bench.runtime.state)
    assert Denial(("error=ZeroDivisionError",), "the rule failed", "broken") == verdict


def test_risk_changes_nothing() -> None:
    """Judging leaves State as it was; admission does not."""
    bench = Bench().start()
    intent = New(order_id=bench.new_id(), instrument=INSTRUMENT, side=Side.BUY, qty=1, price=9_990)
    digest = bench.state.digest()
    verdict = Risk().judge(intent, RequestSource.STRATEGY, bench.runtime.state)
    assert digest == bench.state.digest()
    assert isinstance(verdict, Allowed)
    admit(verdict, bench.runtime.state)
    assert digest != bench.state.digest()


def test_each_intent_is_judged_with_the_one_before_it_admitted() -> None:
    """Two orders that fit alone do not both fit together."""
    bench = Bench(configuration(risk={"max_position": "0.010"})).start()
    wanted = [
        New(order_id=bench.new_id(), instrument=INSTRUMENT, side=Side.BUY, qty=6, price=9_990)
        for _ in range(2)
    ]
    step = bench.want(*wanted)
    assert ["IntentDenied", "IntentDispatched"] == bench.names(step)


def test_order_ids_are_drawn_used_once_and_tombstoned() -> None:
    """A New needs a drawn, unused id; what closed or never was cannot be named again."""
    bench = Bench().start()
    order_id = bench.buy()
    bench.feed(support.rejected(order_id))
    new = New(order_id=order_id, instrument=INSTRUMENT, side=Side.BUY, qty=1, price=9_990)
    intents: list[Intent] = [
        new,
        New(order_id=99, instrument=INSTRUMENT, side=Side.BUY, qty=1, price=9_990),
        Replace(order_id=order_id, qty=1, price=9_990),
        Cancel(order_id=order_id),
    ]
    denials = bench.want(*intents).derived
    assert ["order_id"] * 4 == [one.rule for one in denials if isinstance(one, events.IntentDenied)]
    both = bench.new_id()
    fresh = New(order_id=both, instrument=INSTRUMENT, side=Side.BUY, qty=1, price=9_990)
    assert () == bench.want(fresh, Cancel(order_id=both)).derived
    assert ["IntentDenied"] == bench.names(bench.want(fresh))


STATES = [*TradingState, "kill"]


@pytest.mark.parametrize(("state", "kind"), list(itertools.product(STATES, (New, Replace, Cancel))))
def test_trading_states_by_intent_kinds(state: Any, kind: type) -> None:
    """ACTIVE allows all; REDUCING (flat), HALTED and the kill-switch allow only Cancels."""
    bench = Bench(configuration(kill={"cancel_open_orders": False})).start()
    order_id = bench.buy(qty=5)
    bench.feed(support.accepted(order_id))
    if state == "kill":
        bench.feed(events.KillSwitchEngaged(trigger="t", by="b", reason="r"))
    else:
        bench.feed(support.command(events.SetTradingState(state)))
    if state is TradingState.REDUCING:
        bench.feed(support.cancel_rejected(order_id))
        bench.execution.unresolved.clear()
    intents: dict[type, Intent] = {
        New: New(order_id=bench.new_id(), instrument=INSTRUMENT, side=Side.BUY, qty=1, price=9_980),
        Replace: Replace(order_id=order_id, qty=6, price=9_980),
        Cancel: Cancel(order_id=order_id),
    }
    step = bench.want(intents[kind])
    allowed = kind is Cancel or state is TradingState.ACTIVE
    assert (
        [] == [one for one in step.derived if isinstance(one, events.IntentDenied)]
        if allowed
        else step.derived
    )
    assert allowed is not any(isinstance(one, events.IntentDenied) for one in step.derived)


def test_an_inflight_buy_elsewhere_takes_the_same_balance() -> None:
    """What no balance report can contain yet counts over all instruments that are paid for in the asset."""
    other = "sim:ETHUSDT"
    bench = Bench(configuration({"balance": "check"})).start(
        support.definition(), support.definition(other, base="ETH")
    )
    balances = (support.balance("USDT", 1),)
    bench.feed(
        events.BalanceReport(recv_ns=0, venue=support.VENUE, event_ns=0, balances=balances, complete=False)
    )
    for instrument, denied in ((other, 0), (INSTRUMENT, 1)):
        intent = New(order_id=bench.new_id(), instrument=instrument, side=Side.BUY, qty=6, price=9_990)
        bench.want(intent)
        assert denied == bench.execution.counts.denied
    bench.want(New(order_id=bench.new_id(), instrument=INSTRUMENT, side=Side.BUY, qty=4, price=9_990))
    assert 1 == bench.execution.counts.denied
