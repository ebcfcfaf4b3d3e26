"""Every limit at its boundary, in every scope: at the limit allowed, one unit beyond it denied, and "unlimited"."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from livestack.core import events
from livestack.core.configuration import Configuration, RiskLimits
from livestack.core.types import Side, TradingState
from tests.core import support
from tests.core.ordering import after, nothing, one_before, ordered, scoped
from tests.core.support import INSTRUMENT, SECOND, UNLIMITED, VENUE, Bench


def long(bench: Bench) -> None:
    """A position of 3."""
    bench.feed(support.fill(bench.buy(qty=3), 3, 1))


def opposite(bench: Bench) -> None:
    assert "allowed" == ordered(bench, side=Side.SELL)


def aged(bench: Bench) -> None:
    bench.feed(support.quote(10_000, 10_010, recv_ns=bench.ts - SECOND))


def second_later(bench: Bench) -> None:
    one_before(bench)
    bench.quote(wait_ns=SECOND)


# key -> probe, rule, the limit that the probe's order meets exactly, and the one that is a unit less
LIMITS: dict[str, tuple[Callable[[Bench], str], str, Any, Any]] = {
    "trade": (after(nothing), "instrument_tradable", True, False),
    "max_order_qty": (after(nothing), "max_order_qty", "0.010", "0.009"),
    "max_order_notional": (after(nothing), "max_order_notional", {"USDT": "0.99900"}, {"USDT": "0.99899"}),
    "price_collar_bps": (after(lambda bench: bench.quote(9_999, 10_000)), "price_collar", 10, 9),
    "max_position": (after(long), "max_position", "0.013", "0.012"),
    "max_gross_notional": (
        after(nothing),
        "max_gross_notional",
        {"USDT": "1.001"},
        {"USDT": "1.000999999999999999"},
    ),
    "max_open_orders": (after(one_before), "max_open_orders", 2, 1),
    "max_intents_per_second": (after(one_before), "max_intents_per_second", 2, 1),
    "max_session_orders": (after(one_before), "max_session_orders", 2, 1),
    "max_session_notional": (
        after(one_before),
        "max_session_notional",
        {"USDT": "1.998"},
        {"USDT": "1.997999999999999999"},
    ),
    "max_data_age": (after(aged), "feed_fresh", "1s", "999999999ns"),
    "duplicate_window": (after(second_later), "duplicate_order", "1s", "1000000001ns"),
    "self_trade": (after(opposite), "self_trade", "allow", "deny"),
    "balance": (after(nothing, qty=10**13), "balance", "ignore", "check"),
}
UNLIMITABLE = sorted(LIMITS.keys() - {"trade", "self_trade", "balance"})
SCOPES = ("defaults", "venue", "instrument")


def within(scope: str, key: str, value: Any, wider: Any) -> Bench:
    """``value`` written in ``scope``, ``wider`` in every scope that is wider than it."""
    index = SCOPES.index(scope)
    scopes = {name: {key: wider} for name in SCOPES[:index]} | {scope: {key: value}}
    return Bench(scoped(**scopes)).start()


@pytest.mark.parametrize(("key", "scope"), list(itertools.product(LIMITS, SCOPES)))
def test_every_limit_in_every_scope(key: str, scope: str) -> None:
    """At the limit it is allowed, a unit beyond it denied by its rule, whatever the wider scopes say."""
    probe, rule, met, exceeded = LIMITS[key]
    assert "allowed" == probe(within(scope, key, met, wider=exceeded))
    assert rule == probe(within(scope, key, exceeded, wider=met))


@pytest.mark.parametrize(("key", "scope"), list(itertools.product(UNLIMITABLE, SCOPES)))
def test_unlimited_in_every_scope(key: str, scope: str) -> None:
    """The word "unlimited" lifts a limit, also where a wider scope has one."""
    probe, _, _, exceeded = LIMITS[key]
    assert "allowed" == probe(within(scope, key, "unlimited", wider=exceeded))


# -- What the monitors watch: the trading state, and whether the strategy may run, after the same happenings


def lost(bench: Bench) -> None:
    """Bought ten at 101.00 that are worth 100.00: a cent of USDT."""
    bench.feed(support.fill(bench.known(), 10, 1, price=10_100))


def refused(bench: Bench) -> None:
    for price in (9_981, 9_982):
        bench.feed(support.rejected(bench.buy(price=price)))


def filled(bench: Bench) -> None:
    order_id = bench.known()
    for fill_id in (1, 2):
        bench.feed(support.fill(order_id, 1, fill_id))


def rested(bench: Bench) -> None:
    bench.feed(support.accepted(bench.known()))
    bench.feed(events.ControlTime(scope="", deadline_ns=0), wait_ns=SECOND)


HALTED, REDUCING, ACTIVE = TradingState.HALTED, TradingState.REDUCING, TradingState.ACTIVE
MONITORED: dict[str, tuple[Callable[[Bench], None], Any, Any, tuple[TradingState, bool]]] = {
    "max_session_loss": (lost, {"USDT": "0.01"}, {"USDT": "0.009999999999999999"}, (HALTED, True)),
    "max_consecutive_rejects": (refused, 3, 2, (ACTIVE, False)),
    "max_unattended_fills": (filled, 2, 1, (HALTED, True)),
    "max_resting_data_age": (rested, "1s", "999999999ns", (REDUCING, True)),
}


@pytest.mark.parametrize(("key", "scope"), list(itertools.product(MONITORED, SCOPES)))
def test_every_monitored_limit_in_every_scope(key: str, scope: str) -> None:
    """At the limit nothing happens, a unit beyond it the monitor acts; "unlimited" is never reached."""
    happen, met, exceeded, outcome = MONITORED[key]
    quiet = (ACTIVE, True)
    for value, wider, expected in (
        (met, exceeded, quiet),
        (exceeded, met, outcome),
        ("unlimited", exceeded, quiet),
    ):
        bench = within(scope, key, value, wider)
        happen(bench)
        control = bench.state.control
        assert expected == (control.trading_state(VENUE, INSTRUMENT), control.strategy_enabled)


# -- Limits that are written nowhere

NAMED = {
    "trade": ("instrument_tradable", "trade"),
    "max_order_qty": ("max_order_qty", "max_order_qty"),
    "max_order_notional": ("max_order_notional", "max_order_notional.USDT"),
    "price_collar_bps": ("price_collar", "price_collar_bps"),
    "max_position": ("max_position", "max_position"),
    "max_gross_notional": ("max_gross_notional", "max_gross_notional.USDT"),
    "max_open_orders": ("max_open_orders", "max_open_orders"),
    "max_intents_per_second": ("max_intents_per_second", "max_intents_per_second"),
    "max_session_orders": ("max_session_orders", "max_session_orders"),
    "max_session_notional": ("max_session_notional", "max_session_notional.USDT"),
    "max_session_loss": ("monitored_limits", "max_session_loss.USDT"),
    "max_consecutive_rejects": ("monitored_limits", "max_consecutive_rejects"),
    "max_unattended_fills": ("monitored_limits", "max_unattended_fills"),
    "max_data_age": ("feed_fresh", "max_data_age"),
    "max_resting_data_age": ("monitored_limits", "max_resting_data_age"),
    "duplicate_window": ("duplicate_order", "duplicate_window"),
    "self_trade": ("self_trade", "self_trade"),
    "balance": ("balance", "balance"),
}


def test_every_key_is_named_here() -> None:
    """No key of the risk tables is without its boundary test and its denial where it is not written."""
    assert list(RiskLimits.__struct_fields__) == list(NAMED)
    assert NAMED.keys() == LIMITS.keys() | MONITORED.keys()


@pytest.mark.parametrize("key", NAMED)
def test_a_key_that_is_written_nowhere(key: str) -> None:
    """Denied by its rule, with a sentence that names the key and a currency where it has one."""
    rule, named = NAMED[key]
    bench = Bench(scoped(defaults={key: None})).start()
    assert rule == ordered(bench)
    denial = bench.derived[-1]
    assert isinstance(denial, events.IntentDenied)
    assert f"risk.defaults.{named} is not configured (nor for the venue or instrument)" == denial.detail
    assert (f"key={named}",) == denial.inputs


@pytest.mark.parametrize(("key", "scope"), list(itertools.product(NAMED, ("venue", "instrument"))))
def test_a_key_that_is_written_in_a_narrow_scope_only(key: str, scope: str) -> None:
    """That is enough."""
    bench = Bench(scoped(**{"defaults": {key: None}, scope: {key: UNLIMITED[key]}})).start()
    assert "allowed" == ordered(bench)


@pytest.mark.parametrize(
    "key", ["max_order_notional", "max_gross_notional", "max_session_notional", "max_session_loss"]
)
def test_a_limit_in_another_currency_is_none(key: str) -> None:
    """EUR written, USDT traded: denied, and the key names USDT."""
    bench = Bench(scoped(defaults={key: {"EUR": "1000"}})).start()
    assert NAMED[key][0] == ordered(bench)
    assert f"risk.defaults.{key}.USDT" in repr(bench.derived[-1])


def test_a_venue_without_rate_limits_is_not_traded() -> None:
    """No rate limits written: denied, and the key is named."""
    settings = Configuration.from_plain({"strategy": {"path": "x:Y"}, "risk": {"defaults": UNLIMITED}})
    bench = Bench(settings).start()
    assert "venue_connected" == ordered(bench)
    assert "execution.venue.sim.rate_limits is not configured" in repr(bench.derived[-1])


def test_intents_of_a_second_ago_do_not_count() -> None:
    """A nanosecond less than a second ago they do."""
    for wait_ns, expected in ((SECOND - 1, "max_intents_per_second"), (SECOND, "allowed")):
        bench = Bench(scoped(defaults={"max_intents_per_second": 1})).start()
        one_before(bench)
        bench.quote(wait_ns=wait_ns)
        assert expected == ordered(bench)


def test_orders_that_wait_are_orders_of_the_session() -> None:
    """One sent and one in the Queue: a third is beyond a limit of two."""
    bench = Bench(scoped(defaults={"max_session_orders": 2})).start()
    one_before(bench)
    bench.feed(events.VenueBackoff(recv_ns=0, venue=VENUE, retry_after_ns=SECOND, reason="429"))
    assert "allowed" == ordered(bench, price=9_991)
    assert (1, 1) == (bench.execution.session_orders, len(bench.execution.queue.pending))
    assert "max_session_orders" == ordered(bench, price=9_992)


def test_data_that_came_just_in_time_is_current() -> None:
    """When the check is due, data of exactly the permitted age is still good."""
    bench = Bench(scoped(defaults={"max_resting_data_age": "1s"})).start()
    bench.feed(support.accepted(bench.known()))
    bench.quote(wait_ns=1)
    bench.feed(events.ControlTime(scope="", deadline_ns=0), wait_ns=SECOND)
    assert ACTIVE is bench.state.control.trading_state(VENUE, INSTRUMENT)
    bench.feed(events.ControlTime(scope="", deadline_ns=0), wait_ns=1)
    assert REDUCING is bench.state.control.trading_state(VENUE, INSTRUMENT)
