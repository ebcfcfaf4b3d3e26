"""Ctrl-C and SIGTERM, heard by commands that go on until then."""

from __future__ import annotations

import os
import signal

import pytest

from livestack.cli import signals
from livestack.cli.signals import TOGETHER_S, until_a_signal


class Clock:
    """In the place of the module ``time``."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(signals, "time", found)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_is_a_wish_a_later_one_is_not(clock: Clock, number: signal.Signals) -> None:
    """The same one twice, as of a wrapper that signals the group too, is one."""
    heard: list[int] = []
    signal.signal(number, lambda one, _frame: heard.append(one))
    with until_a_signal() as stopped:
        os.kill(os.getpid(), number)
        assert stopped.wait(10)
        clock.now_s += TOGETHER_S / 2
        os.kill(os.getpid(), number)
        assert [] == heard
        clock.now_s += TOGETHER_S
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        assert [number] * 2 == heard


def test_while_the_command_ends_only_an_interrupt_is_heard(clock: Clock) -> None:
    """The group's SIGTERM may come as late as that; whoever types Ctrl-C waits for something."""
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda one, _frame: heard.append(one))
    with until_a_signal():
        os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    clock.now_s += 2 * TOGETHER_S
    os.kill(os.getpid(), signal.SIGINT)
    assert [signal.SIGINT] == heard


def test_without_a_signal_everything_is_as_before() -> None:
    """What was set is set again."""
    before = signal.getsignal(signal.SIGINT)
    with until_a_signal() as stopped:
        assert before != signal.getsignal(signal.SIGINT)
    assert before == signal.getsignal(signal.SIGINT)
    assert not stopped.is_set()
