"""Open orders, fills and balances before LIVE, as cheaply as the venue allows."""

from __future__ import annotations

import json

import pytest
from msgspec import structs

from livestack.core.events import FillsReconciled, OrderAccepted, OrderFill
from livestack.core.types import ConnectionStatus
from tests.venues.binance_spot.venue import Desk

SECOND_NS = 1_000_000_000
LIVE = ConnectionStatus.LIVE


def test_many_symbols_are_opened_for_few_requests() -> None:
    """Eighty symbols without any order: one list of open orders, one of last trades, one account; every instrument
    of which the venue knows a trade has its floor."""
    desk = Desk(symbols=80)
    desk.venue.advance(desk.now_ns + 60 * SECOND_NS)
    desk.now_ns += 60 * SECOND_NS
    desk.connect()
    desk.wait(1)
    methods = [json.loads(text)["method"] for text in desk.sent]
    assert (1, 1, 1) == tuple(
        methods.count(one) for one in ("openOrders.status", "ticker.24hr", "account.status")
    )
    assert LIVE is desk.adapter.status
    assert 80 == len({event.instrument for event in desk.of(FillsReconciled)})
    assert desk.budget.used(desk.now_ns) < 80 * 26


def test_after_an_interruption_only_what_was_traded_is_waited_for() -> None:
    """Of eighty symbols the fills of the one with an order are fetched before LIVE; the others' later."""
    desk = Desk(symbols=80)
    desk.venue.advance(desk.now_ns + 60 * SECOND_NS)
    desk.now_ns += 60 * SECOND_NS
    desk.connect()
    desk.wait(1)
    desk.send(desk.new(desk.far_bid, desk.lot))
    assert 1 == len(desk.of(OrderAccepted))
    desk.cut()
    before = len(desk.sent)
    desk.connect()
    desk.wait(0.5)
    assert LIVE is desk.adapter.status
    asked = [json.loads(text) for text in desk.sent[before:]]
    first = [one["params"]["symbol"] for one in asked if one["method"] == "myTrades"]
    assert desk.instrument.symbol == first[0]
    live_at = next(number for number, one in enumerate(asked) if one["method"] == "account.status")
    assert 1 == sum(one["method"] == "myTrades" for one in asked[:live_at])


def test_fills_behind_a_floor_from_the_public_trades_are_found() -> None:
    """A fill that was missed has a higher id than the last public trade of before: it is told after the reconnect."""
    desk = Desk(symbols=10)
    desk.venue.advance(desk.now_ns + 60 * SECOND_NS)
    desk.now_ns += 60 * SECOND_NS
    desk.connect()
    desk.wait(1)
    assert "ticker.24hr" in [json.loads(text)["method"] for text in desk.sent]
    order = desk.send(desk.new(desk.best, 2 * desk.lot))
    desk.cut()
    desk.hit(desk.best - 100 * desk.instrument.price_tick, desk.lot)
    assert [] == desk.of(OrderFill)
    desk.connect()
    assert {order.client_id} == {fill.client_id for fill in desk.of(OrderFill)}


def test_a_symbol_that_is_gone_does_not_stop_the_others() -> None:
    """The list of last trades is refused for it: then every symbol is asked about by itself."""
    desk = Desk(symbols=10)

    def change(frame: str) -> list[str]:
        document = json.loads(frame)
        asked = {json.loads(text)["id"]: json.loads(text)["method"] for text in desk.sent[-3:]}
        if asked.get(document.get("id")) != "ticker.24hr":
            return [frame]
        error = {"code": -1121, "msg": "Invalid symbol."}
        return [json.dumps({"id": document["id"], "status": 400, "error": error})]

    desk.change = change
    desk.connect()
    desk.wait(1)
    assert LIVE is desk.adapter.status
    assert 10 == [json.loads(text)["method"] for text in desk.sent].count("myTrades")


@pytest.mark.parametrize("way", ["socket", "rest"])
def test_a_list_of_last_trades_that_is_no_text_is_complained_of(way: str) -> None:
    """Bytes that are no UTF-8: every symbol is asked about by itself, and it is LIVE."""
    desk = Desk(symbols=8)
    spoilt = b'[{"symbol":"\xff","lastId":5}]'
    if way == "rest":
        desk.answer = lambda fetch, answer: (
            structs.replace(answer, body=spoilt) if fetch.path.endswith("24hr") else answer
        )
        desk.adapter.disconnected("refused", desk.now_ns, 0)
        desk.wait(6)
    else:
        receive = desk.adapter.receive

        def changed(frame: bytes, recv_ns: int, link: int = 0) -> None:
            number = json.loads(frame).get("id")
            asked = {one["id"]: one["method"] for one in map(json.loads, desk.sent[-3:])}
            if asked.get(number) == "ticker.24hr":
                frame = b'{"id":%d,"status":200,"result":%s}' % (number, spoilt)
            receive(frame, recv_ns, link)

        desk.adapter.receive = changed  # type: ignore[method-assign]
        desk.connect()
    assert LIVE is desk.adapter.status
    assert {"bad_reply": 1} == desk.adapter.faults
    methods = [fetch.path for fetch in desk.fetches] if way == "rest" else desk.sent
    assert 8 <= sum("myTrades" in one for one in methods)
