"""Logging: structlog, one line per fact, to stderr or a file; JSON for machines, a console format for people.

Set up once by a process, before anything starts, with :func:`begin` (a node, its guard) or :func:`configure` (commands
that only say what is wrong). Callers queue a line and go on; :mod:`livestack.telemetry.log_writer` has the thread that
writes. Libraries that use :mod:`logging` go the same way, from WARNING on; so do warnings and threads that die of an
error. Secrets are kept out by type: :class:`livestack.secret.Secret`, whose every text form is a row of stars.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TextIO, cast

import structlog

from livestack.telemetry.catalogue import LOG_LINES, LOG_LOST, LOG_SUPPRESSED
from livestack.telemetry.instruments import Reading
from livestack.telemetry.log_file import LogFile
from livestack.telemetry.log_lines import console_lines, json_lines
from livestack.telemetry.log_streams import ErrorStream, Lossy
from livestack.telemetry.log_writer import FLUSH_S, Sink, Writer
from livestack.telemetry_settings import LogSettings

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

REPEAT_MAX: Final = LogSettings().repeat_max

FRAMES: Final = 4
"""Places that are told of where a thread died."""

_THIRD_PARTY: Final = {"WARNING": "warning", "ERROR": "error", "CRITICAL": "critical"}


class _Process:
    """What this process has set up, and what it was before."""

    def __init__(self) -> None:
        self.writer: Writer | None = None
        self.context: Mapping[str, Any] = {}
        self.undo: list[Callable[[], object]] = []


_process = _Process()


def begin(settings: LogSettings, data_dir: Path, *, process: str = "") -> None:
    """Log as ``settings`` say; a relative file is in ``data_dir``. ``process``: one beside the node; its lines say so.

    ``ConfigurationError`` for a file that cannot be written.
    """
    path = file_of(settings, data_dir)
    file = LogFile.open(path, settings.file_bytes, settings.files) if path is not None else None
    configure(settings.level, settings.format == "json", file=file, repeat_max=settings.repeat_max)
    if process:
        bind(process=process)


def file_of(settings: LogSettings, data_dir: Path) -> Path | None:
    """Where lines are written to; None: to stderr."""
    return data_dir / Path(settings.file).expanduser() if settings.file else None


def configure(level: str, json: bool, *, file: LogFile | None = None, repeat_max: int = REPEAT_MAX) -> None:
    """Set up logging for this process. ``level`` is a key of ``LEVELS``; ``file``: there, in JSON, not to stderr."""
    reset()
    stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for the process's whole life
    stream = stderr.stream if isinstance(stderr, Lossy) else stderr
    if not isinstance(stderr, Lossy):
        sys.stderr = cast(TextIO, Lossy(stderr))
    sink: Sink = file if file is not None else ErrorStream(stream)
    writer = Writer(
        sink,
        json_lines() if json or file is not None else console_lines(_is_terminal(stream)),
        repeat_max,
        wall_ns=time.time_ns,
        clock_ns=time.monotonic_ns,
        context=lambda: _process.context,
    )
    structlog.configure(
        processors=[_handed_over],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=_Logger,
        cache_logger_on_first_use=True,
    )
    writer.start()
    _process.writer = writer
    _take_over_libraries()
    _take_over_failures()


def bind(**context: str) -> None:
    """Have every line of this process tell ``context``: its node, its session. Any thread."""
    _process.context = {**_process.context, **context}


def flush(within_s: float = FLUSH_S) -> bool:
    """Wait until what was said is written, counts of repetitions included. Whether it was in time. Any thread."""
    writer = _process.writer
    return writer is None or writer.flush(within_s)


def reset() -> None:
    """End what :func:`configure` began; lines that come afterwards go nowhere."""
    writer, _process.writer = _process.writer, None
    if writer is not None:
        writer.end()
    while _process.undo:
        _process.undo.pop()()
    _process.context = {}


def readings() -> list[Reading]:
    """What this process has logged and lost, for telemetry. Any thread."""
    writer = _process.writer
    if writer is None:
        return []
    lines = [Reading(LOG_LINES, (level,), count) for level, count in writer.written.copy().items()]
    return [*lines, Reading(LOG_SUPPRESSED, (), writer.suppressed), Reading(LOG_LOST, (), writer.lost)]


class _Logger:
    """What structlog hands its fields to. ``name`` is what the logger was asked for by."""

    __slots__ = ("name",)

    def __init__(self, name: str = "") -> None:
        self.name = name

    def take(self, level: str, fields: dict[str, Any]) -> None:
        _say(level, self.name, fields)

    debug = info = warning = error = critical = take


def _handed_over(_logger: _Logger, level: str, fields: Any) -> tuple[tuple[str, Any], dict[str, Any]]:
    """structlog's only processor: everything else is the writer's work."""
    return (level, fields), {}


def _say(level: str, logger: str, fields: dict[str, Any], kind: str = "") -> None:
    writer = _process.writer
    if writer is not None:
        writer.say(level, logger, fields, _process.context, kind)


class _Handler(logging.Handler):
    """Lines of libraries. What they format may differ each time: their template is what makes them alike."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - arguments that do not fit; a library's fault fails nobody
            text = str(record.msg)
        fields = {"event": text, "exc_info": record.exc_info}
        _say(_THIRD_PARTY.get(record.levelname, "warning"), record.name, fields, str(record.msg))


def _take_over_libraries() -> None:
    """Have everything that uses :mod:`logging` or :mod:`warnings` tell it here, from WARNING on."""
    root, pykka = logging.getLogger(), logging.getLogger("pykka")
    before = root.handlers[:], root.level, pykka.level
    root.handlers[:] = [_Handler()]
    root.setLevel(logging.WARNING)
    pykka.setLevel(logging.CRITICAL)  # the supervisor says that an actor failed, and why
    logging.captureWarnings(True)

    def undo() -> None:
        logging.captureWarnings(False)
        root.handlers[:], level, pykka_level = before
        root.setLevel(level)
        pykka.setLevel(pykka_level)

    _process.undo.append(undo)


def _take_over_failures() -> None:
    """A thread that dies is told in a line; the main thread's end comes behind everything that was logged."""
    of_threads, of_main = threading.excepthook, sys.excepthook

    def on_end(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        flush()
        of_main(kind, error, where)

    threading.excepthook, sys.excepthook = _tell_of_thread, on_end
    atexit.register(flush)

    def undo() -> None:
        threading.excepthook, sys.excepthook = of_threads, of_main
        atexit.unregister(flush)

    _process.undo.append(undo)


def _tell_of_thread(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_type is SystemExit:
        return
    frames = traceback.extract_tb(failure.exc_traceback)[-FRAMES:]
    where = " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
    thread = failure.thread.name if failure.thread is not None else ""
    error = f"{failure.exc_type.__name__}: {failure.exc_value}"
    _say("error", "threads", {"event": "thread_failed", "thread": thread, "error": error, "where": where})


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # it is closed
        return False


def _restart_in_fork() -> None:
    if _process.writer is not None:
        _process.writer.restart_in_fork()


os.register_at_fork(after_in_child=_restart_in_fork)
