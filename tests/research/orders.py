"""Sessions on disk with the story of an order: filled, denied, and held back by a rate limit."""

from __future__ import annotations

from pathlib import Path

from livestack.core.configuration import Configuration
from livestack.core.events import InputEvent, OrderAccepted, OrderFill, Recorded, RequestSent
from livestack.core.types import Amount, Liquidity, RequestKind, Side
from livestack.settings import load
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.research.sessions import (
    CLOSING,
    ENVIRONMENT,
    INSTRUMENT,
    WALL_NS,
    header,
    opening,
    quotes,
    record,
    rules,
    store,
)

MILLISECOND = 1_000_000
ORDER = {"venue": "binance_spot", "instrument": INSTRUMENT, "order_id": 1}
FIRST_QUOTE = 5
"""Number of Events before it; each is a millisecond after the one before."""


def sent(number: int, kind: RequestKind, revision: int) -> RequestSent:
    """Written at the ``number``-th Event, 200 us after it came to the gate."""
    at = WALL_NS + number * MILLISECOND
    return RequestSent(**ORDER, kind=kind, revision=revision, gate_ns=at - 200_000, send_ns=at)  # type: ignore[arg-type]


def answers() -> list[InputEvent]:
    """Order 1 is sent, accepted and filled."""
    first, second, *rest = quotes(6)
    venue = {**ORDER, "venue_order_id": "V7", "event_ns": 0}
    return [
        first,
        sent(6, RequestKind.NEW, 1),
        second,
        OrderAccepted(recv_ns=WALL_NS + 8 * MILLISECOND, client_id="AAAAAAAAA-1-1", **venue),  # type: ignore[arg-type]
        OrderFill(
            recv_ns=WALL_NS + 9 * MILLISECOND,
            client_id="AAAAAAAAA-1-1",
            fill_id=70,
            side=Side.BUY,
            price=4_999_550,
            qty=1_000,
            fee=Amount.of(25),
            fee_asset="USDT",
            fee_decimals=4,
            liquidity=Liquidity.MAKER,
            **venue,  # type: ignore[arg-type]
        ),
        *rest,
    ]


def filled(directory: Path) -> list[Recorded]:
    """The session ``s`` on disk, and its records."""
    settings = rules(directory)
    records = record(settings, [*opening("s"), *answers(), *CLOSING])
    store(directory, header("s", settings), records)
    return records


def tight(directory: Path) -> Configuration:
    """No position above half of one order."""
    limits = configuration.UNLIMITED.replace('max_position = "unlimited"', 'max_position = "0.005"')
    path = configuration.write(directory, ["BTCUSDT"], market_maker("BTCUSDT"), rules=limits)
    return load(path, ENVIRONMENT)[1]


def denied(directory: Path) -> list[Recorded]:
    """The session ``s`` on disk, and its records."""
    settings = tight(directory)
    records = record(settings, [*opening("s"), *quotes(2), *CLOSING])
    store(directory, header("s", settings), records)
    return records


def held_back(directory: Path) -> list[Recorded]:
    """One request in 3 ms: order 2 waits for order 1. The session ``s`` on disk, and its records."""
    limits = configuration.UNLIMITED.replace(
        'interval = "10s"\nlimit = 50', 'interval = "4ms"\nguard_band = "1ms"\nlimit = 1'
    )
    path = configuration.write(directory, ["BTCUSDT"], market_maker("BTCUSDT"), rules=limits)
    settings = load(path, ENVIRONMENT)[1]
    records = record(settings, [*opening("s"), *quotes(9), *CLOSING])
    store(directory, header("s", settings), records)
    return records
