"""``livestack replay``: re-run a session from its journal and compare every decision, or look at it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from livestack.cli.main import data_directory
from livestack.cli.parameters import data_dir_option
from livestack.core.events import Recorded
from livestack.core.runtime import SEMANTICS_VERSION
from livestack.core.state import State
from livestack.core.types import format_decimal
from livestack.exceptions import JournalDamagedError, UsageError
from livestack.journal.directory import DataDirectory
from livestack.journal.reader import SEQ_MAX, JournalReader
from livestack.journal.sessions import resolve
from livestack.research.replay import PROGRESS_EVERY, Replay, ReplayResult

EXIT_DIFFERENT = 6


@click.command()
@click.argument("session", default="latest")
@data_dir_option
@click.option("--verify", is_flag=True, help="Only check checksums and hash chain.")
@click.option("--to", "to_seq", type=click.IntRange(min=1), default=None, help="Stop after this position.")
@click.option("--show", type=click.Choice(["state"]), default=None, help="Show what State was there.")
@click.option(
    "--export",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Write Events as JSON lines.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def replay(
    session: str,
    data_dir: Path | None,
    verify: bool,
    to_seq: int | None,
    show: str | None,
    export: Path | None,
    as_json: bool,
) -> None:
    """Replay SESSION (or "latest"): strategy, risk and execution control run again over the journalled inputs."""
    directory = DataDirectory(data_directory(data_dir))
    name, live = resolve(directory, session)
    try:
        reader = JournalReader.open(directory.sessions, name, live)
    except JournalDamagedError as error:
        if as_json:
            _echo(session=name, events=0, complete=False, identical=False, chain_ok=False, damage=str(error))
        raise
    with reader:
        if verify:
            _verify(reader, name, to_seq, as_json)
            return
        if export is not None:
            _export(reader, export, to_seq, as_json)
            return
        running = Replay(reader)
        with _progress(min(reader.last_seq(), to_seq or sys.maxsize)) as progress:
            result = running.run(to_seq, progress)
        if as_json:
            content = _plain(result)
            if show:
                content["state"] = describe_state(running.state)
            click.echo(msgspec.json.encode(content))
        else:
            _print(result)
            if show:
                Console().print_json(data=describe_state(running.state))
    sys.exit(EXIT_DIFFERENT if result.first_difference is not None or result.damage else 0)


def describe_state(state: State) -> dict[str, Any]:
    """State for people: books by their best prices, open orders, positions, balances, control."""
    market, execution, control = state.market, state.execution, state.control
    return {
        "seq": control.seq,
        "phase": control.phase.name,
        "trading_state": control.trading_state().name,
        "kill_switch": sorted(control.kill),
        "instruments": {
            name: {
                "status": one.status.name,
                "bid": format_decimal(one.bid, one.definition.price_decimals),
                "ask": format_decimal(one.ask, one.definition.price_decimals),
                "levels": len(one.book.bid_keys) + len(one.book.ask_keys),
            }
            for name, one in market.instruments.items()
        },
        "open_orders": [msgspec.to_builtins(order) for order in execution.open_orders()],
        "positions": {
            name: format_decimal(position.qty, market.instruments[name].definition.qty_decimals)
            for name, position in execution.positions.items()
        },
        "digest": state.digest(),
    }


def _plain(result: ReplayResult) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.structs.asdict(result)
    difference = result.first_difference
    if difference is not None:
        content["first_difference"] = {
            "seq": difference.seq,
            "journalled": describe_event(difference.journalled),
            "replayed": describe_event(difference.replayed),
        }
    return content


def describe_event(event: Any) -> Any:
    """An Event as a JSON object with its type's name and its fields' names."""
    if event is None:
        return None
    return {
        "event": type(event).__name__,
        **{name: _value(getattr(event, name)) for name in event.__struct_fields__},
    }


def _value(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        inner = getattr(value, "value", None)
        if inner is not None:
            return str(inner)
        return {name: _value(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    return getattr(value, "name", value)


def _echo(**found: Any) -> None:
    """One JSON object with every key of a replay; null is what was not looked at."""
    click.echo(msgspec.json.encode({**dict.fromkeys(ReplayResult.__struct_fields__), "from_seq": 1, **found}))


def _verify(reader: JournalReader, session: str, to_seq: int | None, as_json: bool) -> None:
    began_ns = time.perf_counter_ns()
    try:
        events, damage = reader.verify_chain(SEQ_MAX if to_seq is None else to_seq), ""
    except JournalDamagedError as error:
        events, damage = 0, str(error)
    elapsed_ns = max(time.perf_counter_ns() - began_ns, 1)
    if as_json:
        _echo(
            session=session,
            events=events,
            complete=to_seq is None and not damage,
            comparable=reader.header.semantics_version == SEMANTICS_VERSION,
            events_per_s=events * 1_000_000_000 // elapsed_ns,
            chain_ok=not damage,
            damage=damage,
        )
    else:
        click.echo(damage or f"{session}: {events:,} Events, checksums and hash chain are as written")
    sys.exit(EXIT_DIFFERENT if damage else 0)


def _export(reader: JournalReader, path: Path, to_seq: int | None, as_json: bool) -> None:
    events = 0
    try:
        with path.open("wb") as file, _progress(min(reader.last_seq(), to_seq or sys.maxsize)) as progress:
            for record in reader.records(1, to_seq):
                file.write(msgspec.json.encode(_line(record)) + b"\n")
                events += 1
                if events % PROGRESS_EVERY == 0:
                    progress(record.seq)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    if as_json:
        _echo(session=reader.header.session, events=events, complete=to_seq is None, path=str(path))
    click.echo(f"wrote {events:,} Events to {path}", err=True)


def _line(record: Recorded) -> dict[str, Any]:
    return {"seq": record.seq, "ts": record.ts, "origin": record.origin.name, **describe_event(record.event)}


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    """A bar on stderr where that is a terminal; otherwise nothing."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("replaying"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)
        yield lambda seq: progress.update(task, completed=seq)


def _print(result: ReplayResult) -> None:
    console = Console()
    if not result.comparable:
        console.print(
            f"[yellow]not comparable[/]: {result.session} was written under other semantics of the Core"
        )
    elif result.identical:
        what = "the whole session" if result.complete else "this part of the session"
        console.print(
            f"[green]identical[/]: {what}, {result.events:,} Events, {result.derived:,} of them derived anew, "
            f"{result.events_per_s:,} Events/s"
        )
    if result.first_difference is not None:
        console.print(f"[red]different[/] at seq {result.first_difference.seq:,}")
        console.print("  journalled:", describe_event(result.first_difference.journalled))
        console.print("  replayed:  ", describe_event(result.first_difference.replayed))
    if result.damage:
        console.print(f"[red]damaged[/]: {escape(result.damage)}")
    else:
        console.print("hash chain: [green]as written[/]")
    console.print(f"digest: {result.digest}")
