"""One session's run: what it keeps when it fails, and who may hurry it. (What it does is in tests/live.)"""

from __future__ import annotations

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from livestack.actors.mailbox import Mailbox
from livestack.core.events import Recorded, SessionStopped
from livestack.core.types import Origin
from livestack.node.session import _signals, set_aside
from livestack.node.supervisor import SAME_SIGNAL_NS, Phase
from tests.actors.fakes import FakeClock, messages


def test_the_poisonous_input_is_kept_readable(tmp_path: Path) -> None:
    """A file of its own with the error and the Event."""
    set_aside(tmp_path, Recorded(7, 1, Origin.INPUT, SessionStopped(reason="x")), "InvariantViolation: y")
    content = msgspec.json.decode((tmp_path / "poison-7.json").read_bytes())
    assert "InvariantViolation: y" == content["error"]
    assert 7 == content["record"][0]


class FakeShipping:
    """Counts who was in a hurry."""

    def __init__(self) -> None:
        self.hurries = 0

    def hurry(self) -> None:
        self.hurries += 1


@pytest.mark.parametrize(
    ("phase", "later_ns", "hurries"),
    [
        (Phase.RUNNING, SAME_SIGNAL_NS, 0),
        (Phase.DONE, SAME_SIGNAL_NS - 1, 0),
        (Phase.DONE, SAME_SIGNAL_NS, 1),
    ],
)
def test_a_second_signal_ends_the_wait_for_records(phase: Phase, later_ns: int, hurries: int) -> None:
    """Once nothing else is waited for; two that come as one are one. Each is told to the supervisor as well."""
    mailbox, clock, shipping = Mailbox(), FakeClock(), FakeShipping()
    node: Any = SimpleNamespace(supervisor=SimpleNamespace(mailbox=mailbox, phase=phase))
    whole: Any = shipping
    with _signals(node, whole, clock):
        signal.raise_signal(signal.SIGTERM)
        clock.time_ns += later_ns
        signal.raise_signal(signal.SIGINT)
    assert hurries == shipping.hurries
    assert ["SIGTERM received", "SIGINT received"] == [one.reason for one in messages(mailbox)]
