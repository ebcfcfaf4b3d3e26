"""What a commit to the journal costs: by batch size and durability, per Event besides the sync, and beside readers.

    python benchmarks/journal.py [--directory DIR] [--commits 1000] [--rounds 3] [--only NAME] [--quick] [--json]

Records are a real Core's (benchmarks/journalled.py), the writer is the node's. ``--directory`` (default: the system's
temporary one) says which disk is measured; it must be a real one.

* commits: commits/s and latency; each record is encoded, checksummed and chained in the measured time. Baseline in the
  same run: SQLite with a write-ahead log, the same frames under the same keys in one transaction per batch,
  ``synchronous`` FULL beside ``full`` and NORMAL (which does not sync at a commit at all) beside ``relaxed``.
* append: CPU time of the thread per Event, batches of 100, in memory (``/dev/shm``) so that the sync costs nothing; and
  bytes per Event, of the frames and of the file.
* readers: the same commits (10 records, ``full``) without and with two processes that read along, a follower and one
  that only reads; by turns, medians. Two processors: where the writer and both readers want one at the same time,
  something waits.
* verify: the structural check of a whole file, and checksums and hash chain through the reader.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import journalled  # noqa: E402
from livestack.core.events import Recorded  # noqa: E402
from livestack.journal.directory import DataDirectory  # noqa: E402
from livestack.journal.format import encode_record  # noqa: E402
from livestack.journal.reader import JournalReader  # noqa: E402
from livestack.journal.segment import Durability, segments_of  # noqa: E402
from livestack.journal.structure import verify  # noqa: E402
from livestack.journal.writer import JournalWriter  # noqa: E402

Figures = dict[str, Any]
Batches = list[list[Recorded]]

BATCH_SIZES = (1, 10, 100, 1_000)
DURABILITIES: tuple[Durability, ...] = ("full", "relaxed")
SYNCHRONOUS = {"full": "FULL", "relaxed": "NORMAL"}
APPEND_BATCH = 100
READERS_BATCH = 10
READERS_COMMITS = 10
"""Times as many commits as elsewhere: readers look 20 times a second."""

EVENTS_MAX = 200_000
"""Of one measurement: with large batches there are fewer commits."""

MEMORY = Path("/dev/shm")
READY_TIMEOUT_S = 60


class Bench:
    """One run's sizes, and the records that everything is measured with."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.commits: int = options.commits
        self.rounds: int = options.rounds
        self.directory: Path = options.directory
        self.out = sys.stderr if options.json else sys.stdout
        self.rules = journalled.configuration()
        self.header = journalled.header(self.rules)
        count = min(EVENTS_MAX, self.commits * BATCH_SIZES[-1])
        made = journalled.stream(journalled.JournalledSession(self.rules), count, APPEND_BATCH)
        self.records = [record for group in made for record in group]
        gc.collect()
        gc.freeze()

    def say(self, line: str) -> None:
        print(line, file=self.out, flush=True)

    def batches(self, size: int, times: int = 1) -> Batches:
        """The same records in commits of ``size``, ``times`` as many as usual."""
        count = min(self.commits * times, len(self.records) // size)
        return [self.records[number * size : (number + 1) * size] for number in range(count)]

    def scratch(self, directory: Path | None = None) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(dir=directory or self.directory)

    def writer(self, data_dir: Path, durability: Durability) -> JournalWriter:
        return JournalWriter.create(data_dir / "sessions", self.header, durability)


def timed(commit: Callable[[list[Recorded]], object], batches: Batches) -> tuple[float, list[int]]:
    """Commits per second, and each one's nanoseconds, sorted."""
    latencies = []
    begun = time.perf_counter_ns()
    for batch in batches:
        before = time.perf_counter_ns()
        commit(batch)
        latencies.append(time.perf_counter_ns() - before)
    return len(batches) * 1e9 / (time.perf_counter_ns() - begun), sorted(latencies)


def figures(per_second: float, latencies: Sequence[int]) -> Figures:
    return {"commits_per_second": round(per_second)} | {
        f"p{round(share * 100)}_us": round(
            latencies[min(int(len(latencies) * share), len(latencies) - 1)] / 1000, 1
        )
        for share in (0.5, 0.99)
    }


def commits(bench: Bench) -> Figures:
    """By durability and batch size, ours and SQLite's by turns."""
    bench.say(
        f"{'':<22}{'livestack':>12}{'p50 us':>9}{'p99 us':>9}{'SQLite':>12}{'p50 us':>9}{'p99 us':>9}{'ratio':>8}"
    )
    found: Figures = {}
    for durability in DURABILITIES:
        for size in BATCH_SIZES:
            batches = bench.batches(size)
            ours, theirs = (
                _commits_of_ours(bench, durability, batches),
                _commits_of_sqlite(bench, durability, batches),
            )
            ratio = round(ours["commits_per_second"] / theirs["commits_per_second"], 2)
            found.setdefault(durability, {})[str(size)] = ours | {"sqlite": theirs, "ratio_vs_sqlite": ratio}
            row = "".join(
                f"{one['commits_per_second']:>10}/s{one['p50_us']:>9}{one['p99_us']:>9}"
                for one in (ours, theirs)
            )
            bench.say(f"{durability + f', {size} a commit':<22}{row}{ratio:>6} x")
    return {"commits": found}


def _commits_of_ours(bench: Bench, durability: Durability, batches: Batches) -> Figures:
    with bench.scratch() as name:
        writer = bench.writer(Path(name), durability)
        found = figures(*timed(writer.commit, batches))
        writer.close()
    return found


def _commits_of_sqlite(bench: Bench, durability: Durability, batches: Batches) -> Figures:
    with bench.scratch() as name:
        database = sqlite3.connect(Path(name) / "journal.sqlite", isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(f"PRAGMA synchronous={SYNCHRONOUS[durability]}")
        database.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, frame BLOB NOT NULL)")

        def commit(batch: list[Recorded]) -> None:
            database.execute("BEGIN IMMEDIATE")
            rows = [(record.seq, encode_record(record)) for record in batch]
            database.executemany("INSERT INTO events VALUES (?, ?)", rows)
            database.execute("COMMIT")

        found = figures(*timed(commit, batches))
        database.close()
    return found


def append(bench: Bench) -> Figures:
    """The thread's CPU time, without a disk."""
    batches = bench.batches(APPEND_BATCH)
    count = sum(map(len, batches))
    costs = []
    with bench.scratch(MEMORY if MEMORY.is_dir() else None) as name:
        for number in range(bench.rounds):
            writer = bench.writer(Path(name) / str(number), "full")
            begun = time.thread_time_ns()
            for batch in batches:
                writer.commit(batch)
            costs.append((time.thread_time_ns() - begun) / count / 1000)
            frames = writer.segment_bytes / count
            writer.close()
        (segment,) = segments_of(Path(name) / "0" / "sessions", journalled.SESSION)
        size = (segment / "data.mdb").stat().st_size / count
    cost = round(statistics.median(costs), 2)
    bench.say(f"append, {APPEND_BATCH} a commit: {cost} us an Event besides the sync (goal: 5)")
    bench.say(f"bytes an Event: {frames:.0f} in its frame, {size:.0f} of the file")
    return {
        "append_us_per_event": cost,
        "frame_bytes_per_event": round(frames, 1),
        "bytes_per_event": round(size, 1),
    }


def readers(bench: Bench) -> Figures:
    """Without, with, without, with: what two processes that read along cost the writer."""
    batches = bench.batches(READERS_BATCH, READERS_COMMITS)
    alone, beside = [], []
    for _ in range(bench.rounds):
        alone.append(_commits_of_ours(bench, "full", batches))
        beside.append(_commits_beside_readers(bench, batches))
    cost = {}
    for key, sign in (("commits_per_second", -1), ("p50_us", 1)):
        ratio = statistics.median(one[key] for one in beside) / statistics.median(one[key] for one in alone)
        cost[key] = round(sign * (ratio - 1) * 100, 1)
    for title, rows in (("alone", alone), ("beside two readers", beside)):
        for row in rows:
            bench.say(f"{title:<22}{row['commits_per_second']:>10}/s{row['p50_us']:>9}{row['p99_us']:>9}")
    bench.say(
        f"readers cost {cost['commits_per_second']} % of the commits, {cost['p50_us']} % of p50 (goal: 5)"
    )
    return {"readers_cost_percent": cost, "alone": alone, "beside_readers": beside}


def _commits_beside_readers(bench: Bench, batches: Batches) -> Figures:
    with bench.scratch() as name, DataDirectory(Path(name)).acquire():
        writer = bench.writer(Path(name), "full")
        writer.commit(batches[0])
        follower = ["livestack", "follower", journalled.SESSION, "--data-dir", name]
        with _attached([*follower, "--child"]), _attached(["benchmarks.read_along", name]):
            found = figures(*timed(writer.commit, batches[1:]))
        writer.close()
    return found


@contextlib.contextmanager
def _attached(module: list[str]) -> Iterator[None]:
    """A process that has begun to read; it ends when its stdin closes."""
    process = subprocess.Popen(
        [sys.executable, "-m", *module], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if not process.stdout.readline():
            raise SystemExit(f"{module[0]} ended with exit code {process.wait()}")
        yield
    finally:
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(READY_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def verification(bench: Bench) -> Figures:
    """Of a file that is in the system's cache."""
    with bench.scratch() as name:
        writer = bench.writer(Path(name), "relaxed")
        for batch in bench.batches(APPEND_BATCH):
            writer.commit(batch)
        writer.close()
        (segment,) = segments_of(Path(name) / "sessions", journalled.SESSION)
        begun = time.perf_counter()
        if problems := verify(segment):
            raise SystemExit(f"the journal that was just written is not sound: {problems}")
        structure_s = time.perf_counter() - begun
        with JournalReader.open(Path(name) / "sessions", journalled.SESSION) as reader:
            begun = time.perf_counter()
            count = reader.verify_chain()
            chain_s = time.perf_counter() - begun
        speed = round((segment / "data.mdb").stat().st_size / structure_s / 1e6)
    per_second = round(count / chain_s)
    bench.say(f"verify: structure {speed} MB/s, checksums and chain {per_second} Events/s")
    return {"verify_mb_per_second": speed, "verify_chain_events_per_second": per_second}


MEASUREMENTS: dict[str, Callable[[Bench], Figures]] = {
    "commits": commits,
    "append": append,
    "readers": readers,
    "verify": verification,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--directory", type=Path, default=Path(tempfile.gettempdir()), help="on the disk to measure"
    )
    parser.add_argument(
        "--commits", type=int, default=1_000, help="of one measurement, fewer where batches are large"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of what is done by turns")
    parser.add_argument("--only", choices=MEASUREMENTS, action="append", help="may be given more than once")
    parser.add_argument(
        "--quick", action="store_true", help="20 commits, one round: whether it works, no figures"
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object as the last line; the table on stderr"
    )
    options = parser.parse_args()
    if options.quick:
        options.commits, options.rounds = 20, 1
    if options.commits < 2:
        parser.error("--commits must be at least 2")
    bench = Bench(options)
    results: Figures = {"commits_per_measurement": bench.commits}
    for name in options.only or MEASUREMENTS:
        results |= MEASUREMENTS[name](bench)
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
