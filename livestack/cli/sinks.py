"""Which sessions and which places of storage a ``livestack records`` command is about: options, and what they mean."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from livestack.cli.main import data_directory
from livestack.cli.parameters import complete_session
from livestack.exceptions import ConfigurationError, UsageError
from livestack.journal.directory import DataDirectory
from livestack.journal.segment import segments_of
from livestack.journal.sessions import resolve, session_names
from livestack.records_settings import DEFAULT_SINK, RecordsSettings
from livestack.settings import inspect
from livestack.storage.cursor import name_of_address
from livestack.storage.place import SinkPlace, default_url, place_of_url, sink_places


def sink_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--sink URL`` or ``NAME``, any number of them, and ``-c FILE``."""
    command = click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        default=None,
        help="The session's TOML file: the sinks in its [records] table.",
    )(command)
    return click.option(
        "--sink",
        "sinks",
        multiple=True,
        metavar="URL|NAME",
        help="A place of storage, or one of -c by its name; may be given several times.",
    )(command)


def sessions_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``SESSION`` (without: the newest), or ``--all``."""
    command = click.option("--all", "everything", is_flag=True, help="All sessions of the data directory.")(
        command
    )
    return click.argument("session", default="", shell_complete=complete_session)(command)


def chosen_places(
    sinks: Sequence[str], config: Path | None, data_dir: Path | None
) -> tuple[Path, list[SinkPlace]]:
    """The data directory, and the places of ``--sink``; without, those of the file; without one, the default place.

    ``UsageError`` or ``ConfigurationError``: what is wrong with one, without a secret.
    """
    records = RecordsSettings()
    if config is not None:
        settings, _ = inspect(config)
        records = settings.records
        data_dir = Path(settings.data_dir) if data_dir is None else data_dir
    data_dir = data_directory(data_dir)
    if not sinks:
        return data_dir, sink_places(records, data_dir, os.environ)
    return data_dir, [_place(sink, records, config is not None, data_dir) for sink in dict.fromkeys(sinks)]


def _place(sink: str, records: RecordsSettings, has_file: bool, data_dir: Path) -> SinkPlace:
    if sink in records.sinks:
        only = RecordsSettings(sinks={sink: records.sinks[sink]})
        return sink_places(only, data_dir, os.environ)[0]
    if ":" not in sink and "/" not in sink and has_file:
        raise UsageError(
            f"--sink: no sink is named {sink}; there are {', '.join(records.sinks)}, or give a URL"
        )
    place = place_of_url(sink, "")
    return place_of_url(sink, _name_of(place.address, records, data_dir))


def _name_of(address: str, records: RecordsSettings, data_dir: Path) -> str:
    """What the file calls the place; without a name there, always the same for the same place."""
    for name, settings in records.sinks.items():
        with suppress(ConfigurationError):  # of another one, of which nothing is wanted here
            if (
                address
                == sink_places(RecordsSettings(sinks={name: settings}), data_dir, os.environ)[0].address
            ):
                return name
    if address == place_of_url(default_url(data_dir), DEFAULT_SINK).address:
        return DEFAULT_SINK
    return name_of_address(address)


def chosen_sessions(directory: DataDirectory, session: str, everything: bool) -> list[tuple[str, bool]]:
    """Names, oldest first, each with whether it runs. ``UsageError`` where there is none, or both were given."""
    if everything and session:
        raise UsageError("SESSION and --all do not go together: choose one")
    if not everything:
        return [resolve(directory, session or "latest")]
    newest, running = resolve(directory, "latest")
    return [
        (name, running and name == newest)
        for name in session_names(directory.sessions)
        if segments_of(directory.sessions, name)
    ]
