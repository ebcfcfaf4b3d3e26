"""The same request again gets the same reply."""

from __future__ import annotations

from livestack.control.replies_given import (
    COMMANDS_MAX,
    QUERIES_MAX,
    SENDERS_MAX,
    WAITING_MAX,
    Given,
    RepliesGiven,
    content_of,
)
from livestack.wire import control_pb2 as wire

FRESH_NS = 40


def given(at_ns: int = 0, *, is_final: bool = True) -> Given:
    one = Given(b"", at_ns)
    one.is_final = is_final
    return one


def test_content_is_all_but_the_time() -> None:
    """A request that is sent again later is the same one."""
    one = wire.Request(protocol=1, request_id="a", issued_at_ns=1, kill=wire.Kill(venue="v"))
    later = wire.Request(protocol=1, request_id="a", issued_at_ns=2, kill=wire.Kill(venue="v"))
    other = wire.Request(protocol=1, request_id="a", issued_at_ns=1, kill=wire.Kill(venue="w"))
    assert content_of(one) == content_of(later)
    assert content_of(one) != content_of(other)
    assert 1 == one.issued_at_ns


def test_all_who_wait_are_told_once() -> None:
    """And not more than a few wait."""
    told: list[bytes] = []
    one = given(is_final=False)
    for _ in range(WAITING_MAX + 5):
        one.wait(told.append)
    one.answer(b"kept", b"told", is_final=True)
    one.answer(b"kept", b"again", is_final=True)
    assert [b"told"] * WAITING_MAX == told
    assert b"kept" == one.reply


def test_senders_have_their_own_ids() -> None:
    """The same id of another sender is another request."""
    replies = RepliesGiven(FRESH_NS)
    one, query = given(), given()
    assert replies.add_command("a", "1", one, 0)
    replies.add_query("b", "1", query)
    assert one is replies.find("a", "1")
    assert query is replies.find("b", "1")
    assert replies.find("a", "2") is None


def test_what_could_be_replayed_is_not_forgotten() -> None:
    """A full memory refuses the new command; the oldest goes once its request is stale."""
    replies = RepliesGiven(FRESH_NS)
    for number in range(COMMANDS_MAX):
        assert replies.add_command("a", str(number), given(), 0)
    assert not replies.add_command("a", "new", given(), FRESH_NS)
    assert replies.add_command("b", "new", given(), FRESH_NS)
    assert replies.find("a", "0") is not None
    assert replies.add_command("a", "new", given(FRESH_NS + 1), FRESH_NS + 1)
    assert replies.find("a", "0") is None
    assert replies.find("a", "1") is not None


def test_what_still_waits_is_not_forgotten() -> None:
    """However old it is."""
    replies = RepliesGiven(FRESH_NS)
    for number in range(COMMANDS_MAX):
        replies.add_command("a", str(number), given(is_final=False), 0)
    assert not replies.add_command("a", "new", given(), 10 * FRESH_NS)


def test_memory_is_bounded() -> None:
    """Of queries, and of names."""
    replies = RepliesGiven(FRESH_NS)
    for number in range(QUERIES_MAX + 1):
        replies.add_query("a", str(number), given())
    assert replies.find("a", "0") is None
    for number in range(SENDERS_MAX + 1):
        replies.add_command(str(number), "1", given(), 0)
    assert replies.find("0", "1") is None
