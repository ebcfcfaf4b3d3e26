"""What REST and the WebSocket API share: one request through weight, signature, clock and log to its operation.

Pure. Runs on the venue's thread.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from livestack.simulator.binance_spot import errors
from livestack.simulator.binance_spot.errors import VenueError
from livestack.simulator.binance_spot.exchange import Exchange
from livestack.simulator.binance_spot.gatekeeper import Gatekeeper
from livestack.simulator.binance_spot.operations import Operation, perform
from livestack.simulator.binance_spot.params import Params
from livestack.simulator.binance_spot.signing import ApiKey

REQUESTS_MAX = 1_000_000  # some 300 MB; then the oldest is forgotten
ACCOUNT = "test"


@dataclass(slots=True, frozen=True)
class SeenRequest:
    """One order request that reached the venue with a good signature, whatever became of it.

    ``kind`` is the WebSocket API's method name. ``client_id`` is the request's own new client id ("" if it has none),
    ``target`` the client id or order id that it is about. ``code``: 0, or the error's.
    """

    kind: str
    symbol: str
    client_id: str
    target: str
    time_ns: int
    code: int


@dataclass(slots=True)
class Admission:
    """Who asks: the key that signs (None: nobody does), what was signed, and whether a session vouches for it."""

    key: ApiKey | None
    payload: str
    vouched: bool = False


class FrontDesk:
    """Takes well-formed requests from both front ends."""

    def __init__(self, exchange: Exchange, gatekeeper: Gatekeeper) -> None:
        self.exchange = exchange
        self.gatekeeper = gatekeeper
        self.log: deque[SeenRequest] = deque(maxlen=REQUESTS_MAX)
        self.hidden: dict[str, None] = {}
        """Symbols that ``exchangeInfo`` does not show for now."""

    def ask(self, operation: Operation, params: Params, admission: Admission) -> Any:
        """The operation's result; a ``VenueError`` otherwise. The exchange's ``now_ns`` is the time of asking."""
        now_ns = self.exchange.now_ns
        weight = operation.weight_of(params)
        self.gatekeeper.charge(weight, now_ns)
        if operation.signed is None:
            result = perform(self.exchange, operation, params, None)
            return self._without_hidden(params, result) if self.hidden and "symbols" in result else result
        self._authenticate(operation, params, admission, now_ns)
        if not operation.trades:
            return perform(self.exchange, operation, params, ACCOUNT)
        code = 0
        try:
            result = perform(self.exchange, operation, params, ACCOUNT)
        except VenueError as error:
            code = error.code
            raise
        finally:
            if operation.method != "order.test":
                self._remember(operation, params, code, now_ns)
        if not operation.weight_always:
            self.gatekeeper.refund(weight, now_ns)
        return result

    def _authenticate(self, operation: Operation, params: Params, admission: Admission, now_ns: int) -> None:
        if admission.key is None:
            raise VenueError(401, -2014, "API-key format invalid.")
        if self.gatekeeper.revoked:
            raise VenueError(401, -2015, "Invalid API-key, IP, or permissions for action.")
        if not admission.vouched:
            self.gatekeeper.check_signature(admission.key, admission.payload, params.values)
        self.gatekeeper.check_time(params.values, now_ns)
        if operation.trades and not admission.key.trade:
            raise VenueError(401, -2015, "Invalid API-key, IP, or permissions for action.")

    def _without_hidden(self, params: Params, result: dict[str, Any]) -> dict[str, Any]:
        if any(name in self.hidden for name in params.symbols() or ()):
            raise errors.invalid_symbol()
        shown = [info for info in result["symbols"] if info["symbol"] not in self.hidden]
        return {**result, "symbols": shown}

    def _remember(self, operation: Operation, params: Params, code: int, now_ns: int) -> None:
        values = params.values
        target = ""
        for name in ("origClientOrderId", "cancelOrigClientOrderId", "orderId", "cancelOrderId"):
            target = target or values.get(name, "")
        seen = SeenRequest(
            operation.method,
            values.get("symbol", ""),
            values.get("newClientOrderId", ""),
            target,
            now_ns,
            code,
        )
        self.log.append(seen)
