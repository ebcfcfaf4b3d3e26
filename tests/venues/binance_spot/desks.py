"""What somebody else does on the same account, and what tests look at again and again."""

from __future__ import annotations

import json
from collections.abc import Callable

from livestack.core.events import IncidentClosed, IncidentOpened
from livestack.simulator.binance_spot.exchange import NewOrder
from livestack.simulator.binance_spot.front import ACCOUNT
from livestack.simulator.orders import BUY, OrderType
from tests.venues.binance_spot.venue import Desk

Change = Callable[[str], list[str]]

PERIOD = 60
"""Seconds between two comparisons."""

LOOKS = ("openOrders.status", "myTrades", "account.status")
"""What one comparison asks."""


def place_by_hand(desk: Desk, client_id: str, price: int = 0) -> int:
    """Somebody else on the account buys a lot, by a web page; returns the venue's id."""
    desk.venue.advance(desk.now_ns)
    price = price or desk.far_bid
    symbol = desk.instrument.symbol
    new = NewOrder(symbol, BUY, OrderType.LIMIT, "GTC", price, desk.lot, 0, 0, "NONE", client_id)
    order_id = desk.venue.exchange.place(ACCOUNT, new).order_id
    desk.venue.advance(desk.now_ns)
    desk.settle()
    return order_id


def cancel_by_hand(desk: Desk, order_id: int, client_id: str) -> None:
    """Somebody else on the account cancels that order."""
    desk.venue.advance(desk.now_ns)
    exchange = desk.venue.exchange
    exchange.cancel(exchange.orders[order_id], client_id)
    desk.venue.advance(desk.now_ns)
    desk.settle()


def methods(desk: Desk) -> list[str]:
    """What was asked and sent, in order."""
    return [json.loads(text)["method"] for text in desk.sent]


def replies_to(desk: Desk, method: str, times: int, answer: Callable[[int], dict[str, object]]) -> Change:
    """A ``change`` that puts ``answer(id)`` in the place of the first replies to ``method``."""
    left = [times]

    def change(frame: str) -> list[str]:
        number = json.loads(frame).get("id")
        asked = {json.loads(text)["id"]: json.loads(text)["method"] for text in desk.sent[-20:]}
        if number is not None and asked.get(number) == method and left[0]:
            left[0] -= 1
            return [json.dumps(answer(number))]
        return [frame]

    return change


def no_events(frame: str) -> list[str]:
    """A ``change``: the private stream is silent, replies come."""
    return [] if '"event"' in frame else [frame]


def incidents(desk: Desk) -> list[tuple[str, str, str]]:
    """Each incident's kind of Event, name and detail."""
    return [
        (type(event).__name__, event.name, event.detail)
        for event in desk.events
        if isinstance(event, IncidentOpened | IncidentClosed)
    ]


def looks(desk: Desk) -> list[str]:
    """What the comparison asked, in order."""
    return [method for method in methods(desk) if method in (*LOOKS, "order.status")]


def told(desk: Desk, since: int) -> list[str]:
    """Names of the Events, but of the limits' and the clock's."""
    return [name for name in desk.names(since) if name not in ("RateLimitReport", "VenueClock")]


def quiet(desk: Desk) -> int:
    """Forget what was sent; how many Events there were."""
    desk.sent.clear()
    return len(desk.events)
