"""What a request is about, read from its frame for faults: never raises."""

from __future__ import annotations

import pytest

from livestack.simulator.binance_spot.call import read_call
from livestack.simulator.binance_spot.fault_book import Subject


def test_a_request_is_read() -> None:
    """Method without its version, symbol, parameters as texts."""
    call = read_call('{"id":7,"method":"v3/order.cancel","params":{"symbol":"BTCUSDT","orderId":12}}')
    assert call is not None
    assert ("order.cancel", "BTCUSDT", {"symbol": "BTCUSDT", "orderId": "12"}, 7) == (
        call.method,
        call.symbol,
        call.params,
        call.request_id,
    )
    assert Subject("ws_api", method="order.cancel", symbol="BTCUSDT") == call.subject


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"method":1}', '"text"'])
def test_what_is_no_request_is_none(text: str) -> None:
    """The venue itself answers those."""
    assert read_call(text) is None


def test_parameters_may_be_missing() -> None:
    """Or be no table."""
    call = read_call('{"method":"ping","params":[1]}')
    assert call is not None
    assert {} == call.params
