"""The shapes of private messages, as the documentation prints them."""

from __future__ import annotations

import msgspec
import pytest

from livestack.venues.binance_spot.private_messages import (
    AmendResult,
    CancelAllItem,
    Reply,
    ServerTime,
    SocketMessage,
)


def test_a_refusal_has_code_text_and_data() -> None:
    """As the WebSocket API answers; ``retryAfter`` is inside ``data``."""
    frame = b'{"id":3,"status":429,"error":{"code":-1003,"msg":"Too much","data":{"retryAfter":5}},"rateLimits":[]}'
    reply = Reply.of(msgspec.json.decode(frame, type=SocketMessage), 9, frame)
    assert (reply.status, reply.code, reply.text, reply.is_ok, reply.recv_ns) == (
        429,
        -1003,
        "Too much",
        False,
        9,
    )
    assert bytes(reply.error) == b'{"retryAfter":5}'


def test_a_result_is_read_as_what_it_is_expected_to_be() -> None:
    """And anything else is an error."""
    frame = b'{"id":3,"status":200,"result":{"serverTime":12}}'
    reply = Reply.of(msgspec.json.decode(frame, type=SocketMessage), 0, frame)
    assert reply.read(ServerTime).server_ms == 12
    with pytest.raises(msgspec.ValidationError):
        reply.read(AmendResult)


def test_an_amendment_spells_its_quantity_otherwise() -> None:
    """``qty`` instead of ``origQty`` (venues.md fact 8)."""
    text = b'{"transactTime":1,"amendedOrder":{"symbol":"A","orderId":1,"clientOrderId":"x","price":"1","qty":"5.0"}}'
    assert msgspec.json.decode(text, type=AmendResult).order.amended_qty == "5.0"


def test_cancel_all_answers_with_orders_and_lists_of_orders() -> None:
    """A list's own orders are under ``orderReports``."""
    text = b'[{"symbol":"A","orderId":1},{"symbol":"A","orderReports":[{"symbol":"A","orderId":2}]}]'
    one, listed = msgspec.json.decode(text, type=list[CancelAllItem])
    assert (one.venue_order_id, one.reports) == (1, [])
    assert [order.venue_order_id for order in listed.reports] == [2]
