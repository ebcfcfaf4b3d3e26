"""Chaos in the one-thread simulation, many seeds: see :mod:`tests.simulation.chaos`.

    python -m tests.campaigns.chaos_simulation [--seeds 10000] [--from 0] [--jobs 2] [--intensity 100]
        [--kinds KIND,KIND] [--seconds S] [--keep DIRECTORY] [--json]

Each seed is a whole session on virtual time. Exit 0 only if both sides agreed after every one of them; otherwise each
failed seed is printed with what differs and the command that shows it again.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from livestack.telemetry import logs
from tests.simulation.chaos import Outcome, command, quick_directory, run_seed

USUAL = 100
SHOWN = 8
"""Sentences of one failed seed."""


class Task(msgspec.Struct, frozen=True):
    """One seed, for a worker. ``keep``: where its directory stays; '' nowhere."""

    seed: int
    intensity: int
    kinds: tuple[str, ...]
    seconds: float
    keep: str

    @property
    def command(self) -> str:
        """What a person types to see this again."""
        options = ["--intensity", str(self.intensity)] if self.intensity != USUAL else []
        options += ["--seconds", str(self.seconds)] if self.seconds else []
        options += ["--kinds", ",".join(self.kinds)] if self.kinds else []
        return command(self.seed, *options)


def run_task(task: Task) -> tuple[Task, Outcome]:
    """In a worker process; an exception is a fault, and what was printed belongs to it."""
    logs.configure("error", json=False)
    directory = Path(tempfile.mkdtemp(prefix=f"chaos-{task.seed}-", dir=quick_directory()))
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            outcome = run_seed(task.seed, directory, task.intensity, task.kinds, task.seconds)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.lineno}"
        outcome = Outcome(task.seed, [f"{type(error).__name__}: {str(error)[:400]} at {place}"])
    if outcome.faults and "Traceback" in printed.getvalue():
        outcome.faults.append(printed.getvalue()[-2000:])
    if task.keep:
        shutil.copytree(directory, Path(task.keep) / str(task.seed))
    shutil.rmtree(directory)
    return task, outcome


def campaign(tasks: list[Task], jobs: int) -> list[Outcome]:
    """All of them, ``jobs`` processes at a time; failures are printed as they come."""
    console, outcomes = Console(stderr=True), []
    columns = (TextColumn("seeds"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=200) as pool,
    ):
        bar = progress.add_task("seeds", total=len(tasks))
        for task, outcome in pool.imap_unordered(run_task, tasks):
            progress.advance(bar)
            outcomes.append(outcome)
            if outcome.faults:
                print(f"FAULT seed {outcome.seed}: {task.command}", file=sys.stderr)
                for fault in outcome.faults[:SHOWN]:
                    print(f"      {fault}", file=sys.stderr)
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--intensity", type=int, default=USUAL, help="of the faults, in percent")
    parser.add_argument("--kinds", default="", help="only these faults, with commas between them")
    parser.add_argument("--seconds", type=float, default=0.0, help="of session time under faults")
    parser.add_argument("--keep", default="", help="a directory for what each seed leaves behind")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    began = time.monotonic()
    kinds = tuple(kind for kind in options.kinds.split(",") if kind)
    numbers = range(options.first, options.first + options.seeds)
    outcomes = campaign(
        [Task(seed, options.intensity, kinds, options.seconds, options.keep) for seed in numbers],
        min(options.jobs, len(numbers)),
    )
    counts, injected = Counter[str](), Counter[str]()
    for outcome in outcomes:
        counts.update(outcome.counts)
        injected.update(outcome.injected)
    failed = sorted(outcome.seed for outcome in outcomes if outcome.faults)
    passed = not failed and len(outcomes) == options.seeds
    seconds = round(time.monotonic() - began, 1)
    if options.json:
        totals = {"seeds": len(outcomes), "failed": failed, "counts": counts, "injected": injected}
        print(json.dumps({**totals, "seconds": seconds, "passed": passed}))
        return 0 if passed else 1
    said = ", ".join(f"{count} {name}" for name, count in counts.items())
    faults = ", ".join(f"{kind} {count}" for kind, count in sorted(injected.items()))
    verdict = "passed" if passed else f"FAILED: {len(failed)} seeds, {failed[:20]}"
    print(f"{len(outcomes)} seeds from {options.first} in {seconds} s: {said}; faults: {faults}: {verdict}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
