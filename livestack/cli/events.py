"""``livestack events``: the Event Stream, a JSON object per line: out of a journal, or from a running node."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from livestack.cli.node import Target, on_node
from livestack.cli.parameters import complete_session
from livestack.cli.showing import echo_json
from livestack.core.events import Recorded, SessionStopped
from livestack.exceptions import UsageError
from livestack.journal.directory import DataDirectory
from livestack.journal.reader import JournalReader
from livestack.journal.salvage import Gap, open_readable, salvage
from livestack.journal.sessions import resolve
from livestack.research.export import write_lines
from livestack.wire import control_pb2 as wire

EXIT_DIFFERENT = 6


@click.command()
@click.option("--follow", is_flag=True, help="What the running node does, from now on, until it ends.")
@click.option(
    "--session",
    default="",
    shell_complete=complete_session,
    help="What the journal of this session holds; of the running one with --follow: what is added.",
)
@on_node
def events(target: Target, follow: bool, session: str) -> None:
    """Print Events, one JSON object per line (with or without --json)."""
    if target.data_dir is None:
        if session or not follow:
            raise UsageError("a journal is read where it is: with --endpoint there is only --follow")
        if not target.publish_endpoint:
            raise UsageError(
                "--endpoint needs --publish-endpoint ADDRESS (control.listen_publish) for events"
            )
    elif not follow or session:
        directory = DataDirectory(target.data_dir)
        name, live = resolve(directory, session or "latest")
        if not (follow and live):
            _print_journal(directory, name, live)
            return
    _follow(target)


def _follow(target: Target) -> None:
    expected: int | None = None
    with until_sigterm(), target.connect() as node:
        for publication in node.subscribe(("event",)):
            if expected is not None and publication.seq > expected:
                click.echo(
                    f"livestack: seq {expected:,} to {publication.seq - 1:,} did not arrive; the journal has them",
                    err=True,
                )
            expected = publication.seq + 1
            echo_json(describe(publication))
            if publication.event.type == SessionStopped.__name__:
                return  # the node ends behind it, in order


def describe(publication: wire.Publication) -> dict[str, Any]:
    """As a line of ``livestack replay --export -``."""
    event = publication.event
    return {
        "seq": publication.seq,
        "ts": publication.ts_ns,
        "origin": event.origin.upper(),
        "event": event.type,
        **json.loads(event.json or "{}"),
    }


def _print_journal(directory: DataDirectory, session: str, live: bool) -> None:
    reader, gaps = open_readable(directory.sessions, session, live)
    with until_sigterm(), reader:
        write_lines(_records(reader, gaps), sys.stdout.buffer)
    if gaps:
        damage = "; ".join(gap.damage for gap in gaps)
        click.secho(f"livestack: left out what cannot be read: {damage}", fg="red", err=True)
        sys.exit(EXIT_DIFFERENT)


def _records(reader: JournalReader, gaps: list[Gap]) -> Iterator[Recorded]:
    """What can be read; what cannot is added to ``gaps``."""
    for item in salvage(reader):
        if isinstance(item, Gap):
            gaps.append(item)
        else:
            yield item


@contextmanager
def until_sigterm() -> Iterator[None]:
    """Ctrl-C and SIGTERM are how one stops looking: no failure. Wrappers send SIGTERM to the process and to its group:
    the second one finds it at its end, where the interpreter would let it end the process otherwise."""
    heard: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        heard.append(number)
        if len(heard) == 1:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN if heard else before)
