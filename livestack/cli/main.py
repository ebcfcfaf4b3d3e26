"""``livestack``: the group of all commands, loaded one by one when asked for, and the one place where errors end.

A ``LivestackError`` becomes its sentence on stderr and its exit code; nothing shows a traceback unless ``--debug``.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import click

import livestack
from livestack.exceptions import HeldError, LivestackError
from livestack.node import crashes

COMMANDS = {
    "backtest": (
        "livestack.cli.backtest:backtest",
        "Run a strategy against a journal, a capture or a synthetic market.",
    ),
    "cancel": ("livestack.cli.operate:cancel", "Cancel an order, or all."),
    "checkpoint": ("livestack.cli.operate:checkpoint", "Record a digest of the node's State."),
    "config": ("livestack.cli.config:config", "Show or change the running node's configuration."),
    "confirm": ("livestack.cli.operate:confirm", "Be the second pair of eyes for a command."),
    "doctor": ("livestack.cli.doctor:doctor", "Check everything that a start needs; start nothing."),
    "events": ("livestack.cli.events:events", "Print the Event Stream, one object per line."),
    "feeds": ("livestack.cli.lists:feeds", "List the running node's feeds."),
    "fills": ("livestack.cli.lists:fills", "List the newest fills."),
    "guard": ("livestack.cli.guard:guard", "The last resort: cancel everything without a node."),
    "journal": ("livestack.cli.journal:journal", "Check what is on disk."),
    "keys": ("livestack.cli.keys:keys", "Make, list and revoke the keys of operators."),
    "kill": ("livestack.cli.kill:kill", "Engage the kill-switch, or release it."),
    "metrics": ("livestack.cli.metrics:metrics", "Show what the running node measures, or list what it can."),
    "orders": ("livestack.cli.lists:orders", "List the open orders."),
    "positions": ("livestack.cli.lists:positions", "List the positions."),
    "records": ("livestack.cli.records:records", "Execution records: ship, verify and show them."),
    "replay": (
        "livestack.cli.replay:replay",
        "Re-run a session from its journal and compare every decision.",
    ),
    "report": ("livestack.cli.report:report", "Write a page with a session's plots and tables."),
    "risk": ("livestack.cli.risk:risk", "Show the limits in force, what they denied, and the risk rules."),
    "session": ("livestack.cli.operate:session", "Begin or end a running node's session."),
    "sessions": ("livestack.cli.sessions:sessions", "List the sessions of the data directory."),
    "start": ("livestack.cli.start:start", "Run a trading session."),
    "status": ("livestack.cli.status:status", "Show how the running node is."),
    "strategy": ("livestack.cli.operate:strategy", "Let the strategy act, or not."),
    "timeline": (
        "livestack.cli.timeline:timeline",
        "What happened in a session: incidents, commands, states.",
    ),
    "top": ("livestack.cli.top:top", "Watch the running node on a live screen."),
    "trading": ("livestack.cli.operate:trading", "Set the trading state."),
    "venue": ("livestack.cli.venue:venue", "Run a simulated venue."),
    "venues": ("livestack.cli.lists:venues", "List venues and balances."),
    "why": ("livestack.cli.why:why", "Tell one order's whole story."),
}
"""Command -> ``module:object`` and what help says. Loaded on use: what one command needs cannot break another."""

HIDDEN = {"follower": "livestack.cli.follower:follower"}
"""What a node starts and help does not list."""

EXIT_UNEXPECTED = 4


class LazyGroup(click.Group):
    """Commands by name from :data:`COMMANDS`."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            silence()  # whoever read our output has seen enough; click would call that a failure
            return 0

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = HIDDEN.get(cmd_name) or COMMANDS.get(cmd_name, ("",))[0]
        if not place:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(livestack.__version__, prog_name="livestack")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """A deterministic trading kernel, operational against real venues."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # loaded: see livestack.__main__
    context.meta["debug"] = debug


def main(arguments: list[str] | None = None) -> None:
    """Entry point: run a command and end the process with its exit code."""
    own_process = arguments is None
    if own_process:
        crashes.prepare()
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = cli.main(arguments, prog_name="livestack", standalone_mode=False)
    except click.exceptions.Exit as ended:
        code = ended.exit_code
    except click.ClickException as error:
        tell_tools(error, arguments)
        error.show()
        code = error.exit_code
    except click.Abort:
        code = 130
    except LivestackError as error:
        if "--debug" in arguments:
            raise
        click.secho(f"livestack: {error}", fg="red", err=True)
        code = error.exit_code
    except BrokenPipeError:
        code = 0
    except OSError as error:
        if "--debug" in arguments:
            raise
        where = f"{error.filename}: " if error.filename else ""
        click.secho(f"livestack: {where}{error.strerror or error}", fg="red", err=True)
        code = HeldError.exit_code
    except Exception as error:
        if "--debug" in arguments:
            raise
        click.secho(
            f"livestack: unexpected {type(error).__name__}: {error} (livestack --debug ... shows where)",
            fg="red",
            err=True,
        )
        code = EXIT_UNEXPECTED
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        silence()
    code = code if isinstance(code, int) else 0
    if own_process and "deltalake" in sys.modules:
        leave(code)
    sys.exit(code)


def leave(code: int) -> NoReturn:
    """End the process with ``code``, flushed: threads of libraries may abort an interpreter that ends by itself."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def tell_tools(error: click.ClickException, arguments: list[str]) -> None:
    """A command on a node tells tools on stdout, too, that it was used wrongly."""
    context = getattr(error, "ctx", None)
    if "--json" not in arguments or context is None:
        return
    if any(one.name == "endpoint" for one in context.command.params):
        told = {"outcome": "refused", "seq": None, "code": "usage", "message": error.format_message()}
        click.echo(json.dumps(told | {"request_id": ""}))


def silence() -> None:
    """Nobody reads stdout any more: what is still buffered goes nowhere, and the interpreter's end says nothing."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def data_directory(data_dir: Path | None) -> Path:
    """``--data-dir``, or its default."""
    return data_dir if data_dir is not None else Path("livestack-data")
