"""What is asked of the venue: exactly what each order type needs, or a refusal before anything is sent."""

from __future__ import annotations

import json

import pytest

from livestack.core.types import (
    OrderType,
    Side,
    TimeInForce,
)
from tests.venues.binance_spot.venue import Desk


def test_what_the_protocol_cannot_express_is_refused_before_it_is_sent() -> None:
    """A sentence, and nothing is remembered."""
    desk = Desk().connect()
    for bad, sentence in [
        ({"post_only": True, "tif": TimeInForce.IOC}, "post-only"),
        ({"quote_qty": 5, "qty": 0}, "MARKET"),
    ]:
        request = desk.new(**{"price": desk.far_bid, "qty": desk.lot, **bad})  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=sentence):
            desk.adapter.encode(request, desk.now_ns, desk.now_ns)


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({"type": OrderType.LIMIT}, {"type": "LIMIT", "timeInForce": "GTC", "price": 1, "quantity": 1}),
        ({"type": OrderType.LIMIT, "post_only": True}, {"type": "LIMIT_MAKER", "price": 1, "quantity": 1}),
        ({"type": OrderType.MARKET}, {"type": "MARKET", "quantity": 1}),
        ({"type": OrderType.MARKET, "qty": 0, "quote_qty": 10**17}, {"type": "MARKET", "quoteOrderQty": 1}),
        (
            {"type": OrderType.STOP_LOSS, "stop_price": 5},
            {"type": "STOP_LOSS", "stopPrice": 1, "quantity": 1},
        ),
        (
            {"type": OrderType.TAKE_PROFIT_LIMIT, "stop_price": 5},
            {"type": "TAKE_PROFIT_LIMIT", "stopPrice": 1, "price": 1, "timeInForce": "GTC", "quantity": 1},
        ),
    ],
)
def test_each_order_type_says_what_the_venue_wants(
    terms: dict[str, object], expected: dict[str, object]
) -> None:
    """Exactly the mandatory parameters of the type, strings for numbers."""
    desk = Desk().connect()
    request = desk.new(**{"price": desk.far_bid, "qty": desk.lot, "side": Side.SELL, **terms})  # type: ignore[arg-type]
    parameters = json.loads(desk.adapter.encode(request, desk.now_ns, desk.now_ns).payload)["params"]
    always = {
        "symbol",
        "side",
        "newClientOrderId",
        "newOrderRespType",
        "recvWindow",
        "apiKey",
        "timestamp",
        "signature",
    }
    assert set(parameters) - always == set(expected)
    assert parameters["type"] == expected["type"]
    assert parameters["side"] == "SELL"
    assert all(isinstance(parameters[name], str) for name in expected)
