"""What tests of leases share: accounts, holders, other processes with leases, and time that is set by hand."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

import psycopg

from livestack.lease.identity import Account, Holder
from tests.postgres_support import Databases
from tests.support import ROOT

CHILD = """
import sys
from pathlib import Path
from livestack.exceptions import LivestackError
from livestack.lease.session import AccountLease
from livestack.lease.identity import Account, Holder
from livestack.lease_settings import LeaseSettings
from livestack.transports.clock import SystemClock

node, data_dir, directory, url, *names = sys.argv[1:]
settings = LeaseSettings(directory=directory, postgres_url_env="URL" if url else None)
accounts = [Account("v", name, name.encode().ljust(16)) for name in names]
try:
    with AccountLease.acquire(
        accounts, Holder.here(node, Path(data_dir), SystemClock()), settings, {"URL": url}
    ):
        print("held", flush=True)
        sys.stdin.readline()
except LivestackError as error:
    print(error, flush=True)
    sys.exit(error.exit_code)
"""


def account(name: str = "main") -> Account:
    return Account("v", name, name.encode().ljust(16))


def holder(node: str = "first") -> Holder:
    return Holder(node, os.getpid(), "here", "data", "2026-01-01T00:00:00Z")


class Child:
    """Another process with a lease of its own in ``directory``, and at ``url`` if there is one."""

    def __init__(self, node: str, directory: Path, data_dir: Path, *names: str, url: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", CHILD, node, str(data_dir), str(directory), url, *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self._process.stdout is not None
        self.said = self._process.stdout.readline().strip()

    @property
    def pid(self) -> int:
        return self._process.pid

    def finish(self) -> int:
        """Let it give its lease back; its exit code."""
        self._process.communicate("\n", timeout=60)
        return self._process.returncode

    def kill(self) -> None:
        """kill -9, and wait for the end."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class HandTime:
    """Clock and timers that stand still until a test goes on with them; callbacks run on the test's thread."""

    def __init__(self) -> None:
        self._now_ns = 1_000_000_000
        self._pending: dict[int, tuple[int, Callable[[], None]]] = {}
        self._numbers = 0
        self._changed = threading.Condition()

    def now_ns(self) -> int:
        return self._now_ns

    def wall_ns(self) -> int:
        return self._now_ns

    def at(self, deadline_ns: int, callback: Callable[[], None]) -> Callable[[], None]:
        with self._changed:
            self._numbers += 1
            number = self._numbers
            self._pending[number] = (deadline_ns, callback)
            self._changed.notify_all()

        def cancel() -> None:
            with self._changed:
                self._pending.pop(number, None)
                self._changed.notify_all()

        return cancel

    def advance(self, span_ns: int) -> None:
        """Go on, and call what became due."""
        with self._changed:
            self._now_ns += span_ns
            due = sorted(
                (when, number) for number, (when, _) in self._pending.items() if when <= self._now_ns
            )
            callbacks = [self._pending.pop(number)[1] for _, number in due]
        for callback in callbacks:
            callback()

    def wait_for(self, pending: int) -> None:
        """Until that many timers are pending."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._pending) == pending, timeout=60)


def wait_until_free(server: Databases, one: Account) -> None:
    """Until nobody holds the lease of ``one``: the server itself says when it heard of the holder's end."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [one.advisory_key])
        connection.execute("SELECT pg_advisory_unlock(%s)", [one.advisory_key])
