"""Receipts of the kill-switch for people: one to hand to somebody who was not there, and those that a node has kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from livestack.cli.lists import show_orders
from livestack.cli.on_disk import KeptReceipt
from livestack.cli.showing import NodeConsole, moment, show_table
from livestack.wire import control_pb2 as wire

NONE_SENT = "none by this process"


def summary(receipt: wire.KillReceipt) -> str:
    """One sentence, which says for what it holds."""
    scope = _scope(receipt)
    if receipt.flat:
        return (
            f"flat{scope}: every venue has answered, no order is open or of unknown fate "
            f"({receipt.rounds:,} rounds)"
        )
    parts = [
        f"{one.venue}: {len(one.open_orders):,} open" if one.answered else f"{one.venue}: {_silent(one)}"
        for one in receipt.venues
    ] or ["no venue was asked yet"]
    return f"not flat{scope}: {', '.join([*parts, f'{len(receipt.unknown_orders):,} of unknown fate'])}"


def is_proof_of(receipt: wire.KillReceipt, killed: wire.Killed) -> bool:
    """Whether it tells of what came behind this kill. One that was engaged before, for less, may have become wider."""
    if receipt.gate_closed_at_ns >= killed.gate_closed_at_ns:
        return True
    covers = any(one.scope in ("", killed.scope) for one in receipt.scopes)
    asked = [one.asked_at_ns >= killed.gate_closed_at_ns for one in receipt.venues]
    return covers and bool(asked) and all(asked)


def open_orders(receipt: wire.KillReceipt) -> int | None:
    """None while a venue has not answered, or none was asked."""
    if not all(one.answered for one in receipt.venues) or not (receipt.flat or receipt.venues):
        return None
    return sum(len(one.open_orders) for one in receipt.venues)


def show_receipt(receipt: wire.KillReceipt, file: Path | None = None) -> None:
    """All of it. ``file``: where it was read, where no node has told it."""
    click.secho(f"Kill receipt of session {receipt.session or 'that is not named'}", bold=True)
    if file is not None:
        click.echo(f"as {file} has it; no node was asked")
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(receipt):
        table.add_row(name, Text(value))
    NodeConsole().print(table)
    click.secho(summary(receipt), fg="green" if receipt.flat else "red")
    for title, orders in (
        ("Still open", [order for one in receipt.venues for order in one.open_orders]),
        ("Last known to be open", [order for one in receipt.venues for order in one.known_open_orders]),
        ("Of unknown fate", receipt.unknown_orders),
    ):
        if orders:
            show_orders(title, orders)


def show_kept(kept: list[KeptReceipt], directory: Path) -> None:
    """A row each, oldest first."""
    show_table(
        f"Kill receipts in {directory}",
        ("!gate closed", "!session", "!for", "?by", "flat", "!file"),
        [
            (
                moment(one.receipt.gate_closed_at_ns) or "-",
                one.receipt.session or "-",
                ", ".join(scope.scope or "everything" for scope in one.receipt.scopes) or "-",
                ", ".join(dict.fromkeys(scope.by for scope in one.receipt.scopes)),
                one.trouble or ("flat" if one.receipt.flat else "NOT FLAT"),
                one.path.name,
            )
            for one in kept
        ],
    )


def _scope(receipt: wire.KillReceipt) -> str:
    names = [one.scope for one in receipt.scopes]
    return f" for {', '.join(names)}" if names and all(names) else ""


def _rows(receipt: wire.KillReceipt) -> Iterator[tuple[str, str]]:
    for one in receipt.scopes:
        yield "for", one.scope or "everything"
        yield "by", f"{one.by or 'unknown'} ({one.trigger or 'unknown'})"
        yield "why", one.reason or "-"
    yield "gate closed", moment(receipt.gate_closed_at_ns) or "-"
    yield "on disk", "yes" if receipt.durable else "NO: a restart of the node would forget it"
    yield "last New or Replace sent", moment(receipt.last_new_sent_at_ns) or NONE_SENT
    for venue in receipt.venues:
        yield venue.venue, _answer(venue)
    if not receipt.venues:
        yield "venues", "none was asked yet"
    yield "orders of unknown fate", f"{len(receipt.unknown_orders):,}" if receipt.unknown_orders else "none"
    yield "rounds", f"{receipt.rounds:,}"


def _answer(venue: wire.VenueAnswer) -> str:
    asked = f"asked {moment(venue.asked_at_ns)}" if venue.asked_at_ns else "not asked yet"
    if not venue.answered:
        return f"{asked}: {_silent(venue)}"
    count = f"{len(venue.open_orders):,} open" if venue.open_orders else "nothing is open"
    return f"{asked}, answered {moment(venue.answered_at_ns)}: {count}"


def _silent(venue: wire.VenueAnswer) -> str:
    known = len(venue.known_open_orders)
    parts = ("no answer yet", f"{known:,} last known to be open" if known else "", venue.trouble)
    return "; ".join(filter(None, parts))
