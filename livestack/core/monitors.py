"""Limit monitors: what State says about itself after each Event, and what follows from it.

Pure. Stage 2 of a step; Risk judges Intents and changes nothing, monitors change the trading state and judge no Intent.
Where instruments have different limits for something that the whole session has one of (rejects in a row, unattended
fills, a currency's loss), the strictest counts. Theory of the short way: prices alone can bring a loss to its limit, so
:func:`alarms` says from which prices on that is possible, and until then no market Event is looked at. Harness thread.
"""

from __future__ import annotations

from typing import Final

from livestack.core import events
from livestack.core.derivation import Derivation
from livestack.core.events import InputEvent, StrategyDisabled, TradingStateChanged
from livestack.core.limits import UNLIMITED
from livestack.core.positions import Position
from livestack.core.proposal import total_notional
from livestack.core.risk import Risk
from livestack.core.state import InstrumentMarket, State
from livestack.core.types import TradingState

RESTING = "max_resting_data_age"

_ANY_PRICE = 2**63
"""Above every price: an alarm that always rings."""

Alarms = dict[str, tuple[int, int]]
"""By instrument: the bid below which, and the ask above which, the monitors have to look again."""


_NO_LOSS: Final = frozenset(
    {
        events.OrderAccepted,
        events.RequestSent,
        events.RateLimitReport,
        events.BalanceReport,
        events.ControlTime,
    }
)
"""Frequent Events that move neither a position nor a price nor a limit."""


def watch(out: Derivation, risk: Risk, event: InputEvent) -> None:
    """Loss and unattended fills halt, rejects in a row disable the Strategy, old data makes an instrument REDUCING."""
    _resting_data(out, risk)
    if out.state.control.trading_state() is TradingState.HALTED:
        return
    _consecutive_rejects(out, risk)
    _unattended_fills(out, risk)
    if type(event) not in _NO_LOSS:
        _session_loss(out, risk)


def session_result(state: State) -> dict[str, int]:
    """Realised and unrealised result by quote currency, fees in it included, in ``NOTIONAL_DECIMALS``."""
    result: dict[str, int] = {}
    for name, position in state.execution.positions.items():
        market = state.market.instruments[name]
        quote = market.definition.quote
        bid, ask = (
            market.bid or market.last_price,
            market.ask or market.last_price,
        )  # no touch: the last trade
        amount = position.realised + position.unrealised(bid, ask)
        paid = position.fee_in(quote, market.definition.price_decimals + market.definition.qty_decimals)
        total = total_notional(amount - paid, market) - position.marked_fees
        result[quote] = result.get(quote, 0) + total
    return result


def alarms(state: State, risk: Risk) -> Alarms:
    """From which prices on a market Event may have to change the trading state; a derivation, never State.

    The room that is left of a currency's loss limit is shared equally by its positions: as long as none of them has
    used up its share, their sum has not.
    """
    found: Alarms = {}
    held = {name: one for name, one in state.execution.positions.items() if one.qty}
    if held and state.control.trading_state() is not TradingState.HALTED:
        limits, result = risk.session_limits(state).losses, session_result(state)
        quotes = [state.market.instruments[name].definition.quote for name in held]
        for (name, position), quote in zip(held.items(), quotes, strict=True):
            limit = limits.get(quote, UNLIMITED)
            if limit < UNLIMITED:
                share = max(limit + result[quote], 0) // quotes.count(quote)
                found[name] = _bounds(position, state.market.instruments[name], share)
    for name in state.control.stale:
        found[name] = (_ANY_PRICE, _ANY_PRICE)
    return found


def rings(watched: Alarms, market: InstrumentMarket) -> bool:
    """Whether the prices of ``market`` are beyond those up to which the monitors have nothing to say."""
    bounds = watched.get(market.definition.instrument)
    return bounds is not None and (market.bid < bounds[0] or market.ask > bounds[1])


def _bounds(position: Position, market: InstrumentMarket, share: int) -> tuple[int, int]:
    per_unit = abs(position.qty) * total_notional(
        1, market
    )  # of price, rounded up: the bound is early, never late
    move = share // per_unit
    if position.qty > 0:
        return (market.bid - move if market.bid else _ANY_PRICE), _ANY_PRICE
    return -1, (market.ask + move if market.ask else -1)


def _session_loss(out: Derivation, risk: Risk) -> None:
    state = out.state
    if not state.execution.positions:
        return
    limits = risk.session_limits(state).losses
    for quote, result in session_result(state).items():
        limit = limits.get(quote, UNLIMITED)
        if -result > limit:
            _halt(out, "max_session_loss", f"lost {-result} of {limit} {quote}, 18 decimals")
            return


def _unattended_fills(out: Derivation, risk: Risk) -> None:
    fills, limit = out.state.execution.unattended_fills, risk.session_limits(out.state).unattended_fills
    if fills > limit:
        _halt(out, "max_unattended_fills", f"{fills} fills since the last operator's command, limit {limit}")


def _consecutive_rejects(out: Derivation, risk: Risk) -> None:
    state = out.state
    rejects = state.execution.consecutive_rejects
    if rejects >= risk.session_limits(state).consecutive_rejects and state.control.strategy_enabled:
        out.emit(StrategyDisabled(by="max_consecutive_rejects", reason=f"{rejects} orders rejected in a row"))


def _resting_data(out: Derivation, risk: Risk) -> None:
    """An instrument with open orders and old data is REDUCING until there is data again; what others set stays."""
    state = out.state
    control = state.control
    for name in list(control.stale):
        reducing = control.trading.get(name) is TradingState.REDUCING
        if not reducing or _data_age(state, name) <= _age_limit(state, name, risk):
            del control.stale[name]
            control.stale_checks[name] = 0
            if reducing:
                _set(out, name, TradingState.ACTIVE, "data is current again")
    for name, check_ns in list(control.stale_checks.items()):
        if check_ns <= control.ts:
            _check_data(out, name, _age_limit(state, name, risk))


def _check_data(out: Derivation, name: str, limit: int) -> None:
    state = out.state
    control, market = state.control, state.market.instruments[name]
    del control.stale_checks[name]
    if limit >= UNLIMITED or next(state.execution.open_orders(name), None) is None:
        return
    if _data_age(state, name) <= limit:
        control.stale_checks[name] = market.recv_ns + limit + 1
    elif control.trading_state(market.definition.venue, name) is TradingState.ACTIVE:
        control.stale[name] = None
        _set(out, name, TradingState.REDUCING, f"data is older than {limit // 1_000_000} ms")
    else:
        control.stale_checks[name] = control.ts + limit + 1


def _data_age(state: State, name: str) -> int:
    return state.control.ts - state.market.instruments[name].recv_ns


def _age_limit(state: State, name: str, risk: Risk) -> int:
    limit = risk.limits(state, state.market.instruments[name]).max_resting_data_age
    return UNLIMITED if limit is None else limit


def _set(out: Derivation, name: str, trading: TradingState, reason: str) -> None:
    venue = out.state.market.instruments[name].definition.venue
    out.emit(TradingStateChanged(state=trading, by=RESTING, reason=reason, venue=venue, instrument=name))


def _halt(out: Derivation, name: str, reason: str) -> None:
    out.emit(TradingStateChanged(state=TradingState.HALTED, by=name, reason=reason))
