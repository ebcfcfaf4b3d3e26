"""Shipping campaign: everything between a journal and three storages fails, again and again, and nothing is missing.

    python -m tests.campaigns.ship [--seed 7] [--sessions 5] [--trading 12m] [--faults 40] [--json]

For each session: the one-thread simulation makes a journal with every kind of Event; it is written again, commit by
commit, as by a live node, while a shipper process for each of Delta Lake on the local disk, Delta Lake on S3 and
PostgreSQL follows. Meanwhile shippers are killed at random moments and at named points (between the sink's commit and
the cursor too), servers are stopped, killed, hung, slow, full and cut off, passwords revoked, rows refused. In the end
all is well again, and ``livestack records verify`` derives every record anew: 0 missing, 0 extra, 0 different, in each
storage, and in ``dead_letters`` what was refused and nothing else. Exit 0 only then.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import Progress

from livestack.core.events import Recorded
from livestack.core.validation import parse_duration
from livestack.journal.directory import DataDirectory
from livestack.journal.format import SegmentHeader
from livestack.journal.reader import JournalReader
from livestack.journal.segment import Durability
from livestack.journal.writer import JournalWriter
from livestack.telemetry import logs
from tests.campaigns.ship_stores import LakeStore, LocalStore, SqlStore, Store, livestack
from tests.postgres_support import running_server
from tests.simulation.chaos import quick_directory, run_seed
from tests.storage.s3_support import object_store_server

CHUNK = (20, 400)
"""Commits written between two moments of chance."""

LONG_NS = 600_000_000_000
"""One storage is away for so long in session time, or for all of a session that is shorter."""

PAUSE_S = (0.0, 0.4)
BEGIN_S = 3.0
"""A shipper needs a second or two to load what it writes with."""

ROTATE_SHARE = 0.05
CLOSING_S = 180
"""More than the longest wait between two tries of a shipper."""


class Source:
    """A session's commits, from the simulation."""

    def __init__(self, seed: int, trading_s: float, directory: Path) -> None:
        directory.mkdir()
        run_seed(seed, directory, seconds=trading_s)
        sessions = next(directory.rglob("sessions"))
        self.session = next(path.name for path in sessions.iterdir() if (path / "journal").is_dir())
        with JournalReader.open(sessions, self.session) as reader:
            self.header: SegmentHeader = reader.header
            self.commits: list[list[Recorded]] = list(reader.commits())


class Campaign:
    """One session with all of its storages in ``directory``."""

    def __init__(
        self, seed: int, trading_s: float, faults: int, directory: Path, stores: list[Store]
    ) -> None:
        self.random = random.Random(seed)
        self.faults = faults
        self.directory = directory
        self.stores = stores
        self.injected: Counter[str] = Counter()
        self._deck: list[tuple[Store, str]] = []
        self._moment = threading.Event()
        self._away: Store | None = None
        self.source = Source(seed, trading_s, directory / "simulated")
        self.data_dir = directory / "data"

    def run(self, progress: Any) -> list[str]:
        """What is wrong in the end."""
        with DataDirectory(self.data_dir).acquire() as place:
            durability: Durability = self.random.choice(("full", "relaxed"))
            header = msgspec.structs.replace(self.source.header, durability=durability)
            writer = JournalWriter.create(place.sessions, header, durability)
            try:
                self._write(writer, progress)
            finally:
                for store in self.stores:
                    store.heal()
                writer.close()
        for store in self.stores:
            store.shipper.finish(CLOSING_S)
        return [fault for store in self.stores for fault in self._check(store)]

    def _write(self, writer: JournalWriter, progress: Any) -> None:
        """All commits, and the faults between them."""
        commits, at = self.source.commits, 0
        writer.commit(commits[0])
        for store in self.stores:
            store.begin(self.data_dir, self.source.session)
        last_fault = len(commits) * 9 // 10
        self._moment.wait(BEGIN_S)
        moments = sorted(self.random.randrange(1, last_fault) for _ in range(self.faults))
        away = self.random.choice([store for store in self.stores if "down" in store.kinds])
        away.inject("down", self.random)
        self.injected[f"{away.name} long down"] += 1
        self._away, back_ts = away, commits[0][0].ts + LONG_NS
        for number, commit in enumerate(commits[1:], 1):
            writer.commit(commit)
            if self._away is not None and commit[0].ts >= back_ts:
                self._away = None
                away.heal()
            if number >= at:
                at = number + self.random.randint(*CHUNK)
                self._moment.wait(self.random.uniform(*PAUSE_S))
            while moments and moments[0] <= number:
                moments.pop(0)
                self._fault()
                progress()
            if self.random.random() < ROTATE_SHARE / 10:
                writer.rotate()

    def _fault(self) -> None:
        """One store gets well of what it had, and something else befalls it; every kind once before any comes again."""
        if not self._deck:
            self._deck = [(store, kind) for store in self.stores for kind in store.kinds]
            self.random.shuffle(self._deck)
        store, kind = self._deck.pop()
        if store is self._away:
            return
        store.heal()
        store.inject(kind, self.random)
        self.injected[f"{store.name} {kind}"] += 1
        self._moment.wait(self.random.uniform(*PAUSE_S))

    def _check(self, store: Store) -> list[str]:
        """``records ship`` brings what is left, ``records verify`` finds nothing to complain of."""
        session, found = self.source.session, []
        for verb in ("ship", "verify"):
            code, told = livestack(
                ("records", verb, session, "--data-dir", str(self.data_dir), "--sink", store.url, "--json"),
                store.environment,
                self.directory / f"{store.name}-{verb}.txt",
            )
            if code:
                found.append(f"{store.name}: records {verb} ended with {code}: {told}")
            elif verb == "ship" and told["pending"]:
                found.append(f"{store.name}: {told['pending']} pending")
            elif verb == "verify" and any(told[key] for key in ("missing", "extra", "different")):
                found.append(f"{store.name}: {told}")
            elif verb == "verify" and not told["journal"]:
                found.append(f"{store.name}: nothing was compared")
        return [*found, *store.odd()]


def run(seed: int, sessions: int, trading_s: float, faults: int, console: Console) -> dict[str, Any]:
    """Totals and what was wrong. Directories stay where something was."""
    wrong: list[str] = []
    injected: Counter[str] = Counter()
    restarts = 0
    base = Path(tempfile.mkdtemp(prefix="ship-", dir=quick_directory()))
    with ExitStack() as stack, Progress(console=console, disable=not console.is_terminal) as bar:
        server, lake = stack.enter_context(running_server(base)), stack.enter_context(object_store_server())
        task = bar.add_task("faults", total=sessions * faults)
        for number in range(sessions):
            directory = base / str(number)
            directory.mkdir()
            stores: list[Store] = [
                LocalStore(directory),
                LakeStore(directory, lake),
                SqlStore(directory, server),
            ]
            with ExitStack() as closing:
                for store in stores:
                    closing.callback(store.close)
                campaign = Campaign(seed + number, trading_s, faults, directory, stores)
                found = campaign.run(lambda: bar.advance(task))
                restarts += sum(store.shipper.starts for store in stores)
            wrong += [f"seed {seed + number}: {fault}" for fault in found]
            injected.update(campaign.injected)
            if not found:
                shutil.rmtree(directory)
    if not wrong:
        shutil.rmtree(base)
    return {
        "seed": seed,
        "sessions": sessions,
        "faults": sum(injected.values()),
        "shipper_starts": restarts,
        "injected": dict(sorted(injected.items())),
        "wrong": wrong,
        "verdict": "failed" if wrong else "passed",
        "directory": str(base) if wrong else "",
    }


def _seconds(text: str) -> float:
    return parse_duration(text) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--sessions", type=int, default=5)
    parser.add_argument(
        "--trading", type=_seconds, default="12m", help="session time under faults of the venue"
    )
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logs.configure("error", json=False)
    totals = run(options.seed, options.sessions, options.trading, options.faults, Console(stderr=True))
    if options.json:
        print(json.dumps(totals))
    else:
        for fault in totals["wrong"]:
            print(fault)
        print(
            f"{totals['sessions']} sessions, {totals['faults']} faults, {totals['shipper_starts']} shipper "
            f"processes: {totals['verdict']} {totals['directory']}".rstrip()
        )
    sys.exit(1 if totals["wrong"] else 0)


if __name__ == "__main__":
    main()
