"""``livestack doctor``: look at everything that a start needs, and start nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from livestack.cli.parameters import data_dir_option
from livestack.cli.showing import NodeConsole, echo_json
from livestack.node.app import machine
from livestack.node.diagnosis import Finding, Looking, diagnose
from livestack.telemetry import logs
from livestack.transports.clock import SystemClock, TimerThread

COLOURS = {"ok": "green", "warning": "yellow", "wrong": "bold red"}


@click.command()
@click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), required=True, help="The session's TOML file."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@data_dir_option
def doctor(path: Path, data_dir: Path | None, as_json: bool) -> None:
    """Check configuration, keys, data directory, venues, lease server and record sinks. Changes nothing.

    Ends with 0 where a session could start, else with the exit code of the gravest fault.
    """
    logs.configure("error", json=as_json)
    clock = SystemClock()
    timers = TimerThread(clock)
    findings: list[Finding] = []
    try:
        with _telling(as_json) as looking:
            for found in diagnose(
                path, data_dir, os.environ, lambda settings: machine(settings, clock, timers), looking
            ):
                findings.append(found)
                if not as_json:
                    _print(found)
    finally:
        timers.close()
    code = max(found.exit for found in findings)
    if as_json:
        echo_json({"ok": code == 0, "exit": code, "checks": findings})
    else:
        wrong = sum(found.state == "wrong" for found in findings)
        click.echo(f"{wrong} of {len(findings)} wrong" if wrong else "nothing is wrong")
    sys.exit(code)


@contextmanager
def _telling(as_json: bool) -> Iterator[Looking]:
    """What is looked at, on stderr, where that is a terminal."""
    console = Console(stderr=True)
    if as_json or not console.is_terminal:
        yield lambda what: None
        return
    with console.status("looking") as status:
        yield lambda what: status.update(f"looking at {what}")


def _print(found: Finding) -> None:
    line = Text(f"{found.state:<8}", style=COLOURS[found.state])
    line.append(f"{found.what:<17} ", style="bold")
    line.append(found.text, style="")
    if found.advice:
        line.append(f"; {found.advice}", style="")
    NodeConsole().print(line)
