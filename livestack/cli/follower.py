"""``livestack follower``: verify a session while it runs. The node starts one; nobody has to call it by hand.

Reports are JSON lines on stdout. As the node's child it is told to stop by a line on its stdin, and ends by itself when
that closes: a node that is killed takes it along.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from livestack.cli.main import data_directory
from livestack.cli.parameters import DURATION, data_dir_option
from livestack.exceptions import HeldError, LivestackError, UsageError
from livestack.follower_settings import FollowerSettings
from livestack.journal.directory import DataDirectory
from livestack.journal.sessions import resolve
from livestack.node.follower import Follower, Report, Told, Trouble

NICE = 10
"""Behind the node wherever both want the same processor."""

LOCK_NAME = "follower.lock"
DEFAULTS = FollowerSettings()


@click.command(hidden=True)
@click.argument("session", default="latest")
@data_dir_option
@click.option("--snapshot-every", "every_ns", type=DURATION, default=DEFAULTS.snapshot_every_ns)
@click.option(
    "--snapshot-every-events",
    "every_events",
    type=click.IntRange(min=100),
    default=DEFAULTS.snapshot_every_events,
)
@click.option("--keep", type=click.IntRange(min=1), default=DEFAULTS.keep, help="Snapshots that stay.")
@click.option(
    "--sink", "sinks", multiple=True, help="NAME=ADDRESS of one in use: it may still need older snapshots."
)
@click.option(
    "--child", is_flag=True, help="Started by the node: stop when stdin says so, end when it closes."
)
def follower(
    session: str,
    data_dir: Path | None,
    every_ns: int,
    every_events: int,
    keep: int,
    sinks: tuple[str, ...],
    child: bool,
) -> None:
    """Follow SESSION (or "latest"): verify what its node does, and write State snapshots. Exit code 6: a difference."""
    try:
        settings = FollowerSettings(snapshot_every_ns=every_ns, snapshot_every_events=every_events, keep=keep)
    except ValueError as error:
        raise UsageError(str(error)) from None
    os.nice(NICE)
    directory = DataDirectory(data_directory(data_dir))
    name, held = resolve(directory, session)
    try:
        with _alone(directory.sessions / name), _Wishes(child) as wishes:
            following = Follower(
                directory.sessions,
                name,
                settings,
                _print,
                live=held or child,
                sinks=_in_use(sinks) if child or sinks else None,
            )
            try:
                code = following.run(wishes.listen, lambda: child or resolve(directory, name)[1])
            finally:
                following.close()
    except BrokenPipeError:
        code = int(child)  # whoever listened is gone; to a node 0 means that the session is over
    except LivestackError as error:
        if not child:
            raise
        _print(Trouble(str(error)))
        code = error.exit_code
    sys.exit(code)


def _in_use(sinks: tuple[str, ...]) -> dict[str, str]:
    """Their addresses, by name; a name has no ``=`` in it."""
    return {name: address for name, _, address in (one.partition("=") for one in sinks)}


def _print(report: Report) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    sys.stdout.buffer.flush()


@contextmanager
def _alone(session: Path) -> Iterator[None]:
    """Two followers of one session would take each other's files away. ``HeldError`` names the other."""
    lock = os.open(session / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            other = os.pread(lock, 100, 0).decode(errors="replace").strip() or "another process"
            raise HeldError(f"session {session.name}", f"it is followed by {other} already") from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"process {os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(lock)


class _Wishes:
    """SIGTERM and SIGINT, and what a node writes to stdin. A node's own child hears the node and nobody else: what ends
    it must not pass for the session's end."""

    def __init__(self, child: bool) -> None:
        self._child = child
        self._told = Told.GO_ON
        self._read_end, self._write_end = os.pipe()

    def __enter__(self) -> _Wishes:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN if self._child else self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.close(self._read_end)
        os.close(self._write_end)

    def listen(self, timeout_s: float) -> Told:
        """Wait at most so long for the first wish; it stays the answer."""
        if self._told is Told.GO_ON:
            watched = [self._read_end, sys.stdin.fileno()] if self._child else [self._read_end]
            ready, _, _ = select.select(watched, [], [], timeout_s)
            if self._read_end in ready:
                self._told = Told.STOP
            elif ready:
                self._told = Told.STOP if os.read(sys.stdin.fileno(), 100) else Told.GONE
        return self._told

    def _on_signal(self, _number: int, _frame: object) -> None:
        os.write(self._write_end, b"x")
