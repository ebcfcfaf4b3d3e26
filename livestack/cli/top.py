"""``livestack top``: how a running node is, on a screen that lives; and the kill-switch on a key.

The screen's library is loaded when the command runs, not before.
"""

from __future__ import annotations

import os
import sys

import click

from livestack.cli.node import Target, on_node
from livestack.exceptions import NodeUnreachableError, UsageError

INSTEAD = "livestack status shows the same once, with --json for tools"


@click.command()
@on_node
def top(target: Target) -> None:
    """Watch the running node on a live screen; ? shows the keys, q ends it.

    Shows what the node tells: state, incidents, venues and feeds, orders, positions with P&L, rates, latency, Events.
    The only thing that it can change is the kill-switch (K), which asks for a word first.
    """
    if target.as_json:
        raise UsageError(f"livestack top is a screen for people: {INSTEAD}")
    if not all(_is_terminal(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise UsageError(f"livestack top needs a terminal for stdin, stdout and stderr: {INSTEAD}")
    terminal = os.environ.get("TERM", "dumb")
    if terminal in ("dumb", "unknown"):
        raise UsageError(
            f"livestack top needs a terminal that can move its cursor, TERM says it cannot: {INSTEAD}"
        )
    target.connect().close()  # what is wrong with what was typed is said here
    if target.data_dir is not None:
        if not target.data_dir.is_dir():
            cause = "there is no such directory"
            raise NodeUnreachableError(str(target.data_dir), cause, "is --data-dir right?")
        target = target._replace(keys=None)
    if not _has_colours(terminal):
        os.environ["NO_COLOR"] = "1"
    from livestack.cli.top_app import run  # noqa: PLC0415 - half a second that other commands need not wait
    from livestack.cli.top_source import NodeSource  # noqa: PLC0415

    run(NodeSource(target))


def _has_colours(terminal: str) -> bool:
    """As its description says; one that nobody here has described is taken to have them."""
    try:
        import curses  # noqa: PLC0415 - not every Python has it
    except ImportError:
        return True
    try:
        curses.setupterm(terminal, 1)
    except curses.error:
        return True
    return curses.tigetnum("colors") >= 8


def _is_terminal(stream: object) -> bool:
    isatty = getattr(stream, "isatty", None)
    return bool(isatty is not None and isatty())
