"""Real processes for tests: the simulated venue and a node, started on loopback and always ended by their id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
BINANCE_CAPTURE = DATA / "binance_spot_2021-10-12"


class Process:
    """A ``livestack`` subprocess; stdout as text lines, stderr into a file of the test's directory."""

    module = "livestack"

    def __init__(
        self,
        arguments: list[str],
        directory: Path,
        environment: Mapping[str, str] | None = None,
        prefix: tuple[str, ...] = (),
    ) -> None:
        self.stderr_path = directory / f"stderr-{len(list(directory.glob('stderr-*')))}.txt"
        with self.stderr_path.open("wb") as stderr:
            self._process = subprocess.Popen(
                [*prefix, sys.executable, "-m", self.module, *arguments],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                cwd=directory,
                env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    def line(self) -> str:
        """The next line of stdout; empty when it ended."""
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def signal(self, number: int = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9, and wait for the end."""
        if self._process.poll() is None:
            self._process.kill()
        if self._process.stdout is not None and not self._process.stdout.closed:
            self._process.communicate()

    def finish(self, timeout_s: float = 120) -> tuple[int, str]:
        """Wait for the end; exit code and the rest of stdout."""
        output, _ = self._process.communicate(timeout=timeout_s)
        return self._process.returncode, output

    def ended(self, within_s: float) -> bool:
        """Whether it has ended, or does so within this long."""
        try:
            self._process.wait(timeout=within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def running(self) -> bool:
        return self._process.poll() is None

    def stderr(self) -> str:
        return self.stderr_path.read_text()


class Venue(Process):
    """``livestack venue binance-spot`` with its addresses, keys and simulator-only views."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        super().__init__(["venue", "binance-spot", "--port", "0", "--json", *arguments], directory)
        first = self.line()
        assert first, self.stderr()
        described: dict[str, Any] = json.loads(first)
        self.urls: dict[str, str] = described["urls"]
        self.keys: list[dict[str, str]] = described["keys"]
        self.symbols: list[str] = described["symbols"]

    def look(self, what: str) -> Any:
        """Ask ``/sim/<what>``: ``orders`` (requests seen), ``open``, ``history``, ``fills``, ``account``."""
        base = self.urls["rest"].rstrip("/")
        return requests.get(f"{base}/sim/{what}", timeout=30).json()

    def key(self, kind: str = "hmac") -> dict[str, str]:
        return next(key for key in self.keys if key["kind"] == kind)

    def environment(self, kind: str = "hmac") -> dict[str, str]:
        """What a node's configuration refers to for addresses and credentials."""
        key = self.key(kind)
        return {
            "VENUE_REST": self.urls["rest"],
            "VENUE_STREAM": self.urls["stream"],
            "VENUE_WS_API": self.urls["ws_api"],
            "VENUE_KEY": key["api_key"],
            "VENUE_SECRET": key["secret"],
        }


def start_node(
    directory: Path,
    configuration: Path,
    environment: Mapping[str, str],
    *arguments: str,
    prefix: tuple[str, ...] = (),
) -> Process:
    """``livestack start`` with its data in ``directory``, under ``prefix`` (a tracer)."""
    return Process(
        ["start", "-c", str(configuration), "--data-dir", str(directory / "data"), "--json", *arguments],
        directory,
        environment,
        prefix,
    )


def run_livestack(directory: Path, *arguments: str) -> tuple[int, str]:
    """A ``livestack`` command to its end: exit code and stdout."""
    with Process(list(arguments), directory) as process:
        return process.finish()
