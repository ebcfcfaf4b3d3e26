"""Operators' commands: applied or refused with a sentence, and answered once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from livestack.core import events
from livestack.core.apply_commands import ANSWERS_MAX, REFUSAL_MAX, unknown_orders
from livestack.core.runtime import CoreRuntime, Step
from livestack.core.state import State
from livestack.core.types import OrderStatus, RequestKind, TradingState
from tests.core import support
from tests.core.support import INSTRUMENT, SECOND, VENUE, Bench, Scripted, command

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
OTHER = "sim:ETHUSDT"
FAR = "far:BTCUSDT"


def three() -> Bench:
    """Two instruments at one venue, one at another."""
    return Bench(
        support.configuration(execution={"venue": {one: {"rate_limits": []} for one in ("sim", "far")}})
    ).start(
        support.definition(),
        support.definition(OTHER, base="ETH"),
        support.definition(FAR),
    )


def opened(bench: Bench, price: int = 9_990) -> int:
    order_id = bench.buy(price=price)
    bench.feed(support.accepted(order_id))
    return order_id


def refusal(step: Step) -> str:
    """The sentence of a command that was refused, which is all that came of it."""
    (only,) = step.derived
    assert isinstance(only, events.CommandRefused)
    return only.reason


def trading(bench: Bench, instrument: str) -> TradingState:
    state: TradingState = bench.state.control.trading_state(instrument.partition(":")[0], instrument)
    return state


# -- answered once


def test_the_same_request_gets_the_same_answer_and_changes_nothing() -> None:
    """Applied or refused; also from a State that came back from a snapshot."""
    bench = Bench().start()
    order_id = opened(bench)
    halt = command(events.SetTradingState(HALTED), request_id="a")
    missing = command(events.CancelOrder(99), request_id="b")
    bench.feed(halt)
    said = refusal(bench.feed(missing))
    bench.feed(command(events.SetTradingState(ACTIVE), request_id="c"))
    bench.feed(support.fill(order_id, 1, 1))
    state = State.restore(bench.state.snapshot(), Scripted.memory_type)
    runtime = CoreRuntime(state.configuration, Scripted(), state)
    before = state.execution.unattended_fills
    assert (events.CommandApplied(request_id="a"),) == runtime.step(bench.seq + 1, bench.ts, halt).derived
    assert said == refusal(runtime.step(bench.seq + 3, bench.ts, missing))
    assert (ACTIVE, 1, before) == (state.control.trading_state(), before, state.execution.unattended_fills)


def test_a_repeated_checkpoint_takes_none() -> None:
    """The first has a digest behind its answer, the second only the answer."""
    bench = Bench().start()
    take = command(events.TakeCheckpoint(), request_id="a")
    first = bench.feed(take)
    assert ["CommandApplied", "Checkpoint"] == bench.names(first)
    assert events.Checkpoint(digest=bench.state.digest()) == first.derived[1]
    assert ["CommandApplied"] == bench.names(bench.feed(take))
    assert [] == bench.names(bench.quote())


def test_requests_are_told_apart_by_their_sender_and_content() -> None:
    """Another sender's is another one; another command under a used id is refused and not remembered."""
    bench = Bench().start()
    bench.feed(command(events.SetTradingState(HALTED), request_id="a"))
    step = bench.feed(command(events.SetTradingState(REDUCING), request_id="a"))
    assert "request id a was used for another command; take a new one" == refusal(step)
    assert HALTED is trading(bench, INSTRUMENT)
    bench.feed(command(events.SetTradingState(REDUCING), request_id="a", who="somebody else"))
    assert REDUCING is trading(bench, INSTRUMENT)
    again = bench.feed(command(events.SetTradingState(HALTED), request_id="a"))
    assert (["CommandApplied"], REDUCING) == (bench.names(again), trading(bench, INSTRUMENT))


def test_the_oldest_answers_are_forgotten_first() -> None:
    """After a thousand more a request is carried out again; the one behind it is not. Without an id each is."""
    bench = Bench().start()
    for number in range(ANSWERS_MAX + 1):
        bench.feed(command(events.SetStrategyEnabled(number > 1), request_id=f"{number}"))
    assert ANSWERS_MAX == len(bench.state.control.answers)
    assert ["CommandApplied"] == bench.names(bench.feed(command(events.SetStrategyEnabled(False), 0, "1")))
    step = bench.feed(command(events.SetStrategyEnabled(False), 0, "0"))
    assert ["CommandApplied", "StrategyDisabled"] == bench.names(step)
    for enabled in (True, False):
        assert 2 == len(bench.feed(command(events.SetStrategyEnabled(enabled))).derived)


def test_a_refusal_is_cut() -> None:
    """A patch of many faults is told up to a limit."""
    bench = Bench().start()
    patch = tuple((f"nonsense.{number}", "1") for number in range(200))
    said = refusal(bench.feed(command(events.SetConfiguration(patch), request_id="a")))
    assert (REFUSAL_MAX, True) == (len(said), said.endswith(" ..."))


# -- trading state


def test_trading_states_have_scopes() -> None:
    """A venue's covers its instruments, an instrument's only itself; its Event names the venue too."""
    bench = three()
    step = bench.feed(command(events.SetTradingState(HALTED, instrument=OTHER)))
    assert (
        events.TradingStateChanged(state=HALTED, by="op", reason="because", venue=VENUE, instrument=OTHER)
        == (step.derived[1])
    )
    bench.feed(command(events.SetTradingState(REDUCING, venue="far")))
    assert [ACTIVE, HALTED, REDUCING] == [trading(bench, one) for one in (INSTRUMENT, OTHER, FAR)]


@pytest.mark.parametrize(
    ("scope", "left"),
    [
        (("", ""), {}),
        ((VENUE, ""), {"far": REDUCING}),
        (("", OTHER), {INSTRUMENT: HALTED, "far": REDUCING}),
    ],
    ids=["everything", "venue", "instrument"],
)
def test_active_lifts_what_is_narrower(scope: tuple[str, str], left: dict[str, TradingState]) -> None:
    """Of an anomaly's halt of an instrument too; what is beside the scope stays."""
    bench = three()
    bench.feed(support.accepted(77))
    assert HALTED is trading(bench, INSTRUMENT)
    bench.feed(command(events.SetTradingState(HALTED, VENUE, OTHER)))
    bench.feed(command(events.SetTradingState(REDUCING, "far")))
    bench.feed(command(events.SetTradingState(ACTIVE, *scope)))
    assert left == bench.state.control.trading


def test_enable_makes_trading_possible_again() -> None:
    """After a monitor's halt an order goes out; without the operator none does."""
    bench = Bench(support.configuration(risk={"max_unattended_fills": 1})).start()
    order_id = opened(bench)
    bench.feed(support.fill(order_id, 1, 1))
    bench.feed(support.fill(order_id, 1, 2))
    assert HALTED is trading(bench, INSTRUMENT)
    bench.buy(price=9_991)
    assert isinstance(bench.derived[-1], events.IntentDenied)
    bench.feed(command(events.SetTradingState(ACTIVE)))
    bench.buy(price=9_992)
    assert isinstance(bench.derived[-1], events.IntentDispatched)


def test_a_checkpoint_is_no_attendance() -> None:
    """Every other command that is applied says that somebody is there; what is refused, or a timer asks for, not."""
    bench = Bench().start()
    bench.feed(support.fill(opened(bench), 1, 1))
    for payload in (events.TakeCheckpoint(), events.CancelOrder(99)):
        bench.feed(command(payload))
        assert 1 == bench.execution.unattended_fills
    bench.feed(command(events.SetStrategyEnabled(True)))
    assert 0 == bench.execution.unattended_fills


def test_active_under_something_stricter_is_refused() -> None:
    """It would not be active; the sentence names what has to be lifted. Less than ACTIVE may be set."""
    bench = three()
    bench.feed(command(events.SetTradingState(HALTED, VENUE)))
    step = bench.feed(command(events.SetTradingState(ACTIVE, VENUE, INSTRUMENT)))
    assert (
        f"sim is HALTED, which covers {INSTRUMENT}: set sim ACTIVE, that lifts what is narrower too"
        == refusal(step)
    )
    assert 2 == len(bench.feed(command(events.SetTradingState(REDUCING, VENUE, INSTRUMENT))).derived)
    bench.feed(command(events.SetTradingState(REDUCING)))
    assert "everything is REDUCING, which covers far" in refusal(
        bench.feed(command(events.SetTradingState(ACTIVE, "far")))
    )


@pytest.mark.parametrize("payload", [events.CancelAll, lambda *scope: events.SetTradingState(HALTED, *scope)])
def test_a_misspelt_scope_is_refused(payload: Any) -> None:
    """It would cover nothing."""
    bench = three()
    assert "simm is no venue of this session; did you mean sim?" == refusal(
        bench.feed(command(payload("simm", "")))
    )
    assert f"sim:BTCUSD is no instrument of this session; did you mean {INSTRUMENT}?" == refusal(
        bench.feed(command(payload("", "sim:BTCUSD")))
    )
    assert f"{INSTRUMENT} is at sim, not at far" == refusal(bench.feed(command(payload("far", INSTRUMENT))))


def test_an_early_scope_is_refused() -> None:
    """Before an instrument is defined there is nothing that could be meant."""
    bench = Bench()
    bench.feed(support.session_started())
    step = bench.feed(command(events.CancelAll("sim", "")))
    assert "sim is no venue of this session; there are none" == refusal(step)


# -- orders and strategy


def test_an_order_that_is_closed_is_not_cancelled() -> None:
    """Its final status is in the sentence."""
    bench = Bench().start()
    filled, gone = opened(bench), opened(bench, 9_980)
    bench.feed(support.fill(filled, 10, 1))
    bench.feed(support.cancelled(gone))
    assert {OrderStatus.FILLED, OrderStatus.CANCELLED} == {bench.order(one).status for one in (filled, gone)}
    told = [refusal(bench.feed(command(events.CancelOrder(one)))) for one in (filled, gone, 99)]
    assert [
        f"order {filled} is closed already: FILLED",
        f"order {gone} is closed already: CANCELLED",
        "order 99 is neither open nor pending",
    ] == told


def test_a_disabled_strategy_is_asked_again_when_it_is_enabled() -> None:
    """After a failure it is asked nothing until then."""
    bench = Bench().start()
    assert isinstance(bench.strategy, Scripted)

    def fail(view: Any) -> None:
        raise RuntimeError

    bench.strategy.script.append(fail)
    assert ["StrategyFailed", "StrategyDisabled"] == bench.names(bench.quote())
    asked = len(bench.strategy.calls)
    bench.quote()
    assert asked == len(bench.strategy.calls)
    assert ["CommandApplied", "StrategyEnabled"] == bench.names(
        bench.feed(command(events.SetStrategyEnabled(True)))
    )
    bench.quote()
    assert asked + 1 == len(bench.strategy.calls)


# -- kill-switch


@pytest.mark.parametrize(
    "payload", [events.EngageKillSwitch(VENUE, ""), events.StopSession(), events.StartSession()]
)
def test_what_the_host_does_is_only_recorded(payload: events.Command) -> None:
    """Applied, and State is what it was but for the answer."""
    bench = Bench().start()
    phase = bench.state.control.phase
    assert ["CommandApplied"] == bench.names(bench.feed(command(payload)))
    assert (phase, {}) == (bench.state.control.phase, bench.state.control.kill)


def test_the_reset_is_an_event() -> None:
    """Who, why, and what was accepted; every scope is over. Without a kill-switch it is refused."""
    bench = Bench().start()
    assert "the kill-switch is not engaged" == refusal(bench.feed(support.reset()))
    bench.feed(support.killed())
    bench.feed(support.killed(VENUE))
    step = bench.feed(support.reset())
    assert (
        events.CommandApplied(request_id=""),
        events.KillSwitchReset(by="op", reason="because", accept_unknown=False),
    ) == step.derived
    assert {} == bench.state.control.kill


def test_no_reset_over_orders_of_unknown_fate() -> None:
    """A New without an answer, one that timed out, a Cancel that timed out; not a Cancel that may yet be answered."""
    bench = Bench().start()
    known, sent = opened(bench, 9_980), bench.buy()
    bench.feed(support.killed())
    assert {known: RequestKind.CANCEL, sent: RequestKind.NEW} == {
        order_id: one.kind for order_id, one in bench.execution.requests.items()
    }
    assert [sent] == unknown_orders(bench.state)
    assert (
        f"1 order of unknown fate ({sent}): wait until the venue has said what became of it, or reset with "
        "accept_unknown"
    ) == refusal(bench.feed(support.reset()))
    bench.feed(events.ControlTime(scope="timeout", deadline_ns=0), wait_ns=10 * SECOND)
    assert {known, sent} == set(unknown_orders(bench.state))
    assert "2 orders of unknown fate" in refusal(bench.feed(support.reset()))
    bench.feed(support.reset(accept_unknown=True))
    assert not bench.state.control.killed()


def test_no_reset_while_the_venue_has_not_said_what_it_has() -> None:
    """After a resumption every open order is in doubt until the venue reports it."""
    bench = Bench().start()
    order_id = opened(bench)
    bench.feed(events.SessionResumed(epoch="BBBBBBBBB", wall_ns=0))
    bench.feed(support.killed())
    assert [order_id] == unknown_orders(bench.state)
    assert "1 order of unknown fate" in refusal(bench.feed(support.reset()))
    bench.feed(support.report(order_id, OrderStatus.CANCELLED))
    assert 2 == len(bench.feed(support.reset()).derived)


def test_only_orders_under_the_kill_switch_count() -> None:
    """What trades on elsewhere always has a request under way."""
    bench = three()
    bench.feed(support.killed(VENUE, OTHER))
    order_id = bench.buy()
    assert [order_id] == list(bench.execution.requests)
    assert [] == unknown_orders(bench.state)
    assert 2 == len(bench.feed(support.reset()).derived)


def test_a_receipt_changes_nothing() -> None:
    """It stands in the stream for those who read it."""
    bench = Bench().start()
    receipt = events.KillReceipt(
        flat=False, gate_closed_ns=1, last_new_ns=1, rounds=1, open_orders=1, unknown_orders=1, detail="x"
    )
    before = bench.state.control.kill, bench.state.control.trading
    assert [] == bench.names(bench.feed(receipt))
    assert before == (bench.state.control.kill, bench.state.control.trading)


# -- configuration


def test_one_wrong_key_of_five_changes_nothing_and_is_named() -> None:
    """With what would be accepted; the other four are good."""
    bench = Bench().start()
    good = tuple(
        (f"risk.defaults.{name}", "7")
        for name in ("max_open_orders", "max_session_orders", "max_unattended_fills")
    )
    patch = (
        *good,
        ("risk.defaults.max_open_oders", "7"),
        (f'risk.instrument."{INSTRUMENT}".trade', "false"),
    )
    digest = bench.state.configuration.digest()
    said = refusal(bench.feed(command(events.SetConfiguration(patch), base_version=1)))
    assert (
        "nothing was changed: risk.defaults.max_open_oders: is not a known key; did you mean max_open_orders?"
        == said
    )
    assert (1, digest) == (bench.state.configuration.version, bench.state.configuration.digest())


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        (("strategy.path", '"a:B"'), "strategy.path: needs a restart; only decisions, execution, kill"),
        (("version", "7"), "version: needs a restart; only"),
        (("riks.defaults.trade", "true"), "riks.defaults.trade: is not a known key; did you mean risk?"),
        (("risk.defaults.trade", "1"), "risk.defaults.trade: must be true or false, not 1"),
        (("risk.defaults.trade.x", "1"), "risk.defaults.trade.x: trade is not a table"),
        (("kill", "[]"), "kill: must be a table, not a list"),
        (
            ('risk.instrument."sim:BTCUSD".max_open_orders', "1"),
            'risk.instrument."sim:BTCUSD": sim:BTCUSD is no instrument of this session; did you mean sim:BTCUSDT?',
        ),
        (("risk.venue.simm.trade", "false"), "risk.venue.simm: simm is no venue of this session"),
    ],
    ids=lambda one: one[0] if isinstance(one, tuple) else "",
)
def test_every_wrong_key_is_told_with_what_is_right(pair: tuple[str, str], sentence: str) -> None:
    """Restart keys as such, unknown ones with what may be meant, wrong values with what may be written."""
    bench = Bench().start()
    said = refusal(bench.feed(command(events.SetConfiguration((pair,)), base_version=1)))
    assert sentence in said
    assert 1 == bench.state.configuration.version


def test_a_change_says_which_version_it_has_seen() -> None:
    """Another than the active one is refused; 0 is whichever is active."""
    bench = Bench().start()
    change = events.SetConfiguration((("risk.defaults.max_open_orders", "1"),))
    back = events.RollBackConfiguration(1)
    for payload in (change, back):
        assert "made against version 7; active is 1" == refusal(bench.feed(command(payload, base_version=7)))
    bench.feed(command(change, base_version=0))
    bench.feed(command(back, base_version=2))
    assert 3 == bench.state.configuration.version


def test_rolling_back_is_a_new_version_with_the_old_content() -> None:
    """And with its digest; also from a snapshot, and back to what was rolled back."""
    bench = Bench().start()
    digests = [bench.state.configuration.digest()]
    for patch in (
        (("risk.defaults.max_open_orders", "1"),),
        ((f'risk.instrument."{INSTRUMENT}".trade', "false"), ("risk.defaults.max_data_age", "null")),
        (('execution.venue."sim".rate_limits', "[]"), ("kill.cancel_open_orders", "false")),
    ):
        bench.feed(command(events.SetConfiguration(patch)))
        digests.append(bench.state.configuration.digest())
    state = State.restore(bench.state.snapshot(), Scripted.memory_type)
    bench.runtime = CoreRuntime(state.configuration, bench.strategy, state)
    for back_to in (1, 3, 2, 4):
        step = bench.feed(command(events.RollBackConfiguration(back_to)))
        changed = step.derived[1]
        assert isinstance(changed, events.ConfigurationChanged)
        assert digests[back_to - 1] == changed.digest == bench.state.configuration.digest()
        assert changed.version == bench.state.configuration.version
    assert 8 == bench.state.configuration.version


def test_rolling_back_to_what_is_not_there_is_refused() -> None:
    """With the versions there are."""
    bench = Bench().start()
    back = [refusal(bench.feed(command(events.RollBackConfiguration(version)))) for version in (1, 2)]
    assert [
        "version 1 is active; there is no earlier one",
        "version 2 is not remembered; there is no earlier one",
    ] == back
    for limit in ("1", "2"):
        bench.feed(command(events.SetConfiguration((("risk.defaults.max_open_orders", limit),))))
    said = refusal(bench.feed(command(events.RollBackConfiguration(9))))
    assert "version 9 is not remembered; there are 1, 2" == said


def test_rolling_back_a_limit_withdraws_what_waits() -> None:
    """Like every change of risk keys; other keys leave it alone."""
    rate = {"kind": "ORDERS", "interval": "10s", "limit": 1}
    bench = Bench(support.configuration(rate_limits=[rate])).start()
    bench.feed(command(events.SetConfiguration((("risk.defaults.max_open_orders", "5"),))))
    bench.feed(command(events.SetConfiguration((("kill.cancel_open_orders", "false"),))))
    bench.buy()
    waiting = bench.buy(price=9_980)
    assert [waiting] == list(bench.execution.queue.pending)
    bench.feed(command(events.RollBackConfiguration(2)))
    assert [waiting] == list(bench.execution.queue.pending)
    step = bench.feed(command(events.RollBackConfiguration(1)))
    assert ["CommandApplied", "ConfigurationChanged", "IntentWithdrawn"] == bench.names(step)


def test_where_a_command_came_from_is_a_record_only() -> None:
    """From another address it is the same command; journals that do not say it are read."""
    here = events.OperatorCommand(
        request_id="r", command=events.TakeCheckpoint(), who="anna", why="x", base_version=0, origin="ipc"
    )
    bench = three()
    steps = [bench.feed(msgspec.structs.replace(here, origin=one)) for one in ("ipc", "10.0.0.7")]
    assert [["CommandApplied", "Checkpoint"], ["CommandApplied"]] == [bench.names(one) for one in steps]
    written = msgspec.msgpack.decode(msgspec.msgpack.encode(here))
    assert here == msgspec.convert(written, events.OperatorCommand)
    assert "" == msgspec.convert(written[:-1], events.OperatorCommand).origin
