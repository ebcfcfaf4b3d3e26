"""From a frame to its Event: microseconds by kind of frame, beside a plain ``json.loads`` of the same bytes.

    python benchmarks/decode.py [--frames 20000] [--rounds 3] [--quick] [--json]

Every frame goes through the venue's own adapter, as a reader thread gives it: the stream is looked up, the frame
decoded and checked, numbers become integers in the instrument's scale, the book is kept in step (5 000 levels a side
at first), duplicates are looked for, and the Events are taken out. ``execution report`` is a fill of an open order on
the private stream, which is read, matched with its order, and becomes an ``OrderFill``. Frames are made beforehand;
each is timed by itself, p50 and p99 of all, the best round of ``--rounds``.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.feed_frames import Feed, Symbol  # noqa: E402
from tests.venues.binance_spot.venue import Desk  # noqa: E402

Figures = dict[str, Any]
Take = Callable[[bytes], Any]

STREAMS = ("depth", "bookTicker", "trade", "aggTrade")
LEVELS = 5_000
GOALS_US = {"book_ticker": 15.0, "depth_10": 30.0}


def timed(take: Take, frames: Sequence[bytes]) -> tuple[float, float]:
    """p50 and p99 of one call, in microseconds."""
    clock = time.perf_counter_ns
    spent = []
    gc.collect()
    gc.freeze()
    for frame in frames:
        begun = clock()
        take(frame)
        spent.append(clock() - begun)
    cuts = statistics.quantiles(spent, n=100)
    return cuts[49] / 1_000, cuts[98] / 1_000


def market(kind: str, count: int) -> tuple[Take, list[bytes], Callable[[], int]]:
    """A feed in step, and frames of ``kind`` for it."""
    symbol = Symbol("BTCUSDT", LEVELS)
    feed = Feed([symbol], LEVELS, STREAMS)
    for _ in feed.begin():
        pass
    make = {
        "book_ticker": symbol.ticker,
        "depth_10": symbol.depth,
        "trade": symbol.trade,
        "agg_trade": symbol.aggregate,
    }[kind]
    frames = [make() for _ in range(count)]
    adapter, now_ns, made = feed.adapter, feed.now_ns, [0]

    def take(frame: bytes) -> None:
        adapter.receive(frame, now_ns, 1)
        made[0] += len(adapter.events())

    return take, frames, lambda: made[0] - sum(adapter.faults.values())


def private(count: int) -> tuple[Take, list[bytes], Callable[[], int]]:
    """An order with one fill, and the same report once more under ever other trade ids."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.best, 4 * desk.lot))
    desk.hit(order.price, desk.lot)
    report = next(
        text for text in reversed(desk.heard) if '"x":"TRADE"' in text and f'"c":"{order.client_id}"' in text
    )
    document = json.loads(report)
    frames = []
    for number in range(count):
        document["event"] |= {"t": 10**9 + number, "I": 10**9 + number}
        frames.append(json.dumps(document, separators=(",", ":")).encode())
    adapter, now_ns, made = desk.adapter, desk.now_ns, [0]

    def take(frame: bytes) -> None:
        adapter.receive(frame, now_ns)
        made[0] += len(adapter.events())

    return take, frames, lambda: made[0] - sum(adapter.faults.values())


def measure(name: str, count: int, rounds: int) -> Figures:
    best: Figures = {}
    for _ in range(rounds):
        take, frames, made = private(count) if name == "execution_report" else market(name, count)
        p50, p99 = timed(take, frames)
        if made() < count:
            raise SystemExit(f"{name}: {made()} Events of {count} frames")
        plain_p50, plain_p99 = timed(json.loads, frames)
        found = {
            "p50_us": round(p50, 2),
            "p99_us": round(p99, 2),
            "json_p50_us": round(plain_p50, 2),
            "json_p99_us": round(plain_p99, 2),
            "ratio_p50": round(p50 / plain_p50, 2),
            "bytes": round(statistics.mean(map(len, frames))),
        }
        if not best or found["p50_us"] < best["p50_us"]:
            best = found
    return best


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=20_000, help="of each kind")
    parser.add_argument("--rounds", type=int, default=3, help="the best one counts")
    parser.add_argument("--quick", action="store_true", help="200 frames, one round: whether it works")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object as the last line; the table on stderr"
    )
    options = parser.parse_args()
    if options.quick:
        options.frames, options.rounds = 200, 1
    if options.frames < 100:
        parser.error("--frames must be at least 100")
    out = sys.stderr if options.json else sys.stdout
    print(f"{'frame':<18}{'p50':>9}{'p99':>9}{'json.loads p50':>17}{'ratio':>8}{'goal p50':>11}", file=out)
    results: Figures = {"frames": options.frames}
    for name in ("book_ticker", "depth_10", "agg_trade", "trade", "execution_report"):
        found = results[name] = measure(name, options.frames, options.rounds)
        goal = f"{GOALS_US[name]:.0f} us" if name in GOALS_US else ""
        print(
            f"{name:<18}{found['p50_us']:>6.1f} us{found['p99_us']:>6.1f} us{found['json_p50_us']:>14.1f} us"
            f"{found['ratio_p50']:>7.1f}x{goal:>11}",
            file=out,
        )
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
