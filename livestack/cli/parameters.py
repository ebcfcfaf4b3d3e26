"""Option types that several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

DEFAULT_DATA_DIR = "livestack-data"

_UNITS_NS = {"ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000}
_DURATION = re.compile(r"(\d+)(ms|s|m|h)")


class Duration(click.ParamType[int]):
    """``250ms``, ``30s``, ``5m``, ``2h`` -> nanoseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = _DURATION.fullmatch(value)
        if match is None:
            self.fail(f"{value!r} is not a duration such as 250ms, 30s, 5m or 2h", param, ctx)
        if int(match[1]) == 0:
            self.fail(f"{value!r} must be longer than nothing", param, ctx)
        return int(match[1]) * _UNITS_NS[match[2]]


DURATION = Duration()


def session_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """``SESSION``, default ``latest``; the shell completes it."""
    return click.argument("session", default="latest", shell_complete=complete_session)(command)


def complete_session(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Names of sessions that begin with ``begun``, newest first."""
    chosen = context.params.get("data_dir") or os.environ.get("LIVESTACK_DATA_DIR") or DEFAULT_DATA_DIR
    names = sorted((path.parent.name for path in Path(chosen).glob("sessions/*/journal")), reverse=True)
    return [name for name in ("latest", *names) if name.startswith(begun)]


def data_dir_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--data-dir DIR``, ``$LIVESTACK_DATA_DIR``."""
    return click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="LIVESTACK_DATA_DIR",
        default=None,
        help="Where sessions are kept (default ./livestack-data).",
    )(command)
