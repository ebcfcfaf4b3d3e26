"""A stand-in for a node: a process that has a guard, beats, and does what its stdin says.

``python -m tests.node.guarded CONFIG DATA_DIR`` prints what happens, a line each: ``ready PID``, ``lost``,
``regained PID``. It is told one word a line: ``silent`` (no more beats), ``hold`` (hold the interpreter in C code),
``leave`` (end, not in order), ``linger`` (the same, without a beat and slowly), ``stop`` (end in order).
"""

from __future__ import annotations

import ctypes
import os
import random
import sys
import threading
from pathlib import Path

import msgspec

from livestack.exceptions import LivestackError
from livestack.journal.directory import DataDirectory
from livestack.node.guard_child import GuardChild
from livestack.node.shared_progress import Phase
from livestack.node.venue_access import load_venues
from livestack.settings import inspect
from livestack.telemetry import logs
from livestack.transports.backoff import Backoff
from livestack.transports.clock import SystemClock, TimerThread

EXIT_UNCLEAN = 4


def main(path: Path, data_dir: Path) -> int:
    _, venues = load_venues(path, os.environ)
    settings = msgspec.structs.replace(inspect(path)[0], venues=venues)
    logs.configure("info", json=False)
    clock = SystemClock()
    timers = TimerThread(clock)
    with DataDirectory(data_dir).acquire():
        guard = GuardChild(
            data_dir,
            settings,
            clock=clock,
            timers=timers,
            backoff=Backoff(random.Random(1)),
            environment=os.environ,
            on_lost=lambda reason: print("lost", flush=True),
            on_regained=lambda: print(f"regained {guard.pid}", flush=True),
        )
        try:
            guard.start()
        except LivestackError as error:
            print(f"failed {error}", flush=True)
            return error.exit_code
        guard.progress.phase(Phase.RUNNING, "stand-in")
        silent = threading.Event()
        threading.Thread(
            target=beat, args=(guard, silent, settings.guard.limit_ns / 20e9), daemon=True
        ).start()
        print(f"ready {guard.pid}", flush=True)
        for line in sys.stdin:
            match line.strip():
                case "silent":
                    silent.set()
                case "hold":
                    ctypes.PyDLL(None)["sleep"](600)  # unlike CDLL it keeps the interpreter to itself
                case "leave":
                    guard.leave()
                    return EXIT_UNCLEAN
                case "linger":
                    guard.leave()
                    silent.set()
                    threading.Event().wait(3 * settings.guard.limit_ns / 1e9)
                    return EXIT_UNCLEAN
                case "stop":
                    return 0 if guard.stop(60) else 1
    return 1


def beat(guard: GuardChild, silent: threading.Event, every_s: float) -> None:
    while not silent.wait(every_s):
        guard.progress.beat()


if __name__ == "__main__":
    code = main(Path(sys.argv[1]), Path(sys.argv[2]))
    logs.flush()
    sys.stdout.flush()
    os._exit(code)  # as a node that ends whatever its threads do
