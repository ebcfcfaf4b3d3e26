"""What every risk rule says of one Intent at one State, with its figure against its limit. Pure; any one thread.

A rule that has no objection returns nothing, so its figure is had by asking it again with its limit set below
everything: then it names what it compared. State is not changed; what has to be otherwise is a shallow copy.
"""

from __future__ import annotations

from typing import Final

import msgspec

from livestack.core.intents import Cancel, Intent
from livestack.core.limits import NOTIONAL_DECIMALS, UNLIMITED, Limits
from livestack.core.proposal import Proposal, propose
from livestack.core.risk import Risk, locate
from livestack.core.risk_rules import RULES, Denial
from livestack.core.state import Balance, State
from livestack.core.types import RequestSource, Side, format_decimal
from livestack.research.wording import short

LIMITS_OF: Final[dict[str, str]] = {
    "feed_fresh": "max_data_age",
    "max_order_qty": "max_order_qty",
    "max_order_notional": "max_order_notional",
    "price_collar": "price_collar_bps",
    "max_position": "max_position",
    "max_gross_notional": "max_gross_notional_total",
    "max_open_orders": "max_open_orders",
    "max_intents_per_second": "max_intents_per_second",
    "max_session_orders": "max_session_orders",
    "max_session_notional": "max_session_notional_total",
}
"""By rule, the limit that it compares with a figure of its own."""


class Verdict(msgspec.Struct, frozen=True):
    """One rule's word. ``figure`` and ``limit`` are decimal text in the unit of the rule, '' where it has none;
    ``detail`` is what it objects to."""

    rule: str
    allowed: bool
    figure: str = ""
    limit: str = ""
    detail: str = ""


def judge(intent: Intent, source: RequestSource, state: State) -> list[Verdict]:
    """Every rule in the order in which they are asked; all of them, also behind the first that denies.

    A Cancel is asked only whether it names an order.
    """
    where = locate(intent, state)
    if isinstance(where, Denial):
        return [Verdict(where.rule, allowed=False, detail=_sentence(where))]
    if isinstance(intent, Cancel):
        return [Verdict("order_id", allowed=True, detail="a Cancel is always admissible")]
    market = state.market.instruments[where[1]]
    try:
        proposal = propose(intent, source, state, market, Risk().limits(state, market))
    except Exception as error:  # noqa: BLE001 - as Risk sees it: a rule that fails is a rule that objects
        return [Verdict("proposal", allowed=False, detail=f"the rule failed: {type(error).__name__}")]
    return [_verdict(name, proposal, state) for name in RULES]


def _verdict(name: str, proposal: Proposal, state: State) -> Verdict:
    try:
        denial = RULES[name](proposal, state)
    except Exception as error:  # noqa: BLE001 - a rule that fails is a rule that objects
        return Verdict(name, allowed=False, detail=f"the rule failed: {type(error).__name__}")
    figure, limit = _figure(name, proposal, state)
    return Verdict(name, denial is None, figure, limit, "" if denial is None else _sentence(denial))


def _sentence(denial: Denial) -> str:
    inputs = ", ".join(denial.inputs)
    return f"{denial.detail} ({inputs})" if inputs else denial.detail


def _figure(name: str, proposal: Proposal, state: State) -> tuple[str, str]:
    """What rule ``name`` compares, and with what."""
    if name == "price_collar":
        return _distance(proposal, state)
    if name == "balance":
        return _funds(proposal, state)
    field = LIMITS_OF.get(name)
    if field is None:
        return "", ""
    limit = getattr(proposal.limits, field)
    found = _inputs(name, _with_limit(proposal, field, -1), state)
    if "value" not in found:
        return "", "" if limit is None else _text(name, limit, proposal)
    return (
        _text(name, int(found["value"]), proposal),
        "not configured" if limit is None else _text(name, limit, proposal),
    )


def _distance(proposal: Proposal, state: State) -> tuple[str, str]:
    """Of the price from the opposite best, in basis points."""
    limit = proposal.limits.price_collar_bps
    found = _inputs("price_collar", _with_limit(proposal, "price_collar_bps", -1), state)
    shown = "not configured" if limit is None else "unlimited" if limit >= UNLIMITED else f"{limit} bps"
    if "price" not in found or int(found["reference"]) <= 0:
        return "", shown
    price, reference = int(found["price"]), int(found["reference"])
    return f"{format_decimal(abs(price - reference) * 1_000_000 // reference, 2)} bps", shown


def _funds(proposal: Proposal, state: State) -> tuple[str, str]:
    """What of an asset would be taken, and what is free; the figure of a rule that nobody asked for is none."""
    if not proposal.limits.check_balance:
        return "", "not checked" if proposal.limits.check_balance is False else "not configured"
    rules = proposal.market.definition
    asset = rules.quote if proposal.terms.side is Side.BUY else rules.base
    held = state.execution.balances.get(rules.venue, {}).get(asset)
    if held is None:
        return "", "unknown"
    nothing = Balance(decimals=held.decimals, free=-1, locked=0)
    execution = msgspec.structs.replace(state.execution, balances={rules.venue: {asset: nothing}})
    found = _inputs("balance", proposal, msgspec.structs.replace(state, execution=execution))
    needed = short(int(found.get("needed", "0")), NOTIONAL_DECIMALS)
    return f"{needed} {asset}", f"{short(held.free, held.decimals)} {asset}"


def _with_limit(proposal: Proposal, field: str, value: int) -> Proposal:
    limits: Limits = msgspec.structs.replace(proposal.limits, **{field: value})
    return msgspec.structs.replace(proposal, limits=limits)


def _inputs(name: str, proposal: Proposal, state: State) -> dict[str, str]:
    try:
        denial = RULES[name](proposal, state)
    except Exception:  # noqa: BLE001 - a figure is for people: without one it is left out
        return {}
    return {} if denial is None else dict(part.split("=", 1) for part in denial.inputs)


def _text(name: str, value: int, proposal: Proposal) -> str:
    """A rule's number in its own unit."""
    if value >= UNLIMITED:
        return "unlimited"
    rules = proposal.market.definition
    if name == "feed_fresh":
        return f"{short(value, 6)} ms"
    if name in ("max_order_qty", "max_position"):
        return f"{short(value, rules.qty_decimals)} {rules.base}"
    if name == "max_order_notional":
        return f"{short(value, rules.price_decimals + rules.qty_decimals)} {rules.quote}"
    if name in ("max_gross_notional", "max_session_notional"):
        return f"{short(value, NOTIONAL_DECIMALS)} {rules.quote}"
    return str(value)
