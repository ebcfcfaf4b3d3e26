"""The whole Core against a slow, obviously right model: any Events, any Intents, compared after each step.

The rules say how often a thing is tried; what it is, is in ``model_driver`` and ``model_venue``, what must come of it
in ``model``. ``pytest --long`` runs fifty times as many examples, at random.
"""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from livestack.core import events
from livestack.core.types import ConnectionStatus, OrderStatus, Side, WithdrawReason
from tests.core.model_control import PATCHES
from tests.core.model_driver import RECORDED, RULES, Driver
from tests.core.model_venue import SECOND

WAITS = st.sampled_from([0, 0, 0, 1, SECOND // 4, SECOND, SECOND, 3 * SECOND, 11 * SECOND])
SHORT = st.sampled_from([0, 0, 0, 0, 1, SECOND // 8, SECOND])
NAMES = st.integers(0, 4).map(lambda number: number // 3)
SCOPES = st.sampled_from([0, 0, 0, 1, 1, 2])
PRICES = st.sampled_from([9_980, 9_990, 9_995, 10_005, 10_010, 10_020])
PICKS = st.integers(0, 5)
STATUSES = st.sampled_from([*ConnectionStatus, *[ConnectionStatus.LIVE] * 5])
LEVELS = st.lists(st.tuples(st.sampled_from([0, 1, 2, 2, 3]), st.sampled_from([0, 5, 7, 9])), max_size=3)
INTENTS = st.lists(
    st.tuples(
        st.sampled_from("nnnnrrrccx"),
        PICKS,
        NAMES,
        st.sampled_from(Side),
        st.sampled_from([3, 5, 8, 10, 25]),
        PRICES,
        st.sampled_from([0, 0, 0, 0, 0, 1, 2, 3]),
    ),
    min_size=1,
    max_size=4,
)
SAYINGS = st.sampled_from(
    [
        "accepted",
        "rejected",
        "cancelled",
        "expired",
        "replaced",
        "cancel rejected",
        "replace rejected",
        "failed",
    ]
)
ODD_FILLS = st.sampled_from(["again", "again", "side", "over", "negative", "instrument", "late", "epoch"])
REPORTED = st.sampled_from([*OrderStatus, OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED])
ACCOUNTS = st.sampled_from(
    ["balances", "complete", "bad balance", "baseline", "usage", "usage", "usage", "backoff", "clock"]
)
TROUBLES = st.sampled_from(
    [
        "kill",
        "resume",
        "define",
        "feed",
        "venue",
        "reducing",
        "halted",
        "disable",
        "cancel all",
        "unscaled",
        "stop",
    ]
)
COMMANDS = ["active", "active", "roll back", "roll back", "cancel", "cancel all", "reducing", *RECORDED]
RISK_PATCHES = [one for one, made in PATCHES.items() if one and made and one[0][0].startswith("risk.")]

SEEN: Counter[str] = Counter()
"""What occurred in all examples of this run."""


class Sessions(RuleBasedStateMachine):
    """One session from its start; what it is fed is what hypothesis draws."""

    def __init__(self) -> None:
        super().__init__()
        self.play = Driver()
        self.started = False

    @initialize(
        number=st.integers(0, len(RULES) - 1),
        two=st.booleans(),
        based=st.booleans(),
        seen=st.sampled_from([True, True, True, False]),
    )
    def start(self, number: int, two: bool, based: bool, seen: bool) -> None:
        self.play.start(number, two, based, seen)
        self.started = True

    def teardown(self) -> None:
        if self.started:
            self.play.session.finish()
            SEEN.update(self.play.session.seen)
            for one in self.play.session.seen:
                event(one)

    # -- what happens often: the strategy wants, the venue answers

    @rule(which=INTENTS, ask=st.sampled_from([True, True, True, False]), wait_ns=SHORT)
    def want(self, which: list[Any], ask: bool, wait_ns: int) -> None:
        self.play.want(which, ask, wait_ns)

    @rule(which=INTENTS, answers=st.lists(st.sampled_from(["yes", "yes", "fill"]), max_size=4), wait_ns=SHORT)
    def trade_along(self, which: list[Any], answers: list[str], wait_ns: int) -> None:
        """What is in the way is cleared away; the Intents of one decision go out and are answered."""
        self.play.heal()
        self.play.want(which, True, wait_ns)
        for pick, answer in enumerate(answers):
            if self.play.model.inflight:
                self.play.answer(pick, answer, 0)

    @rule(
        which=INTENTS,
        again=INTENTS,
        what=TROUBLES,
        scope=SCOPES,
        patch=st.sampled_from(RISK_PATCHES),
        pick=PICKS,
    )
    def interrupt(
        self, which: list[Any], again: list[Any], what: str, scope: int, patch: Any, pick: int
    ) -> None:
        """Something comes between what was wanted and its answer."""
        self.play.heal()
        self.play.want(which, True, 0)
        self.play.want(again, pick > 2, 0)
        if what == "define":
            self.play.patch(patch, 0, 0)
        else:
            self.play.trouble(what, 0, scope, ConnectionStatus.DEGRADED, pick, 0)

    @rule(
        qtys=st.lists(st.sampled_from([3, 5, 8]), min_size=2, max_size=4),
        name=NAMES,
        side=st.sampled_from(Side),
    )
    def reduce(self, qtys: list[int], name: int, side: Side) -> None:
        """REDUCING comes upon several orders that rest on one side."""
        self.play.heal()
        self.play.want([("n", 0, name, side, qty, 9_990 + 5 * at, 0) for at, qty in enumerate(qtys)], True, 0)
        for _ in qtys:
            if self.play.model.inflight:
                self.play.answer(0, "yes", 0)
        self.play.command("reducing", 0, 0, 0)

    @precondition(lambda self: self.play.model.inflight or self.play.model.unresolved)
    @rule(
        pick=PICKS,
        answer=st.sampled_from(["yes", "yes", "yes", "yes", "fill", "no", "no", "failed", "sent", "report"]),
        wait_ns=WAITS,
    )
    def answer(self, pick: int, answer: str, wait_ns: int) -> None:
        self.play.answer(pick, answer, wait_ns)

    @precondition(lambda self: self.play.model.inflight)
    @rule(pick=PICKS, by_report=st.booleans())
    def come_back(self, pick: int, by_report: bool) -> None:
        self.play.come_back(pick, by_report)

    @precondition(lambda self: self.play.model.open)
    @rule(pick=PICKS, qty=st.sampled_from([1, 2, 5, 100]), wait_ns=WAITS)
    def fill(self, pick: int, qty: int, wait_ns: int) -> None:
        self.play.fill(pick, qty, wait_ns)

    @rule(
        error=st.sampled_from(["RuntimeError", "TypeError"]),
        name=st.sampled_from("ab"),
        in_ns=st.sampled_from([-1, 0, SECOND, 5 * SECOND]),
        fails=st.sampled_from([False, False, False, True]),
    )
    def plan(self, error: str, name: str, in_ns: int, fails: bool) -> None:
        self.play.plan(error, name, in_ns, fails)

    @rule(wait_ns=st.sampled_from([-1, 0, 0, 0, 1, SECOND]))
    def wake(self, wait_ns: int) -> None:
        self.play.wake(wait_ns)

    # -- the market

    @rule(
        name=NAMES,
        bid=PRICES,
        ask=PRICES,
        qty=st.sampled_from([50, 50, 50, 50, 50, 0, -1]),
        old=st.integers(0, 5),
        late_ns=st.sampled_from([0, 0, SECOND, 25 * SECOND]),
        wait_ns=WAITS,
    )
    def quote(self, name: int, bid: int, ask: int, qty: int, old: int, late_ns: int, wait_ns: int) -> None:
        self.play.quote(name, bid, ask, qty, old, late_ns, wait_ns)

    @rule(name=SCOPES, price=PRICES, qty=st.sampled_from([1, 4, 4, 0]), wait_ns=WAITS)
    def trade(self, name: int, price: int, qty: int, wait_ns: int) -> None:
        self.play.trade(name, price, qty, wait_ns)

    @rule(
        name=NAMES,
        bids=LEVELS,
        asks=LEVELS,
        bad=st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2]),
        skip=st.sampled_from([0, 0, 0, 0, -5, 1, 3]),
        whole=st.booleans(),
        wait_ns=WAITS,
    )
    def book(
        self, name: int, bids: list[Any], asks: list[Any], bad: int, skip: int, whole: bool, wait_ns: int
    ) -> None:
        if whole:
            self.play.snapshot(name, bids, asks, bad, wait_ns)
        else:
            self.play.delta(name, bids, asks, bad, skip, wait_ns)

    # -- the venue that makes no sense

    @precondition(lambda self: self.play.model.drawn_last)
    @rule(
        pick=PICKS,
        revision=st.sampled_from([1, 1, 2, 3]),
        epoch=st.sampled_from([0, 0, 0, 1, 2]),
        what=SAYINGS,
        qty=st.sampled_from([-1, 0, 3, 8, 12]),
        wait_ns=WAITS,
    )
    def say(self, pick: int, revision: int, epoch: int, what: str, qty: int, wait_ns: int) -> None:
        self.play.say(pick, revision, epoch, what, qty, wait_ns)

    @precondition(lambda self: self.play.model.drawn_last)
    @rule(pick=PICKS, odd=ODD_FILLS, wait_ns=WAITS)
    def fill_oddly(self, pick: int, odd: str, wait_ns: int) -> None:
        self.play.fill_oddly(pick, odd, wait_ns)

    @precondition(lambda self: self.play.model.drawn_last)
    @rule(
        pick=PICKS,
        status=REPORTED,
        more=st.sampled_from([0, 0, 0, 2, -1]),
        whose=st.sampled_from([0, 0, 0, 0, 1, 2]),
        wait_ns=WAITS,
    )
    def report(self, pick: int, status: OrderStatus, more: int, whose: int, wait_ns: int) -> None:
        self.play.report(pick, status, more, whose, wait_ns)

    @rule(what=ACCOUNTS, pick=PICKS, used=st.sampled_from([0, 1, 3, 9]), wait_ns=WAITS)
    def account(self, what: str, pick: int, used: int, wait_ns: int) -> None:
        self.play.account(what, pick, used, wait_ns)

    @rule(name=SCOPES, behind=st.sampled_from([0, 1, 3, 100]), wait_ns=WAITS)
    def reconcile(self, name: int, behind: int, wait_ns: int) -> None:
        self.play.reconcile(name, behind, wait_ns)

    # -- the operator, and what goes wrong

    @rule(patch=st.sampled_from(list(PATCHES)), behind=st.sampled_from([0, 0, 0, 1]), wait_ns=WAITS)
    def patch(self, patch: Any, behind: int, wait_ns: int) -> None:
        self.play.patch(patch, behind, wait_ns)

    @rule(
        pick=PICKS,
        what=st.sampled_from(
            [
                "cancel",
                "cancel",
                "checkpoint",
                "opened",
                "closed",
                "closed",
                "halting",
                "halting there",
                "closed there",
                "closed there",
                "started",
                "receipt",
            ]
        ),
    )
    def note(self, pick: int, what: str) -> None:
        if what == "cancel":
            self.play.command(what, pick, 0, 0)
        else:
            self.play.note(what, 0)

    @rule(what=st.sampled_from(COMMANDS), pick=PICKS, scope=SCOPES, again=st.sampled_from([0, 0, 1, 2]))
    def command(self, what: str, pick: int, scope: int, again: int) -> None:
        """Also twice, or another one under the same request id."""
        self.play.command(what, pick, scope, 0)
        if again:
            self.play.again(again == 2, 0)

    @rule(what=TROUBLES, name=NAMES, scope=SCOPES, status=STATUSES, pick=PICKS, wait_ns=WAITS)
    def trouble(
        self, what: str, name: int, scope: int, status: ConnectionStatus, pick: int, wait_ns: int
    ) -> None:
        self.play.trouble(what, name, scope, status, pick, wait_ns)

    @rule(accept=st.booleans())
    def reset(self, accept: bool) -> None:
        self.play.reset(accept, 0)

    @precondition(lambda self: self.started and self.play.session.twin is None)
    @rule()
    def fork(self) -> None:
        self.play.session.fork()


LONG = settings.get_current_profile_name() == "long"
RUN = settings(
    max_examples=settings.default.max_examples if LONG else 1_000,
    stateful_step_count=30,
    derandomize=not LONG,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def run() -> None:
    """All examples, once; and what occurred in them."""
    if not SEEN:
        run_state_machine_as_test(Sessions, settings=RUN)
        print("\n".join(f"{count:>9,} {name}" for name, count in sorted(SEEN.items())))


def test_core_does_what_the_model_says() -> None:
    """Whatever comes: DERIVED Events, calls, State and obligations are those of the model, and nothing raises."""
    run()


RULES_MET = """
    session_phase kill_switch trading_state instrument_tradable venue_connected feed_fresh book_valid order_terms
    price_filter lot_size max_order_qty price_collar max_position max_open_orders reduce_only
    instrument_defined order_id
"""
ANOMALIES_MET = """
    instrument_not_defined bad_trade book_fault bad_instrument scale_changed identity_changed unknown_order bad_fill
    over_fill late_fill illegal_transition unknown_dispatch external_order orphan_order second_baseline bad_baseline
    bad_balance session_started_twice bad_resume
"""
BOTH_WAYS = """
    SetTradingState CancelOrder CancelAll SetConfiguration ResetKillSwitch RollBackConfiguration
"""
APPLIED = "SetStrategyEnabled EngageKillSwitch StopSession TakeCheckpoint"
OCCUR = {
    "types": {one.__name__ for one in (*get_args(events.InputEvent), *events.DERIVED_EVENTS)},
    "intents": {"Intent New", "Intent Replace", "Intent Cancel"},
    "rules": {f"denied by {name}" for name in RULES_MET.split()},
    "reasons": {f"withdrawn {one.name}" for one in WithdrawReason if one is not WithdrawReason.ORDER_UNKNOWN},
    "commands": {
        *(f"{one} CommandApplied" for one in (*BOTH_WAYS.split(), *APPLIED.split())),
        *(f"{one} CommandRefused" for one in BOTH_WAYS.split()),
    },
    "anomalies": {f"anomaly {name}" for name in ANOMALIES_MET.split()},
}
"""What must have occurred. A command about an Order that left State while it waited (ORDER_UNKNOWN) cannot be had."""


@pytest.mark.parametrize("kind", OCCUR)
def test_there_is_no_blind_spot(kind: str) -> None:
    """Every Event type, Intent kind, DERIVED type, rule, reason and anomaly occurred in the run of the suite."""
    run()
    assert set() == OCCUR[kind] - SEEN.keys()


VOCABULARY = {"livestack.core", "livestack.core.types", "livestack.core.events", "livestack.core.intents"}
MODEL = ("", "_control", "_market", "_orders", "_owed", "_positions", "_queue", "_rates", "_rules")


@pytest.mark.parametrize("part", MODEL)
def test_the_model_shares_only_the_vocabulary_with_the_core(part: str) -> None:
    """No part of the model imports anything of the project but types, events, intents and other parts of the model."""
    text = Path(__file__).with_name(f"model{part}.py").read_text(encoding="utf-8")
    allowed = VOCABULARY | {f"tests.core.model{one}" for one in MODEL}
    imported = {
        node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom) and node.module
    }
    assert set() == {name for name in imported if name.startswith(("livestack", "tests"))} - allowed
