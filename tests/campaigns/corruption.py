"""Corruption: whatever happens to a journal's files is found and named, or changed nothing; and nobody dies of it.

    python -m tests.campaigns.corruption [--injections 300] [--seed 7] [--only NAME] [--keep DIRECTORY]

A session of several segments is written with the real ``JournalWriter``, and copied for each injection
(:mod:`tests.campaigns.injections`, in turn). A child checks the copy as ``livestack journal check`` does. Either the
check names the segment and, where one record or commit was changed, its ``seq``; or every header, record and link of
the chain is byte for byte what it was. A line of totals by injection and a verdict at the end; exit 0 only if nothing
was passed over, misnamed or raised, and no process died.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.campaigns import journal_plan
from tests.campaigns.children import Child, with_bar
from tests.campaigns.injections import INJECTIONS, Injection, Mark, Victim, ends_of

QUOTES = 150
ROTATIONS = 3
SESSION, OTHER = "s", "t"
FAILURES_SHOWN = 5

GOOD = frozenset({"named", "harmless"})
"""Verdicts of an injection that went as it should."""


def originals(directory: Path, seed: int) -> Path:
    """A session and another one with the same borders in the data directory ``data``; the first one's plan."""
    plan = journal_plan.plan(directory, SESSION, "relaxed", seed, QUOTES, ROTATIONS)
    later = [msgspec.structs.replace(record, ts=record.ts + 1) for record in plan.records]
    sizes = iter(later)
    other = msgspec.structs.replace(
        plan,
        header=msgspec.structs.replace(plan.header, session=OTHER),
        commits=tuple(tuple(next(sizes) for _ in commit) for commit in plan.commits),
    )
    for one in (plan, other):
        journal_plan.write(one, directory / "data")
    return journal_plan.save(plan, directory / "plan")


def segments_of(directory: Path, session: str) -> tuple[Path, ...]:
    return tuple(sorted((directory / "sessions" / session / "journal").glob("[0-9]*")))


def verdict(answer: Mapping[str, Any], mark: Mark, original: str) -> str:
    """``named``, ``harmless``, or what is wrong."""
    for wrong in ("died", "raised", "refused", "unclean"):
        if answer.get(wrong):
            return wrong
    found = answer.get("found")
    if found is None:
        if answer["content"] != original:
            return "silent"
        return "checked amiss" if answer["damaged"] else "harmless"
    if not answer["damaged"]:
        return "not in the check"
    named = any(f"journal/{name}" in found["sentence"] for name in mark.segments)
    return "named" if named and (mark.seqs is None or found["seq"] in mark.seqs) else "misnamed"


def run(
    injections: int,
    seed: int,
    directory: Path,
    *,
    kinds: Sequence[Injection] = INJECTIONS,
    keep: Path | None = None,
) -> dict[str, Any]:
    """``injections`` of ``kinds`` in turn; counts of verdicts by injection, and the failures in words."""
    began, source = time.monotonic(), random.Random(seed)
    plan = originals(directory, seed)
    ends = ends_of(segments_of(directory / "data", SESSION))
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    failures = []
    with Child(directory, "tests.campaigns.journal_checks", str(plan)) as child:
        original = child.ask(what="after_injection", directory=str(directory / "data"))["content"]
        for number in with_bar(range(injections), injections, "injections"):
            inject = kinds[number % len(kinds)]
            copy = directory / f"copy-{number}"
            shutil.copytree(directory / "data" / "sessions" / SESSION, copy / "sessions" / SESSION)
            victim = Victim(segments_of(copy, SESSION), segments_of(directory / "data", OTHER), ends)
            mark = inject(victim, source)
            if keep:
                shutil.copytree(copy, keep / str(number))
            answer = child.ask(what="after_injection", directory=str(copy))
            found = verdict(answer, mark, original)
            counts[inject.__name__][found] += 1
            if found not in GOOD:
                failures.append(f"{number}, {inject.__name__}: {found}; expected {mark}, got {answer}")
            elif keep:
                shutil.rmtree(keep / str(number))
            shutil.rmtree(copy)
    return {
        "injections": injections,
        "counts": {name: dict(found) for name, found in counts.items()},
        "failures": failures,
        "deaths": child.deaths,
        "seconds": time.monotonic() - began,
    }


def passed(result: Mapping[str, Any]) -> bool:
    """Every injection was made, and each was named or harmless."""
    made = sum(sum(found.values()) for found in result["counts"].values())
    return not result["failures"] and result["deaths"] == 0 and result["injections"] == made > 0


def main() -> int:
    names = {kind.__name__: kind for kind in INJECTIONS}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--injections", type=int, default=300)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", choices=sorted(names), help="one kind of injection")
    parser.add_argument("--keep", type=Path, help="a directory for journals that were not judged rightly")
    options = parser.parse_args()
    kinds = [names[options.only]] if options.only else INJECTIONS
    with tempfile.TemporaryDirectory() as directory:
        result = run(options.injections, options.seed, Path(directory), kinds=kinds, keep=options.keep)
    for failure in result["failures"][:FAILURES_SHOWN]:
        print(failure)
    totals: Counter[str] = Counter()
    for name, found in result["counts"].items():
        totals.update(found)
        print(f"{name}: " + ", ".join(f"{count} {word}" for word, count in sorted(found.items())))
    print(
        f"{result['injections']} injections, "
        + ", ".join(f"{count} {word}" for word, count in sorted(totals.items()))
        + f", {result['deaths']} deaths, {result['injections'] / result['seconds']:.0f}/s: "
        + ("passed" if passed(result) else "FAILED")
    )
    return 0 if passed(result) else 1


if __name__ == "__main__":
    sys.exit(main())
