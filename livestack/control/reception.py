"""What a request passes before the node's desk sees it, and how its reply finds back. No sockets; the server's thread.

In this order: size, decoding, protocol, unknown fields, request id; the sender's rate (kill has none) and whether the
key is still listed; a request that was seen before gets its reply, but for a kill, which is carried out; the lane, the
role, the age, the reason, the fields of the command; four eyes. What fails is answered with a code and a sentence, told
to the desk for the audit, and counted. A desk may answer from any thread, once: what it says is posted to the server's
thread.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

import msgspec
import structlog
from google.protobuf.message import DecodeError

from livestack.control.commands import (
    PROTOCOL,
    REASON_CHARACTERS_MAX,
    REQUEST_ID_RULE,
    Command,
    Sender,
    command_of,
    fault,
    four_eyes_name,
    is_request_id,
)
from livestack.control.confirmations import Confirmations, Unconfirmed
from livestack.control.limits import Limits
from livestack.control.replies_given import QUERY_BYTES_MAX, Give, Given, RepliesGiven, Served, content_of
from livestack.wire import control_pb2

if TYPE_CHECKING:
    from livestack.transports.clock import Clock

_SECOND_NS = 1_000_000_000

REQUEST_BYTES_MAX = 60_000
"""Beyond this a request is answered with TOO_LARGE; beyond the socket's 64 KiB its connection ends."""

AGE_MAX_NS = 30 * _SECOND_NS
AHEAD_MAX_NS = 5 * _SECOND_NS
REMEMBERED_NS = AGE_MAX_NS + 2 * AHEAD_MAX_NS
"""A request issued ahead of the node's clock stays fresh the longer for it, and a clock may be set back a little."""

KILL_LANE = frozenset({"kill", "ping"})

Answer = Callable[[control_pb2.Reply], None]
"""To be called once, from any thread; the server adds protocol and request id."""


class Desk(Protocol):
    """Who carries requests out."""

    def serve(self, request: control_pb2.Request, sender: Sender, answer: Answer) -> None:
        """On the server's thread; must not block. The same request comes again, in the same name, only where its
        outcome was UNKNOWN; a kill, whenever it is sent."""

    def refused(self, request_id: str, command: str, sender: Sender, code: int) -> None:
        """For the audit: a request that never reached :meth:`serve`, or a handshake. Any server's thread."""


class Origin(msgspec.Struct, frozen=True):
    """Where a request comes from. ``key``: public key, empty: local. ``source``: whose rate it counts for.
    ``refusal``: why this key may do nothing, or empty."""

    sender: Sender
    key: str
    source: bytes
    refusal: str = ""


class Refusal(Exception):  # noqa: N818 - an answer to the sender, not a failure of ours
    """``code`` and the sentence that says what would be right."""

    def __init__(self, code: control_pb2.ErrorCode, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence


def read(request: control_pb2.Request, payload: bytes | None) -> Command:
    """Decode ``payload`` into ``request``, as far as its form goes; :class:`Refusal` is all that this raises.

    None stands for a message that was not one frame.
    """
    if payload is None:
        raise Refusal(control_pb2.MALFORMED, "a request has to be one frame")
    if len(payload) > REQUEST_BYTES_MAX:
        raise Refusal(control_pb2.TOO_LARGE, f"a request has to be at most {REQUEST_BYTES_MAX} bytes long")
    try:
        request.MergeFromString(payload)
    except DecodeError:
        request.Clear()
        raise Refusal(control_pb2.MALFORMED, "a request has to be a livestack.wire.Request") from None
    if request.protocol != PROTOCOL:
        raise Refusal(
            control_pb2.UNSUPPORTED_PROTOCOL, f"protocol has to be {PROTOCOL}, not {request.protocol}"
        )
    size = request.ByteSize()
    request.DiscardUnknownFields()
    if request.ByteSize() != size:
        raise Refusal(
            control_pb2.MALFORMED, f"a request may have no fields beyond those of protocol {PROTOCOL}"
        )
    if not is_request_id(request.request_id):
        raise Refusal(control_pb2.MALFORMED, f"request_id has to be {REQUEST_ID_RULE}")
    command = command_of(request)
    if command is None:
        raise Refusal(control_pb2.MALFORMED, "a request has to have a command")
    return command


class Reception:
    """``post`` runs a function on the server's thread; ``current`` looks up what the sender with a key may do now."""

    def __init__(
        self,
        desk: Desk,
        clock: Clock,
        *,
        post: Callable[[Callable[[], None]], None],
        current: Callable[[Sender, str], Sender | None],
        kill_only: bool = False,
        rate: int = 50,
        four_eyes: tuple[str, ...] = (),
        confirm_within_ns: int = 60 * _SECOND_NS,
    ) -> None:
        self._desk = desk
        self._clock = clock
        self._post = post
        self._current = current
        self._kill_only = kill_only
        self._limits = Limits(rate)
        self._given = RepliesGiven(REMEMBERED_NS)
        self._confirmations = Confirmations(four_eyes, confirm_within_ns)
        self._log = structlog.get_logger("control")
        self.counts: Counter[str] = Counter()

    def take(self, payload: bytes | None, origin: Origin, give: Give) -> None:
        """Answer or pass on what came; never raises."""
        self.counts["requests"] += 1
        request = control_pb2.Request()
        try:
            self._take(request, payload, origin, give)
        except Refusal as refusal:
            self._refuse(request, origin.sender, refusal, give)
        except Exception as error:  # noqa: BLE001 - a request must never end the server
            self._unexpected(error)
            told = _stamped(_failure(), request.request_id)
            given = self._given.find(origin.sender.name, request.request_id)
            if given is not None and give in given.waiting:
                given.answer(None, told, is_final=True)
            else:
                give(told)

    def tick(self) -> None:
        """Refuse what nobody confirmed in time."""
        for one in self._confirmations.expired(self._clock.now_ns()):
            request_id = one.request.request_id
            self.note(one.sender, control_pb2.CONFIRMATION_REFUSED, request_id, one.command.name)
            reply = _refusal(control_pb2.CONFIRMATION_REFUSED, f"nobody confirmed {request_id} in time")
            told = _stamped(reply, request_id)
            one.given.answer(told, told, is_final=True)

    def _take(self, request: control_pb2.Request, payload: bytes | None, origin: Origin, give: Give) -> None:
        command: Command | None = None
        try:
            command = read(request, payload)
        finally:
            is_kill = command is not None and command.name == "kill"
            if not is_kill and not self._limits.take(origin.source, self._clock.now_ns()):
                rate = self._limits.rate
                raise Refusal(control_pb2.RATE_LIMITED, f"a key may send {rate} requests a second")
        if origin.refusal:
            raise Refusal(control_pb2.PERMISSION_DENIED, origin.refusal)
        given = None if is_kill else self._given.find(origin.sender.name, request.request_id)
        if given is not None and self._repeat(given, request, origin.sender, give):
            return
        self._check(request, command, origin.sender)
        if given is None:
            given = self._remember(request, command, origin.sender)
        given.is_final = False
        given.wait(give)
        if command.name == "confirm":
            self._confirm(request, given, origin.sender)
        elif self._confirmations.needs(four_eyes_name(request, command)):
            sentence = self._confirmations.hold(
                request, command, origin.sender, origin.key, given, self._clock.now_ns()
            )
            reply = control_pb2.Reply(outcome=control_pb2.AWAITING, message=sentence)
            told = _stamped(reply, request.request_id)
            given.answer(told, told, is_final=False)
        else:
            asked = ((request.request_id, given),)
            self._serve(Served(request, command, origin.sender, origin.key, asked))

    def _repeat(self, given: Given, request: control_pb2.Request, sender: Sender, give: Give) -> bool:
        """Whether it is answered, or will be; False: it never got as far as the desk, and is taken as a new one."""
        if given.content != content_of(request):
            raise Refusal(
                control_pb2.REQUEST_ID_REUSED, "a request with another content has to have another id"
            )
        self.counts["repeated"] += 1
        if given.reply is not None:
            give(given.reply)
        elif not given.is_final:
            given.wait(give)
        elif given.served is not None:
            self._serve_again(given, given.served, sender, give)
        else:
            return False
        return True

    def _serve_again(self, given: Given, served: Served, sender: Sender, give: Give) -> None:
        """Nobody knows what became of it. Who asks for it and in whose name it was given must both still have the
        right."""
        self._check_role(served.command, sender)
        is_sender = sender.name == served.sender.name
        now = sender if is_sender else self._current(served.sender, served.key)
        if now is None or now.role < served.command.role:
            raise Refusal(
                control_pb2.PERMISSION_DENIED,
                f"{served.sender.name} may not give {served.command.name} any more",
            )
        for _, one in served.asked:
            one.is_final = False
        given.wait(give)
        self._serve(served)

    def _check(self, request: control_pb2.Request, command: Command, sender: Sender) -> None:
        if self._kill_only and command.name not in KILL_LANE:
            raise Refusal(control_pb2.INVALID, f"this socket takes kill and ping only, not {command.name}")
        self._check_role(command, sender)
        if command.expires:
            age_ns = self._clock.wall_ns() - request.issued_at_ns
            if not -AHEAD_MAX_NS <= age_ns <= AGE_MAX_NS:
                raise Refusal(
                    control_pb2.STALE,
                    "issued_at_ns has to be at most 30 s before and 5 s after the node's clock; "
                    f"it is {abs(age_ns) // 1_000_000} ms {'before' if age_ns > 0 else 'after'} it",
                )
        if command.changes and not request.reason.strip():
            raise Refusal(control_pb2.REASON_MISSING, f"{command.name} needs a reason")
        if len(request.reason) > REASON_CHARACTERS_MAX:
            raise Refusal(
                control_pb2.INVALID, f"the reason has to have at most {REASON_CHARACTERS_MAX} characters"
            )
        sentence = fault(request, command)
        if sentence:
            raise Refusal(control_pb2.INVALID, sentence)
        if self._confirmations.needs(four_eyes_name(request, command)):
            if self._confirmations.is_awaited(request.request_id):
                raise Refusal(
                    control_pb2.REQUEST_ID_REUSED, "this id waits to be confirmed for another sender"
                )
            if self._confirmations.is_full():
                raise Refusal(control_pb2.BUSY, "too many commands wait to be confirmed")

    def _check_role(self, command: Command, sender: Sender) -> None:
        if sender.role < command.role:
            raise Refusal(
                control_pb2.PERMISSION_DENIED,
                f"{command.name} needs the role {command.role.name.lower()}; {sender.name} has the role "
                f"{sender.role.name.lower()}",
            )

    def _remember(self, request: control_pb2.Request, command: Command, sender: Sender) -> Given:
        now_ns = self._clock.now_ns()
        given = Given(content_of(request), now_ns)
        if command.name == "kill":
            return given  # found by nobody: what engaged once may have been reset since
        if not command.changes:
            self._given.add_query(sender.name, request.request_id, given)
        elif not self._given.add_command(sender.name, request.request_id, given, now_ns):
            raise Refusal(
                control_pb2.BUSY,
                f"{sender.name} has sent too many commands in the last {REMEMBERED_NS // _SECOND_NS} s",
            )
        return given

    def _confirm(self, request: control_pb2.Request, given: Given, sender: Sender) -> None:
        try:
            one, by = self._confirmations.settle(request.confirm.request_id, sender, self._current)
        except Unconfirmed as refused:
            self.note(sender, control_pb2.CONFIRMATION_REFUSED, request.request_id, "confirm")
            told = _stamped(_refusal(control_pb2.CONFIRMATION_REFUSED, str(refused)), request.request_id)
            given.answer(told, told, is_final=True)
            return
        one.given.reply = None
        both = ((one.request.request_id, one.given), (request.request_id, given))
        self._serve(Served(one.request, one.command, by, one.key, both))

    def _serve(self, served: Served) -> None:
        for _, given in served.asked:
            given.served = served
        answer = _Answer(served.asked, self._post, is_query=not served.command.changes)
        try:
            self._desk.serve(served.request, served.sender, answer)
        except Exception as error:  # noqa: BLE001 - a desk that fails must not end the server, nor leave its client waiting
            self._unexpected(error)
            answer(_failure())

    def _refuse(self, request: control_pb2.Request, sender: Sender, refusal: Refusal, give: Give) -> None:
        request_id = request.request_id if is_request_id(request.request_id) else ""
        command = command_of(request)
        self.note(sender, refusal.code, request_id, command.name if command is not None else "")
        give(_stamped(_refusal(refusal.code, refusal.sentence), request_id))

    def note(self, sender: Sender, code: control_pb2.ErrorCode, request_id: str, command: str) -> None:
        """Count a refusal and tell the desk of it."""
        self.counts[control_pb2.ErrorCode.Name(code).lower()] += 1
        try:
            self._desk.refused(request_id, command, sender, code)
        except Exception as error:  # noqa: BLE001 - the refusal stands, whatever the audit does
            self._unexpected(error)

    def _unexpected(self, error: Exception) -> None:
        """Without the request's content, and without the error's text, which may hold it."""
        self.counts["unexpected"] += 1
        last = error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        where = f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}" if last is not None else ""
        self._log.error("control_failed", error=type(error).__name__, where=where)


class _Answer:
    """Gives a desk's reply to all who asked; every call but the first is ignored."""

    __slots__ = ("_asked", "_is_query", "_post", "_thread")

    def __init__(
        self,
        asked: tuple[tuple[str, Given], ...],
        post: Callable[[Callable[[], None]], None],
        *,
        is_query: bool,
    ) -> None:
        self._asked = asked
        self._post = post
        self._is_query = is_query
        self._thread = threading.get_ident()

    def __call__(self, reply: control_pb2.Reply) -> None:
        body, is_unknown = reply.SerializeToString(), reply.outcome == control_pb2.UNKNOWN
        if threading.get_ident() == self._thread:
            self._complete(body, is_unknown)
        else:
            self._post(partial(self._complete, body, is_unknown))

    def _complete(self, body: bytes, is_unknown: bool) -> None:
        asked, self._asked = self._asked, ()
        for request_id, given in asked:
            told = body + _stamp(request_id)
            keep = not is_unknown and not (self._is_query and len(told) > QUERY_BYTES_MAX)
            given.answer(told if keep else None, told, is_final=True)


def _stamp(request_id: str) -> bytes:
    """Behind a serialised reply this sets its protocol and id: in Protocol Buffers the last value of a field counts."""
    return control_pb2.Reply(protocol=PROTOCOL, request_id=request_id).SerializeToString()


def _stamped(reply: control_pb2.Reply, request_id: str) -> bytes:
    return reply.SerializeToString() + _stamp(request_id)


def _refusal(code: control_pb2.ErrorCode, sentence: str) -> control_pb2.Reply:
    return control_pb2.Reply(outcome=control_pb2.REFUSED, code=code, message=sentence)


def _failure() -> control_pb2.Reply:
    return control_pb2.Reply(
        outcome=control_pb2.UNKNOWN,
        code=control_pb2.INTERNAL,
        message="the node failed while it dealt with this request; its log says where",
    )
