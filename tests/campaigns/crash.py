"""Crash campaign: a trading node is killed with SIGKILL again and again, and in the end nothing is lost or doubled.

    python -m tests.campaigns.crash [--kills 1000] [--seed 7] [--jobs N] [--json]

Each *chain* has a simulated venue and a data directory of its own. Its node trades, is killed at a random moment or at
a named point of the pipeline, and is started on the same directory again; after some kills it is stopped in order, and
everything that :mod:`tests.campaigns.agreement` asks is asked. After every single kill: whatever the venue has seen by
then is in the journal. Exit 0 only if nothing was lost, doubled or different; otherwise the directories stay.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from livestack.failpoints import NAMES
from tests.campaigns import agreement
from tests.campaigns.agreement import Journals
from tests.live import configuration
from tests.support import Process, Venue, start_node

CHAIN_KILLS = 45
"""Kills per venue and directory: its journals are read after each."""

SESSION_KILLS = (10, 20)
"""Kills before an ordered stop."""

POINT_SHARE = 0.6
"""Of the kills at named points; the rest is at random moments."""

MOMENT_S = 1.6
"""A node is up after some 0.4 s and trades a moment later: kills fall before, into and behind that."""

POINT_S = 3.0
"""A point that was not passed by then is given up for a kill at this moment."""

CALM_S = 1.0
"""How long a node trades before its ordered stop."""

LOOK_S = 0.1
LOOKS_MAX = 200
"""Longer than settling takes, even where every order of the strategy is of unknown fate."""

STOP_S = 60.0
"""An ordered stop waits for the venue's settling time, 16 s, where a request never arrived."""

MOMENT = "at a random moment"
MISSED = "not reached: "

FIRST_PASS = {"segment.in_make", "segment.before_rename", "recovery.before_segment"}
PASSES = {
    "harness.before_step": 600,
    "harness.after_step": 600,
    "recorder.before_commit": 100,
    "recorder.after_commit": 100,
    "journal.before_append": 100,
    "journal.after_append": 100,
    "recovery.in_fold": 40,
    "connector.before_ack": 80,
    "connector.before_gate": 20,
    "connector.in_gate": 20,
    "connector.after_send": 20,
}
"""The kill is at a random pass up to this one; other points: the first or second."""

SURE_PASSES = {
    "harness.before_step": 90,
    "harness.after_step": 90,
    "recorder.before_commit": 15,
    "recorder.after_commit": 15,
}
SURE_S = 20.0
PASSES_OF_OTHERS = 2
ELSEWHERE = ("retention.", "kill.", "feed.", "control.", "reader.", "ship.", "delta.")
"""Points that are not passed here (whole journals are compared, nobody pulls the kill-switch, nothing is shipped), or
where nothing lasting changes."""

OTHER_PROCESS = ("follower.", "snapshot.")
"""Points of the follower: there it is killed, and the node some time later."""

RATE_LIMITS = """
[[execution.venue.binance_spot.rate_limits]]
kind = "ORDERS"
interval = "100ms"
limit = 1000
guard_band = "1ms"
[shutdown]
timeout = "40s"
"""
"""Short windows: a resumed session takes the present one as full."""

RULES = configuration.UNLIMITED.partition("[[execution.venue")[0] + RATE_LIMITS

FOLLOWER = 'snapshot_every = "1s"\nsnapshot_every_events = 300'

ROTATION = """
segment_bytes = 100000
segment_age = "1s"
"""

MAKER = """
[strategy]
path = "livestack.strategies.market_maker:MarketMaker"
[strategy.parameters]
qty = "0.1"
inventory_max = "0.5"
half_spread_bps = 1
tolerance_bps = 1
"""
RESTLESS = """
[strategy]
path = "tests.campaigns.restless:Restless"
[strategy.parameters]
qty = "0.1"
pause = "40ms"
"""
STRATEGIES = (RESTLESS, MAKER)
VENUE_RATE = 300


class Kill(msgspec.Struct, frozen=True):
    """One planned kill: at pass ``nth`` of ``point``, or after ``wait_s`` where there is none or it is not reached."""

    point: str
    nth: int
    wait_s: float

    def environment(self) -> dict[str, str]:
        return {"LIVESTACK_FAILPOINTS": f"{self.point}=kill@{self.nth}"} if self.point else {}


SUMS = ("kills", "checks", "balances_cut_off", "sessions", "resumptions", "requests", "fills", "events")


class Outcome(msgspec.Struct):
    """What happened in one chain, or in all."""

    kills: int = 0
    checks: int = 0
    balances_cut_off: int = 0
    sessions: int = 0
    resumptions: int = 0
    requests: int = 0
    fills: int = 0
    events: int = 0
    points: Counter[str] = msgspec.field(default_factory=Counter)
    kinds: Counter[str] = msgspec.field(default_factory=Counter)
    anomalies: Counter[str] = msgspec.field(default_factory=Counter)
    faults: list[str] = []

    def add(self, other: Outcome) -> None:
        """Take another chain in."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("points", "kinds", "anomalies"):
            getattr(self, name).update(getattr(other, name))
        self.faults += other.faults


class Chain:
    """One venue, one data directory, one node after the other. Belongs to one thread."""

    def __init__(
        self, directory: Path, seed: int, strategy: str, passed: Callable[[], None] = lambda: None
    ) -> None:
        self.outcome = Outcome()
        self.journals = Journals(directory / "data")
        self._directory = directory
        self._seed = seed
        self._strategy = strategy
        self._passed = passed
        self._random = random.Random(seed)
        self._seen = 0
        self._resumed: Counter[str] = Counter()

    def run(self, kills: int, stop: threading.Event, plan: list[Kill] | None = None) -> Outcome:
        """``kills`` kills (or those of ``plan``), with ordered stops between them and at the end."""
        (self._directory / "venue").mkdir(parents=True)
        arguments = ("--seed", str(self._seed), "--rate", str(VENUE_RATE), "--allowance", "1000")
        with Venue(self._directory / "venue", *arguments) as venue:
            path = self._configuration(venue)
            while kills and not stop.is_set() and not self.outcome.faults:
                group = min(self._random.randint(*SESSION_KILLS), kills)
                for number in range(group):
                    if self.outcome.faults:
                        break
                    kill = _next(plan, number > 0) or self._planned(number > 0)
                    self._kill(venue, path, kill)
                    kills -= 1
                if not self.outcome.faults:
                    self._stop_in_order(venue, path)
            views = agreement.Views.of(venue)
        outcome = self.outcome
        outcome.requests, outcome.fills = len(views.requests), len(views.fills)
        outcome.kinds.update(one["kind"] for one in views.requests)
        outcome.sessions = len(self.journals.known)
        for journal in self.journals.known.values():
            outcome.resumptions += len(journal.epochs) - 1
            outcome.events += journal.last_seq
            outcome.anomalies.update(journal.anomalies)
        outcome.faults = [f"{self._directory}: {fault}" for fault in outcome.faults]
        return outcome

    def _configuration(self, venue: Venue) -> Path:
        path = configuration.write(
            self._directory, venue.symbols, self._strategy, rules=RULES, follower=FOLLOWER
        )
        path.write_text(path.read_text().replace("[journal]\n", f"[journal]\n{ROTATION}"))
        return path

    def _planned(self, resumes: bool) -> Kill:
        chance = self._random
        if chance.random() >= POINT_SHARE:
            return Kill("", 0, chance.uniform(0.05, MOMENT_S))
        never = ELSEWHERE if resumes else (*ELSEWHERE, "recovery.")
        names = sorted(name for name in NAMES if not name.startswith(never))
        point = chance.choice(names)
        most = PASSES.get(point, PASSES_OF_OTHERS)
        nth = 1 if point in FIRST_PASS else chance.randint(1, max(most, 1))
        follows = point.startswith(OTHER_PROCESS)
        return Kill(point, nth, chance.uniform(MOMENT_S / 2, POINT_S) if follows else POINT_S)

    def _kill(self, venue: Venue, path: Path, kill: Kill) -> None:
        with start_node(self._directory, path, {**venue.environment(), **kill.environment()}) as node:
            code = ended_within(node, kill.wait_s)
            if code is None:
                node.kill()
            self._look(node, code if code is not None else -9, -9)
        self.outcome.kills += 1
        reached = code is not None or kill.point.startswith(OTHER_PROCESS)
        self.outcome.points[("" if reached else MISSED) + kill.point if kill.point else MOMENT] += 1
        self.journals.learn()
        requests = venue.look("orders")
        self.outcome.faults += agreement.check_requests(requests[self._seen :], self.journals)
        self._seen = len(requests)
        self._passed()

    def _stop_in_order(self, venue: Venue, path: Path) -> None:
        """Let it trade a moment, stop it, and ask everything."""
        with start_node(self._directory, path, venue.environment()) as node:
            looks = 0
            while len(venue.look("orders")) == self._seen and ended_within(node, LOOK_S) is None:
                looks += 1
                if looks > LOOKS_MAX:
                    self.outcome.faults.append(f"it does not trade: {node.stderr_path}")
                    break
            ended_within(node, CALM_S)
            node.signal()
            try:
                code, output = node.finish(STOP_S)
            except subprocess.TimeoutExpired:
                self.outcome.faults.append(f"an ordered stop took more than {STOP_S} s: {node.stderr_path}")
                return
            self._look(node, code, 0)
        faults = agreement.check(self._directory / "data", venue, self.journals)
        newest = self.journals.newest
        self.outcome.checks += 1
        self.outcome.balances_cut_off += newest is not None and not newest.balances_are_complete
        self._seen = len(venue.look("orders"))
        if code == 0:
            faults += self._check_summary(json.loads(output))
        self.outcome.faults += faults

    def _look(self, node: Process, code: int, expected: int) -> None:
        log = node.stderr()
        if code != expected or "Traceback" in log:
            last = log.strip().splitlines()[-1:] or ["nothing on stderr"]
            self.outcome.faults.append(f"exit code {code}, not {expected}: {last[0]} ({node.stderr_path})")

    def _check_summary(self, summary: dict[str, object]) -> list[str]:
        """The summary speaks of the same session, and says whether it was resumed."""
        newest = self.journals.newest
        assert newest is not None
        said = (summary["session"], summary["last_seq"], summary["recovered"])
        expected = (newest.session, newest.last_seq, len(newest.epochs) > 1)
        return [] if said == expected else [f"the summary says {said}, not {expected}"]


def _next(plan: list[Kill] | None, resumes: bool) -> Kill | None:
    """Take the next of ``plan`` that can happen now; None where there is none."""
    for number, kill in enumerate(plan or ()):
        if resumes or not kill.point.startswith("recovery."):
            assert plan is not None
            return plan.pop(number)
    return None


def every_point(seed: int, chains: int) -> list[list[Kill]]:
    """A plan for each of so many chains: together every point once, at a pass that is certain to come."""
    names = sorted(name for name in NAMES if not name.startswith((*OTHER_PROCESS, *ELSEWHERE)))
    random.Random(seed).shuffle(names)
    kills = [Kill(name, min(SURE_PASSES.get(name, 1), PASSES.get(name, 1)), SURE_S) for name in names]
    return [kills[number::chains] for number in range(chains)]


def ended_within(node: Process, seconds: float) -> int | None:
    """The exit code of ``node``; None if it still runs then."""
    try:
        return node.finish(seconds)[0]
    except subprocess.TimeoutExpired:
        return None


def campaign(kills: int, seed: int, jobs: int, directory: Path) -> Outcome:
    """Chains side by side, ``jobs`` at a time, until so many kills are done."""
    total, stop = Outcome(), threading.Event()
    console = Console(stderr=True)
    columns = (TextColumn("killed"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    most = min(CHAIN_KILLS, -(-kills // jobs))
    sizes = [min(most, kills - begun) for begun in range(0, kills, most)]
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("kills", total=kills)
        with ThreadPoolExecutor(jobs) as pool:
            chains = [
                pool.submit(
                    Chain(
                        directory / f"chain-{number}",
                        seed * 1_000 + number,
                        STRATEGIES[number % len(STRATEGIES)],
                        lambda: progress.advance(bar),
                    ).run,
                    size,
                    stop,
                )
                for number, size in enumerate(sizes)
            ]
            try:
                for chain in chains:
                    total.add(chain.result())
            except BaseException:
                stop.set()  # the chains end their processes themselves, behind the kill in hand
                raise
    return total


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7, help="of markets, moments and points")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="chains at a time")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    options = parser.parse_args()
    if not options.json:
        print(f"seed {options.seed}", flush=True)
    began = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="crash-"))
    total = campaign(options.kills, options.seed, options.jobs, directory)
    passed = not total.faults and total.kills == options.kills
    if passed:
        shutil.rmtree(directory)
    seconds = round(time.monotonic() - began, 1)
    if options.json:
        result = {**msgspec.to_builtins(total), "seed": options.seed, "seconds": seconds, "passed": passed}
        print(json.dumps(result))
    else:
        show(total, seconds, passed)
    return 0 if passed else 1


def show(total: Outcome, seconds: float, passed: bool) -> None:
    """The distribution, what did not agree, and one last line."""
    for counts in (total.points, total.kinds, total.anomalies):
        print("; ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "no anomalies")
    for fault in total.faults:
        print(fault)
    print(
        f"{total.kills} kills, {total.checks} ordered stops ({total.balances_cut_off} before the last balances),"
        f" {total.sessions} sessions resumed {total.resumptions} times, {total.requests} requests,"
        f" {total.fills} fills, {total.events} Events in {seconds} s: "
        + ("nothing lost, doubled or different" if passed else f"FAILED, {len(total.faults)} faults")
    )


if __name__ == "__main__":
    sys.exit(main())
