"""How long a node needs after a crash before it connects, and how much memory a replay takes.

    python benchmarks/recovery.py [--events 1000000] [--behind 30000] [--rounds 3] [--only NAME] [--quick] [--json]

A journal of ``--events`` Events (benchmarks/journalled.py) in one segment, whose writer did not stop in order. Measured
is everything that ``livestack start`` does before it connects (``livestack.node.beginning.unfinished``), each time in a
fresh process and on a fresh copy of the file, which the system's cache holds:

* without a snapshot, and with one ``--behind`` Events before the end: the middle of the minute that lies between two
  snapshots at 1 000 Events a second. ``seconds_per_million`` has both; the seconds with a snapshot are those of the
  whole recovery from a journal of ``--events``, scaled only if that is not a million. Goals: 15 s and 1 s.
* the shares of it, each measured by itself: structure, reading with checksums and chain, the fold (what is left of the
  whole), and the State of the snapshot.
* memory: of a process that replays a journal of a tenth of the Events, and of all of them. Its own (anonymous) memory
  must be the same; its resident size counts pages of the journal's file too, which are the system's cache, mapped.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import structlog  # noqa: E402

from benchmarks import journalled  # noqa: E402
from livestack.journal.directory import DataDirectory  # noqa: E402
from livestack.journal.reader import JournalReader  # noqa: E402
from livestack.journal.restoring import restored  # noqa: E402
from livestack.journal.segment import segments_of  # noqa: E402
from livestack.journal.snapshots import snapshots  # noqa: E402
from livestack.journal.structure import verify, verify_part  # noqa: E402
from livestack.node.beginning import unfinished  # noqa: E402
from livestack.node.recovery import Recovered  # noqa: E402
from livestack.research.replay import replay  # noqa: E402

Figures = dict[str, Any]
WITHOUT, WITH = "without_snapshot", "with_snapshot"


# What runs in a process of its own, on a data directory that nobody else uses.


def recover(data_dir: Path) -> Figures:
    """All of it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with DataDirectory(data_dir) as directory:
        rules = journalled.configuration()
        begun = time.perf_counter()
        found = unfinished(directory.acquire(), rules)
        seconds = time.perf_counter() - begun
    if not isinstance(found, Recovered):
        raise SystemExit(f"the session was not recovered: {found}")
    return {"seconds": seconds, "snapshot_seq": found.snapshot_seq, "folded": found.events}


def shares(data_dir: Path) -> Figures:
    """Seconds of the parts, behind the newest snapshot, where there is one."""
    sessions, rules = data_dir / "sessions", journalled.configuration()
    (segment,) = segments_of(sessions, journalled.SESSION)
    header = journalled.header(rules)
    newest = next(snapshots(sessions, journalled.SESSION, 1 << 62, header.semantics_version), None)
    first_seq = 1 if newest is None else newest.seq + 1
    begun = time.perf_counter()
    problems = verify(segment) if newest is None else verify_part(segment, first_seq)
    structure = time.perf_counter()
    if problems:
        raise SystemExit(f"the journal is not sound: {problems}")
    if newest is not None:
        memory = type(journalled.load_strategy(rules.strategy.path, rules.strategy.parameters).memory)
        if restored(newest, header, memory) is None:
            raise SystemExit("the snapshot does not come back as it was")
    state = time.perf_counter()
    with JournalReader([segment], live=True) as reader:  # live: its structure was looked at already
        for _ in reader.commits(first_seq):
            pass
    read = time.perf_counter()
    return {"structure": structure - begun, "snapshot": state - structure, "read": read - state}


def memory(data_dir: Path) -> Figures:
    """MiB of a whole replay, at the most."""
    before, most = resident("RssAnon"), 0.0

    def look(_seq: int) -> None:
        nonlocal most
        most = max(most, resident("RssAnon"))

    with JournalReader.open(data_dir / "sessions", journalled.SESSION) as reader:
        result = replay(reader, progress=look)
    look(0)
    if not result.identical:
        raise SystemExit(f"the replay differs: {result.first_difference}")
    return {
        "own_mib": most,
        "own_before_mib": before,
        "resident_mib": resident("VmHWM"),
        "per_second": result.events_per_s,
    }


def resident(what: str) -> float:
    """MiB of this process as the system counts them now; ``ru_maxrss`` would count its parent's as well."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith(f"{what}:")]
    return int(line.split()[1]) / 1024


PARTS: dict[str, Callable[[Path], Figures]] = {"recover": recover, "shares": shares, "memory": memory}


class Bench:
    """One run's sizes, and the directory that journals are made in."""

    def __init__(self, options: argparse.Namespace, directory: Path) -> None:
        self.events: int = options.events
        self.behind: int = options.behind
        self.rounds: int = options.rounds
        self.directory = directory
        self.out = sys.stderr if options.json else sys.stdout

    def say(self, line: str) -> None:
        print(line, file=self.out, flush=True)

    def journal(self, events: int, behind: int) -> Path:
        """A data directory with such a journal in it; made once."""
        path = self.directory / f"{events}-{behind}"
        if not path.exists():
            journalled.write_journal(path, events, behind)
        return path

    def child(self, part: str, data_dir: Path) -> Figures:
        """``part`` on a copy of ``data_dir``, in a process of its own."""
        copy = self.directory / "copy"
        shutil.copytree(data_dir, copy)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.recovery", "--part", part, "--directory", str(copy)],
                cwd=ROOT,
                capture_output=True,
                text=True,
            )
        finally:
            shutil.rmtree(copy)
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise SystemExit(f"{part} failed: {said[-1]}")
        found: Figures = json.loads(done.stdout.splitlines()[-1])
        return found

    def median(self, part: str, data_dir: Path) -> Figures:
        runs = [self.child(part, data_dir) for _ in range(self.rounds)]
        return {key: statistics.median(one[key] for one in runs) for key in runs[0]}


def seconds(bench: Bench) -> Figures:
    """Without and with a snapshot, and where the time goes."""
    found: Figures = {"seconds_per_million": {}, "shares": {}, "folded": {}}
    for name, behind, goal in ((WITHOUT, 0, 15), (WITH, bench.behind, 1)):
        journal = bench.journal(bench.events, behind)
        whole, parts = bench.median("recover", journal), bench.median("shares", journal)
        per_million = round(whole["seconds"] * 1_000_000 / bench.events, 3)
        parts["fold"] = whole["seconds"] - sum(parts.values())
        found["seconds_per_million"][name] = per_million
        found["folded"][name] = whole["folded"]
        found["shares"][name] = {key: round(value, 3) for key, value in parts.items()}
        bench.say(
            f"{name.replace('_', ' '):<18}{per_million:>8} s per 1 000 000 Events (goal: {goal}), "
            f"{whole['folded']:.0f} folded; "
            + ", ".join(f"{key} {value:.3f} s" for key, value in parts.items())
        )
    return found


def replay_memory(bench: Bench) -> Figures:
    found: Figures = {}
    for events in (bench.events // 10, bench.events):
        one = bench.child("memory", bench.journal(events, 0))
        found[str(events)] = {key: round(value, 1) for key, value in one.items()}
        bench.say(
            f"replay of {events} Events: {one['own_mib']:.1f} MiB of its own at the most, {one['own_before_mib']:.1f} "
            f"before it; {one['resident_mib']:.1f} with the file's pages; {one['per_second']} Events/s"
        )
    return {"replay_memory": found}


MEASUREMENTS: dict[str, Callable[[Bench], Figures]] = {"seconds": seconds, "memory": replay_memory}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--behind", type=int, default=30_000, help="Events behind the snapshot")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--directory", type=Path, default=Path(tempfile.gettempdir()), help="for the journals"
    )
    parser.add_argument("--only", choices=MEASUREMENTS, action="append", help="may be given more than once")
    parser.add_argument(
        "--quick", action="store_true", help="2 000 Events, one round: whether it works, no figures"
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object as the last line; the table on stderr"
    )
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(PARTS[options.part](options.directory)))
        return
    if options.quick:
        options.events, options.behind, options.rounds = 2_000, 300, 1
    if not 0 < options.behind < options.events:
        parser.error("--behind must be less than --events")
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        bench = Bench(options, Path(name))
        results: Figures = {"events": bench.events, "behind": bench.behind}
        for one in options.only or MEASUREMENTS:
            results |= MEASUREMENTS[one](bench)
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
