"""``livestack replay``: re-run a session from its journal and compare every decision, or look at it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.markup import escape

from livestack.cli.following import follow
from livestack.cli.main import data_directory
from livestack.cli.parameters import data_dir_option, session_argument
from livestack.cli.progress import progress_bar
from livestack.cli.stepping import step_through
from livestack.cli.steps import StepsConsole
from livestack.core.describe import describe_event
from livestack.core.events import Recorded
from livestack.core.runtime import SEMANTICS_VERSION
from livestack.exceptions import JournalDamagedError, JournalError, UsageError
from livestack.journal.directory import DataDirectory
from livestack.journal.reader import SEQ_MAX, JournalReader
from livestack.journal.salvage import Gap, open_readable, salvage
from livestack.journal.segment import first_seq_of
from livestack.journal.sessions import resolve
from livestack.research.describe import describe_state
from livestack.research.export import write_lines, write_parquet
from livestack.research.replay import PROGRESS_EVERY, Replay, ReplayResult, open_replay

EXIT_DIFFERENT = 6

STDOUT = Path("-")
SUFFIXES = (".jsonl", ".parquet")


class Wanted(msgspec.Struct, frozen=True):
    """What the command line asked for, besides the session."""

    to_seq: int | None
    from_snapshot: bool
    show: str | None
    as_json: bool


@click.command()
@session_argument
@data_dir_option
@click.option("--verify", is_flag=True, help="Only check checksums and hash chain.")
@click.option("--from-snapshot", is_flag=True, help="Begin behind the newest snapshot: quick.")
@click.option("--to", "to_seq", type=click.IntRange(min=1), default=None, help="Stop after this position.")
@click.option("--show", type=click.Choice(["state"]), default=None, help="Show what State was there.")
@click.option("--step", is_flag=True, help="One input Event with all that came of it per Enter.")
@click.option("--follow", "following", is_flag=True, help="Go on with what a running node writes.")
@click.option(
    "--export",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default=None,
    help="Write Events to FILE.jsonl or FILE.parquet; - is stdout, in lines of JSON.",
    metavar="FILE",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object; with --follow one per line.")
def replay(
    session: str,
    data_dir: Path | None,
    verify: bool,
    from_snapshot: bool,
    to_seq: int | None,
    show: str | None,
    step: bool,
    following: bool,
    export: Path | None,
    as_json: bool,
) -> None:
    """Replay SESSION (or "latest"): strategy, risk and execution control run again over the journalled inputs."""
    modes = {"--verify": verify, "--step": step, "--follow": following, "--export": export is not None}
    chosen = [name for name, given in modes.items() if given]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} do not go together: choose one")
    special = export is not None and (export == STDOUT or (export.exists() and not export.is_file()))
    if export is not None and not special and export.suffix not in SUFFIXES:
        raise UsageError(f"{export} must end in {' or '.join(SUFFIXES)}: that says what is written")
    directory = DataDirectory(data_directory(data_dir))
    name, live = resolve(directory, session)
    wanted = Wanted(to_seq, from_snapshot or (show is not None and to_seq is not None), show, as_json)
    try:
        if verify:
            with JournalReader.open(directory.sessions, name, live) as reader:
                _verify(reader, name, to_seq, as_json)
        elif export is not None:
            _export(directory.sessions, name, live, export, to_seq, as_json)
        else:
            _replay(directory, name, live, wanted, step, following)
    except JournalDamagedError as error:
        if as_json:
            _echo(session=name, events=0, complete=False, identical=False, chain_ok=False, damage=str(error))
        raise


def _replay(
    directory: DataDirectory, name: str, live: bool, wanted: Wanted, step: bool, following: bool
) -> None:
    running = open_replay(
        directory.sessions, name, live=live, from_snapshot=wanted.from_snapshot, to_seq=wanted.to_seq
    )
    with running.reader:
        if following:
            if wanted.to_seq is not None:
                raise UsageError("--follow goes on to the end: leave --to out")
            result = follow(running, lambda: live and directory.is_held(), wanted.as_json, name)
        elif step:
            step_through(running.records(wanted.to_seq), StepsConsole())
            result = running.result(running.last_seq)
        else:
            last = _end_of(running.reader)
            end = last if wanted.to_seq is None else min(last, wanted.to_seq)
            with progress_bar("replaying", running.first_seq, end) as progress:
                result = running.run(wanted.to_seq, progress)
    _tell(result, running, wanted)
    if (
        wanted.from_snapshot
        and wanted.to_seq is None
        and running.first_seq == running.reader.header.first_seq
    ):
        click.echo("no usable snapshot before the end: replayed from the beginning", err=True)
    if following and live and not directory.is_held() and not wanted.as_json:
        click.echo("the node is gone", err=True)
    sys.exit(EXIT_DIFFERENT if result.first_difference is not None or result.damage else 0)


def _end_of(reader: JournalReader) -> int:
    """The newest position that is known; a damaged end is told when it is reached."""
    try:
        return reader.last_seq()
    except JournalError:
        return first_seq_of(reader.segments[-1])


def _tell(result: ReplayResult, running: Replay, wanted: Wanted) -> None:
    state = running.state
    if wanted.as_json:
        content = _plain(result)
        if wanted.show:
            content["state"] = None if state is None else describe_state(state)
        click.echo(msgspec.json.encode(content))
        return
    _print(result)
    if wanted.show and state is not None:
        Console().print_json(data=describe_state(state))


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


def _echo(**found: Any) -> None:
    """One JSON object with every key of a replay; null is what was not looked at."""
    click.echo(msgspec.json.encode({**dict.fromkeys(ReplayResult.__struct_fields__), **found}))


def _verify(reader: JournalReader, session: str, to_seq: int | None, as_json: bool) -> None:
    began_ns = time.perf_counter_ns()
    first_seq, last_seq = reader.header.first_seq, to_seq or _end_of(reader)
    try:
        with progress_bar("checking", first_seq, last_seq) as progress:
            events, damage = reader.verify_chain(SEQ_MAX if to_seq is None else to_seq, progress), ""
    except JournalError as error:
        events, damage = 0, str(error)
    elapsed_ns = max(time.perf_counter_ns() - began_ns, 1)
    if as_json:
        _echo(
            session=session,
            from_seq=first_seq,
            events=events,
            complete=to_seq is None and first_seq == 1 and not damage,
            comparable=reader.header.semantics_version == SEMANTICS_VERSION,
            events_per_s=events * 1_000_000_000 // elapsed_ns,
            chain_ok=not damage,
            damage=damage,
        )
    else:
        click.echo(damage or f"{session}: {events:,} Events, checksums and hash chain are as written")
    sys.exit(EXIT_DIFFERENT if damage else 0)


def _export(sessions: Path, session: str, live: bool, path: Path, to_seq: int | None, as_json: bool) -> None:
    reader, gaps = open_readable(sessions, session, live)
    events = Readable(reader, gaps, to_seq)
    try:
        with reader:
            if path == STDOUT:
                count = write_lines(events, sys.stdout.buffer)
            elif path.suffix == ".parquet":
                count = write_parquet(events, path)
            else:
                with path.open("wb") as file:
                    count = write_lines(events, file)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from None
    damage = "; ".join(gap.damage for gap in gaps)
    if as_json and path != STDOUT:
        _echo(
            session=session,
            from_seq=reader.header.first_seq,
            events=count,
            complete=to_seq is None and reader.header.first_seq == 1 and not damage,
            damage=damage,
            path=str(path),
        )
    target = "stdout" if path == STDOUT else path
    click.echo(f"wrote {count:,} Events to {target}", err=True)
    if damage:
        click.secho(f"livestack: left out what cannot be read: {damage}", fg="red", err=True)
        sys.exit(EXIT_DIFFERENT)


class Readable:
    """Every record that can be read, with a bar; what cannot be is added to ``gaps``."""

    def __init__(self, reader: JournalReader, gaps: list[Gap], to_seq: int | None) -> None:
        self._reader = reader
        self._gaps = gaps
        self._to_seq = to_seq

    def __iter__(self) -> Any:
        last = _end_of(self._reader) if self._to_seq is None else self._to_seq
        with progress_bar("writing", self._reader.header.first_seq, last) as progress:
            for item in salvage(self._reader, None, self._to_seq):
                if isinstance(item, Recorded):
                    if item.seq % PROGRESS_EVERY == 0:
                        progress(item.seq)
                    yield item
                else:
                    self._gaps.append(item)


def _print(result: ReplayResult) -> None:
    console = Console()
    if not result.comparable:
        console.print(
            f"[yellow]not comparable[/]: {result.session} was written under other semantics of the Core"
        )
    elif result.identical:
        what = "the whole session" if result.complete else f"from seq {result.from_seq:,}"
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
        console.print(f"replayed, and the same: {_ranges(result.replayed) or 'nothing'}")
    if result.damage or result.from_seq > 1:
        console.print(f"not replayed: {_ranges(result.not_replayed) or 'nothing'}")
    if result.chain_ok:
        console.print("hash chain: [green]as written[/]")
    console.print(f"digest: {result.digest or 'none'}")


def _ranges(ranges: list[tuple[int, int]] | list[tuple[int, int | None]]) -> str:
    return ", ".join(f"{first:,} to {'the end' if last is None else f'{last:,}'}" for first, last in ranges)
