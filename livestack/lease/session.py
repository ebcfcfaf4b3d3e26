"""The lease of a session: all its accounts or none, for as long as the session lasts.

What a node uses of this package. Main thread; the keeper has a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import structlog

from livestack.exceptions import HeldError, UsageError
from livestack.lease.identity import Account, Holder, in_order
from livestack.lease.keeper import Keeper
from livestack.lease.machine import MachineLock, shared_directory
from livestack.lease_settings import LeaseSettings
from livestack.transports.clock import Clock, Timers

_SECOND_NS = 1_000_000_000


class _Lock(Protocol):
    def hold(self) -> None: ...

    def release(self) -> None: ...


class AccountLease:
    """Exclusive use of accounts; made by :meth:`acquire`, given back at the end of its ``with`` block."""

    def __init__(self, settings: LeaseSettings) -> None:
        self._settings = settings
        self._locks: list[_Lock] = []
        self._stuck = False

    @classmethod
    def acquire(
        cls,
        accounts: Iterable[Account],
        holder: Holder,
        settings: LeaseSettings,
        environment: Mapping[str, str],
    ) -> Self:
        """Take every one of ``accounts`` for ``holder``, or none.

        ``HeldError`` names who has one; ``UnreachableError``: the PostgreSQL server does not answer; ``UsageError``:
        its URL is none, or one account was named twice.
        """
        lease = cls(settings)
        try:
            for lock in _locks(in_order(accounts), holder, settings, environment):
                lease._locks.append(lock)
                lock.hold()
        except OSError as error:
            lease.release()
            raise HeldError(
                "the account lease", f"{error.filename or 'its directory'} cannot be used: {error.strerror}"
            ) from error
        except BaseException:
            lease.release()
            raise
        return lease

    @contextmanager
    def watched(
        self, clock: Clock, timers: Timers, on_lost: Callable[[], None], on_regained: Callable[[], None]
    ) -> Iterator[None]:
        """See to it inside the block that the lease is still there.

        ``on_lost`` is called where that could not be shown for the grace time, or somebody else has it;
        ``on_regained`` where it is back after the former. On the lease's or the timers' thread, never both at once.
        """
        keeper = Keeper(
            self._locks,
            clock=clock,
            timers=timers,
            grace_ns=self._settings.grace_ns,
            on_lost=on_lost,
            on_regained=on_regained,
        )
        keeper.start()
        try:
            yield
        finally:
            self._stuck = not keeper.stop()

    def release(self) -> None:
        """Give everything back. Idempotent."""
        if self._stuck:  # the thread has the locks in its hands; the end of the process gives them back
            structlog.get_logger("lease").warning("lease_check_left_behind")
            return
        while self._locks:
            self._locks.pop().release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.release()


def _locks(
    accounts: tuple[Account, ...], holder: Holder, settings: LeaseSettings, environment: Mapping[str, str]
) -> Iterator[_Lock]:
    """What has to be held, this machine first: it answers at once and names the holder best."""
    directory = Path(settings.directory).expanduser() if settings.directory else shared_directory()
    for account in accounts:
        yield MachineLock(directory, account, holder)
    variable = settings.postgres_url_env
    if variable is None:
        return
    url = environment.get(variable, "").strip()
    if not url:
        raise UsageError(
            f"lease.postgres_url_env refers to the environment variable {variable}, which is not set"
        )
    from livestack.lease.postgres import PostgresLock  # noqa: PLC0415 - a tenth of a second that others need not wait

    yield PostgresLock(url, variable, accounts, holder, -(-settings.grace_ns // _SECOND_NS))
