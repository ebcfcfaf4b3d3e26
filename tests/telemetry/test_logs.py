"""Logs of a process: one line per fact on stderr, nothing on stdout, everything written at its end, however it ends."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from livestack.exceptions import ConfigurationError
from livestack.telemetry import logs
from livestack.telemetry.catalogue import LOG_LINES, LOG_LOST, LOG_SUPPRESSED
from livestack.telemetry_settings import LogSettings
from tests.support import ROOT

PROGRAM = """
import logging, structlog
from livestack.telemetry import logs
logs.configure({level!r}, json={json})
log = structlog.get_logger("test").bind(venue="v")
log.debug("too_fine")
log.warning("book_invalid", instrument="v:S", gap=3)
logging.getLogger("urllib3").debug("chatter")
"""

JSON = PROGRAM.format(level="info", json=True)


def run(program: str, stderr: str = "") -> subprocess.CompletedProcess[str]:
    """``program`` to its end; ``stderr``: a path for it."""
    command = [sys.executable, "-c", program]
    if stderr:
        command = ["sh", "-c", f'exec "$@" 2>{stderr}', "sh", *command]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("as_json", [True, False])
def test_one_line_per_fact_on_stderr(as_json: bool) -> None:
    """JSON has every field; below the level and from libraries nothing is said; stdout stays free for results."""
    ran = run(PROGRAM.format(level="info", json=as_json))
    (line,) = ran.stderr.splitlines()
    assert "" == ran.stdout
    if as_json:
        content = json.loads(line)
        assert ("book_invalid", "warning", "test", "v:S", 3, "v") == tuple(
            content[key] for key in ("event", "level", "logger", "instrument", "gap", "venue")
        )
    else:
        assert "book_invalid" in line


def test_a_stderr_that_cannot_be_written_fails_nobody() -> None:
    """Lines are lost and counted; the program ends as if nothing were."""
    ran = run(JSON + "logs.flush(); print(logs.readings()[-1].value)", "/dev/full")
    assert (0, "1\n") == (ran.returncode, ran.stdout)


def test_a_closed_stderr_fails_nobody() -> None:
    """Not even there."""
    ran = run(JSON + "logs.flush(); print('on')", "&-")
    assert (0, "on\n") == (ran.returncode, ran.stdout)


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("", 0),
        ("import sys; sys.exit(3)", 3),
        ("import os; logs.flush(); os._exit(5)", 5),
        ("1 / 0", 1),
    ],
    ids=["end", "exit", "_exit", "error"],
)
def test_everything_is_written_at_the_end(end: str, code: int) -> None:
    """A thousand lines that were said just before; repetitions with their number; then the end's own words."""
    ran = run(JSON + f"for n in range(1_000): log.error('e', n=n)\n{end}")
    assert code == ran.returncode
    said = ran.stderr.splitlines()[: 1 + logs.REPEAT_MAX + 1]
    *_, told = lines("\n".join(said))
    assert (999, 1_000 - logs.REPEAT_MAX) == (told["n"], told["suppressed"])
    rest = ran.stderr.splitlines()[len(said) :]
    assert ("1 / 0" == end) == bool(rest)
    assert rest[:1] in ([], ["Traceback (most recent call last):"])


def test_libraries_warnings_and_threads_go_the_same_way() -> None:
    """From WARNING on, one line each, whatever they put into it; what they format does not hide that it repeats."""
    ran = run(
        JSON
        + "import sys, threading, warnings\n"
        + "logging.getLogger('urllib3').warning('a\\nb %s', 'c')\n"
        + "logging.getLogger('pykka').error('chatter')\n"
        + "logging.getLogger('x').error('%d', 'no number')\n"
        + "for n in range(30): logging.getLogger('y').error('failed %d', n)\n"
        + "warnings.warn('beware')\n"
        + "thread = threading.Thread(target=lambda: 1 / 0, name='t'); thread.start(); thread.join()\n"
        + "thread = threading.Thread(target=sys.exit); thread.start(); thread.join()\n"
    )
    found = lines(ran.stderr)[1:]
    by_logger = {one["logger"]: one for one in found}
    assert ["urllib3", "x", "y", "py.warnings", "threads"] == list(by_logger)
    assert "a\nb c" == by_logger["urllib3"]["event"]
    assert ("failed 29", 10) == (by_logger["y"]["event"], by_logger["y"]["suppressed"])
    assert "beware" in by_logger["py.warnings"]["event"]
    failed = by_logger["threads"]
    assert ("thread_failed", "t", "ZeroDivisionError: division by zero") == (
        failed["event"],
        failed["thread"],
        failed["error"],
    )
    assert failed["where"].endswith("<lambda>")


def test_a_fork_of_a_process_that_logs_logs() -> None:
    """With a thread of its own, each line once."""
    ran = run(
        JSON
        + "import os\n"
        + "if not (child := os.fork()):\n"
        + "    log.warning('of_the_child'); logs.flush(); os._exit(0)\n"
        + "os.waitpid(child, 0); log.warning('of_the_parent')"
    )
    assert ["book_invalid", "of_the_child", "of_the_parent"] == sorted(
        one["event"] for one in lines(ran.stderr)
    )


def test_what_is_bound_to_the_process_is_in_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Of every logger, libraries' too, from then on."""
    logs.configure("info", json=True)
    log = structlog.get_logger("l")
    log.info("before")
    logs.bind(node="n", session="s")
    log.info("after", order_id=5)
    assert logs.flush()
    first, second = lines(capsys.readouterr().err)
    assert {"timestamp", "level", "logger", "event"} == set(first)
    assert ("n", "s", 5) == (second["node"], second["session"], second["order_id"])


def test_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Below the data directory, in JSON whatever the format, nothing on stderr; a guard's lines say whose they are."""
    settings = LogSettings(file="logs/node.log", format="console", level="debug")
    logs.begin(settings, tmp_path, process="guard")
    structlog.get_logger("l").debug("said")
    assert logs.flush()
    (line,) = lines((tmp_path / "logs" / "node.log").read_text())
    assert ("said", "debug", "guard") == (line["event"], line["level"], line["process"])
    assert "" == capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """Before anything starts."""
    with pytest.raises(ConfigurationError, match="Is a directory"):
        logs.begin(LogSettings(file=str(tmp_path)), tmp_path)


def test_what_telemetry_reads(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines by level, how many were suppressed, and how many lost; nothing where nothing logs."""
    assert [] == logs.readings()
    logs.configure("info", json=True, repeat_max=1)
    for level in ("info", "error", "error", "error"):
        getattr(structlog.get_logger("l"), level)("e")
    assert logs.flush()
    found = {(one.metric.name, *one.labels): one.value for one in logs.readings()}
    assert {
        (LOG_LINES.name, "info"): 1,
        (LOG_LINES.name, "error"): 2,
        (LOG_SUPPRESSED.name,): 2,
        (LOG_LOST.name,): 0,
    } == found


def test_tests_capture_what_is_logged() -> None:
    """structlog's own way to look at lines goes on working, and nothing is written meanwhile."""
    logs.configure("info", json=True)
    with capture_logs() as captured:
        structlog.get_logger("l").warning("e", venue="v")
    assert [{"event": "e", "venue": "v", "log_level": "warning"}] == captured
    assert {} == {one.labels: one.value for one in logs.readings() if one.metric is LOG_LINES}


def test_nothing_is_left_behind() -> None:
    """What was set up is undone; whoever logs later hurts nobody."""

    before = logging.getLogger().handlers[:], threading.excepthook, sys.excepthook
    logs.configure("info", json=True)
    log = structlog.get_logger("l").bind()
    logs.reset()
    assert before == (logging.getLogger().handlers[:], threading.excepthook, sys.excepthook)
    assert "log" not in [thread.name for thread in threading.enumerate()]
    log.warning("e")
    assert logs.flush()


@pytest.mark.parametrize("file", ["a/", "..", "/", ".", "a\nb", "a\x00", "x/.."])
def test_a_file_needs_a_name(file: str) -> None:
    """What names a directory, or cannot be a path, is refused with a sentence."""
    with pytest.raises(ValueError, match="file must be a path of printable characters that ends with a name"):
        LogSettings(file=file)
