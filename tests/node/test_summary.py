"""The summary: exact amounts, read from State."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from livestack.core.events import OrderFill
from livestack.core.runtime import CoreRuntime
from livestack.core.types import Amount, Liquidity, Side
from livestack.node.summary import summarise
from livestack.strategies.loading import load_strategy
from tests.research.sessions import INSTRUMENT, WALL_NS, opening, rules


def fill(number: int, side: Side, price: int, qty: int) -> OrderFill:
    """A fill of an order that is not ours by id but real: position follows it."""
    return OrderFill(
        recv_ns=0,
        venue="binance_spot",
        instrument=INSTRUMENT,
        client_id="AAAAAAAAA-1-1",
        order_id=1,
        venue_order_id="1",
        event_ns=0,
        fill_id=number,
        side=side,
        price=price,
        qty=qty,
        fee=Amount.of(6_000_000),
        fee_asset="USDT",
        fee_decimals=8,
        liquidity=Liquidity.MAKER,
    )


def test_positions_and_profit_are_exact(tmp_path: Path) -> None:
    """Buy 0.02 at 60 000.00, sell 0.01 at 60 100.00: 1.00 realised, 0.01 left at its cost; fees by asset."""
    configuration = rules(tmp_path)
    runtime = CoreRuntime(
        configuration, load_strategy(configuration.strategy.path, configuration.strategy.parameters)
    )
    events = [*opening("s"), fill(1, Side.BUY, 6_000_000, 2_000), fill(2, Side.SELL, 6_010_000, 1_000)]
    seq = 0
    for event in events:
        step = runtime.step(seq + 1, WALL_NS + seq, event)
        seq += 1 + len(step.derived)
    node = SimpleNamespace(
        runtime=runtime,
        progress=SimpleNamespace(
            counts={OrderFill: 2}, committed=seq, denials={"max_position": (3, "no limit")}, notices={}
        ),
        supervisor=SimpleNamespace(reason="over"),
    )
    summary = summarise(node, events[0], 0, WALL_NS, WALL_NS)  # type: ignore[arg-type]
    (position,) = summary.positions
    assert ("0.01000", "60000.00", "1.0000000") == (
        position.qty,
        position.average_price,
        position.realised_pnl,
    )
    assert {"USDT": "0.12000000"} == position.fees
    assert {"USDT": "1.0000000"} == summary.realised_pnl
    assert {"USDT": "0.12000000"} == summary.fees
    assert (3, "no limit") == (summary.denials["max_position"].count, summary.denials["max_position"].first)
    assert (2, seq) == (summary.fills, summary.last_seq)
