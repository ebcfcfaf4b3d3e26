"""A child process that looks at one journal after another; liblmdb may end it, then a fresh one takes its place.

One JSON object per line in and out. Used by the campaigns about the journal's files, from their main thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog
from rich.console import Console
from rich.progress import track

from tests.support import ROOT

ANSWER_S = 60
"""One look takes some milliseconds; a child that needs longer has lost itself in a loop, which is as bad as dying."""

LAST_WORDS_BYTES = 400
"""As much of a dead child's standard error as fits a report."""


class Child:
    """``python -m MODULE ARGUMENT...``, asked by :meth:`ask`; ``deaths`` counts those that a question ended."""

    def __init__(self, directory: Path, module: str, *arguments: str) -> None:
        self.deaths = 0
        self._command = [sys.executable, "-m", module, *arguments]
        self._errors = directory / "child-stderr.txt"
        self._process: subprocess.Popen[str] | None = None

    def ask(self, **question: object) -> dict[str, Any]:
        """Its answer; ``{"died": REASON}`` where the question ended it."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
        ready = select.select([process.stdout], [], [], ANSWER_S)[0]
        answer = process.stdout.readline() if ready else ""
        if answer:
            return dict(json.loads(answer))
        self.deaths += 1
        self.close()
        words = self._errors.read_text(errors="replace")[-LAST_WORDS_BYTES:].strip()
        return {"died": f"status {process.returncode}: {words}" if ready else f"no answer in {ANSWER_S} s"}

    def close(self) -> None:
        """End it by its id, and wait for the end."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self) -> subprocess.Popen[str]:
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        return self._process


def log_to_stderr() -> None:
    """Standard output belongs to the answers."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def serve(answer: Callable[..., dict[str, Any]]) -> None:
    """The child's side: answer every question by ``answer(**question)`` until there are no more."""
    log_to_stderr()
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), flush=True)


def with_bar(numbers: Iterable[int], total: int, what: str) -> Iterator[int]:
    """``numbers``, with a progress bar on standard error where that is a terminal."""
    console = Console(stderr=True)
    yield from track(
        numbers,
        description=what,
        total=total,
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
