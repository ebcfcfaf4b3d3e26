"""Records of positions and balances, made from State as it is. Pure; any one thread."""

from __future__ import annotations

from typing import Final

from livestack.core.events import AccountBaseline, BalanceReport
from livestack.core.limits import NOTIONAL_DECIMALS
from livestack.core.positions import Position
from livestack.core.state import Balance
from livestack.core.types import PositionBaseline
from livestack.storage.record_writer import RecordWriter, decimal, decimal_or_none, json_text, safe
from livestack.wire import records_pb2 as wire

AVERAGE_DECIMALS: Final = 12
"""Of an average price, which is for reading only."""


def add_position(
    writer: RecordWriter,
    venue: str,
    instrument: str,
    event: str,
    order_id: int = 0,
    request_id: str = "",
    event_ns: int = 0,
) -> None:
    """The position in ``instrument``, of which there is one, as it is now."""
    state = writer.state
    position, market = state.execution.positions[instrument], state.market.instruments[instrument]
    scales = writer.scales(instrument)
    prices, quantities, amounts, bid, ask = scales.price, scales.qty, scales.amount, market.bid, market.ask
    in_quote = position.fees.get(scales.quote)
    record = wire.PositionRecord(
        event=event,
        qty=decimal(position.qty, quantities),
        cost=decimal(position.cost, amounts),
        average_price=average_price(position, prices),
        realised=decimal(position.realised, amounts),
        bought_qty=decimal(position.bought_qty, quantities),
        sold_qty=decimal(position.sold_qty, quantities),
        fees=_fees(position),
        quote_fees="0" if in_quote is None else decimal(in_quote.amount, in_quote.decimals),
        marked_fees=decimal(position.marked_fees, NOTIONAL_DECIMALS),
        bid=decimal_or_none(bid, prices),
        ask=decimal_or_none(ask, prices),
        unrealised=decimal(position.unrealised(bid, ask), amounts),
        quote_asset=safe(scales.quote),
    )
    writer.add(record, venue, instrument, order_id, request_id, event_ns)


def average_price(position: Position, price_decimals: int) -> str | None:
    """What one unit of the open quantity cost, rounded half to even; None when flat."""
    if not position.qty:
        return None
    value, held = position.cost, abs(position.qty)
    if price_decimals <= AVERAGE_DECIMALS:
        value *= 10 ** (AVERAGE_DECIMALS - price_decimals)
    else:
        held *= 10 ** (price_decimals - AVERAGE_DECIMALS)
    whole, rest = divmod(value, held)
    whole += 2 * rest > held or (2 * rest == held and whole % 2)
    return decimal(whole, AVERAGE_DECIMALS)


def _fees(position: Position) -> str:
    fees = position.fees
    if len(fees) == 1:  # nearly always; and assets have simple names
        ((asset, total),) = fees.items()
        if asset.isalnum() and asset.isascii():
            return f'{{"{asset}":"{decimal(total.amount, total.decimals)}"}}'
    return json_text({asset: decimal(one.amount, one.decimals) for asset, one in fees.items()})


def add_balances(
    writer: RecordWriter, event: AccountBaseline | BalanceReport, before: dict[str, Balance]
) -> None:
    """What ``event`` says of each asset, where State took it; what was there ``before`` and is not any more is 0."""
    name, venue = type(event).__name__, event.venue
    event_ns = event.event_ns if isinstance(event, BalanceReport) else 0
    after = writer.state.execution.balances.get(venue, {})
    named = dict.fromkeys(one.asset for one in event.balances)
    for asset in [*(one for one in named if one in after), *(one for one in before if one not in after)]:
        balance = after.get(asset)
        decimals = before[asset].decimals if balance is None else balance.decimals
        free, locked = (0, 0) if balance is None else (balance.free, balance.locked)
        record = wire.BalanceRecord(
            event=name,
            asset=safe(asset),
            free=decimal(free, decimals),
            locked=decimal(locked, decimals),
        )
        writer.add(record, venue, event_ns=event_ns)


def named_positions(positions: tuple[PositionBaseline, ...]) -> list[str]:
    """Instruments that a baseline gives inventory of, each once."""
    return list(dict.fromkeys(one.instrument for one in positions))
