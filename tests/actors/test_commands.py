"""Operators' commands as the Core takes them, and its answers in words."""

from __future__ import annotations

import pytest

from livestack.actors.commands import payload_of, refusal_of, unknown, warning_of
from livestack.actors.messages import Answered
from livestack.core.events import (
    Command,
    CommandApplied,
    CommandRefused,
    OperatorCommand,
    ResetKillSwitch,
    SetConfiguration,
    SetStrategyEnabled,
    SetTradingState,
    TakeCheckpoint,
)
from livestack.core.types import TradingState
from livestack.wire import control_pb2 as pb

ACTIVE, HALTED = TradingState.ACTIVE, TradingState.HALTED


def answered(command: Command, trading: TradingState = ACTIVE, **more: object) -> Answered:
    record = OperatorCommand(request_id="r", command=command, who="anna", why="w", base_version=1)
    return Answered(7, record, (CommandApplied(request_id="r"),), trading, **more)


def test_what_is_no_command_for_the_core_has_no_payload() -> None:
    """Queries, kill and session start never come so far."""
    assert payload_of(pb.Request(checkpoint=pb.Checkpoint())) == TakeCheckpoint()
    for request in (pb.Request(status=pb.GetStatus()), pb.Request(kill=pb.Kill()), pb.Request()):
        assert payload_of(request) is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (answered(SetTradingState(ACTIVE)), ""),
        (answered(SetTradingState(ACTIVE), HALTED, halting=("journal_room journal",)), "trading is still HALTED while"),
        (answered(SetTradingState(ACTIVE), HALTED, killed=True), "the kill-switch is engaged"),
        (answered(SetTradingState(ACTIVE), killed=True), "the kill-switch is engaged: nothing leaves"),
        (answered(SetStrategyEnabled(True), killed=True), "the kill-switch is engaged: nothing leaves"),
        (answered(SetTradingState(HALTED), HALTED), "until this session ends"),
        (answered(SetStrategyEnabled(False)), "until this session ends"),
        (answered(SetConfiguration((("a", "1"),))), "until this session ends"),
        (answered(ResetKillSwitch()), "orders may leave now"),
        (answered(ResetKillSwitch(), HALTED), "trading is still HALTED"),
        (answered(ResetKillSwitch(), halted=("v:S", "w while clock_skew is open")),
         "trading is HALTED for v:S, w while clock_skew is open: no new order leaves there"),
        (answered(SetTradingState(ACTIVE), halted=("v:S",)), "trading is HALTED for v:S"),
        (answered(SetStrategyEnabled(True), halted=("v:S",), killed=True), "HALTED for v:S; the kill-switch"),
        (answered(TakeCheckpoint()), ""),
    ],
)  # fmt: skip
def test_what_is_in_force_is_told_where_it_is_not_what_was_asked_for(answer: Answered, expected: str) -> None:
    """Who enables trading has to know that it is not; who resets, that it is."""
    told = warning_of(answer)
    assert expected in told
    assert not (answer.halted and "may leave" in told)
    assert bool(expected) == bool(told)


def test_a_refusal_is_the_cores_own_sentence() -> None:
    """None where it was applied."""
    applied = answered(TakeCheckpoint())
    assert refusal_of(applied) is None
    refused = Answered(7, applied.command, (CommandRefused(request_id="r", reason="no"),))
    assert "no" == refusal_of(refused)


def test_an_unknown_outcome_is_neither() -> None:
    """With the sentence that says what to do."""
    reply = unknown(pb.Request(request_id="r"), "ask again")
    assert (pb.UNKNOWN, pb.TIMED_OUT, "r", "ask again") == (
        reply.outcome, reply.code, reply.request_id, reply.message,
    )  # fmt: skip
