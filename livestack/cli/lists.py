"""``livestack orders``, ``positions``, ``fills``, ``feeds`` and ``venues``: lists of a running node."""

from __future__ import annotations

from collections.abc import Iterable

import click
from google.protobuf.message import Message

from livestack.cli.node import Target, on_node
from livestack.cli.showing import age, echo_json, number, plain, show_table, time_of_day
from livestack.wire import control_pb2 as wire

FILLS_SHOWN = 20


@click.command()
@on_node
def orders(target: Target) -> None:
    """List the open orders: those that wait, those at the venue, those of unknown fate, and other people's."""
    with target.connect() as node:
        found = node.orders()
    _print(target, found.orders)
    if not target.as_json:
        show_orders(_title("Orders", found.age_ms), found.orders)
    if found.total > len(found.orders):
        click.echo(f"{len(found.orders):,} of {found.total:,} orders are listed", err=True)


def show_orders(title: str, found: Iterable[wire.Order]) -> None:
    """Orders as a table."""
    columns = (">order", "!instrument", "side", "?type", ">price", ">quantity", ">filled", "status")
    show_table(title, columns, [_order(one) for one in found])


def _order(one: wire.Order) -> tuple[str, ...]:
    status = one.status
    if one.unknown:
        status += ", unknown"
    if one.cancelling:
        status += ", cancelling"
    name = f"{one.order_id}"
    if one.external:
        name, status = one.venue_order_id or one.client_id, status + ", not ours"
    price, filled = number(one.price), number(one.filled_qty)
    return name, one.instrument, one.side, one.type or "-", price, number(one.qty), filled, status


@click.command()
@on_node
def positions(target: Target) -> None:
    """List the positions of the session, with realised and unrealised profit and loss."""
    with target.connect() as node:
        found = node.positions()
    _print(target, found.positions)
    if not target.as_json:
        show_table(
            _title("Positions", found.age_ms),
            ("!instrument", ">quantity", ">average price", ">realised", ">unrealised", "!", "?fees"),
            [
                (
                    one.instrument,
                    number(one.qty),
                    number(one.average_price),
                    number(one.realised_pnl),
                    number(one.unrealised_pnl),
                    one.currency,
                    ", ".join(f"{number(fee.amount)} {fee.asset}" for fee in one.fees) or "none",
                )
                for one in found.positions
            ],
        )


@click.command()
@click.option(
    "--last",
    type=click.IntRange(1, 10_000),
    default=None,
    help=f"So many; without it {FILLS_SHOWN}, and for tools all that the node keeps.",
)
@on_node
def fills(target: Target, last: int | None) -> None:
    """List the newest fills, newest last."""
    with target.connect() as node:
        found = node.fills(last or (0 if target.as_json else FILLS_SHOWN))
    _print(target, found.fills)
    if not target.as_json:
        show_table(
            _title("Fills", found.age_ms),
            ("!time", ">order", "!instrument", "side", ">price", ">quantity", "?>fee", "?!", "?as"),
            [
                (
                    time_of_day(one.ts_ns),
                    str(one.order_id),
                    one.instrument,
                    one.side,
                    number(one.price),
                    number(one.qty),
                    number(one.fee),
                    one.fee_asset,
                    one.liquidity,
                )
                for one in found.fills
            ],
        )


@click.command()
@on_node
def feeds(target: Target) -> None:
    """List the feeds with their instruments, best prices and the age of the last message."""
    with target.connect() as node:
        found = node.feeds()
    _print(target, found.feeds)
    if not target.as_json:
        show_table(
            _title("Feeds", found.age_ms),
            ("?feed", "!instrument", "status", "book", ">bid", ">ask", ">age"),
            [
                (
                    feed.status,
                    one.instrument,
                    one.status,
                    "valid" if one.book_valid else "not valid",
                    number(one.bid),
                    number(one.ask),
                    age(one.age_ms),
                )
                for feed in found.feeds
                for one in feed.instruments
            ],
        )


@click.command()
@on_node
def venues(target: Target) -> None:
    """List the venues with connection, orders, clock and balances."""
    with target.connect() as node:
        found = node.venues()
    _print(target, found.venues)
    if not target.as_json:
        show_table(
            _title("Venues", found.age_ms),
            ("!venue", "status", ">open", ">unknown", "?>clock", "!asset", ">free", ">locked"),
            [row for one in found.venues for row in _venue(one)],
        )


def _venue(one: wire.Venue) -> Iterable[tuple[str, ...]]:
    first: tuple[str, ...] = (
        one.venue,
        one.status,
        f"{one.open_orders:,}",
        f"{one.unknown_orders:,}",
        f"{one.clock_offset_us:+,} us",
    )
    balances = [(held.asset, number(held.free), number(held.locked)) for held in one.balances]
    for held in balances or [("-", "-", "-")]:
        yield (*first, *held)
        first = ("",) * len(first)


def _print(target: Target, messages: Iterable[Message]) -> None:
    if target.as_json:
        echo_json([plain(one) for one in messages])


def _title(what: str, age_ms: int) -> str:
    return f"{what}, {age(age_ms)} ago"
