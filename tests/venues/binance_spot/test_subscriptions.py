"""SUBSCRIBE messages: batched, paced, confirmed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from livestack.venues.binance_spot.subscriptions import Subscriptions


def test_no_more_than_four_messages_a_second_and_all_streams_in_the_end() -> None:
    """The venue cuts a connection that says more than five things a second; pongs count."""
    subscriptions = Subscriptions([f"s{number}@trade" for number in range(1_000)])
    subscriptions.begin(0)
    sent: list[tuple[int, Any]] = []
    for now_ns in range(0, 3_000_000_000, 100_000_000):
        sent += [(now_ns, json.loads(item.text)) for item in subscriptions.due(now_ns)]
    assert len([1 for now_ns, _ in sent if now_ns < 1_000_000_000]) <= 4
    assert [name for _, message in sent for name in message["params"]] == [
        f"s{n}@trade" for n in range(1_000)
    ]


def test_more_streams_than_a_connection_takes_are_refused_at_once() -> None:
    """1 024 is the venue's limit."""
    with pytest.raises(ValueError, match="1025 streams"):
        Subscriptions(["x"] * 1_025)


def test_what_is_not_confirmed_is_asked_again() -> None:
    """Ten seconds without an answer: the same streams under a new id; a late answer to the old one confirms nothing."""
    subscriptions = Subscriptions(["a@trade"])
    subscriptions.begin(0)
    first = json.loads(subscriptions.due(0)[0].text)
    assert subscriptions.due(9_000_000_000) == []
    second = json.loads(subscriptions.due(11_000_000_000)[0].text)
    assert (first["params"], second["params"]) == (["a@trade"], ["a@trade"])
    assert "was not asked" in subscriptions.answered(first["id"], None, "")
    assert not subscriptions.complete
    assert subscriptions.answered(second["id"], None, "") == ""
    assert subscriptions.newly_confirmed() == {"a@trade"}
    assert subscriptions.complete
