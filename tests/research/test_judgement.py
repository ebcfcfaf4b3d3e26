"""Every rule's word about one Intent, with its figure against its limit."""

from __future__ import annotations

import pytest

from livestack.core.intents import Cancel, Intent, New, Replace
from livestack.core.risk import Risk
from livestack.core.risk_rules import RULES, Denial
from livestack.core.types import OrderType, RequestSource, Side
from livestack.research.judgement import LIMITS_OF, Verdict, judge
from tests.core.support import INSTRUMENT, Bench, configuration

LIMITS = {
    "max_order_qty": "0.500",
    "max_order_notional": {"USDT": "20"},
    "price_collar_bps": 100,
    "max_position": "1",
    "max_gross_notional": {"USDT": "100"},
    "max_open_orders": 5,
    "max_intents_per_second": 10,
    "max_session_orders": 50,
    "max_session_notional": {"USDT": "1000"},
    "max_data_age": "5s",
    "balance": "check",
}


def new(qty: int = 100, price: int = 10_000, **changes: object) -> New:
    return New(order_id=1, instrument=INSTRUMENT, side=Side.BUY, qty=qty, price=price, **changes)  # type: ignore[arg-type]


@pytest.fixture
def bench() -> Bench:
    """A running session with a quote of 100.00 / 101.00, and Order ID 1 drawn."""
    bench = Bench(configuration(LIMITS)).start()
    bench.quote(10_000, 10_100)
    bench.runtime.state.execution.drawn[1] = None
    return bench


def verdicts(bench: Bench, intent: Intent) -> dict[str, Verdict]:
    found = judge(intent, RequestSource.STRATEGY, bench.runtime.state)
    return {one.rule: one for one in found}


def test_every_rule_in_its_order(bench: Bench) -> None:
    """Also behind the first that denies."""
    found = judge(new(qty=900), RequestSource.STRATEGY, bench.runtime.state)
    assert list(RULES) == [one.rule for one in found]
    assert ["max_order_qty", "max_order_notional"] == [one.rule for one in found if not one.allowed]


def test_figures_of_rules_that_have_no_objection(bench: Bench) -> None:
    """Each in its own unit, against the limit in force."""
    found = verdicts(bench, new())
    assert {
        "max_order_qty": ("0.1 BTC", "0.5 BTC"),
        "max_order_notional": ("10 USDT", "20 USDT"),
        "price_collar": ("99.00 bps", "100 bps"),
        "max_position": ("0.1 BTC", "1 BTC"),
        "max_gross_notional": ("10.1 USDT", "100 USDT"),
        "max_open_orders": ("1", "5"),
        "max_intents_per_second": ("1", "10"),
        "max_session_orders": ("1", "50"),
        "max_session_notional": ("10 USDT", "1000 USDT"),
    } == {name: (found[name].figure, found[name].limit) for name in LIMITS_OF if name != "feed_fresh"}
    assert found["feed_fresh"].figure.endswith(" ms")
    assert "5000 ms" == found["feed_fresh"].limit
    assert found["balance"].figure.startswith("10 USDT")


@pytest.mark.parametrize(
    "intent",
    [
        new(),
        new(qty=900),
        new(price=9_000),
        new(price=0),
        new(price=0, type=OrderType.MARKET),
        New(order_id=1, instrument="sim:NONE", side=Side.BUY, qty=1, price=1),
        New(order_id=7, instrument=INSTRUMENT, side=Side.BUY, qty=1, price=1),
        Replace(order_id=1, qty=1, price=1),
        Cancel(order_id=1),
    ],
)
def test_the_first_that_denies_is_the_one_that_risk_names(bench: Bench, intent: Intent) -> None:
    """The same rule, the same numbers; allowed where Risk allows."""
    state = bench.runtime.state
    before = state.digest()
    said = Risk().judge(intent, RequestSource.STRATEGY, state)
    denying = [one for one in judge(intent, RequestSource.STRATEGY, state) if not one.allowed]
    assert before == state.digest()
    if isinstance(said, Denial):
        assert said.rule == denying[0].rule
        assert all(part in denying[0].detail for part in (said.detail, *said.inputs))
    else:
        assert [] == denying


def test_what_is_not_configured_or_unlimited_is_said() -> None:
    """A figure stands beside it all the same."""
    bench = Bench(configuration({"max_position": None})).start()
    bench.quote(10_000, 10_100)
    bench.runtime.state.execution.drawn[1] = None
    found = verdicts(bench, new())
    assert (False, "0.1 BTC", "not configured") == (
        found["max_position"].allowed,
        found["max_position"].figure,
        found["max_position"].limit,
    )
    assert ("0.1 BTC", "unlimited") == (found["max_order_qty"].figure, found["max_order_qty"].limit)
    assert ("", "not checked") == (found["balance"].figure, found["balance"].limit)
