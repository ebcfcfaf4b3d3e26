"""Messages of a stream connection: batched, paced, confirmed, and verified by data or by the venue's list."""

from __future__ import annotations

import json
from typing import Any

import pytest

from livestack.venues.binance_spot.subscriptions import (
    AUDIT_NS,
    MESSAGES_MAX,
    VERIFY_NS,
    WINDOW_NS,
    Subscriptions,
)

SECOND = 1_000_000_000


def messages(subscriptions: Subscriptions, now_ns: int) -> list[Any]:
    return [json.loads(item.text) for item in subscriptions.due(now_ns)]


def confirmed(*streams: str) -> Subscriptions:
    """Subscribed and confirmed at 0; nothing was heard yet."""
    subscriptions = Subscriptions(streams)
    (message,) = messages(subscriptions, 0)
    assert subscriptions.answered(message["id"], None, 0) is None
    return subscriptions


def asked_for_list(subscriptions: Subscriptions, now_ns: int) -> int:
    (message,) = messages(subscriptions, now_ns)
    assert "LIST_SUBSCRIPTIONS" == message["method"]
    return int(message["id"])


def test_few_messages_in_any_two_seconds_and_all_streams_in_the_end() -> None:
    """The venue cuts a connection that says more than five things a second; our pings and pongs count."""
    subscriptions = Subscriptions([f"s{number}@trade" for number in range(1_000)])
    sent: list[tuple[int, Any]] = []
    for now_ns in range(0, 8 * SECOND, SECOND // 10):
        sent += [(now_ns, message) for message in messages(subscriptions, now_ns)]
    for begin_ns, _ in sent:
        assert len([1 for at_ns, _ in sent if begin_ns <= at_ns <= begin_ns + WINDOW_NS]) <= MESSAGES_MAX
    assert [f"s{n}@trade" for n in range(1_000)] == [
        name for _, message in sent for name in message["params"]
    ]


def test_more_streams_than_a_connection_takes_are_refused_at_once() -> None:
    """1 024 is the venue's limit."""
    with pytest.raises(ValueError, match="1025 streams"):
        Subscriptions(["x"] * 1_025)


def test_what_is_not_confirmed_is_asked_again() -> None:
    """Ten seconds without an answer: the same streams under a new id; a late answer to the old one confirms nothing."""
    subscriptions = Subscriptions(["a@trade"])
    (first,) = messages(subscriptions, 0)
    assert [] == messages(subscriptions, 9 * SECOND)
    (second,) = messages(subscriptions, 11 * SECOND)
    assert (["a@trade"], ["a@trade"]) == (first["params"], second["params"])
    late = subscriptions.answered(first["id"], None, 11 * SECOND)
    assert late is not None
    assert "was not asked" in late[1]
    assert not subscriptions.is_confirmed
    assert subscriptions.answered(second["id"], None, 12 * SECOND) is None
    assert {"a@trade"} == subscriptions.newly_confirmed()
    assert subscriptions.is_confirmed


def test_an_acknowledgement_alone_proves_nothing() -> None:
    """A stream delivers once data came; until then nobody knows, although it was confirmed."""
    subscriptions = confirmed("a@trade", "b@trade")
    assert not subscriptions.delivers("a@trade")
    subscriptions.unheard.discard(b"a@trade")
    assert subscriptions.delivers("a@trade")
    assert not subscriptions.delivers("b@trade")
    assert not subscriptions.delivers("c@trade")


def test_a_quiet_stream_is_verified_by_the_venues_list() -> None:
    """Asked for a while after the confirmation, once; then not before the next audit."""
    subscriptions = confirmed("a@trade")
    assert [] == messages(subscriptions, VERIFY_NS - 1)
    number = asked_for_list(subscriptions, VERIFY_NS)
    assert subscriptions.answered(number, ["a@trade", "others@trade"], VERIFY_NS) is None
    assert subscriptions.delivers("a@trade")
    assert [] == messages(subscriptions, AUDIT_NS)
    asked_for_list(subscriptions, VERIFY_NS + AUDIT_NS)


def test_what_the_list_lacks_is_subscribed_to_again_and_told() -> None:
    """Even one that has delivered: the venue has it no more. Confirmed again, it is looked for later than before."""
    subscriptions = confirmed("a@trade", "b@trade")
    subscriptions.newly_confirmed()
    subscriptions.unheard.clear()
    number = asked_for_list(subscriptions, VERIFY_NS)
    fault = subscriptions.answered(number, ["a@trade"], VERIFY_NS)
    assert fault == ("subscription_missing", "not in the venue's list: 1, b@trade among them")
    assert not subscriptions.delivers("b@trade")
    assert {"b@trade"} == subscriptions.lost()
    (again,) = messages(subscriptions, VERIFY_NS)
    assert ["b@trade"] == again["params"]
    assert subscriptions.answered(again["id"], None, VERIFY_NS) is None
    assert {"b@trade"} == subscriptions.newly_confirmed()
    assert [] == messages(subscriptions, 3 * VERIFY_NS - 1)
    asked_for_list(subscriptions, 3 * VERIFY_NS)


@pytest.mark.parametrize("result", [None, True, {"a": 1}, "a@trade"])
def test_a_list_that_is_none_is_asked_for_again(result: Any) -> None:
    """Nothing is concluded from it."""
    subscriptions = confirmed("a@trade")
    fault = subscriptions.answered(asked_for_list(subscriptions, VERIFY_NS), result, VERIFY_NS)
    assert fault == ("subscription_refused", "the list of subscriptions is none")
    assert set() == subscriptions.lost()
    asked_for_list(subscriptions, VERIFY_NS + 10 * SECOND)


def test_a_list_with_other_things_than_names_lacks_them() -> None:
    """Numbers in it are nobody's names."""
    subscriptions = confirmed("a@trade")
    fault = subscriptions.answered(asked_for_list(subscriptions, VERIFY_NS), [1, None], VERIFY_NS)
    assert fault is not None
    assert {"a@trade"} == subscriptions.lost()


def test_the_list_is_asked_for_once_at_a_time() -> None:
    """However many want it."""
    subscriptions = confirmed("a@trade")
    subscriptions.ask_list()
    subscriptions.ask_list()
    asked_for_list(subscriptions, SECOND)
    subscriptions.ask_list()
    assert [] == messages(subscriptions, SECOND + 1)


def test_an_error_leaves_its_message_to_be_repeated() -> None:
    """The venue's code and text are told; the streams are asked for again in time."""
    subscriptions = Subscriptions(["a@trade"])
    messages(subscriptions, 0)
    assert ("subscription_refused", "no (2)") == subscriptions.refused(2, "no")
    assert ["a@trade"] == messages(subscriptions, 11 * SECOND)[0]["params"]
