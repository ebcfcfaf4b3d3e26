"""``livestack report``: what a session did, as one HTML page with plots and tables, from its journal or from a sink."""

from __future__ import annotations

import os
from pathlib import Path

import click
import msgspec

from livestack.cli.main import data_directory
from livestack.cli.parameters import data_dir_option, session_argument
from livestack.cli.progress import progress_bar
from livestack.cli.sinks import chosen_places
from livestack.exceptions import UsageError
from livestack.journal.directory import DataDirectory
from livestack.journal.sessions import resolve
from livestack.research.records import Derivation
from livestack.research.report_page import page
from livestack.research.report_source import Account, from_journal, from_sink
from livestack.storage.place import SinkPlace, make_sink


@click.command()
@session_argument
@data_dir_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Where the page goes (default SESSION.html).",
    metavar="FILE",
)
@click.option(
    "--sink",
    default=None,
    help="Read the records there, not from the journal: a place of storage, or one of -c by its name.",
    metavar="URL|NAME",
)
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    default=None,
    help="The session's TOML file: the sinks in its [records] table.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def report(
    session: str,
    data_dir: Path | None,
    output: Path | None,
    sink: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Write a page that shows SESSION (or "latest"): P&L, positions, fills, latencies, denials, incidents.

    The page needs nothing else: it can be mailed and opened anywhere.
    """
    if sink is None:
        if config is not None:
            raise UsageError("-c says what sinks there are: it needs --sink NAME")
        name, account = _from_journal(DataDirectory(data_directory(data_dir)), session)
    else:
        data_dir, places = chosen_places([sink], config, data_dir)
        name, account = _from_sink(places[0], DataDirectory(data_dir), session)
    path = output if output is not None else Path(f"{name}.html")
    path.write_bytes(page(account.findings, account.source, account.notes))
    if as_json:
        click.echo(msgspec.json.encode({"path": str(path.absolute())}))
    else:
        click.echo(str(path))


def _from_journal(directory: DataDirectory, session: str) -> tuple[str, Account]:
    name, live = resolve(directory, session)
    with (
        Derivation(directory.sessions, name, live) as derivation,
        progress_bar("reading", derivation.from_seq, derivation.end_seq) as progress,
    ):
        return name, from_journal(derivation, progress)


def _from_sink(place: SinkPlace, directory: DataDirectory, session: str) -> tuple[str, Account]:
    """What storage has may be of a session that this data directory has no more, or never had."""
    name = resolve(directory, session)[0] if session == "latest" else session
    sink = make_sink(place, os.environ)
    try:
        sink.look()
        end = sink.position(name).through
        with progress_bar("reading", 1, end) as progress:
            account = from_sink(sink, name, progress)
    finally:
        sink.close()
    if not account.findings.count:
        raise UsageError(f"{sink.address} has no records of session {name}")
    return name, account
