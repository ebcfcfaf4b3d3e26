"""What holds for every test with real processes: nothing that a node left behind outlives the test that started it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

WAIT_S = 60.0


@pytest.fixture(autouse=True)
def no_process_of_another_test(tmp_path: Path) -> Iterator[None]:
    """A guard goes on without its node for as long as the venue does not say that nothing is open, and here the venue
    ends with the test. Everything else that a node starts ends when it does."""
    yield
    left = [one for one in psutil.process_iter() if _works_in(one, tmp_path)]
    guards = [one for one in left if "guard" in _words(one)]
    for one in guards:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    _, alive = psutil.wait_procs(left, timeout=WAIT_S)
    assert [] == [_words(one) for one in alive]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def _works_in(process: psutil.Process, directory: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(directory)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
