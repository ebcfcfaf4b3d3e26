"""Everything open of an account, looked at and cancelled over REST, with nothing known but a key (venues.md 1.4).

Pure; any thread. Over REST the percent-encoded query is signed as it is sent, unlike in the WebSocket API. The path is
another one than the session's, so that what holds that one up does not hold up this.
"""

from __future__ import annotations

import msgspec

from livestack.venues.adapter import Credentials, Fetch, Fetched, OpenOrder, Setback
from livestack.venues.binance_spot.handshake import REFUSED_CODES
from livestack.venues.binance_spot.messages import ApiError
from livestack.venues.binance_spot.numbers import percent_encoded
from livestack.venues.binance_spot.order_entry import SETTLING_NS
from livestack.venues.binance_spot.outcomes import CANCEL_REFUSED, CLOCK_CODE
from livestack.venues.binance_spot.private_messages import CancelAllItem, OrderResult, ServerTime, decode
from livestack.venues.binance_spot.requests import RECV_WINDOW_MS
from livestack.venues.binance_spot.signing import make_signer
from livestack.venues.binance_spot.snapshots import retry_after_ns

TEXT_MAX = 200
"""Characters of a venue's own words that are passed on."""

_TOLD_TO_WAIT = (418, 429)


class BinanceLastResort:
    """Implements :class:`~livestack.venues.adapter.LastResort`."""

    def __init__(self, credentials: Credentials) -> None:
        self._signer = make_signer(credentials)
        self._headers = (("X-MBX-APIKEY", credentials.api_key),)

    @property
    def settling_ns(self) -> int:
        return SETTLING_NS

    def time(self) -> Fetch:
        return Fetch(0, "GET", "/api/v3/time", "", (), "time")

    def read_time(self, answer: Fetched) -> int | Setback:
        if answer.status != 200:
            return setback_of(answer)
        try:
            time: ServerTime = decode(answer.body, ServerTime)
            return time.server_ms
        except (msgspec.MsgspecError, ValueError) as error:
            return _unreadable(error)

    def open_orders(self, wall_ms: int) -> Fetch:
        return self._signed("GET", "", wall_ms, "open orders")

    def read_open_orders(self, answer: Fetched) -> tuple[OpenOrder, ...] | Setback:
        if answer.status != 200:
            return setback_of(answer)
        try:
            orders = decode(answer.body, list[OrderResult])
        except (msgspec.MsgspecError, ValueError) as error:
            return _unreadable(error)
        return tuple(_open_order(order) for order in orders)

    def cancel_all(self, symbol: str, wall_ms: int) -> Fetch:
        return self._signed(
            "DELETE", f"symbol={percent_encoded(symbol)}&", wall_ms, f"cancel all of {symbol}"
        )

    def read_cancelled(self, answer: Fetched) -> int | Setback:
        if answer.status != 200:
            setback = setback_of(answer)
            return 0 if _code_of(answer) == CANCEL_REFUSED else setback
        try:
            items = decode(answer.body, list[CancelAllItem])
        except (msgspec.MsgspecError, ValueError) as error:
            return _unreadable(error)
        return sum(len(item.reports) or 1 for item in items)

    def _signed(self, method: str, parameters: str, wall_ms: int, purpose: str) -> Fetch:
        query = f"{parameters}recvWindow={RECV_WINDOW_MS}&timestamp={wall_ms}"
        signature = percent_encoded(self._signer.sign(query))
        return Fetch(
            0, method, "/api/v3/openOrders", f"{query}&signature={signature}", self._headers, purpose
        )


def setback_of(answer: Fetched) -> Setback:
    """What an answer other than 200 means. A cancel whose outcome is unknown may be repeated like any other."""
    if answer.status == 0:
        return Setback(f"no answer: {answer.error}")
    error = _error_of(answer)
    said = f"{error.msg[:TEXT_MAX]} ({error.code})" if error is not None else "no reason given"
    code = error.code if error is not None else 0
    return Setback(
        f"HTTP status {answer.status}: {said}",
        wait_ns=retry_after_ns(answer.headers) if answer.status in _TOLD_TO_WAIT else 0,
        is_clock=code == CLOCK_CODE,
        is_refused=code in REFUSED_CODES,
    )


def _code_of(answer: Fetched) -> int:
    error = _error_of(answer)
    return error.code if error is not None else 0


def _error_of(answer: Fetched) -> ApiError | None:
    """A firewall's refusal need not be JSON."""
    try:
        error: ApiError = decode(answer.body, ApiError)
    except (msgspec.MsgspecError, ValueError):
        return None
    return error


def _unreadable(error: Exception) -> Setback:
    return Setback(f"the answer cannot be read: {error}")


def _open_order(order: OrderResult) -> OpenOrder:
    return OpenOrder(
        order.symbol,
        order.side,
        order.price,
        order.qty,
        order.filled_qty,
        order.client_id,
        str(order.venue_order_id),
    )
