"""``livestack replay --follow``: replay a session while its node writes it, until one of them ends.

On a terminal one line lives on stderr; with ``--json`` stdout gets an object every second. Ctrl-C and SIGTERM end it in
order: whatever was read is compared, and said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
import msgspec
from rich.console import Console
from rich.live import Live

from livestack.cli.signals import until_a_signal
from livestack.research.replay import Replay, ReplayResult

LOOK_EVERY_S = 0.1
TELL_EVERY_S = 1.0


def follow(running: Replay, is_running: Callable[[], bool], as_json: bool, session: str) -> ReplayResult:
    """Replay what is there and what comes; ``is_running``: whether the session's node is alive."""
    began = told = time.monotonic()
    with until_a_signal() as stopped, _line(running, began) as say:

        def passed(seq: int) -> None:
            nonlocal told
            if seq % 64:
                return
            now = time.monotonic()
            if now - told >= TELL_EVERY_S:
                told = now
                tell(running, as_json, session, now - began)
            say()
            if stopped.is_set():
                raise KeyboardInterrupt

        def wait() -> bool:
            nonlocal told
            stopped.wait(LOOK_EVERY_S)
            now = time.monotonic()
            if now - told >= TELL_EVERY_S:
                told = now
                tell(running, as_json, session, now - began)
            say()
            return not stopped.is_set()

        try:
            return running.follow(is_running, wait, passed)
        except KeyboardInterrupt:
            return running.result(running.last_seq)


def tell(running: Replay, as_json: bool, session: str, elapsed_s: float) -> None:
    """One object of a stream; null is what only the end tells."""
    if not as_json:
        return
    so_far: dict[str, object] = dict.fromkeys(ReplayResult.__struct_fields__)
    so_far |= {
        "session": session,
        "complete": False,
        "events": running.events,
        "derived": running.derived,
        "identical": running.is_same(),
        "events_per_s": int(running.events / max(elapsed_s, 1e-9)),
        "last_seq": running.last_seq,
        "ended": False,
    }
    click.echo(msgspec.json.encode(so_far))


@contextmanager
def _line(running: Replay, began: float) -> Iterator[Callable[[], None]]:
    """A line on stderr where that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda: None
        return

    def text() -> str:
        elapsed = max(time.monotonic() - began, 1e-9)
        same = "[green]identical[/]" if running.is_same() else "[red]different[/]"
        return (
            f"seq {running.last_seq:,}  {running.events:,} Events  {running.derived:,} derived  "
            f"{running.events / elapsed:,.0f} Events/s  {same} so far"
        )

    with Live(text(), console=console, refresh_per_second=4, transient=True) as live:
        yield lambda: live.update(text())
