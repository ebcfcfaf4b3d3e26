"""The example clients in scripts/: run as programs, against a node's sockets."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from livestack.control.commands import Role
from livestack.control.keys import new_client
from livestack.wire import control_pb2 as wire
from tests.control.fake_node import FakeNode, refuse
from tests.control.support import running
from tests.support import ROOT

LIMIT_S = 60


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """As a person would: by its own first line."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [str(ROOT / "scripts" / f"{script}.py"), *map(str, arguments)],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    return FakeNode(tmp_path)


def test_status_prints_everything(node: FakeNode) -> None:
    """In Protocol Buffers' own text."""
    with node:
        done = run("status", node.endpoints.control)
    assert (0, "") == (done.returncode, done.stderr)
    assert 'trading_state: "active"' in done.stdout


def test_kill_prints_its_moments(node: FakeNode) -> None:
    """On kill's own socket."""
    with node:
        done = run("kill", node.endpoints.kill, "--reason", "a test")
    assert 0 == done.returncode
    assert "durable: true" in done.stdout
    assert [("kill", "a test")] == [(lane, one.reason) for lane, one in node.requests]


def test_cancel_all_prints_its_position(node: FakeNode) -> None:
    """The one of its effect."""
    with node:
        done = run("cancel_all", node.endpoints.control, "--reason", "a test")
    assert "seq 52\n" == done.stdout


def test_a_kill_needs_no_reason(node: FakeNode) -> None:
    """What is missing, or too much, keeps it from nothing."""
    with node:
        assert 0 == run("kill", node.endpoints.kill).returncode
        assert 0 == run("kill", node.endpoints.kill, "--reason", "x\n" * 999).returncode
    (_, first), (_, second) = node.requests
    assert "no reason given" == first.reason
    assert 500 == len(second.reason)


def test_a_reason_has_to_be_given() -> None:
    """A usage error says so."""
    done = run("cancel_all", "ipc://nowhere")
    assert 2 == done.returncode
    assert "--reason" in done.stderr


@pytest.mark.parametrize(("code", "exit_code"), [(wire.PERMISSION_DENIED, 7), (wire.BUSY, 3)])
def test_a_refusal_is_told(node: FakeNode, code: wire.ErrorCode, exit_code: int) -> None:
    """With the exit code that the command line has for it."""
    node.say = refuse(code, "not you")
    with node:
        done = run("status", node.endpoints.control)
    assert exit_code == done.returncode
    assert "not you" in done.stderr


def test_keys_are_read_from_their_file(tmp_path: Path) -> None:
    """Over tcp, as whom the key says."""
    with running(tmp_path, tcp=True) as node:
        path = new_client(node.keys, "anna", Role.OPERATOR)[1]
        done = run("cancel_all", node.server.tcp_address, "--keys", path, "--reason", "a test")
        assert (0, "") == (done.returncode, done.stderr)
    assert ["anna"] == [sender.name for _, sender in node.desk.served]


def test_follow_prints_events(node: FakeNode) -> None:
    """A line each, as they come."""
    with node:
        command = [sys.executable, str(ROOT / "scripts" / "follow.py"), node.endpoints.publish]
        program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        guard = threading.Timer(LIMIT_S, program.kill)
        guard.start()
        assert node.subscribed.wait(LIMIT_S)
        event = wire.EventRecord(origin="input", type="Trade", json="{}")
        node.publish(b"event", wire.Publication(seq=3, ts_ns=4, event=event))
        assert program.stdout is not None
        assert "3 4 Trade {}\n" == program.stdout.readline()
        program.terminate()
        program.communicate()
        guard.cancel()
