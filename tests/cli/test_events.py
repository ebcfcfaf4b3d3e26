"""``livestack events``: a journal's Events, or a running node's as they come; a JSON object per line."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from livestack.cli import events
from livestack.core.describe import describe_record
from livestack.core.events import Recorded, SessionStopped, SessionStopping
from livestack.core.types import Origin
from livestack.wire import control_pb2 as wire
from tests.cli.support import Shell
from tests.control.fake_node import WAIT_S, FakeNode
from tests.journal_support import writer

EVENTS = [
    wire.Publication(
        seq=seq,
        ts_ns=1_000 + seq,
        event=wire.EventRecord(origin="input", type=kind, json=json.dumps({"number": seq})),
    )
    for seq, kind in ((5, "Trade"), (6, "Trade"), (9, "SessionStopped"))
]


def publishing(node: FakeNode) -> None:
    """As soon as somebody listens."""

    def publish() -> None:
        assert node.subscribed.wait(WAIT_S)
        for one in EVENTS:
            node.publish(b"event", one)

    threading.Thread(target=publish).start()


def test_a_running_node_is_followed_to_its_end(shell: Shell, node: FakeNode) -> None:
    """One line each; what did not arrive is said; a session that stops in order is the end, and no failure."""
    publishing(node)
    done = shell("events", "--follow")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert {"seq": 5, "ts": 1005, "origin": "INPUT", "event": "Trade", "number": 5} == lines[0]
    assert [5, 6, 9] == [one["seq"] for one in lines]
    assert "seq 7 to 8 did not arrive; the journal has them" in done.err
    assert 0 == done.code


def test_a_node_that_dies_is_exit_code_3(shell: Shell, node: FakeNode) -> None:
    """What came before is printed."""

    def publish() -> None:
        assert node.subscribed.wait(WAIT_S)
        node.publish(b"event", EVENTS[0])
        node.stop()

    threading.Thread(target=publish).start()
    done = shell("events", "--follow", "--json")
    assert 3 == done.code
    assert "dead or gone" in done.err


@pytest.fixture
def recorded(tmp_path: Path) -> list[Recorded]:
    """A session that has ended, in the data directory."""
    records = [
        Recorded(1, 10, Origin.INPUT, SessionStopping(by="anna", reason="over")),
        Recorded(2, 11, Origin.INPUT, SessionStopped(reason="over")),
    ]
    journal = writer(tmp_path, "one")
    journal.commit(records)
    journal.close()
    return records


@pytest.mark.parametrize("arguments", [(), ("--session", "one"), ("--follow", "--session", "latest")])
def test_a_journal_is_printed(shell: Shell, recorded: list[Recorded], arguments: tuple[str, ...]) -> None:
    """Of a session that is not running there is nothing to wait for; the lines are those of an export."""
    done = shell("events", *arguments)
    assert (0, "") == (done.code, done.err)
    assert [json.loads(json.dumps(describe_record(one))) for one in recorded] == [
        json.loads(line) for line in done.out.splitlines()
    ]


def test_a_session_that_is_not_there(shell: Shell, recorded: list[Recorded]) -> None:
    """Those that are, are named."""
    done = shell("events", "--session", "two")
    assert 2 == done.code
    assert "there are: latest, one" in done.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--session", "one"), "there is only --follow"),
        ((), "there is only --follow"),
        (("--follow",), "needs --publish-endpoint"),
    ],
)
def test_a_node_elsewhere_can_only_be_followed(
    shell: Shell, arguments: tuple[str, ...], sentence: str
) -> None:
    """Its journal is not here."""
    done = shell("events", *arguments, "--endpoint", "tcp://127.0.0.1:1", "--keys", "x.key")
    assert 2 == done.code
    assert sentence in done.err


def test_a_wrapper_that_signals_the_group_too_is_one_wish() -> None:
    """The second SIGTERM finds the command at its end, which is no failure; a command that ends by itself leaves it."""
    before = signal.getsignal(signal.SIGTERM)
    with events.until_sigterm():
        pass
    assert before == signal.getsignal(signal.SIGTERM)
    seen: list[str] = []
    with events.until_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
        seen.append("went on")
    os.kill(os.getpid(), signal.SIGTERM)
    assert [] == seen
