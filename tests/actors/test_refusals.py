"""What becomes of a refusal at the upgrade: silence for everybody, or nothing."""

from __future__ import annotations

import pytest

from livestack.actors.refusals import SILENCE_NS, SILENCE_NS_MAX, heed
from livestack.transports.base import Refusal
from livestack.venues.budget import Purpose, RequestBudget

SECOND_NS = 1_000_000_000


@pytest.mark.parametrize(
    ("refusal", "silent_ns", "banned_ns"),
    [
        (Refusal(429, 7), 7 * SECOND_NS, 0),
        (Refusal(418, 7), 7 * SECOND_NS, 7 * SECOND_NS),
        (Refusal(429), SILENCE_NS, 0),
        (Refusal(418, 999_999_999), SILENCE_NS_MAX, SILENCE_NS_MAX),
        (Refusal(403, 7), 0, 0),
        (None, 0, 0),
    ],
)
def test_who_is_silent_for_how_long(refusal: Refusal | None, silent_ns: int, banned_ns: int) -> None:
    """A 429 spares what cancels, a 418 nobody; other numbers ask for no silence."""
    budget = RequestBudget()
    heed(refusal, budget, SECOND_NS)
    expected = [SECOND_NS + wait_ns if wait_ns else 0 for wait_ns in (silent_ns, banned_ns)]
    assert expected == [budget.silent_until_ns(purpose) for purpose in (Purpose.MARKET, Purpose.REDUCE)]
