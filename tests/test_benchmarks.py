"""The benchmarks run from end to end and say what they promise to. No figure is looked at: that is not for a suite."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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
