"""``livestack kill``: engage the kill-switch, wait for the proof that nothing is left, and release it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from livestack.cli.lists import show_orders
from livestack.cli.node import (
    Target,
    carry_out,
    changes,
    no_options_before,
    on_node,
    seq_of,
    the_reason,
    told,
)
from livestack.cli.parameters import DURATION
from livestack.cli.showing import echo_json, plain, show_table, time_of_day, utc
from livestack.client import ControlClient
from livestack.exceptions import OutcomeUnknownError, RefusedError
from livestack.wire import control_pb2 as wire

EXIT_NOT_FLAT = 4

ASK_EVERY_S = 0.1

WHAT_IS_LEFT = (
    "a file named KILL in the node's data directory engages the kill-switch too; livestack guard cancel-all cancels at "
    "the venues without the node"
)


@click.group(invoke_without_command=True)
@click.option("--venue", default="", help="Only this venue.")
@click.option("--instrument", default="", help="Only this instrument.", metavar="VENUE:SYMBOL")
@click.option(
    "--wait-flat",
    "limit_ns",
    type=DURATION,
    default=0,
    help="Wait so long for the proof that nothing is open; exit code 4 if there is none.",
)
@click.option(
    "--kill-endpoint", default="", help="With --endpoint: control.listen_kill there.", metavar="ADDRESS"
)
@changes(default="")
@on_node
def kill(
    target: Target,
    venue: str,
    instrument: str,
    limit_ns: int,
    kill_endpoint: str,
    reason: str,
    request_id: str | None,
) -> None:
    """Engage the kill-switch: no new order leaves any more, open ones are cancelled.

    The answer means that the gate is closed. It stays closed until "kill reset", across restarts too.
    """
    context = click.get_current_context()
    if context.invoked_subcommand:
        no_options_before(context)
        return
    reason = the_reason(reason)
    with target.connect(kill_endpoint) as node:
        try:
            reply = told(target, lambda: node.kill(reason, venue, instrument, request_id))
        except OutcomeUnknownError:
            click.echo(WHAT_IS_LEFT, err=True)
            raise
        if not target.as_json:
            _say(reply, instrument or venue)
        receipt: wire.KillReceipt | None = None
        try:
            if limit_ns:
                receipt = _wait(node, reply.killed, limit_ns)
        finally:  # what is certain is told, whatever becomes of the rest
            if target.as_json:
                echo_json(_content(reply, receipt))
    if receipt is not None:
        _end(target, receipt, limit_ns)


@kill.command()
@click.option("--accept-unknown", is_flag=True, help="Although there are orders whose fate is not known.")
@changes()
@on_node
def reset(target: Target, accept_unknown: bool, reason: str, request_id: str | None) -> None:
    """Release the kill-switch: new orders may leave again, unless something else keeps them."""
    carry_out(
        target,
        lambda node: node.kill_reset(reason, accept_unknown, request_id),
        "the kill-switch is released",
    )


@kill.command()
@on_node
def receipt(target: Target) -> None:
    """Show what is proven of an engaged kill-switch: what each venue said after the gate was closed."""
    with target.connect() as node:
        found = node.kill_receipt()
        engaged = found.engaged or bool(node.status().kill_switch)
    if target.as_json:
        echo_json(plain(found) | {"engaged": engaged})
    elif found.engaged:
        click.echo(_summary(found))
        _show(found)
    elif engaged:
        click.echo(
            "the kill-switch is engaged since before the node started; another livestack kill proves it anew"
        )
    else:
        click.echo("the kill-switch is not engaged")


def _wait(node: ControlClient, killed: wire.Killed, limit_ns: int) -> wire.KillReceipt:
    """The receipt once it is flat, or as it is when the time is over; empty while there is none."""
    began = time.monotonic()
    latest = wire.KillReceipt(engaged=True)
    with _line() as say:
        while True:
            latest = _receipt(node, killed) or latest
            left_s = began + limit_ns / 1e9 - time.monotonic()
            if latest.flat or left_s <= 0:
                return latest
            say(_summary(latest))
            time.sleep(min(ASK_EVERY_S, left_s))


def _receipt(node: ControlClient, killed: wire.Killed) -> wire.KillReceipt | None:
    """The receipt of this kill; None: the node still shows that of an earlier one, or was asked too often."""
    try:
        found = node.kill_receipt()
    except RefusedError as error:
        if error.code == "RATE_LIMITED":
            return None
        raise
    return found if found.gate_closed_at_ns >= killed.gate_closed_at_ns else None


@contextmanager
def _line() -> Iterator[Callable[[str], None]]:
    """A line on stderr where that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: None
        return
    with Live("", console=console, refresh_per_second=10, transient=True) as live:
        yield live.update


def _say(reply: wire.Reply, scope: str) -> None:
    killed = reply.killed
    seq = seq_of(reply)
    place = "" if seq is None else f" (seq {seq:,})"
    click.secho(f"kill-switch engaged for {scope or 'everything'}{place}", bold=True)
    click.echo(f"gate closed at {_moment(killed.gate_closed_at_ns)}")
    click.echo(f"last new order sent at {_moment(killed.last_new_sent_at_ns)}")
    if not killed.durable:
        click.secho("NOT ON DISK: a restart of the node would forget it", fg="red", err=True)


def _moment(wall_ns: int) -> str:
    return f"{time_of_day(wall_ns)} UTC" if wall_ns else "no time: there was none"


def _content(reply: wire.Reply, receipt: wire.KillReceipt | None) -> dict[str, Any]:
    """The keys of ``livestack kill --json``; null is what nobody knows yet."""
    killed: wire.Killed | wire.KillReceipt = reply.killed if receipt is None else receipt
    return {
        "outcome": "done",
        "seq": seq_of(reply),
        "durable": reply.killed.durable,
        "gate_closed_at": utc(reply.killed.gate_closed_at_ns),
        "last_new_sent_at": utc(killed.last_new_sent_at_ns),
        "open_orders_at_venue": None if receipt is None else _open_orders(receipt),
        "unknown_orders": None if receipt is None else len(receipt.unknown_orders),
        "flat": None if receipt is None else receipt.flat,
        "receipt": None if receipt is None else plain(receipt),
        "code": "none",
        "message": reply.message,
        "request_id": reply.request_id,
    }


def _open_orders(receipt: wire.KillReceipt) -> int | None:
    """None while a venue has not answered, or none was asked."""
    if not all(one.answered for one in receipt.venues) or not (receipt.flat or receipt.venues):
        return None
    return sum(len(one.open_orders) for one in receipt.venues)


def _summary(receipt: wire.KillReceipt) -> str:
    """One sentence."""
    if receipt.flat:
        return (
            f"flat: every venue has answered, no order is open or of unknown fate ({receipt.rounds:,} rounds)"
        )
    parts = [
        f"{one.venue}: {len(one.open_orders):,} open" if one.answered else f"{one.venue}: no answer yet"
        for one in receipt.venues
    ] or ["no venue was asked yet"]
    return f"not flat: {', '.join([*parts, f'{len(receipt.unknown_orders):,} of unknown fate'])}"


def _end(target: Target, receipt: wire.KillReceipt, limit_ns: int) -> None:
    if not target.as_json:
        if receipt.flat:
            click.secho(_summary(receipt), fg="green")
        _show(receipt)
    if not receipt.flat:
        click.secho(
            f"livestack: {_summary(receipt)} after {limit_ns / 1e9:g} s; the gate stays closed and the node goes on "
            "cancelling: livestack kill receipt",
            fg="red",
            err=True,
        )
        sys.exit(EXIT_NOT_FLAT)


def _show(receipt: wire.KillReceipt) -> None:
    show_table(
        "Answers of the venues",
        ("venue", "asked", "answered", ">open", "trouble"),
        [
            (
                one.venue,
                time_of_day(one.asked_at_ns),
                time_of_day(one.answered_at_ns),
                f"{len(one.open_orders):,}" if one.answered else "-",
                one.trouble,
            )
            for one in receipt.venues
        ],
    )
    still_open = [order for one in receipt.venues for order in one.open_orders]
    if still_open:
        show_orders("Still open", still_open)
    if receipt.unknown_orders:
        show_orders("Of unknown fate", receipt.unknown_orders)
