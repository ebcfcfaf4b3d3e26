"""Logging: structlog, one line per fact, to stderr; JSON for machines, a console format for people.

Called once by the node before anything starts. A stderr that cannot be written (a file on a full disk, a closed
terminal) loses lines and nothing else. Secrets are kept out by type: :class:`livestack.secret.Secret`, whose every
text form is a row of stars.
"""

from __future__ import annotations

import io
import logging
import sys
from typing import TextIO, cast

import structlog

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Lossy(io.TextIOBase):
    """``stream`` for people: what cannot be written is dropped and counted in ``lost``; nobody's work fails for it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost = 0

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except (OSError, ValueError):  # ValueError: it is closed
            self.lost += 1
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self.lost += 1

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding


def configure(level: str, json: bool) -> None:
    """Set up logging for this process. ``level`` is a key of ``LEVELS``; third-party loggers stay at WARNING."""
    if not isinstance(sys.stderr, Lossy):
        sys.stderr = Lossy(sys.stderr)
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(file=cast(TextIO, sys.stderr)),
        cache_logger_on_first_use=True,
    )
    logging.getLogger("pykka").setLevel(logging.CRITICAL)  # the supervisor says that an actor failed, and why
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
