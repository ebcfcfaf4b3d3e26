"""The Core and its slow model side by side: every Event goes to both, and after each step everything is compared."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from livestack.core import events
from livestack.core.configuration import Configuration
from livestack.core.runtime import CoreRuntime, Step
from livestack.core.state import State
from livestack.core.strategy import Decision, Strategy, View
from livestack.core.types import NANOS_PER_SECOND, RequestKind, Side
from tests.core.model import Model
from tests.core.model_owed import owed
from tests.core.model_rules import UNLIMITED, Plan, Rules
from tests.core.projecting import Shadow
from tests.core.support import configuration


class Puppet(Strategy):
    """Does what ``plan`` says the first time it is asked, and writes down every time that it is."""

    def __init__(self, parameters: Any = None) -> None:
        super().__init__(parameters)
        self.plan: Plan | None = None
        self.calls: list[str] = []

    def asked(self, hook: str, view: View) -> Decision:
        self.calls.append(hook)
        plan, self.plan = self.plan or Plan(), None
        for _ in range(plan.draws):
            view.next_order_id()
        for name, deadline_ns in plan.wakes:
            view.wake_at(name, deadline_ns)
        if plan.error == "RuntimeError":
            raise RuntimeError("as planned")
        return [object()] if plan.error else plan.intents  # type: ignore[list-item]

    def on_start(self, view: View) -> Decision:
        return self.asked("on_start", view)

    def on_resume(self, view: View) -> Decision:
        return self.asked("on_resume", view)

    def on_event(self, view: View, event: events.InputEvent) -> Decision:
        return self.asked("on_event", view)

    def on_deadline(self, view: View, name: str) -> Decision:
        return self.asked("on_deadline", view)

    def on_stop(self, view: View) -> Decision:
        return self.asked("on_stop", view)


def configured(rules: Rules, venues: tuple[str, ...]) -> Configuration:
    """The Configuration that says what ``rules`` say."""
    limits = []
    for one in rules.rates:
        cancel, replace, new = one.weights
        limits.append(
            {
                "kind": "ORDERS",
                "interval": _duration(one.interval),
                "limit": one.limit,
                "aligned": one.aligned,
                "cancel_reserve": one.cancel_reserve,
                "cancel": cancel,
                "replace": replace,
                "new": new,
            }
        )
    risk = {
        "trade": rules.trade,
        "max_order_qty": None if rules.max_order_qty is None else _quantity(rules.max_order_qty),
        "max_position": _quantity(rules.max_position),
        "max_open_orders": _count(rules.max_open_orders),
        "max_data_age": _duration(rules.max_data_age),
        "max_consecutive_rejects": _count(rules.max_consecutive_rejects),
    }
    execution = {
        "max_queue_age": _duration(rules.max_queue_age),
        "request_timeout": _duration(rules.request_timeout),
        "cancel_retry": _duration(rules.cancel_retry),
        "order": list(rules.order),
        "on_stop": rules.on_stop,
        "external_orders": "ignore",
        "orphan_orders": "ignore",
        "terminal_orders_max": rules.terminal_orders_max,
        "terminal_order_age": _duration(rules.terminal_order_age),
        "venue": {venue: {"rate_limits": limits} for venue in venues},
    }
    return configuration(
        risk=risk,
        execution=execution,
        strategy={"path": "x:Y", "on_failure": rules.on_failure},
        decisions={
            "events": list(rules.events),
            "instruments": list(rules.instruments),
            "every_nth": rules.every_nth,
        },
        recovery={"trading_state": rules.recovery.name.lower()},
        kill={"cancel_open_orders": rules.cancel_open_orders},
    )


def _count(limit: int) -> int | str:
    return "unlimited" if limit >= UNLIMITED else limit


def _duration(limit: int) -> str:
    return "unlimited" if limit >= UNLIMITED else f"{limit // 1_000_000}ms"


def _quantity(limit: int) -> str:
    return "unlimited" if limit >= UNLIMITED else f"{limit // 1_000}.{limit % 1_000:03}"


class Session:
    """Feeds both, compares both; ``seen`` counts what occurred. A projection of the record is there as well."""

    def __init__(self, rules: Rules, venues: tuple[str, ...], settings: Configuration) -> None:
        self.model = Model(rules, venues)
        self.puppet = Puppet()
        self.runtime = CoreRuntime(settings, self.puppet)
        self.twin: CoreRuntime | None = None
        self.twin_puppet = Puppet()
        self.seq = 0
        self.ts = 1_000 * NANOS_PER_SECOND
        self.plan: Plan | None = None
        self.seen: Counter[str] = Counter()
        self.shadow = Shadow(self.runtime.state)

    def feed(self, event: Any, wait_ns: int = 0) -> Step:
        """One Event at both; the plan of the Strategy is kept until it is asked."""
        self.ts += wait_ns
        plan = self.plan
        self.puppet.plan, self.puppet.calls = plan, []
        step = self.runtime.step(self.seq + 1, self.ts, event)
        self.model.step(self.ts, event, plan)
        self._count(event, step, plan)
        if self.twin is not None:
            self.twin_puppet.plan = plan
            assert step == self.twin.step(self.seq + 1, self.ts, event)
        self.plan = self.puppet.plan
        self.shadow.take(self.seq + 1, self.ts, event, step)
        self.seq += 1 + len(step.derived)
        assert self.model.told == [outline(one) for one in step.derived]
        assert self.model.calls == self.puppet.calls
        assert [one[1] for one in self.model.told if one[0] == "IntentDispatched"] == list(step.dispatches)
        state = self.runtime.state
        for one in step.derived:
            if isinstance(one, events.Checkpoint):
                assert state.digest() == one.digest
            elif isinstance(one, events.ConfigurationChanged):
                assert state.configuration.digest() == one.digest == state.control.configuration_digest
        compare(self.model, self.runtime)
        if step.derived:
            self.shadow.check(self.runtime.state)
        return step

    def fork(self) -> None:
        """From here on a second runtime, restored from a snapshot, is fed the same."""
        state = State.restore(self.runtime.state.snapshot(), Puppet.memory_type)
        self.twin = CoreRuntime(state.configuration, self.twin_puppet, state)
        self.shadow = Shadow(self.runtime.state)

    def finish(self) -> None:
        self.shadow.check(self.runtime.state)
        if self.twin is not None:
            assert self.runtime.state.digest() == self.twin.state.digest()
            assert self.runtime.obligations() == self.twin.obligations()

    def _count(self, event: Any, step: Step, plan: Plan | None) -> None:
        self.seen[type(event).__name__] += 1
        if isinstance(event, events.OperatorCommand):
            self.seen[f"{type(event.command).__name__} {type(step.derived[0]).__name__}"] += 1
        for derived in step.derived:
            self.seen[type(derived).__name__] += 1
            if isinstance(derived, events.IntentDenied):
                self.seen[f"denied by {derived.rule}"] += 1
            elif isinstance(derived, events.AnomalyDetected):
                self.seen[f"anomaly {derived.kind}"] += 1
            elif isinstance(derived, events.IntentWithdrawn):
                self.seen[f"withdrawn {derived.reason.name}"] += 1
        if plan is not None and self.puppet.plan is None and not plan.error:
            for intent in plan.intents:
                self.seen[f"Intent {type(intent).__name__}"] += 1


def outline(event: events.DerivedEvent) -> tuple[Any, ...]:
    """What the model predicts of a DERIVED Event."""
    name = type(event).__name__
    match event:
        case events.AnomalyDetected():
            return (name, event.kind, event.venue, event.instrument, event.order_id, event.halts)
        case events.IntentDenied():
            place = (event.venue, event.instrument)
            return (name, event.intent, *place, event.order_id, event.source, event.rule)
        case events.IntentDispatched():
            return (name, event.request, event.admitted_ts, event.bid, event.ask, event.worst_qty)
        case events.OrderAdopted():
            return (name, *msgspec.structs.astuple(event))
        case events.IntentWithdrawn():
            return (name, event.intent, event.venue, event.instrument, event.order_id, event.reason)
        case events.CommandApplied() | events.CommandRefused():
            return (name, event.request_id)
        case events.TradingStateChanged():
            return (name, event.state, event.by, event.venue, event.instrument)
        case events.ConfigurationChanged():
            return (name, event.version)
        case events.KillSwitchReset():
            return (name, event.by, event.accept_unknown)
        case events.StrategyFailed():
            return (name, event.hook, event.error)
        case events.StrategyDisabled() | events.StrategyEnabled():
            return (name, event.by)
    return (name,)


def compare(model: Model, runtime: CoreRuntime) -> None:
    """State holds what the model holds, domain by domain."""
    _compare_markets(model, runtime.state)
    _compare_orders(model, runtime.state)
    _compare_queue(model, runtime.state)
    _compare_accounts(model, runtime.state)
    _compare_control(model, runtime.state)
    theirs = [obligation_outline(one) for one in runtime.obligations()]
    assert len(theirs) == len(set(theirs))
    assert owed(model) == set(theirs)


def obligation_outline(one: Any) -> tuple[Any, ...]:
    name = type(one).__name__
    for asked in ("deadline_ns", "client_id", "after", "instrument"):
        if hasattr(one, asked):
            return (name, one.scope, getattr(one, asked))
    return (name, one.scope)


def _compare_markets(model: Model, state: State) -> None:
    assert list(model.definitions) == list(state.market.instruments)
    for name, definition in model.definitions.items():
        theirs, mine = state.market.instruments[name], model.market(name)
        book = theirs.book
        assert definition == theirs.definition
        assert (mine.status, mine.valid, mine.book_seen) == (theirs.status, book.valid, theirs.book_seen)
        assert sorted(mine.bids.items(), reverse=True) == list(book.levels(Side.BUY))
        assert sorted(mine.asks.items()) == list(book.levels(Side.SELL))
        assert mine.last_id == book.last_update_id
        assert (mine.bid, mine.ask) == ((theirs.bid, theirs.bid_qty), (theirs.ask, theirs.ask_qty))
        assert (mine.last_price, mine.recv_ns) == (theirs.last_price, theirs.recv_ns)


def _compare_orders(model: Model, state: State) -> None:
    execution = state.execution
    assert list(model.open) == list(execution.orders)
    assert list(model.closed) == list(execution.closed)
    for mine, theirs in ((model.open, execution.orders), (model.closed, execution.closed)):
        for order_id, one in mine.items():
            order = theirs[order_id]
            assert (one.status, one.filled, one.anomalous) == (
                order.status,
                order.filled_qty,
                order.anomalous,
            )
            assert (one.qty, one.price, one.client_id) == (order.qty, order.price, order.client_id)
            assert (one.revision, one.venue_order_id) == (order.revision, order.venue_order_id)
            assert (one.closing, one.not_before) == (order.closing, order.cancel_not_before)
            assert one.leaves == order.leaves_qty
            claimed = order.claim and (order.claim.status, order.claim.filled_qty)
            assert one.claim == claimed
    for waiting, requests in ((model.inflight, execution.requests), (model.unresolved, execution.unresolved)):
        assert {
            order_id: (sent.request.kind, sent.request.revision, sent.deadline_ns, sent.since, sent.written)
            for order_id, sent in waiting.items()
        } == {
            order_id: (one.kind, one.revision, one.deadline_ns, one.admitted_ts, (one.gate_ns, one.send_ns))
            for order_id, one in requests.items()
        }
    assert set(model.closing) == set(execution.closing)
    assert set(model.in_doubt) == set(execution.in_doubt)
    assert set(model.wanted) == set(execution.fetch_fills)
    assert set(model.external) == set(execution.external)
    for key, (name, price, leaves, ours) in model.external.items():
        shown = execution.external[key]
        assert (name, price, leaves, ours) == (shown.instrument, shown.price, shown.leaves_qty, shown.ours)


def _compare_queue(model: Model, state: State) -> None:
    execution = state.execution
    counts, queue = execution.counts, execution.queue
    assert list(model.pending) == list(queue.pending)
    for order_id, mine in model.pending.items():
        theirs = queue.pending[order_id]
        assert (mine.kind, mine.source, mine.since) == (theirs.kind, theirs.source, theirs.admitted_ts)
        assert mine.terms == theirs.terms
        if mine.kind is RequestKind.REPLACE:
            assert (mine.qty, mine.price) == (theirs.qty, theirs.price)
    outcomes = (model.denied, model.withdrawn, model.dispatched, model.superseded)
    assert outcomes == (counts.denied, counts.withdrawn, counts.dispatched, queue.superseded)
    assert model.total == counts.total
    assert sum(outcomes) + len(model.pending) == counts.total
    assert model.drawn_last == execution.order_counter
    assert list(model.unused) == list(execution.drawn)


def _compare_accounts(model: Model, state: State) -> None:
    execution = state.execution
    assert model.holdings.keys() | model.baselines.keys() == execution.positions.keys()
    for name, held in model.holdings.items():
        position = execution.positions[name]
        assert (held.qty, held.cost, held.realised) == (position.qty, position.cost, position.realised)
        for asset, paid in held.fees.items():
            total = position.fees[asset]
            assert paid * 10**total.decimals == total.amount
    for name in model.baselines.keys() - model.holdings.keys():
        position = execution.positions[name]
        assert model.baselines[name] == (position.qty, position.cost)
    assert model.balances == {
        (venue, asset): (one.free, one.locked)
        for venue, each in execution.balances.items()
        for asset, one in each.items()
    }


def _compare_control(model: Model, state: State) -> None:
    control = state.control
    assert (model.phase, model.enabled) == (control.phase, control.strategy_enabled)
    assert model.trading == control.trading
    assert set(model.killed) == set(control.kill)
    assert (model.feed_status, model.venue_status) == (control.feed_status, control.venue_status)
    assert model.incidents == control.incidents
    assert model.rules.version == control.configuration_version == state.configuration.version
    assert model.rejects_in_a_row == state.execution.consecutive_rejects
    assert model.epochs == state.execution.epochs
    if control.phase.name != "STOPPED":
        assert model.deadlines == control.strategy_deadlines
