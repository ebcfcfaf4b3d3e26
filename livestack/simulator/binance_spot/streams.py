"""Market stream connections: who listens to what, control messages, and their limits (venues.md 1.2).

Pure. Runs on the venue's thread. Frames leave through ``outbox``, connections that must go through ``closing``.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from livestack.simulator.binance_spot.time_unit import stream_in_microseconds

STREAMS_MAX = 1024  # the venue's own limit per connection
MESSAGES_PER_SECOND = 5  # incoming, pongs included; more and the venue hangs up
SECOND_NS = 1_000_000_000
ID_LENGTH_MAX = 36
POLICY_VIOLATION = 1008
CONTROL = "control"
Outbox = list[tuple[int, str, str]]
"""Frames on their way out: (connection, text, what). What: a stream's name, ``control``, ``event/<e>/<symbol>`` or
``answer/<method>/<symbol>``."""
Closing = list[tuple[int, int, str]]


class ControlError(Exception):
    """A control message that cannot be done: the venue's ``code`` and text."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class StreamConnection:
    """One client. ``combined``: frames carry their stream's name. ``microseconds``: times in that unit."""

    __slots__ = ("combined", "connection_id", "microseconds", "received", "streams")

    def __init__(self, connection_id: int, combined: bool, microseconds: bool) -> None:
        self.connection_id = connection_id
        self.combined = combined
        self.microseconds = microseconds
        self.streams: dict[str, None] = {}
        self.received: deque[int] = deque(maxlen=MESSAGES_PER_SECOND)


class StreamHub:
    """All market stream connections of a venue; the feeds' publisher."""

    def __init__(self, outbox: Outbox, closing: Closing, violations: Counter[str]) -> None:
        self._violations = violations
        self._outbox = outbox
        self._closing = closing
        self._connections: dict[int, StreamConnection] = {}
        self._listeners: dict[str, dict[int, StreamConnection]] = {}

    def wanted(self, stream: str) -> bool:
        return stream in self._listeners

    def publish(self, stream: str, data: str) -> None:
        listeners = self._listeners.get(stream)
        if listeners is None:
            return
        texts: dict[tuple[bool, bool], str] = {}
        for connection in listeners.values():
            form = (connection.combined, connection.microseconds)
            text = texts.get(form)
            if text is None:
                text = stream_in_microseconds(data) if connection.microseconds else data
                if connection.combined:
                    text = f'{{"stream":"{stream}","data":{text}}}'
                texts[form] = text
            self._outbox.append((connection.connection_id, text, stream))

    def open(self, connection_id: int, path_and_query: str) -> None:
        """A client came: ``/ws``, ``/ws/<stream>[/<stream>...]`` or ``/stream[?streams=<stream>/...]``."""
        parts = urlsplit(path_and_query)
        query = parse_qs(parts.query)
        combined = parts.path.startswith("/stream")
        unit = query.get("timeUnit", [""])[0].lower()
        connection = StreamConnection(connection_id, combined, unit == "microsecond")
        self._connections[connection_id] = connection
        text = query.get("streams", [""])[0] if combined else unquote(parts.path[len("/ws") :])
        names = [name for name in text.split("/") if name]
        if len(names) > STREAMS_MAX:
            self._violations["streams"] += 1
        for name in names[:STREAMS_MAX]:
            self._subscribe(connection, name)

    def close(self, connection_id: int) -> None:
        connection = self._connections.pop(connection_id, None)
        if connection is not None:
            for name in list(connection.streams):
                self._unsubscribe(connection, name)

    def knows(self, connection_id: int) -> bool:
        return connection_id in self._connections

    def listened(self) -> list[str]:
        """Names of the streams that somebody listens to."""
        return list(self._listeners)

    @property
    def connection_ids(self) -> list[int]:
        """Who is connected, oldest first."""
        return list(self._connections)

    def any_subscription(self) -> bool:
        return bool(self._listeners)

    def count(self, connection_id: int, now_ns: int) -> bool:
        """Count one incoming message or pong; False where that was one too many and the connection goes."""
        received = self._connections[connection_id].received
        full = len(received) == MESSAGES_PER_SECOND and now_ns - received[0] < SECOND_NS
        received.append(now_ns)
        if full:
            self._violations["messages"] += 1
            self._closing.append((connection_id, POLICY_VIOLATION, "Too many requests"))
        return not full

    def message(self, connection_id: int, text: str, now_ns: int) -> None:
        """A control message: its answer goes to the outbox."""
        if not self.count(connection_id, now_ns):
            return
        connection = self._connections[connection_id]
        request_id: Any = None
        answer: dict[str, Any]
        try:
            request = _read(text)
            request_id = request.get("id")
            answer = {"result": self._perform(connection, request), "id": request_id}
        except ControlError as error:
            answer = {"code": error.code, "msg": error.message}
            if request_id is not None:
                answer["id"] = request_id
        self._outbox.append((connection_id, msgspec.json.encode(answer).decode(), CONTROL))

    def shutdown(self, now_ns: int) -> None:
        """Tell everybody that the server is going."""
        notice = f'{{"e":"serverShutdown","E":{now_ns // 1_000_000}}}'
        for connection in self._connections.values():
            text = f'{{"stream":"!serverShutdown","data":{notice}}}' if connection.combined else notice
            self._outbox.append((connection.connection_id, text, CONTROL))

    def _perform(self, connection: StreamConnection, request: dict[str, Any]) -> Any:
        method, params = request["method"], request.get("params", [])
        if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
                raise ControlError(2, "Invalid request: params must be an array of strings")
            if method == "SUBSCRIBE" and len(connection.streams.keys() | set(params)) > STREAMS_MAX:
                self._violations["streams"] += 1
                raise ControlError(2, "Invalid request: too many parameters")
            for name in params:
                if method == "SUBSCRIBE":
                    self._subscribe(connection, name)
                else:
                    self._unsubscribe(connection, name)
            return None
        if method == "LIST_SUBSCRIPTIONS":
            return list(connection.streams)
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return _property(connection, method, params)
        raise ControlError(2, f"Invalid request: unknown variant `{method}`")

    def _subscribe(self, connection: StreamConnection, name: str) -> None:
        connection.streams[name] = None
        self._listeners.setdefault(name, {})[connection.connection_id] = connection

    def _unsubscribe(self, connection: StreamConnection, name: str) -> None:
        connection.streams.pop(name, None)
        listeners = self._listeners.get(name, {})
        listeners.pop(connection.connection_id, None)
        if not listeners:
            self._listeners.pop(name, None)


def _read(text: str) -> dict[str, Any]:
    try:
        request = msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise ControlError(3, "Invalid JSON: expected value at line 1 column 1") from None
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        raise ControlError(2, "Invalid request: missing field `method`")
    request_id = request.get("id")
    if isinstance(request_id, str):
        if len(request_id) > ID_LENGTH_MAX or not request_id.replace("-", "").isalnum():
            raise ControlError(2, "Invalid request: request ID must be an unsigned integer")
    elif request_id is not None and (not isinstance(request_id, int) or isinstance(request_id, bool)):
        raise ControlError(2, "Invalid request: request ID must be an unsigned integer")
    return request


def _property(connection: StreamConnection, method: str, params: Any) -> Any:
    if not isinstance(params, list) or not params or not isinstance(params[0], str):
        raise ControlError(2, "Invalid request: property name must be a string")
    if params[0] != "combined":
        raise ControlError(0, "Unknown property")
    if method == "GET_PROPERTY":
        return connection.combined
    if len(params) != 2 or not isinstance(params[1], bool):
        raise ControlError(1, "Invalid value type: expected Boolean")
    connection.combined = params[1]
    return None
