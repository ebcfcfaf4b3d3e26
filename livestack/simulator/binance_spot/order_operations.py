"""New orders, cancels, replaces and amendments: parameters into the exchange, answers out (venues.md 1.4).

Pure. Runs on the venue's thread. One function per operation, for both front ends; refusals are ``VenueError``s.
"""

from __future__ import annotations

from typing import Any

from livestack.simulator.binance_spot import errors, shapes
from livestack.simulator.binance_spot.errors import VenueError
from livestack.simulator.binance_spot.exchange import Exchange, NewOrder
from livestack.simulator.binance_spot.params import Params
from livestack.simulator.binance_spot.records import Amendment
from livestack.simulator.orders import BUY, MARKET_TYPES, SELL, STOP_TYPES, Order, OrderType

TIMES_IN_FORCE = ("GTC", "IOC", "FOK")
STP_MODES = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER")
STRATEGY_TYPE_MIN = 1_000_000  # the venue keeps those below for itself
RESPONSE_TYPES = ("ACK", "RESULT", "FULL")
RESTRICTIONS = {"ONLY_NEW": "NEW", "ONLY_PARTIALLY_FILLED": "PARTIALLY_FILLED"}
UNSUPPORTED = (
    ("icebergQty", "Iceberg orders are not supported for this symbol."),
    ("trailingDelta", "Trailing stop orders are not supported for this symbol."),
    ("pegPriceType", "Pegged orders are not supported for this symbol."),
)


def read_new_order(exchange: Exchange, params: Params) -> NewOrder:
    """A new order from its parameters, with the checks that need nothing else."""
    symbol = exchange.listing(params.text("symbol")).symbol
    side = {"BUY": BUY, "SELL": SELL}.get(params.text("side"))
    if side is None:
        raise VenueError(400, -1117, "Invalid side.")
    name = params.text("type")
    if name not in OrderType.__members__ or name not in symbol.order_types:
        raise VenueError(400, -1116, "Invalid orderType.")
    kind = OrderType(name)
    for parameter, message in UNSUPPORTED:
        if params.has(parameter):
            raise VenueError(400, -1013, message)
    tif = _time_in_force(kind, params)
    _check_combination(kind, params)
    stp = params.optional("selfTradePreventionMode") or symbol.info["defaultSelfTradePreventionMode"]
    if stp not in STP_MODES:
        raise VenueError(400, -1130, "Data sent for parameter 'selfTradePreventionMode' is not valid.")
    new = NewOrder(
        symbol.name,
        side,
        kind,
        tif,
        params.decimal("price"),
        params.decimal("quantity"),
        params.decimal("quoteOrderQty"),
        params.decimal("stopPrice"),
        stp,
        params.client_id("newClientOrderId") or exchange.generated_id(),
        params.integer("strategyId"),
        params.integer("strategyType"),
    )
    if new.strategy_type is not None and new.strategy_type < STRATEGY_TYPE_MIN:
        raise VenueError(400, -1130, "Data sent for parameter 'strategyType' is not valid.")
    if not new.qty and not new.quote_qty:
        raise VenueError(400, -1013, "Invalid quantity.")
    if kind not in MARKET_TYPES and not new.price:
        raise VenueError(400, -1013, "Invalid price.")
    return new


def _time_in_force(kind: OrderType, params: Params) -> str:
    if kind in MARKET_TYPES or kind is OrderType.LIMIT_MAKER:
        if params.has("timeInForce"):
            raise errors.not_required("timeInForce")
        return "GTC"
    tif = params.text("timeInForce")
    if tif not in TIMES_IN_FORCE:
        raise VenueError(400, -1115, "Invalid timeInForce.")
    return tif


def _check_combination(kind: OrderType, params: Params) -> None:
    """Which of price, stopPrice, quantity and quoteOrderQty a type wants, and which it does not."""
    wanted = {"quantity"}
    if kind not in MARKET_TYPES:
        wanted.add("price")
    if kind in STOP_TYPES:
        wanted.add("stopPrice")
    if kind is OrderType.MARKET and params.has("quoteOrderQty"):
        wanted = {"quoteOrderQty"}
    for name in ("quantity", "price", "stopPrice", "quoteOrderQty"):
        if name in wanted:
            params.text(name)
        elif params.has(name):
            raise errors.not_required(name)


def _response_type(params: Params, kind: OrderType) -> str:
    wanted = params.optional("newOrderRespType")
    if wanted is None:
        return "FULL" if kind in (OrderType.LIMIT, OrderType.MARKET) else "ACK"
    if wanted not in RESPONSE_TYPES:
        raise VenueError(400, -1130, "Data sent for parameter 'newOrderRespType' is not valid.")
    return wanted


def place(exchange: Exchange, account: str, params: Params) -> dict[str, Any]:
    new = read_new_order(exchange, params)
    response_type = _response_type(params, new.type)
    exchange.check(account, new)
    return _place(exchange, account, new, response_type)


def _place(exchange: Exchange, account: str, new: NewOrder, response_type: str) -> dict[str, Any]:
    order = exchange.place(account, new)
    fills = [fill for fill in exchange.request_fills if fill.order_id == order.order_id]
    return shapes.placed(order, fills, response_type)


def test(exchange: Exchange, account: str, params: Params) -> dict[str, Any]:
    new = read_new_order(exchange, params)
    _response_type(params, new.type)
    exchange.check(account, new)
    if not params.flag("computeCommissionRates", False):
        return {}
    return shapes.commission_for_order(exchange.maker_fee, exchange.taker_fee)


def test_weight(params: Params) -> int:
    return 20 if params.flag("computeCommissionRates", False) else 1


def find_order(exchange: Exchange, account: str, params: Params, prefix: str = "") -> Order | None:
    """The order that ``orderId`` or ``origClientOrderId`` names (with ``prefix`` before both), if there is one."""
    id_name = "cancelOrderId" if prefix else "orderId"
    client_name = "cancelOrigClientOrderId" if prefix else "origClientOrderId"
    order_id, client_id = params.integer(id_name), params.client_id(client_name)
    if order_id is None and client_id is None:
        text = f"Param '{client_name}' or '{id_name}' must be sent, but both were empty/null!"
        raise VenueError(400, -1102, text)
    symbol = exchange.listing(params.text("symbol")).symbol.name
    order = exchange.find(account, symbol, order_id, client_id)
    if order is not None and client_id is not None and order.client_id != client_id:
        raise VenueError(400, -2039, "Client order ID is not correct for this order ID.")
    return order


def _cancel(exchange: Exchange, account: str, params: Params, prefix: str = "") -> dict[str, Any]:
    restriction = params.optional("cancelRestrictions")
    if restriction is not None and restriction not in RESTRICTIONS:
        raise VenueError(400, -1145, "Invalid cancelRestrictions")
    try:
        order = find_order(exchange, account, params, prefix)
    except VenueError as error:
        if error.code != -2039:
            raise
        order = None
    if order is None or not order.open:
        raise errors.cancel_rejected(errors.UNKNOWN_ORDER)
    if restriction is not None and order.status != RESTRICTIONS[restriction]:
        raise errors.cancel_rejected(errors.NOT_CANCELLED_RESTRICTIONS)
    client_id = params.client_id("cancelNewClientOrderId" if prefix else "newClientOrderId")
    exchange.cancel(order, client_id or exchange.generated_id())
    return shapes.cancelled(order)


def cancel(exchange: Exchange, account: str, params: Params) -> dict[str, Any]:
    return _cancel(exchange, account, params)


def cancel_all(exchange: Exchange, account: str, params: Params) -> list[dict[str, Any]]:
    orders = exchange.open_orders(account, exchange.listing(params.text("symbol")).symbol.name)
    if not orders:
        raise errors.cancel_rejected(errors.UNKNOWN_ORDER)
    reports = []
    for order in orders:
        exchange.cancel(order, exchange.generated_id())
        reports.append(shapes.cancelled(order))
    return reports


def cancel_replace(exchange: Exchange, account: str, params: Params) -> dict[str, Any]:
    """Cancel, then place; not a transaction. Filters and order count come before both (the outcome table of 1.4)."""
    mode = params.text("cancelReplaceMode")
    if mode not in ("STOP_ON_FAILURE", "ALLOW_FAILURE"):
        raise VenueError(400, -1130, "Data sent for parameter 'cancelReplaceMode' is not valid.")
    exceeded_mode = params.optional("orderRateLimitExceededMode") or "DO_NOTHING"
    if exceeded_mode not in ("DO_NOTHING", "CANCEL_ONLY"):
        raise VenueError(400, -1130, "Data sent for parameter 'orderRateLimitExceededMode' is not valid.")
    new = read_new_order(exchange, params)
    response_type = _response_type(params, new.type)
    refused: VenueError | None = None
    try:
        exchange.check(account, new)
    except VenueError as error:
        if error.code != -1015 or exceeded_mode == "DO_NOTHING":
            raise
        refused = error
    data: dict[str, Any] = {"cancelResult": "SUCCESS", "newOrderResult": "SUCCESS"}
    try:
        data["cancelResponse"] = _cancel(exchange, account, params, "cancel")
    except VenueError as error:
        if error.code == -1102:
            raise
        data.update(cancelResult="FAILURE", cancelResponse=error.body())
    if data["cancelResult"] == "FAILURE" and mode == "STOP_ON_FAILURE":
        exchange.limits.count_order(1, exchange.now_ns)
        data.update(newOrderResult="NOT_ATTEMPTED", newOrderResponse=None)
        raise VenueError(400, -2022, "Order cancel-replace failed.", data)
    try:
        if refused is not None:
            raise refused
        data["newOrderResponse"] = _place(exchange, account, new, response_type)
    except VenueError as error:
        data.update(newOrderResult="FAILURE", newOrderResponse={"code": error.code, "msg": error.message})
    return _replace_outcome(data, limited=refused is not None)


def _replace_outcome(data: dict[str, Any], *, limited: bool) -> dict[str, Any]:
    failures = [data["cancelResult"], data["newOrderResult"]].count("FAILURE")
    if failures == 0:
        return data
    if failures == 2:
        raise VenueError(400, -2022, "Order cancel-replace failed.", data)
    raise VenueError(429 if limited else 409, -2021, "Order cancel-replace partially failed.", data)


def amend(exchange: Exchange, account: str, params: Params) -> dict[str, Any]:
    """Lower the quantity, keep the place in the queue."""
    symbol = exchange.listing(params.text("symbol")).symbol
    params.text("newQty")
    qty = params.decimal("newQty")
    client_id = params.client_id("newClientOrderId") or exchange.generated_id()
    if not symbol.info["amendAllowed"]:
        raise errors.amend_rejected(errors.AMEND_NOT_SUPPORTED)
    order = find_order(exchange, account, params)
    if order is None or not order.open:
        raise errors.amend_rejected(errors.UNKNOWN_ORDER)
    lot = symbol.filters["LOT_SIZE"]
    if qty < lot["minQty"] or (qty - lot["minQty"]) % lot["stepSize"]:
        raise errors.filter_failure("LOT_SIZE")
    if qty > order.qty:
        raise errors.amend_rejected(errors.AMEND_INCREASE)
    if qty == order.qty or qty <= order.executed + order.prevented:
        raise errors.amend_rejected(errors.AMEND_NO_CHANGE)
    if order.amends >= symbol.filters["MAX_NUM_ORDER_AMENDS"]["maxNumOrderAmends"]:
        raise errors.amend_rejected("Filter failure: MAX_NUM_ORDER_AMENDS")
    before = order.qty
    execution_id = exchange.amend(order, qty, client_id)
    exchange.records.amendments.append(
        Amendment(
            account,
            order.symbol,
            order.order_id,
            execution_id,
            order.original_client_id,
            order.client_id,
            before,
            qty,
            exchange.now_ns,
        )
    )
    return shapes.amended(order, execution_id)
