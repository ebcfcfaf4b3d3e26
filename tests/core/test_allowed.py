"""Skipping Risk is refused twice: by the type checker before anything runs, and by Python when it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mypy import api

from livestack.core.intents import Cancel
from livestack.core.risk import Allowed, Risk
from livestack.core.risk_rules import Denial
from livestack.core.types import RequestSource
from tests.core.support import INSTRUMENT, VENUE, Bench

ROOT = Path(__file__).resolve().parents[2]

HEAD = """
from livestack.core.execution_control import admit
from livestack.core.intents import Cancel, Intent, New, Replace
from livestack.core.risk import Allowed, Risk
from livestack.core.risk_rules import Denial
from livestack.core.state import State
from livestack.core.types import RequestSource

"""
SNIPPETS = {
    "through_risk": """
def submit(intent: Intent, state: State) -> None:
    verdict = Risk().judge(intent, RequestSource.STRATEGY, state)
    if not isinstance(verdict, Denial):
        admit(verdict, state)
""",
    "an_intent": """
def submit(intent: Intent, state: State) -> None:
    admit(intent, state)
""",
    "a_cancel": """
def submit(intent: Cancel, state: State) -> None:
    admit(intent, state)
""",
    "an_unread_verdict": """
def submit(intent: Intent, state: State) -> None:
    admit(Risk().judge(intent, RequestSource.STRATEGY, state), state)
""",
    "without_a_key": """
def submit(intent: Intent, state: State) -> None:
    admit(Allowed(intent, RequestSource.STRATEGY, "v", "v:S", None), state)
""",
    "a_forged_key": """
def submit(intent: Intent, key: object, state: State) -> None:
    admit(Allowed(key, intent, RequestSource.STRATEGY, "v", "v:S", None), state)
""",
}
REFUSED = {
    "an_intent": 'Argument 1 to "admit" has incompatible type "New | Replace | Cancel"; expected "Allowed"',
    "a_cancel": 'Argument 1 to "admit" has incompatible type "Cancel"; expected "Allowed"',
    "an_unread_verdict": 'Argument 1 to "admit" has incompatible type "Allowed | Denial"; expected "Allowed"',
    "a_forged_key": 'Argument 1 to "Allowed" has incompatible type "object"; expected "_Key"',
    "without_a_key": 'in call to "Allowed"',
}


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What mypy in strict mode says of each snippet."""
    directory = tmp_path_factory.mktemp("snippets")
    for name, text in SNIPPETS.items():
        (directory / f"{name}.py").write_text(HEAD + text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYPYPATH", str(ROOT))
        out, error, _ = api.run(
            [
                "--strict",
                "--config-file=",
                "--follow-imports=silent",
                "--no-error-summary",
                f"--cache-dir={directory / 'cache'}",
                *(str(directory / f"{name}.py") for name in SNIPPETS),
            ]
        )
    assert "" == error
    return {name: [line for line in out.splitlines() if f"{name}.py" in line] for name in SNIPPETS}


def test_what_went_through_risk_type_checks(complaints: dict[str, list[str]]) -> None:
    """The only way that there is."""
    assert [] == complaints["through_risk"]


@pytest.mark.parametrize("name", REFUSED)
def test_skipping_risk_does_not_type_check(complaints: dict[str, list[str]], name: str) -> None:
    """An Intent, a verdict that nobody looked at, or an ``Allowed`` made elsewhere: each is an error."""
    assert any(REFUSED[name] in line for line in complaints[name])


@pytest.mark.parametrize("key", [None, object(), "key", Risk])
def test_an_allowed_from_elsewhere_cannot_be_made(key: Any) -> None:
    """Whatever is given as the key."""
    with pytest.raises(TypeError, match="only Risk can allow an Intent"):
        Allowed(key, Cancel(order_id=1), RequestSource.STRATEGY, VENUE, INSTRUMENT, None)


def test_risk_makes_one() -> None:
    """For a Cancel of an open order, even with nothing else configured."""
    bench = Bench().start()
    order_id = bench.buy()
    verdict = Risk().judge(Cancel(order_id=order_id), RequestSource.OPERATOR, bench.state)
    assert not isinstance(verdict, Denial)
    assert (VENUE, INSTRUMENT, None) == (verdict.venue, verdict.instrument, verdict.proposal)
