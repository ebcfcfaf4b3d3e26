"""What holds for every test: generated examples without a time limit, and nothing of the caller's environment."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from livestack.telemetry import logs

settings.register_profile("suite", deadline=None, print_blob=True)
settings.register_profile("long", deadline=None, print_blob=True, max_examples=100_000)
settings.load_profile("suite")


# Sockets of nodes in deep directories lie here, under a short name, and go with the run.
os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="ls-")
atexit.register(shutil.rmtree, os.environ["XDG_RUNTIME_DIR"], ignore_errors=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="100 000 generated examples of each law, for hours")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Before anything is collected: tests read the number of their examples when they are imported."""
    if config.getoption("--long"):
        settings.load_profile("long")
        config.option.timeout = 0


@pytest.fixture(autouse=True)
def no_data_directory_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that writes names its directory."""
    monkeypatch.delenv("LIVESTACK_DATA_DIR", raising=False)


@pytest.fixture(autouse=True)
def no_logging_of_another_test() -> Iterator[None]:
    """A command that was called in this process has set it up as it wants it."""
    stderr = sys.stderr
    yield
    logs.reset()
    structlog.reset_defaults()
    sys.stderr = stderr


@pytest.fixture(autouse=True)
def no_signals_of_another_test() -> Iterator[None]:
    """What a test ignored, or left blocked, its successors' processes would inherit."""
    numbers = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGABRT, signal.SIGTERM, signal.SIGINT)
    handlers = {number: signal.getsignal(number) for number in numbers}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for number, handler in handlers.items():
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)
