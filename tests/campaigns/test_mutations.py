"""The mutation check itself, and a sample of its mutants; the whole list is run by ``tests.campaigns.mutations``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from livestack.core import pending
from tests.campaigns import mutations
from tests.campaigns.mutants import Edited, StaleMutant

ROOT = Path(__file__).resolve().parents[2]


def campaign(*arguments: str) -> tuple[int, dict[str, Any]]:
    """One run as a user would start it: exit code, and the figures."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.campaigns.mutations", "--json", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.stdout, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, result


def test_a_sample_is_caught() -> None:
    """Four mutants from all over the list: each makes a test fail, and without them no test does."""
    code, result = campaign("--sample", "4")
    assert [] == [one for one in result["fates"] if "test" not in one]
    assert (0, 4, 4, "passed") == (code, result["mutants"], result["caught"], result["unmutated"])


def test_the_list_is_fixed() -> None:
    """Names are unique, every test file that is named exists, and a sample is the same each time."""
    mutants = mutations.every()
    assert len(mutants) > 250
    for mutant in mutants:
        assert all((ROOT / test.partition("::")[0]).exists() for test in mutant.tests), mutant.name
    few = mutations.sample(mutants, 7)
    assert few == mutations.sample(mutants, 7)
    assert [7, 7] == [len(few), len({one.name for one in few})]


def test_every_mutant_still_applies() -> None:
    """What an edit would change is still there, once: nothing of the list has gone stale."""
    stale: list[str] = []
    for mutant in mutations.every():
        if isinstance(mutant.apply, Edited):
            try:
                mutant.apply.text()
            except StaleMutant as error:
                stale.append(f"{mutant.name}: {error}")
    assert [] == stale


def test_what_is_not_there_cannot_be_edited() -> None:
    """A piece of text that is gone, or there twice, is an error and no survivor."""
    with pytest.raises(StaleMutant, match="holds 0 times"):
        Edited(pending.kind_of, "no such text", "x").text()
    with pytest.raises(StaleMutant, match="holds 2 times"):
        Edited(pending.kind_of, "isinstance(", "x").text()


UNNOTICED = """
import sys
from tests.campaigns import mutations
from tests.campaigns.mutants import Mutant, StaleMutant

def stale():
    raise StaleMutant("no longer there")

mutants = [
    Mutant("quiet", ("tests/core/test_pending.py",), lambda: None),
    Mutant("gone", ("tests/core/test_pending.py",), stale),
    Mutant("same", (), lambda: None, equivalent="it is the same"),
    Mutant("lost", ("tests/core/test_no_such_file.py",), lambda: None),
]
result = mutations.campaign([one for one in mutants if one.name in sys.argv], 1)
print(result["unmutated"], result["mutants"], result["caught"], result["errors"], sep=", ")
for fate in result["fates"]:
    print(mutations.sentence(fate))
"""


def unnoticed(*names: str) -> list[str]:
    """What a campaign of the named mutants prints."""
    done = subprocess.run(
        [sys.executable, "-c", UNNOTICED, *names], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_nobody_notices_survives() -> None:
    """Survivor, error and equivalent are told apart, and only a failing test counts as caught."""
    assert [
        "passed, 2, 0, 1",
        "quiet: SURVIVED tests/core/test_pending.py",
        "gone: ERROR no longer there",
        "same: not run, equivalent: it is the same",
    ] == unnoticed("quiet", "gone", "same")


def test_tests_that_cannot_be_run_are_no_success() -> None:
    """Where the unmutated tests do not pass no mutant is run."""
    assert ["pytest ended with 4, 0, 0, 0"] == unnoticed("lost")
