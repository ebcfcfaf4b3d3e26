"""Four eyes: commands that wait until a second, other key confirms them. Pure: time is passed in. Server's thread."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from livestack.control.commands import Command, Sender
from livestack.control.replies_given import Given
from livestack.wire import control_pb2

AWAITING_MAX = 100
"""Commands that wait at once; people confirm them by hand."""


class Awaiting(msgspec.Struct, eq=False):
    """``key``: the sender's public key, to look its rights up again; empty: local."""

    request: control_pb2.Request
    command: Command
    sender: Sender
    key: str
    until_ns: int
    given: Given


class Unconfirmed(Exception):  # noqa: N818 - not a failure: the sentence that a confirmer is told
    """Why the confirmation is refused."""


class Confirmations:
    """By request id: that is all that a confirmer names."""

    def __init__(self, names: tuple[str, ...], within_ns: int) -> None:
        self._names = frozenset(names)
        self._within_ns = within_ns
        self._awaiting: dict[str, Awaiting] = {}

    def needs(self, name: str) -> bool:
        return name in self._names

    def is_full(self) -> bool:
        return len(self._awaiting) >= AWAITING_MAX

    def is_awaited(self, request_id: str) -> bool:
        return request_id in self._awaiting

    def hold(
        self,
        request: control_pb2.Request,
        command: Command,
        sender: Sender,
        key: str,
        given: Given,
        now_ns: int,
    ) -> str:
        """Keep it until it is confirmed; the sentence for its sender."""
        until_ns = now_ns + self._within_ns
        self._awaiting[request.request_id] = Awaiting(request, command, sender, key, until_ns, given)
        return (
            f"{command.name} needs a second key: another one has to confirm {request.request_id} "
            f"within {self._within_ns // 1_000_000_000} s"
        )

    def settle(
        self, request_id: str, confirmer: Sender, current: Callable[[Sender, str], Sender | None]
    ) -> tuple[Awaiting, Sender]:
        """The command to carry out and in whose name; ``current`` looks up what its sender may do by now."""
        one = self._awaiting.get(request_id)
        if one is None:
            raise Unconfirmed(f"no command with the id {request_id} waits to be confirmed (any more)")
        if confirmer.name == one.sender.name:
            raise Unconfirmed(
                f"{request_id} has to be confirmed by another key than that of {confirmer.name}"
            )
        if confirmer.role < one.command.role:
            raise Unconfirmed(
                f"{one.command.name} has to be confirmed by a key with the role {one.command.role.name.lower()}"
            )
        sender = current(one.sender, one.key)
        if sender is None or sender.role < one.command.role:
            raise Unconfirmed(f"{one.sender.name}, who sent {request_id}, may not give it any more")
        del self._awaiting[request_id]
        return one, msgspec.structs.replace(
            sender, confirmed_by=confirmer.name, confirmed_at=confirmer.address
        )

    def expired(self, now_ns: int) -> list[Awaiting]:
        """Those that nobody confirmed in time; they wait no longer."""
        if not self._awaiting:
            return []
        over = [name for name, one in self._awaiting.items() if now_ns >= one.until_ns]
        return [self._awaiting.pop(name) for name in over]
