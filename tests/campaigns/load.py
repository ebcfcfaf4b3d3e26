"""Load: a node with its journal on, under as many market messages as the simulated venue sends.

    python -m tests.campaigns.load [--rate 20000] [--for 20] [--seed 7]

The node must take everything: no Event refused at its market lane, no gap in the stream of Events, memory flat. The
strategy trades all the while. One line per two seconds, then a line of totals and a verdict; exit 0 only if nothing was
refused and the node's own resident memory grew by less than the bound after warm-up.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from pathlib import Path

import psutil

from tests.live import configuration
from tests.live.strategies import market_maker
from tests.support import Process, Venue, start_node

WARM_UP_SHARE = 0.5
"""Memory is compared with what it was after this share of the run: books, caches and the interpreter fill first."""

GROWTH_MAX_BYTES = 8 << 20
"""After warm-up: a leak of ten bytes an Event would pass it in a minute; an allocator's steps stay below."""

SAMPLE_S = 2.0


def run(rate: int, seconds: int, seed: int, directory: Path) -> dict[str, object]:
    """One run; the figures and the verdict."""
    with Venue(directory, "--seed", str(seed), "--rate", str(rate)) as venue:
        path = configuration.write(directory, venue.symbols, market_maker(venue.symbols[0]))
        with start_node(directory, path, venue.environment(), "--for", f"{seconds}s") as node:
            resident = _watch(node.pid, node)
            code, output = node.finish()
            log = node.stderr()
    summary = json.loads(output) if code == 0 else {}
    warm = resident[int(len(resident) * WARM_UP_SHARE)] if resident else 0
    growth = resident[-1] - warm if warm else GROWTH_MAX_BYTES
    refused = log.count("market_lane_full")
    rate_seen = summary.get("market_events", 0) / seconds
    return {
        "exit": code,
        "market_events": summary.get("market_events", 0),
        "market_events_per_s": round(rate_seen),
        "dispatches": summary.get("dispatches", 0),
        "gaps": refused,
        "resident_mb": round(resident[-1] / 1e6) if resident else 0,
        "grown_mb": round(growth / 1e6, 1),
        "passed": code == 0 and refused == 0 and growth < GROWTH_MAX_BYTES,
    }


def _watch(pid: int, node: Process) -> list[int]:
    """The process's own resident bytes, every two seconds until it ends."""
    resident = []
    process = psutil.Process(pid)
    while not node.ended(SAMPLE_S):  # psutil's own wait would take the exit code away from it
        with contextlib.suppress(psutil.NoSuchProcess):
            memory = process.memory_info()
            resident.append(memory.rss - memory.shared)  # the journal's mapped pages belong to the page cache
            print(f"  resident {resident[-1] / 1e6:.0f} MB", file=sys.stderr)
    return resident


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=20_000, help="market messages per second")
    parser.add_argument("--for", type=int, default=20, dest="seconds", help="seconds")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        result = run(options.rate, options.seconds, options.seed, Path(directory))
    print(json.dumps(result))
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
