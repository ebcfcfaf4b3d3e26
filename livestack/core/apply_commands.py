"""Operators' commands into State: each is applied, or refused with a sentence that says what would be right.

Pure. A command is answered once: the same request id of the same sender again gets the same answer and changes
nothing, also after a crash, because the answers are State. ``CommandApplied`` comes first, then what it changes. What
the host has to do itself (start, stop, engage the kill-switch) is applied without an effect: the record says who asked.
Harness thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

import msgspec

from livestack.core import events
from livestack.core.derivation import Derivation, close_order, covers
from livestack.core.state import CommandAnswer, State
from livestack.core.types import RequestKind, RequestSource, TradingState, WithdrawReason
from livestack.core.validation import Faults, encodable, guess
from livestack.core.versions import unknown_names, way_back
from livestack.exceptions import ConfigurationError

ANSWERS_MAX = 1_000
"""Answers remembered, the oldest go first: far more than are asked while a sender may still repeat a request."""

REFUSAL_MAX = 2_000
"""Characters of a refusal: it is kept, and a patch may have any number of faults."""

SHOWN_MAX = 10
"""Orders named in a refusal."""


def operator_command(state: State, event: events.OperatorCommand, out: Derivation) -> None:
    """Answer a command, and do what it asks for unless it was answered before."""
    known = state.control.answers.get(_key(event))
    if known is None:
        _COMMANDS[type(event.command)](state, event, event.command, out)
    elif known.fingerprint != _fingerprint(event.command):
        refusal = f"request id {event.request_id} was used for another command; take a new one"
        out.emit(events.CommandRefused(request_id=event.request_id, reason=encodable(refusal)))
    elif known.refusal:
        out.emit(events.CommandRefused(request_id=event.request_id, reason=known.refusal))
    else:
        out.emit(events.CommandApplied(request_id=event.request_id))


def _key(event: events.OperatorCommand) -> tuple[str, str]:
    return encodable(event.who), encodable(event.request_id)


def _fingerprint(command: events.Command) -> str:
    """The same for equal commands, everywhere; ``ascii``, because not every text has bytes."""
    return hashlib.blake2b(ascii(msgspec.to_builtins(command)).encode(), digest_size=8).hexdigest()


def is_answered(state: State, event: events.OperatorCommand) -> bool:
    """Whether something was said to a command of the same sender and request id."""
    return _key(event) in state.control.answers


def remember(state: State, event: events.OperatorCommand, refusal: str) -> None:
    """Keep what was said to a command, '' where it was applied: then an operator has looked at the session."""
    # a timer may ask for a checkpoint: nobody has looked at anything
    if not refusal and type(event.command) is not events.TakeCheckpoint:
        state.execution.unattended_fills = 0
    if not event.request_id:
        return
    answers = state.control.answers
    answers[_key(event)] = CommandAnswer(_fingerprint(event.command), refusal)
    if len(answers) > ANSWERS_MAX:
        del answers[next(iter(answers))]


def _applied(event: events.OperatorCommand, out: Derivation) -> None:
    remember(out.state, event, "")
    out.emit(events.CommandApplied(request_id=event.request_id))


def _refused(event: events.OperatorCommand, out: Derivation, reason: str) -> None:
    text = encodable(reason)
    if len(text) > REFUSAL_MAX:
        text = f"{text[: REFUSAL_MAX - 4]} ..."
    remember(out.state, event, text)
    out.emit(events.CommandRefused(request_id=event.request_id, reason=text))


def _not_in_session(state: State, venue: str, instrument: str) -> str:
    """Why a scope is none of this session; '' for one that is. A misspelt one would cover nothing."""
    instruments = state.market.instruments
    if instrument:
        market = instruments.get(instrument)
        if market is None:
            return f"{instrument} is no instrument of this session{guess(instrument, list(instruments))}"
        at = market.definition.venue
        return f"{instrument} is at {at}, not at {venue}" if venue not in ("", at) else ""
    venues = list(dict.fromkeys(one.definition.venue for one in instruments.values()))
    return "" if venue in ("", *venues) else f"{venue} is no venue of this session{guess(venue, venues)}"


# -- Trading, orders, strategy


def _set_trading_state(
    state: State, event: events.OperatorCommand, command: events.SetTradingState, out: Derivation
) -> None:
    venue, instrument = command.venue, command.instrument
    fault = _not_in_session(state, venue, instrument)
    if not fault and instrument:
        venue = state.market.instruments[instrument].definition.venue
    fault = fault or _stays_stricter(state, command.state, venue, instrument)
    if fault:
        _refused(event, out, fault)
        return
    _applied(event, out)
    out.emit(
        events.TradingStateChanged(
            state=command.state, by=event.who, reason=event.why, venue=venue, instrument=instrument
        )
    )


def _stays_stricter(state: State, wanted: TradingState, venue: str, instrument: str) -> str:
    """Why ACTIVE would not be: something wider is less, and the strictest state decides."""
    if wanted is not TradingState.ACTIVE or not venue:
        return ""
    trading = state.control.trading
    for scope in ("", venue) if instrument else ("",):
        if scope in trading:
            return (
                f"{scope or 'everything'} is {trading[scope].name}, which covers {instrument or venue}: "
                f"set {scope or 'everything'} ACTIVE, that lifts what is narrower too"
            )
    return ""


def _cancel_order(
    state: State, event: events.OperatorCommand, command: events.CancelOrder, out: Derivation
) -> None:
    execution = state.execution
    order = execution.orders.get(command.order_id)
    pending = execution.queue.pending.get(command.order_id)
    if order is None and pending is None:
        closed = execution.closed.get(command.order_id)
        what = "neither open nor pending" if closed is None else f"closed already: {closed.status.name}"
        _refused(event, out, f"order {command.order_id} is {what}")
        return
    _applied(event, out)
    if order is not None:
        close_order(state, order, RequestSource.OPERATOR)
    elif pending is not None:
        out.withdraw_one(pending, WithdrawReason.SUPERSEDED)


def _cancel_all(
    state: State, event: events.OperatorCommand, command: events.CancelAll, out: Derivation
) -> None:
    fault = _not_in_session(state, command.venue, command.instrument)
    if fault:
        _refused(event, out, fault)
        return
    _applied(event, out)
    for pending in list(state.execution.queue.pending.values()):
        covered = covers(command.venue, command.instrument, pending.venue, pending.instrument)
        if covered and pending.kind is RequestKind.NEW:
            out.withdraw_one(pending, WithdrawReason.SUPERSEDED)
    out.close_orders(RequestSource.OPERATOR, command.venue, command.instrument)


def _set_strategy(
    state: State, event: events.OperatorCommand, command: events.SetStrategyEnabled, out: Derivation
) -> None:
    _applied(event, out)
    if command.enabled and not state.control.strategy_enabled:
        out.emit(events.StrategyEnabled(by=event.who, reason=event.why))
    elif not command.enabled and state.control.strategy_enabled:
        out.emit(events.StrategyDisabled(by=event.who, reason=event.why))


# -- Kill-switch and session


def _reset_kill_switch(
    state: State, event: events.OperatorCommand, command: events.ResetKillSwitch, out: Derivation
) -> None:
    """Not while the fate of an order is unknown, unless that is accepted in so many words."""
    if not state.control.kill:
        _refused(event, out, "the kill-switch is not engaged")
        return
    unknown = [] if command.accept_unknown else unknown_orders(state)
    if unknown:
        shown = ", ".join(map(str, unknown[:SHOWN_MAX])) + (" ..." if len(unknown) > SHOWN_MAX else "")
        count = f"{len(unknown)} order{'s' if len(unknown) > 1 else ''} of unknown fate ({shown})"
        wait = "wait until the venue has said what became of it, or reset with accept_unknown"
        _refused(event, out, f"{count}: {wait}")
        return
    _applied(event, out)
    out.emit(events.KillSwitchReset(by=event.who, reason=event.why, accept_unknown=command.accept_unknown))


def unknown_orders(state: State) -> list[int]:
    """Orders under the kill-switch of which nobody knows what the venue made of the last request.

    A New or Replace without an answer counts, timed out or not; of a Cancel only one that timed out.
    """
    execution, control = state.execution, state.control
    flying = [one for one, request in execution.requests.items() if request.kind is not RequestKind.CANCEL]
    found: list[int] = []
    for order_id in dict.fromkeys((*execution.unresolved, *flying, *execution.in_doubt)):
        order = execution.orders[order_id]
        if control.killed(order.venue, order.instrument):
            found.append(order_id)
    return found


def _take_checkpoint(
    state: State, event: events.OperatorCommand, command: events.TakeCheckpoint, out: Derivation
) -> None:
    _applied(event, out)
    out.wants_checkpoint = True


def _left_to_the_host(state: State, event: events.OperatorCommand, command: object, out: Derivation) -> None:
    _applied(event, out)


# -- Configuration


def _made_against(state: State, event: events.OperatorCommand) -> str:
    """Why a change is too late; '' where it is not, or did not say which version it had seen."""
    active = state.configuration.version
    if event.base_version in (0, active):
        return ""
    return f"made against version {event.base_version}; active is {active}"


def _set_configuration(
    state: State, event: events.OperatorCommand, command: events.SetConfiguration, out: Derivation
) -> None:
    fault = _made_against(state, event)
    if fault:
        _refused(event, out, fault)
        return
    _change(state, event, command.patch, out, is_new=True)


def _roll_back(
    state: State, event: events.OperatorCommand, command: events.RollBackConfiguration, out: Derivation
) -> None:
    active, earlier = state.configuration, state.control.earlier
    fault = _made_against(state, event)
    if not fault and command.version not in earlier:
        is_active = command.version == active.version
        there = f"there are {', '.join(map(str, earlier))}" if earlier else "there is no earlier one"
        fault = f"version {command.version} {'is active' if is_active else 'is not remembered'}; {there}"
    if fault:
        _refused(event, out, fault)
        return
    _change(state, event, way_back(active, earlier, command.version), out, is_new=False)


def _change(
    state: State,
    event: events.OperatorCommand,
    patch: tuple[tuple[str, str], ...],
    out: Derivation,
    is_new: bool,
) -> None:
    """The next version, or a refusal that names every fault. What ``is_new`` must name what the session has."""
    before = state.configuration
    faults: Faults = []
    try:
        changed = before.patched(patch)
    except ConfigurationError as error:
        faults = error.faults
    else:
        if is_new:
            definitions = (one.definition for one in state.market.instruments.values())
            faults = unknown_names(before, changed, definitions)
    if faults:
        told = "; ".join(f"{key}: {sentence}" if key else sentence for key, sentence in faults)
        _refused(event, out, f"nothing was changed: {told}")
        return
    _applied(event, out)
    out.emit(events.ConfigurationChanged(version=changed.version, digest=changed.digest(), patch=patch))


_COMMANDS: Final[dict[type, Callable[[State, events.OperatorCommand, Any, Derivation], None]]] = {
    events.SetTradingState: _set_trading_state,
    events.CancelOrder: _cancel_order,
    events.CancelAll: _cancel_all,
    events.SetStrategyEnabled: _set_strategy,
    events.SetConfiguration: _set_configuration,
    events.EngageKillSwitch: _left_to_the_host,
    events.ResetKillSwitch: _reset_kill_switch,
    events.StopSession: _left_to_the_host,
    events.StartSession: _left_to_the_host,
    events.TakeCheckpoint: _take_checkpoint,
    events.RollBackConfiguration: _roll_back,
}
