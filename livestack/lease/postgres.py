"""The lease across machines: advisory locks of PostgreSQL, on a connection that is used for nothing else.

Theory of operation. The server gives such locks back when the connection ends, however it ends. Where the holder's
machine vanished without a word, the server has to find that out: it is told to ask after silence, and to wait longer
than the holder's own grace, so that a holder that was cut off has stopped trading before anyone can take its place. A
connection of our own that broke may live on at the server for as long. It is told from another node's by its process
and start, and ended.

Nothing that is told to people holds the URL, or a part of it that libpq may have mistaken for something else.

One thread at a time, the lease's own while a session runs; every call is bounded in time.
"""

from __future__ import annotations

import re
import select
from collections import deque
from collections.abc import Sequence

import psycopg
from psycopg import conninfo, pq

from livestack.exceptions import HeldError, UnreachableError, UsageError
from livestack.lease.identity import Account, Holder, printable
from livestack.secret import Secret

CONNECT_TIMEOUT_S = 3
"""libpq knows whole seconds only; each address of the server may take as long."""

QUERY_TIMEOUT_S = 2.0
"""The server looks into its own memory to answer; one that needs longer is not there."""

ASK_EVERY_S = 5
ASK_TIMES = 3
"""How the server finds out that a holder's machine vanished, after silence of the holder's grace."""

HOLDING_MAX = 64
"""Connections of ours that held a lock, of which we know; the server forgets a broken one within the time above."""

_URL = re.compile(r"postgres(ql)?://")
_HOST = re.compile(r"[A-Za-z0-9._:%-]+|/[A-Za-z0-9._/+-]+")
_PORT = re.compile(r"[0-9]{1,5}")

_IDENTIFY = """
    SELECT pid::text, to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    FROM pg_stat_activity WHERE pid = pg_backend_pid()
"""
_NOTICE_SILENCE = """
    SELECT set_config('tcp_keepalives_idle', $1, false), set_config('tcp_keepalives_interval', $2, false),
        set_config('tcp_keepalives_count', $3, false), set_config('tcp_user_timeout', $4, false)
"""
_OURS = """
    SELECT ((classid::bigint << 32) | objid::bigint)::text FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND pid = pg_backend_pid()
"""
_TAKE = "SELECT pg_try_advisory_lock($1::bigint)::text"
_HOLDER = """
    SELECT pid::text, to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        application_name, host(client_addr)
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted
        AND ((classid::bigint << 32) | objid::bigint) = $1::bigint
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_END = "SELECT pg_terminate_backend($1::int)::text"

Row = tuple[str, ...]


class PostgresLock:
    """The locks of ``accounts`` at the server of ``url``, which was found in the environment's ``variable``.

    ``silence_s``: how long the server may hear nothing of us before it begins to ask. ``UsageError``: not a URL.
    """

    def __init__(
        self, url: str, variable: str, accounts: Sequence[Account], holder: Holder, silence_s: int
    ) -> None:
        parts = _parse(url, variable)
        self._address = f"PostgreSQL at {parts.get('host', 'this machine')}, port {parts.get('port', '5432')}"
        self._secrets = tuple(str(parts[name]) for name in ("password", "sslpassword") if parts.get(name))
        self._parameters = Secret(_parameters(parts, holder))
        self._accounts = accounts
        self._silence_s = silence_s
        self._connection: psycopg.Connection | None = None
        self._us: Row = ()
        self._holding: deque[Row] = deque(maxlen=HOLDING_MAX)

    def hold(self) -> None:
        """Take the locks, or see that they are still ours.

        ``HeldError``: another node has one, which it names; ``UnreachableError``: the server does not say.
        """
        try:
            if self._connection is None:
                self._connect()
            ours = {key for (key,) in self._ask(_OURS)}
            for account in self._accounts:
                if str(account.advisory_key) not in ours:
                    self._take(account)
        except (psycopg.Error, OSError) as error:
            self.release()
            raise UnreachableError(self._address, self._told(error)) from None

    def release(self) -> None:
        """Close the connection; the server gives the locks back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> None:
        self._connection = psycopg.connect(self._parameters.reveal(), autocommit=True)
        wait_s = self._silence_s + ASK_EVERY_S * ASK_TIMES
        self._ask(_NOTICE_SILENCE, self._silence_s, ASK_EVERY_S, ASK_TIMES, wait_s * 1_000)
        self._us = self._ask(_IDENTIFY)[0]

    def _take(self, account: Account) -> None:
        if self._ask(_TAKE, account.advisory_key) == [("true",)]:
            if self._us not in self._holding:
                self._holding.append(self._us)
            return
        for pid, start, name, address in self._ask(_HOLDER, account.advisory_key):
            if (pid, start) in self._holding:
                self._ask(_END, pid)
                raise UnreachableError(
                    self._address, "a broken connection of this node still has the lease there"
                )
            origin = f" at {address}" if address else ""
            text = f"{printable(name) or 'an unnamed session'}{origin}, since {start}, PostgreSQL's process {pid}"
            raise HeldError(str(account), f"it is held by {text}")
        raise UnreachableError(self._address, f"somebody else had the lock of {account} a moment ago")

    def _ask(self, query: str, *parameters: object) -> list[Row]:
        """The rows of one statement; ``OperationalError`` also where the server stays silent."""
        assert self._connection is not None
        server = self._connection.pgconn
        server.send_query_params(query.encode(), [str(parameter).encode() for parameter in parameters])
        while server.flush():
            _wait(server, select.POLLOUT)
        rows: list[Row] = []
        while True:
            while server.is_busy():
                _wait(server, select.POLLIN)
                server.consume_input()
            result = server.get_result()
            if result is None:
                return rows
            if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
                raise psycopg.OperationalError(result.get_error_message())
            rows += [_row(result, number) for number in range(result.ntuples)]

    def _told(self, error: Exception) -> str:
        """``error`` in one line that can be shown."""
        text = " ".join(str(error).split()) or type(error).__name__
        if any(secret in text for secret in self._secrets):
            return "the connection failed, and its cause is not shown because it holds the password"
        return printable(text)


def _parse(url: str, variable: str) -> dict[str, str]:
    """The parts of ``url``, each of them what it seems to be: a password with a bare ``@`` or ``/`` becomes a host."""
    try:
        parts = {name: str(value) for name, value in conninfo.conninfo_to_dict(url).items()}
    except psycopg.Error:
        parts = {}
    hosts, ports = parts.get("host", "localhost").split(","), parts.get("port", "5432").split(",")
    if (
        not _URL.match(url)
        or not parts
        or not all(map(_HOST.fullmatch, hosts))
        or not all(map(_PORT.fullmatch, ports))
        or "@" in parts.get("dbname", "")
    ):
        raise UsageError(
            f"the environment variable {variable} (lease.postgres_url_env) must hold a URL such as "
            "postgresql://USER:PASSWORD@HOST:5432/DATABASE, with %40 for @ and %2F for / in a password"
        )
    return parts


def _parameters(parts: dict[str, str], holder: Holder) -> str:
    """``parts`` with ours, which win where they are about the lease."""
    ours: dict[str, str | int] = {
        "application_name": holder.application_name,
        "connect_timeout": CONNECT_TIMEOUT_S,
        "keepalives": 1,
        "keepalives_idle": ASK_EVERY_S,
        "keepalives_interval": 1,
        "keepalives_count": ASK_TIMES,
        "tcp_user_timeout": 5_000,
        "target_session_attrs": "primary",  # a replica's locks are its own
    }
    return conninfo.make_conninfo("", **{**parts, **ours})


def _wait(server: pq.abc.PGconn, event: int) -> None:
    poller = select.poll()
    poller.register(server.socket, event)
    if not poller.poll(QUERY_TIMEOUT_S * 1_000):
        raise psycopg.OperationalError("no answer in time")


def _row(result: pq.abc.PGresult, number: int) -> Row:
    values = (result.get_value(number, column) for column in range(result.nfields))
    return tuple((value or b"").decode(errors="replace") for value in values)
