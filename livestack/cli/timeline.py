"""``livestack timeline``: what happened in a session besides its market and its orders."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import click

from livestack.cli.main import data_directory
from livestack.cli.parameters import data_dir_option, session_argument
from livestack.cli.steps import console_for_steps, print_list, print_step
from livestack.journal.directory import DataDirectory
from livestack.journal.salvage import open_readable, salvage
from livestack.journal.sessions import resolve
from livestack.research.timeline import timeline as moments_of

_COLOURS = {"info": "green", "warning": "yellow", "bad": "red"}


@click.command()
@session_argument
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
def timeline(session: str, data_dir: Path | None, as_json: bool) -> None:
    """Incidents, commands and state changes of SESSION (or "latest"), with times from its start in seconds."""
    directory = DataDirectory(data_directory(data_dir))
    name, live = resolve(directory, session)
    reader, gaps = open_readable(directory.sessions, name, live)
    with reader:
        moments = moments_of(chain(gaps, salvage(reader)))
        if as_json:
            print_list(moments)
            return
        console = console_for_steps()
        for moment in moments:
            colour = _COLOURS[moment.grade]
            print_step(console, moment.seq, moment.after_ns, moment.kind, moment.text, colour)
