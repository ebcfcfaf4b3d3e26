"""From a frame on the wire to the order request on the wire: the whole stack, journal on, against a loopback venue.

    python benchmarks/tick_to_order.py [--rounds 2000] [--json]

The venue sends one quote at a time and notes when the order that answers it arrives; client and venue are two
processes. Baseline in the same run: one thread and one loop that receives, decodes and sends. One measured commit is
what ``full`` adds at the least: a group of the same size, written to the same disk, in a process of its own.
The node of the first table runs without its follower; the second table has it, on the same processors. Neither ships
records: what that costs is ship.py's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, TextIO

import lmdb

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.bench_venue import BenchVenue  # noqa: E402

CONFIGURATION = """
[node]
name = "bench"
[log]
level = "warning"
[journal]
durability = "{durability}"
[follower]
enabled = {follower}
[records]
enabled = {records}
[venues.binance_spot]
adapter = "binance_spot"
rest_url = "${{VENUE_REST}}"
stream_url = "${{VENUE_STREAM}}"
ws_api_url = "${{VENUE_WS_API}}"
account = "bench"
symbols = ["BTCUSDT"]
streams = ["bookTicker"]
key_kind = "hmac"
api_key_env = "VENUE_KEY"
secret_env = "VENUE_SECRET"
{configuration}
"""
WARM_UP = 200
FOLLOWED = "with_follower"


def percentile(ordered: list[int], share: float) -> float:
    """Microseconds at ``share`` of a sorted list of nanoseconds."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] / 1000


def figures(latencies_ns: list[int]) -> dict[str, float]:
    ordered = sorted(latencies_ns)
    return {f"p{int(share * 100)}_us": round(percentile(ordered, share), 1) for share in (0.5, 0.9, 0.99)}


def measure(command: list[str], rounds: int, directory: Path) -> dict[str, float]:
    """Run one client against a fresh venue until ``rounds`` answers were counted."""
    venue = BenchVenue(rounds, WARM_UP)
    client = subprocess.Popen(
        [part.format(**venue.environment()) for part in command],
        cwd=directory,
        stdout=subprocess.DEVNULL,
        env={**os.environ, **venue.environment(), "PYTHONPATH": str(ROOT)},
    )
    try:
        if not venue.done.wait(60 + rounds * 0.1):
            raise SystemExit(f"only {len(venue.latencies_ns)} of {rounds} quotes were answered")
    finally:
        client.terminate()
        client.wait()
        venue.stop()
    return figures(venue.latencies_ns)


def measure_commit(durability: str, directory: Path, rounds: int) -> dict[str, float]:
    """One LMDB transaction of three small records (quote, intent, dispatch) per round, alone."""
    environment = lmdb.open(
        str(directory / f"commit-{durability}"),
        map_size=1 << 30,
        metasync=durability == "full",
        lib_version=0,
    )
    latencies = []
    for number in range(rounds):
        begun = time.perf_counter_ns()
        with environment.begin(write=True) as transaction:
            for ordinal in range(3):
                transaction.put((number * 3 + ordinal).to_bytes(8, "big"), b"x" * 150, append=True)
        latencies.append(time.perf_counter_ns() - begun)
        time.sleep(0.001)
    environment.close()
    return figures(latencies)


def measure_node(
    directory: Path, durability: str, follower: bool, rounds: int, records: bool = False, more: str = ""
) -> dict[str, float]:
    """A whole node on a data directory of its own; ``records``: it ships them; ``more``: tables of its file."""
    name = f"{durability}-{'with' if follower else 'without'}-follower"
    configuration = (ROOT / "benchmarks" / "tick_to_order.toml").read_text()
    path = directory / f"{name}.toml"
    path.write_text(
        CONFIGURATION.format(
            durability=durability,
            follower=str(follower).lower(),
            records=str(records).lower(),
            configuration=f"{configuration}\n{more}",
        )
    )
    node = [sys.executable, "-m", "livestack", "start", "-c", str(path), "--data-dir", name]
    return measure(node, rounds, directory)


def run(rounds: int) -> dict[str, Any]:
    """The loop, and the node with each durability: without its follower, which is what is promised, and with it."""
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        loop = [sys.executable, "-m", "benchmarks.one_thread_loop", "{VENUE_STREAM}", "{VENUE_WS_API}"]
        base = results["one_thread_loop"] = measure(loop, rounds, directory)
        followed: dict[str, Any] = {}
        for durability in ("full", "relaxed"):
            commit = measure_commit(durability, directory, min(rounds, 500))
            for follower, table in ((False, results), (True, followed)):
                result = measure_node(directory, durability, follower, rounds)
                result["commit_p50_us"], result["commit_p99_us"] = commit["p50_us"], commit["p99_us"]
                for share in ("p50", "p99"):
                    key = f"{share}_us"
                    result[f"ratio_{share}"] = round(result[key] / (base[key] + commit[key]), 2)
                table[durability] = result
        results[FOLLOWED] = followed
    return results


def show(results: dict[str, Any], out: TextIO) -> None:
    """One table without a follower, one with it."""
    print(f"{'client':<18}{'p50 us':>9}{'p90 us':>9}{'p99 us':>9}   over the loop plus one commit", file=out)
    for name, result in results.items():
        if name == FOLLOWED:
            print("\nthe same with the follower beside the node", file=out)
            show(result, out)
            continue
        ratio = (
            f"p50 {result['ratio_p50']} x   p99 {result['ratio_p99']} x"
            if "ratio_p50" in result
            else "baseline"
        )
        print(
            f"{name:<18}{result['p50_us']:>9}{result['p90_us']:>9}{result['p99_us']:>9}   {ratio}", file=out
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = run(options.rounds)
    show(results, sys.stderr if options.json else sys.stdout)
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
