"""What holds for every test with real processes: nothing that a node left behind outlives the test that started it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest


@pytest.fixture(autouse=True)
def no_process_of_another_test(tmp_path: Path) -> Iterator[None]:
    """A guard goes on without its node for as long as the venue does not say that nothing is open, and here the venue
    ends with the test."""
    yield
    left = [one for one in psutil.process_iter() if _works_in(one, tmp_path)]
    for one in left:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(left, timeout=30)


def _works_in(process: psutil.Process, directory: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(directory)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
