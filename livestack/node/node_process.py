"""A process of ours, held by a descriptor: its id may go to another process one day, the descriptor never does.

Imports nothing of livestack but the reading of start times. Any one thread.
"""

from __future__ import annotations

import os
import select
import signal

from livestack.node.shared_progress import process_start


class NodeProcess:
    """The node, held by a descriptor: its id may go to another process, this never does."""

    def __init__(self, pid: int, started: int) -> None:
        """``started``: its start as :func:`process_start` tells it. One that is gone is gone, and that is no error."""
        self.pid = pid
        self.fd = -1
        try:
            self.fd = os.pidfd_open(pid)
            if process_start(pid) != started:
                self.close()
        except OSError:
            self.close()

    def is_gone(self, within_s: float = 0.0) -> bool:
        """Whether it has ended, a moment ago or long since, or does so within so long."""
        if self.fd < 0:
            return True
        poller = select.poll()
        poller.register(self.fd, select.POLLIN)
        return bool(poller.poll(within_s * 1000))

    def kill(self) -> bool:
        """SIGKILL; whether there was somebody to send it to."""
        if self.fd < 0:
            return False
        try:
            signal.pidfd_send_signal(self.fd, signal.SIGKILL)
        except OSError:
            return False
        return True

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1
