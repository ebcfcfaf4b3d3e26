"""``livestack records ship``: bring records into central storage by hand, beside a node or after it; and what a node
starts its shippers with."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import click

from livestack.cli.main import data_directory, leave
from livestack.cli.parameters import DURATION, data_dir_option
from livestack.cli.shipping import HandShipper, Shipped
from livestack.cli.showing import echo_json
from livestack.cli.signals import until_a_signal
from livestack.cli.sinks import chosen_places, chosen_sessions, sessions_option, sink_options
from livestack.exceptions import UsageError
from livestack.journal.directory import DataDirectory
from livestack.journal.sessions import resolve
from livestack.node.shipper import run_child, spare_the_collector
from livestack.transports.clock import SystemClock

WAIT_NS = 60_000_000_000
"""For a shipper of the same: without new records it tells its sink twice a minute how far it is."""

_SEVERITY = (6, 4, 2, 3, 5, 130)
"""Exit codes, the one that tells most first."""


@click.command()
@sessions_option
@sink_options
@click.option("--follow", is_flag=True, help="Go on with what the session's node writes, as long as it runs.")
@click.option(
    "--wait",
    "wait_ns",
    type=DURATION,
    default=WAIT_NS,
    help="For another process that ships the same (default 60s).",
)
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per session and sink.")
@click.option(
    "--child", is_flag=True, hidden=True, help="Started by the node, which says on stdin what to do."
)
def ship(
    session: str,
    everything: bool,
    sinks: tuple[str, ...],
    config: Path | None,
    follow: bool,
    wait_ns: int,
    data_dir: Path | None,
    as_json: bool,
    child: bool,
) -> None:
    """Ship the records of SESSION (or "latest") that central storage does not have yet.

    Nothing is shipped twice. Where another process, as a running node's own, ships the same, it is waited for. Exit
    code 2: the sink refuses. 3: it cannot be reached. 4: the journal's beginning is gone. 5: others are at it, or a
    file is not usable. 6: the journal is damaged.
    """
    if child:
        leave(run_child(DataDirectory(data_directory(data_dir)).sessions, session, os.environ))
    data_dir, places = chosen_places(sinks, config, data_dir)
    if follow and len(places) > 1:
        raise UsageError("--follow ships to one sink: choose it with --sink, and start one process for each")
    directory = DataDirectory(data_dir)
    chosen = chosen_sessions(directory, session, everything)
    codes: set[int] = set()
    with until_a_signal() as stopped, ExitStack() as closing:
        closing.callback(gc.set_threshold, *gc.get_threshold())
        spare_the_collector()
        for place in places:
            shipper = HandShipper(directory.sessions, place, SystemClock(), stopped, wait_ns)
            closing.callback(shipper.close)
            for name, running in chosen:
                follows = (lambda name=name: resolve(directory, name)[1]) if follow and running else None
                told = shipper.ship(name, running, follows)
                codes.add(told.exit)
                _tell(told, as_json)
                if stopped.is_set():
                    break
    sys.exit(next((code for code in _SEVERITY if code in codes), max(codes, default=0)))


def _tell(told: Shipped, as_json: bool) -> None:
    if as_json:
        echo_json(told)
    else:
        refused = f"; {told.refused:,} more were refused and are in its dead_letters" if told.refused else ""
        says = (
            "has everything"
            if told.shipped
            else "says that it has everything: livestack records verify compares"
        )
        left = f"; it {says}" if not told.error else ""
        left = f"; records of {told.pending:,} Events are left" if told.pending else left
        click.echo(f"{told.session}: {told.shipped:,} records to {told.address}{refused}{left}")
    if told.error:
        click.secho(f"livestack: {told.error}", fg="red", err=True)
