"""One request and its reply, whatever gets lost between; and one subscription. Used by one thread at a time.

While no reply comes, the same request goes out again under the same id, to the byte, on a new connection: the node
carries it out once. A command that was sent and never answered has an unknown outcome, and that is said.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TypeVar

import zmq
from google.protobuf.message import DecodeError

from livestack.control.channel import OPEN_LIMIT_S, Channel, Place, wait
from livestack.exceptions import (
    LivestackError,
    NodeUnreachableError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RefusedError,
)
from livestack.wire import control_pb2 as wire

REPLY_LIMIT_S = 5.0
"""How long a reply is waited for, all attempts together: the node answers from memory, and its Core within a step."""

ASK_AGAIN_S = 1.5
"""Silence after which a request is sent again."""

ASK_PAUSE_S = 0.2
"""Pause before asking again where the node does not know the outcome yet, or broke the connection off."""

COME_BACK_S = 1.0
"""How long a node that broke a subscription off is looked for before it is said to be gone."""

KILL_LANE_S = 1.0
"""How long kill's own socket has, alone, before the main one is asked too."""

REQUEST_BYTES_MAX = 60_000
"""What the node takes. It ends the connection of who sends much more, and that would look like a lost reply."""

Decoded = TypeVar("Decoded", wire.Reply, wire.Publication)


class Exchange:
    """Connections to one node, opened on first use. ``limit_s``: how long a reply is waited for."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._channels: dict[str, Channel] = {}

    def subscribe(self, place: Place, topics: tuple[str, ...]) -> Iterator[wire.Publication]:
        """What is published from now on, until the node is gone: ``NodeUnreachableError``."""
        yield from filter(None, self.watch(place, topics, None))

    def watch(
        self, place: Place, topics: tuple[str, ...], pause_s: float | None
    ) -> Iterator[wire.Publication | None]:
        """As :meth:`subscribe`, and None whenever nothing came for ``pause_s`` seconds."""
        limit_s = 0.0
        while True:
            with self._subscribed(place, topics, limit_s) as channel:
                while (frames := channel.receive(pause_s)) is not None or not channel.has_lost():
                    yield None if frames is None else _decoded(wire.Publication, frames[-1], place)
            limit_s = COME_BACK_S

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()
        self._channels.clear()
        self._context.destroy(linger=0)

    def ask(self, request: wire.Request, places: tuple[Place, ...]) -> wire.Reply:
        """Ask at the first of ``places``; where nobody answers in time, at the next one too; then all over again."""
        deadline = time.monotonic() + self._limit_s
        payload = request.SerializeToString()
        if len(payload) > REQUEST_BYTES_MAX:
            sentence = f"a request has to be at most {REQUEST_BYTES_MAX} bytes long, not {len(payload)}"
            raise RefusedError("TOO_LARGE", sentence, request.request_id)
        remaining, asked = list(places), list[Channel]()
        failure: LivestackError | None = None
        was_sent = False
        while (left_s := deadline - time.monotonic()) > 0 and (remaining or asked):
            if remaining:
                try:
                    channel = self._channel(remaining[0], left_s)
                except (NodeUnreachableError, PermissionDeniedError) as error:
                    del remaining[0]
                    failure = failure or error
                    continue
                # A connection that is lost this very moment takes nothing, and to wait for it would be without an end.
                if not channel.socket.poll(int(min(left_s, ASK_PAUSE_S) * 1_000) + 1, zmq.POLLOUT):
                    self._drop([channel])
                    continue
                channel.socket.send(payload)
                del remaining[0]
                asked.append(channel)
                was_sent = True
            limit_s = min(KILL_LANE_S if remaining else ASK_AGAIN_S, left_s)
            reply = _first_reply(asked, request.request_id, limit_s)
            if reply is not None and reply.outcome != wire.UNKNOWN:
                return reply
            if reply is not None or any(one.has_lost() for one in asked):
                time.sleep(ASK_PAUSE_S)
            if not remaining:
                self._drop(asked)
                remaining, asked = list(places), []
        if failure is not None and not was_sent:
            raise failure
        name = (request.WhichOneof("command") or "").replace("_", " ")
        raise OutcomeUnknownError(name, places[0].address, request.request_id, self._limit_s) from failure

    def _subscribed(self, place: Place, topics: tuple[str, ...], limit_s: float) -> Channel:
        """An open connection; what cannot be reached is tried again for ``limit_s``."""
        deadline = time.monotonic() + limit_s
        while True:
            channel = Channel(self._context, place, zmq.SUB, topics)
            try:
                return channel.open()
            except BaseException as error:
                channel.close()
                if not isinstance(error, NodeUnreachableError) or time.monotonic() >= deadline:
                    raise
            time.sleep(ASK_PAUSE_S)

    def _channel(self, place: Place, limit_s: float) -> Channel:
        """The open connection to ``place``: the one that there is, or a new one."""
        channel = self._channels.pop(place.address, None)
        if channel is not None and channel.has_lost():
            channel.close()
            channel = None
        if channel is None:
            channel = Channel(self._context, place, zmq.DEALER)
            try:
                channel.open(min(limit_s, OPEN_LIMIT_S))
            except BaseException:
                channel.close()
                raise
        self._channels[place.address] = channel
        return channel

    def _drop(self, channels: list[Channel]) -> None:
        for channel in channels:
            self._channels.pop(channel.place.address, None)
            channel.close()


def _first_reply(channels: list[Channel], request_id: str, limit_s: float) -> wire.Reply | None:
    """The first reply to ``request_id``; None when the time is over or every connection is lost."""
    deadline = time.monotonic() + limit_s
    waiting = list(channels)
    while waiting and (left_s := deadline - time.monotonic()) > 0:
        ready = wait(waiting, int(left_s * 1_000) + 1)
        for channel in waiting:
            if channel.socket not in ready:
                continue
            reply = _decoded(wire.Reply, channel.socket.recv_multipart()[-1], channel.place)
            if reply.request_id == request_id:
                return reply
        waiting = [one for one in waiting if one.socket in ready or not one.has_lost()]
    return None


def _decoded(kind: type[Decoded], frame: bytes, place: Place) -> Decoded:
    try:
        return kind.FromString(frame)
    except DecodeError:
        raise NodeUnreachableError(place.address, "what is there does not speak as a node does") from None
