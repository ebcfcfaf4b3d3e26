"""Orders that somebody else left at the venue, met by a real node."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from tests.live import configuration
from tests.live.strategies import market_maker
from tests.support import Venue, run_livestack, start_node


def place(venue: Venue, client_id: str) -> None:
    """A limit order far below the market, by REST with the account's own key."""
    key = venue.key()
    asked: dict[str, Any] = {
        "symbol": venue.symbols[0],
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.1",
        "price": "40000",
        "newClientOrderId": client_id,
        "timestamp": time.time_ns() // 1_000_000,
    }
    asked["signature"] = hmac.new(
        key["secret"].encode(), urlencode(asked).encode(), hashlib.sha256
    ).hexdigest()
    answer = requests.post(
        f"{venue.urls['rest']}/api/v3/order", data=asked, headers={"X-MBX-APIKEY": key["api_key"]}, timeout=30
    )
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("client_id", "policy"), [("web_123", "external_orders"), ("ZZZZZZZZZ-1-1", "orphan_orders")]
)
def test_policy_cancel_takes_them_out(tmp_path: Path, client_id: str, policy: str) -> None:
    """The node cancels what it finds, by a journalled request of its own, and the session replays identically."""
    with Venue(tmp_path, "--seed", "5") as venue:
        place(venue, client_id)
        assert [client_id] == [order["clientOrderId"] for order in venue.look("open")]
        strategy = market_maker(venue.symbols[0]).replace("half_spread_bps = 1\n", "half_spread_bps = 500\n")
        rules = configuration.UNLIMITED + f'[execution]\n{policy} = "cancel"\n'
        path = configuration.write(tmp_path, venue.symbols[:1], strategy, rules=rules)
        with start_node(tmp_path, path, venue.environment()) as node:
            while node.running() and client_id in [order["clientOrderId"] for order in venue.look("open")]:
                pass
            node.signal()
            code, output = node.finish()
        assert 0 == code, node.stderr()
        code, output = run_livestack(tmp_path, "replay", "latest", "--json", "--data-dir", "data")
        assert (0, True) == (code, json.loads(output)["identical"])
