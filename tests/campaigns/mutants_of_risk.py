"""Mutants of Risk and of the limit monitors: rules that allow everything, and comparisons that are off by one."""

from __future__ import annotations

from livestack.core import limits, monitors, proposal, risk, risk_rules
from livestack.core.risk_rules import RULES
from tests.campaigns.mutants import Change, Mutant, StaleMutant, edit, entry

RISK = (
    "tests/core/test_risk_rules.py",
    "tests/core/test_risk.py",
    "tests/core/test_risk_limits.py",
    "tests/core/test_venue_filters.py",
    "tests/core/test_proposal.py",
    "tests/core/test_trading_table.py",
)
MONITORS = ("tests/core/test_monitors.py",)

RULE_NAMES = (
    "session_phase",
    "monitored_limits",
    "kill_switch",
    "trading_state",
    "instrument_tradable",
    "venue_connected",
    "feed_fresh",
    "book_valid",
    "order_terms",
    "price_filter",
    "lot_size",
    "notional_filter",
    "max_order_qty",
    "max_order_notional",
    "price_collar",
    "max_position",
    "max_gross_notional",
    "max_open_orders",
    "max_intents_per_second",
    "max_session_orders",
    "max_session_notional",
    "self_trade",
    "duplicate_order",
    "balance",
    "reduce_only",
)
"""Said a second time: a rule that is added or taken away has to be seen here."""


def _never(*arguments: object) -> None:
    """A rule without objections."""


def rules() -> list[Mutant]:
    """Each rule made to allow everything."""
    if tuple(RULES) != RULE_NAMES:
        raise StaleMutant(
            f"RULES and RULE_NAMES differ: {sorted(RULES.keys() ^ set(RULE_NAMES)) or 'in order'}"
        )
    return [Mutant(f"rule {name} allows everything", RISK, entry(RULES, name, _never)) for name in RULES]


def boundaries() -> list[Mutant]:
    """Comparisons off by one."""
    at_most = "value > limit else None"
    made: list[Change] = [
        ("a limit denies what meets it", risk_rules._at_most, at_most, "value >= limit else None"),
        ("a limit allows a unit more", risk_rules._at_most, at_most, "value > limit + 1 else None"),
        (
            "a limit written nowhere allows",
            risk_rules._at_most,
            "if limit is None:\n        return _not_configured(key)",
            "if limit is None:\n        return None",
        ),
        (
            "price_collar denies what meets it",
            risk_rules.price_collar,
            "> collar * reference",
            ">= collar * reference",
        ),
        (
            "price_collar compares with one side only",
            risk_rules.price_collar,
            "abs(price - reference)",
            "(price - reference)",
        ),
        ("reducing through flat by a unit", risk_rules._reduces, "worst > closable", "worst > closable + 1"),
        ("reducing to flat is denied", risk_rules._reduces, "worst > closable", "worst >= closable"),
        (
            "reduce_only and REDUCING ignore working orders",
            risk_rules._reduces,
            "worst = proposal.buying if buy else proposal.selling",
            "worst = proposal.leaves_qty",
        ),
        ("duplicate_window includes its end", risk_rules.duplicate_order, "< window", "<= window"),
        (
            "self_trade at the same price is allowed, buying",
            risk_rules.self_trade,
            "price >= one.price",
            "price > one.price",
        ),
        (
            "self_trade at the same price is allowed, selling",
            risk_rules.self_trade,
            "price <= one.price",
            "price < one.price",
        ),
        ("balance denies what is just enough", risk_rules.balance, "total > free", "total >= free"),
        (
            "price_min excludes itself",
            risk_rules.price_filter,
            "price < rules.price_min",
            "price <= rules.price_min",
        ),
        (
            "price_max excludes itself",
            risk_rules.price_filter,
            "price > rules.price_max",
            "price >= rules.price_max",
        ),
        ("qty_min excludes itself", risk_rules.lot_size, "qty < smallest", "qty <= smallest"),
        ("qty_max excludes itself", risk_rules.lot_size, "qty > largest", "qty >= largest"),
        ("notional_min excludes itself", risk_rules.notional_filter, "least < smallest", "least <= smallest"),
        (
            "notional_max excludes itself",
            risk_rules.notional_filter,
            "notional > largest",
            "notional >= largest",
        ),
        (
            "the venue's open orders exclude the last",
            risk_rules.max_open_orders,
            "len(ids) + 1 > venue_limit",
            "len(ids) + 1 >= venue_limit",
        ),
        (
            "max_position ignores what is on its way",
            risk_rules.max_position,
            "position + proposal.buying",
            "position + proposal.leaves_qty",
        ),
        ("a short position has no limit", risk_rules.max_position, "proposal.selling - position", "0"),
        (
            "Intents of a whole second ago still count",
            risk_rules.max_intents_per_second,
            "bisect_right(",
            "(lambda *a: bisect_right(a[0], a[1] - 1))(",
        ),
        ("orders in the Queue are no session orders", risk_rules.max_session_orders, "queued + 1", "1"),
        (
            "an unsettled buy leaves the balance alone",
            proposal.unreported_total,
            "for one in unsettled(state.execution):",
            "for one in ():",
        ),
        (
            "a rule that fails passes",
            risk.Risk.judge,
            'return Denial((f"error={type(error).__name__}",), "the rule failed", name)',
            "pass",
        ),
        ("session loss at its limit halts", monitors._session_loss, "-result > limit", "-result >= limit"),
        (
            "rejects at their limit are borne",
            monitors._consecutive_rejects,
            "rejects >= risk",
            "rejects > risk",
        ),
        ("fills at their limit halt", monitors._unattended_fills, "fills > limit", "fills >= limit"),
        (
            "data at its age limit reduces",
            monitors._check_data,
            "_data_age(state, name) <= limit",
            "_data_age(state, name) < limit",
        ),
    ]
    found = [
        edit(name, function, before, after, (*RISK, *MONITORS)) for name, function, before, after in made
    ]
    scopes = (
        ("instrument limits are not looked at", "risk.instrument.get(definition.instrument)", "None"),
        ("venue limits are not looked at", "risk.venue.get(definition.venue)", "None"),
    )
    return found + [edit(name, limits.resolve, before, after, RISK) for name, before, after in scopes]
