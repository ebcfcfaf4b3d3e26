"""``exchangeInfo`` to :class:`InstrumentDefined`: scales and filters as integers (venues.md 1.4 and 1.5).

Pure. Runs once at start, and for an order-entry adapter whenever it asks anew. The scales stay what they were at
start for as long as a session lasts: every number of it is in them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import structs

from livestack.core.events import InstrumentDefined
from livestack.core.types import DECIMALS_MAX, Amount, InstrumentStatus, parse_decimal
from livestack.venues.adapter import Fetch, Fetched
from livestack.venues.binance_spot.messages import ApiError, ExchangeInfo, Filter, SymbolInfo
from livestack.venues.binance_spot.numbers import (
    ceil_decimal,
    floor_decimal,
    percent_encoded,
    significant_decimals,
)

UNKNOWN_SYMBOL = -1121

_STATUS = {"TRADING": InstrumentStatus.TRADING, "CANCEL_ONLY": InstrumentStatus.CANCEL_ONLY}
"""Every other status, a new one included, is one in which nothing can be traded."""

_KNOWN_STATUS = {*_STATUS, "HALT", "BREAK", "END_OF_DAY"}

_NO_FILTER = Filter(filter_type="")

_exchange_info = msgspec.json.Decoder(ExchangeInfo).decode
_api_error = msgspec.json.Decoder(ApiError).decode


def instruments_fetch(symbols: tuple[str, ...]) -> Fetch:
    """Ask for exactly ``symbols``: the whole list is 20 MB."""
    names = ",".join(f"%22{percent_encoded(symbol)}%22" for symbol in symbols)
    return Fetch(0, "GET", "/api/v3/exchangeInfo", f"symbols=%5B{names}%5D", (), "instruments")


def parse_instruments(venue: str, symbols: tuple[str, ...], answer: Fetched) -> list[InstrumentDefined]:
    """One Event per symbol, in that order; ``ValueError`` names what is missing or cannot be read."""
    if answer.status != 200:
        raise ValueError(_refusal(symbols, answer))
    try:
        known = {info.symbol: info for info in _exchange_info(answer.body).symbols}
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError(f"exchangeInfo of {venue} cannot be read: {error}") from error
    missing = [symbol for symbol in symbols if symbol not in known]
    if missing:
        raise ValueError(f"{venue} does not know {', '.join(missing)}")
    return [_instrument(venue, known[symbol], answer.recv_ns) for symbol in symbols]


def _refusal(symbols: tuple[str, ...], answer: Fetched) -> str:
    """The venue refuses the whole list for one unknown symbol, and does not say which."""
    try:
        error = _api_error(answer.body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return f"exchangeInfo: HTTP status {answer.status} {answer.error}".rstrip()
    if error.code == UNKNOWN_SYMBOL:
        return f"the venue does not know at least one of {', '.join(symbols)}: {error.msg} ({error.code})"
    return f"exchangeInfo: HTTP status {answer.status}, {error.msg} ({error.code})"


def reread_instruments(
    known: Sequence[InstrumentDefined], body: bytes, recv_ns: int
) -> list[tuple[InstrumentDefined, str]]:
    """Each of ``known`` as an ``exchangeInfo`` has it now, and what is wrong with that, '' for nothing.

    One that is not there, or whose rules do not fit the session's scales any more, is what it was, and halted.
    ``ValueError`` where nothing can be read.
    """
    try:
        infos = {info.symbol: info for info in _exchange_info(body).symbols}
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError(f"exchangeInfo cannot be read: {error}") from error
    return [_reread(one, infos.get(one.symbol), recv_ns) for one in known]


def halted(one: InstrumentDefined, recv_ns: int) -> InstrumentDefined:
    """``one`` with nothing to be traded."""
    return structs.replace(one, recv_ns=recv_ns, status=InstrumentStatus.HALTED)


def _reread(known: InstrumentDefined, info: SymbolInfo | None, recv_ns: int) -> tuple[InstrumentDefined, str]:
    if info is None:
        return halted(known, recv_ns), f"{known.symbol} is not listed any more"
    try:
        found = _instrument(known.venue, info, recv_ns, known)
    except ValueError as error:
        return halted(known, recv_ns), f"the rules need another session: {error}"
    if (found.base, found.quote) != (known.base, known.quote):
        what = f"{known.symbol} trades {found.base} for {found.quote} now: the rules need another session"
        return halted(known, recv_ns), what
    return found, "" if info.status in _KNOWN_STATUS else f"{known.symbol}: status {info.status[:32]!r}"


def _instrument(
    venue: str, info: SymbolInfo, recv_ns: int, scales: InstrumentDefined | None = None
) -> InstrumentDefined:
    """``scales``: whose decimals to use; None: those that the venue's precision and filters want."""
    filters = {one.filter_type: one for one in info.filters}
    price = filters.get("PRICE_FILTER", _NO_FILTER)
    lot = filters.get("LOT_SIZE", _NO_FILTER)
    market = filters.get("MARKET_LOT_SIZE", _NO_FILTER)
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL", _NO_FILTER)
    open_orders = filters.get("MAX_NUM_ORDERS", _NO_FILTER)
    if scales is not None:
        price_decimals, qty_decimals = scales.price_decimals, scales.qty_decimals
    else:
        price_decimals = _scale(info, info.quote_precision, price.tick_size, price.min_price)
        qty_texts = (lot.step_size, lot.min_qty, market.step_size, market.min_qty)
        qty_decimals = _scale(info, info.base_precision, *qty_texts)
    amount_decimals = price_decimals + qty_decimals
    try:
        return InstrumentDefined(
            recv_ns=recv_ns,
            venue=venue,
            instrument=f"{venue}:{info.symbol}",
            symbol=info.symbol,
            base=info.base,
            quote=info.quote,
            price_decimals=price_decimals,
            qty_decimals=qty_decimals,
            status=_STATUS.get(info.status, InstrumentStatus.HALTED),
            price_tick=parse_decimal(price.tick_size, price_decimals),
            price_min=parse_decimal(price.min_price, price_decimals),
            price_max=floor_decimal(price.max_price, price_decimals),
            qty_step=parse_decimal(lot.step_size, qty_decimals),
            qty_min=parse_decimal(lot.min_qty, qty_decimals),
            qty_max=floor_decimal(lot.max_qty, qty_decimals),
            market_qty_step=parse_decimal(market.step_size, qty_decimals),
            market_qty_min=parse_decimal(market.min_qty, qty_decimals),
            market_qty_max=floor_decimal(market.max_qty, qty_decimals),
            notional_min=Amount.of(_wide(notional.min_notional, amount_decimals, up=True)),
            notional_max=Amount.of(_wide(notional.max_notional, amount_decimals, up=False)),
            notional_min_applies_to_market=notional.apply_to_market or notional.apply_min_to_market,
            max_open_orders=max(open_orders.max_num_orders, 0),
            amend_allowed=info.amend_allowed,
            market_allowed="MARKET" in info.order_types,
        )
    except ValueError as error:
        raise ValueError(f"{info.symbol}: a filter cannot be read: {error}") from error


def _scale(info: SymbolInfo, precision: int, *texts: str) -> int:
    """The venue's own precision, or what the filters need if that is more.

    Not the decimals of tick and step: those change, and orders that rest since before keep their finer prices and
    quantities. A real book has them (NKNUSDT of 2021-10: step 1, a level of 11979.3).
    """
    decimals = max(precision, *(significant_decimals(text) for text in texts))
    if decimals > DECIMALS_MAX:
        raise ValueError(f"{info.symbol}: {decimals} decimals are more than {DECIMALS_MAX}")
    return decimals


def _wide(text: str, decimals: int, up: bool) -> int:
    """An amount in up to twice the decimals that a table of powers holds."""
    within = min(decimals, DECIMALS_MAX)
    value = ceil_decimal(text, within) if up else floor_decimal(text, within)
    return value * int(10 ** (decimals - within))
