"""What a change of the Configuration does, for people."""

from __future__ import annotations

import pytest

from livestack.cli.config_changes import changes_between

REMOVED = "removed: every order is denied where nothing narrower says it"


def risk(**scopes: dict[str, object]) -> dict[str, object]:
    return {"version": 1, "risk": scopes}


def test_what_is_the_same_is_not_told() -> None:
    """Nor is the number of the version."""
    assert [] == changes_between(risk(defaults={"a": 1}), {**risk(defaults={"a": 1}), "version": 2})


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"max_position": "1"}, {"max_position": "2"}, 'risk.defaults.max_position: "1" -> "2"  (looser)'),
        ({"max_position": "10"}, {"max_position": "9"}, 'risk.defaults.max_position: "10" -> "9"'),
        ({"max_open_orders": 2}, {"max_open_orders": 10}, "risk.defaults.max_open_orders: 2 -> 10  (looser)"),
        ({"trade": False}, {"trade": True}, "risk.defaults.trade: false -> true"),
        (
            {"max_position": "1"},
            {"max_position": "unlimited"},
            'risk.defaults.max_position: "1" -> "unlimited"  (NO LIMIT)',
        ),
        (
            {"max_position": "1"},
            {},
            f'risk.defaults.max_position: "1" -> not set  ({REMOVED})',
        ),
        (
            {"max_session_loss": {"USDT": "1"}},
            {"max_session_loss": {"USDT": "5"}},
            'risk.defaults.max_session_loss.USDT: "1" -> "5"  (looser)',
        ),
    ],
)
def test_each_key_is_a_sentence(before: dict[str, object], after: dict[str, object], told: str) -> None:
    """Old and new, and what a person should look at."""
    found = changes_between(risk(defaults={"a": 1, **before}), risk(defaults={"a": 1, **after}))
    assert [told] == [str(one) for one in found]


def test_what_is_removed_from_a_narrower_scope_is_what_the_wider_one_says() -> None:
    """Which is told."""
    defaults: dict[str, object] = {"max_position": "7"}
    narrow: dict[str, object] = {"v:I": {"max_position": "1", "trade": True}}
    (change,) = changes_between(
        risk(defaults=defaults, instrument=narrow),
        risk(defaults=defaults, instrument={"v:I": {"trade": True}}),
    )
    assert 'removed: the wider one holds, "7" by default' == change.note


def test_other_tables_are_not_judged() -> None:
    """Only shown."""
    (change,) = changes_between({"kill": {"max_rounds": 1}}, {"kill": {"max_rounds": 2}})
    assert "kill.max_rounds: 1 -> 2" == str(change)
