"""Messages that are wrong: what is altered is the content, and only by what the rule says."""

from __future__ import annotations

import json
import random
from typing import Any

from livestack.simulator.binance_spot.corruption import UNHEARD_OF, corrupted, crossed
from livestack.simulator.faults import rule

EVENT = {
    "subscriptionId": 0,
    "event": {"e": "executionReport", "x": "NEW", "X": "NEW", "q": "1.00000000", "i": 7},
}


def altered(message: Any, kind: str, **keys: Any) -> Any:
    text = corrupted(json.dumps(message), rule(kind, **keys), random.Random(1))
    return None if text is None else json.loads(text)


def test_an_unknown_key_is_added() -> None:
    """Everything else is as it was; the envelope is not touched."""
    changed = altered(EVENT, "unknown_key")
    added = changed["event"].pop("zz9")
    assert isinstance(added, dict)
    assert EVENT == changed


def test_an_unknown_value_replaces_a_listed_one() -> None:
    """Named, or one of those that are enumerations."""
    assert UNHEARD_OF == altered(EVENT, "unknown_value", field="x")["event"]["x"]
    assert UNHEARD_OF in altered(EVENT, "unknown_value")["event"].values()
    assert altered({"u": 5, "b": "1"}, "unknown_value") is None


def test_a_field_has_another_type_or_is_gone() -> None:
    """A text becomes an object, anything else a text; a lost field is not there."""
    assert {"was": 1} == altered(EVENT, "wrong_type", field="q")["event"]["q"]
    assert isinstance(altered(EVENT, "wrong_type", field="i")["event"]["i"], str)
    assert "i" not in altered(EVENT, "lost_field", field="i")["event"]
    assert altered(EVENT, "lost_field", field="nowhere") is None


def test_lists_and_plain_answers_are_reached() -> None:
    """Of a list one element; of a table that lies in a result that one too; of nothing, nothing."""
    changed = altered({"id": 1, "result": [{"a": "1"}, {"a": "2"}]}, "lost_field")
    assert sorted(len(one) for one in changed["result"]) == [0, 1]
    nested = altered({"amendedOrder": {"qty": "1"}}, "lost_field", field="qty")
    assert {"amendedOrder": {}} == nested
    assert altered([], "lost_field") is None
    assert altered(5, "unknown_key") is None


def test_a_book_crosses() -> None:
    """The best bid of the diff is above the best ask; with a gap the first id is too high as well."""
    text = json.dumps({"stream": "s", "data": {"e": "depthUpdate", "U": 5, "u": 9, "b": [], "a": []}})
    data = json.loads(crossed(text, 100 * 10**8, 10**6, gap=True))["data"]
    assert ([["100.01000000", "1.00000000"]], 6) == (data["b"], data["U"])
    assert 5 == json.loads(crossed(text, 100 * 10**8, 10**6, gap=False))["data"]["U"]
