"""Power loss: whatever was acknowledged is in the journal, and the journal opens, whenever the power goes.

    python -m tests.campaigns.power_loss [--states 500] [--seed 7] [--durability full|relaxed|both] [--keep DIRECTORY]

A child writes a session with the real ``JournalWriter`` under ``strace``, in many commits and several segments, and
acknowledges each commit; some segments end by a rotation, some because the node ends without a stop and recovers. From
the trace, states of the disk after a loss are rebuilt (:mod:`tests.campaigns.traced_disk`): what was not flushed is
kept, dropped, reordered or torn, names in directories as well as data. Another child recovers each of them with the
node's own recovery, reads all of it, and goes on with it. With ``full`` nothing acknowledged may be missing, with
``relaxed`` at most the last transaction; none may be refused, wrong, or end the reading process. A line of totals and a
verdict at the end; exit 0 only if all is right. ``--keep`` keeps what went wrong.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from livestack.journal.clean import CLEAN_NAME, DATA_NAME
from livestack.journal.segment import Durability
from tests.campaigns import journal_plan
from tests.campaigns.children import Child, with_bar
from tests.campaigns.traced_disk import CALLS, STRING_MAX, Disk, Operation, Relink, Sync, Write, read_trace
from tests.support import ROOT

QUOTES = 300
ROTATIONS = 2
RESUMPTIONS = 2
WRITE_S = 120

BIRTH_OPERATIONS = 40
"""Operations from a change of names on, in which every third loss falls: there is where most can go wrong."""

LARGE_BYTES = 100_000
"""Written by one call, this is of a commit so large that its segment does not look like one that was never used."""

FOLD_EVERY = 4
"""Every so many states the Core is brought back too, which takes as long as all the rest."""

FAILURES_SHOWN = 5


def traced(directory: Path, durability: Durability, seed: int) -> tuple[Path, list[Operation]]:
    """Have a session written under ``strace``: the file of its plan, and what the disk was told."""
    assert shutil.which("strace"), "the power-loss campaign needs strace"
    plan = journal_plan.plan(
        directory, "s", durability, seed, QUOTES, ROTATIONS, resumptions=RESUMPTIONS, burst=True
    )
    path = journal_plan.save(plan, directory / "plan")
    root, trace, acknowledgements = directory / "disk", directory / "trace", directory / "acknowledged"
    root.mkdir()
    done = subprocess.run(
        [
            *("strace", "-xx", "-s", str(STRING_MAX), "-e", f"trace={CALLS}", "-o", str(trace)),
            *(sys.executable, "-m", "tests.campaigns.journal_plan"),
            *(str(path), str(root / "data"), str(acknowledgements)),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=WRITE_S,
    )
    assert done.returncode == 0, f"the session could not be written: {done.stderr}"
    operations = read_trace(trace.read_text().splitlines(), str(root), str(acknowledgements))
    trace.unlink()
    return path, operations


def moments(operations: list[Operation], states: int, source: random.Random) -> list[int]:
    """After how many operations the power goes: anywhere, near a change of names, or in a large commit, in turn."""
    births = [index for index, one in enumerate(operations) if isinstance(one, Relink)]
    near = {index + number for index in births for number in range(BIRTH_OPERATIONS)}
    large = [
        index + number
        for index, one in enumerate(operations)
        if isinstance(one, Write) and len(one.data) >= LARGE_BYTES
        for number in (1, 2, 3)
    ]
    anywhere = range(len(operations) + 1)
    turns = (anywhere, sorted(near & set(anywhere)), large or anywhere)
    return sorted(source.choice(turns[number % len(turns)]) for number in range(states))


def without_flushes(operations: list[Operation]) -> list[Operation]:
    """The same on a disk that lies about every flush."""
    return [
        Write(one.inode, one.offset, one.data) if isinstance(one, Write) else one
        for one in operations
        if not isinstance(one, Sync)
    ]


def rebuild(tree: Mapping[str, bytes | None], directory: Path, source: random.Random) -> None:
    """Put a state of the disk into ``directory``. A mark of a clean end keeps its file's time, every second time."""
    directory.mkdir()
    for name, content in tree.items():
        if content is None:
            (directory / name).mkdir()
        else:
            (directory / name).write_bytes(content)
    for name, content in tree.items():
        marked = (content or b"").split()
        data = directory / name.replace(CLEAN_NAME, DATA_NAME)
        if name.endswith(CLEAN_NAME) and len(marked) > 1 and data.is_file() and source.random() < 0.5:
            os.utime(data, ns=(int(marked[1]), int(marked[1])))


def verdict(answer: Mapping[str, Any], acknowledged: list[int], durability: Durability) -> str:
    """What became of the journal: ``right``, ``without the last`` transaction, or what is wrong."""
    for wrong in ("died", "raised", "refused", "wrong"):
        if answer.get(wrong):
            return wrong
    newest = acknowledged[-1] if acknowledged else 0
    if answer["present"] >= newest:
        return "right"
    before = acknowledged[-2] if len(acknowledged) > 1 else 0
    return "without the last" if durability == "relaxed" and answer["present"] >= before else "lost"


def run(
    durability: Durability,
    states: int,
    seed: int,
    directory: Path,
    *,
    flushes: bool = True,
    keep: Path | None = None,
) -> dict[str, Any]:
    """``states`` losses; counts of verdicts, and the first failures in words. Not ``flushes``: the disk lies."""
    began, source = time.monotonic(), random.Random(f"{seed} {durability}")
    plan, operations = traced(directory, durability, seed)
    if not flushes:
        operations = without_flushes(operations)
    disk, done = Disk(), 0
    cuts = moments(operations, states, source)
    counts: Counter[str] = Counter()
    failures = []
    with Child(directory, "tests.campaigns.journal_checks", str(plan)) as child:
        for number, cut in enumerate(with_bar(cuts, states, durability)):
            for operation in operations[done:cut]:
                disk.take(operation)
            done = cut
            how, tree = disk.after_loss(source)
            state = directory / f"state-{number}"
            rebuild(tree, state, source)
            kept = keep / f"{durability}-{number}" if keep else None
            what = "fold_after_loss" if number % FOLD_EVERY == 0 else "after_loss"
            answer = child.ask(what=what, directory=str(state / "data"))
            found = verdict(answer, disk.acknowledged, durability)
            counts[found] += 1
            if found not in {"right", "without the last"}:
                newest = disk.acknowledged[-1:] or [0]
                failures.append(
                    f"{durability} state {number}, after {cut} of {len(operations)} operations, {how}: {found}; "
                    f"acknowledged {newest[0]}, {answer}"
                )
                if kept:
                    rebuild(tree, kept, source)
            shutil.rmtree(state)
    return {
        "durability": durability,
        "states": states,
        "operations": len(operations),
        "counts": dict(counts),
        "failures": failures,
        "seconds": time.monotonic() - began,
    }


def passed(result: Mapping[str, Any]) -> bool:
    """Every state was looked at, and none went wrong."""
    return not result["failures"] and result["states"] == sum(result["counts"].values()) > 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--states", type=int, default=500, help="states of each durability")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--durability", choices=["full", "relaxed", "both"], default="both")
    parser.add_argument("--keep", type=Path, help="an empty directory for states that went wrong")
    options = parser.parse_args()
    if shutil.which("strace") is None:
        print("the power-loss campaign needs strace, which is not installed", file=sys.stderr)
        return 2
    wanted: list[Durability] = ["full", "relaxed"] if options.durability == "both" else [options.durability]
    results = []
    for durability in wanted:
        with tempfile.TemporaryDirectory() as directory:
            results.append(run(durability, options.states, options.seed, Path(directory), keep=options.keep))
    for failure in [failure for result in results for failure in result["failures"][:FAILURES_SHOWN]]:
        print(failure)
    totals = "; ".join(
        f"{result['durability']}: {result['states']} states, "
        + ", ".join(f"{count} {name}" for name, count in sorted(result["counts"].items()))
        + f", {result['states'] / result['seconds']:.0f}/s"
        for result in results
    )
    good = all(map(passed, results))
    print(f"{totals}: {'passed' if good else 'FAILED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
