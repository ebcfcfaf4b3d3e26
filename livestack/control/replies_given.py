"""What was answered, so that the same request again gets the same reply and changes nothing. Pure; server's thread.

Bounded for each sender. A command that changes something is not forgotten while its request could still be taken for
a new one: where there is no room left, the new command is refused instead. Queries may be forgotten at any time, they
change nothing; a kill is not remembered at all: it is carried out however often it comes.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from livestack.control.commands import Command, Sender
from livestack.wire import control_pb2

Give = Callable[[bytes], None]
"""Hands a serialised reply to whoever asked."""

COMMANDS_MAX = 4_000
"""Commands of one sender that are remembered: 80 s at the usual rate, which is more than a request stays fresh."""

QUERIES_MAX = 100
QUERY_BYTES_MAX = 16_384
"""A longer answer to a query is not kept: the query is answered anew."""

WAITING_MAX = 16
"""How often one request may be asked again before its answer is there."""

SENDERS_MAX = 1_000


class Served(msgspec.Struct, frozen=True, eq=False):
    """What the desk was given, and in whose name. ``key``: the sender's public key; empty: local. ``asked``: who is
    told of the outcome, under which ids: the sender, and who confirmed it."""

    request: control_pb2.Request
    command: Command
    sender: Sender
    key: str
    asked: tuple[tuple[str, Given], ...]


class Given:
    """One request. Not ``is_final``: its outcome is still to come, ``reply`` is what is said until then, if anything.
    ``is_final`` without a ``reply``: the node is to be asked again, for exactly what was ``served``, so that nothing
    that was confirmed once is carried out in another name; None: nothing was."""

    __slots__ = ("at_ns", "content", "is_final", "reply", "served", "waiting")

    def __init__(self, content: bytes, at_ns: int) -> None:
        self.content = content
        self.at_ns = at_ns
        self.reply: bytes | None = None
        self.served: Served | None = None
        self.is_final = False
        self.waiting: list[Give] = []

    def wait(self, give: Give) -> None:
        if len(self.waiting) < WAITING_MAX:
            self.waiting.append(give)

    def answer(self, reply: bytes | None, told: bytes, *, is_final: bool) -> None:
        """``told`` to all who wait; ``reply`` to whoever asks later."""
        self.reply, self.is_final = reply, is_final
        if is_final and reply is not None:
            self.served = None  # it is not asked for again, and may be long
        waiting, self.waiting = self.waiting, []
        for give in waiting:
            give(told)


class RepliesGiven:
    """Requests by sender and id."""

    def __init__(self, fresh_ns: int) -> None:
        self._fresh_ns = fresh_ns
        self._commands: OrderedDict[str, OrderedDict[str, Given]] = OrderedDict()
        self._queries: OrderedDict[tuple[str, str], Given] = OrderedDict()

    def find(self, sender: str, request_id: str) -> Given | None:
        commands = self._commands.get(sender)
        given = commands.get(request_id) if commands is not None else None
        return given if given is not None else self._queries.get((sender, request_id))

    def add_query(self, sender: str, request_id: str, given: Given) -> None:
        self._queries[sender, request_id] = given
        if len(self._queries) > QUERIES_MAX:
            self._queries.popitem(last=False)

    def add_command(self, sender: str, request_id: str, given: Given, now_ns: int) -> bool:
        """Whether there was room."""
        commands = self._commands.setdefault(sender, OrderedDict())
        self._commands.move_to_end(sender)
        if len(commands) >= COMMANDS_MAX:
            for name, one in commands.items():
                if one.is_final and now_ns - one.at_ns > self._fresh_ns:
                    del commands[name]
                    break
            else:
                return False
        commands[request_id] = given
        if len(self._commands) > SENDERS_MAX:  # more names than a list of clients can hold in one session
            self._commands.popitem(last=False)
        return True


def content_of(request: control_pb2.Request) -> bytes:
    """What makes a request the same one: all but when it was sent."""
    issued_at_ns, request.issued_at_ns = request.issued_at_ns, 0
    content = request.SerializeToString(deterministic=True)
    request.issued_at_ns = issued_at_ns
    return hashlib.blake2b(content, digest_size=16).digest()
