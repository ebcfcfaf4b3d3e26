"""The real StatsD daemon and a real Graphite carbon, with the files of etc/ that are given to users.

scripts/test installs both into .venv; they end by their id, and leave nothing but the test's directory.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.support import ROOT

ENVIRONMENT = Path(ROOT / ".venv")
STATSD = ENVIRONMENT / "statsd" / "node_modules" / "statsd"
GRAPHITE = ENVIRONMENT / "graphite" / "bin"
NODE = shutil.which("node")

LIMIT_S = 30.0
FLUSH_MS = 1_000
RETENTIONS = {"10s:1d,1m:7d,1h:90d": "1s:10m,10s:1h"}
"""Those of etc/graphite, and what stands for them where StatsD flushes each second."""

CARBON = """
[cache]
STORAGE_DIR = {directory}
LOCAL_DATA_DIR = {directory}/whisper
CONF_DIR = {directory}
LOG_DIR = {directory}
PID_DIR = {directory}
DATABASE = whisper
MAX_CACHE_SIZE = inf
MAX_UPDATES_PER_SECOND = inf
MAX_CREATES_PER_MINUTE = inf
WHISPER_FALLOCATE_CREATE = False
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {line}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = {pickle}
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = {query}
"""

NEWER_NODE = "const util = require('util'); util.log = util.log || console.log;\n"
"""StatsD asks for a function that Node.js 23 dropped."""

READ = """
import json, os, sys, time, whisper
top, now, out = sys.argv[1], int(time.time()), {}
for folder, _, files in os.walk(top):
    for name in files:
        path = os.path.join(folder, name)
        told = whisper.info(path)
        archives = [[one["secondsPerPoint"], one["points"]] for one in told["archives"]]
        values = [one for one in whisper.fetch(path, now - 590, now)[1] if one is not None]
        series = os.path.relpath(path, top)[:-4].replace(os.sep, ".")
        out[series] = [told["aggregationMethod"], told["xFilesFactor"], archives, values]
print(json.dumps(out))
"""


def is_installed() -> bool:
    return STATSD.is_dir() and (GRAPHITE / "carbon-cache.py").is_file()


def free_port(kind: socket.SocketKind) -> int:
    """One of this machine that nobody has at the moment."""
    with socket.socket(socket.AF_INET, kind) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Daemon:
    """A program that says when it is ready; its output goes into a file of ``directory``."""

    def __init__(self, directory: Path, name: str, arguments: list[str], environment: dict[str, str]) -> None:
        self.output = directory / f"{name}.txt"
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                arguments,
                cwd=directory,
                env={**os.environ, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """Does nothing where it ended already."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def until_it_answers(self, port: int) -> None:
        """Until somebody takes connections there; its end before is a failure, with what it said."""
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
                raise AssertionError(self.output.read_text())


class Stored(NamedTuple):
    """One file of Graphite. ``archives``: seconds a point, points; ``values``: of the first one, as far as any came."""

    method: str
    enough: float
    archives: list[list[int]]
    values: list[float]


class Carbon(Daemon):
    """Graphite's writer with the rules of etc/graphite, in which a point is a second."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        ports = {name: free_port(socket.SOCK_STREAM) for name in ("line", "pickle", "query")}
        self.port = ports["line"]
        self.tree = directory / "whisper"
        path = directory / "carbon.conf"
        path.write_text(CARBON.format(directory=directory, **ports))
        for source in (ROOT / "etc" / "graphite").iterdir():
            text = source.read_text()
            for old, new in RETENTIONS.items():
                assert source.name != "storage-schemas.conf" or old in text
                text = text.replace(old, new)
            (directory / source.name).write_text(text)
        program = [str(GRAPHITE / "python"), str(GRAPHITE / "carbon-cache.py")]
        super().__init__(
            directory, "carbon", [*program, f"--config={path}", "--nodaemon", "start"], {"PYTHONPATH": ""}
        )

    def series(self) -> set[str]:
        """Every one that has a file."""
        return {
            ".".join(path.relative_to(self.tree).with_suffix("").parts) for path in self.tree.rglob("*.wsp")
        }

    def read(self) -> dict[str, Stored]:
        """Every file, as Graphite's own library reads it."""
        done = subprocess.run(
            [GRAPHITE / "python", "-c", READ, self.tree],
            env={**os.environ, "PYTHONPATH": ""},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=True,
        )
        told: dict[str, list[Any]] = json.loads(done.stdout)
        return {name: Stored(*one) for name, one in told.items()}


class StatsD(Daemon):
    """The daemon with etc/statsd/config.js; it listens at ``port`` and flushes each second."""

    def __init__(self, directory: Path, port: int, carbon: Carbon) -> None:
        assert NODE is not None
        directory.mkdir(exist_ok=True)
        self.management = free_port(socket.SOCK_STREAM)
        shim = directory / "newer_node.js"
        shim.write_text(NEWER_NODE)
        environment = {
            "STATSD_PORT": str(port),
            "STATSD_MGMT_PORT": str(self.management),
            "STATSD_FLUSH_MS": str(FLUSH_MS),
            "GRAPHITE_PORT": str(carbon.port),
        }
        config = ROOT / "etc" / "statsd" / "config.js"
        program = [NODE, "--require", str(shim), str(STATSD / "stats.js"), str(config)]
        super().__init__(directory, "statsd", program, environment)

    def ask(self, command: str) -> str:
        """What its management port says to ``command``, without the last line."""
        with socket.create_connection(("127.0.0.1", self.management), LIMIT_S) as told:
            told.sendall(f"{command}\n".encode())
            text = b""
            while not text.endswith(b"END\n\n"):
                text += told.recv(65_536)
        return text.decode().removesuffix("END\n\n")
