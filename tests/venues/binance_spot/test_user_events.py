"""Events of the private stream while two links bring them: each applied once, whatever comes first."""

from __future__ import annotations

import json

from livestack.core.events import (
    BalanceReport,
    OrderAccepted,
    OrderCancelled,
    OrderFill,
    OrderReplaced,
)
from tests.venues.binance_spot.venue import Desk


def position(free: str, at_ms: int) -> bytes:
    balances = [{"a": "USDT", "f": free, "l": "0"}]
    event = {"e": "outboundAccountPosition", "E": at_ms, "u": at_ms, "B": balances}
    return json.dumps({"subscriptionId": 0, "event": event}).encode()


def test_every_event_comes_twice_and_counts_once() -> None:
    """While both links are subscribed: one Event each for acceptance, replacement and end, each fill once by its id."""
    desk = Desk().connect()
    desk.change = lambda frame: []
    kept = desk.send(desk.new(desk.far_bid, desk.lot))  # keeps the old link open
    desk.change = lambda frame: [frame]
    desk.connect()
    order = desk.send(desk.new(desk.best, 4 * desk.lot))
    desk.hit(desk.best - 100 * desk.instrument.price_tick, desk.lot)
    replace = desk.replace(order, desk.far_bid, 6 * desk.lot, filled=desk.lot)
    desk.cancel(order, target=replace.client_id)
    mine = [event for event in desk.of(OrderAccepted) if event.client_id == order.client_id]
    assert (1, 1, 1) == (len(mine), len(desk.of(OrderReplaced)), len(desk.of(OrderCancelled)))
    fills = [event for event in desk.of(OrderFill) if event.order_id == order.order_id]
    assert desk.lot == sum({one.fill_id: one.qty for one in fills}.values())
    assert {} == desk.adapter.faults
    assert kept.client_id


def test_an_older_balance_never_overwrites_a_newer_one() -> None:
    """The slower of two links tells what the faster one told before: dropped, whichever comes last."""
    desk = Desk().connect()
    desk.change = lambda frame: []
    desk.send(desk.new(desk.far_bid, desk.lot))
    desk.change = lambda frame: [frame]
    desk.connect()
    (successor,) = [link for link in desk.links if link]
    start = len(desk.events)
    now_ms = desk.now_ns // 1_000_000 + 1_000
    for free, at_ms, link in (
        ("1", 0, successor),
        ("2", 1, successor),
        ("1", 0, 0),
        ("2", 1, 0),
        ("3", 2, 0),
    ):
        desk.adapter.receive(position(free, now_ms + at_ms), desk.now_ns, link)
    desk.settle()
    told = [event for event in desk.events[start:] if isinstance(event, BalanceReport)]
    free = [one.free.value // 10**one.decimals for report in told for one in report.balances]
    assert [1, 2, 3] == free


def test_a_balance_from_before_is_dropped_asset_by_asset() -> None:
    """Overtaken on its way: what it says of an asset that was told since is old, what it says of another is news."""
    desk = Desk().connect()
    start = len(desk.events)
    now_ms = desk.now_ns // 1_000_000 + 1_000
    desk.adapter.receive(position("2", now_ms + 1), desk.now_ns)
    late = json.loads(position("1", now_ms))
    late["event"]["B"].append({"a": "BTC", "f": "5", "l": "0"})
    desk.adapter.receive(json.dumps(late).encode(), desk.now_ns)
    desk.settle()
    told = [event for event in desk.events[start:] if isinstance(event, BalanceReport)]
    assert [["USDT"], ["BTC"]] == [[one.asset for one in report.balances] for report in told]
