"""Symbols as ``exchangeInfo`` describes them: what the venue says, and the same as integers for its own checks.

Pure. Any thread. ``synthetic_symbols`` invents a list; ``modernise`` gives a captured symbol of another year the fields
that today's clients need.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from livestack.simulator.binance_spot.numbers import SCALE, parse8, text8

SYMBOLS_MAX = 2000  # about what the real venue lists; each costs some 100 KB, more with its history
STP_MODES = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT")
ORDER_TYPES = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
# Base, quote, price where it starts, tick, step, usual quantity; in words of 10**-8 once parsed.
_KNOWN = (
    ("BTC", "USDT", "60000", "0.01", "0.00001", "0.05"),
    ("ETH", "USDT", "3000", "0.01", "0.0001", "0.8"),
    ("ETH", "BTC", "0.05", "0.00001", "0.001", "0.6"),
    ("SOL", "USDT", "150", "0.01", "0.001", "12"),
    ("BNB", "USDT", "600", "0.01", "0.001", "3"),
    ("XRP", "USDT", "0.55", "0.0001", "1", "3000"),
    ("ADA", "USDT", "0.45", "0.0001", "0.1", "4000"),
    ("DOGE", "USDT", "0.12", "0.00001", "1", "15000"),
    ("LTC", "USDT", "85", "0.01", "0.001", "20"),
    ("SOL", "BTC", "0.0025", "0.0000001", "0.1", "10"),
)
# The venue's test network lists such a pair: a name that is more than ASCII, and is signed in three different ways.
_TEST = ("这是测试币", "456", "2", "0.001", "0.01", "50")
TEST_SYMBOL = _TEST[0] + _TEST[1]


@dataclass(slots=True)
class Symbol:
    """``info`` is the object in ``exchangeInfo``; ``filters`` its filters by type, decimals parsed to integers."""

    name: str
    base: str
    quote: str
    info: dict[str, Any]
    filters: dict[str, dict[str, int]]
    start_price: int = 0
    usual_qty: int = 0
    allowed_stp: frozenset[str] = field(default_factory=frozenset)
    order_types: frozenset[str] = field(default_factory=frozenset)

    @property
    def tick(self) -> int:
        return self.filters["PRICE_FILTER"]["tickSize"]

    @property
    def step(self) -> int:
        return self.filters["LOT_SIZE"]["stepSize"]

    @property
    def status(self) -> str:
        return str(self.info["status"])


def read_symbol(info: dict[str, Any], start_price: int = 0, usual_qty: int = 0) -> Symbol:
    """A symbol from its ``exchangeInfo`` object. ``ValueError`` where price * quantity would not be exact."""
    filters = {str(item["filterType"]): _integers(item) for item in info["filters"]}
    symbol = Symbol(
        str(info["symbol"]),
        str(info["baseAsset"]),
        str(info["quoteAsset"]),
        info,
        filters,
        start_price,
        usual_qty,
        frozenset(info["allowedSelfTradePreventionModes"]),
        frozenset(info["orderTypes"]),
    )
    if symbol.tick * symbol.step % SCALE:
        raise ValueError(f"{symbol.name}: tick times step has more than eight decimals")
    return symbol


def _integers(item: dict[str, Any]) -> dict[str, int]:
    """Decimal texts as integers of 10**-8, counts and flags as they are."""
    return {
        key: parse8(value) if isinstance(value, str) else int(value)
        for key, value in item.items()
        if key != "filterType"
    }


def synthetic_symbols(count: int, *, test_symbol: bool = False) -> list[Symbol]:
    """The first ``count`` of a fixed list: well-known pairs, then ``SIM<n>USDT``; ``test_symbol``: and that one."""
    rows = _rows(min(count, SYMBOLS_MAX))
    return [_synthetic(*row) for row in (*rows, *([_TEST] if test_symbol else []))]


def _rows(count: int) -> list[tuple[str, str, str, str, str, str]]:
    rows = list(_KNOWN[:count])
    for number in range(len(rows) + 1, count + 1):
        price = ("7.5", "42", "0.9", "310")[number % 4]
        rows.append((f"SIM{number}", "USDT", price, "0.001", "0.01", "50"))
    return rows


def _synthetic(base: str, quote: str, price: str, tick: str, step: str, qty: str) -> Symbol:
    minimum = {"USDT": "5.00000000"}.get(quote, "0.00010000")
    maximum = {"USDT": "9000000.00000000"}.get(quote, "150.00000000")
    filters: list[dict[str, Any]] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": text8(parse8(tick)),
            "maxPrice": "1000000.00000000",
            "tickSize": text8(parse8(tick)),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": text8(parse8(step)),
            "maxQty": "9000000.00000000",
            "stepSize": text8(parse8(step)),
        },
        {"filterType": "ICEBERG_PARTS", "limit": 100},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": "0.00000000",
            "maxQty": text8(parse8(qty) * 2000),
            "stepSize": "0.00000000",
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": "5",
            "bidMultiplierDown": "0.2",
            "askMultiplierUp": "5",
            "askMultiplierDown": "0.2",
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": minimum,
            "applyMinToMarket": True,
            "maxNotional": maximum,
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
    ]
    info = {
        "symbol": base + quote,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": quote,
        "orderTypes": list(ORDER_TYPES),
        "filters": filters,
        "permissions": [],
    }
    return read_symbol(modernise(info), parse8(price), parse8(qty))


def modernise(info: dict[str, Any]) -> dict[str, Any]:
    """``info`` with every field that today's ``exchangeInfo`` has, in the venue's order; its own values win."""
    complete: dict[str, Any] = {
        "symbol": "",
        "status": "TRADING",
        "baseAsset": "",
        "baseAssetPrecision": 8,
        "quoteAsset": "",
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": [],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": list(STP_MODES),
    }
    complete.update(info)
    kinds = {item["filterType"] for item in complete["filters"]}
    filters = sorted(complete["filters"], key=lambda item: item["filterType"] != "PRICE_FILTER")
    if "MAX_NUM_ORDER_AMENDS" not in kinds:
        filters.append({"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10})
    complete["filters"] = filters
    complete["permissions"] = []
    return complete
