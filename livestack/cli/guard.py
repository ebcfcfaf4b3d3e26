"""``livestack guard``: the last resort by hand, and what a node's guard is started with."""

from __future__ import annotations

import getpass
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import msgspec

from livestack.cli.main import data_directory
from livestack.cli.parameters import DURATION, data_dir_option
from livestack.control.latch import Latch, LatchEntry
from livestack.exceptions import LivestackError, UnreachableError, UsageError
from livestack.node.cancel_all import begin_by_hand, finish_by_hand, who_holds
from livestack.node.guard import Guard, Instructions, Report, Trouble
from livestack.node.guard_report import GuardReport, VenueReport, read_report
from livestack.node.shared_progress import ProgressReader
from livestack.node.triggers import KILL_NAME
from livestack.node.venue_access import load_venues, make_sweeps
from livestack.telemetry import logs
from livestack.transports.clock import SystemClock
from livestack.venues.adapter import OpenOrder, Setback

EXIT_NOT_FLAT = 4
WAIT_NS = 60_000_000_000
REASON_MAX = 500


@click.group()
def guard() -> None:
    """The last resort: cancel everything at the venues, with keys and the data directory alone."""


@guard.command()
@click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), help="Also ask the venues of this file."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@data_dir_option
def status(data_dir: Path | None, path: Path | None, as_json: bool) -> None:
    """Whether the kill-switch is latched, a node runs, and (with -c) what is open at the venues. Changes nothing."""
    venues = None
    if path is not None:
        configured, venues = load_venues(path, os.environ)
        data_dir = data_dir if data_dir is not None else Path(configured)
    directory = data_directory(data_dir)
    entries, holder, report = Latch(directory).entries(), who_holds(directory), read_report(directory)
    if not as_json:
        _print_node(entries, holder, report)
    opened: dict[str, tuple[OpenOrder, ...] | None] = {}
    failures: dict[str, UnreachableError] = {}
    sweeps = [] if venues is None else make_sweeps(venues, os.environ, SystemClock(), *_NO_NEWS)
    for sweep in sweeps:
        answer = sweep.look()
        sweep.close()
        if isinstance(answer, Setback):
            address = f"venue {sweep.venue} at {venues[sweep.venue].rest_url}" if venues else sweep.venue
            failures[sweep.venue] = UnreachableError(address, answer.text)
            opened[sweep.venue] = None
            continue
        opened[sweep.venue] = answer
        if not as_json:
            _list(sweep.venue, answer)
    if as_json:
        content: dict[str, Any] = {
            "latched": bool(entries),
            "latch": entries,
            "node_alive": holder == "node",
            "guard_acting": holder == "guard",
            "open_orders_at_venue": None if venues is None else opened,
            "trouble": {venue: str(failure) for venue, failure in failures.items()},
            "report": report,
        }
        click.echo(msgspec.json.encode(content))
    for failure in failures.values():
        click.secho(f"livestack: {failure}", fg="red", err=True)
    if failures:
        sys.exit(UnreachableError.exit_code)


_NO_NEWS = (lambda _: True, lambda *_: None)


def _print_node(entries: tuple[LatchEntry, ...], holder: str, report: GuardReport | None) -> None:
    for entry in entries:
        click.echo(
            f"kill-switch: latched for {entry.scope or 'everything'} by {entry.by} ({entry.trigger}): {entry.reason}"
        )
    if not entries:
        click.echo("kill-switch: not latched")
    click.echo(
        {"node": "node: running", "guard": "node: dead, its guard is acting", "": "node: not running"}[holder]
    )
    if report is not None:
        click.echo(f"what was done last: {report}")


@guard.command("cancel-all")
@click.option(
    "-c",
    "--config",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    help="The session's TOML file; only its venues and their keys are used.",
)
@click.option("--reason", required=True, help="Why; it is kept with the latch.")
@click.option(
    "--wait",
    "wait_ns",
    type=DURATION,
    default=WAIT_NS,
    help="How long to try until all is flat (default 60s).",
)
@click.option("--prove", is_flag=True, help="Ask again when nothing can be on its way any more (some 16 s).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@data_dir_option
def cancel_all(
    data_dir: Path | None, path: Path, reason: str, wait_ns: int, prove: bool, as_json: bool
) -> None:
    """Latch the kill-switch, cancel every open order of every account in the file, and ask the venues what is open.

    No node is needed; one that runs is told to engage its kill-switch. Exit code 0: the venues say that nothing is
    open. 3: one refuses or does not answer. 4: something is open.
    """
    if not 0 < len(reason.strip()) <= REASON_MAX:
        raise UsageError(f"--reason must be 1 to {REASON_MAX} characters")
    configured, venues = load_venues(path, os.environ)
    directory = data_directory(data_dir if data_dir is not None else Path(configured))
    logs.configure("error", json=as_json)  # what there is to say is said in sentences
    clock = SystemClock()
    report = begin_by_hand(directory, clock, _user(), reason.strip())
    _warn(directory, report)
    try:
        report = finish_by_hand(
            directory,
            report,
            lambda pause, changed: make_sweeps(venues, os.environ, clock, pause, changed),
            clock,
            wait_ns,
            prove,
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
    if as_json:
        click.echo(msgspec.json.encode({"flat": report.flat, **msgspec.to_builtins(report)}))
    else:
        for venue, one in report.venues.items():
            _print(venue, one)
    if any(one.open is None or (one.cause and not one.flat) for one in report.venues.values()):
        sys.exit(UnreachableError.exit_code)
    sys.exit(0 if report.flat else EXIT_NOT_FLAT)


@guard.command(hidden=True)
@click.option("--progress-fd", type=click.IntRange(min=3), required=True)
def run(progress_fd: int) -> None:
    """Guard the node that started this process. Its instructions are the first line of stdin."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # what ends the node must not end its guard; the node does that
    os.set_blocking(1, False)  # a node that does not read must not hold its guard up
    with open(0, "rb", buffering=0, closefd=False) as stdin:
        line = stdin.readline()
    if not line:
        return  # the node was gone before it could say anything, and so before it did anything
    try:
        instructions = msgspec.json.decode(line, type=Instructions)
        logs.begin(instructions.log, Path(instructions.data_dir), process="guard")
        logs.bind(node=instructions.node)
        acting = Guard(instructions, ProgressReader(progress_fd), SystemClock(), _say, os.environ, 0)
    except (LivestackError, msgspec.MsgspecError, ValueError, OSError) as error:
        _say(Trouble(str(error)))
        sys.exit(error.exit_code if isinstance(error, LivestackError) else UsageError.exit_code)
    code = acting.run()
    logs.flush()
    sys.exit(code)


def _say(report: Report) -> None:
    with suppress(OSError):  # nobody reads it: then nobody is there
        os.write(1, msgspec.json.encode(report) + b"\n")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"user {os.getuid()}"


def _warn(directory: Path, report: GuardReport) -> None:
    """On stderr, before anything is sent: what stays behind this command."""
    if report.latched:
        click.secho(
            "The kill-switch is latched: a node sends no new orders until `livestack kill reset`; `livestack start` "
            "says so when it starts.",
            fg="yellow",
            err=True,
        )
    if not report.node_ended:
        click.secho(
            f"A node is running: {directory / KILL_NAME} is written, which engages its kill-switch. It has to be "
            "removed before `livestack kill reset`.",
            fg="yellow",
            err=True,
        )
    if report.note:
        click.secho(f"Beware: {report.note}", fg="red", err=True)


def _print(venue: str, report: VenueReport) -> None:
    tries = f"{report.attempts} attempt{'s' if report.attempts != 1 else ''}"
    click.echo(f"{venue}: {report.cancelled} cancelled in {tries}")
    if report.cause:
        click.secho(f"{venue}: {report.cause}", fg="red", err=True)
    if report.open is not None:
        _list(venue, report.open)


def _list(venue: str, orders: tuple[OpenOrder, ...]) -> None:
    count = {0: "nothing is", 1: "1 order is"}.get(len(orders), f"{len(orders)} orders are")
    click.echo(f"{venue}: the venue says {count} open")
    for order in orders:
        click.echo(
            f"  {order.symbol} {order.side} {order.qty} at {order.price}, filled {order.filled}: "
            f"{order.client_id} ({order.venue_order_id})"
        )
