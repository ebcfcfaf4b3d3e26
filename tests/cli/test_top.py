"""``livestack top``: where it runs, and what it says where it does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from livestack.cli import top_app
from livestack.cli.top_source import NodeSource, Source
from tests.cli.support import Shell
from tests.control.fake_node import FakeNode


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> list[Source]:
    """It is one; whatever would run on it is noted instead."""
    ran: list[Source] = []
    monkeypatch.setattr("livestack.cli.top._is_terminal", lambda _stream: True)
    monkeypatch.setattr(top_app, "run", ran.append)
    monkeypatch.setenv("TERM", "xterm")
    return ran


def test_it_needs_a_terminal(shell: Shell) -> None:
    """In a pipe it says what to use instead."""
    done = shell("top")
    assert (2, "") == (done.code, done.out)
    assert "livestack top needs a terminal" in done.err
    assert "livestack status" in done.err


def test_it_is_not_for_tools(shell: Shell) -> None:
    """They have ``status --json``."""
    done = shell("top", "--json")
    assert (2, "refused") == (done.code, done.json["outcome"])
    assert "livestack status" in done.err


def test_a_terminal_that_cannot_move_its_cursor(
    shell: Shell, node: FakeNode, terminal: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As inside of an editor."""
    monkeypatch.setenv("TERM", "dumb")
    assert 2 == shell("top").code
    assert [] == terminal


def test_it_runs(shell: Shell, node: FakeNode, terminal: list[Source]) -> None:
    """Before anything was asked."""
    assert 0 == shell("top").code
    assert [NodeSource] == [type(one) for one in terminal]
    assert [] == node.asked()


def test_a_directory_that_is_none(shell: Shell, terminal: list[Source], tmp_path: Path) -> None:
    """Is a mistake; one without a node is waited for."""
    done = shell("top", data_dir=tmp_path / "nowhere")
    assert 3 == done.code
    assert "nowhere" in done.err
    (tmp_path / "here").mkdir()
    assert 0 == shell("top", data_dir=tmp_path / "here").code


def test_what_was_typed_wrongly(shell: Shell, terminal: list[Source]) -> None:
    """Is said before the screen."""
    done = shell("top", "--keys", "no-such-file")
    assert 2 == done.code
    assert [] == terminal


def test_other_commands_do_not_pay_for_it() -> None:
    """Nothing of the screen's library is loaded by the command's own module."""
    code = "import sys, livestack.cli.main, livestack.cli.status, livestack.cli.top; print('textual' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False\n" == done.stdout
