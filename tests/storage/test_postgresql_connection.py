"""Connections to PostgreSQL for records: limits on every wait, errors that say what would be right, no secret."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import psycopg
import pytest

from livestack.exceptions import SinkError, SinkRefusedError, SinkUnavailableError
from livestack.storage import postgresql_connection
from livestack.storage.postgresql_connection import TEXT_MAX, Access, transaction
from tests.postgres_support import PASSWORD, QUOTED_PASSWORD, Server, free_port, running_server
from tests.storage.postgresql_support import ADDRESS

SECRET_WORDS = set(re.findall(r"\w+", PASSWORD))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as one:
        yield one


def access_to(url: str) -> Access:
    return Access(ADDRESS, lambda: url)


@pytest.mark.parametrize(
    ("url", "kind", "words"),
    [
        (
            "lease:wrong-{password}@127.0.0.1:{port}/postgres",
            SinkRefusedError,
            "check the password, in the URL or",
        ),
        ("lease@127.0.0.1:{port}/postgres", SinkRefusedError, "check the password"),
        (
            "lease:{password}@127.0.0.1:{port}/absent",
            SinkRefusedError,
            '"absent" does not exist; check the data',
        ),
        ("lease:{password}@127.0.0.1:{port}/{password}", SinkRefusedError, "holds the password"),
        ("lease:{password}@127.0.0.1:{port}/postgres?sslmode=require", SinkRefusedError, "check sslmode"),
        ("lease:{password}@127.0.0.1:{port}/postgres?sslmode=x", SinkRefusedError, "check the options"),
        (
            "lease:{password}@127.0.0.1:{free}/postgres",
            SinkUnavailableError,
            r"Connection refused; check host and port; is it running\?$",
        ),
        (
            "lease:{password}@absent.invalid:{port}/postgres",
            SinkUnavailableError,
            r"(translate|resolve) host .*; check host and port; is it running\?$",
        ),
        ("lease:{password}@127.0.0.1:{port}/postgres?nonsense=1", SinkRefusedError, "its URL cannot be used"),
    ],
)
def test_why_there_is_no_connection(server: Server, url: str, kind: type[SinkError], words: str) -> None:
    """What may pass is unavailable, what somebody must change is refused; no part of the password is told."""
    text = "postgresql://" + url.format(password=QUOTED_PASSWORD, port=server.port, free=free_port())
    with pytest.raises(SinkError, match=words) as caught:
        access_to(text).connect()
    assert kind is type(caught.value)
    said = f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"
    assert set() == SECRET_WORDS & (set(re.findall(r"\w+", said)) - {"home"}), said
    assert caught.value.__suppress_context__


def test_a_user_who_may_not_come_in(server: Server) -> None:
    """A role that may not log in and one without the right to the database: the sentence says what to run."""
    with server.role(PASSWORD) as role, server.database() as database:
        server.execute(f"REVOKE CONNECT ON DATABASE {database} FROM PUBLIC")
        access = access_to(server.url_of(database, role, PASSWORD))
        with pytest.raises(SinkRefusedError, match="administrator runs: GRANT CONNECT"):
            access.connect()
        server.execute(f"ALTER ROLE {role} NOLOGIN")
        with pytest.raises(SinkRefusedError, match="administrator runs: ALTER ROLE"):
            access.connect()


def test_a_server_that_accepts_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting has its time limit."""
    monkeypatch.setattr(postgresql_connection, "CONNECT_TIMEOUT_S", 2)  # the least there is
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://lease@127.0.0.1:{silent.getsockname()[1]}/postgres"
        with pytest.raises(SinkUnavailableError, match="timeout expired"):
            access_to(url).connect()


def test_an_answer_that_does_not_come(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait has its time limit on our side too; the connection is gone with it."""
    connection = access_to(server.url).connect()
    monkeypatch.setattr(postgresql_connection, "ANSWER_TIMEOUT_S", 0.2)
    with pytest.raises(psycopg.OperationalError, match="no answer in time"):
        connection.execute("SELECT pg_sleep(60)")
    assert connection.closed
    connection.close()


def test_a_server_that_is_too_old(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told with the version that is needed."""
    monkeypatch.setattr(postgresql_connection, "OLDEST", 990000)
    with pytest.raises(SinkRefusedError, match=r"version is \d\d; records need PostgreSQL 99 or newer"):
        access_to(server.url).connect()


def test_what_the_server_is_told(server: Server) -> None:
    """Its limits, to notice our silence, to answer when it is durable; a stricter setting of the owner's stays."""
    expected = {
        "statement_timeout": "30s",
        "idle_in_transaction_session_timeout": "70s",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "25000",
        "application_name": "livestack records",
        "client_encoding": "UTF8",
        "synchronous_commit": "on",
    }
    with access_to(server.url).connect() as connection:
        found = {name: connection.execute(f"SHOW {name}").fetchone() for name in expected}
    assert {name: (value,) for name, value in expected.items()} == found
    options = f"{server.url}?options=-csynchronous_commit%3D"
    for given, kept in (("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")):
        with access_to(options + given).connect() as connection:
            assert (kept,) == connection.execute("SHOW synchronous_commit").fetchone()


def test_an_earlier_connection_is_ended(server: Server) -> None:
    """One that the server still has, though we gave it up, does not stand in the way of the next; others' stay."""
    access = access_to(server.url)
    other = access_to(server.url).connect()
    first = access.connect()
    first.execute("BEGIN")
    second = access.connect()
    with pytest.raises(psycopg.Error, match=r"terminating connection|closed"):
        first.execute("SELECT 1")
    for connection in (other, second):
        assert (1,) == connection.execute("SELECT 1").fetchone()
    for connection in (first, second, other):
        connection.close()


def test_a_commit_that_was_none(server: Server) -> None:
    """Where the server rolls back instead, nobody believes that it committed."""
    with access_to(server.url).connect() as connection:

        def swallow() -> None:
            with pytest.raises(psycopg.Error):
                connection.execute("SELECT 1 / 0")

        with pytest.raises(psycopg.OperationalError, match="rolled back"), transaction(connection):
            swallow()


def test_long_words_of_the_server() -> None:
    """One line, without control signs, of a length that can be shown."""
    access = access_to("")
    assert "a b c?d" == access.told(psycopg.OperationalError("a\n b\tc\x1bd"))
    assert TEXT_MAX + 3 == len(access.told(psycopg.OperationalError("x" * 10_000)))
    assert "OperationalError" == access.told(psycopg.OperationalError())
