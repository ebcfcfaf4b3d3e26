"""Market Events into Market State: one function per Event type, in a table.

Pure. These run for every market Event, so they allocate nothing and return the instrument's market (None: the Event
was refused and an anomaly says so). A contradiction invalidates the book: an empty book is safe, a wrong one is not.
Harness thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from livestack.core.book import Book
from livestack.core.derivation import Derivation
from livestack.core.events import BookDelta, BookSnapshot, InstrumentDefined, QuoteTick, TradeTick
from livestack.core.state import InstrumentMarket, State
from livestack.core.types import DECIMALS_MAX, ConnectionStatus

INSTRUMENTS_MAX = 10_000
"""Instruments of one session: three times all that the largest venue lists."""

Apply = Callable[[State, Any, Derivation], InstrumentMarket | None]


def quote_tick(state: State, event: QuoteTick, out: Derivation) -> InstrumentMarket | None:
    market = state.market.instruments.get(event.instrument)
    if market is None:
        return _undefined(event.instrument, out)
    market.recv_ns = event.recv_ns
    update_id = event.update_id
    if update_id and update_id < market.top_update_id:
        return market  # the book is ahead of this quote
    bid, ask, bid_qty, ask_qty = event.bid, event.ask, event.bid_qty, event.ask_qty
    if (
        bid_qty < 0
        or ask_qty < 0
        or (bid <= 0 and bid_qty)
        or (ask <= 0 and ask_qty)
        or (bid >= ask and bid_qty and ask_qty)
    ):
        return _fault(market, f"quote {bid} x {ask} is impossible", out)
    market.bid = bid if bid_qty else 0
    market.bid_qty = bid_qty
    market.ask = ask if ask_qty else 0
    market.ask_qty = ask_qty
    market.top_update_id = update_id
    return market


def trade_tick(state: State, event: TradeTick, out: Derivation) -> InstrumentMarket | None:
    market = state.market.instruments.get(event.instrument)
    if market is None:
        return _undefined(event.instrument, out)
    if event.price <= 0 or event.qty <= 0:
        out.anomaly("bad_trade", f"price {event.price}, quantity {event.qty}", "", event.instrument)
        return None
    market.recv_ns = event.recv_ns
    market.last_price = event.price
    market.last_qty = event.qty
    market.last_aggressor = event.aggressor
    market.last_trade_id = event.trade_id
    return market


def book_delta(state: State, event: BookDelta, out: Derivation) -> InstrumentMarket | None:
    market = state.market.instruments.get(event.instrument)
    if market is None:
        return _undefined(event.instrument, out)
    market.recv_ns = event.recv_ns
    book = market.book
    known, last = book.last_update_id, event.last_update_id
    fault = book.change(event.first_update_id, last, event.bids, event.asks)
    if fault:
        return _fault(market, fault, out)
    if last >= market.top_update_id and (last > known or not last):
        _take_top(market, book)
    return market


def book_snapshot(state: State, event: BookSnapshot, out: Derivation) -> InstrumentMarket | None:
    market = state.market.instruments.get(event.instrument)
    if market is None:
        return _undefined(event.instrument, out)
    market.recv_ns = event.recv_ns
    market.book_seen = True
    market.faulty = False
    fault = market.book.replace(event.last_update_id, event.bids, event.asks)
    if fault:
        return _fault(market, fault, out)
    _take_top(market, market.book)
    return market


def instrument_defined(state: State, event: InstrumentDefined, out: Derivation) -> InstrumentMarket | None:
    """The first definition fixes the scale for the session; another scale halts the instrument."""
    instruments = state.market.instruments
    market = instruments.get(event.instrument)
    scales_known = 0 <= event.price_decimals <= DECIMALS_MAX and 0 <= event.qty_decimals <= DECIMALS_MAX
    if not scales_known or not event.instrument.startswith(f"{event.venue}:") or not event.venue:
        out.anomaly("bad_instrument", "scale or name is impossible", event.venue, event.instrument)
        return None
    if market is None:
        if len(instruments) >= INSTRUMENTS_MAX:
            out.anomaly("too_many_instruments", f"more than {INSTRUMENTS_MAX}", event.venue, event.instrument)
            return None
        market = instruments[event.instrument] = InstrumentMarket(definition=event, book=Book())
        market.status = state.control.feed_status.get(event.venue, ConnectionStatus.DISCONNECTED)
        return market
    known = market.definition
    if (known.price_decimals, known.qty_decimals) != (event.price_decimals, event.qty_decimals):
        out.anomaly(
            "scale_changed", "the instrument's scale changed", event.venue, event.instrument, halt=True
        )
        return None
    if (known.venue, known.base, known.quote) != (event.venue, event.base, event.quote):
        out.anomaly(
            "identity_changed", "the instrument's assets changed", event.venue, event.instrument, halt=True
        )
        return None
    market.definition = event
    return market


MARKET: Final[dict[type, Apply]] = {
    QuoteTick: quote_tick,
    TradeTick: trade_tick,
    BookDelta: book_delta,
    BookSnapshot: book_snapshot,
    InstrumentDefined: instrument_defined,
}


def _take_top(market: InstrumentMarket, book: Book) -> None:
    bid_keys, ask_keys = book.bid_keys, book.ask_keys
    if bid_keys:
        market.bid = bid_keys[-1]
        market.bid_qty = book.bid_qtys[-1]
    else:
        market.bid = market.bid_qty = 0
    if ask_keys:
        market.ask = -ask_keys[-1]
        market.ask_qty = book.ask_qtys[-1]
    else:
        market.ask = market.ask_qty = 0
    market.top_update_id = book.last_update_id


def _undefined(instrument: str, out: Derivation) -> InstrumentMarket | None:
    out.anomaly("instrument_not_defined", "market data for an unknown instrument", "", instrument)
    return None


def _fault(market: InstrumentMarket, detail: str, out: Derivation) -> InstrumentMarket | None:
    """Invalidate; told once per book, until the next snapshot."""
    market.invalidate()
    market.book_seen = True
    if not market.faulty:
        market.faulty = True
        definition = market.definition
        out.anomaly("book_fault", detail, definition.venue, definition.instrument)
    return None
