"""What we send over the WebSocket API: parameters of every method, timestamps, signatures (venues.md 1.4, 1.7).

Pure; belongs to the order-entry adapter's thread.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from livestack.core.types import (
    OrderRequest,
    OrderType,
    RequestKind,
    SelfTradePrevention,
    TimeInForce,
    format_decimal,
)
from livestack.venues.binance_spot.orders import CANCEL_HALF, KnownOrder, OrderInstrument
from livestack.venues.binance_spot.routes import Value
from livestack.venues.binance_spot.signing import Signer, payload_of

RECV_WINDOW_MS = 5_000
"""How long after its timestamp a request may still be executed: the venue's own default, said explicitly."""

AMENDS_MAX = 10
"""MAX_NUM_ORDER_AMENDS; the eleventh would be refused."""

Parameters = Mapping[str, Value]

_STOPS = {
    OrderType.STOP_LOSS,
    OrderType.STOP_LOSS_LIMIT,
    OrderType.TAKE_PROFIT,
    OrderType.TAKE_PROFIT_LIMIT,
}
_PRICED = {OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT}


class RequestWriter:
    """Writes requests as frames. Knows the key; on a connection that is logged on it need not sign."""

    def __init__(self, api_key: str, signer: Signer) -> None:
        self._signer = signer
        self._api_key = api_key

    def plain(self, number: int, method: str, parameters: Parameters) -> str:
        """A request that needs no key."""
        return _frame(number, method, parameters)

    def logged_on(self, number: int, method: str, parameters: Parameters, timestamp_ms: int) -> str:
        """A request of a session that is logged on."""
        timed = {**parameters, "recvWindow": RECV_WINDOW_MS, "timestamp": timestamp_ms}
        return _frame(number, method, timed)

    def signed(self, number: int, method: str, parameters: Parameters, timestamp_ms: int) -> str:
        """A request that carries key and signature itself."""
        complete = {
            **parameters,
            "recvWindow": RECV_WINDOW_MS,
            "apiKey": self._api_key,
            "timestamp": timestamp_ms,
        }
        return _frame(number, method, {**complete, "signature": self._signer.sign(payload_of(complete))})


def _frame(number: int, method: str, parameters: Parameters) -> str:
    message: dict[str, object] = {"id": number, "method": method}
    if parameters:
        message["params"] = parameters
    return msgspec.json.encode(message).decode()


def order_call(
    request: OrderRequest, instrument: OrderInstrument, order: KnownOrder
) -> tuple[str, dict[str, str | int]]:
    """Method and parameters of a committed dispatch; ``ValueError`` where the protocol cannot express it."""
    if request.kind is RequestKind.NEW:
        return "order.place", {
            **_terms(request, instrument, request.qty),
            "newClientOrderId": request.client_id,
            "newOrderRespType": "FULL",
        }
    if request.kind is RequestKind.CANCEL:
        return "order.cancel", {
            "symbol": instrument.symbol,
            **_target(request, order, "orderId", "origClientOrderId"),
            "newClientOrderId": request.client_id,
        }
    if can_amend(request, instrument, order):
        return "order.amend.keepPriority", {
            "symbol": instrument.symbol,
            **_target(request, order, "orderId", "origClientOrderId"),
            "newQty": format_decimal(order.venue_qty(request.qty), instrument.qty_decimals),
            "newClientOrderId": request.client_id,
        }
    open_qty = request.qty - request.filled_qty
    if open_qty <= 0:
        raise ValueError(
            f"a total of {request.qty} leaves nothing to replace, {request.filled_qty} is filled"
        )
    return "order.cancelReplace", {
        **_terms(request, instrument, open_qty),
        "cancelReplaceMode": "STOP_ON_FAILURE",
        **_target(request, order, "cancelOrderId", "cancelOrigClientOrderId"),
        "cancelNewClientOrderId": request.client_id + CANCEL_HALF,
        "newClientOrderId": request.client_id,
        "newOrderRespType": "FULL",
    }


def can_amend(request: OrderRequest, instrument: OrderInstrument, order: KnownOrder) -> bool:
    """A Replace that only lowers the quantity keeps its place in the queue where the venue lets it."""
    new_qty = order.venue_qty(request.qty)
    filled = max(order.filled, request.filled_qty - order.carried)
    return (
        instrument.amend_allowed
        and order.accepted
        and order.price == request.price
        and filled + order.prevented < new_qty < order.qty
        and order.amends < AMENDS_MAX
        and not request.stop_price
    )


def _terms(request: OrderRequest, instrument: OrderInstrument, qty: int) -> dict[str, str | int]:
    """Side, type, quantity and prices of a new order, as the venue wants them for each type (venues.md 1.4)."""
    if request.post_only and (request.type is not OrderType.LIMIT or request.tif is not TimeInForce.GTC):
        raise ValueError(f"post-only is for LIMIT GTC, not for {request.type.name} {request.tif.name}")
    terms: dict[str, str | int] = {
        "symbol": instrument.symbol,
        "side": request.side.name,
        "type": "LIMIT_MAKER" if request.post_only else request.type.name,
    }
    if request.type in _PRICED:
        if not request.post_only:
            terms["timeInForce"] = request.tif.name
        terms["price"] = format_decimal(request.price, instrument.price_decimals)
    if request.type in _STOPS:
        terms["stopPrice"] = format_decimal(request.stop_price, instrument.price_decimals)
    if request.quote_qty and not qty:
        if request.type is not OrderType.MARKET:
            raise ValueError(f"a quantity in quote is for MARKET, not for {request.type.name}")
        decimals = instrument.price_decimals + instrument.qty_decimals
        terms["quoteOrderQty"] = _trimmed(format_decimal(request.quote_qty, decimals))
    else:
        terms["quantity"] = format_decimal(qty, instrument.qty_decimals)
    if request.stp is not SelfTradePrevention.NONE:
        terms["selfTradePreventionMode"] = request.stp.name
    return terms


def _trimmed(text: str) -> str:
    """Zeros at the end of an amount say nothing, and the venue counts its decimals."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def _target(
    request: OrderRequest, order: KnownOrder, by_venue_id: str, by_client_id: str
) -> dict[str, str | int]:
    """The order that a request is about: by venue id where it is known, which is also the fastest way there."""
    venue_order_id = request.venue_order_id or order.venue_order_id
    if venue_order_id:
        if not (venue_order_id.isascii() and venue_order_id.isdigit()):
            raise ValueError(f"{venue_order_id!r} is not an order id of this venue")
        return {by_venue_id: int(venue_order_id)}
    return {by_client_id: request.target_client_id or order.client_id}
