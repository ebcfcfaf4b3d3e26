"""The command line's frame: help, errors as sentences, exit codes, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from livestack.cli import main as module
from livestack.cli.main import COMMANDS, cli, main
from livestack.exceptions import HeldError, UnreachableError, UsageError


def outcome(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """Exit code and stderr of the command line."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code, capsys.readouterr().err


def test_help_names_every_command() -> None:
    """All of them load, and each says what it does."""
    result = CliRunner().invoke(cli, ["--help"])
    assert all(name in result.output for name in COMMANDS)
    for name in COMMANDS:
        assert 0 == CliRunner().invoke(cli, [name, "--help"]).exit_code


def test_a_broken_command_breaks_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Help loads none of them, a command none but itself."""
    monkeypatch.setitem(COMMANDS, "broken", ("livestack.cli.no_such_module:broken", "Cannot be loaded."))
    assert "Cannot be loaded." in CliRunner().invoke(cli, ["--help"]).output
    assert 0 == CliRunner().invoke(cli, ["sessions", "--help"]).exit_code
    assert 0 != CliRunner().invoke(cli, ["broken"]).exit_code


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (UsageError("say it otherwise"), 2, "say it otherwise"),
        (UnreachableError("ws://x", "refused"), 3, "cannot reach ws://x: refused"),
        (HeldError("data directory d", "it is held by process 7"), 5, "held by process 7"),
        (RuntimeError("a bug"), 4, "unexpected RuntimeError: a bug"),
    ],
)
def test_errors_become_sentences_and_codes(
    error: Exception,
    code: int,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The exit code is the error's; nobody sees a traceback."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(module.cli, "main", fail)
    seen, text = outcome(["start"], capsys)
    assert code == seen
    assert sentence in text
    assert "Traceback" not in text


def test_debug_shows_where(monkeypatch: pytest.MonkeyPatch) -> None:
    """``--debug`` lets the error through."""

    def fail(*_: object, **__: object) -> None:
        raise UsageError("wrong")

    monkeypatch.setattr(module.cli, "main", fail)
    with pytest.raises(UsageError):
        main(["--debug", "start"])


def test_unknown_commands_and_options_are_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2 with click's own sentence."""
    assert 2 == outcome(["nonsense"], capsys)[0]
    assert 2 == outcome(["start", "--nonsense"], capsys)[0]


def test_the_shell_completes_commands() -> None:
    """As for any click program: ``_LIVESTACK_COMPLETE`` asks for a script, and for words."""
    livestack = [sys.executable, "-c", "from livestack.cli.main import main; main()"]
    words = {"_LIVESTACK_COMPLETE": "bash_complete", "COMP_WORDS": "livestack config s", "COMP_CWORD": "2"}
    done = subprocess.run(livestack, env={**os.environ, **words}, capture_output=True, text=True, check=True)
    assert ["plain,set", "plain,show"] == done.stdout.splitlines()
