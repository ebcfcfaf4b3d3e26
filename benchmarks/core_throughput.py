"""Events per second through the Core's whole step, by Event type, and against NautilusTrader in the same run.

    python benchmarks/core_throughput.py [--events 1000000] [--rounds 3] [--only NAME] [--quick] [--json]

Every run is a process of its own; the two sides take turns and the median of ``--rounds`` counts. Seconds are CPU
seconds of the process: both sides are one busy thread, and what else the machine does is not theirs. What is counted:

* Both sides: the same quotes of one instrument, made beforehand, and a Python handler that is called for each. The
  order every 100 quotes is an IOC limit at the opposite best, buying and selling in turn, and is filled at once. The
  figure is quotes per second, whatever else happens between them.
* livestack: ``CoreRuntime.step`` and the loop around it. Every order passes all risk rules, with a number for every
  limit, and the rate limits. The venue is the loop, so matching costs nothing; making its two Events
  (``OrderAccepted``, ``OrderFill``) and their steps is counted. There is no journal (see tick_to_order.py).
* NautilusTrader: ``BacktestEngine.run()``: data engine, simulated exchange, risk engine, cache, account and portfolio,
  by default configuration; without logging and without the statistics at the end.

An order per 100 quotes is measured twice: flat after every second order, and with a position that is never closed.
NautilusTrader keeps something of every closed position and gets slower with each; the second figure is without that.

``decode only`` reads the same quotes and diffs from their journal frames and does nothing with them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import nautilus_environment  # noqa: E402

Figures = dict[str, Any]
Rows = list[tuple[str, str]]


class Bench:
    """The sizes of one run, and the children that are run with them."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.events: int = options.events
        self.rounds: int = options.rounds
        self.nautilus = ""
        self.out = sys.stderr if options.json else sys.stdout
        if not options.without_nautilus:
            self.nautilus, reason = nautilus_environment.interpreter()
            if not self.nautilus:
                self.say(f"NautilusTrader {nautilus_environment.VERSION} cannot be installed: {reason}")

    def say(self, line: str) -> None:
        print(line, file=self.out, flush=True)

    def row(self, name: str, figures: str) -> None:
        self.say(f"{name:<44}{figures}")

    def ours(self, workload: str, **sizes: int) -> Figures:
        return _child([sys.executable, "-m", "benchmarks.core_workloads", workload], sizes)

    def median(self, workload: str, **sizes: int) -> float:
        """Median Events per second of ``rounds`` runs."""
        found: list[float] = [self.ours(workload, **sizes)["per_second"] for _ in range(self.rounds)]
        return statistics.median(found)

    def against_nautilus(self, workload: str, every: int, hold: int) -> tuple[float, float]:
        """Median quotes per second of both, run in turns; 0 for NautilusTrader where it is not there."""
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(self.rounds):
            ours.append(self.ours(workload, events=self.events, every=every or 1, hold=hold)["per_second"])
            if self.nautilus:
                command = [self.nautilus, "-W", "ignore", "-m", "benchmarks.nautilus_quotes"]
                result = _child(command, {"events": self.events, "every": every, "hold": hold})
                if result["filled"] != result["orders"] or result["orders"] != (
                    self.events // every if every else 0
                ):
                    raise SystemExit(f"NautilusTrader filled {result['filled']} of {result['orders']} orders")
                theirs.append(result["per_second"])
        return statistics.median(ours), statistics.median(theirs) if theirs else 0.0


def _child(command: list[str], sizes: dict[str, int]) -> Figures:
    arguments = [part for name, value in sizes.items() for part in (f"--{name}", str(value))]
    done = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise SystemExit(f"{' '.join([*command, *arguments])} failed: {said[-1]}")
    result: Figures = json.loads(done.stdout.splitlines()[-1])
    return result


def quotes(bench: Bench) -> Figures:
    return _compare(bench, "quotes, idle strategy", "quotes", "quotes", 0)


def orders(bench: Bench) -> Figures:
    flat = _compare(bench, "quotes, one order per 100, flat by turns", "orders", "orders", 100)
    return flat | _compare(
        bench, "quotes, one order per 100, never flat", "orders_held", "orders", 100, hold=1
    )


def _compare(bench: Bench, title: str, name: str, workload: str, every: int, hold: int = 0) -> Figures:
    ours, theirs = bench.against_nautilus(workload, every, hold)
    figures: Figures = {f"{name}_per_second": round(ours)}
    text = f"{ours:>12,.0f}/s"
    if theirs:
        ratio = round(ours / theirs, 2)
        figures |= {f"nautilus_{name}_per_second": round(theirs), f"ratio_vs_nautilus_{name}": ratio}
        text += f"   NautilusTrader {theirs:>10,.0f}/s   ratio {ratio} x"
    bench.row(title, text)
    return figures


def trades(bench: Bench) -> Figures:
    found = bench.median("trades", events=bench.events)
    bench.row("trades, idle strategy", f"{found:>12,.0f}/s")
    return {"trades_per_second": round(found)}


def depth(bench: Bench) -> Figures:
    found = bench.median("depth", events=max(bench.events // 10, 1))
    bench.row("depth diffs, 10 changed levels of 2 x 1 000", f"{found:>12,.0f}/s")
    return {"diffs_per_second": round(found)}


def decode(bench: Bench) -> Figures:
    found = bench.median("decode", events=bench.events)
    diffs = bench.median("decode_depth", events=max(bench.events // 10, 1))
    bench.row("decode only: quotes", f"{found:>12,.0f}/s   baseline")
    bench.row("decode only: depth diffs", f"{diffs:>12,.0f}/s   baseline")
    return {"decode_quotes_per_second": round(found), "decode_diffs_per_second": round(diffs)}


def flatness(bench: Bench) -> Figures:
    """One order per 10 quotes; the last tenth of the longest run over its first, and whole runs of growing length."""
    runs: list[Figures] = [bench.ours("flatness", events=bench.events, every=10) for _ in range(bench.rounds)]
    first, last = (statistics.median(one[key] for one in runs) for key in ("first", "last"))
    ratio = round(statistics.median(one["last"] / one["first"] for one in runs), 3)
    sizes = [bench.events // 100, bench.events // 10]
    by_size = {size: bench.median("flatness", events=size, every=10) for size in sizes}
    by_size[bench.events] = statistics.median(one["per_second"] for one in runs)
    bench.row(
        "flatness: one order per 10 quotes",
        f"first tenth {first:,.0f}/s   last {last:,.0f}/s   last/first {ratio}",
    )
    for size, found in by_size.items():
        bench.row(f"  {size:,} quotes, {size // 10:,} orders", f"{found:>12,.0f}/s")
    return {
        "flatness_ratio": ratio,
        "flatness_first_per_second": round(first),
        "flatness_last_per_second": round(last),
        "flatness_per_second_by_quotes": {str(size): round(found) for size, found in by_size.items()},
    }


def state_size(bench: Bench) -> Figures:
    diffs = min(10_000, bench.events)
    sizes = {levels: bench.ours("level_size", events=diffs, levels=levels) for levels in (1_000, 5_000)}
    for levels, size in sizes.items():
        changed = f"{size['changed']:.0f} after {diffs:,} diffs"
        bench.row(
            f"state: bytes per level, 2 x {levels:,}", f"{size['fresh']:>12.0f} from a snapshot, {changed}"
        )
    count = min(1_000, bench.events // 10)
    order = bench.ours("order_size", events=count)["bytes"]
    bench.row(f"state: bytes per open order, of {count:,}", f"{order:>12.0f}")
    return {
        "bytes_per_level": round(max(size["fresh"] for size in sizes.values()), 1),
        "bytes_per_level_after_diffs": round(max(size["changed"] for size in sizes.values()), 1),
        "bytes_per_order": round(order, 1),
    }


def open_orders(bench: Bench) -> Figures:
    found = {}
    for resting in (0, 10, 100, 1_000):
        found[str(resting)] = bench.median(
            "orders", events=max(bench.events // 10, 100), every=100, resting=resting
        )
        cost = f"{1e6 / found[str(resting)]:>9.2f} us a quote"
        bench.row(
            f"one order per 100, {resting:,} others resting", f"{found[str(resting)]:>12,.0f}/s   {cost}"
        )
    return {"orders_per_second_by_resting": {name: round(value) for name, value in found.items()}}


def cycle(bench: Bench) -> Figures:
    """What the three Events of an order's life cost, with nothing and with 100 orders beside it."""
    figures: dict[str, dict[str, float]] = {}
    for resting in (0, 100):
        one = bench.ours("cycle", events=max(bench.events // 500, 10), resting=resting)
        figures[str(resting)] = {name: round(value, 1) for name, value in one.items()}
        text = "   ".join(f"{name.removesuffix('_us')} {value:.1f} us" for name, value in one.items())
        bench.row(f"steps of one order, {resting} others resting", text)
    return {"order_steps_us_by_resting": figures}


MEASUREMENTS: dict[str, Callable[[Bench], Figures]] = {
    "quotes": quotes,
    "orders": orders,
    "trades": trades,
    "depth": depth,
    "decode": decode,
    "flatness": flatness,
    "state_size": state_size,
    "open_orders": open_orders,
    "cycle": cycle,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000, help="quotes of one run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each side")
    parser.add_argument("--only", choices=MEASUREMENTS, action="append", help="may be given more than once")
    parser.add_argument(
        "--quick", action="store_true", help="1 000 events, one round: whether it works, no figures"
    )
    parser.add_argument("--without-nautilus", action="store_true")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object as the last line; the table on stderr"
    )
    options = parser.parse_args()
    if options.quick:
        options.events, options.rounds = 1_000, 1
    if options.events < 1_000:
        parser.error("--events must be at least 1000")
    bench = Bench(options)
    results: Figures = {"events": bench.events}
    for name in options.only or MEASUREMENTS:
        results |= MEASUREMENTS[name](bench)
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
