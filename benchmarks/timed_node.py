"""``livestack``, with the time from a kill's arrival to the closed gate noted for :mod:`benchmarks.kill_switch`.

The stop-watch starts when the server's thread has read the frame, and stops when ``DispatchGate.close`` has returned.
"""

from __future__ import annotations

import atexit
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from livestack.actors.gate import DispatchGate, Hold
from livestack.cli.main import main
from livestack.control import lanes

_times: list[int] = []
_received = threading.local()


def watch() -> None:
    """Wrap both ends. Before anything is started."""
    receive, close = lanes.receive, DispatchGate.close

    def timed_receive(socket: Any, **options: Any) -> Any:
        received = receive(socket, **options)
        _received.at_ns = time.monotonic_ns()
        return received

    def timed_close(gate: DispatchGate, hold: Hold, venue: str = "", instrument: str = "") -> None:
        close(gate, hold, venue, instrument)
        if hold is Hold.KILL and hasattr(_received, "at_ns"):
            _times.append(time.monotonic_ns() - _received.at_ns)

    lanes.receive = timed_receive
    DispatchGate.close = timed_close  # type: ignore[method-assign]


if __name__ == "__main__":
    watch()
    place = os.environ["LIVESTACK_BENCH_TIMES"]
    atexit.register(lambda: Path(place).write_text(json.dumps(_times)))
    main()
