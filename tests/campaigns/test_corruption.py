"""Some injections of the corruption campaign; 10 000 with ``pytest --long``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.campaigns.corruption import passed, run, verdict
from tests.campaigns.injections import INJECTIONS, Mark

INJECTED, INJECTED_LONG = 16 * len(INJECTIONS), 10_000


def test_every_damage_is_named_or_changed_nothing(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Nothing is passed over, nothing but the damaged segment is named, and no process dies of what it reads."""
    injections = INJECTED_LONG if request.config.getoption("--long") else INJECTED
    result = run(injections, seed=7, directory=tmp_path)
    assert [] == result["failures"]
    assert passed(result)
    assert {kind.__name__ for kind in INJECTIONS} == set(result["counts"])


MARK = Mark(frozenset({"007"}), range(9, 11))
FOUND = {"sentence": "segment journal/007 at seq 9", "seq": 9}


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        ("harmless", {"content": "as it was", "damaged": []}),
        ("silent", {"content": "another", "damaged": []}),
        ("checked amiss", {"content": "as it was", "damaged": ["007"]}),
        ("named", {"found": FOUND, "damaged": ["007"]}),
        ("not in the check", {"found": FOUND, "damaged": []}),
        ("misnamed", {"found": {**FOUND, "seq": 11}, "damaged": ["007"]}),
        ("misnamed", {"found": {**FOUND, "sentence": "segment journal/008"}, "damaged": ["008"]}),
        ("unclean", {"content": "as it was", "damaged": [], "unclean": "a traceback"}),
        ("raised", {"raised": "a traceback"}),
        ("died", {"died": "status -7"}),
    ],
)
def test_only_a_name_or_sameness_counts(expected: str, answer: dict[str, Any]) -> None:
    """Everything else that a check may answer is a failure of its own kind."""
    assert expected == verdict(answer, MARK, "as it was")
