"""``livestack kill``: engage the kill-switch, wait for the proof that nothing is left, and release it."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import click
from rich.console import Console
from rich.live import Live

from livestack.cli.failures import NOTHING_KILLED, CommandError, nothing_killed
from livestack.cli.node import (
    Target,
    carry_out,
    changes,
    no_options_before,
    on_node,
    say_message,
    seq_of,
)
from livestack.cli.on_disk import kept_receipts, leave_kill_file, look, newest_receipt
from livestack.cli.parameters import DURATION
from livestack.cli.receipts import NONE_SENT, is_proof_of, open_orders, show_kept, show_receipt, summary
from livestack.cli.showing import echo_json, moment, plain, utc
from livestack.client import ControlClient
from livestack.control.forgiving import kill_reason
from livestack.exceptions import (
    LivestackError,
    NodeUnreachableError,
    OutcomeUnknownError,
    RefusedError,
    UnreachableError,
    UsageError,
)
from livestack.node.kill_receipts import DIRECTORY_NAME
from livestack.node.triggers import KILL_NAME
from livestack.wire import control_pb2 as wire

EXIT_NOT_FLAT = 4

ASK_EVERY_S = 0.1

WAIT_NS = 10_000_000_000
"""For a ``--wait-flat`` that says nothing: it must not keep the kill from going out."""


class KillGroup(click.Group):
    """Whatever was typed wrongly, the first words say that there was no kill."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with _nothing_killed():
            return super().make_context(info_name, args, parent, **extra)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        with _nothing_killed():
            return super().resolve_command(ctx, args)


@contextmanager
def _nothing_killed() -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        raise click.UsageError(f"{NOTHING_KILLED} {error.format_message()}", error.ctx) from None


class Wait(click.ParamType[int]):
    """As other durations; a number alone is seconds, and what is none at all is ten of them."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = "".join(str(value).split())
        if re.fullmatch(r"\d{1,9}", text, re.ASCII):
            text += "s"
        if re.fullmatch(r"0+(ms|s|m|h)", text):
            return 0
        try:
            return DURATION.convert(text, param, ctx)
        except click.UsageError:
            click.secho(
                f"--wait-flat {value!r} is not a duration such as 10s: 10 s it is", fg="yellow", err=True
            )
            return WAIT_NS


class Proof(NamedTuple):
    """What was found out in the wait. ``ended``: what became of the node meanwhile; empty: nothing."""

    receipt: wire.KillReceipt
    ended: str = ""


@click.group(cls=KillGroup, invoke_without_command=True)
@click.option("--venue", default="", help="Only this venue.")
@click.option("--instrument", default="", help="Only this instrument.", metavar="VENUE:SYMBOL")
@click.option(
    "--wait-flat",
    "limit_ns",
    type=Wait(),
    default=0,
    help="Wait so long for the proof that nothing is open; exit code 4 if there is none.",
)
@changes(default="")
@on_node
def kill(
    target: Target, venue: str, instrument: str, limit_ns: int, reason: str, request_id: str | None
) -> None:
    """Engage the kill-switch: no new order leaves any more, open ones are cancelled.

    The answer means that the gate is closed. It stays closed until "kill reset", across restarts too. Where no node of
    --data-dir answers, a file named KILL is left in it, which kills the node as soon as it runs.
    """
    context = click.get_current_context()
    if context.invoked_subcommand:
        no_options_before(context)
        return
    with ExitStack() as stack:
        try:
            node = stack.enter_context(target.connect())
            reply = node.kill(reason, venue, instrument, request_id)
        except LivestackError as error:
            raise not_killed(target, reason, error) from error
        if not target.as_json:
            _say(reply)
        proof: Proof | None = None
        try:
            if limit_ns:
                proof = _wait(target, node, reply.killed, limit_ns)
        finally:  # what is certain is told, whatever becomes of the rest
            if target.as_json:
                echo_json(_content(reply, proof))
    if proof is not None:
        _end(target, proof, limit_ns)


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
@click.option(
    "--all", "everything", is_flag=True, help="List those that the data directory keeps; no node is needed."
)
@on_node
def receipt(target: Target, everything: bool) -> None:
    """Show what is proven of an engaged kill-switch: what each venue said after the gate was closed.

    Where no node answers, the newest one that the data directory keeps.
    """
    if everything:
        _list_kept(target)
        return
    try:
        with target.connect() as node:
            found = node.kill_receipt()
            engaged = found.engaged or bool(node.status().kill_switch)
    except NodeUnreachableError:
        kept = None if target.data_dir is None else newest_receipt(target.data_dir)
        if kept is None:
            raise
        if target.as_json:
            echo_json(plain(kept.receipt) | {"file": str(kept.path)})
        else:
            show_receipt(kept.receipt, kept.path)
        return
    if target.as_json:
        echo_json(plain(found) | {"engaged": engaged, "file": None})
    elif found.engaged:
        show_receipt(found)
    elif engaged:
        click.echo(
            "the kill-switch is engaged since before the node started; another livestack kill proves it anew, "
            "livestack kill receipt --all lists older receipts"
        )
    else:
        click.echo("the kill-switch is not engaged; livestack kill receipt --all lists older receipts")


def _list_kept(target: Target) -> None:
    if target.data_dir is None:
        raise UsageError("kept receipts are read where they are: --all does not go with --endpoint")
    kept = kept_receipts(target.data_dir)
    if target.as_json:
        echo_json([plain(one.receipt) | {"file": str(one.path), "trouble": one.trouble} for one in kept])
    else:
        show_kept(kept, target.data_dir / DIRECTORY_NAME)


def not_killed(target: Target, reason: str, error: LivestackError) -> CommandError:
    """What is told where a kill failed with ``error``; where nobody answered, the file is left that kills without."""
    if isinstance(error, NodeUnreachableError | OutcomeUnknownError):
        return _unanswered(target, reason, error)
    return nothing_killed(error, target.data_dir)


def _unanswered(
    target: Target, reason: str, error: NodeUnreachableError | OutcomeUnknownError
) -> CommandError:
    """Nobody knows whether the kill is in force: leave what works without an answer, and say what is certain."""
    again = request_id = ""
    silent = "the node does not answer"
    if isinstance(error, NodeUnreachableError):
        silent += f" ({error.address}: {error.cause})"
    else:
        request_id = error.request_id
        again = f" {error}; the same command with --request-id {request_id} asks again."
    if target.data_dir is None:
        if not request_id:
            return nothing_killed(error, None)
        sentence = f"NOT CONFIRMED: {silent}.{again} At the node: a file named {KILL_NAME} in its data "
        sentence += "directory kills it too, livestack guard cancel-all cancels without it"
        return CommandError("unconfirmed", "timed_out", sentence, UnreachableError.exit_code, request_id)
    if not target.data_dir.is_dir():
        sentence = f"{NOTHING_KILLED} there is no data directory {target.data_dir}: is --data-dir right?"
        return CommandError("unreachable", "unreachable", sentence, error.exit_code)
    found = look(target.data_dir)
    acted = found.guard_acted()
    guard = f"livestack guard cancel-all -c FILE --data-dir {target.data_dir} --reason TEXT"
    if acted and found.is_latched():
        sentence = (
            f"NOT CONFIRMED: {silent}, but {acted}; the kill-switch is latched. "
            f"Look: livestack guard status -c FILE --data-dir {target.data_dir}"
        )
        return CommandError("unconfirmed", "guard_acted", sentence, UnreachableError.exit_code, request_id)
    trouble = leave_kill_file(target.data_dir, kill_reason(reason))
    file = target.data_dir / KILL_NAME
    if trouble:
        sentence = f"NOT CONFIRMED: {silent}, and {trouble}."
    else:
        sentence = (
            f"NOT CONFIRMED: {silent}. {file} is written: it is killed as soon as it runs, for "
            "everything, until the file is removed and the kill-switch reset."
        )
    sentence += f" What is open at the venue now: {guard} cancels it.{again}"
    return CommandError("unconfirmed", "timed_out" if request_id else "unreachable", sentence,
                        UnreachableError.exit_code, request_id)  # fmt: skip


def _wait(target: Target, node: ControlClient, killed: wire.Killed, limit_ns: int) -> Proof:
    """The receipt once it is flat, or as it is when the time is over; empty while there is none."""
    began = time.monotonic()
    latest = wire.KillReceipt(engaged=True)
    if killed.scope:
        latest.scopes.add(scope=killed.scope)
    with _line() as say:
        while True:
            try:
                latest = _receipt(node, killed) or latest
            except LivestackError as error:
                proof = _without_node(target, killed, latest, error)
                if proof is not None:
                    return proof
            left_s = began + limit_ns / 1e9 - time.monotonic()
            if latest.flat or left_s <= 0:
                return Proof(latest)
            say(summary(latest))
            time.sleep(min(ASK_EVERY_S, left_s))


def _receipt(node: ControlClient, killed: wire.Killed) -> wire.KillReceipt | None:
    """The receipt of this kill; None: the node still shows that of an earlier one, or has no time for us now."""
    try:
        found = node.kill_receipt()
    except RefusedError as error:
        if error.code in ("RATE_LIMITED", "BUSY"):
            return None
        raise
    return found if is_proof_of(found, killed) else None


def _without_node(
    target: Target, killed: wire.Killed, latest: wire.KillReceipt, error: LivestackError
) -> Proof | None:
    """What there is where the node tells nothing more; None: it may yet."""
    if not isinstance(error, NodeUnreachableError) or target.data_dir is None:
        return Proof(latest, f"the node tells nothing more: {error}")
    found = look(target.data_dir)
    if found.holder == "node":
        return None
    kept = newest_receipt(target.data_dir)
    has_died = found.holder == "guard" or found.open_session or found.guard_acted()
    ended = f"the node has died meanwhile: {found.advice()}" if has_died else "the node has stopped meanwhile"
    if kept is None or not is_proof_of(kept.receipt, killed):
        return Proof(latest, ended)
    return Proof(kept.receipt, f"{ended}; its receipt is {kept.path}")


@contextmanager
def _line() -> Iterator[Callable[[str], None]]:
    """A line on stderr where that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: None
        return
    with Live("", console=console, refresh_per_second=10, transient=True) as live:
        yield live.update


def _say(reply: wire.Reply) -> None:
    killed = reply.killed
    seq = seq_of(reply)
    place = "" if seq is None else f" (seq {seq:,})"
    click.secho(f"kill-switch engaged for {killed.scope or 'everything'}{place}", bold=True)
    say_message(reply)
    click.echo(f"gate closed at {moment(killed.gate_closed_at_ns) or '-'}")
    click.echo(f"last New or Replace sent: {moment(killed.last_new_sent_at_ns) or NONE_SENT}")
    if not killed.durable:
        click.secho("NOT ON DISK: a restart of the node would forget it", fg="red", err=True)


def _content(reply: wire.Reply, proof: Proof | None) -> dict[str, Any]:
    """The keys of ``livestack kill --json``; null is what nobody knows yet."""
    receipt = None if proof is None else proof.receipt
    sent_ns = reply.killed.last_new_sent_at_ns
    if receipt is not None and receipt.gate_closed_at_ns:
        sent_ns = receipt.last_new_sent_at_ns
    return {
        "outcome": "done",
        "seq": seq_of(reply),
        "scope": reply.killed.scope,
        "durable": reply.killed.durable,
        "gate_closed_at": utc(reply.killed.gate_closed_at_ns),
        "last_new_sent_at": utc(sent_ns),
        "open_orders_at_venue": None if receipt is None else open_orders(receipt),
        "unknown_orders": None if receipt is None else len(receipt.unknown_orders),
        "flat": None if receipt is None else receipt.flat,
        "receipt": None if receipt is None else plain(receipt),
        "code": "none",
        "message": "; ".join(filter(None, (reply.message, "" if proof is None else proof.ended))),
        "request_id": reply.request_id,
    }


def _end(target: Target, proof: Proof, limit_ns: int) -> None:
    if not target.as_json:
        show_receipt(proof.receipt)
    if proof.receipt.flat:
        if proof.ended:
            click.secho(f"livestack: {proof.ended}", fg="yellow", err=True)
        return
    what = proof.ended or "the gate stays closed and the node goes on cancelling: livestack kill receipt"
    after = "" if proof.ended else f" after {limit_ns / 1e9:g} s"
    click.secho(f"livestack: {summary(proof.receipt)}{after}; {what}", fg="red", err=True)
    sys.exit(EXIT_NOT_FLAT)
