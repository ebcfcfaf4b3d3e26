"""Ctrl-C and SIGTERM, heard by commands that go on until then."""

from __future__ import annotations

import os
import signal

from livestack.cli.signals import until_a_signal


def test_a_first_signal_is_a_wish_a_second_one_is_not() -> None:
    """Whatever was set before is set again."""
    before = signal.getsignal(signal.SIGINT)
    with until_a_signal() as stopped:
        os.kill(os.getpid(), signal.SIGINT)
        assert stopped.wait(10)
        assert before == signal.getsignal(signal.SIGINT)
    assert before == signal.getsignal(signal.SIGINT)
