"""Disk work on a thread of its own."""

from __future__ import annotations

import threading

from livestack.control.disk import Disk

WAIT_S = 60.0


def test_a_disk_that_hangs_is_not_waited_for() -> None:
    """Only for the time that is said; what comes behind it waits its turn."""
    disk, free = Disk(), threading.Event()
    assert isinstance(disk.do(lambda: free.wait(WAIT_S), 0.01), TimeoutError)
    assert isinstance(disk.do(lambda: None, 0.01), TimeoutError)
    free.set()
    assert disk.do(lambda: None, WAIT_S) is None


def test_what_a_disk_refuses_is_told() -> None:
    """And the next job is done."""

    def refuse() -> None:
        raise OSError(28, "No space left on device")

    disk = Disk()
    assert "No space left" in str(disk.do(refuse, WAIT_S))
    assert disk.do(lambda: None, WAIT_S) is None
