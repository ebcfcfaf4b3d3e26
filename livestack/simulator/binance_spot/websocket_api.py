"""The WebSocket API: requests in envelopes, sessions, and the user data stream (venues.md 1.6, 1.7).

Pure. Runs on the venue's thread. Frames leave through the outbox shared with the market streams.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from livestack.simulator.binance_spot import errors
from livestack.simulator.binance_spot.errors import VenueError
from livestack.simulator.binance_spot.front import ACCOUNT, Admission, FrontDesk
from livestack.simulator.binance_spot.operations import BY_METHOD, Operation
from livestack.simulator.binance_spot.params import PARAMETERS_MAX, Params
from livestack.simulator.binance_spot.signing import ED25519, ApiKey, websocket_payload
from livestack.simulator.binance_spot.streams import CONTROL, Outbox
from livestack.simulator.binance_spot.time_unit import answer_in_microseconds

CONNECT_WEIGHT = 2
SESSION_WEIGHT = 2
SUBSCRIPTIONS_LIFETIME_MAX = 65_535
_decoder = msgspec.json.Decoder(float_hook=str)


class ApiConnection:
    """One client: its session, its subscriptions (id to whether the log-on began it)."""

    def __init__(self, connection_id: int, query: dict[str, list[str]], now_ns: int) -> None:
        self.connection_id = connection_id
        self.return_rate_limits = query.get("returnRateLimits", ["true"])[0] != "false"
        self.microseconds = query.get("timeUnit", [""])[0].lower() == "microsecond"
        self.connected_ns = now_ns
        self.session: ApiKey | None = None
        self.authorized_ns = 0
        self.subscriptions: dict[int, bool] = {}
        self.next_subscription = 0


class WebSocketApi:
    """All WebSocket API connections of a venue."""

    def __init__(self, desk: FrontDesk, outbox: Outbox) -> None:
        self._desk = desk
        self._outbox = outbox
        self._connections: dict[int, ApiConnection] = {}
        self._session_methods = {
            "session.logon": self._logon,
            "session.status": self._session_status,
            "session.logout": self._logout,
            "session.subscriptions": self._subscriptions,
            "userDataStream.subscribe": self._subscribe,
            "userDataStream.subscribe.signature": self._subscribe_signed,
            "userDataStream.unsubscribe": self._unsubscribe,
        }

    def open(self, connection_id: int, path_and_query: str) -> None:
        now_ns = self._desk.exchange.now_ns
        query = parse_qs(urlsplit(path_and_query).query)
        self._connections[connection_id] = ApiConnection(connection_id, query, now_ns)
        self._desk.exchange.limits.weight.add(CONNECT_WEIGHT, now_ns)

    def close(self, connection_id: int) -> None:
        self._connections.pop(connection_id, None)

    def knows(self, connection_id: int) -> bool:
        return connection_id in self._connections

    def message(self, connection_id: int, text: str) -> None:
        """One request; its answer goes to the outbox."""
        connection = self._connections[connection_id]
        request_id, operation, wants_limits = None, None, connection.return_rate_limits
        what = "answer//"
        answer: dict[str, Any]
        try:
            request_id, method, params = _read(text)
            operation = BY_METHOD.get(method)
            what = f"answer/{method}/{params.values.get('symbol', '')}"
            wants_limits = params.flag("returnRateLimits", wants_limits)
            answer = {"id": request_id, "status": 200}
            result = self._perform(connection, method, operation, params)
            answer["result"] = answer_in_microseconds(result) if connection.microseconds else result
        except VenueError as error:
            answer = {"id": request_id, "status": error.status, "error": error.body()}
        if wants_limits:
            answer["rateLimits"] = self._rate_limits(operation)
        if answer["status"] == 401 and self._desk.gatekeeper.revoked:
            answer["id"] = None
        self._outbox.append((connection_id, msgspec.json.encode(answer).decode(), what))

    def refuse(self, connection_id: int, request_id: Any, error: VenueError) -> None:
        """Answer a request that got no further than the venue's edge."""
        answer = {"id": request_id, "status": error.status, "error": error.body()}
        self._outbox.append((connection_id, msgspec.json.encode(answer).decode(), "answer//"))

    def deliver(self, account: str, event: dict[str, Any]) -> None:
        """One user event to everybody who subscribed."""
        if account != ACCOUNT:
            return
        what = f"event/{event['e']}/{event.get('s', '')}"
        for connection in self._connections.values():
            shown = _in_microseconds(event) if connection.microseconds else event
            for subscription in connection.subscriptions:
                frame = {"subscriptionId": subscription, "event": shown}
                self._outbox.append((connection.connection_id, msgspec.json.encode(frame).decode(), what))

    def shutdown(self, now_ns: int) -> None:
        """Tell everybody that the server is going."""
        text = f'{{"event":{{"e":"serverShutdown","E":{now_ns // 1_000_000}}}}}'
        self._outbox.extend((connection_id, text, CONTROL) for connection_id in self._connections)

    def end_subscriptions(self) -> None:
        """End every user data subscription, with the event that says so."""
        for connection in self._connections.values():
            for number in list(connection.subscriptions):
                self._end(connection, number)

    @property
    def connection_ids(self) -> list[int]:
        """Who is connected, oldest first."""
        return list(self._connections)

    def _perform(
        self, connection: ApiConnection, method: str, operation: Operation | None, params: Params
    ) -> Any:
        if operation is not None:
            return self._desk.ask(operation, params, self._admission(connection, operation, params))
        session_method = self._session_methods.get(method)
        if session_method is None:
            raise VenueError(400, -1130, "Data sent for parameter 'method' is not valid.")
        self._desk.gatekeeper.charge(SESSION_WEIGHT, self._desk.exchange.now_ns)
        return session_method(connection, params)

    def _admission(self, connection: ApiConnection, operation: Operation, params: Params) -> Admission:
        """The key named in the request goes before the session's."""
        if operation.signed is None:
            return Admission(None, "")
        if params.has("apiKey") or connection.session is None:
            key = self._desk.gatekeeper.key(params.text("apiKey"))
            return Admission(key, websocket_payload(params.values))
        return Admission(connection.session, "", vouched=True)

    def _rate_limits(self, operation: Operation | None) -> list[dict[str, Any]]:
        limits, now_ns = self._desk.exchange.limits, self._desk.exchange.now_ns
        windows = [*limits.orders] if operation is not None and operation.trades else []
        return [window.counted(now_ns) for window in (*windows, limits.weight)]

    # -- sessions and the user data stream -------------------------------------------------------------------------

    def _signer(self, params: Params) -> ApiKey:
        gatekeeper = self._desk.gatekeeper
        key = gatekeeper.key(params.text("apiKey"))
        gatekeeper.check_signature(key, websocket_payload(params.values), params.values)
        gatekeeper.check_time(params.values, self._desk.exchange.now_ns)
        return key

    def _logon(self, connection: ApiConnection, params: Params) -> dict[str, Any]:
        params.check_known(())
        key = self._signer(params)
        if key.kind != ED25519:
            raise VenueError(400, -4056, "HMAC_SHA256 API key is not supported.")
        connection.session, connection.authorized_ns = key, self._desk.exchange.now_ns
        return self._session_status(connection, params)

    def _session_status(self, connection: ApiConnection, params: Params) -> dict[str, Any]:
        key = connection.session
        return {
            "apiKey": key.api_key if key is not None else None,
            "authorizedSince": connection.authorized_ns // 1_000_000 if key is not None else None,
            "connectedSince": connection.connected_ns // 1_000_000,
            "returnRateLimits": connection.return_rate_limits,
            "serverTime": self._desk.exchange.now_ns // 1_000_000,
            "userDataStream": any(connection.subscriptions.values()),
        }

    def _logout(self, connection: ApiConnection, params: Params) -> dict[str, Any]:
        connection.session = None
        for subscription in [number for number, logon in connection.subscriptions.items() if logon]:
            self._end(connection, subscription)
        return self._session_status(connection, params)

    def _subscriptions(self, connection: ApiConnection, params: Params) -> list[dict[str, int]]:
        return [{"subscriptionId": number} for number in connection.subscriptions]

    def _subscribe(self, connection: ApiConnection, params: Params) -> dict[str, int]:
        params.check_known(())
        if connection.session is None:
            raise VenueError(401, -2015, "Invalid API-key, IP, or permissions for action.")
        return self._begin(connection, logon=True)

    def _subscribe_signed(self, connection: ApiConnection, params: Params) -> dict[str, int]:
        params.check_known(())
        self._signer(params)
        return self._begin(connection, logon=False)

    def _begin(self, connection: ApiConnection, *, logon: bool) -> dict[str, int]:
        if connection.subscriptions:
            raise VenueError(400, -2035, "User Data Stream subscription already active.")
        if connection.next_subscription >= SUBSCRIPTIONS_LIFETIME_MAX:
            raise VenueError(400, -2042, "User Data Stream subscription IDs are exhausted.")
        number = connection.next_subscription
        connection.next_subscription += 1
        connection.subscriptions[number] = logon
        return {"subscriptionId": number}

    def _unsubscribe(self, connection: ApiConnection, params: Params) -> dict[str, Any]:
        params.check_known(("subscriptionId",))
        wanted = params.integer("subscriptionId")
        if wanted is not None and wanted not in connection.subscriptions:
            raise VenueError(400, -2036, "User Data Stream subscription not active.")
        for number in list(connection.subscriptions) if wanted is None else [wanted]:
            self._end(connection, number)
        return {}

    def _end(self, connection: ApiConnection, number: int) -> None:
        del connection.subscriptions[number]
        event = {"e": "eventStreamTerminated", "E": self._desk.exchange.now_ns // 1_000_000}
        frame = {"subscriptionId": number, "event": event}
        what = "event/eventStreamTerminated/"
        self._outbox.append((connection.connection_id, msgspec.json.encode(frame).decode(), what))


def _read(text: str) -> tuple[Any, str, Params]:
    """Id, method without its version prefix, parameters as the texts that a signature was made of."""
    try:
        request = _decoder.decode(text)
    except msgspec.DecodeError:
        raise VenueError(400, -1135, "Invalid JSON Request") from None
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        raise errors.mandatory("method")
    params = request.get("params") or {}
    if not isinstance(params, dict) or len(params) > PARAMETERS_MAX:
        raise VenueError(400, -1101, "Too many parameters sent for this endpoint.")
    values = {name: _text(value) for name, value in params.items() if value is not None}
    return request.get("id"), request["method"].removeprefix("v3/"), Params(values)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else msgspec.json.encode(value).decode()


_TIMES = ("E", "T", "O", "W", "u")


def _in_microseconds(event: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value * 1000 if name in _TIMES and isinstance(value, int) else value
        for name, value in event.items()
    }
