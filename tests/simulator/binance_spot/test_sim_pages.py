"""Steering a venue while it runs: faults put in and taken out, a wipe, a symbol's status, what clients did wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from livestack.simulator.binance_spot import VenueSettings
from tests.simulator.client import Client

TOML = '[[fault]]\nkind = "latency"\nchance = 0.5\ndelay = ["1ms", "20ms"]\n'


@pytest.fixture
def client() -> Client:
    return Client(VenueSettings(symbols=1, rate=1))


def ask(client: Client, method: str, page: str, body: str = "") -> tuple[int, Any]:
    status, _, content = client.rest_answer(method, f"/sim/{page}", body=body)
    return status, json.loads(content)


@pytest.mark.parametrize(
    "body", [TOML, '{"fault": [{"kind": "latency", "chance": 0.5, "delay": ["1ms", "20ms"]}]}']
)
def test_faults_are_put_in_and_taken_out(client: Client, body: str) -> None:
    """The answer says what holds and what happened."""
    status, told = ask(client, "POST", "faults", body)
    assert (200, ["latency"], {}) == (status, [one["kind"] for one in told["active"]], told["counts"])
    assert 500_000 == told["active"][0]["chance"]
    for _ in range(20):
        client.tell("ping", signed=False)
    assert ask(client, "GET", "faults")[1]["counts"]["latency"] > 0
    assert [] == ask(client, "DELETE", "faults")[1]["active"]


def test_a_wrong_rule_is_refused_with_a_sentence(client: Client) -> None:
    """400, and nothing of it holds."""
    status, told = ask(client, "POST", "faults", TOML + '[[fault]]\nkind = "nothing"\n')
    assert 400 == status
    assert "fault[2].kind" in told["msg"]
    assert [] == client.venue.active_faults


def test_a_symbol_is_halted_and_the_venue_wiped(client: Client) -> None:
    """At once; a symbol that is not there is said to be invalid."""
    assert 200 == ask(client, "POST", "symbol", '{"symbol": "BTCUSDT", "status": "HALT"}')[0]
    assert "Market is closed." == client.limit("BUY", "50000", "0.01")["error"]["msg"]
    ask(client, "POST", "symbol", '{"symbol": "BTCUSDT", "status": "TRADING"}')
    client.limit("BUY", "50000", "0.01")
    assert (200, {}) == ask(client, "POST", "wipe")
    assert [] == client.venue.orders
    assert (400, {"msg": "Invalid symbol."}) == ask(
        client, "POST", "symbol", '{"symbol": "X", "status": "HALT"}'
    )
    assert 400 == ask(client, "POST", "symbol", "nonsense")[0]
    assert 404 == ask(client, "GET", "nowhere")[0]


def test_what_clients_did_wrong_can_be_asked(client: Client) -> None:
    """Violations and the busiest window of each limit."""
    told = ask(client, "GET", "violations")[1]
    assert {} == told["violations"]
    assert {"REQUEST_WEIGHT 1M", "ORDERS 10S", "ORDERS 1D", "RAW_REQUESTS 5M", "CONNECTIONS 5M"} == set(
        told["busiest"]
    )
