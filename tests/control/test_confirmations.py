"""Four eyes."""

from __future__ import annotations

import pytest

from livestack.control.commands import COMMANDS, Role, Sender
from livestack.control.confirmations import AWAITING_MAX, Confirmations, Unconfirmed
from livestack.control.replies_given import Given
from livestack.wire import control_pb2 as wire

ANNA = Sender("anna", Role.ADMIN, "ipc")
BEN = Sender("ben", Role.ADMIN, "10.0.0.7")


def current(sender: Sender, _key: str) -> Sender | None:
    return sender


def waiting() -> Confirmations:
    book = Confirmations(("kill.reset",), 10)
    asked = wire.Request(request_id="r", kill_reset=wire.ResetKill())
    book.hold(asked, COMMANDS["kill_reset"], ANNA, "key", Given(b"", 0), 0)
    return book


def test_only_what_is_named_needs_it() -> None:
    """By the names of the settings."""
    book = Confirmations(("kill.reset",), 10)
    assert book.needs("kill.reset")
    assert not book.needs("kill")


def test_another_key_confirms_once() -> None:
    """The command is the first one's, with both names."""
    book = waiting()
    assert book.is_awaited("r")
    one, sender = book.settle("r", BEN, current)
    assert ("anna", "ben") == (sender.name, sender.confirmed_by)
    assert "ipc, confirmed from 10.0.0.7" == sender.origin
    assert "ipc" == ANNA.origin
    assert "r" == one.request.request_id
    with pytest.raises(Unconfirmed, match="waits"):
        book.settle("r", BEN, current)


@pytest.mark.parametrize(
    ("sentence", "confirmer"),
    [
        ("another key", Sender("anna", Role.ADMIN, "tcp")),
        ("role admin", Sender("ben", Role.OPERATOR, "ipc")),
    ],
)
def test_who_may_not_confirm(sentence: str, confirmer: Sender) -> None:
    """The same key, or one that may not give the command itself; it goes on waiting."""
    book = waiting()
    with pytest.raises(Unconfirmed, match=sentence):
        book.settle("r", confirmer, current)
    assert book.is_awaited("r")


@pytest.mark.parametrize("now", [None, Sender("anna", Role.OPERATOR, "ipc")])
def test_a_sender_that_lost_the_right_is_not_confirmed(now: Sender | None) -> None:
    """Revoked, or of a lower role by now."""
    with pytest.raises(Unconfirmed, match="may not give it any more"):
        waiting().settle("r", BEN, lambda _sender, _key: now)


def test_it_waits_so_long_and_no_longer() -> None:
    """The moment itself is too late."""
    book = waiting()
    assert [] == book.expired(9)
    assert ["r"] == [one.request.request_id for one in book.expired(10)]
    assert [] == book.expired(10)
    assert not book.is_awaited("r")


def test_no_more_wait_than_people_can_confirm() -> None:
    """Then it is full."""
    book = Confirmations(("kill.reset",), 10)
    for number in range(AWAITING_MAX):
        assert not book.is_full()
        asked = wire.Request(request_id=str(number), kill_reset=wire.ResetKill())
        book.hold(asked, COMMANDS["kill_reset"], ANNA, "", Given(b"", 0), 0)
    assert book.is_full()
