"""A node held by its descriptor: killed, found dead, and never mistaken for another process."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from livestack.node.node_process import NodeProcess
from livestack.node.shared_progress import process_start

WAIT_S = 60.0


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as started:
        yield started
        started.kill()


def test_a_process_is_killed_and_seen_to_be_gone(process: subprocess.Popen[bytes]) -> None:
    """Also while it is stopped; and a second kill finds nobody."""
    node = NodeProcess(process.pid, process_start(process.pid))
    assert not node.is_gone()
    process.send_signal(signal.SIGSTOP)
    assert node.kill()
    assert node.is_gone(WAIT_S)
    assert -signal.SIGKILL == process.wait()
    assert not node.kill()
    node.close()


def test_another_process_of_the_same_number_is_not_hit(process: subprocess.Popen[bytes]) -> None:
    """The number is one's, the start another's: the node is long gone, and nobody is killed."""
    node = NodeProcess(process.pid, process_start(process.pid) - 1)
    assert node.is_gone()
    assert not node.kill()
    assert process.poll() is None


def test_a_process_that_is_gone_is_gone(process: subprocess.Popen[bytes]) -> None:
    """Before anybody looked at it."""
    started = process_start(process.pid)
    process.kill()
    process.wait()
    node = NodeProcess(process.pid, started)
    assert node.is_gone()
    node.close()
