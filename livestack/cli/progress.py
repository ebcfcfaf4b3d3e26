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


def _columns(what: str) -> tuple[ProgressColumn, ...]:
    return (
        SpinnerColumn(),
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TimeRemainingColumn(),
    )


class LateBar:
    """A bar that appears with the first position that it hears of, and goes with the last."""

    def __init__(self, what: str) -> None:
        self._console = Console(stderr=True)
        self._what = what
        self._progress: Progress | None = None

    def __call__(self, seq: int, last_seq: int) -> None:
        if not self._console.is_terminal:
            return
        if self._progress is None:
            self._progress = Progress(*_columns(self._what), console=self._console, transient=True)
            self._progress.start()
            self._task = self._progress.add_task("", total=last_seq)
        self._progress.update(self._task, completed=seq)
        if seq >= last_seq:
            self._progress.stop()


@contextmanager
def progress_bar(what: str, first: int, last: int) -> Iterator[Callable[[int], None]]:
    """Hears of positions from ``first`` to ``last`` that were passed."""
    console = Console(stderr=True)
    with Progress(
        *_columns(what), console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("", total=max(last - first + 1, 0))
        yield lambda seq: progress.update(task, completed=seq - first + 1)
