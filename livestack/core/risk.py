"""Risk: whether. Turns an Intent into :class:`Allowed` or a Denial; changes nothing.

Pure policy, no pacing. Only this module can make an ``Allowed``, and Execution Control accepts nothing else. An
exception in a rule is a denial, never a pass. Cancels are always admissible, also under kill-switch and HALTED; all
that is asked of them is that they name an order. Harness thread.
"""

from __future__ import annotations

from typing import Final, final

import msgspec

from livestack.core.intents import Cancel, Intent, New, Replace
from livestack.core.limits import UNLIMITED, Limits, resolve
from livestack.core.proposal import Proposal, propose
from livestack.core.risk_rules import RULES, Denial, Rule, deny
from livestack.core.state import InstrumentMarket, State
from livestack.core.types import OrderType, RequestSource, SelfTradePrevention, Side, TimeInForce
from livestack.core.validation import is_encodable


@final
class _Key:
    """What only this module has: an ``Allowed`` made elsewhere neither type-checks nor runs."""


_KEY: Final = _Key()


@final
class Allowed:
    """An Intent that Risk has no objection to. Nothing but Risk can make one.

    ``proposal`` is the order that it would make; None for a Cancel.
    """

    __slots__ = ("instrument", "intent", "proposal", "source", "venue")

    def __init__(
        self,
        key: _Key,
        intent: Intent,
        source: RequestSource,
        venue: str,
        instrument: str,
        proposal: Proposal | None,
    ) -> None:
        if key is not _KEY:
            raise TypeError("only Risk can allow an Intent")
        self.intent = intent
        self.source = source
        self.venue = venue
        self.instrument = instrument
        self.proposal = proposal


class SessionLimits(msgspec.Struct, frozen=True):
    """The strictest of all instruments for what a session has one of; ``UNLIMITED`` where none is written.

    ``losses`` by quote currency, in ``NOTIONAL_DECIMALS``.
    """

    version: int
    instruments: int
    consecutive_rejects: int
    unattended_fills: int
    losses: dict[str, int]


class Risk:
    """Judges Intents against State; ``rules`` in order."""

    _session: SessionLimits | None = None

    def __init__(self, rules: dict[str, Rule] = RULES) -> None:
        self._rules = rules
        self._limits: dict[str, Limits] = {}

    def limits(self, state: State, market: InstrumentMarket) -> Limits:
        """The limits in force for an instrument; derived once per Configuration version and definition."""
        name = market.definition.instrument
        limits = self._limits.get(name)
        stale = limits is None or limits.version != state.configuration.version
        if limits is None or stale or limits.definition is not market.definition:
            limits = self._limits[name] = resolve(state.configuration, market.definition)
        return limits

    def session_limits(self, state: State) -> SessionLimits:
        """What the monitors watch; derived once per Configuration version and number of instruments."""
        version, markets = state.configuration.version, state.market.instruments
        session = self._session
        if session is not None and (session.version, session.instruments) == (version, len(markets)):
            return session
        each = [self.limits(state, market) for market in markets.values()]
        losses: dict[str, int] = {}
        for one in each:
            quote = one.definition.quote
            losses[quote] = min(losses.get(quote, UNLIMITED), _written(one.max_session_loss_total))
        self._session = SessionLimits(
            version,
            len(markets),
            min((_written(one.max_consecutive_rejects) for one in each), default=UNLIMITED),
            min((_written(one.max_unattended_fills) for one in each), default=UNLIMITED),
            losses,
        )
        return self._session

    def judge(self, intent: Intent, source: RequestSource, state: State) -> Allowed | Denial:
        """Allow ``intent``, or say which rule denies it and by which numbers."""
        if not _well_typed(intent):
            return Denial(
                (),
                "every number of an Intent is an integer, side and type are enums, its instrument is text",
                "order_terms",
            )
        where = locate(intent, state)
        if isinstance(where, Denial):
            return where
        venue, instrument = where
        if isinstance(intent, Cancel):
            return Allowed(_KEY, intent, source, venue, instrument, None)
        name = "proposal"
        try:
            market = state.market.instruments[instrument]
            proposal = propose(intent, source, state, market, self.limits(state, market))
            for name, rule in self._rules.items():
                denial = rule(proposal, state)
                if denial is not None:
                    return Denial(denial.inputs, denial.detail, name)
        except Exception as error:  # noqa: BLE001 - a rule that fails is a rule that objects
            return Denial((f"error={type(error).__name__}",), "the rule failed", name)
        return Allowed(_KEY, intent, source, venue, instrument, proposal)


def _written(limit: int | None) -> int:
    return UNLIMITED if limit is None else limit


_INT64_MAX: Final = 2**63 - 1


def _well_typed(intent: Intent) -> bool:
    """Structs do not check what a Strategy puts into them."""
    if isinstance(intent, Cancel):
        return _integers(intent.order_id)
    if isinstance(intent, Replace):
        return _integers(intent.order_id, intent.qty, intent.price)
    enums = (type(intent.side), type(intent.type), type(intent.tif), type(intent.stp))
    others = (type(intent.instrument), type(intent.post_only), type(intent.reduce_only))
    return (
        enums == (Side, OrderType, TimeInForce, SelfTradePrevention)
        and others == (str, bool, bool)
        and is_encodable(intent.instrument)
        and _integers(intent.order_id, intent.qty, intent.quote_qty, intent.price, intent.stop_price)
    )


def _integers(*values: object) -> bool:
    return all(type(value) is int and -_INT64_MAX <= value <= _INT64_MAX for value in values)


def locate(intent: Intent, state: State) -> tuple[str, str] | Denial:
    """Venue and instrument of an Intent whose Order ID is in a state to be named by it."""
    execution = state.execution
    order_id = intent.order_id
    pending = execution.queue.pending.get(order_id)
    order = execution.orders.get(order_id)
    if isinstance(intent, New):
        market = state.market.instruments.get(intent.instrument)
        if market is None:
            return Denial(
                (f"instrument={intent.instrument}",), "the instrument is not defined", "instrument_defined"
            )
        if order_id in execution.closed or (order_id not in execution.drawn and pending is None):
            return _bad_id("is not one that was drawn and is unused", order_id)
        if pending is not None and pending.instrument != intent.instrument:
            return _bad_id("is pending for another instrument", order_id)
        return market.definition.venue, intent.instrument
    if order is not None:
        if isinstance(intent, Replace) and order.closing is not None:
            return _bad_id("names an order that is being cancelled", order_id)
        return order.venue, order.instrument
    if pending is not None and order_id not in execution.closed:
        return pending.venue, pending.instrument
    return _bad_id("names no open or pending order", order_id)


def _bad_id(what: str, order_id: int) -> Denial:
    denial = deny(f"order id {what}", order_id=order_id)
    return Denial(denial.inputs, denial.detail, "order_id")
