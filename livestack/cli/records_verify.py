"""``livestack records verify``: compare central storage with the journal, record by record."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from rich.text import Text

from livestack.cli.parameters import data_dir_option
from livestack.cli.progress import progress_bar
from livestack.cli.showing import NodeConsole, echo_json, show_table
from livestack.cli.sinks import chosen_places, chosen_sessions, sessions_option, sink_options
from livestack.exceptions import JournalError, RecoveryError, SinkRefusedError, SinkUnavailableError
from livestack.journal.directory import DataDirectory
from livestack.research.records import Derivation
from livestack.research.records_comparison import EXIT_DIFFERENT, Compared, Example, compare
from livestack.storage.cursor import read_marks
from livestack.storage.place import SinkPlace, make_sink

_SEVERITY = (EXIT_DIFFERENT, SinkRefusedError.exit_code, SinkUnavailableError.exit_code)
"""Exit codes, the one that tells most first."""

ADVICE = (
    "look at the examples with --json; storage that lost or changed something is made whole by giving the records a "
    "fresh place (a new directory, prefix or database, or the damaged one moved aside while no node runs) and "
    "livestack records ship --all, as long as the journals are there"
)
"""Where records are not the same, but for those that merely were not shipped yet."""

SHOWN_MAX = 60
"""Characters of a value in an example."""


@click.command()
@sessions_option
@sink_options
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per session and sink.")
def verify(
    session: str,
    everything: bool,
    sinks: tuple[str, ...],
    config: Path | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Derive all records of SESSION (or "latest") again from its journal and compare them with what storage has.

    Changes nothing. While the node runs, a sink is held to what it says that it has, or once said; the rest is pending.
    """
    data_dir, places = chosen_places(sinks, config, data_dir)
    directory = DataDirectory(data_dir)
    codes: set[int] = set()
    for name, running in chosen_sessions(directory, session, everything):
        for found in _compare(directory.sessions, name, running, places):
            codes.add(found.exit)
            if as_json:
                echo_json(found)
            else:
                _print(found)
    sys.exit(next((code for code in _SEVERITY if code in codes), 0))


def _compare(sessions: Path, session: str, running: bool, places: list[SinkPlace]) -> list[Compared]:
    sinks = [(place.name, make_sink(place, os.environ)) for place in places]
    try:
        with (
            Derivation(sessions, session, running) as derivation,
            progress_bar("comparing", derivation.from_seq, derivation.end_seq) as progress,
        ):
            once = _confirmed(sessions, session)
            return compare(derivation, session, sinks, running, progress, confirmed=once)
    except JournalError as error:
        damage = f"its journal {error.cause}" if isinstance(error, RecoveryError) else str(error)
        return [
            Compared(
                session=session,
                sink=name,
                address=sink.address,
                running=running,
                damage=damage,
                exit=EXIT_DIFFERENT,
            )
            for name, sink in sinks
        ]


def _confirmed(sessions: Path, session: str) -> dict[str, int]:
    """Up to where each sink once said that it has everything, by address: the marks beside the journal."""
    confirmed: dict[str, int] = {}
    for mark in read_marks(sessions, session).values():
        confirmed[mark.address] = max(confirmed.get(mark.address, 0), mark.through)
    return confirmed


def _print(found: Compared) -> None:
    rows = [
        (
            name,
            *(
                f"{number:,}"
                for number in (
                    one.journal,
                    one.storage,
                    one.missing,
                    one.extra,
                    one.different,
                    one.dead_lettered,
                )
            ),
        )
        for name, one in found.tables.items()
        if one.journal or one.storage
    ]
    console = NodeConsole()
    console.print(Text(f"Session {found.session}, {found.address}", style="italic"))
    columns = (">journal", ">storage", ">missing", ">extra", ">different", ">dead-lettered")
    show_table("Records", ("!table", *columns), rows)
    for example in found.examples:
        console.print(Text(f"  {_sentence(example)}"))
    for text, colour in _verdicts(found):
        console.print(Text(text, style=colour))


def _sentence(example: Example) -> str:
    where = f"{example.fault}: {example.table} at seq {example.seq:,}, record {example.ordinal}"
    values = [
        f"{name} is {_shown(storage)}, by the journal {_shown(journal)}"
        for name, (journal, storage) in example.columns.items()
    ]
    return f"{where}: {'; '.join(values)}" if values else where


def _shown(value: object) -> str:
    if value is None:
        return "absent"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"


def _verdicts(found: Compared) -> list[tuple[str, str]]:
    """Sentences with their colours, the verdict last."""
    told: list[tuple[str, str]] = []
    if found.from_seq > 1:
        text = f"compared from seq {found.from_seq:,}: of what was before, the journal is gone"
        told.append((text, "yellow"))
    if found.pending:
        advice = (
            "the node ships them" if found.running else f"livestack records ship {found.session} does that"
        )
        told.append((f"not shipped yet: {_records(found.pending)}; {advice}", "yellow"))
    if found.dead_lettered:
        advice = f"livestack records show {found.session} dead_letters"
        told.append((f"refused and set aside: {_records(found.dead_lettered)}; {advice}", "yellow"))
    if found.had_through:
        told.append((f"it had everything up to seq {found.had_through:,} once", "red"))
    told += [(text, "red") for text in (found.damage, found.error) if text]
    if found.is_same and found.pending and not found.storage:
        told.append(("nothing could be compared: it has no records of the session yet", "yellow"))
    elif found.is_same:
        told.append(
            (f"the same: {_records(found.storage)}, seq {found.from_seq:,} to {found.to_seq:,}", "green")
        )
    elif found.missing or found.extra or found.different:
        told.append(
            (
                f"not the same: {found.missing:,} missing, {found.extra:,} extra, {found.different:,} different",
                "red",
            )
        )
        is_late = not found.running and found.missing == found.pending
        if not is_late or found.extra or found.different:
            told.append((ADVICE, "yellow"))
    return told


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count:,} records"
