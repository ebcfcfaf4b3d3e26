"""A connection to PostgreSQL on which every call ends in time, and its errors as what they mean for a sink.

Nothing that is told to people holds a secret. One thread at a time; blocks.
"""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg import conninfo
from psycopg.sql import Identifier

from livestack.exceptions import SinkError, SinkRefusedError, SinkUnavailableError

CONNECT_TIMEOUT_S: Final = 5
"""libpq knows whole seconds only; each address of the server may take as long."""

STATEMENT_TIMEOUT_S: Final = 30.0
"""The server gives up a statement then, by its own clock: a lock of somebody else's, a disk that is too slow."""

ANSWER_TIMEOUT_S: Final = 35.0
"""A wait for the server ends then, whatever it does: longer than the above, so that its own words come first."""

EARLIER_MAX: Final = 16
"""Connections of ours that may have broken without the server's knowledge: it forgets one after the silence below."""

SILENCE_S: Final = 10
"""After silence of this long both sides begin to ask the other."""

ASK_EVERY_S: Final = 5
ASK_TIMES: Final = 3

OLDEST: Final = 140000
"""The oldest server version, as the server counts."""

TEXT_MAX: Final = 500
"""The server's words may quote a whole record."""

_ROW_CLASSES: Final = ("22", "23", "44", "54", "P0")
"""SQLSTATE classes about the content of a row: data, constraint, view, limit, an error that a trigger raises."""

_REFUSED_CLASSES: Final = ("0A", "0L", "0P", "28", "3D", "3F", "42", *_ROW_CLASSES)
"""Somebody has to change something: features, rights, names, what the schema looks like."""

_CHECK = "check the password, in the URL or in secret_file"
_LET_IN = "the server's pg_hba.conf must let this user in from this machine"
_REFUSED_AT_CONNECT: Final = (
    ("password authentication failed", _CHECK),
    ("no password supplied", _CHECK),
    ("authentication failed", _LET_IN),
    ("pg_hba.conf", _LET_IN),
    ("is not permitted to log in", "an administrator runs: ALTER ROLE ... LOGIN"),
    ("permission denied for database", "an administrator runs: GRANT CONNECT ON DATABASE ... TO ..."),
    ("role .* does not exist", "check the user in the URL, or let an administrator create it"),
    ("database .* does not exist", "check the database in the URL, or let an administrator create it"),
    (
        "does not support SSL|certificate|private key",
        "check sslmode and the certificates that the URL names",
    ),
    ("invalid .*(value|number|option)|unrecognized", "check the options of the URL"),
)
"""libpq tells no SQLSTATE of a connection that was refused; in other languages than English it is tried again."""

_UNREACHED: Final = (
    "Connection refused|resolve host|translate host name|Name or service not known|No route to host|unreachable"
    "|timeout expired|No such file or directory"
)
_REACH: Final = "check host and port; is it running?"

_HINT = re.compile(r"\n\s*Is the server running[^\n]*")
"""What libpq adds on a line of its own; we have advice for it."""

_SETTINGS = """
    SELECT set_config('statement_timeout', %(statement)s, false),
        set_config('idle_in_transaction_session_timeout', %(idle)s, false),
        set_config('tcp_keepalives_idle', %(silence)s, false),
        set_config('tcp_keepalives_interval', %(every)s, false),
        set_config('tcp_keepalives_count', %(times)s, false),
        set_config('tcp_user_timeout', %(user)s, false),
        set_config('timezone', 'UTC', false),
        CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')
            THEN set_config('synchronous_commit', 'on', false) END
"""

_WHO = "SELECT pid, backend_start FROM pg_catalog.pg_stat_activity WHERE pid = pg_backend_pid()"
_END = """
    SELECT pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
    WHERE usename = current_user
        AND (pid, backend_start) IN (SELECT * FROM unnest(%s::integer[], %s::timestamptz[]))
"""

# It warns of what fails while a failure is cleaned up; the failure itself is told by us.
logging.getLogger("psycopg").setLevel(logging.ERROR)


class BoundedConnection(psycopg.Connection[tuple[Any, ...]]):
    """Every wait of psycopg's goes through :meth:`wait`. One that took too long ends the connection with it."""

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        return super().wait(self._until(gen, time.monotonic() + ANSWER_TIMEOUT_S), *arguments, **options)

    def _until(self, waiting: Generator[Any, Any, Any], deadline: float) -> Generator[Any, Any, Any]:
        """``waiting`` itself, which is resumed several times a second even if there is nothing to be read."""
        try:
            wanted = next(waiting)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() >= deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError("no answer in time")
                wanted = waiting.send(ready)
        except StopIteration as end:
            return end.value


class Access:
    """The way to one database. ``address`` is for people; ``secret_conninfo`` is asked whenever it connects."""

    def __init__(self, address: str, secret_conninfo: Callable[[], str]) -> None:
        self.address = address
        self._secret_conninfo = secret_conninfo
        self._secrets: tuple[str, ...] = ()
        self._earlier: deque[tuple[int, datetime]] = deque(maxlen=EARLIER_MAX)
        self._only_reads = False
        self._user = ""
        self._database = ""

    def connect(self, only_reads: bool = False) -> BoundedConnection:
        """A connection with our settings, in autocommit; ``SinkError``. ``only_reads``: asks for no right to write."""
        self._only_reads = only_reads
        parts = {name: str(value) for name, value in self._parts().items()}
        self._secrets = tuple(parts[name] for name in ("password", "sslpassword") if parts.get(name))
        try:
            connection = BoundedConnection.connect(_with_ours(parts), autocommit=True, prepare_threshold=None)
        except (psycopg.Error, OSError) as error:
            raise self._not_connected(error) from None
        self._user, self._database = connection.info.user, connection.info.dbname
        try:
            self._settle(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _parts(self) -> dict[str, Any]:
        try:
            return dict(conninfo.conninfo_to_dict(self._secret_conninfo()))
        except psycopg.Error:
            raise self.refusal("its URL cannot be used", "see docs/records.rst for its form") from None

    def _settle(self, connection: BoundedConnection) -> None:
        if connection.info.server_version < OLDEST:
            version = connection.info.server_version // 10_000
            raise self.refusal(
                f"the server's version is {version}", f"records need PostgreSQL {OLDEST // 10_000} or newer"
            )
        milliseconds = {
            "statement": STATEMENT_TIMEOUT_S * 1_000,
            "idle": 2 * ANSWER_TIMEOUT_S * 1_000,
            "user": (SILENCE_S + ASK_EVERY_S * ASK_TIMES) * 1_000,
        }
        values = {name: str(int(value)) for name, value in milliseconds.items()}
        values |= {"silence": str(SILENCE_S), "every": str(ASK_EVERY_S), "times": str(ASK_TIMES)}
        with self.telling():
            connection.execute(_SETTINGS, values)
            self._end_earlier(connection)

    def _end_earlier(self, connection: BoundedConnection) -> None:
        """A connection that broke on our side alone may still hold locks at the server, in the way of this one."""
        if self._earlier:
            processes, starts = zip(*self._earlier, strict=True)
            connection.execute(_END, [list(processes), list(starts)])
        self._earlier += connection.execute(_WHO).fetchall()

    @contextmanager
    def telling(self) -> Iterator[None]:
        """What goes wrong inside is raised as a ``SinkError``."""
        try:
            yield
        except (psycopg.Error, OSError) as error:
            raise self.sink_error(error) from None

    def sink_error(self, error: Exception) -> SinkError:
        """What ``error``, of a connection that had worked, means."""
        state = getattr(error, "sqlstate", None) or ""
        text = self.told(error)
        if state == "42501":
            grants = self.reading_grants() if self._only_reads else self.grants()
            return self.refusal(text, f"an administrator of the database runs: {grants}")
        if state.startswith("42"):
            return self.refusal(text, "somebody changed the tables of the schema livestack")
        if state.startswith(_REFUSED_CLASSES):
            return self.refusal(text)
        return SinkUnavailableError(self.address, text)

    def refusal(self, cause: str, advice: str = "") -> SinkRefusedError:
        return SinkRefusedError(self.address, cause, advice)

    def grants(self) -> str:
        """What somebody may run who made the schema as another user."""
        return (
            f"GRANT TEMPORARY ON DATABASE {quoted(self._database)} TO {quoted(self._user)}; "
            f"GRANT USAGE ON SCHEMA livestack TO {quoted(self._user)}; "
            f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA livestack TO {quoted(self._user)}; "
            f"GRANT UPDATE ON livestack.cursors, livestack.table_cursors TO {quoted(self._user)}"
        )

    def reading_grants(self) -> str:
        """What is enough for somebody who only looks."""
        return (
            f"GRANT USAGE ON SCHEMA livestack TO {quoted(self._user)}; "
            f"GRANT SELECT ON ALL TABLES IN SCHEMA livestack TO {quoted(self._user)}"
        )

    def ownership(self) -> str:
        """What an administrator may run so that this user can make the schema."""
        return f"CREATE SCHEMA livestack AUTHORIZATION {quoted(self._user)}"

    def told(self, error: Exception) -> str:
        """``error`` in one line that can be shown."""
        diagnosis = error.diag.message_primary if isinstance(error, psycopg.Error) else None
        text = " ".join(_HINT.sub("", diagnosis or str(error)).split()) or type(error).__name__
        if any(secret in text for secret in self._secrets):
            return "it failed, and the cause is not shown because it holds the password"
        text = "".join(character if character.isprintable() else "?" for character in text)
        return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}..."

    def _not_connected(self, error: Exception) -> SinkError:
        for words, advice in _REFUSED_AT_CONNECT:
            if re.search(words, str(error)):
                return self.refusal(self.told(error), advice)
        advice = _REACH if re.search(_UNREACHED, str(error)) else ""
        return SinkUnavailableError(self.address, self.told(error), advice)


@contextmanager
def transaction(connection: BoundedConnection) -> Iterator[None]:
    """Committed at the end; rolled back if something was raised and the server still listens.

    The caller gives up the connection after every error that is not of a row.
    """
    connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
    try:
        yield
    except psycopg.Error as error:
        if is_of_a_row(error):
            connection.execute("ROLLBACK")
        raise
    except BaseException:
        connection.close()
        raise
    if connection.execute("COMMIT").statusmessage != "COMMIT":
        raise psycopg.OperationalError("the server rolled back what was to be committed")


def is_of_a_row(error: psycopg.Error) -> bool:
    """Whether the server will never take what it was given, but may well take the rest."""
    return (error.sqlstate or "").startswith(_ROW_CLASSES)


def quoted(name: str) -> str:
    """``name`` as SQL writes it."""
    return Identifier(name).as_string()


def _with_ours(parts: dict[str, str]) -> str:
    """``parts`` with ours, which win where they are about limits."""
    ours: dict[str, str | int] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "client_encoding": "UTF8",
        "keepalives": 1,
        "keepalives_idle": SILENCE_S,
        "keepalives_interval": ASK_EVERY_S,
        "keepalives_count": ASK_TIMES,
        "tcp_user_timeout": (SILENCE_S + ASK_EVERY_S * ASK_TIMES) * 1_000,
        "target_session_attrs": "read-write",
    }
    return conninfo.make_conninfo("", **{"application_name": "livestack records", **parts, **ours})
