"""Lists of a running node: rows for tools with every field, tables of 80 columns for people."""

from __future__ import annotations

import pytest

from livestack.wire import control_pb2 as wire
from tests.cli.support import Shell
from tests.control.fake_node import ORDER, FakeNode

LISTS = {
    "orders": {"order_id": 7, "price": "60000.10", "status": "accepted", "unknown": False},
    "positions": {"instrument": "binance_spot:BTCUSDT", "qty": "0.0050", "unrealised_pnl": ""},
    "fills": {"seq": 99, "ts": 1_767_323_046_250_000_000, "at": "2026-01-02T03:04:06.250000000Z"},
    "feeds": {"venue": "binance_spot", "status": "live"},
    "venues": {"venue": "binance_spot", "clock_offset_us": -250, "open_orders": 1},
    "risk": {"rule": "max_position", "limit": "0.06", "denied": 3},
    "metrics": {"name": "runtime.events", "value": 1234},
}
SHOWN = {
    "orders": ("7", "60000.1", "accepted"),
    "positions": ("0.005", "0.00001 BTC", "USDT"),
    "fills": ("03:04:06.250", "maker"),
    "feeds": ("live", "60000.2", "12 ms"),
    "venues": ("-250 us", "1000.5"),
    "risk": ("max_position", "0.06", "default"),
    "metrics": ("runtime.events", "1,234"),
}


@pytest.mark.parametrize("command", LISTS)
def test_tools_get_a_list(shell: Shell, node: FakeNode, command: str) -> None:
    """Of objects with every field of the message."""
    (row,) = shell(command, "--json").json
    assert LISTS[command].items() <= row.items()


@pytest.mark.parametrize("command", LISTS)
def test_people_get_a_table(
    shell: Shell, node: FakeNode, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That fits a terminal, with how old it is."""
    monkeypatch.setattr("livestack.cli.showing.terminal_width", lambda: 80)
    text = shell(command).out
    assert 80 >= max(map(len, text.splitlines()))
    assert "5 ms ago" in text
    assert [] == [part for part in SHOWN[command] if part not in text]


@pytest.mark.parametrize("command", LISTS)
def test_an_empty_list_is_said(shell: Shell, node: FakeNode, command: str) -> None:
    """A line for people, an empty list for tools."""
    node.say = lambda _lane, request: wire.Reply(request_id=request.request_id, outcome=wire.DONE)
    assert "none\n" == shell(command).out[-5:]
    assert [] == shell(command, "--json").json


def test_how_an_order_stands_is_one_column(shell: Shell, node: FakeNode) -> None:
    """What is unknown, being cancelled or somebody else's is said with its status; how many are not listed, too."""
    odd = wire.Order(order_id=8, status="submitted", unknown=True, cancelling=True)
    other = wire.Order(venue_order_id="V9", status="accepted", external=True)
    found = wire.Orders(orders=[odd, other, ORDER], total=5)
    node.say = lambda _lane, request: wire.Reply(
        request_id=request.request_id, outcome=wire.DONE, orders=found
    )
    done = shell("orders")
    text = " ".join(done.out.split())
    assert "submitted, unknown," in text
    assert "V9" in text
    assert "not ours" in text
    assert "3 of 5 orders are listed" in done.err


def test_how_many_fills_is_a_choice(shell: Shell, node: FakeNode) -> None:
    """People get the newest, tools all, both so many as they ask for."""
    for arguments in (("fills",), ("fills", "--json"), ("fills", "--last", "3")):
        shell(*arguments)
    assert [20, 0, 3] == [request.fills.last for _, request in node.requests]
