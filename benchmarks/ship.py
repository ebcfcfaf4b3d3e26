"""Execution records into central storage: how fast from a backlog, how soon from a live session, at what cost to it.

    python benchmarks/ship.py [--events 200000] [--seconds 30] [--rounds 1000] [--only backlog|latency|cost] [--json]

*backlog*: a journal in which every fifth Event or so is an order's is shipped by ``livestack records ship``, a process
of its own, into Delta Lake on the local disk and into PostgreSQL. Baseline in the same run: the same records made and
thrown away. *latency*: a live session against the simulated venue; how old a fill is when a reader of the storage first
sees it, and how many files that took. *cost*: tick-to-order of a node with and without a shipper beside it, in turns.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import journalled, tick_to_order  # noqa: E402
from tests.postgres_support import running_server  # noqa: E402

EVERY = 4
"""Quotes per order in the backlog."""

POLL_S = 0.02
"""Between two looks of the reader that waits for fills."""

CONFIGURATION = "\n[records.sinks.bench]\nurl_env = 'LIVESTACK_BENCH_SINK'\n"


def livestack(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "livestack", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **options.pop("environment", {})},
        text=True,
        **options,
    )


def peak_mb(pid: int) -> int:
    """The most memory that a running process has used, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) // 1024
    return 0


@contextmanager
def sinks(directory: Path) -> Iterator[dict[str, str]]:
    """URLs of one place each."""
    with running_server(directory) as server:
        yield {"delta": f"delta+file://{directory / 'delta'}", "postgresql": server.url}


# -- backlog -------------------------------------------------------------------------------------------------------


def backlog(directory: Path, count: int) -> dict[str, Any]:
    data_dir = directory / "backlog"
    data_dir.mkdir()
    last_seq = journalled.write_journal(data_dir, count, 0, every=EVERY)
    with sinks(directory) as urls:
        results = {"derivation": derive(data_dir)}
        for name, url in urls.items():
            results[name] = ship(data_dir, url)
    for result in results.values():
        result["ratio"] = round(result["records_per_s"] / results["derivation"]["records_per_s"], 2)
    return {"events": last_seq, **results}


def derive(data_dir: Path) -> dict[str, Any]:
    """The same records, made and thrown away: what no sink can be faster than."""
    code = (
        "import sys, time; from pathlib import Path; from livestack.research.records import derived_records\n"
        "began = time.perf_counter()\n"
        "made = derived_records(Path(sys.argv[1]) / 'sessions', sys.argv[2])\n"
        "count = sum(len(rows) for _, rows in made)\n"
        "print(count, time.perf_counter() - began)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(data_dir), journalled.SESSION],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        stdout=subprocess.PIPE,
        check=True,
    )
    count, seconds = done.stdout.split()
    return {"records": int(count), "records_per_s": round(int(count) / float(seconds))}


def ship(data_dir: Path, url: str) -> dict[str, Any]:
    """The whole process, from its start to its end."""
    began = time.perf_counter()
    command = ("records", "ship", journalled.SESSION, "--data-dir", str(data_dir), "--json")
    with livestack(
        *command,
        *("--sink", url),
        stdout=subprocess.PIPE,
    ) as process:
        memory = 0
        while process.poll() is None:
            try:
                memory = max(memory, peak_mb(process.pid))
            except OSError:
                break
            time.sleep(0.05)
        seconds = time.perf_counter() - began
        assert process.stdout is not None
        told = json.loads(process.stdout.read().splitlines()[-1])
    if process.returncode or told["pending"]:
        raise SystemExit(f"records ship ended with {process.returncode}: {told}")
    return {
        "records": told["shipped"],
        "records_per_s": round(told["shipped"] / seconds),
        "seconds": round(seconds, 1),
        "peak_mb": memory,
    }


# -- latency -------------------------------------------------------------------------------------------------------


def latency(directory: Path, seconds: int) -> dict[str, Any]:
    with sinks(directory) as urls:
        return {name: live_session(directory / name, url, seconds) for name, url in urls.items()}


def live_session(directory: Path, url: str, seconds: int) -> dict[str, Any]:
    """A session of the demo's, and a reader of its storage beside it."""
    directory.mkdir(parents=True, exist_ok=True)
    configuration = directory / "node.toml"
    configuration.write_text((ROOT / "etc" / "demo.toml").read_text() + CONFIGURATION)
    with ExitStack() as stack:
        venue = livestack(
            *("venue", "binance-spot", "--port", "0", "--seed", "7", "--json"), stdout=subprocess.PIPE
        )
        stack.callback(venue.wait)
        stack.callback(venue.terminate)
        assert venue.stdout is not None
        environment = {"LIVESTACK_BENCH_SINK": url, **demo_environment(json.loads(venue.stdout.readline()))}
        node = livestack(
            *("start", "-c", str(configuration), "--data-dir", str(directory / "data")),
            *("--for", f"{seconds}s", "--json"),
            stdout=subprocess.PIPE,
            environment=environment,
        )
        stack.callback(node.wait)
        stack.callback(node.terminate)
        seen = watch(reader_of(url), lambda: node.poll() is None)
        assert node.stdout is not None
        summary = json.loads(node.stdout.read().splitlines()[-1])
    ages_ms = sorted(seen.values())
    if not ages_ms or len(ages_ms) != summary["fills"]:
        raise SystemExit(f"{len(ages_ms)} of {summary['fills']} fills were seen in the storage")
    result = {"fills": len(ages_ms), "max_ms": ages_ms[-1]}
    for share in (0.5, 0.99):
        result[f"p{int(share * 100)}_ms"] = ages_ms[min(int(len(ages_ms) * share), len(ages_ms) - 1)]
    if url.startswith("delta"):
        result |= files(directory.parent / "delta", seconds)
    return result


def demo_environment(described: dict[str, Any]) -> dict[str, str]:
    """The simulated venue's addresses and key, as etc/demo.toml asks for them."""
    key = next(key for key in described["keys"] if key["kind"] == "hmac")
    return {
        "LIVESTACK_DEMO_REST": described["urls"]["rest"],
        "LIVESTACK_DEMO_STREAM": described["urls"]["stream"],
        "LIVESTACK_DEMO_WS_API": described["urls"]["ws_api"],
        "LIVESTACK_DEMO_API_KEY": key["api_key"],
        "LIVESTACK_DEMO_SECRET": key["secret"],
    }


def watch(new_fills: Callable[[], list[tuple[int, int]]], running: Callable[[], bool]) -> dict[int, int]:
    """Age of each fill, in ms, when it was first seen; by position."""
    seen: dict[int, int] = {}
    while True:
        last = not running()
        fills, now_ns = new_fills(), time.time_ns()
        for seq, ts in fills:
            seen.setdefault(seq, (now_ns - ts) // 1_000_000)
        if last:
            return seen
        time.sleep(POLL_S)


def reader_of(url: str) -> Callable[[], list[tuple[int, int]]]:
    """What is new among the fills at ``url``: (seq, ts)."""
    return _delta_reader(Path(url.partition("//")[2])) if url.startswith("delta") else _sql_reader(url)


def _delta_reader(root: Path) -> Callable[[], list[tuple[int, int]]]:
    from deltalake import DeltaTable  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    known: set[str] = set()

    def new_fills() -> list[tuple[int, int]]:
        if not (root / "fills" / "_delta_log").is_dir():
            return []
        fills = []
        for path in set(DeltaTable(str(root / "fills")).file_uris()) - known:
            known.add(path)
            rows = parquet.ParquetFile(path.removeprefix("file://")).read(columns=["seq", "ts"]).to_pydict()
            fills += list(zip(rows["seq"], rows["ts"], strict=True))
        return fills

    return new_fills


def _sql_reader(url: str) -> Callable[[], list[tuple[int, int]]]:
    import psycopg  # noqa: PLC0415

    connection = psycopg.connect(url, autocommit=True)

    def new_fills() -> list[tuple[int, int]]:
        try:
            return connection.execute("SELECT seq, ts FROM livestack.fills").fetchall()
        except psycopg.errors.UndefinedTable:
            return []

    return new_fills


def files(root: Path, seconds: int) -> dict[str, Any]:
    """The most live files of a table, and what that is in an hour."""
    from deltalake import DeltaTable  # noqa: PLC0415

    live = max(len(DeltaTable(str(log.parent)).file_uris()) for log in root.glob("*/_delta_log"))
    return {"live_files": live, "live_files_per_hour": live * 3600 // seconds}


# -- cost ----------------------------------------------------------------------------------------------------------


def cost(directory: Path, rounds: int) -> dict[str, Any]:
    """Tick-to-order in turns: without (A), with a shipper (B), without, with."""
    runs: dict[str, list[dict[str, float]]] = {"without": [], "with": []}
    for turn in range(2):
        for name, measured in runs.items():
            place = directory / f"{name}-{turn}"
            place.mkdir()
            measured.append(tick_to_order.measure_node(place, "full", False, rounds, records=name == "with"))
    result: dict[str, Any] = {
        name: {key: round(sum(one[key] for one in measured) / len(measured), 1) for key in measured[0]}
        for name, measured in runs.items()
    }
    result["runs_p50_us"] = {name: [one["p50_us"] for one in measured] for name, measured in runs.items()}
    result["ratio_p50"] = round(result["with"]["p50_us"] / result["without"]["p50_us"], 3)
    return result


# -- tables --------------------------------------------------------------------------------------------------------


def show(results: dict[str, Any], out: TextIO) -> None:
    if found := results.get("backlog"):
        print(f"a backlog of {found['events']:,} Events", file=out)
        print(
            f"{'into':<14}{'records':>10}{'records/s':>12}{'of derivation':>15}{'peak MB':>9}{'s':>7}",
            file=out,
        )
        for name in ("derivation", "delta", "postgresql"):
            one = found[name]
            print(
                f"{name:<14}{one['records']:>10,}{one['records_per_s']:>12,}{one['ratio']:>15}"
                f"{one.get('peak_mb', ''):>9}{one.get('seconds', ''):>7}",
                file=out,
            )
    if found := results.get("latency"):
        print(f"\n{'fill -> storage':<16}{'fills':>7}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}", file=out)
        for name, one in found.items():
            files_ = f"   {one['live_files']} live files" if "live_files" in one else ""
            print(
                f"{name:<16}{one['fills']:>7}{one['p50_ms']:>9}{one['p99_ms']:>9}{one['max_ms']:>9}{files_}",
                file=out,
            )
    if found := results.get("cost"):
        print(f"\n{'tick to order':<16}{'p50 us':>9}{'p90 us':>9}{'p99 us':>9}", file=out)
        for name in ("without", "with"):
            one = found[name]
            print(f"{name:<16}{one['p50_us']:>9}{one['p90_us']:>9}{one['p99_us']:>9}", file=out)
        print(f"p50 with a shipper is {found['ratio_p50']} x", file=out)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=1_000)
    parser.add_argument("--only", choices=["backlog", "latency", "cost"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    questions = {
        "backlog": lambda place: backlog(place, options.events),
        "latency": lambda place: latency(place, options.seconds),
        "cost": lambda place: cost(place, options.rounds),
    }
    results = {}
    for name, measure in questions.items():
        if options.only in (None, name):
            with tempfile.TemporaryDirectory() as place:
                results[name] = measure(Path(place))
    show(results, sys.stderr if options.json else sys.stdout)
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
