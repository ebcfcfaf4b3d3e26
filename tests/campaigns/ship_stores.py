"""The storages of the shipping campaign, each with a shipper process and with what can befall it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import psutil
from psycopg.sql import SQL, Identifier

from tests.postgres_support import Act, Proxy, Server
from tests.storage import s3_support
from tests.support import ROOT

SHIPPER_POINTS = ("ship.before_write", "ship.after_write", "ship.before_mark")
DELTA_POINTS = ("delta.before_commit", "delta.after_commit")
PASS_MAX = 6
"""At which pass of a point a shipper is killed, at most."""

PASSWORD = "shipper's own"

FULL_BYTES = 2_000
"""Enough for a log entry's beginning, not for a file of records."""

SLOW_S = 0.3


def livestack(
    arguments: tuple[str, ...], environment: Mapping[str, str], log: Path
) -> tuple[int, dict[str, Any]]:
    """A command to its end; exit code and the last object on stdout."""
    with log.open("ab") as stderr:
        done = subprocess.run(
            [sys.executable, "-m", "livestack", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            timeout=600,
        )
    lines = done.stdout.splitlines()
    return done.returncode, json.loads(lines[-1]) if lines else {}


class ShipperProcess:
    """``livestack records ship SESSION --follow``: ended and started again whenever somebody wants that."""

    def __init__(self, log: Path, url: str, environment: Mapping[str, str]) -> None:
        self.starts = 0
        self._log = log
        self._url = url
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._arguments: tuple[str, ...] = ()

    def begin(self, data_dir: Path, session: str) -> None:
        self._arguments = ("records", "ship", session, "--follow", "--data-dir", str(data_dir))
        self.start()

    def start(self, failpoints: str = "") -> None:
        self.starts += 1
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "livestack", *self._arguments, "--sink", self._url, "--json"],
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    **self._environment,
                    "LIVESTACK_FAILPOINTS": failpoints,
                },
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def limit_files(self, size: int) -> None:
        """It can make no file larger than ``size``: a disk that is full."""
        if self._process is not None and self._process.poll() is None:
            process = psutil.Process(self._process.pid)
            process.rlimit(psutil.RLIMIT_FSIZE, (size, process.rlimit(psutil.RLIMIT_FSIZE)[1]))

    def ensure(self) -> None:
        """Start it again where it has ended."""
        if self._process is not None and self._process.poll() is not None:
            self.start()

    def finish(self, timeout_s: float) -> None:
        """Have it bring what it can, and end."""
        self.ensure()
        assert self._process is not None
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)


class Store:
    """One storage. ``kinds``: what can befall it; :meth:`heal` undoes whatever does."""

    name: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]]
    points: ClassVar[tuple[str, ...]] = SHIPPER_POINTS

    def __init__(self, directory: Path, url: str, environment: Mapping[str, str]) -> None:
        self.url = url
        self.environment = environment
        self.shipper = ShipperProcess(directory / f"{self.name}-shipper.txt", url, environment)

    def begin(self, data_dir: Path, session: str) -> None:
        self.shipper.begin(data_dir, session)

    def inject(self, kind: str, chance: random.Random) -> None:
        match kind:
            case "kill":
                self.shipper.kill()
                self.shipper.start()
            case "point":
                self.shipper.kill()
                point, at = chance.choice(self.points), chance.randint(1, PASS_MAX)
                self.shipper.start(f"{point}=kill@{at}")
            case _:
                raise ValueError(kind)

    def heal(self) -> None:
        self.shipper.ensure()

    def odd(self) -> list[str]:
        """What else is wrong in the end."""
        return []

    def close(self) -> None:
        self.shipper.kill()


class LocalStore(Store):
    """Delta Lake on the local disk."""

    name = "local"
    kinds = ("kill", "point", "point", "full")
    points = SHIPPER_POINTS + DELTA_POINTS

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, f"delta+file://{directory / 'delta'}", {})

    def inject(self, kind: str, chance: random.Random) -> None:
        if kind == "full":
            self.shipper.limit_files(FULL_BYTES)
        else:
            super().inject(kind, chance)

    def heal(self) -> None:
        self.shipper.limit_files(psutil.RLIM_INFINITY)
        super().heal()


class LakeStore(Store):
    """Delta Lake on S3, at the end of a line that is cut, or says nothing."""

    name = "s3"
    kinds = ("kill", "point", "point", "down", "hang", "revoked")
    points = SHIPPER_POINTS + DELTA_POINTS

    def __init__(self, directory: Path, server: str) -> None:
        self._place = s3_support.new_place(server)
        self._line = s3_support.Line(self._place.endpoint)
        self._state = ""
        self._keys = ExitStack()
        super().__init__(
            directory,
            f"delta+s3://{self._place.bucket}/{self._place.prefix}?endpoint={self._line.endpoint}",
            {
                "AWS_REGION": self._place.region,
                "AWS_ACCESS_KEY_ID": self._place.access_key_id,
                "AWS_SECRET_ACCESS_KEY": self._place.secret,
            },
        )

    def inject(self, kind: str, chance: random.Random) -> None:
        self._state = kind
        match kind:
            case "down":
                self._line.cut()
            case "hang":
                self._line.silence()
            case "revoked":
                self._keys.enter_context(self._place.checks_keys())
            case _:
                super().inject(kind, chance)

    def heal(self) -> None:
        match self._state:
            case "down":
                self._line.restore()
            case "hang":
                self._line.cut()
                self._line.restore()
            case "revoked":
                self._keys.close()
        self._state = ""
        super().heal()

    def close(self) -> None:
        super().close()
        self._keys.close()
        self._line.close()


class SqlStore(Store):
    """PostgreSQL, behind a proxy."""

    name = "postgresql"
    kinds = (
        "kill",
        "point",
        "point",
        "down",
        "hang",
        "cut",
        "lost answer",
        "slow",
        "full",
        "revoked",
        "refuses",
    )

    def __init__(self, directory: Path, server: Server) -> None:
        self._server = server
        self._state = ""
        self._proxy = Proxy(server.port)
        self._database = f"ship_{directory.name}_{os.getpid()}"
        self._role = f"role_{self._database}"
        server.make_role(self._role, PASSWORD)
        server.make_database(self._database)
        server.execute(
            SQL("GRANT CREATE ON DATABASE {} TO {}").format(
                Identifier(self._database), Identifier(self._role)
            )
        )
        url = server.url_of(self._database, self._role, PASSWORD)
        self._refuses = False
        super().__init__(directory, self._proxy.through(url), {})

    def inject(self, kind: str, chance: random.Random) -> None:
        self._state = kind
        match kind:
            case "down":
                self._server.kill()
                self._proxy.cut()
            case "hang":
                self._server.pause()
            case "cut":
                self._proxy.on_request(b"COPY", Act.CUT, chance.randint(0, 5_000))
            case "slow":
                self._proxy.delay(SLOW_S)
            case "full":
                self._server.limit_files(self._database, FULL_BYTES)
            case "lost answer":
                self._proxy.on_answer(b"COMMIT", Act.CUT)
            case "revoked":
                self._server.set_password(self._role, "another one")
                self._server.disconnect(self._database)
            case "refuses":
                self._refuse()
            case _:
                super().inject(kind, chance)

    def _refuse(self) -> None:
        """From now on no record of a seventh position may enter ``orders``."""
        if self._refuses or not self._server.execute(
            SQL("SELECT 1 FROM pg_tables WHERE schemaname = 'livestack' AND tablename = 'orders'"),
            self._database,
        ):
            return
        self._refuses = True
        self._server.execute(
            SQL("ALTER TABLE livestack.orders ADD CONSTRAINT odd CHECK (seq % 7 <> 0) NOT VALID"),
            self._database,
        )

    def heal(self) -> None:
        match self._state:
            case "down":
                self._server.start()
            case "hang":
                self._server.resume()
            case "slow":
                self._proxy.delay(0)
            case "full":
                self._server.limit_files(self._database, psutil.RLIM_INFINITY)
            case "revoked":
                self._server.set_password(self._role, PASSWORD)
        self._state = ""
        super().heal()

    def odd(self) -> list[str]:
        """Every record that was refused is a dead letter, and no other one is."""
        ((letters, right),) = self._server.execute(
            SQL(
                "SELECT count(*), count(*) FILTER (WHERE \"table\" = 'orders' AND seq % 7 = 0) "
                "FROM livestack.dead_letters"
            ),
            self._database,
        )
        ok = letters == right and (self._refuses or not letters)
        return [] if ok else [f"postgresql: {letters} dead letters, {right} of them as expected"]

    def close(self) -> None:
        super().close()
        self._proxy.close()
