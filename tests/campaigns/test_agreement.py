"""What the campaigns ask does notice: the same finished session with one thing of the venue's changed at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from livestack.core.state import State
from tests.campaigns import agreement
from tests.campaigns.agreement import Journals, Views
from tests.campaigns.crash import RESTLESS, RULES, ended_within
from tests.live import configuration
from tests.support import Venue, start_node

Told = tuple[Journals, State, Views]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A session that traded and stopped in order: its journals, its State, what the venue knows."""
    directory = tmp_path_factory.mktemp("session")
    (directory / "venue").mkdir()
    with Venue(directory / "venue", "--seed", "5", "--rate", "300", "--allowance", "1000") as venue:
        path = configuration.write(directory, venue.symbols, RESTLESS, rules=RULES)
        with start_node(directory, path, venue.environment()) as node:
            while len(venue.look("fills")) < 20:
                assert ended_within(node, 0.05) is None, node.stderr()
            node.signal()
            assert 0 == node.finish()[0]
        assert [] == agreement.check(directory / "data", venue)
        journals = Journals(directory / "data")
        journals.learn()
        newest = journals.newest
        assert newest is not None
        _, _, state = agreement.check_replay(journals.sessions, newest.session)
        yield journals, state, Views.of(venue)


def faults(told: Told, views: Views) -> list[str]:
    """Everything that is asked of ``views``."""
    journals, state, _ = told
    newest = journals.newest
    assert newest is not None
    return [
        *agreement.check_requests(views.requests, journals),
        *agreement.check_orders(views, journals),
        *agreement.check_fills(views, journals),
        *agreement.check_state(state, newest, journals, views.fills),
        *agreement.check_account(state, newest, views),
    ]


def changed(views: Views, name: str, change: Callable[[list[dict[str, Any]]], object]) -> Views:
    """``views`` with one list copied and changed."""
    items = [dict(item) for item in getattr(views, name)]
    change(items)
    return msgspec.structs.replace(views, **{name: items})


def test_nothing_to_say_about_what_agrees(told: Told) -> None:
    """The session as it was."""
    assert [] == faults(told, told[2])


CHANGES: list[tuple[str, Callable[[list[dict[str, Any]]], object], str]] = [
    ("requests", lambda all_: all_[0].update(client_id="AAAAAAAAA-1-1"), "which no journal holds"),
    ("requests", lambda all_: all_.append(all_[0]), "2 times"),
    ("requests", lambda all_: all_[0].update(kind="order.cancel"), "dispatched as NEW"),
    ("orders", lambda all_: all_.append(all_[0]), "the venue has"),
    ("orders", lambda all_: all_[0].update(clientOrderId="web_1"), "is of no session"),
    ("fills", lambda all_: all_.pop(), "never was"),
    ("fills", lambda all_: all_.append({**all_[0], "id": 10**9}), "is in no journal"),
    ("fills", lambda all_: all_[0].update(price="1.00000000"), "is journalled as"),
    ("fills", lambda all_: all_[0].update(qty="0.00100000"), "the venue's fills make"),
    ("fills", lambda all_: all_[0].update(commission="1.00000000"), "is journalled as"),
    ("open", lambda all_: all_.append({"clientOrderId": "AAAAAAAAA-1-1"}), "open orders"),
]


@pytest.mark.parametrize(("name", "change", "sentence"), CHANGES)
def test_one_thing_changed_is_noticed(
    told: Told, name: str, change: Callable[[list[dict[str, Any]]], object], sentence: str
) -> None:
    """Lost, doubled or different: each has its sentence."""
    found = faults(told, changed(told[2], name, change))
    assert any(sentence in fault for fault in found), found


def test_another_balance_is_noticed(told: Told) -> None:
    """A unit more than the venue has."""
    journals, state, views = told
    newest = journals.newest
    assert newest is not None
    newest.balances_seq = newest.last_seq
    balances = [dict(one) for one in views.account["balances"]]
    balances[0]["free"] = "1.00000001"
    other = msgspec.structs.replace(views, account={**views.account, "balances": balances})
    assert any("the venue has (100000001, 0)" in one for one in agreement.check_account(state, newest, other))


def test_what_is_left_is_noticed(told: Told) -> None:
    """A request of unknown fate and a halt at the end."""
    journals, state, views = told
    newest = journals.newest
    assert newest is not None
    state.execution.unresolved[1] = state.execution.unresolved.get(1)  # type: ignore[assignment]
    found = agreement.check_state(state, newest, journals, views.fills)
    del state.execution.unresolved[1]
    assert ["requests of unknown fate are left: [1]"] == found
