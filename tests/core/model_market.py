"""The slow model's market: one instrument's prices, folded from its whole log each time something was added to it.

A log holds the market Events of the instrument and the changes of its feed. Nothing is kept but the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from livestack.core import events
from livestack.core.types import ConnectionStatus

RESUMED = "resumed"
"""The log entry of a resumed session: what was seen before is not current."""

Entry = events.MarketEvent | ConnectionStatus | str


@dataclass
class Market:
    """What a log amounts to. ``fault`` and ``ignored`` are about the last entry only."""

    status: ConnectionStatus = ConnectionStatus.DISCONNECTED
    valid: bool = False
    last_id: int = 0
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)
    bid: tuple[int, int] = (0, 0)
    ask: tuple[int, int] = (0, 0)
    top_id: int = 0
    last_price: int = 0
    recv_ns: int = 0
    book_seen: bool = False
    told: bool = False
    anomaly: str = ""
    refused: bool = False


def fold(log: list[Entry]) -> Market:
    """The market after all of ``log``."""
    market = Market()
    for entry in log:
        market.anomaly, market.refused = "", False
        match entry:
            case ConnectionStatus():
                market.status, market.told = entry, False
                if entry is not ConnectionStatus.LIVE:
                    _empty(market)
            case str():
                market.status = ConnectionStatus.DISCONNECTED
                _empty(market)
            case events.QuoteTick():
                _quote(market, entry)
            case events.TradeTick():
                _trade(market, entry)
            case events.BookSnapshot():
                _snapshot(market, entry)
            case events.BookDelta():
                _delta(market, entry)
    return market


def _empty(market: Market) -> None:
    market.valid, market.last_id, market.bids, market.asks = False, 0, {}, {}
    market.bid = market.ask = (0, 0)
    market.top_id = 0


def _fault(market: Market) -> None:
    """An impossible book is emptied, and told once until it is whole again."""
    _empty(market)
    market.book_seen = market.refused = True
    if not market.told:
        market.told, market.anomaly = True, "book_fault"


def _quote(market: Market, quote: events.QuoteTick) -> None:
    market.recv_ns = quote.recv_ns
    if quote.update_id and quote.update_id < market.top_id:
        return
    negative = min(quote.bid, quote.ask, quote.bid_qty, quote.ask_qty) < 0
    crossed = quote.bid_qty > 0 and quote.ask_qty > 0 and quote.bid >= quote.ask
    if negative or crossed:
        _fault(market)
        return
    market.bid = (quote.bid, quote.bid_qty) if quote.bid_qty else (0, 0)
    market.ask = (quote.ask, quote.ask_qty) if quote.ask_qty else (0, 0)
    market.top_id = quote.update_id


def _trade(market: Market, trade: events.TradeTick) -> None:
    if trade.price <= 0 or trade.qty <= 0:
        market.anomaly, market.refused = "bad_trade", True
        return
    market.recv_ns, market.last_price = trade.recv_ns, trade.price


def _snapshot(market: Market, snapshot: events.BookSnapshot) -> None:
    market.recv_ns = snapshot.recv_ns
    market.book_seen, market.told = True, False
    market.valid, market.last_id = True, snapshot.last_update_id
    market.bids = {price: qty for price, qty in snapshot.bids if qty}
    market.asks = {price: qty for price, qty in snapshot.asks if qty}
    if _impossible(market):
        _fault(market)
    else:
        _take_top(market)


def _delta(market: Market, delta: events.BookDelta) -> None:
    market.recv_ns = delta.recv_ns
    counted = delta.last_update_id != 0
    if not market.valid or (counted and delta.first_update_id > market.last_id + 1):
        _fault(market)
        return
    if counted and delta.last_update_id <= market.last_id:
        return  # older than the book: it is in there already
    market.last_id = delta.last_update_id or market.last_id
    for side, changes in ((market.bids, delta.bids), (market.asks, delta.asks)):
        for price, qty in changes:
            if qty:
                side[price] = qty
            else:
                side.pop(price, None)
    if _impossible(market):
        _fault(market)
    elif market.last_id >= market.top_id:
        _take_top(market)


def _impossible(market: Market) -> bool:
    numbers = [*market.bids, *market.bids.values(), *market.asks, *market.asks.values()]
    crossed = bool(market.bids and market.asks) and max(market.bids) >= min(market.asks)
    return crossed or any(number <= 0 for number in numbers)


def _take_top(market: Market) -> None:
    bid, ask = max(market.bids, default=0), min(market.asks, default=0)
    market.bid = (bid, market.bids.get(bid, 0))
    market.ask = (ask, market.asks.get(ask, 0))
    market.top_id = market.last_id
