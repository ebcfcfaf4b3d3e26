"""``livestack why``: one order's whole story."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from livestack.cli.main import data_directory
from livestack.cli.parameters import complete_session, data_dir_option
from livestack.cli.steps import console_for_steps, print_list, print_step
from livestack.exceptions import UsageError
from livestack.journal.directory import DataDirectory
from livestack.journal.salvage import open_readable
from livestack.journal.sessions import resolve
from livestack.research.lookup import at_seq, look_up
from livestack.research.story import Step, tell

WIDE = 100  # characters; below that the rules stand further left

_COLOURS = {"denied": "red", "withdrawn": "yellow", "waited": "yellow", "not sent": "red", "anomaly": "red"}


@click.command()
@click.argument("order_id", required=False)
@click.option("--seq", type=click.IntRange(min=1), default=None, help="The order of the Event at SEQ.")
@click.option(
    "--session",
    default="latest",
    show_default=True,
    shell_complete=complete_session,
    help="Where it was.",
    metavar="SESSION",
)
@data_dir_option
@click.option("--rules", is_flag=True, help="Show every rule, not only those with a limit or an objection.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
def why(
    order_id: str | None, seq: int | None, session: str, data_dir: Path | None, rules: bool, as_json: bool
) -> None:
    """Tell the story of ORDER_ID in order: what the strategy saw and wanted, what each rule said, how long it waited,
    when it left, what the venue answered.

    ORDER_ID is our number, a client order id, the venue's order id, or the position of a denied Intent.
    """
    if (order_id is None) is (seq is None):
        raise UsageError("name an order, or --seq with the position of an Event about one")
    directory = DataDirectory(data_directory(data_dir))
    name, live = resolve(directory, session)
    reader, _ = open_readable(directory.sessions, name, live)
    with reader:
        wanted = at_seq(reader, seq) if seq is not None else look_up(reader, order_id or "")
        steps = tell(reader, wanted)
    if as_json:
        print_list(steps)
        return
    console = console_for_steps()
    number = f"order {wanted.order_id}" if wanted.order_id else f"order {wanted.client_id}"
    console.print(f"[bold]{escape(number)}[/] of session {name}, from {steps[0].at}; seconds, position, step")
    for step in steps:
        print_step(console, step.seq, step.after_ns, step.step, step.text, _COLOURS.get(step.step, "default"))
        if step.step == "rules":
            _rules(console, step, rules)


def _rules(console: Console, step: Step, every: bool) -> None:
    """Each rule that compared a figure with a limit, and each that objected; or every one."""
    verdicts: list[dict[str, Any]] = step.details["verdicts"]
    shown = [
        one
        for one in verdicts
        if every or not one["allowed"] or (one["figure"] and one["limit"] != "unlimited")
    ]
    if not shown:
        return
    indent = 24 if console.width >= WIDE else 4
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", overflow="fold")
    table.add_column(overflow="fold")
    for one in shown:
        word = "[green]allows[/]" if one["allowed"] else "[red]denies[/]"
        of = f"of {one['limit']}" if one["limit"] else ""
        table.add_row(f"{'':{indent}}{word}", one["rule"], escape(one["figure"]), escape(of))
    console.print(table)
