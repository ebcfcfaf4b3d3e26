"""Mutants of State and of the step: the life of an Order, fills, whose an Event is, and the laws of the Core."""

from __future__ import annotations

from livestack.core import (
    apply_control,
    apply_execution,
    derivation,
    orders,
    owed,
    risk,
    runtime,
    settlement,
    state,
    strategy,
)
from livestack.core.orders import LIFECYCLE, REPORTS, Effect, ReportEffect
from livestack.core.types import OrderStatus
from tests.campaigns.mutants import Change, Mutant, cells, edit

TABLES = ("tests/core/test_orders.py",)
EXECUTION = (
    "tests/core/test_apply_execution.py",
    "tests/core/test_settlement.py",
    "tests/core/test_reports.py",
    "tests/core/test_state.py",
    "tests/core/test_external.py",
    "tests/core/test_runtime.py::test_an_inflight_replace_proven_by_its_fill",
    "tests/core/test_order_invariants.py",
    "tests/core/test_contradictions.py",
)
LAWS = (
    "tests/core/test_invariants.py",
    "tests/core/test_order_invariants.py",
    "tests/core/test_risk.py",
    "tests/core/test_strategy.py",
    "tests/core/test_apply_control.py",
    "tests/core/test_runtime.py::test_order_of_positions_and_time_is_checked_before_anything_changes",
)


def tables() -> list[Mutant]:
    """Each cell of ``LIFECYCLE`` and ``REPORTS`` with another outcome."""
    return [
        *cells("LIFECYCLE", LIFECYCLE, [*OrderStatus, *Effect], TABLES),
        *cells("REPORTS", REPORTS, ReportEffect, TABLES),
    ]


def execution() -> list[Mutant]:
    """What comes from the venue, taken in wrongly."""
    fill, closed = apply_execution.order_fill, apply_execution.order_closed
    is_known = state.FillLedger.is_known
    made: list[Change] = [
        (
            "fills are not deduplicated",
            is_known,
            "fill_id <= self.floor or bool(self.seen.get(fill_id, 0) & side)",
            "False",
        ),
        ("the sides of one trade are one fill", is_known, "& side", ""),
        ("fills below the floor are new", is_known, "fill_id <= self.floor or ", ""),
        ("the floor moves backwards", state.FillLedger.raise_floor, "if through > self.floor:", "if True:"),
        ("an impossible fill is applied", fill, "event.qty <= 0 or ", ""),
        (
            "a late fill moves no position",
            fill,
            "position.trade(",
            "(order is not None and order.is_terminal) or position.trade(",
        ),
        ("an over-fill is no anomaly", fill, "outcome is Effect.LATE or over", "outcome is Effect.LATE"),
        ("a late fill is no anomaly", fill, "outcome is Effect.LATE or over", "over"),
        (
            "a fill of the other side is applied to the Order",
            fill,
            "!= (event.side, event.instrument)",
            "== None",
        ),
        (
            "a fill under a Replace's id proves nothing",
            fill,
            "imply_replaced(state, order, event.client_id)",
            "pass",
        ),
        ("the end of an earlier incarnation closes", closed, "is_outdated(order, event.client_id)", "False"),
        (
            "a report about an earlier incarnation counts",
            apply_execution.order_report,
            " or is_outdated(order, event.client_id)",
            "",
        ),
        (
            "a repeated replacement brings old terms back",
            apply_execution.order_replaced,
            "if is_outdated(order, event.client_id):",
            "if False:",
        ),
        (
            "a late replacement settles the next one",
            apply_execution.order_replaced,
            "settle(state, order, RequestKind.NEW)\n    settle(state, order, RequestKind.REPLACE, revision)",
            "settle(state, order, RequestKind.NEW)\n    settle(state, order, RequestKind.REPLACE)",
        ),
        (
            "a report ends an Order whose Replace has no outcome",
            settlement.close_by_report,
            "request.kind is RequestKind.REPLACE",
            "False",
        ),
        ("an older claim takes the place of a newer one", settlement.claim, "if not older:", "if True:"),
        (
            "an open claim settles a Cancel",
            settlement.claim,
            "if what.status in TERMINAL:",
            "if True:",
        ),
        (
            "an Event from elsewhere is believed",
            settlement._changing,
            "if elsewhere and not isinstance(event, events.OrderFill):",
            "if False:",
        ),
        (
            "fills that a cancel counts are not fetched",
            closed,
            "if event.filled_qty > order.filled_qty",
            "if False",
        ),
        (
            "fills that a report counts are not fetched",
            apply_execution.order_report,
            "if event.filled_qty > order.filled_qty",
            "if False",
        ),
        (
            "claimed fills that never came are no contradiction",
            apply_execution.fills_reconciled,
            "illegal(",
            "(lambda *arguments: None)(",
        ),
        (
            "a refused Cancel is not asked about",
            apply_execution.cancel_rejected,
            "state.execution.unresolved.setdefault(order.order_id, refused)",
            "pass",
        ),
        (
            "a second baseline counts",
            apply_execution.account_baseline,
            "event.venue in execution.baselines or state.control.phase is not SessionPhase.STARTING",
            "False",
        ),
        (
            "a failed Replace ends its Order",
            apply_execution.dispatch_failed,
            "if event.kind is not RequestKind.NEW:",
            "if False:",
        ),
        (
            "accepted orders do not end the row of rejects",
            apply_execution.order_accepted,
            "state.execution.consecutive_rejects = 0",
            "pass",
        ),
        (
            "an outcome of another revision settles",
            settlement.settle,
            "and revision in (0, request.revision)",
            "",
        ),
        ("an outcome of another kind settles", settlement.settle, "request.kind is kind and", ""),
        (
            "an order of another session is ours",
            settlement.owner,
            "parsed.epoch not in execution.epochs",
            "False",
        ),
        ("an unknown order of ours is nothing", settlement.owner, "halt=True", "halt=False"),
        ("a contradiction does not halt", settlement.illegal, "halt=True", "halt=False"),
        (
            "a closed Order keeps its request",
            settlement.finish,
            "execution.requests.pop(order_id, None)",
            "pass",
        ),
        ("closed Orders stay for ever", settlement.finish, "while execution.closed:", "while False:"),
        ("an anomaly halts nothing", derivation.Derivation.anomaly, "if scope and", "if False and"),
    ]
    return [edit(name, function, before, after, EXECUTION) for name, function, before, after in made]


def laws() -> list[Mutant]:
    """One for each invariant that a patch can break (docs/invariants.rst)."""
    step, submit = runtime.CoreRuntime._full_step, runtime.CoreRuntime._submit
    judge, complete = risk.Risk.judge, runtime.CoreRuntime._complete
    made: list[Change] = [
        (
            "E3: positions may go back",
            runtime.CoreRuntime._check_position,
            "if ts < control.ts or seq <= control.seq or self._next_seq:",
            "if False:",
        ),
        (
            "E3: the venue's time is now",
            step,
            "control.ts = ts",
            'control.ts = max(ts, getattr(event, "event_ns", 0))',
        ),
        (
            "E4: a decision depends on where an object lies",
            complete,
            "self._cancel_closing()",
            "self.state.execution.order_counter += id(event) // 64 % 1_000; self._cancel_closing()",
        ),
        (
            "E5: a DERIVED Event may be fed",
            step,
            "if apply is None:",
            "if apply is None and isinstance(event, DerivedEvent):\n        return _EMPTY\n    if apply is None:",
        ),
        (
            "E5: a DERIVED Event makes the Strategy run again",
            submit,
            "verdict = self._risk.judge(intent, source, state)",
            (
                "verdict = self._risk.judge(intent, source, state)\n"
                "    if isinstance(verdict, Denial):\n        self.strategy.on_event(self._view, None)"
            ),
        ),
        ("EC2: the Queue is not processed in the step", complete, "process(self._out)", "pass"),
        (
            "EC6: an admission leaves an Event",
            submit,
            "admit(verdict, state)\n",
            'admit(verdict, state)\n        self._out.emit(events.CommandApplied(request_id="admitted"))\n',
        ),
        (
            "EC7: an obligation is forgotten when it is looked at",
            owed.obligations,
            "execution, control = state.execution, state.control",
            "execution, control = state.execution, state.control\n    control.stale_checks.clear()",
        ),
        (
            "L3: an Order begins as Accepted",
            orders.open_order,
            "order_id=request.order_id,",
            "order_id=request.order_id,\n        status=OrderStatus.ACCEPTED,",
        ),
        (
            "L4: a time-out is taken for a rejection",
            settlement.time_out,
            "execution.unresolved.setdefault(order_id, execution.requests.pop(order_id))",
            "execution.orders[order_id].status = type(execution.orders[order_id].status)(6)",
        ),
        ("R1: an Allowed can be made by anyone", risk.Allowed.__init__, "if key is not _KEY:", "if False:"),
        ("R1: what Risk says is not heeded", submit, "self._risk.judge(", "Risk({}).judge("),
        (
            "R2: Risk changes State",
            judge,
            "return Allowed(_KEY, intent, source, venue, instrument, proposal)",
            (
                "state.execution.drawn.pop(intent.order_id, None)\n"
                "    return Allowed(_KEY, intent, source, venue, instrument, proposal)"
            ),
        ),
        (
            "R2: Risk paces",
            judge,
            "where = locate(intent, state)",
            (
                "where = locate(intent, state)\n"
                "    silent = [one.backoff_until for one in state.execution.rates.values()]\n"
                '    if max([0, *silent]) > state.control.ts:\n        return Denial((), "wait", "rate")'
            ),
        ),
        (
            "R3: Cancels are judged by the kill-switch",
            judge,
            "if isinstance(intent, Cancel):",
            "if isinstance(intent, Cancel) and not state.control.killed(venue, instrument):",
        ),
        (
            "D2: the clock is read",
            complete,
            "self._cancel_closing()",
            "self.state.control.ts += __import__('time').time_ns() % 2; self._cancel_closing()",
        ),
        (
            "D3: a snapshot forgets Order IDs that were drawn",
            state.State.snapshot,
            "self.execution, msgspec",
            "msgspec.structs.replace(self.execution, drawn={}), msgspec",
        ),
        (
            "D3: the digest is not of the whole State",
            state.State.digest,
            "pack([self.market, self.execution, self.control])",
            "pack([self.market, self.control])",
        ),
        (
            "D3: the Strategy's memory is kept elsewhere",
            runtime.CoreRuntime._ask,
            "control.memory = self.strategy.memory",
            "pass",
        ),
        (
            "D3: the View can be written through",
            strategy.ReadOnly.__setattr__,
            "raise",
            "setattr(object.__getattribute__(self, '_target'), name, value)\n    return\n    raise",
        ),
        ("the session begins twice", apply_control.session_started, "if execution.epochs:", "if False:"),
    ]
    return [edit(name, function, before, after, LAWS) for name, function, before, after in made]
