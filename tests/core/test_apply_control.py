"""Control Events: phases, resumption, kill-switch, operator commands."""

from __future__ import annotations

import pytest

from livestack.core import events
from livestack.core.intents import Cancel
from livestack.core.types import RequestKind, SessionPhase, TradingState
from tests.core import support
from tests.core.support import INSTRUMENT, VENUE, Bench, configuration


def opened(bench: Bench, price: int = 9_990) -> int:
    order_id = bench.buy(price=price)
    bench.feed(support.accepted(order_id))
    return order_id


def test_running_begins_with_the_last_baseline() -> None:
    """STARTING until every venue with an instrument gave its baseline; on_start once, no decisions before."""
    bench = Bench()
    bench.feed(support.session_started())
    bench.feed(support.definition())
    bench.feed(support.definition("two:X"))
    bench.quote()
    bench.feed(support.baseline())
    assert SessionPhase.STARTING is bench.state.control.phase
    bench.feed(support.baseline("two"))
    assert SessionPhase.RUNNING is bench.state.control.phase
    assert isinstance(bench.strategy, support.Scripted)
    assert ["on_start"] == bench.strategy.calls


def test_resumption_believes_nothing() -> None:
    """Everything inflight is unresolved, feeds and venues are down, a fresh epoch names what follows."""
    bench = Bench().start()
    flying = bench.buy()
    bench.feed(events.SessionResumed(epoch="BBBBBBBBB", wall_ns=0))
    assert ([flying], {}) == (list(bench.execution.unresolved), bench.execution.requests)
    assert not bench.state.market.instruments[INSTRUMENT].is_live
    assert (SessionPhase.RUNNING, {}) == (bench.state.control.phase, bench.state.control.venue_status)
    bench.feed(support.accepted(flying))
    assert {} == bench.execution.unresolved
    again = bench.feed(events.SessionResumed(epoch="BBBBBBBBB", wall_ns=0))
    assert ["AnomalyDetected"] == bench.names(again)


def test_resumption_may_halt() -> None:
    """``recovery.trading_state`` is what a resumed session begins with."""
    bench = Bench(configuration(recovery={"trading_state": "halted"})).start()
    bench.feed(events.SessionResumed(epoch="BBBBBBBBB", wall_ns=0))
    assert TradingState.HALTED is bench.state.control.trading_state()


@pytest.mark.parametrize("cancels", [True, False])
def test_kill_switch(cancels: bool) -> None:
    """Open Orders are cancelled, or left by Configuration; it stays until it is reset."""
    bench = Bench(configuration(kill={"cancel_open_orders": cancels})).start()
    order_id = opened(bench)
    step = bench.feed(events.KillSwitchEngaged(trigger="op", by="b", reason="r"))
    expected = [(RequestKind.CANCEL, order_id)] if cancels else []
    assert expected == [(one.kind, one.order_id) for one in step.dispatches]
    assert bench.state.control.killed(VENUE, INSTRUMENT)
    bench.feed(support.reset())
    assert not bench.state.control.killed(VENUE, INSTRUMENT)


def test_kill_switch_is_not_reset_over_unknown_orders() -> None:
    """While the fate of an order is unknown, only in so many words."""
    bench = Bench().start()
    bench.buy()
    bench.feed(events.KillSwitchEngaged(trigger="op", by="b", reason="r"))
    bench.feed(events.ControlTime(scope="timeout", deadline_ns=0), wait_ns=10 * support.SECOND)
    bench.feed(support.reset())
    assert bench.state.control.killed()
    bench.feed(support.reset(accept_unknown=True))
    assert not bench.state.control.killed()


def test_a_failed_cancel_is_tried_again() -> None:
    """What is to be closed is cancelled again, after a pause, until it is closed."""
    bench = Bench().start()
    order_id = opened(bench)
    bench.feed(events.KillSwitchEngaged(trigger="op", by="b", reason="r"))
    step = bench.feed(support.dispatch_failed(order_id, RequestKind.CANCEL, revision=2))
    assert () == step.dispatches
    wake = bench.runtime.obligations()[0]
    assert "cancel" == wake.scope
    step = bench.feed(events.ControlTime(scope="cancel", deadline_ns=0), wait_ns=support.SECOND)
    assert [3] == [one.revision for one in step.dispatches]
    bench.feed(support.cancelled(order_id))
    assert () == bench.runtime.obligations()


def test_kill_scopes() -> None:
    """An instrument's kill covers it alone, a venue's covers its instruments."""
    bench = Bench().start(support.definition(), support.definition("sim:ETHUSDT", base="ETH"))
    bench.feed(
        events.KillSwitchEngaged(trigger="op", by="b", reason="r", venue=VENUE, instrument="sim:ETHUSDT")
    )
    control = bench.state.control
    assert (False, True) == (control.killed(VENUE, INSTRUMENT), control.killed(VENUE, "sim:ETHUSDT"))


@pytest.mark.parametrize(
    ("venue", "instrument", "scope"),
    [
        (VENUE, "", VENUE),
        (VENUE, INSTRUMENT, INSTRUMENT),
        ("", INSTRUMENT, INSTRUMENT),
        ("nowhere", "", ""),
        ("", "nowhere:BTCUSDT", ""),
        (VENUE, "sim:NOTHING", ""),
        ("nowhere", INSTRUMENT, ""),
        (INSTRUMENT, "", ""),
        ("", VENUE, ""),
    ],
)
def test_a_kill_of_what_nobody_knows_is_of_everything(venue: str, instrument: str, scope: str) -> None:
    """State remembers a venue or an instrument of the session, or everything; what is covered is cancelled."""
    bench = Bench().start()
    order_id = opened(bench)
    step = bench.feed(support.killed(venue, instrument))
    assert [scope] == list(bench.state.control.kill)
    assert [(RequestKind.CANCEL, order_id)] == [(one.kind, one.order_id) for one in step.dispatches]


def test_kills_without_number_are_no_scopes_without_number() -> None:
    """Whatever is named, there are no more scopes than venues and instruments, and one for everything."""
    bench = Bench().start()
    for number in range(1_000):
        bench.feed(support.killed("" if number % 2 else f"v{number}", f"v:{number}" if number % 2 else ""))
    bench.feed(support.killed(VENUE))
    assert ["", VENUE] == list(bench.state.control.kill)


def test_reducing_cancels_what_could_increase() -> None:
    """On entry resting orders on the increasing side go, those that bring the position home stay."""
    bench = Bench().start()
    bench.feed(support.fill(bench.buy(qty=3), 3, 1))
    buying = opened(bench, price=9_980)
    step = bench.feed(support.command(events.SetTradingState(TradingState.REDUCING)))
    assert ["CommandApplied", "TradingStateChanged", "IntentDispatched"] == bench.names(step)
    assert [buying] == [one.order_id for one in step.dispatches]


def test_active_lifts_every_scope() -> None:
    """The operator's ACTIVE also ends what an anomaly has halted."""
    bench = Bench().start()
    bench.feed(support.accepted(77))
    assert TradingState.HALTED is bench.state.control.trading_state(VENUE, INSTRUMENT)
    bench.feed(support.command(events.SetTradingState(TradingState.ACTIVE)))
    assert TradingState.ACTIVE is bench.state.control.trading_state(VENUE, INSTRUMENT)


def test_operator_cancels() -> None:
    """One order, all orders, and an order that is not there."""
    bench = Bench().start()
    first, second = opened(bench, 9_980), opened(bench, 9_981)
    step = bench.feed(support.command(events.CancelOrder(first)))
    assert [(first, 2)] == [(one.order_id, one.source) for one in step.dispatches]
    step = bench.feed(support.command(events.CancelAll("", INSTRUMENT)))
    assert [second] == [one.order_id for one in step.dispatches]
    assert ["CommandRefused"] == bench.names(bench.feed(support.command(events.CancelOrder(99))))


def test_configuration_changes_as_a_whole_against_the_active_version() -> None:
    """A good patch is a new version with its digest; a bad one, or one against another version, changes nothing."""
    bench = Bench().start()
    good = events.SetConfiguration((("risk.defaults.max_open_orders", "1"),))
    assert ["CommandRefused"] == bench.names(bench.feed(support.command(good, base_version=7)))
    bad = events.SetConfiguration((*good.patch, ("risk.defaults.x", "1")))
    assert ["CommandRefused"] == bench.names(bench.feed(support.command(bad, base_version=1)))
    assert 1 == bench.state.configuration.version
    step = bench.feed(support.command(good, base_version=1))
    assert ["CommandApplied", "ConfigurationChanged"] == bench.names(step)
    assert (2, bench.state.configuration.digest()) == (
        bench.state.control.configuration_version,
        bench.state.control.configuration_digest,
    )
    bench.buy()
    assert "max_open_orders" in repr(bench.buy(price=9_981) and bench.derived[-1])


def test_incidents_and_clock_are_remembered() -> None:
    """Open incidents are listed until closed; the venue's clock shifts its windows."""
    bench = Bench().start()
    bench.feed(events.IncidentOpened(name="sink", scope="a", grade="warning", detail=""))
    assert {"sink a": "warning"} == bench.state.control.incidents
    bench.feed(events.IncidentClosed(name="sink", scope="a", detail=""))
    bench.feed(events.VenueClock(venue=VENUE, offset_ns=5, error_ns=2))
    assert ({}, 5, 2) == (
        bench.state.control.incidents,
        bench.execution.rates[VENUE].offset_ns,
        bench.execution.rates[VENUE].error_ns,
    )


def test_a_halting_incident_halts_while_it_is_open() -> None:
    """It overrules no operator: with its end the state is what was set before, and a resumption ends it too."""
    bench = Bench().start()
    halting = events.IncidentOpened(name="journal_room", scope="journal", grade="halting", detail="")
    bench.feed(halting)
    assert TradingState.HALTED is bench.state.control.trading_state(VENUE, INSTRUMENT)
    bench.buy()
    assert "trading_state" in repr(bench.derived[-1])
    bench.feed(support.command(events.SetTradingState(TradingState.REDUCING)))
    bench.feed(events.IncidentClosed(name="journal_room", scope="journal", detail=""))
    assert TradingState.REDUCING is bench.state.control.trading_state(VENUE, INSTRUMENT)
    bench.feed(halting)
    bench.feed(events.SessionResumed(epoch="BBBBBBBBB", wall_ns=0))
    assert {} == bench.state.control.incidents


def test_an_incident_can_halt_one_venue() -> None:
    """Orders there are denied and withdrawn, Cancels go, other venues trade, and it lifts by itself."""
    bench = Bench().start()
    order_id = bench.buy()
    bench.feed(support.accepted(order_id))
    for venue in (VENUE, "other"):
        bench.feed(events.IncidentOpened(name="clock_skew", scope=venue, grade="venue-halting", detail=""))
        bench.feed(events.IncidentClosed(name="clock_skew", scope="other", detail=""))
    assert TradingState.HALTED is bench.state.control.trading_state(VENUE, INSTRUMENT)
    assert TradingState.ACTIVE is bench.state.control.trading_state("other", "other:X")
    assert TradingState.ACTIVE is bench.state.control.trading_state()
    bench.buy(price=9_980)
    assert "trading_state" in repr(bench.derived[-1])
    assert [RequestKind.CANCEL] == [one.kind for one in bench.want(Cancel(order_id=order_id)).dispatches]
    bench.feed(events.IncidentClosed(name="clock_skew", scope=VENUE, detail=""))
    assert TradingState.ACTIVE is bench.state.control.trading_state(VENUE, INSTRUMENT)


def test_a_clock_that_is_ten_years_off_is_not_believed() -> None:
    """Ten years of 365 days are; a nanosecond more is an anomaly, and the estimate before it stays."""
    bench = Bench().start()
    for offset_ns in (-315_360_000_000_000_000, 315_360_000_000_000_000):
        assert [] == bench.names(bench.feed(events.VenueClock(venue=VENUE, offset_ns=offset_ns, error_ns=2)))
        assert offset_ns == bench.execution.rates[VENUE].offset_ns
    for offset_ns in (-315_360_000_000_000_001, 315_360_000_000_000_001):
        step = bench.feed(events.VenueClock(venue=VENUE, offset_ns=offset_ns, error_ns=0))
        assert ["AnomalyDetected"] == bench.names(step)
        assert 315_360_000_000_000_000 == bench.execution.rates[VENUE].offset_ns


def test_a_session_starts_once() -> None:
    """A second SessionStarted is an anomaly."""
    bench = Bench().start()
    assert ["AnomalyDetected"] == bench.names(bench.feed(support.session_started("CCCCCCCCC")))
