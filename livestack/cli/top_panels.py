"""The panels of ``livestack top`` about trading: venues, instruments, orders, positions, fills, Events.

Pure: each is made of a :class:`Picture`, the time and a width.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal, InvalidOperation

from livestack.cli.outcome import short
from livestack.cli.showing import number, time_of_day
from livestack.cli.top_lines import Block, Cell, Column, clipped, table
from livestack.cli.top_picture import Picture
from livestack.cli.top_words import duration, instrument, old, seconds, state
from livestack.wire import control_pb2 as wire

EXACT = Context(prec=100)
"""Sums of amounts are exact; only what is shown of them is rounded."""

SHOWN_DIGITS = 4

# -- Venues and markets ----------------------------------------------------------------------------------------------


def venues(picture: Picture, now_s: float, width: int) -> Block:
    """Order entry and feed of each venue."""
    columns = (
        Column("venue", cut=2), Column("orders"), Column("feed"), Column("age", ">"), Column("lag p50", ">", 4),
        Column("msg/s", ">", 3), Column("clock", ">"), Column("open", ">", 1), Column("unknown", ">"),
        Column("rate left", ">", 2),
    )  # fmt: skip
    feeds = {one.venue: one for one in picture.status.feeds}
    rows = [_venue(picture, now_s, one, feeds.get(one.venue)) for one in picture.status.venues]
    return table("Venues and feeds", columns, rows, width)


def _venue(picture: Picture, now_s: float, one: wire.Venue, feed: wire.Feed | None) -> list[Cell]:
    ages = [each.age_ms for each in feed.instruments if each.age_ms >= 0] if feed is not None else []
    lag = next(iter(picture.series("feed.lag", one.venue)), None)
    messages = picture.per_second("feed.messages", one.venue)
    left = [each.value // 10**each.decimals for each in picture.series("venue.rate_left", one.venue)]
    return [
        one.venue,
        state(one.status),
        state(feed.status if feed is not None else ""),
        seconds(min(ages) + picture.passed_ms(now_s)) if ages else "-",
        "-" if lag is None or not lag.per_second else duration(lag.p50),
        "-" if messages is None else f"{messages:,.0f}",
        f"{one.clock_offset_us / 1_000:+,.1f} ms",
        f"{one.open_orders:,}",
        (f"!! {one.unknown_orders:,}", "bad") if one.unknown_orders else "0",
        f"{min(left)} %" if left else "-",
    ]


def market(picture: Picture, now_s: float, width: int) -> Block:
    """Best prices and book of each instrument."""
    columns = (
        Column("instrument", cut=1), Column("status"), Column("book"), Column("bid", "."), Column("ask", "."),
        Column("last", ".", 2), Column("age", ">"),
    )  # fmt: skip
    passed_ms = picture.passed_ms(now_s)
    rows: list[list[Cell]] = [
        [
            instrument(picture, one.instrument),
            state(one.status),
            "valid" if one.book_valid else ("!! not valid", "bad"),
            number(one.bid),
            number(one.ask),
            number(one.last),
            seconds(one.age_ms + passed_ms) if one.age_ms >= 0 else "-",
        ]
        for feed in picture.status.feeds
        for one in feed.instruments
    ]
    return table("Instruments", columns, rows, width, f"{len(rows):,}" if rows else "")


# -- Orders, positions, fills, Events --------------------------------------------------------------------------------


def orders(picture: Picture, now_s: float, width: int) -> Block:
    """As the node lists them: those of unknown fate first."""
    if picture.orders is None:
        return Block("Open orders", "not answered yet")
    columns = (
        Column("order", ">"), Column("instrument", cut=2), Column("side"), Column("type", rank=2), Column("price", "."),
        Column("quantity", "."), Column("filled", "."), Column("status", cut=1),
    )  # fmt: skip
    found = picture.orders.orders
    rows = [_order(picture, one) for one in found]
    unlisted = max(picture.orders.total - len(found), 0)
    note = f"{max(picture.orders.total, len(found)):,}" + old(picture, now_s, "orders") if rows else ""
    return table(
        "Open orders", columns, rows, width, note + (f", {unlisted:,} not listed" if unlisted else "")
    )


def _order(picture: Picture, one: wire.Order) -> list[Cell]:
    status, style = one.status, ""
    if one.cancelling:
        status, style = f"{status}, cancelling", "warn"
    if one.external:
        status, style = f"! {status}, not ours", "warn"
    if one.unknown:
        status, style = f"!! {status}, unknown", "bad"
    return [
        clipped(one.venue_order_id or one.client_id, 12) if one.external else str(one.order_id),
        instrument(picture, one.instrument),
        one.side,
        one.type or "-",
        number(one.price),
        number(one.qty),
        number(one.filled_qty),
        (status, style),
    ]


def positions(picture: Picture, now_s: float, width: int) -> Block:
    """With P&L, and what could be lost or won by a change of prices; first a sum for each currency."""
    if picture.positions is None:
        return Block("Positions", "not answered yet")
    columns = (
        Column("instrument", cut=1), Column("quantity", "."), Column("average", ".", 3), Column("realised", "."),
        Column("unrealised", "."), Column("total", "."), Column("exposure", ".", 1), Column(""),
        Column("fees", rank=9),
    )  # fmt: skip
    prices = {one.instrument: one for feed in picture.status.feeds for one in feed.instruments}
    rows: list[list[Cell]] = []
    sums: dict[str, list[Decimal | None]] = {}
    for one in sorted(picture.positions.positions, key=lambda one: not _decimal(one.qty)):
        amounts = _amounts(one, prices.get(one.instrument))
        total = sums.setdefault(one.currency, [Decimal(0)] * len(amounts))
        sums[one.currency] = [_sum(*pair) for pair in zip(total, amounts, strict=True)]
        fees = ", ".join(f"{number(fee.amount)} {fee.asset}" for fee in one.fees)
        cells = [number(one.qty), number(one.average_price), *_money(amounts), one.currency, fees]
        rows.append([instrument(picture, one.instrument), *cells])
    if len(rows) > 1:
        rows[:0] = [[("sum", "bold"), "", "", *_money(each), name, ""] for name, each in sums.items()]
    note = f"{len(picture.positions.positions):,}" + old(picture, now_s, "positions") if rows else ""
    return table("Positions and P&L", columns, rows, width, note)


def _amounts(one: wire.Position, price: wire.FeedInstrument | None) -> list[Decimal | None]:
    """Realised, unrealised, their sum, and exposure at the price at which it could be closed."""
    realised, unrealised = _decimal(one.realised_pnl), _decimal(one.unrealised_pnl)
    qty = _decimal(one.qty) or Decimal(0)
    close = None if price is None else _decimal(price.bid if qty > 0 else price.ask)
    exposure = Decimal(0) if not qty else None if close is None else EXACT.multiply(abs(qty), close)
    return [realised, unrealised, _sum(realised, unrealised), exposure]


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else EXACT.add(one, other)


def _decimal(text: str) -> Decimal | None:
    try:
        return EXACT.create_decimal(text) if text else None
    except InvalidOperation:
        return None


def _money(amounts: Iterable[Decimal | None]) -> list[Cell]:
    """P&L with a sign; exposure, the last one, without."""
    *pnl, exposure = [*amounts]
    cells: list[Cell] = []
    for one in pnl:
        text = _rounded(one)
        is_bad = one is not None and one < 0
        cells.append((f"+{text}", "good") if one is not None and one > 0 else (text, "bad" if is_bad else ""))
    return [*cells, _rounded(exposure)]


def _rounded(amount: Decimal | None) -> str:
    """Some digits of it; all of one that would look like nothing."""
    if amount is None:
        return "-"
    rounded = amount.quantize(Decimal(1).scaleb(-SHOWN_DIGITS), context=EXACT)
    return short(f"{rounded:f}") if rounded or not amount else short(f"{amount:f}")


def fills(picture: Picture, now_s: float, width: int) -> Block:
    """Newest first."""
    if picture.fills is None:
        return Block("Fills", "not answered yet")
    columns = (
        Column("time"), Column("order", ">"), Column("instrument", cut=1), Column("side"), Column("price", "."),
        Column("quantity", "."), Column("fee", ".", 2), Column("as", rank=1),
    )  # fmt: skip
    rows: list[list[Cell]] = [
        [
            time_of_day(one.ts_ns),
            str(one.order_id),
            instrument(picture, one.instrument),
            one.side,
            number(one.price),
            number(one.qty),
            f"{number(one.fee)} {one.fee_asset}",
            one.liquidity,
        ]
        for one in reversed(picture.fills.fills)
    ]
    note = f"newest first, {picture.status.fills:,} in all" + old(picture, now_s, "fills") if rows else ""
    return table("Fills", columns, rows, width, note)


def events(picture: Picture, now_s: float, width: int) -> Block:
    """Newest first; what repeats itself is one line with a count."""
    lines = picture.happenings.lines
    rows: list[list[Cell]] = []
    for one in reversed(lines):
        times = f" x{one.times:,}" if one.times > 1 else ""
        text = _without_venues(picture, one.text)
        rows.append([time_of_day(one.ts_ns)[:8], (one.kind + times, one.style), text])
    columns = (Column("time"), Column("Event", cut=1), Column("", cut=2))
    return table(
        "Last Events", columns, rows, width, "newest first" if rows else "none since the start of top"
    )


def _without_venues(picture: Picture, text: str) -> str:
    for one in picture.status.venues if len(picture.status.venues) == 1 else ():
        text = text.replace(f"{one.venue}:", "")
    return text
