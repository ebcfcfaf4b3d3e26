"""What many books take: every symbol's 5 000 levels a side in the feed's adapter and in the Core, in one process.

    python benchmarks/books.py [--symbols 500] [--levels 5000] [--diffs 20] [--quick] [--json]

Snapshots and diffs come as bytes through the adapter; every Event is stepped through a Core with a strategy that wants
nothing; Events are not kept. Printed is the resident memory of the process: at first, with all books in step, and after
so many diffs of 10 levels for each; bytes a level is what came on top, over all levels of both sides. The share that
the adapter alone has is measured by a second process without a Core. The goal is 700 MB in all for 500 symbols.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.core_session import Idle, Session  # noqa: E402
from benchmarks.feed_frames import VENUE, Feed, Symbol, defined  # noqa: E402
from livestack.core.events import Event  # noqa: E402
from livestack.core.types import Side  # noqa: E402

Figures = dict[str, Any]

GOAL_MB = 700


def resident_mb() -> float:
    """Of this process, as the kernel counts it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1_000 * 1.024
    raise SystemExit("/proc/self/status has no VmRSS: Linux is needed")


class Sink:
    """Where Events go: a Core, or nowhere."""

    def __init__(self, with_core: bool) -> None:
        self.session = Session(Idle(None)) if with_core else None

    def take(self, events: list[Event]) -> None:
        if self.session is not None:
            for event in events:
                self.session.ts += 1
                self.session.feed(event)  # type: ignore[arg-type]

    def levels(self) -> int:
        if self.session is None:
            return 0
        books = [
            market.book
            for name, market in self.session.runtime.state.market.instruments.items()
            if name.startswith(f"{VENUE}:")
        ]
        return sum(1 for book in books for side in Side for _ in book.levels(side))


def measure(symbols: int, levels: int, diffs: int, with_core: bool) -> Figures:
    sink = Sink(with_core)
    markets = [Symbol(f"S{number:03d}USDT", levels, number) for number in range(symbols)]
    gc.collect()
    begin_mb = resident_mb()
    sink.take([defined(one.name) for one in markets])
    feed = Feed(markets, levels, ("depth", "bookTicker", "aggTrade"))
    for events in feed.begin():
        sink.take(events)
    gc.collect()
    synced_mb = resident_mb()
    for _ in range(diffs):
        for one in markets:
            feed.adapter.receive(one.depth(), feed.now_ns, feed.links[one.name])
            sink.take(feed.adapter.events())
    gc.collect()
    if feed.adapter.faults:
        raise SystemExit(f"the feed complained: {feed.adapter.faults}")
    count = sink.levels() or 2 * symbols * levels
    end_mb = resident_mb()
    return {
        "levels": count,
        "begin_mb": round(begin_mb, 1),
        "synced_mb": round(synced_mb, 1),
        "end_mb": round(end_mb, 1),
        "bytes_per_level": round((end_mb - begin_mb) * 1e6 / count, 1),
    }


def _child(options: argparse.Namespace) -> Figures:
    command = [
        sys.executable, __file__, "--adapter-alone", "--json", "--symbols", str(options.symbols),
        "--levels", str(options.levels), "--diffs", str(options.diffs),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr.strip().splitlines()[-1])
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--levels", type=int, default=5_000, help="of one side")
    parser.add_argument("--diffs", type=int, default=20, help="for each symbol")
    parser.add_argument("--quick", action="store_true", help="10 symbols with 100 levels: whether it works")
    parser.add_argument("--adapter-alone", action="store_true", help="without a Core; no table")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object as the last line; the table on stderr"
    )
    options = parser.parse_args()
    if options.quick:
        options.symbols, options.levels, options.diffs = 10, 100, 2
    if min(options.symbols, options.levels, options.diffs) < 1:
        parser.error("--symbols, --levels and --diffs must be at least 1")
    found = measure(options.symbols, options.levels, options.diffs, not options.adapter_alone)
    if options.adapter_alone:
        print(json.dumps(found))
        return
    alone = _child(options)
    found |= {
        "symbols": options.symbols,
        "adapter_bytes_per_level": alone["bytes_per_level"],
        "goal_mb": GOAL_MB,
    }
    out = sys.stderr if options.json else sys.stdout
    print(f"{options.symbols} symbols, {found['levels']:,} levels", file=out)
    print(f"{'resident memory: before, with all books in step, at the end':<66}"
          f"{found['begin_mb']:>7.0f} {found['synced_mb']:>7.0f} {found['end_mb']:>7.0f} MB", file=out)  # fmt: skip
    print(f"{'bytes a level, adapter and Core':<66}{found['bytes_per_level']:>7.0f}", file=out)
    print(f"{'bytes a level, adapter alone':<66}{found['adapter_bytes_per_level']:>7.0f}", file=out)
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
