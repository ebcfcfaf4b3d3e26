"""What steers a running node: ``trading``, ``strategy``, ``session``, ``cancel``, ``checkpoint``, ``confirm``."""

from __future__ import annotations

from typing import Any

import click

from livestack.cli.node import Decorated, Target, carry_out, changes, on_node
from livestack.control.commands import NUMBER_MAX
from livestack.wire import control_pb2 as wire


class OrderNumber(click.ParamType[int]):
    """Our number of an order."""

    name = "order"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).strip()
        if not (text.isascii() and text.isdigit() and len(text) < 20 and 1 <= int(text) <= NUMBER_MAX):
            self.fail(
                f"{text[:40]} cannot be an order: ORDER_ID is a number as in livestack orders", param, ctx
            )
        return int(text)


@click.group()
def trading() -> None:
    """Set the trading state: all orders, reducing ones only, or none."""


def _scoped(command: Decorated) -> Decorated:
    venue = click.option("--venue", default="", help="Only there.")
    instrument = click.option("--instrument", default="", help="Only this one.", metavar="VENUE:SYMBOL")
    return venue(instrument(command))


@trading.command()
@_scoped
@changes()
@on_node
def enable(target: Target, venue: str, instrument: str, reason: str, request_id: str | None) -> None:
    """Let orders leave again. It lifts no kill-switch and no halt that a risk rule demands."""
    carry_out(
        target,
        lambda node: node.trading("active", reason, venue, instrument, request_id),
        f"trading is enabled{_of(venue, instrument)}",
    )


@trading.command()
@_scoped
@changes()
@on_node
def disable(target: Target, venue: str, instrument: str, reason: str, request_id: str | None) -> None:
    """Let no new order leave."""
    carry_out(
        target,
        lambda node: node.trading("halted", reason, venue, instrument, request_id),
        f"trading is disabled{_of(venue, instrument)}",
    )


@trading.command()
@_scoped
@changes()
@on_node
def reduce(target: Target, venue: str, instrument: str, reason: str, request_id: str | None) -> None:
    """Let only orders leave that make a position smaller."""
    carry_out(
        target,
        lambda node: node.trading("reducing", reason, venue, instrument, request_id),
        f"only what reduces a position may leave{_of(venue, instrument)}",
    )


def _of(venue: str, instrument: str) -> str:
    return f" for {instrument or venue}" if instrument or venue else ""


@click.group()
def strategy() -> None:
    """Let the strategy act, or not."""


@strategy.command("enable")
@changes()
@on_node
def strategy_enable(target: Target, reason: str, request_id: str | None) -> None:
    """Let the strategy act again."""
    carry_out(target, lambda node: node.strategy(True, reason, request_id), "the strategy is enabled")


@strategy.command("disable")
@changes()
@on_node
def strategy_disable(target: Target, reason: str, request_id: str | None) -> None:
    """Ask the strategy for nothing any more; its open orders stay."""
    carry_out(target, lambda node: node.strategy(False, reason, request_id), "the strategy is disabled")


@click.group()
def session() -> None:
    """Begin or end the session of a running node."""


@session.command()
@changes("session start")
@on_node
def start(target: Target, reason: str, request_id: str | None) -> None:
    """Let a node begin that stands by (livestack start --standby)."""
    carry_out(target, lambda node: node.session_start(reason, request_id), "the session begins")


@session.command()
@changes()
@on_node
def stop(target: Target, reason: str, request_id: str | None) -> None:
    """End the session in order, as Ctrl-C does: orders cancelled, outcomes awaited, the journal closed."""
    carry_out(target, lambda node: node.session_stop(reason, request_id), "the session is stopping")


@click.command()
@click.argument("order_id", type=OrderNumber(), required=False, metavar="ORDER_ID")
@click.option("--all", "everything", is_flag=True, help="Every open order of ours.")
@click.option("--venue", default="", help="With --all: only there.")
@click.option("--instrument", default="", help="With --all: only of this one.", metavar="VENUE:SYMBOL")
@changes()
@on_node
def cancel(
    target: Target,
    order_id: int | None,
    everything: bool,
    venue: str,
    instrument: str,
    reason: str,
    request_id: str | None,
) -> None:
    """Cancel order ORDER_ID, or --all. Nothing keeps the strategy from sending new ones: livestack kill does."""
    if everything == (order_id is not None):
        raise click.UsageError("say which: an ORDER_ID as in livestack orders, or --all")
    if order_id is not None:
        if venue or instrument:
            raise click.UsageError("--venue and --instrument go with --all")
        carry_out(
            target,
            lambda node: node.cancel(order_id, reason, request_id),
            f"order {order_id} is being cancelled",
        )
        return
    carry_out(
        target,
        lambda node: node.cancel_all(reason, venue, instrument, request_id),
        f"all open orders{_of(venue, instrument)} are being cancelled",
    )


@click.command()
@changes("checkpoint")
@on_node
def checkpoint(target: Target, reason: str, request_id: str | None) -> None:
    """Record the digest of the node's State now, for a replay to compare."""
    carry_out(
        target,
        lambda node: node.checkpoint(reason, request_id),
        "checkpoint recorded",
        lambda reply: {"digest": reply.digest.digest},
    )


@click.command()
@click.argument("confirmed", metavar="REQUEST_ID")
@changes("confirmed")
@on_node
def confirm(target: Target, confirmed: str, reason: str, request_id: str | None) -> None:
    """Let the request REQUEST_ID of another key be carried out (control.four_eyes)."""
    carry_out(
        target,
        lambda node: node.confirm(confirmed, reason, request_id),
        lambda reply: f"{confirmed} is confirmed{_what(reply)}",
    )


def _what(reply: wire.Reply) -> str:
    """What was confirmed, as far as the answer tells it."""
    match reply.WhichOneof("answer"):
        case "killed":
            return f": the kill-switch is engaged for {reply.killed.scope or 'everything'}"
        case "configuration_version":
            return f": the configuration is version {reply.configuration_version.version}"
        case "digest":
            return ": checkpoint recorded"
        case _:
            return ""
