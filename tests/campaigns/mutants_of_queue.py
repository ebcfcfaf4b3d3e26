"""Mutants of Execution Control: dominance, reasons to withdraw, gates, order, and the rate rule."""

from __future__ import annotations

from livestack.core import apply_commands, apply_control, derivation, execution_control, pending, rates
from livestack.core.pending import DOMINANCE, Dominance
from livestack.core.state import ControlState
from tests.campaigns.mutants import Change, Mutant, cells, edit

QUEUE = ("tests/core/test_pending.py",)
VALIDITY = (
    "tests/core/test_trading_table.py",
    "tests/core/test_execution_control.py",
    "tests/core/test_apply_control.py",
    "tests/core/test_runtime.py::test_only_one_request_is_inflight_per_order",
    "tests/core/test_runtime.py::test_a_request_without_outcome_becomes_unresolved",
    "tests/core/test_runtime.py::test_stopping_cancels_what_is_open_and_withdraws_what_is_pending",
)
RATES = (
    "tests/core/test_rates.py",
    "tests/core/test_execution_control.py",
    "tests/core/test_apply_execution.py",
)


def dominance() -> list[Mutant]:
    """Each row of ``DOMINANCE`` with another outcome, and what an outcome means."""
    admit = pending.Queue.admit
    return [
        *cells("DOMINANCE", DOMINANCE, Dominance, QUEUE),
        edit(
            "two commands that close count as one",
            admit,
            "2 if dominance is Dominance.NEITHER else 1",
            "1",
            QUEUE,
        ),
        edit(
            "a merged New keeps its old terms",
            admit,
            "msgspec.structs.replace(before.terms, qty=qty, price=price)",
            "before.terms",
            QUEUE,
        ),
        edit("a merged New ranks as a New", admit, "Form.AMENDED_NEW", "Form.NEW", QUEUE),
    ]


def validity() -> list[Mutant]:
    """Each reason to withdraw left out, in the check and where an Event withdraws at once; and the gates."""
    check, held, engage = (
        execution_control.withdraw_reason,
        execution_control.held,
        apply_control.kill_switch_engaged,
    )
    made: list[Change] = [
        ("no withdrawal ORDER_TERMINAL, ORDER_UNKNOWN", check, "if not new and", "if False and"),
        (
            "ORDER_TERMINAL and ORDER_UNKNOWN are the same",
            check,
            "return WithdrawReason.ORDER_TERMINAL if closed else WithdrawReason.ORDER_UNKNOWN",
            "return WithdrawReason.ORDER_TERMINAL",
        ),
        (
            "no withdrawal KILL_SWITCH in the check",
            check,
            "if control.killed(pending.venue, pending.instrument):",
            "if False:",
        ),
        ("no withdrawal TRADING_STATE in the check", check, "is TradingState.HALTED", "is None"),
        (
            "no withdrawal SESSION_STOPPING in the check",
            check,
            "in (SessionPhase.STOPPING, SessionPhase.STOPPED)",
            "in ()",
        ),
        ("no withdrawal TOO_OLD", check, ">= state.configuration.execution.max_queue_age", "< 0"),
        ("TOO_OLD a moment later", check, ">= state.configuration", "> state.configuration"),
        ("Cancels are withdrawn too", check, "if pending.kind is RequestKind.CANCEL:", "if False:"),
        ("the kill-switch does not withdraw", engage, "out.withdraw(", "(lambda *arguments: None)("),
        (
            "the kill-switch cancels nothing",
            engage,
            "if state.configuration.kill.cancel_open_orders:",
            "if False:",
        ),
        (
            "the kill-switch always cancels",
            engage,
            "if state.configuration.kill.cancel_open_orders:",
            "if True:",
        ),
        ("the kill-switch is forgotten", engage, "control.kill.setdefault(", "{}.setdefault("),
        (
            "a change of the trading state does not withdraw",
            derivation._trading_state,
            "out.withdraw(",
            "(lambda *arguments: None)(",
        ),
        (
            "REDUCING cancels nothing",
            derivation._trading_state,
            "cancel_increasing(out, event.venue, event.instrument)",
            "pass",
        ),
        (
            "a change of risk keys does not withdraw",
            derivation._configuration,
            "out.withdraw(WithdrawReason.CONFIGURATION)",
            "pass",
        ),
        ("a change of any key withdraws", derivation._configuration, '== "risk"', '!= ""'),
        (
            "resumption does not withdraw",
            apply_control.session_resumed,
            "out.withdraw(WithdrawReason.SESSION_RESUMED)",
            "pass",
        ),
        (
            "stopping cancels nothing",
            apply_control.session_stopping,
            "if not state.execution.leaves_open:",
            "if False:",
        ),
        (
            "stopping does not withdraw at once",
            apply_control.session_stopping,
            "out.withdraw(WithdrawReason.SESSION_STOPPING)",
            "pass",
        ),
        (
            "an operator's Cancel leaves a waiting New alone",
            apply_commands._cancel_order,
            "out.withdraw_one(pending, WithdrawReason.SUPERSEDED)",
            "pass",
        ),
        (
            "the end does not withdraw",
            apply_control.session_stopped,
            "out.withdraw(WithdrawReason.SESSION_STOPPING)",
            "pass",
        ),
        ("cancel-all leaves the Queue alone", apply_commands._cancel_all, "if covered and", "if False and"),
        ("the inflight gate is open", held, "if pending.order_id in execution.requests:", "if False:"),
        (
            "an unresolved request holds nothing",
            held,
            "pending.order_id in execution.unresolved or",
            "",
        ),
        ("an order in doubt holds nothing", held, "or pending.order_id in execution.in_doubt", ""),
        ("an unresolved request holds Cancels", held, "pending.kind is not RequestKind.CANCEL and", ""),
        (
            "an open incident never halts",
            ControlState._is_halted,
            "grade == HALTING or",
            "",
        ),
        (
            "an incident that halts a venue halts every venue",
            ControlState._is_halted,
            'name.rpartition(" ")[2] == venue',
            "True",
        ),
        ("an incident never halts a venue", ControlState._is_halted, "grade == VENUE_HALTING", "False"),
        ("a venue that is not LIVE is sent to", held, "is not ConnectionStatus.LIVE", "is None"),
        (
            "the order of the Queue is reversed",
            execution_control._in_order,
            "rank[one.kind.name.lower()], one.number",
            "-rank[one.kind.name.lower()], -one.number",
        ),
        ("the last admitted goes first", execution_control._in_order, "one.number", "-one.number"),
        ("a blocked request is overtaken", execution_control.process, "blocked[lane] = None", "pass"),
        (
            "a held request blocks the others",
            execution_control.process,
            "if lane in blocked or held(pending, state):\n            continue",
            "if lane in blocked or held(pending, state):\n            blocked[lane] = None\n            continue",
        ),
        (
            "Cancels wait for New and Replace",
            execution_control.process,
            "pending.kind is RequestKind.CANCEL)",
            "False)",
        ),
    ]
    return [edit(name, function, before, after, VALIDITY) for name, function, before, after in made]


def rate() -> list[Mutant]:
    """The rate rule, without each of its parts."""
    wait, used = rates.VenueRates.wait_until, rates.LimitUsage.used
    free, reported = rates.LimitUsage.free_at, rates.VenueRates.reported
    clock, touched = rates.VenueRates._clock, rates._touched
    share, appears = rates._share, rates.VenueRates.usage
    made: list[Change] = [
        ("the Cancel reserve is ignored", share, "limit - rule.cancel_reserve", "limit"),
        ("Cancels have no reserve of their own", share, "limit if kind is RequestKind.CANCEL else ", ""),
        ("the host's reserve is ignored", share, " - rule.host_reserve", ""),
        ("a window takes one request more", wait, "> room:", "> room + 1:"),
        ("a window takes one request less", wait, "> room:", ">= room:"),
        ("the back-off is ignored", wait, "max(ts, self.backoff_until)", "ts"),
        ("the orders' back-off is ignored", wait, "max(earliest, self.orders_backoff_until)", "earliest"),
        ("the orders' back-off stops Cancels", wait, "kind is not RequestKind.CANCEL:", "True:"),
        ("the clock's error is ignored", clock, " + min(self.error_ns, WINDOWS_MAX * rule.interval)", ""),
        ("the clock's offset is ignored", clock, "ts + self.offset_ns", "ts"),
        ("a sliding limit runs on the venue's clock", clock, "if not rule.aligned:", "if False:"),
        (
            "a clock may be wrong by any time",
            rates.VenueRates._clock_is_useless,
            "self.error_ns > WINDOWS_MAX",
            "self.error_ns < -WINDOWS_MAX",
        ),
        ("only the first limit counts", wait, "in rules:", "in rules[:1]:"),
        (
            "the venue's own limit is ignored",
            share,
            "min(rule.limit, usage.reported_limit or rule.limit)",
            "rule.limit",
        ),
        ("only the first window counts", used, "max(used, self.windows.get(window, 0))", "used"),
        (
            "only the last window counts",
            used,
            "max(used, self.windows.get(window, 0))",
            "self.windows.get(window, 0)",
        ),
        ("a sliding window has no guard band", used, " - 2 * limit.guard_band", ""),
        (
            "the guard band before a window is ignored",
            touched,
            "(now_ns - guard_ns) // limit.interval",
            "now_ns // limit.interval",
        ),
        (
            "the guard band behind a window is ignored",
            touched,
            "(now_ns + guard_ns) // limit.interval",
            "now_ns // limit.interval",
        ),
        (
            "capacity returns a moment late",
            free,
            "* limit.interval + guard_ns",
            "* limit.interval + guard_ns + 1",
        ),
        (
            "capacity of a sliding window returns late",
            free,
            "limit.interval + 2 * limit.guard_band\n    return",
            "limit.interval + 2 * limit.guard_band + 1\n    return",
        ),
        (
            "the venue's count never lowers ours",
            rates.LimitUsage.correct,
            "used if exact else max(known, used)",
            "max(known, used)",
        ),
        (
            "the venue's count always lowers ours",
            rates.LimitUsage.correct,
            "used if exact else max(known, used)",
            "used",
        ),
        ("requests since the report are forgotten", reported, "+ self._weight(rule, since)", ""),
        ("a report without a request lowers too", reported, "exact=stamp is not None", "exact=True"),
        (
            "a resumed session takes windows as empty",
            rates.VenueRates.take_as_full,
            "full, exact=False",
            "0, exact=False",
        ),
        (
            "a resumed session leaves nothing to Cancels",
            rates.VenueRates.take_as_full,
            "RequestKind.NEW",
            "RequestKind.CANCEL",
        ),
        ("Cancels wait for a better clock", wait, "kind is not RequestKind.CANCEL and ", ""),
        ("a rule that comes up is unused", appears, "if self.dispatches:", "if False:"),
        ("a rule that comes up starts anew", appears, "other[:3] == identity[:3]", "False"),
        (
            "windows that are over are kept",
            rates.LimitUsage.correct,
            "self._forget_windows(first)",
            "pass",
        ),
        ("what is over is kept", rates.LimitUsage.correct, "self._forget(limit, now_ns)", "pass"),
        (
            "corrections pile up",
            rates.LimitUsage.correct,
            "len(self.sent) >= SLIDING_LIMIT_MAX",
            "False",
        ),
        (
            "a clock that is set back leaves its windows",
            rates.VenueRates.set_clock,
            "usage.draw_in(",
            "(lambda last: None)(",
        ),
        (
            "a clock that is set back forgets what was sent",
            rates.LimitUsage.draw_in,
            "max(self.windows.get(last, 0), used)",
            "self.windows.get(last, 0)",
        ),
        ("requests are not counted", rates.VenueRates.dispatched, "if weight:", "if False:"),
    ]
    return [edit(name, function, before, after, RATES) for name, function, before, after in made]
