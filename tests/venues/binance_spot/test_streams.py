"""Names of streams, which frames belong to whom, and how symbols share connections."""

from __future__ import annotations

import pytest

from livestack.venues.binance_spot.market_events import MarketInstrument, Readers
from livestack.venues.binance_spot.streams import make_routes, make_slots, stream_name
from livestack.venues.binance_spot.subscriptions import STREAMS_MAX
from tests.venues.binance_spot.capture import STREAMS, instruments, needs_capture

pytestmark = needs_capture


def test_many_symbols_share_connections() -> None:
    """500 with three streams each: two connections of 250; all streams of a symbol in one, none above the limit."""
    one = instruments()[0]
    many = [MarketInstrument(one, Readers()) for _ in range(500)]
    for number, instrument in enumerate(many):
        instrument.symbol = f"S{number}"
    slots = make_slots(STREAMS, many)
    assert [len(slot.instruments) for slot in slots] == [250, 250]
    for slot in slots:
        assert len(slot.streams) == 3 * len(slot.instruments) <= STREAMS_MAX
        for instrument in slot.instruments:
            assert f"{instrument.symbol.lower()}@aggTrade" in slot.streams
    assert len(make_slots(STREAMS, many[:341])) == 1
    assert len(make_slots(STREAMS, many[:342])) == 2


@pytest.mark.parametrize(
    ("stream", "name"),
    [
        ("depth", "btcusdt@depth@100ms"),
        ("bookTicker", "btcusdt@bookTicker"),
        ("trade", "btcusdt@trade"),
        ("aggTrade", "btcusdt@aggTrade"),
    ],
)
def test_streams_are_named_in_lower_case(stream: str, name: str) -> None:
    """The symbol alone: the kind keeps its spelling."""
    assert stream_name("BTCUSDT", stream) == name


def test_every_stream_of_every_symbol_has_a_route() -> None:
    """And only a diff that is lost makes a book wrong."""
    listed = [MarketInstrument(one, Readers()) for one in instruments()]
    takes = {stream: lambda instrument, data, recv_ns, is_early: None for stream in STREAMS}
    routes = make_routes(STREAMS, listed, takes)
    assert len(routes) == len(STREAMS) * len(listed)
    assert {name for name, route in routes.items() if route.is_book} == {
        stream_name(one.symbol, "depth").encode() for one in listed
    }
    with pytest.raises(ValueError, match="streams: klines is not one of depth, bookTicker, aggTrade"):
        make_routes(("klines",), listed, takes)
