"""A bar on stderr for what takes longer than a moment, where stderr is a terminal; otherwise nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f} Events/s")


@contextmanager
def progress_bar(what: str, first: int, last: int) -> Iterator[Callable[[int], None]]:
    """Hears of positions from ``first`` to ``last`` that were passed."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=max(last - first + 1, 0))
        yield lambda seq: progress.update(task, completed=seq - first + 1)
