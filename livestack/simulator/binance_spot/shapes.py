"""Orders, fills and reports in the venue's own JSON shapes (venues.md 1.4 order response fields, 1.6 executionReport).

Pure. Any thread. Spelling differs between shapes on purpose: amended orders say ``cumulativeQuoteQty`` and ``qty``, all
others ``cummulativeQuoteQty`` and ``origQty``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from livestack.simulator.accounts import Account
from livestack.simulator.binance_spot.numbers import SCALE, text8
from livestack.simulator.orders import BUY, STOP_TYPES, Expiry, Order

NANOS_PER_MS = 1_000_000
SIDES = ("BUY", "SELL")
FEE_SCALE = 10_000  # fees are counted in basis points


@dataclass(slots=True, frozen=True)
class Fill:
    """One of our trades, from one order's point of view. Integers of 10**-8."""

    account: str
    symbol: str
    trade_id: int
    order_id: int
    client_id: str
    side: int
    price: int
    qty: int
    quote_qty: int
    commission: int
    commission_asset: str
    time_ns: int
    maker: bool

    def listed(self) -> dict[str, Any]:
        """As ``myTrades`` has it."""
        return {
            "symbol": self.symbol,
            "id": self.trade_id,
            "orderId": self.order_id,
            "orderListId": -1,
            "price": text8(self.price),
            "qty": text8(self.qty),
            "quoteQty": text8(self.quote_qty),
            "commission": text8(self.commission),
            "commissionAsset": self.commission_asset,
            "time": self.time_ns // NANOS_PER_MS,
            "isBuyer": self.side == BUY,
            "isMaker": self.maker,
            "isBestMatch": True,
        }

    def in_response(self) -> dict[str, Any]:
        """As a FULL response has it."""
        return {
            "price": text8(self.price),
            "qty": text8(self.qty),
            "commission": text8(self.commission),
            "commissionAsset": self.commission_asset,
            "tradeId": self.trade_id,
        }


def _terms(order: Order) -> dict[str, Any]:
    return {
        "price": text8(order.price),
        "origQty": text8(order.qty),
        "executedQty": text8(order.executed),
        "origQuoteOrderQty": text8(order.quote_qty),
        "cummulativeQuoteQty": text8(order.executed_quote // SCALE),
        "status": order.status,
        "timeInForce": order.tif,
        "type": order.type.value,
        "side": SIDES[order.side],
    }


def _conditional(order: Order) -> dict[str, Any]:
    """Fields that are there only where they mean something."""
    more: dict[str, Any] = {}
    if order.type in STOP_TYPES:
        more["stopPrice"] = text8(order.stop_price)
    if order.strategy_id is not None:
        more["strategyId"] = order.strategy_id
    if order.strategy_type is not None:
        more["strategyType"] = order.strategy_type
    if order.prevented:
        more["preventedMatchId"] = order.prevented_match
        more["preventedQuantity"] = text8(order.prevented)
    if order.expiry not in (None, Expiry.SELF_TRADE):
        more["expiryReason"] = order.expiry.value if order.expiry else ""
    return more


def acknowledged(order: Order) -> dict[str, Any]:
    """The ACK answer to a new order."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "transactTime": order.updated_ns // NANOS_PER_MS,
    }


def placed(order: Order, fills: list[Fill], response_type: str) -> dict[str, Any]:
    """The answer to a new order: ``response_type`` ACK, RESULT or FULL."""
    answer = acknowledged(order)
    if response_type == "ACK":
        return answer
    answer.update(_terms(order))
    answer["workingTime"] = order.working_ns // NANOS_PER_MS if order.working_ns else -1
    answer["selfTradePreventionMode"] = order.stp
    answer.update(_conditional(order))
    if response_type == "FULL":
        answer["fills"] = [fill.in_response() for fill in fills]
    return answer


def cancelled(order: Order) -> dict[str, Any]:
    """The answer to a cancel: ``clientOrderId`` is the cancel's own id now."""
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.original_client_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "transactTime": order.updated_ns // NANOS_PER_MS,
        **_terms(order),
        "selfTradePreventionMode": order.stp,
        **_conditional(order),
    }


def queried(order: Order) -> dict[str, Any]:
    """One order as queries show it."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "price": text8(order.price),
        "origQty": text8(order.qty),
        "executedQty": text8(order.executed),
        "cummulativeQuoteQty": text8(order.executed_quote // SCALE),
        "status": order.status,
        "timeInForce": order.tif,
        "type": order.type.value,
        "side": SIDES[order.side],
        "stopPrice": text8(order.stop_price),
        "icebergQty": text8(0),
        "time": order.created_ns // NANOS_PER_MS,
        "updateTime": order.updated_ns // NANOS_PER_MS,
        "isWorking": not order.is_stop,
        "workingTime": order.working_ns // NANOS_PER_MS if order.working_ns else -1,
        "origQuoteOrderQty": text8(order.quote_qty),
        "selfTradePreventionMode": order.stp,
        **{key: value for key, value in _conditional(order).items() if key != "stopPrice"},
    }


def amended(order: Order, execution_id: int) -> dict[str, Any]:
    """The answer to an amendment."""
    return {
        "transactTime": order.updated_ns // NANOS_PER_MS,
        "executionId": execution_id,
        "amendedOrder": {
            "symbol": order.symbol,
            "orderId": order.order_id,
            "orderListId": -1,
            "origClientOrderId": order.original_client_id,
            "clientOrderId": order.client_id,
            "price": text8(order.price),
            "qty": text8(order.qty),
            "executedQty": text8(order.executed),
            "preventedQty": text8(order.prevented),
            "quoteOrderQty": text8(order.quote_qty),
            "cumulativeQuoteQty": text8(order.executed_quote // SCALE),
            "status": order.status,
            "timeInForce": order.tif,
            "type": order.type.value,
            "side": SIDES[order.side],
            "workingTime": order.working_ns // NANOS_PER_MS if order.working_ns else -1,
            "selfTradePreventionMode": order.stp,
        },
    }


def execution_report(
    order: Order, execution: str, execution_id: int, now_ns: int, *, fill: Fill | None = None
) -> dict[str, Any]:
    """One executionReport, every letter of it, as the order stands now. ``fill`` for TRADE only."""
    now_ms = now_ns // NANOS_PER_MS
    report: dict[str, Any] = {
        "e": "executionReport",
        "E": now_ms,
        "s": order.symbol,
        "c": order.client_id,
        "S": SIDES[order.side],
        "o": order.type.value,
        "f": order.tif,
        "q": text8(order.qty),
        "p": text8(order.price),
        "P": text8(order.stop_price),
        "F": text8(0),
        "g": -1,
        "C": order.original_client_id if execution in ("CANCELED", "REPLACED") else "",
        "x": execution,
        "X": order.status,
        "r": "NONE",
        "i": order.order_id,
        "l": text8(fill.qty if fill else 0),
        "z": text8(order.executed),
        "L": text8(fill.price if fill else 0),
        "n": text8(fill.commission) if fill else "0",
        "N": fill.commission_asset if fill else None,
        "T": now_ms,
        "t": fill.trade_id if fill else -1,
        "I": execution_id,
        "w": order.open and not order.is_stop and (order.resting or execution == "NEW"),
        "m": fill.maker if fill else False,
        "M": fill is not None,
        "O": order.created_ns // NANOS_PER_MS,
        "Z": text8(order.executed_quote // SCALE),
        "Y": text8(fill.quote_qty if fill else 0),
        "Q": text8(order.quote_qty),
        "V": order.stp,
    }
    if order.working_ns:
        report["W"] = order.working_ns // NANOS_PER_MS
    if order.strategy_id is not None:
        report["j"] = order.strategy_id
    if order.strategy_type is not None:
        report["J"] = order.strategy_type
    if order.prevented:
        report["A"] = text8(order.prevented)
    if order.expiry not in (None, Expiry.SELF_TRADE) and execution == "EXPIRED":
        report["eR"] = order.expiry.value if order.expiry else ""
    return report


def account_position(account: Account, assets: list[str], now_ns: int) -> dict[str, Any]:
    """outboundAccountPosition for the assets that may have changed."""
    now_ms = now_ns // NANOS_PER_MS
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": now_ms,
        "B": [
            {"a": asset, "f": text8(account.balance(asset).free), "l": text8(account.balance(asset).locked)}
            for asset in assets
        ],
    }


def account_status(account: Account, maker_fee: int, taker_fee: int, *, omit_zero: bool) -> dict[str, Any]:
    """The answer of ``account``. Fees in basis points."""
    balances = [
        {"asset": asset, "free": text8(balance.free), "locked": text8(balance.locked)}
        for asset, balance in account.balances.items()
        if not omit_zero or balance.free or balance.locked
    ]
    return {
        "makerCommission": maker_fee,
        "takerCommission": taker_fee,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": commission_rates(maker_fee, taker_fee),
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": account.updated_ns // NANOS_PER_MS,
        "accountType": "SPOT",
        "balances": balances,
        "permissions": ["SPOT"],
        "uid": account.uid,
    }


def commission_rates(maker_fee: int, taker_fee: int) -> dict[str, str]:
    """Fees in basis points, as ``account/commission`` writes rates."""
    return {
        "maker": text8(maker_fee * SCALE // FEE_SCALE),
        "taker": text8(taker_fee * SCALE // FEE_SCALE),
        "buyer": text8(0),
        "seller": text8(0),
    }


def commission_discount() -> dict[str, Any]:
    """Nobody pays with the venue's own coin here."""
    return {
        "enabledForAccount": False,
        "enabledForSymbol": False,
        "discountAsset": "BNB",
        "discount": text8(0),
    }


def commission_for_order(maker_fee: int, taker_fee: int) -> dict[str, Any]:
    """The answer to an order test that asks for them; an order's rates are of two kinds only."""

    def rates(maker: int, taker: int) -> dict[str, str]:
        full = commission_rates(maker, taker)
        return {"maker": full["maker"], "taker": full["taker"]}

    return {
        "standardCommissionForOrder": rates(maker_fee, taker_fee),
        "specialCommissionForOrder": rates(0, 0),
        "taxCommissionForOrder": rates(0, 0),
        "discount": commission_discount(),
    }
