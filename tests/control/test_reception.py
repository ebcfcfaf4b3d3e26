"""What a request passes before the desk sees it: no sockets, a clock moved by hand."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from livestack.control.commands import COMMANDS, Command, Role, Sender
from livestack.control.keys import LOCAL_NAME
from livestack.control.reception import (
    AGE_MAX_NS,
    AHEAD_MAX_NS,
    REQUEST_BYTES_MAX,
    Answer,
    Origin,
    Reception,
)
from livestack.wire import control_pb2 as wire
from tests.campaigns.fuzz_requests import INPUTS_SUITE, passed, run
from tests.control.support import SECOND_NS, FakeDesk, HandClock, request

SECRET = "nobody-may-see-this"

GOOD_FIELDS: dict[str, dict[str, Any]] = {
    "trading": {"state": wire.HALTED},
    "cancel": {"order_id": 1},
    "configuration_set": {"settings": [{"key": "a", "json_value": "1"}]},
    "configuration_roll_back": {"version": 1},
    "confirm": {"request_id": "none"},
}


def origin(name: str = LOCAL_NAME, role: Role = Role.ADMIN, **more: Any) -> Origin:
    return Origin(Sender(name, role, "ipc"), "", name.encode(), **more)


class Bench:
    """A reception, a desk, and the replies of each request in order."""

    def __init__(self, held: tuple[str, ...] = (), **options: Any) -> None:
        self.desk = FakeDesk(held)
        self.clock = HandClock()
        self.posted: list[Callable[[], None]] = []
        self.senders: dict[str, Sender | None] = {}
        self.reception = Reception(
            self.desk,
            self.clock,
            post=self.posted.append,
            current=lambda sender, _key: self.senders.get(sender.name, sender),
            **{"rate": 10_000, **options},
        )

    def request(self, **fields: Any) -> wire.Request:
        return request(self.clock, **fields)

    def send(self, asked: wire.Request | bytes | None, where: Origin | None = None) -> list[wire.Reply]:
        """What is answered, filled as answers come."""
        replies: list[wire.Reply] = []
        payload = asked.SerializeToString() if isinstance(asked, wire.Request) else asked
        self.reception.take(
            payload, where or origin(), lambda reply: replies.append(wire.Reply.FromString(reply))
        )
        return replies

    def ask(self, asked: wire.Request | bytes | None, where: Origin | None = None) -> wire.Reply:
        (reply,) = self.send(asked, where)
        return reply


# -- roles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("kill_only", [False, True])
@pytest.mark.parametrize("field", COMMANDS)
def test_every_command_of_every_role(field: str, kill_only: bool, role: Role) -> None:
    """Exactly what the table says reaches the desk, on both lanes; what does not is told for the audit."""
    bench = Bench(kill_only=kill_only)
    row = COMMANDS[field]
    asked = bench.request(**{field: GOOD_FIELDS.get(field, {})})
    reply = bench.ask(asked, origin("anna", role))
    assert asked.request_id == reply.request_id
    if kill_only and field not in ("kill", "ping"):
        assert wire.INVALID == reply.code
    elif role < row.role:
        assert wire.PERMISSION_DENIED == reply.code
        assert row.role.name.lower() in reply.message
    elif field == "confirm":
        assert wire.CONFIRMATION_REFUSED == reply.code
    else:
        assert (wire.DONE, wire.NONE) == (reply.outcome, reply.code)
        assert [field] == bench.desk.commands()
        assert [] == bench.desk.refusals
        return
    assert wire.REFUSED == reply.outcome
    assert [] == bench.desk.served
    ((request_id, name, sender, code),) = bench.desk.refusals
    assert (asked.request_id, row.name, "anna", reply.code) == (request_id, name, sender.name, code)


@pytest.mark.parametrize("field", COMMANDS)
def test_a_key_that_is_not_listed_may_do_nothing(field: str) -> None:
    """Not even a ping; kill neither."""
    bench = Bench()
    asked = bench.request(**{field: GOOD_FIELDS.get(field, {})})
    reply = bench.ask(asked, origin("unlisted", Role.ADMIN, refusal="this key is not listed"))
    assert (wire.PERMISSION_DENIED, "this key is not listed") == (reply.code, reply.message)
    assert [] == bench.desk.served


# -- form ---------------------------------------------------------------------------------------------------------


def unknown(asked: wire.Request, *, inside: bool = False) -> bytes:
    """``asked`` with a field that nobody knows, in the request or in its command."""
    more = b"\xfa\x3f\x01a"  # field 1023, one byte
    if not inside:
        return asked.SerializeToString() + more
    return (
        asked.SerializeToString() + b"\x8a\x02" + bytes([len(more)]) + more
    )  # field 33, kill: merged into it


@pytest.mark.parametrize(
    ("code", "make"),
    [
        (wire.MALFORMED, lambda _asked: None),
        (wire.UNSUPPORTED_PROTOCOL, lambda _asked: b""),
        (wire.MALFORMED, lambda _asked: b"\xff" * 100),
        (wire.MALFORMED, lambda asked: asked.SerializeToString()[:-1]),
        (wire.MALFORMED, lambda asked: b"\x1b" * 1_000 + asked.SerializeToString()),
        (wire.MALFORMED, unknown),
        (wire.MALFORMED, lambda asked: unknown(asked, inside=True)),
        (wire.MALFORMED, lambda asked: asked.SerializeToString().replace(b"a test", b"a \xff\xfest")),
        (wire.TOO_LARGE, lambda _asked: b"a" * (REQUEST_BYTES_MAX + 1)),
        (wire.UNSUPPORTED_PROTOCOL, lambda asked: wire.Request(protocol=2, request_id="a")),
        (wire.UNSUPPORTED_PROTOCOL, lambda asked: unknown(wire.Request(protocol=2))),
        (wire.MALFORMED, lambda asked: wire.Request(protocol=1, request_id="a")),
        (wire.MALFORMED, lambda asked: wire.Request(protocol=1, kill=wire.Kill())),
        (wire.MALFORMED, lambda asked: wire.Request(protocol=1, request_id="a" * 65, kill=wire.Kill())),
    ],
)
def test_what_is_not_a_request_is_answered(code: int, make: Callable[[wire.Request], Any]) -> None:
    """With a code and a sentence, counted and audited; the next request is served."""
    bench = Bench()
    reply = bench.ask(make(bench.request(kill=wire.Kill(venue="v"))))
    assert (wire.REFUSED, code) == (reply.outcome, reply.code)
    assert reply.message
    assert 1 == reply.protocol
    assert 1 == bench.reception.counts[wire.ErrorCode.Name(code).lower()]
    assert [code] == [one[3] for one in bench.desk.refusals]
    assert [] == bench.desk.served
    assert wire.DONE == bench.ask(bench.request()).outcome


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        (wire.REASON_MISSING, {"reason": ""}),
        (wire.REASON_MISSING, {"reason": " \t"}),
        (wire.INVALID, {"reason": "a" * 501}),
        (wire.INVALID, {"reason": "a\nb"}),
        (wire.INVALID, {"kill": wire.Kill(venue="a" * 201)}),
    ],
)
def test_a_kill_that_is_not_in_order_is_refused(code: int, fields: dict[str, Any]) -> None:
    """The sentence says what would be right; a kill needs a reason too."""
    bench = Bench()
    asked = bench.request(kill=fields.get("kill", wire.Kill()))
    asked.reason = fields.get("reason", "a test")
    assert code == bench.ask(asked).code
    assert [] == bench.desk.served


def test_a_query_needs_no_reason() -> None:
    """It changes nothing."""
    bench = Bench()
    asked = bench.request(status=wire.GetStatus())
    asked.reason = ""
    assert wire.DONE == bench.ask(asked).outcome


@pytest.mark.parametrize(
    ("code", "age_ns"),
    [
        (wire.NONE, AGE_MAX_NS),
        (wire.STALE, AGE_MAX_NS + 1),
        (wire.NONE, -AHEAD_MAX_NS),
        (wire.STALE, -AHEAD_MAX_NS - 1),
    ],
)
def test_an_old_request_is_refused_but_for_a_kill(code: int, age_ns: int) -> None:
    """30 s old, or 5 s ahead of the node's clock."""
    bench = Bench()
    for field in set(COMMANDS) - {"confirm"}:
        asked = bench.request(**{field: GOOD_FIELDS.get(field, {})})
        asked.issued_at_ns -= age_ns
        assert (wire.NONE if field == "kill" else code) == bench.ask(asked).code


# -- once ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", sorted(set(COMMANDS) - {"confirm", "kill"}))
def test_the_same_request_again_gets_the_same_reply(field: str) -> None:
    """Also when it is long stale, or was sent with a new time; nothing happens twice."""
    bench = Bench()
    asked = bench.request(**{field: GOOD_FIELDS.get(field, {})})
    first = bench.ask(asked)
    bench.clock.forward(100)
    assert first == bench.ask(asked)
    asked.issued_at_ns += 1
    assert first == bench.ask(asked)
    assert 1 == len(bench.desk.served)


def test_the_same_id_with_another_content_is_refused() -> None:
    """The first one's reply stays what it is."""
    bench = Bench()
    asked = bench.request(cancel=wire.CancelOrder(order_id=1))
    first = bench.ask(asked)
    asked.cancel.order_id = 2
    assert wire.REQUEST_ID_REUSED == bench.ask(asked).code
    asked.cancel.order_id = 1
    assert first == bench.ask(asked)
    assert 1 == len(bench.desk.served)


def test_a_kill_is_never_answered_from_memory() -> None:
    """What it engaged may have been reset since: it is carried out whenever it comes, also under a used id."""
    bench = Bench(held=("cancel",))
    asked = bench.request(kill=wire.Kill(venue="v"))
    for _ in range(3):
        assert wire.DONE == bench.ask(asked).outcome
    asked.kill.venue = ""
    assert wire.DONE == bench.ask(asked).outcome
    other = bench.request(cancel=wire.CancelOrder(order_id=1))
    waits = bench.send(other)
    assert wire.DONE == bench.ask(bench.request(request_id=other.request_id, kill=wire.Kill())).outcome
    assert ["v", "v", "v", "", ""] == [
        one.kill.venue for one, _ in bench.desk.served if one.WhichOneof("command") == "kill"
    ]
    bench.desk.answers[-2](wire.Reply(outcome=wire.DONE, seq=7))
    assert [7] == [one.seq for one in waits]
    assert 7 == bench.ask(other).seq


def test_two_senders_may_use_the_same_id() -> None:
    """Each has its own reply."""
    bench = Bench()
    asked = bench.request()
    assert "anna" == bench.ask(asked, origin("anna")).pong.who
    assert "ben" == bench.ask(asked, origin("ben")).pong.who


def test_asked_again_before_the_answer_waits_for_it() -> None:
    """The desk hears of it once; all who asked are told, also by an answer from another thread."""
    bench = Bench(held=("checkpoint",))
    asked = bench.request(checkpoint=wire.Checkpoint())
    first, second = bench.send(asked), bench.send(asked)
    assert ([], []) == (first, second)
    thread = threading.Thread(target=bench.desk.answers[0], args=(wire.Reply(outcome=wire.DONE, seq=7),))
    thread.start()
    thread.join()
    assert [] == first  # nothing happens but on the server's thread
    bench.posted.pop()()
    assert [wire.Reply(protocol=1, request_id=asked.request_id, outcome=wire.DONE, seq=7)] == first == second
    assert 1 == len(bench.desk.served)


def test_a_second_answer_is_ignored() -> None:
    """A desk answers once."""
    bench = Bench(held=("ping",))
    replies = bench.send(bench.request())
    bench.desk.answers[0](wire.Reply(outcome=wire.DONE))
    bench.desk.answers[0](wire.Reply(outcome=wire.REFUSED))
    assert [wire.DONE] == [one.outcome for one in replies]


def test_an_unknown_outcome_is_asked_for_again() -> None:
    """The same request goes to the desk again, which knows it by its id; the final reply then stays."""
    bench = Bench(held=("kill_reset",))
    asked = bench.request(kill_reset=wire.ResetKill())
    first = bench.send(asked)
    bench.desk.answers[0](wire.Reply(outcome=wire.UNKNOWN, code=wire.TIMED_OUT))
    assert [wire.UNKNOWN] == [one.outcome for one in first]
    bench.clock.forward(100)
    second = bench.send(asked)
    bench.desk.answers[1](wire.Reply(outcome=wire.DONE, seq=3))
    assert [3] == [one.seq for one in second]
    assert [3] == [one.seq for one in bench.send(asked)]
    assert 2 == len(bench.desk.served)
    assert wire.PERMISSION_DENIED not in [one.code for one in (*first, *second)]


def test_an_unknown_outcome_is_not_asked_for_by_who_may_not_any_more() -> None:
    """The role counts again."""
    bench = Bench(held=("kill_reset",))
    asked = bench.request(kill_reset=wire.ResetKill())
    bench.send(asked)
    bench.desk.answers[0](wire.Reply(outcome=wire.UNKNOWN))
    assert wire.PERMISSION_DENIED == bench.ask(asked, origin(role=Role.VIEWER)).code


def test_a_long_answer_to_a_query_is_not_kept() -> None:
    """The query is answered anew."""
    bench = Bench(held=("orders",))
    asked = bench.request(orders=wire.GetOrders())
    for number in range(2):
        replies = bench.send(asked)
        long = wire.Reply(outcome=wire.DONE, seq=number, message="a" * 20_000)
        bench.desk.answers[number](long)
        assert [number] == [one.seq for one in replies]


def test_too_many_commands_are_refused_rather_than_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kills are not; what was sent stays idempotent."""
    monkeypatch.setattr("livestack.control.replies_given.COMMANDS_MAX", 2)
    bench = Bench()
    first = bench.request(checkpoint=wire.Checkpoint())
    bench.ask(first)
    bench.ask(bench.request(checkpoint=wire.Checkpoint()))
    refused = bench.request(checkpoint=wire.Checkpoint())
    assert wire.BUSY == bench.ask(refused).code
    assert wire.DONE == bench.ask(bench.request(kill=wire.Kill())).outcome
    bench.ask(first)
    assert 3 == len(bench.desk.served)
    bench.clock.forward(60)
    refused.issued_at_ns = bench.clock.wall_ns()
    assert wire.DONE == bench.ask(refused).outcome


# -- rates --------------------------------------------------------------------------------------------------------


def test_a_key_that_floods_is_throttled_alone() -> None:
    """Others are served, and its kill is too; what is malformed counts as well."""
    bench = Bench(rate=5)
    codes = [bench.ask(bench.request(), origin("anna")).code for _ in range(10)]
    assert [wire.NONE] * 5 + [wire.RATE_LIMITED] * 5 == codes
    assert wire.RATE_LIMITED == bench.ask(b"\xff", origin("anna")).code
    assert wire.DONE == bench.ask(bench.request(kill=wire.Kill()), origin("anna")).outcome
    assert wire.DONE == bench.ask(bench.request(), origin("ben")).outcome
    bench.clock.forward(1)
    assert wire.DONE == bench.ask(bench.request(), origin("anna")).outcome


def test_a_throttled_request_may_come_again() -> None:
    """It was not taken in, so its id is free."""
    bench = Bench(rate=1)
    bench.ask(bench.request())
    asked = bench.request(checkpoint=wire.Checkpoint())
    assert wire.RATE_LIMITED == bench.ask(asked).code
    bench.clock.forward(1)
    assert wire.DONE == bench.ask(asked).outcome


def test_kills_have_no_rate() -> None:
    """Hundreds at one moment."""
    bench = Bench(rate=1)
    outcomes = {bench.ask(bench.request(kill=wire.Kill())).outcome for _ in range(500)}
    assert {wire.DONE} == outcomes
    assert 500 == len(bench.desk.served)


# -- failures -----------------------------------------------------------------------------------------------------


class BrokenDesk(FakeDesk):
    def serve(self, request: wire.Request, sender: Sender, answer: Answer) -> None:
        raise RuntimeError(f"about {request.reason}")

    def refused(self, request_id: str, command: str, sender: Sender, code: int) -> None:
        raise RuntimeError("no audit")


def test_a_desk_that_fails_is_answered_for(capsys: pytest.CaptureFixture[str]) -> None:
    """The outcome is unknown; what is logged holds nothing of the request."""
    bench = Bench()
    bench.reception._desk = BrokenDesk()
    asked = bench.request(checkpoint=wire.Checkpoint())
    asked.reason = SECRET
    reply = bench.ask(asked)
    assert (wire.UNKNOWN, wire.INTERNAL) == (reply.outcome, reply.code)
    assert wire.INTERNAL == bench.ask(asked).code
    assert wire.MALFORMED == bench.ask(b"\xff").code
    assert 3 == bench.reception.counts["unexpected"]
    output = capsys.readouterr()
    assert "RuntimeError" in output.out + output.err
    assert SECRET not in output.out + output.err


def test_a_failure_of_our_own_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waited is told once, and may ask again; what never got to the desk needs a second key as before."""
    bench = Bench(four_eyes=("checkpoint",))
    asked = bench.request(checkpoint=wire.Checkpoint())
    with monkeypatch.context() as patched:
        patched.setattr(bench.reception._confirmations, "hold", lambda *_: 1 // 0)
        assert wire.INTERNAL == bench.ask(asked).code
    with monkeypatch.context() as patched:
        patched.setattr(bench.reception, "_check", lambda *_: 1 // 0)
        assert wire.INTERNAL == bench.ask(bench.request()).code
    assert wire.AWAITING == bench.ask(asked).outcome
    assert [] == bench.desk.served


# -- four eyes ----------------------------------------------------------------------------------------------------

FOUR_EYES = {"four_eyes": ("kill.reset", "trading.enable"), "confirm_within_ns": 10 * SECOND_NS}
ANNA, BEN = origin("anna"), origin("ben")


def confirm(bench: Bench, asked: wire.Request, where: Origin) -> wire.Reply:
    return bench.ask(bench.request(confirm=wire.Confirm(request_id=asked.request_id)), where)


def test_a_second_key_carries_it_out() -> None:
    """In the first one's name, with both recorded; both see the outcome, whenever they ask."""
    bench = Bench(**FOUR_EYES)
    asked = bench.request(kill_reset=wire.ResetKill(accept_unknown=True))
    reply = bench.ask(asked, ANNA)
    assert wire.AWAITING == reply.outcome
    assert asked.request_id in reply.message
    assert reply == bench.ask(asked, ANNA)
    assert [] == bench.desk.served
    done = confirm(bench, asked, BEN)
    assert (wire.DONE, "anna, confirmed by ben") == (done.outcome, done.pong.who)
    ((served, sender),) = bench.desk.served
    assert asked == served
    assert "anna, confirmed by ben" == sender.by
    again = bench.ask(asked, ANNA)
    assert (wire.DONE, asked.request_id) == (again.outcome, again.request_id)
    assert 1 == len(bench.desk.served)
    assert wire.CONFIRMATION_REFUSED == confirm(bench, asked, BEN).code


def test_both_wait_for_the_outcome() -> None:
    """Asked again between the confirmation and the answer."""
    bench = Bench(held=("kill_reset",), **FOUR_EYES)
    asked = bench.request(kill_reset=wire.ResetKill())
    bench.ask(asked, ANNA)
    second = bench.send(bench.request(confirm=wire.Confirm(request_id=asked.request_id)), BEN)
    first = bench.send(asked, ANNA)
    assert ([], []) == (first, second)
    bench.desk.answers[0](wire.Reply(outcome=wire.REFUSED, code=wire.REFUSED_BY_CORE))
    assert [wire.REFUSED_BY_CORE] * 2 == [one.code for one in (*first, *second)]


def unknown_to_both(bench: Bench) -> tuple[wire.Request, wire.Request]:
    """A command and its confirmation, carried out, with an outcome that nobody knows."""
    asked = bench.request(kill_reset=wire.ResetKill(accept_unknown=True))
    bench.ask(asked, ANNA)
    confirming = bench.request(confirm=wire.Confirm(request_id=asked.request_id))
    told = bench.send(confirming, BEN)
    bench.desk.answers[0](wire.Reply(outcome=wire.UNKNOWN, code=wire.TIMED_OUT))
    assert [wire.UNKNOWN] == [one.outcome for one in told]
    return asked, confirming


@pytest.mark.parametrize("who", ["sender", "confirmer"])
def test_what_was_confirmed_is_repeated_as_it_was(who: str) -> None:
    """Its outcome is unknown: whoever of the two asks again, it is the same request in the same name, for both."""
    bench = Bench(held=("kill_reset",), **FOUR_EYES)
    asked, confirming = unknown_to_both(bench)
    both = [(asked, ANNA), (confirming, BEN)]
    if who == "confirmer":
        both.reverse()
    first, second = [bench.send(one, where) for one, where in both]
    assert ([], []) == (first, second)
    assert [(asked, "anna, confirmed by ben")] * 2 == [(one, by.by) for one, by in bench.desk.served]
    bench.desk.answers[1](wire.Reply(outcome=wire.DONE, seq=5))
    assert [(one.request_id, 5) for one, _ in both] == [
        (reply.request_id, reply.seq) for reply in (*first, *second)
    ]
    assert [5, 5] == [bench.ask(one, where).seq for one, where in both]
    assert 2 == len(bench.desk.served)


@pytest.mark.parametrize("who", ["sender", "confirmer"])
def test_what_was_confirmed_is_not_repeated_for_who_may_not_any_more(who: str) -> None:
    """Neither by one of the two whose role is lower now, nor in the name of a sender that was revoked."""
    bench = Bench(held=("kill_reset",), **FOUR_EYES)
    asked, confirming = unknown_to_both(bench)
    if who == "sender":
        reply = bench.ask(asked, origin("anna", Role.OPERATOR))
    else:
        assert wire.PERMISSION_DENIED == bench.ask(confirming, origin("ben", Role.OPERATOR)).code
        bench.senders["anna"] = None
        reply = bench.ask(confirming, BEN)
    assert wire.PERMISSION_DENIED == reply.code
    assert 1 == len(bench.desk.served)


def test_what_was_confirmed_keeps_its_name_when_it_fails() -> None:
    """A desk that failed is asked again for the same, by the same two."""
    bench = Bench(**FOUR_EYES)
    asked = bench.request(kill_reset=wire.ResetKill())
    bench.ask(asked, ANNA)
    working, bench.reception._desk = bench.desk, BrokenDesk()
    assert wire.INTERNAL == confirm(bench, asked, BEN).code
    bench.reception._desk = working
    assert "anna, confirmed by ben" == bench.ask(asked, ANNA).pong.who


@pytest.mark.parametrize("where", [ANNA, origin("ben", Role.OPERATOR), origin("cleo", Role.VIEWER)])
def test_who_may_not_confirm(where: Origin) -> None:
    """The same key, a lower role; the command goes on waiting for another."""
    bench = Bench(**FOUR_EYES)
    asked = bench.request(kill_reset=wire.ResetKill())
    bench.ask(asked, ANNA)
    refused = wire.PERMISSION_DENIED if where.sender.role is Role.VIEWER else wire.CONFIRMATION_REFUSED
    assert refused == confirm(bench, asked, where).code
    assert [] == bench.desk.served
    assert wire.DONE == confirm(bench, asked, BEN).outcome


def test_a_confirmation_comes_too_late() -> None:
    """The command is refused then, for both, and told for the audit."""
    bench = Bench(**FOUR_EYES)
    asked = bench.request(kill_reset=wire.ResetKill())
    bench.ask(asked, ANNA)
    bench.clock.forward(10)
    bench.reception.tick()
    assert wire.CONFIRMATION_REFUSED == confirm(bench, asked, BEN).code
    assert wire.CONFIRMATION_REFUSED == bench.ask(asked, ANNA).code
    assert [] == bench.desk.served
    assert ("kill.reset", "anna") in [(name, sender.name) for _, name, sender, _ in bench.desk.refusals]


def test_a_confirmation_that_comes_again_gets_the_same_reply() -> None:
    """It is a request as others are."""
    bench = Bench(**FOUR_EYES)
    asked = bench.request(kill_reset=wire.ResetKill())
    bench.ask(asked, ANNA)
    confirming = bench.request(confirm=wire.Confirm(request_id=asked.request_id))
    first = bench.ask(confirming, BEN)
    assert first == bench.ask(confirming, BEN)
    assert 1 == len(bench.desk.served)


def test_a_revoked_sender_is_not_confirmed() -> None:
    """What counts is what it may do now."""
    bench = Bench(**FOUR_EYES)
    asked = bench.request(kill_reset=wire.ResetKill())
    bench.ask(asked, ANNA)
    bench.senders["anna"] = None
    assert wire.CONFIRMATION_REFUSED == confirm(bench, asked, BEN).code


def test_two_cannot_wait_under_one_id() -> None:
    """A confirmation names the id alone."""
    bench = Bench(**FOUR_EYES)
    asked = bench.request(kill_reset=wire.ResetKill())
    bench.ask(asked, ANNA)
    assert wire.REQUEST_ID_REUSED == bench.ask(asked, BEN).code


def test_only_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the node is busy."""
    monkeypatch.setattr("livestack.control.confirmations.AWAITING_MAX", 1)
    bench = Bench(**FOUR_EYES)
    assert wire.AWAITING == bench.ask(bench.request(kill_reset=wire.ResetKill())).outcome
    assert wire.BUSY == bench.ask(bench.request(kill_reset=wire.ResetKill())).code


def test_what_makes_it_safer_needs_no_second_key() -> None:
    """Halting does not wait where enabling does; nor does a kill. Reducing does: trading may be halted."""
    bench = Bench(**FOUR_EYES)
    for state, outcome in (
        (wire.HALTED, wire.DONE),
        (wire.REDUCING, wire.AWAITING),
        (wire.ACTIVE, wire.AWAITING),
    ):
        assert outcome == bench.ask(bench.request(trading=wire.SetTradingState(state=state))).outcome
    assert wire.DONE == bench.ask(bench.request(kill=wire.Kill())).outcome


# -- anything -----------------------------------------------------------------------------------------------------


def test_whatever_comes_is_answered(request: pytest.FixtureRequest) -> None:
    """Mutated requests and random bytes: an answer each, errors only, never an exception."""
    inputs = 1_000_000 if request.config.getoption("--long") else INPUTS_SUITE
    result = run(inputs, seed=7)
    assert inputs == sum(result["codes"].values())
    assert {} == result["failures"]
    assert passed(result)


def test_the_table_is_given_to_random_senders() -> None:
    """Rights do not depend on what was asked before."""
    random_ = random.Random(7)
    bench = Bench()
    rows: list[tuple[str, Command]] = [
        one for one in COMMANDS.items() if one[0] not in ("confirm", "configuration_set")
    ]
    for _ in range(500):
        field, row = random_.choice(rows)
        role = random_.choice(list(Role))
        reply = bench.ask(bench.request(**{field: GOOD_FIELDS.get(field, {})}), origin(role.name, role))
        assert (role >= row.role) == (reply.outcome == wire.DONE)
