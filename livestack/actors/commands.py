"""Operators' commands as the Core takes them, and its answers in words. Pure; the control actor's thread."""

from __future__ import annotations

from livestack.actors.desk import refusal
from livestack.actors.messages import Answered
from livestack.core.events import (
    CancelAll,
    CancelOrder,
    Command,
    CommandRefused,
    ResetKillSwitch,
    RollBackConfiguration,
    SetConfiguration,
    SetStrategyEnabled,
    SetTradingState,
    StopSession,
    TakeCheckpoint,
)
from livestack.core.types import TradingState
from livestack.wire import control_pb2 as pb


def enables_everything(answered: Answered) -> bool:
    """Whether an operator has just said that trading goes on, and it does."""
    is_enabled = answered.command.command == SetTradingState(TradingState.ACTIVE)
    return is_enabled and refusal_of(answered) is None and answered.trading is TradingState.ACTIVE


def warning_of(answered: Answered) -> str:
    """What is in force now, where it is not just what was asked for."""
    command, kill = (
        answered.command.command,
        "the kill-switch is engaged: nothing leaves" if answered.killed else "",
    )
    still = f"trading is still {answered.trading.name}"
    if answered.halting:
        still += f" while these incidents are open: {', '.join(answered.halting)}"
    where = f"trading is HALTED for {', '.join(answered.halted)}" if answered.halted else ""
    match command:
        case SetTradingState(TradingState.ACTIVE) if answered.trading is not TradingState.ACTIVE:
            return "; ".join(filter(None, (still, kill)))
        case SetTradingState(TradingState.ACTIVE) | SetStrategyEnabled(True):
            return "; ".join(filter(None, (where, kill)))
        case SetTradingState() | SetStrategyEnabled() | SetConfiguration() | RollBackConfiguration():
            return "in force until this session ends; the next one begins as its file says"
        case ResetKillSwitch() if answered.trading is TradingState.ACTIVE and where:
            return f"{where}: no new order leaves there, everywhere else trading is {answered.trading.name}"
        case ResetKillSwitch() if answered.trading is TradingState.ACTIVE:
            return "trading is ACTIVE: orders may leave now"
        case ResetKillSwitch():
            return still
        case _:
            return ""


def refusal_of(answered: Answered) -> str | None:
    return next((one.reason for one in answered.derived if isinstance(one, CommandRefused)), None)


def unknown(request: pb.Request, sentence: str) -> pb.Reply:
    reply = refusal(request, pb.TIMED_OUT, sentence)
    reply.outcome = pb.UNKNOWN
    return reply


def payload_of(request: pb.Request) -> Command | None:
    """The request as the Core's payload. Its fields were checked by the server."""
    match request.WhichOneof("command"):
        case "trading":
            one = request.trading
            return SetTradingState(TradingState(one.state), one.venue, one.instrument)
        case "cancel":
            return CancelOrder(request.cancel.order_id)
        case "cancel_all":
            return CancelAll(request.cancel_all.venue, request.cancel_all.instrument)
        case "strategy":
            return SetStrategyEnabled(request.strategy.enabled)
        case "configuration_set":
            settings = request.configuration_set.settings
            return SetConfiguration(tuple((one.key, one.json_value) for one in settings))
        case "configuration_roll_back":
            return RollBackConfiguration(request.configuration_roll_back.version)
        case "kill_reset":
            return ResetKillSwitch(request.kill_reset.accept_unknown)
        case "checkpoint":
            return TakeCheckpoint()
        case "session_stop":
            return StopSession()
        case _:
            return None
