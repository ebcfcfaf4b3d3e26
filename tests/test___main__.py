"""The entry point: an interrupt at any moment, with no traceback."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from livestack.cli.main import cli

INTERRUPTED = """
import os, signal, sys
signal.signal(signal.SIGINT, getattr(signal, BEFORE))
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == MODULE:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from livestack.__main__ import main
sys.argv[1:] = ["status", "--data-dir", "/nowhere"]
main()
"""


def interrupted(loading: str, before: str) -> subprocess.CompletedProcess[str]:
    """``livestack status`` in an empty directory, with SIGINT ``before`` as a parent leaves it."""
    code = INTERRUPTED.replace("MODULE", repr(loading)).replace("BEFORE", repr(before))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("loading", ["click", "livestack.cli.status"])
def test_an_interrupt_while_a_command_is_loaded_shows_no_traceback(loading: str) -> None:
    """It ends the process as it ends any other; one that was told to ignore interrupts, as by nohup, goes on."""
    done = interrupted(loading, "default_int_handler")
    assert (-signal.SIGINT, "", "") == (done.returncode, done.stdout, done.stderr)
    ignored = interrupted(loading, "SIG_IGN")
    assert (3, True) == (ignored.returncode, "cannot reach a node" in ignored.stderr), ignored.stderr


def test_a_command_that_is_loaded_deals_with_interrupts_itself() -> None:
    """They are exceptions again as soon as it runs; where they are ignored, they stay so."""
    for before, after in (
        (signal.SIG_DFL, signal.default_int_handler),
        (signal.SIG_IGN, signal.SIG_IGN),
    ):
        signal.signal(signal.SIGINT, before)
        CliRunner().invoke(cli, ["sessions", "--help"])
        assert after is signal.getsignal(signal.SIGINT)
