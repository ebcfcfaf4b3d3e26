"""Answers to dispatches: what they prove, whoever gives them, and that they have to be about the request."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from livestack.core.events import OrderAccepted, OrderCancelled, OrderReplaced
from livestack.venues.adapter import Fetch, Fetched
from tests.venues.binance_spot.test_paths import over_rest
from tests.venues.binance_spot.venue import Desk, query

Spoil = Callable[[dict[str, Any]], None]


def orders_told(desk: Desk, since: int) -> list[str]:
    return [name for name in desk.names(since) if name.startswith(("Order", "Cancel", "Replace"))]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, b'{"code":403,"message":"Forbidden"}'),
        (403, b'{"code":0,"msg":""}'),
        (403, b"<html>"),
        (408, b'{"code":408,"msg":"Request Timeout"}'),
        (408, b'{"code":-1013,"msg":"Filter failure: LOT_SIZE"}'),
        (409, b'{"code":0,"msg":""}'),
        (302, b""),
        (200, b""),
    ],
)
def test_whoever_stands_before_the_venue_proves_nothing(status: int, body: bytes) -> None:
    """A firewall's or a proxy's answer to an order that stands: no Event, and the order is found by its id."""
    desk = over_rest()

    def answer(fetch: Fetch, real: Fetched) -> Fetched:
        if fetch.method != "POST":
            return real
        return Fetched(fetch.fetch_id, status, (), body, "", real.begun_ns, real.recv_ns)

    desk.answer = answer
    since = len(desk.events)
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    assert [] == orders_told(desk, since)
    assert 1 == len(desk.venue.open_orders)
    query(desk, order)
    desk.wait(1)
    assert "OrderReport" in orders_told(desk, since)


def test_a_status_without_any_error_proves_nothing() -> None:
    """Over the socket too."""
    desk = Desk().connect()

    def change(frame: str) -> list[str]:
        document = json.loads(frame)
        return [json.dumps({"id": document["id"], "status": 403})] if "status" in document else []

    desk.change = change
    since = len(desk.events)
    desk.send(desk.new(desk.far_bid, desk.lot))
    assert [] == orders_told(desk, since)


def name(field: str, value: str, *inside: str) -> Spoil:
    """In the result, or an object ``inside`` it, ``field`` says something else."""

    def spoil(result: dict[str, Any]) -> None:
        for key in inside:
            result = result[key]
        result[field] = value

    return spoil


def spoilt(desk: Desk, spoil: Spoil) -> None:
    """The private stream is silent, and replies with an order in them are changed."""

    def change(frame: str) -> list[str]:
        document = json.loads(frame)
        if "status" not in document:
            return []
        result = document.get("result", {})
        if document["id"] == json.loads(desk.sent[-1])["id"]:
            spoil(result)
        return [json.dumps(document)]

    desk.change = change


PLACED = [name("clientOrderId", "Abcde1234-9-1"), name("symbol", "ETHUSDT")]
CANCELLED = [
    name("clientOrderId", "Abcde1234-9-2"),
    name("symbol", "ETHUSDT"),
    lambda result: result.update(origClientOrderId="Abcde1234-9-1", orderId=99),
]
REPLACED = [
    name("clientOrderId", "Abcde1234-9-2", "newOrderResponse"),
    name("symbol", "ETHUSDT", "newOrderResponse"),
    name("clientOrderId", "Abcde1234-9-2_c", "cancelResponse"),
]
AMENDED = [
    name("clientOrderId", "Abcde1234-9-2", "amendedOrder"),
    name("symbol", "ETHUSDT", "amendedOrder"),
]


@pytest.mark.parametrize("spoil", PLACED)
def test_a_new_that_is_answered_with_another_order_is_unknown(spoil: Spoil) -> None:
    """Another name or another symbol: no Event and a complaint; then it is found by its id."""
    desk = Desk().connect()
    spoilt(desk, spoil)
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    assert [] == desk.of(OrderAccepted)
    assert {"bad_reply": 1} == desk.adapter.faults
    desk.change = lambda frame: [frame]
    since = len(desk.events)
    query(desk, order)
    desk.wait(1)
    assert ["OrderReport"] == orders_told(desk, since)


@pytest.mark.parametrize("spoil", CANCELLED)
def test_a_cancel_that_is_answered_with_another_order_is_unknown(spoil: Spoil) -> None:
    """Not this cancel, not this symbol, not this order."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    spoilt(desk, spoil)
    desk.cancel(order)
    assert [] == desk.of(OrderCancelled)
    assert {"bad_reply": 1} == desk.adapter.faults


@pytest.mark.parametrize("spoil", REPLACED)
def test_a_replace_that_is_answered_with_another_order_is_unknown(spoil: Spoil) -> None:
    """Either half of it."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    spoilt(desk, spoil)
    desk.replace(order, desk.far_bid - desk.instrument.price_tick, 3 * desk.lot)
    assert [] == desk.of(OrderReplaced)
    assert {"bad_reply": 1} == desk.adapter.faults


@pytest.mark.parametrize("spoil", AMENDED)
def test_an_amendment_that_is_answered_with_another_order_is_unknown(spoil: Spoil) -> None:
    """The order keeps the terms that are known."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.far_bid, 3 * desk.lot))
    spoilt(desk, spoil)
    desk.replace(order, desk.far_bid, 2 * desk.lot)
    assert [] == desk.of(OrderReplaced)
    assert {"bad_reply": 1} == desk.adapter.faults


def test_a_cancel_of_an_order_that_somebody_renamed_is_its_answer() -> None:
    """Its name is another one by then, and the venue's id the same."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    spoilt(desk, name("origClientOrderId", "web_1"))
    desk.cancel(order)
    assert 1 == len(desk.of(OrderCancelled))
    assert {} == desk.adapter.faults
