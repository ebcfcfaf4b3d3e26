"""The benchmarks run from end to end and say what they promise to. No figure is looked at: that is not for a suite."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

CORE_THROUGHPUT_KEYS = {
    "events",
    "quotes_per_second",
    "orders_per_second",
    "orders_held_per_second",
    "trades_per_second",
    "diffs_per_second",
    "decode_quotes_per_second",
    "decode_diffs_per_second",
    "flatness_ratio",
    "flatness_first_per_second",
    "flatness_last_per_second",
    "flatness_per_second_by_quotes",
    "bytes_per_level",
    "bytes_per_level_after_diffs",
    "bytes_per_order",
    "orders_per_second_by_resting",
    "order_steps_us_by_resting",
}

JOURNAL_KEYS = {
    "commits_per_measurement",
    "commits",
    "append_us_per_event",
    "frame_bytes_per_event",
    "bytes_per_event",
    "readers_cost_percent",
    "alone",
    "beside_readers",
    "verify_mb_per_second",
    "verify_chain_events_per_second",
}

COMMIT_KEYS = {"commits_per_second", "p50_us", "p99_us"}

TICK_TO_ORDER_KEYS = {
    "p50_us",
    "p90_us",
    "p99_us",
    "commit_p50_us",
    "commit_p99_us",
    "ratio_p50",
    "ratio_p99",
}


def test_core_throughput_prints_every_key_as_its_last_line() -> None:
    """A quick run without NautilusTrader ends with one JSON object that has every key but the ratios to it."""
    command = [sys.executable, "benchmarks/core_throughput.py", "--quick", "--json", "--without-nautilus"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (0, "") == (done.returncode, done.stderr if done.returncode else "")
    assert CORE_THROUGHPUT_KEYS == set(json.loads(done.stdout.splitlines()[-1]))


def test_core_throughput_measures_only_what_is_named() -> None:
    """``--only`` leaves everything else out, and the table goes to standard output where no JSON is asked for."""
    command = [
        sys.executable,
        "benchmarks/core_throughput.py",
        "--quick",
        "--without-nautilus",
        "--only",
        "trades",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (0, ["trades, idle strategy"]) == (
        done.returncode,
        [line[:21] for line in done.stdout.splitlines()],
    )


def run_json(*command: str) -> dict[str, Any]:
    """The JSON object that a benchmark ends with."""
    done = subprocess.run(
        [sys.executable, *command, "--json"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert (0, "") == (done.returncode, done.stderr if done.returncode else "")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_journal_prints_every_key_as_its_last_line(tmp_path: Path) -> None:
    """Both durabilities with every batch size and SQLite beside each; nothing is left in the directory."""
    result = run_json("benchmarks/journal.py", "--quick", "--directory", str(tmp_path))
    assert JOURNAL_KEYS == set(result)
    assert {"full", "relaxed"} == set(result["commits"])
    for by_size in result["commits"].values():
        assert ["1", "10", "100", "1000"] == list(by_size)
        for figures in by_size.values():
            assert COMMIT_KEYS | {"sqlite", "ratio_vs_sqlite"} == set(figures)
            assert COMMIT_KEYS == set(figures["sqlite"])
    assert {"commits_per_second", "p50_us"} == set(result["readers_cost_percent"])
    assert [] == list(tmp_path.iterdir())


def test_recovery_prints_every_key_as_its_last_line(tmp_path: Path) -> None:
    """With a snapshot only what is behind it is folded; a replay is measured at two lengths."""
    result = run_json("benchmarks/recovery.py", "--quick", "--directory", str(tmp_path))
    both = {"without_snapshot", "with_snapshot"}
    assert {"events", "behind", "seconds_per_million", "shares", "folded", "replay_memory"} == set(result)
    assert both == set(result["seconds_per_million"]) == set(result["shares"])
    assert result["folded"]["with_snapshot"] <= result["behind"] < result["folded"]["without_snapshot"]
    assert {"200", "2000"} == set(result["replay_memory"])
    assert [] == list(tmp_path.iterdir())


def test_tick_to_order_measures_both_durabilities_without_and_with_the_follower() -> None:
    """Each with its latencies, one commit alone, and the ratio to both."""
    result = run_json("benchmarks/tick_to_order.py", "--rounds", "20")
    assert {"one_thread_loop", "full", "relaxed", "with_follower"} == set(result)
    assert {"full", "relaxed"} == set(result["with_follower"])
    for table in (result, result["with_follower"]):
        for durability in ("full", "relaxed"):
            assert TICK_TO_ORDER_KEYS == set(table[durability])


FRAME_KEYS = {"p50_us", "p99_us", "json_p50_us", "json_p99_us", "ratio_p50", "bytes"}

BOOKS_KEYS = {
    "symbols",
    "levels",
    "begin_mb",
    "synced_mb",
    "end_mb",
    "bytes_per_level",
    "adapter_bytes_per_level",
    "goal_mb",
}


def test_decode_measures_every_kind_of_frame() -> None:
    """Each beside ``json.loads`` of the same bytes, and an Event came of every frame."""
    result = run_json("benchmarks/decode.py", "--quick")
    kinds = {"book_ticker", "depth_10", "agg_trade", "trade", "execution_report"}
    assert kinds | {"frames"} == set(result)
    for kind in kinds:
        assert FRAME_KEYS == set(result[kind])


def test_books_prints_every_key_as_its_last_line() -> None:
    """What ten small books take, with a Core and without one."""
    result = run_json("benchmarks/books.py", "--quick")
    assert BOOKS_KEYS == set(result)
    assert result["levels"] >= 2_000


TELEMETRY_BATCH_KEYS = {"off_ns", "more_ns", "step_p50_ns", "step_p50_more_percent"}


def test_telemetry_cost_measures_steps_and_orders() -> None:
    """Batches of every size on and off, what readers and recorder add; and a node whose StatsD host refuses."""
    sizes = ("--events", "2000", "--rounds", "5", "--turns", "1", "--peers", "none", "refusing")
    result = run_json("benchmarks/telemetry_cost.py", *sizes)
    steps, orders = result["steps"], result["orders"]
    assert {"batches", "frame_ns", "commit_ns", "event_ns"} == set(steps)
    assert ["1", "10", "100"] == list(steps["batches"])
    assert TELEMETRY_BATCH_KEYS == set(steps["batches"]["100"])
    assert {"none", "refusing"} == set(orders)
    for figures in orders.values():
        assert {"p50_us", "p90_us", "p99_us", "ratio_p50", "ratio_p99", "runs_p99_us"} == set(figures)
