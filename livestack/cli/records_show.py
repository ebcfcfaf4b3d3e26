"""``livestack records show``: what central storage has of a session."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from livestack.cli.parameters import data_dir_option
from livestack.cli.showing import NodeConsole, echo_json, moment, number, show_table
from livestack.cli.sinks import chosen_places, chosen_sessions, sink_options
from livestack.core.validation import guess
from livestack.exceptions import UsageError
from livestack.journal.directory import DataDirectory
from livestack.research.records_comparison import SEQ_MAX
from livestack.storage.place import make_sink
from livestack.storage.sink import Position, Sink, plain_decimal
from livestack.storage.tables import TABLES, Column, Kind, Table
from livestack.summary import rfc3339

ROWS_SHOWN = 20

WINDOW = 10_000
"""Positions that are read first for the newest rows; each further look goes over four times as many."""

COLUMNS = {
    "orders": "order_id !instrument status side ?type price qty filled_qty ?event ?source ?reason",
    "fills": "order_id !instrument side price qty ?notional fee !fee_asset ?liquidity ?fill_id",
    "positions": "!instrument qty average_price realised unrealised ?!quote_asset ?event",
    "dispatches": "order_id !instrument kind stage ?side ?price ?qty ?outcome ?code ?reason",
    "denials": "order_id !instrument kind outcome rule ?inputs ?detail",
    "controls": "event state ?actor ?grade ?venue ?reason ?detail",
    "balances": "!venue !asset free locked ?event",
    "sessions": "event actor reason ?epoch ?package_version ?digest",
    "dead_letters": "table error ?record",
}
"""What people are shown of each table, behind time and position; ``--json`` has every column."""

Row = tuple[Any, ...]
Matches = Callable[[Row], bool]


@click.command()
@click.argument("what", nargs=-1, metavar="[SESSION] [TABLE]")
@click.option("--all", "everything", is_flag=True, help="All sessions of the data directory.")
@sink_options
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=None,
    help=f"The newest so many; without it {ROWS_SHOWN}, and for tools all.",
)
@click.option(
    "--where", "conditions", multiple=True, metavar="COLUMN=VALUE", help="Only rows that have this value."
)
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, with every column.")
def show(
    what: tuple[str, ...],
    everything: bool,
    sinks: tuple[str, ...],
    config: Path | None,
    limit: int | None,
    conditions: tuple[str, ...],
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Show what storage has of SESSION (or "latest"): its tables, or the newest rows of TABLE."""
    session, name = _session_and_table(what, everything)
    table = None if name is None else TABLES[name]
    if conditions and table is None:
        raise UsageError(f"--where needs a TABLE: {', '.join(TABLES)}")
    data_dir, places = chosen_places(sinks, config, data_dir)
    if len(places) > 1:
        others = ", ".join(place.name for place in places[1:])
        click.echo(f"shown is what {places[0].name} has; with --sink also: {others}", err=True)
    sink = make_sink(places[0], os.environ)
    try:
        sink.look()
        for one in _sessions(DataDirectory(data_dir), sink, session, everything):
            if table is None:
                count = _overview(sink, one, as_json)
            elif as_json:
                count = _print_lines(sink, table, one, limit, _matching(table, conditions))
            else:
                count = _print_rows(sink, table, one, limit or ROWS_SHOWN, _matching(table, conditions))
            if not count and sink.position(one) == Position():
                click.echo(f"{sink.address} has no records of session {one}", err=True)
    finally:
        sink.close()


def _sessions(directory: DataDirectory, sink: Sink, session: str, everything: bool) -> list[str]:
    """The sessions that are meant; storage may have one that the data directory has no more."""
    if session not in ("", "latest") and sink.position(session) != Position():
        return [session]
    return [name for name, _ in chosen_sessions(directory, session, everything)]


def _session_and_table(what: tuple[str, ...], everything: bool) -> tuple[str, str | None]:
    """What the words mean: a word that is a table's name is the table."""
    words = list(what)
    table = words.pop() if words and words[-1] in TABLES else None
    if table is None and len(words) > (0 if everything else 1):
        raise UsageError(f"no table is named {words[-1]}{guess(words[-1], list(TABLES))}")
    if everything and words:
        raise UsageError("SESSION and --all do not go together: choose one")
    if len(words) > 1:
        raise UsageError("there may be one SESSION and one TABLE: livestack records show SESSION TABLE")
    return (words[0] if words else ""), table


def _matching(table: Table, conditions: tuple[str, ...]) -> Matches:
    """Whether a row has all values that are asked for. An empty value stands for none."""
    wanted: list[tuple[int, str]] = []
    names = [column.name for column in table.columns]
    for condition in conditions:
        name, equals, value = condition.partition("=")
        if not equals or name not in names:
            told = guess(name, names) if equals else ""
            raise UsageError(f"--where {condition}: must be COLUMN=VALUE with a column of {table.name}{told}")
        column = table.columns[names.index(name)]
        value = plain_decimal(value) if value and column.kind is Kind.DECIMAL else value
        wanted.append((names.index(name), value))
    return lambda row: all(_text(row[place]) == value for place, value in wanted)


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _overview(sink: Sink, session: str, as_json: bool) -> int:
    """Rows and times of each table; how many rows they have together."""
    rows = []
    total = 0
    with _waiting(as_json):
        for table in TABLES.values():
            count, first, last = _extent(sink, table, session)
            total += count
            if as_json:
                times = {"first": rfc3339(first) if count else None, "last": rfc3339(last) if count else None}
                echo_json({"session": session, "table": table.name, "rows": count, **times})
            rows.append((table.name, f"{count:,}", moment(first) or "-", moment(last) or "-"))
    if not as_json:
        NodeConsole().print(Text(f"Session {session}, {sink.address}", style="italic"))
        show_table("Tables", ("!table", ">rows", "!first", "!last"), rows)
    return total


def _waiting(as_json: bool) -> AbstractContextManager[object]:
    """Something that turns on stderr, for people who wait."""
    console = Console(stderr=True)
    return console.status("reading") if console.is_terminal and not as_json else nullcontext()


def _extent(sink: Sink, table: Table, session: str) -> tuple[int, int, int]:
    """How many rows, and the times of the first and the last one."""
    at = _place(table, "ts")
    count = first = last = 0
    for part in sink.read(table.name, session, 0, SEQ_MAX):
        if part:
            first = first if count else part[0][at]
            last = part[-1][at]
            count += len(part)
    return count, first, last


def _place(table: Table, name: str) -> int:
    return next(place for place, column in enumerate(table.columns) if column.name == name)


def _rows(sink: Sink, table: Table, session: str, matches: Matches) -> Iterator[Row]:
    for part in sink.read(table.name, session, 0, SEQ_MAX):
        yield from filter(matches, part)


def _newest(sink: Sink, table: Table, session: str, limit: int, matches: Matches) -> list[Row]:
    """The last ``limit`` rows that match, oldest first; storage is read backwards, as far as it takes."""
    found: list[Row] = []
    upto, window = SEQ_MAX, WINDOW
    start = max(sink.position(session).of(table.name) - window, 0)
    while True:
        part: deque[Row] = deque(maxlen=limit - len(found))
        for rows in sink.read(table.name, session, start, upto):
            part.extend(filter(matches, rows))
        found[:0] = part
        if len(found) == limit or start == 0:
            return found
        window *= 4
        start, upto = max(start - window, 0), start - 1


def _print_lines(sink: Sink, table: Table, session: str, limit: int | None, matches: Matches) -> int:
    names = [column.name for column in table.columns]
    rows = (
        _rows(sink, table, session, matches)
        if limit is None
        else _newest(sink, table, session, limit, matches)
    )
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 - wanted is the last one
        echo_json(dict(zip(names, row, strict=True)))
    return count


def _print_rows(sink: Sink, table: Table, session: str, limit: int, matches: Matches) -> int:
    with _waiting(as_json=False):
        rows = _newest(sink, table, session, limit, matches)
    columns = {column.name: (place, column) for place, column in enumerate(table.columns)}
    chosen = ["!time", ">seq"]
    places = []
    for word in COLUMNS[table.name].split():
        place, column = columns[word.lstrip("?!")]
        places.append((place, column))
        chosen.append(_marked(word, column))
    time, seq = columns["ts"][0], columns["seq"][0]
    cells = [
        (moment(row[time])[:-4], f"{row[seq]}", *(_cell(row[place], column) for place, column in places))
        for row in rows
    ]
    show_table(f"{table.name} of session {session}, {sink.address}", chosen, cells)
    return len(rows)


def _marked(word: str, column: Column) -> str:
    """A column's name for :func:`show_table`: numbers to the right."""
    is_number = column.kind in (Kind.DECIMAL, Kind.INT32, Kind.INT64)
    marks = "?" * word.startswith("?") + (">" if is_number else "!" * ("!" in word))
    return marks + column.name


def _cell(value: Any, column: Column) -> str:
    if value is None or value == "":
        return "-"
    return number(value) if column.kind is Kind.DECIMAL else _text(value)
