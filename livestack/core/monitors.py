"""Limit monitors: what State says about itself after each Event, and what follows from it.

Pure. Stage 2 of a step; Risk judges Intents and changes nothing, monitors change the trading state and judge no Intent.
A limit that is not configured is not monitored: Risk denies every order without it anyway. Harness thread.
"""

from __future__ import annotations

from livestack.core.derivation import Derivation
from livestack.core.events import StrategyDisabled, TradingStateChanged
from livestack.core.limits import UNLIMITED
from livestack.core.proposal import total_notional
from livestack.core.risk import Risk
from livestack.core.state import State
from livestack.core.types import TradingState


def watch(out: Derivation, risk: Risk) -> None:
    """After an execution or control Event: session loss halts, consecutive rejects disable the Strategy."""
    state = out.state
    if state.control.trading_state() is TradingState.HALTED:
        return
    _consecutive_rejects(out, risk)
    _session_loss(out, risk)


def session_result(state: State) -> dict[str, int]:
    """Realised and unrealised result by quote currency, fees in it included, in ``NOTIONAL_DECIMALS``."""
    result: dict[str, int] = {}
    for name, position in state.execution.positions.items():
        market = state.market.instruments[name]
        rules = market.definition
        decimals = rules.price_decimals + rules.qty_decimals
        amount = position.realised + position.unrealised(market.bid, market.ask)
        amount -= position.fee_in(rules.quote, decimals)
        result[rules.quote] = result.get(rules.quote, 0) + total_notional(amount, market)
    return result


def _session_loss(out: Derivation, risk: Risk) -> None:
    state = out.state
    if not state.execution.positions:
        return
    result = session_result(state)
    for name in state.execution.positions:
        market = state.market.instruments[name]
        limit = risk.limits(state, market).max_session_loss_total
        loss = -result[market.definition.quote]
        if limit is not None and loss > limit:
            _halt(out, "max_session_loss", f"lost {loss} of {limit} {market.definition.quote}, 18 decimals")
            return


def _consecutive_rejects(out: Derivation, risk: Risk) -> None:
    state = out.state
    rejects = state.execution.consecutive_rejects
    if rejects == 0:
        return
    for market in state.market.instruments.values():
        limit = risk.limits(state, market).max_consecutive_rejects
        if limit is not None and limit < UNLIMITED and rejects >= limit:
            if state.control.strategy_enabled:
                out.emit(StrategyDisabled(by="max_consecutive_rejects", reason=f"{rejects} orders rejected in a row"))
            return


def _halt(out: Derivation, name: str, reason: str) -> None:
    out.emit(TradingStateChanged(state=TradingState.HALTED, by=name, reason=reason))
