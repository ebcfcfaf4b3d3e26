"""Mutation check: break the Core in every way of a fixed list, and see that its tests notice.

    python -m tests.campaigns.mutations [--json] [--only PATTERN] [--sample N] [--jobs N]

Each mutant lives in a forked child: patched there, tested there, gone with it. Before, the tests run unmutated and must
pass, here and in a child. A mutant is caught if a test fails because of it; one that cannot be applied, or whose tests
cannot be run, is an error of this program and no success. Exit 0 only if every mutant was caught.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.campaigns import (
    mutants_of_control,
    mutants_of_queue,
    mutants_of_record,
    mutants_of_risk,
    mutants_of_state,
)
from tests.campaigns.mutants import Mutant, StaleMutant

ROOT = Path(__file__).resolve().parents[2]
PARTS: tuple[Callable[[], list[Mutant]], ...] = (
    mutants_of_risk.rules,
    mutants_of_risk.boundaries,
    mutants_of_queue.dominance,
    mutants_of_queue.validity,
    mutants_of_queue.rate,
    mutants_of_state.tables,
    mutants_of_state.execution,
    mutants_of_state.laws,
    mutants_of_control.commands,
    mutants_of_control.changes,
    mutants_of_record.record,
)
OPTIONS = (
    *("-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile", "mutations"),
    *(
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
    ),  # the plugins are imported already: that is the point
)

CHILD_S = 120
"""A child that takes longer has lost itself in a loop; that is an error, for no test has said anything."""

BAR_WIDTH = 30

settings.register_profile("mutations", deadline=None, database=None, derandomize=True, max_examples=100)


class FirstFailure:
    """A pytest plugin that remembers which test failed first, and what could not be collected."""

    def __init__(self) -> None:
        self.test = ""
        self.error = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self.test:
            self.test = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed and not self.error:
            self.error = f"{report.nodeid} cannot be collected"


def every() -> list[Mutant]:
    """The whole list, in its fixed order."""
    found = [mutant for part in PARTS for mutant in part()]
    names = [mutant.name for mutant in found]
    assert len(names) == len(set(names)), "two mutants of one name"
    return found


def sample(mutants: list[Mutant], count: int) -> list[Mutant]:
    """``count`` of them, evenly spread over the list: always the same ones."""
    return (
        [mutants[index * len(mutants) // count] for index in range(count)]
        if count < len(mutants)
        else mutants
    )


def tested(tests: tuple[str, ...]) -> dict[str, str]:
    """Run ``tests`` in this process: who failed ('test'), or why there is no answer ('error')."""
    first = FirstFailure()
    code = pytest.main([*OPTIONS, *(str(ROOT / one) for one in tests)], plugins=[first])
    if code == pytest.ExitCode.OK:
        return {}
    if code == pytest.ExitCode.TESTS_FAILED and first.test:
        return {"test": first.test}
    return {"error": first.error or f"pytest ended with {int(code)}"}


def child(mutant: Mutant, answer: int) -> None:
    """The forked child: patch, test, answer, end."""
    signal.alarm(CHILD_S)
    try:
        mutant.apply()
        result = tested(mutant.tests)
    except StaleMutant as stale:
        result = {"error": str(stale)}
    except BaseException as error:  # noqa: BLE001 - whatever it is, the child must not go on as a second parent
        result = {"error": f"{type(error).__name__}: {error}"}
    os.write(answer, json.dumps(result).encode())
    os._exit(0)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Everything written to the standard streams, also by children, goes to a file."""
    with tempfile.NamedTemporaryFile(prefix="mutations-", suffix=".log") as log:
        kept = os.dup(1), os.dup(2)
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, old in enumerate(kept, start=1):
                os.dup2(old, number)
                os.close(old)


class Progress:
    """A bar on the real standard error, whatever becomes of the stream meanwhile."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = self.survived = 0
        self._to = os.dup(2)

    def advance(self, caught: bool) -> None:
        self.done += 1
        self.survived += not caught and self.done > 1  # the first one changes nothing
        filled = BAR_WIDTH * self.done // self.total
        bar = "#" * filled + "." * (BAR_WIDTH - filled)
        end = "\n" if self.done == self.total else ""
        os.write(self._to, f"\r[{bar}] {self.done} of {self.total}, {self.survived} not caught{end}".encode())


def run(mutants: list[Mutant], jobs: int, progress: Progress) -> list[dict[str, str]]:
    """Every mutant's fate, in order: 'name' and one of 'test', 'survived', 'error', 'equivalent'."""
    fates: dict[str, dict[str, str]] = {}
    waiting = [one for one in mutants if not one.equivalent]
    running: dict[int, tuple[Mutant, int]] = {}
    waiting.reverse()
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                child(mutant, writer)
            os.close(writer)
            running[pid] = (mutant, reader)
        pid, status = os.wait()
        mutant, reader = running.pop(pid)
        with os.fdopen(reader) as answer:
            text = answer.read()
        fate = json.loads(text) if text else {"error": f"the child ended with wait status {status}"}
        fates[mutant.name] = fate or {"survived": ", ".join(mutant.tests)}
        progress.advance("test" in fate)
    return [
        {"name": one.name, **(fates[one.name] if not one.equivalent else {"equivalent": one.equivalent})}
        for one in mutants
    ]


def campaign(mutants: list[Mutant], jobs: int) -> dict[str, Any]:
    """Unmutated tests first, then every mutant; the figures and the fates."""
    began = time.monotonic()
    files = tuple(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    control = Mutant("nothing is changed", files, lambda: None)
    progress = Progress(sum(not mutant.equivalent for mutant in mutants) + 1)
    with silence():
        unmutated = tested(files)
        if not unmutated:
            (fate,) = run([control], 1, progress)
            unmutated = {key: fate[key] for key in ("test", "error") if key in fate}
        fates = [] if unmutated else run(mutants, jobs, progress)
    run_really = [one for one in fates if "equivalent" not in one]
    return {
        "mutants": len(run_really),
        "caught": sum("test" in one for one in run_really),
        "errors": sum("error" in one for one in run_really),
        "unmutated": unmutated.get("test") or unmutated.get("error") or "passed",
        "seconds": round(time.monotonic() - began, 1),
        "fates": fates,
    }


def sentence(fate: dict[str, str]) -> str:
    for key, words in (
        ("test", "caught by"),
        ("survived", "SURVIVED"),
        ("error", "ERROR"),
        ("equivalent", "not run, equivalent:"),
    ):
        if key in fate:
            return f"{fate['name']}: {words} {fate[key]}"
    raise AssertionError(fate)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the list")
    parser.add_argument("--only", default="*", help="mutants whose name matches this pattern (* and ?)")
    parser.add_argument("--sample", type=int, default=0, help="so many of them, always the same ones")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="children at a time")
    options = parser.parse_args()
    os.chdir(ROOT)
    try:
        mutants = [one for one in every() if fnmatch.fnmatch(one.name, options.only)]
    except StaleMutant as stale:
        print(stale, file=sys.stderr)
        return 2
    if not mutants:
        print(f"no mutant's name matches {options.only!r}", file=sys.stderr)
        return 2
    result = campaign(sample(mutants, options.sample) if options.sample else mutants, options.jobs)
    if options.json:
        print(json.dumps(result))
    else:
        for fate in result["fates"]:
            print(sentence(fate))
        print(f"unmutated tests: {result['unmutated']}")
        print(f"{result['caught']} of {result['mutants']} caught in {result['seconds']} s")
    return 0 if result["mutants"] and result["caught"] == result["mutants"] else 1


if __name__ == "__main__":
    sys.exit(main())
