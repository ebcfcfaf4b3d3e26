"""What befalls the venue as a whole, and how it ends: cuts, refusals, maintenance, clocks, symbols, keys, a wipe."""

from __future__ import annotations

import json
from typing import Any

import pytest

from livestack.simulator.binance_spot import VenueSettings
from livestack.simulator.binance_spot.venue import BALANCE
from tests.simulator.client import SECOND_NS, Client

STREAM = 2


def made(kind: str, rate: int = 1, **keys: Any) -> Client:
    """A client with both kinds of connections, and one fault a second from now on."""
    client = Client(VenueSettings(symbols=2, rate=rate))
    client.subscribe()
    client.venue.open(STREAM, "stream", "/ws/btcusdt@trade", client.now_ns)
    client.inject(kind, after="1s", **keys)
    return client


def cut(client: Client) -> list[int]:
    """Which connections broke; the host tells the venue that they are gone."""
    broken = [connection for connection, _ in client.venue.cuts()]
    for connection in broken:
        client.venue.close(connection)
    return broken


@pytest.mark.parametrize(
    ("keys", "connections"), [({}, {1, STREAM}), ({"sides": "stream"}, {STREAM}), ({"sides": "ws_api"}, {1})]
)
def test_connections_are_cut(keys: dict[str, Any], connections: set[int]) -> None:
    """All of a side at once, at the rule's time."""
    client = made("cut", **keys)
    client.wait(SECOND_NS - 1)
    assert [] == cut(client)
    client.wait(1)
    assert connections == set(cut(client))


def test_one_connection_is_cut() -> None:
    """Drawn from those that are there; with nobody there nothing is counted."""
    client = made("cut", which="one", every="2s")
    client.wait(SECOND_NS)
    assert 1 == len(cut(client))
    client.wait(10 * SECOND_NS)
    assert 1 == len(cut(client))
    client.wait(10 * SECOND_NS)
    assert {"cut": 2} == client.venue.fault_counts


def test_what_happens_while_nobody_is_connected_is_missed() -> None:
    """No replay: a fill in between is not told to who comes back."""
    client = made("cut", sides="ws_api")
    client.limit("BUY", "50000", "0.01", newClientOrderId="mine")
    client.wait(SECOND_NS)
    assert [1] == cut(client)
    client.inject("external_cancel")
    client.wait(SECOND_NS)
    client.venue.open(1, "ws_api", "/ws-api/v3", client.now_ns)
    client.events.clear()
    client.subscribe()
    assert ([], []) == (client.venue.open_orders, client.events)


def test_idle_connections_go_silent() -> None:
    """Half-open: nothing comes out, nobody is hung up on."""
    client = made("mute", rate=100)
    client.wait(SECOND_NS)
    count = len(client.frames)
    client.wait(5 * SECOND_NS)
    assert (count, []) == (len(client.frames), client.tell("ping", signed=False))
    assert not client.venue.pings(STREAM)
    assert ([], []) == (client.venue.cuts(), client.venue.hang_ups())


def test_connections_are_refused_for_a_while() -> None:
    """REST as well; afterwards everybody is let in."""
    client = made("refused", lasts="3s")
    assert 101 == client.venue.admit("stream", client.now_ns)
    client.wait(SECOND_NS)
    assert (0, 0) == tuple(client.venue.admit(side, client.now_ns) for side in ("stream", "ws_api"))
    assert 0 == client.rest_answer("GET", "time").cut_at
    client.wait(3 * SECOND_NS)
    assert 101 == client.venue.admit("ws_api", client.now_ns)
    assert 200 == client.rest_answer("GET", "time").status


def test_a_shutdown_is_announced() -> None:
    """The notice on every connection, the cut after the delay."""
    client = made("server_shutdown", delay="4s")
    client.wait(SECOND_NS)
    assert "serverShutdown" == client.events[-1]["e"]
    assert "serverShutdown" == client.frames[-1][1]["e"]
    client.wait(4 * SECOND_NS - 1)
    assert [] == cut(client)
    client.wait(1)
    assert {1, STREAM} == set(cut(client))


def test_maintenance() -> None:
    """Everybody is thrown out, REST answers 503 with a page, nobody is let in until it is over."""
    client = made("maintenance", lasts="5s")
    client.wait(SECOND_NS)
    assert {1, STREAM} == set(cut(client))
    answer = client.rest_answer("GET", "time")
    assert (503, b"<html>") == (answer.status, answer.body[:6])
    assert 503 == client.venue.admit("ws_api", client.now_ns)
    client.wait(5 * SECOND_NS)
    assert 200 == client.rest_answer("GET", "time").status
    assert 101 == client.venue.admit("ws_api", client.now_ns)


@pytest.mark.parametrize("offset_ms", [6000, -1500])
def test_the_clock_is_off(offset_ms: int) -> None:
    """A request that was stamped rightly is refused with -1021; the venue tells its own time; then all is well."""
    client = made("clock_skew", offset=f"{offset_ms}ms", lasts="5s")
    assert 200 == client.tell("account.status")[0]["status"]
    client.wait(SECOND_NS)
    assert -1021 == client.tell("account.status")[0]["error"]["code"]
    told = client.tell("time", signed=False)[0]["result"]["serverTime"]
    assert client.now_ns // 1_000_000 + offset_ms == told
    client.wait(5 * SECOND_NS)
    assert 200 == client.tell("account.status")[0]["status"]


def test_the_clock_drifts() -> None:
    """By so many millionths of the time that passes, until the faults are cleared."""
    client = made("clock_skew", drift=1000)
    client.wait(11 * SECOND_NS)
    assert client.now_ns + 10_000_000 == client.venue.exchange.now_ns
    client.venue.clear_faults()
    assert client.now_ns == client.venue.exchange.now_ns


def test_a_skewed_venue() -> None:
    """The setting holds from the start: serverTime is that far ahead."""
    client = Client(VenueSettings(symbols=1, rate=1, clock_skew_ns=30 * SECOND_NS))
    assert client.now_ns // 1_000_000 + 30_000 == client.rest("GET", "time")[2]["serverTime"]
    assert -1021 == client.tell("account.status")[0]["error"]["code"]


def test_a_wipe() -> None:
    """Orders and fills are gone, balances as at first, nobody is told; the market goes on and so does trading."""
    client = made("wipe")
    client.place(type="MARKET", quantity="0.01")
    client.limit("BUY", "50000", "0.01")
    client.events.clear()
    client.wait(SECOND_NS)
    assert ([], [], []) == (client.venue.orders, client.venue.fills, client.events)
    assert [] == client.ask("openOrders.status", symbol="BTCUSDT")["result"]
    assert [] == client.ask("myTrades", symbol="BTCUSDT")["result"]
    balance = client.venue.account.balance("BTC")
    assert (BALANCE, 0) == (balance.free, balance.locked)
    assert 200 == client.limit("BUY", "50000", "0.01")["status"]


@pytest.mark.parametrize("status", ["HALT", "BREAK", "END_OF_DAY", "CANCEL_ONLY", "AUCTION_CALL"])
def test_a_symbol_does_not_trade(status: str) -> None:
    """exchangeInfo says so, orders are refused, cancels go through, the market stands still; then it trades again."""
    client = made("symbol_status", rate=500, symbols="BTCUSDT", status=status, lasts="5s")
    order = client.limit("BUY", "50000", "0.01")["result"]["orderId"]
    client.wait(SECOND_NS)
    info = client.rest("GET", "exchangeInfo", symbol="BTCUSDT")[2]["symbols"][0]
    assert status == info["status"]
    refused = client.limit("BUY", "50000", "0.01")
    assert "Market is closed." == refused["error"]["msg"]
    best = client.best()
    assert 200 == client.ask("order.cancel", symbol="BTCUSDT", orderId=order)["status"]
    client.wait(4 * SECOND_NS)
    assert best == client.best()
    client.wait(SECOND_NS)
    assert 200 == client.limit("BUY", "50000", "0.01")["status"]


def test_a_symbol_is_missing() -> None:
    """Not in exchangeInfo for a while, asked for by name it is invalid."""
    client = made("symbol_missing", symbols="BTCUSDT", lasts="5s")
    client.wait(SECOND_NS)
    names = [info["symbol"] for info in client.rest("GET", "exchangeInfo")[2]["symbols"]]
    assert ["ETHUSDT"] == names
    assert -1121 == client.rest("GET", "exchangeInfo", symbol="BTCUSDT")[2]["code"]
    client.wait(5 * SECOND_NS)
    assert 2 == len(client.rest("GET", "exchangeInfo")[2]["symbols"])


def test_filters_change() -> None:
    """exchangeInfo and what is accepted alike; afterwards they are exactly as before."""
    client = made("filters_changed", symbols="BTCUSDT", tick=10, step=2, min_notional=3, lasts="5s")

    def filters() -> dict[str, Any]:
        listed = client.rest("GET", "exchangeInfo", symbol="BTCUSDT")[2]["symbols"][0]["filters"]
        return {one["filterType"]: one for one in listed}

    before = filters()
    client.wait(SECOND_NS)
    changed = filters()
    assert 10 * float(before["PRICE_FILTER"]["tickSize"]) == float(changed["PRICE_FILTER"]["tickSize"])
    assert 2 * float(before["LOT_SIZE"]["stepSize"]) == float(changed["LOT_SIZE"]["stepSize"])
    assert 3 * float(before["NOTIONAL"]["minNotional"]) == float(changed["NOTIONAL"]["minNotional"])
    assert "Filter failure: PRICE_FILTER" == client.limit("BUY", "50000.01", "0.01")["error"]["msg"]
    client.wait(5 * SECOND_NS)
    assert before == filters()
    assert 200 == client.limit("BUY", "50000.01", "0.01")["status"]


def test_subscriptions_end() -> None:
    """The event says so, nothing more comes, and one can subscribe again."""
    client = made("subscription_ended")
    client.wait(SECOND_NS)
    assert "eventStreamTerminated" == client.events[-1]["e"]
    client.limit("BUY", "50000", "0.01")
    assert "eventStreamTerminated" == client.events[-1]["e"]
    client.subscribe()
    client.limit("BUY", "50000", "0.01")
    client.collect()
    assert "outboundAccountPosition" == client.events[-1]["e"]


def test_a_key_is_revoked() -> None:
    """-2015 for everything signed, over the WebSocket API without the request's id; what is public goes on."""
    client = made("key_revoked", lasts="5s")
    client.wait(SECOND_NS)
    told = client.tell("account.status")[0]
    assert (None, 401, -2015) == (told["id"], told["status"], told["error"]["code"])
    assert -2015 == client.rest("GET", "account", signed=True)[2]["code"]
    assert 200 == client.rest("GET", "time")[0]
    client.wait(5 * SECOND_NS)
    assert 200 == client.tell("account.status")[0]["status"]


def test_clearing_ends_what_lasts() -> None:
    """Maintenance, a halt, a missing symbol and other filters are over at once; what is late still comes."""
    client = Client(VenueSettings(symbols=1, rate=1))
    for kind in ("refused", "symbol_status", "symbol_missing", "filters_changed", "key_revoked"):
        client.inject(kind, **({"tick": 10} if kind == "filters_changed" else {}))
    client.inject("answer_delayed", delay="2s")
    assert [] == client.tell("ping", signed=False)
    client.wait(SECOND_NS)
    assert 0 == client.venue.admit("ws_api", client.now_ns)
    client.venue.clear_faults()
    assert 101 == client.venue.admit("ws_api", client.now_ns)
    assert "TRADING" == client.rest("GET", "exchangeInfo")[2]["symbols"][0]["status"]
    assert [] == client.venue.active_faults
    assert 200 == client.limit("BUY", "50000.01", "0.01")["status"]
    assert 1 == len(client.wait(2 * SECOND_NS))
    assert json.dumps(client.venue.fault_counts)
