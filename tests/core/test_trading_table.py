"""Who may trade when: session phase, trading state and kill-switch against every kind of Intent, said literally."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from livestack.core import apply_control, events
from livestack.core.derivation import Derivation
from livestack.core.execution_control import withdraw_reason
from livestack.core.intents import Cancel, Intent, New, Replace
from livestack.core.risk import Allowed, Risk
from livestack.core.state import KillRecord
from livestack.core.types import (
    ConnectionStatus,
    RequestKind,
    RequestSource,
    SessionPhase,
    Side,
    TradingState,
    WithdrawReason,
)
from tests.core import support
from tests.core.support import INSTRUMENT, SECOND, VENUE, Bench, configuration

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
LETTERS = {".": "allowed", "p": "session_phase", "k": "kill_switch", "t": "trading_state"}
KINDS = ("buy", "sell", "replace up", "replace down", "cancel")

# A long position of 3, and 2 of it offered for sale. "buy" 1 increases, "sell" 1 reduces; the offer "up" to 3 could
# sell 5 together with what it replaces, "down" to 1 at most 3. One letter for each of KINDS.
TABLE = {
    # phase                 state     kill    b s u d c
    (SessionPhase.STARTING, ACTIVE, False): "  p p p p .",
    (SessionPhase.STARTING, ACTIVE, True): "   p p p p .",
    (SessionPhase.STARTING, REDUCING, False): "p p p p .",
    (SessionPhase.STARTING, REDUCING, True): " p p p p .",
    (SessionPhase.STARTING, HALTED, False): "  p p p p .",
    (SessionPhase.STARTING, HALTED, True): "   p p p p .",
    (SessionPhase.RUNNING, ACTIVE, False): "   . . . . .",
    (SessionPhase.RUNNING, ACTIVE, True): "    k k k k .",
    (SessionPhase.RUNNING, REDUCING, False): " t . t . .",
    (SessionPhase.RUNNING, REDUCING, True): "  k k k k .",
    (SessionPhase.RUNNING, HALTED, False): "   t t t t .",
    (SessionPhase.RUNNING, HALTED, True): "    k k k k .",
    (SessionPhase.STOPPING, ACTIVE, False): "  p p p p .",
    (SessionPhase.STOPPING, ACTIVE, True): "   p p p p .",
    (SessionPhase.STOPPING, REDUCING, False): "p p p p .",
    (SessionPhase.STOPPING, REDUCING, True): " p p p p .",
    (SessionPhase.STOPPING, HALTED, False): "  p p p p .",
    (SessionPhase.STOPPING, HALTED, True): "   p p p p .",
    (SessionPhase.STOPPED, ACTIVE, False): "   p p p p .",
    (SessionPhase.STOPPED, ACTIVE, True): "    p p p p .",
    (SessionPhase.STOPPED, REDUCING, False): " p p p p .",
    (SessionPhase.STOPPED, REDUCING, True): "  p p p p .",
    (SessionPhase.STOPPED, HALTED, False): "   p p p p .",
    (SessionPhase.STOPPED, HALTED, True): "    p p p p .",
}


def holding() -> tuple[Bench, int]:
    """Long 3, with 2 of it resting on the sell side."""
    bench = Bench(configuration(kill={"cancel_open_orders": False})).start()
    bench.feed(support.fill(bench.buy(qty=3), 3, 1))
    offer = bench.new_id()
    bench.want(New(order_id=offer, instrument=INSTRUMENT, side=Side.SELL, qty=2, price=10_020))
    bench.feed(support.accepted(offer))
    return bench, offer


def intent_of(kind: str, bench: Bench, offer: int) -> Intent:
    made: dict[str, Intent] = {
        "buy": New(order_id=bench.new_id(), instrument=INSTRUMENT, side=Side.BUY, qty=1, price=9_980),
        "sell": New(order_id=bench.new_id(), instrument=INSTRUMENT, side=Side.SELL, qty=1, price=10_030),
        "replace up": Replace(order_id=offer, qty=3, price=10_030),
        "replace down": Replace(order_id=offer, qty=1, price=10_030),
        "cancel": Cancel(order_id=offer),
    }
    return made[kind]


def judged(bench: Bench, intent: Intent) -> str:
    verdict = Risk().judge(intent, RequestSource.STRATEGY, bench.runtime.state)
    return "allowed" if isinstance(verdict, Allowed) else verdict.rule


def test_the_table_is_complete() -> None:
    """Every combination has one row of one letter for each kind of Intent."""
    assert list(itertools.product(SessionPhase, TradingState, (False, True))) == list(TABLE)
    assert {5} == {len(row.split()) for row in TABLE.values()}


@pytest.mark.parametrize(("phase", "state", "kill"), TABLE)
def test_every_combination(phase: SessionPhase, state: TradingState, kill: bool) -> None:
    """Risk answers each kind of Intent as the table says; Cancels are admissible in every row."""
    bench, offer = holding()
    if state is not ACTIVE:
        bench.feed(support.command(events.SetTradingState(state)))
    if kill:
        bench.feed(support.killed())
    bench.state.control.phase = phase  # no stream brings an order into STARTING; Risk must not rely on that
    row = TABLE[phase, state, kill].split()
    expected = {kind: LETTERS[letter] for kind, letter in zip(KINDS, row, strict=True)}
    assert expected == {kind: judged(bench, intent_of(kind, bench, offer)) for kind in KINDS}


@pytest.mark.parametrize(
    ("venue", "instrument", "expected"),
    [
        ("", "", "kill_switch"),
        (VENUE, "", "kill_switch"),
        (VENUE, INSTRUMENT, "kill_switch"),
        (VENUE, "sim:ETHUSDT", "allowed"),
        ("other", "", "allowed"),
    ],
)
def test_every_scope_of_the_kill_switch(venue: str, instrument: str, expected: str) -> None:
    """Session, venue and instrument cover the order; another instrument or venue does not."""
    bench, offer = holding()
    for other in ("sim:ETHUSDT", "other:ETHUSDT"):
        bench.feed(support.definition(other, base="ETH"))
    bench.feed(support.killed(venue, instrument))
    assert expected == judged(bench, intent_of("sell", bench, offer))
    assert "allowed" == judged(bench, intent_of("cancel", bench, offer))


# -- A short position is the mirror image


@pytest.mark.parametrize(
    ("side", "qty", "expected"),
    [
        (Side.BUY, 3, "allowed"),
        (Side.BUY, 4, "trading_state"),
        (Side.SELL, 1, "trading_state"),
    ],
)
def test_reducing_a_short_position(side: Side, qty: int, expected: str) -> None:
    """A short of 3 buys at most 3 and sells nothing."""
    bench = Bench().start()
    sold = bench.known()
    bench.feed(support.fill(sold, 3, 1, side=Side.SELL))
    bench.feed(support.cancelled(sold))
    bench.feed(support.command(events.SetTradingState(ACTIVE)))
    bench.feed(support.command(events.SetTradingState(REDUCING)))
    price = 9_980 if side is Side.BUY else 10_030
    intent = New(order_id=bench.new_id(), instrument=INSTRUMENT, side=side, qty=qty, price=price)
    assert expected == judged(bench, intent)


# -- What waits in the Queue when it happens: the reason why it leaves, "-" where it stays

FULL: list[dict[str, Any]] = [
    {"kind": "ORDERS", "interval": "10s", "limit": 4, "guard_band": "1ms", "cancel": 1}
]
RISK_PATCH = (("risk.defaults.max_open_orders", "7"),)
HAPPENINGS: dict[str, tuple[Any, int]] = {
    "kill-switch": (support.killed(), 0),
    "kill-switch of the venue": (support.killed(VENUE), 0),
    "kill-switch of another": (support.killed("other"), 0),
    "HALTED": (support.command(events.SetTradingState(HALTED)), 0),
    "REDUCING": (support.command(events.SetTradingState(REDUCING)), 0),
    "too old": (events.ControlTime(scope="queue", deadline_ns=0), 2 * SECOND),
    "a moment before": (events.ControlTime(scope="queue", deadline_ns=0), 2 * SECOND - 1),
    "risk keys": (support.command(events.SetConfiguration(RISK_PATCH), 1), 0),
    "other keys": (support.command(events.SetConfiguration((("decisions.every_nth", "1"),)), 1), 0),
    "resumed": (events.SessionResumed(epoch="BBBBBBBBB", wall_ns=0), 0),
    "stopping": (events.SessionStopping(by="b", reason="r"), 0),
    "stopped": (events.SessionStopped(reason="r"), 0),
    "cancel all": (support.command(events.CancelAll("", "")), 0),
    "cancel all of another": (support.command(events.CancelAll("other", "")), 0),
}
KILL, STATE = WithdrawReason.KILL_SWITCH, WithdrawReason.TRADING_STATE
OLD, STOP = WithdrawReason.TOO_OLD, WithdrawReason.SESSION_STOPPING
CHANGED, RESUMED = WithdrawReason.CONFIGURATION, WithdrawReason.SESSION_RESUMED

# what happens -> reason for a waiting New, Replace, Cancel; None: it stays, "superseded": another took its place
WAITING: dict[str, tuple[Any, Any, Any]] = {
    "kill-switch": (KILL, KILL, None),
    "kill-switch of the venue": (KILL, KILL, None),
    "kill-switch of another": (None, None, None),
    "HALTED": (STATE, STATE, None),
    "REDUCING": (STATE, STATE, None),
    "too old": (OLD, OLD, None),
    "a moment before": (None, None, None),
    "risk keys": (CHANGED, CHANGED, None),
    "other keys": (None, None, None),
    "resumed": (RESUMED, RESUMED, None),
    "stopping": (STOP, STOP, None),
    "stopped": (STOP, STOP, None),
    "cancel all": (WithdrawReason.SUPERSEDED, "superseded", None),
    "cancel all of another": (None, None, None),
}


def waiting() -> tuple[Bench, dict[RequestKind, int]]:
    """A New, a Replace and a Cancel that wait because the venue's window is used up."""
    bench = Bench(configuration(rate_limits=FULL, kill={"cancel_open_orders": False})).start()
    first, second = (bench.buy(price=9_981), bench.buy(price=9_982))
    for order_id in (first, second, bench.buy(price=9_983), bench.buy(price=9_984)):
        bench.feed(support.accepted(order_id))
    fresh = New(order_id=bench.new_id(), instrument=INSTRUMENT, side=Side.BUY, qty=1, price=9_985)
    step = bench.want(fresh, Replace(order_id=first, qty=9, price=9_986), Cancel(order_id=second))
    assert () == step.derived
    return bench, {RequestKind.NEW: fresh.order_id, RequestKind.REPLACE: first, RequestKind.CANCEL: second}


def test_every_happening_has_its_row() -> None:
    """No happening without its outcomes, and none the other way."""
    assert list(HAPPENINGS) == list(WAITING)


@pytest.mark.parametrize("name", HAPPENINGS)
def test_what_happens_to_the_queue(name: str) -> None:
    """New and Replace leave with their reason where the table says so, Cancels never."""
    bench, ids = waiting()
    if name.endswith("of another"):
        bench.feed(support.definition("other:ETHUSDT", base="ETH"))
    event, wait_ns = HAPPENINGS[name]
    step = bench.feed(event, wait_ns=wait_ns)
    left = {one.order_id: one.reason for one in step.derived if isinstance(one, events.IntentWithdrawn)}
    for kind, expected in zip(
        (RequestKind.NEW, RequestKind.REPLACE, RequestKind.CANCEL), WAITING[name], strict=True
    ):
        pending = bench.execution.queue.pending.get(ids[kind])
        if expected == "superseded":
            assert pending is not None
            assert RequestKind.CANCEL is pending.kind
        elif expected is None:
            assert pending is not None
            assert kind is pending.kind
            assert ids[kind] not in left
        else:
            assert expected is left[ids[kind]]
            assert (
                pending is None or pending.source is RequestSource.CORE
            )  # REDUCING cancels what could increase


def test_every_validity_check_by_itself() -> None:
    """``withdraw_reason`` asks State, whatever the Event that changed it has withdrawn already; Cancels pass all."""
    bench, ids = waiting()
    state, control = bench.state, bench.state.control
    new, replace, cancel = (bench.execution.queue.pending[one] for one in ids.values())

    def reasons() -> list[WithdrawReason | None]:
        return [withdraw_reason(one, state) for one in (new, replace, cancel)]

    assert [None, None, None] == reasons()
    for scope in ("", VENUE, INSTRUMENT):
        control.kill = {scope: KillRecord(0, "t", "b", "r")}
        assert [KILL, KILL, None] == reasons()
        control.kill = {}
        control.trading = {scope: HALTED}
        assert [STATE, STATE, None] == reasons()
        control.trading = {scope: REDUCING}
        assert [None, None, None] == reasons()
        control.trading = {}
    for phase in (SessionPhase.STOPPING, SessionPhase.STOPPED):
        control.phase = phase
        assert [STOP, STOP, None] == reasons()
    control.phase = SessionPhase.RUNNING
    control.ts += 2 * SECOND - 1
    assert [None, None, None] == reasons()
    control.ts += 1
    assert [OLD, OLD, None] == reasons()


@pytest.mark.parametrize(
    ("apply", "event", "reason"),
    [
        ("kill_switch_engaged", support.killed(), KILL),
        ("session_stopping", events.SessionStopping(by="b", reason="r"), STOP),
    ],
)
def test_the_event_itself_withdraws(apply: str, event: Any, reason: WithdrawReason) -> None:
    """New and Replace leave at once, before the Strategy is asked and before Queue Processing looks at them."""
    bench, ids = waiting()
    out = Derivation(bench.runtime.state)
    getattr(apply_control, apply)(bench.runtime.state, event, out)
    assert [(ids[RequestKind.NEW], reason), (ids[RequestKind.REPLACE], reason)] == [
        (one.order_id, one.reason) for one in out.derived if isinstance(one, events.IntentWithdrawn)
    ]


def test_an_operator_cancels_what_only_waits() -> None:
    """A New that has not gone out is withdrawn; there is nothing at the venue to be cancelled."""
    bench, ids = waiting()
    step = bench.feed(support.command(events.CancelOrder(ids[RequestKind.NEW])))
    assert ["CommandApplied", "IntentWithdrawn"] == bench.names(step)
    withdrawn = step.derived[1]
    assert isinstance(withdrawn, events.IntentWithdrawn)
    assert (ids[RequestKind.NEW], WithdrawReason.SUPERSEDED) == (withdrawn.order_id, withdrawn.reason)


def test_a_command_for_an_order_that_left_state_is_withdrawn() -> None:
    """Two Orders end in one Event and only one closed Order is remembered: the other's command names nothing."""
    rules = configuration(execution={"terminal_orders_max": 1, "terminal_order_age": "1ns"})
    bench = Bench(rules).start()
    first, second = bench.buy(price=9_981), bench.buy(price=9_982)
    for order_id in (first, second):
        bench.feed(support.accepted(order_id))
    bench.feed(support.venue_status(ConnectionStatus.DISCONNECTED))
    bench.want(Replace(order_id=first, qty=9, price=9_980), Cancel(order_id=second))
    assert [] == bench.names(bench.want(Cancel(order_id=first)))
    for order_id in (first, second):
        bench.feed(support.cancelled(order_id, filled_qty=5))
    reconciled = events.FillsReconciled(
        recv_ns=0, venue=VENUE, instrument=INSTRUMENT, through=1, begun_ns=bench.ts
    )
    step = bench.feed(reconciled)
    assert {first: WithdrawReason.ORDER_UNKNOWN, second: WithdrawReason.ORDER_TERMINAL} == {
        one.order_id: one.reason for one in step.derived if isinstance(one, events.IntentWithdrawn)
    }
    assert [second] == list(bench.execution.closed)
