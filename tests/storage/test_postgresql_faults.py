"""What can happen to a PostgreSQL server, or on the way to it: afterwards every record is there, once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest

from livestack.exceptions import SinkRefusedError, SinkUnavailableError
from livestack.storage import postgresql, postgresql_connection
from livestack.storage.postgresql import PostgresqlSink
from livestack.storage.postgresql_copy import copy_data
from livestack.storage.sink import Position
from livestack.storage.tables import Record, Table
from tests.postgres_support import Act, Proxy, Server, running_server
from tests.storage.postgresql_support import (
    ADDRESS,
    SESSION,
    batch,
    denial,
    expected_rows,
    fill,
    read_all,
    seqs,
    sink_at,
)

ATTEMPTS_MAX = 40
FILLS = [fill(seq) for seq in range(1, 61)]
BATCHES = [batch(*FILLS[start : start + 20], denial(start + 20, 1)) for start in (0, 20, 40)]

MOMENTS = {
    "connecting": ("request", b"user\0", 0),
    "asking for the position": ("request", b"livestack.cursors WHERE", 0),
    "beginning": ("request", b"BEGIN ", 0),
    "before COPY": ("request", b"COPY pg_temp", 0),
    "in COPY": ("request", b"PGCOPY", 3_000),
    "behind COPY": ("answer", b"COPY 20", 0),
    "before INSERT": ("request", b"INSERT INTO livestack.fills", 0),
    "before COMMIT": ("request", b"COMMIT\0", 0),
    "behind COMMIT": ("answer", b"COMMIT\0", 0),
    "in the answer to COMMIT": ("answer", b"COMMIT\0", 4),
}

SILENT = ("connecting", "in COPY", "before INSERT", "behind COMMIT")
"""The kinds of waits; at the other moments it would be one of them again."""


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as one:
        yield one


@pytest.fixture
def server(own_server: Server) -> Server:
    """The module's server, running."""
    if not own_server.running:
        own_server.start()
    return own_server


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    with server.database() as name:
        yield name


@pytest.fixture
def sink(server: Server, database: str) -> Iterator[PostgresqlSink]:
    """Straight to the server; open."""
    one = sink_at(server.url_of(database))
    one.open()
    yield one
    one.close()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.port) as one:
        yield one


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits as short as they can be."""
    monkeypatch.setattr(postgresql_connection, "ANSWER_TIMEOUT_S", 0.7)
    monkeypatch.setattr(postgresql_connection, "CONNECT_TIMEOUT_S", 2)


def ship(sink: PostgresqlSink, faults: list[SinkUnavailableError]) -> None:
    """What a shipper does: asks how far it is, writes what is behind, and begins again after a failure."""
    for _ in range(ATTEMPTS_MAX):
        try:
            sink.open()
            through = sink.position(SESSION).through
            for one in BATCHES:
                if one.upto > through:
                    assert [] == sink.write(one)
            return
        except SinkUnavailableError as error:
            faults.append(error)
    raise AssertionError(faults)


def assert_complete(sink: PostgresqlSink) -> None:
    """0 missing, 0 extra, 0 different."""
    sink.open()
    assert expected_rows("fills", FILLS) == read_all(sink, "fills")
    assert [20, 40, 60] == seqs(sink, "denials")
    assert Position(60) == sink.position(SESSION)


@pytest.mark.parametrize(
    ("moment", "act"), [*((one, Act.CUT) for one in MOMENTS), *((one, Act.SILENCE) for one in SILENT)]
)
@pytest.mark.usefixtures("impatience")
def test_the_way_fails(
    sink: PostgresqlSink, server: Server, database: str, proxy: Proxy, moment: str, act: Act
) -> None:
    """A cut cable or a hole in the network at any moment: told, and the next connection brings the rest."""
    side, pattern, behind = MOMENTS[moment]
    mark = proxy.on_request if side == "request" else proxy.on_answer
    mark(pattern, act, behind)
    faults: list[SinkUnavailableError] = []
    shipped = sink_at(proxy.through(server.url_of(database)))
    ship(shipped, faults)
    shipped.close()
    assert proxy.acted.is_set()
    assert faults
    assert_complete(sink)


def while_copying(
    monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None], piece_rows: int = 5, at_piece: int = 2
) -> None:
    """``happens`` once, between two pieces of the first COPY."""
    monkeypatch.setattr("livestack.storage.postgresql_copy.PIECE_ROWS", piece_rows)
    left = [happens]

    def with_fault(table: Table, records: list[Record]) -> Iterator[bytes]:
        for number, piece in enumerate(copy_data(table, records)):
            if number == at_piece and left:
                left.pop()()
            yield piece

    monkeypatch.setattr(postgresql, "copy_data", with_fault)


def test_the_server_is_killed_in_copy(
    sink: PostgresqlSink, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 and a new start on the same data: what was committed is there, the rest is brought again."""
    sink.write(BATCHES[0])
    while_copying(monkeypatch, server.kill)
    with pytest.raises(SinkUnavailableError):
        sink.write(BATCHES[1])
    with pytest.raises(SinkUnavailableError, match="refused"):
        sink.open()
    server.start()
    sink.open()
    assert Position(20) == sink.position(SESSION)
    ship(sink, [])
    assert_complete(sink)


def test_the_server_is_killed_at_commit(
    sink: PostgresqlSink, server: Server, database: str, proxy: Proxy
) -> None:
    """It was committed, and nobody was told: the next connection says so."""
    shipped = sink_at(proxy.through(server.url_of(database)))
    shipped.open()
    proxy.on_answer(b"COMMIT\0", Act.SILENCE)

    def kill() -> None:
        proxy.acted.wait(60)
        server.kill()
        proxy.cut()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(SinkUnavailableError):
        shipped.write(BATCHES[0])
    killer.join(60)
    server.start()
    shipped.open()
    assert Position(20) == shipped.position(SESSION)
    ship(shipped, [])
    shipped.close()
    assert_complete(sink)


@pytest.mark.usefixtures("impatience")
def test_a_server_that_stands_still(sink: PostgresqlSink, server: Server) -> None:
    """A stopped server keeps its connections and accepts others: every call ends, and goes on with the server."""
    sink.write(BATCHES[0])
    server.pause()
    try:
        with pytest.raises(SinkUnavailableError, match="no answer in time"):
            sink.write(BATCHES[1])
        with pytest.raises(SinkUnavailableError, match="timeout"):
            sink.open()
    finally:
        server.resume()
    ship(sink, [])
    assert_complete(sink)


@pytest.mark.usefixtures("impatience")
def test_a_server_that_stops_taking_data(
    sink: PostgresqlSink, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write into a full socket ends too, and so does the connection, with more to be sent than any buffer holds."""
    many = [fill(seq, fee_asset="x" * 1_000) for seq in range(1, 20_001)]
    while_copying(monkeypatch, server.pause, piece_rows=10_000, at_piece=1)
    try:
        with pytest.raises(SinkUnavailableError, match="no answer in time"):
            sink.write(batch(*many))
    finally:
        server.resume()
    sink.open()
    assert Position() == sink.position(SESSION)
    assert [] == read_all(sink, "fills")


def test_connections_ended_by_an_administrator(sink: PostgresqlSink, server: Server, database: str) -> None:
    """Told in the server's words; a new one goes on."""
    sink.write(BATCHES[0])
    server.disconnect(database)
    with pytest.raises(SinkUnavailableError, match="terminating connection due to administrator command"):
        sink.write(BATCHES[1])
    ship(sink, [])
    assert_complete(sink)


def test_a_lock_of_somebody_else(
    sink: PostgresqlSink, server: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that is locked is waited for only so long, by the server's own clock."""
    monkeypatch.setattr(postgresql_connection, "STATEMENT_TIMEOUT_S", 0.1)
    sink.open()
    with psycopg.connect(server.url_of(database)) as other:
        other.execute("LOCK TABLE livestack.fills")
        with pytest.raises(SinkUnavailableError, match="statement timeout"):
            sink.write(BATCHES[0])
    ship(sink, [])
    assert_complete(sink)


def test_a_disk_that_is_full(sink: PostgresqlSink, server: Server, database: str) -> None:
    """It is told and nothing of the batch is there; when there is room, it goes on, on the same sink."""
    sink.write(BATCHES[0])
    many = [fill(seq, venue_order_id=str(seq) * 100) for seq in range(100, 6_000)]
    server.limit_files(database, 2_000_000)
    with pytest.raises(SinkUnavailableError, match=r"could not (extend|write)"):
        sink.write(batch(*many))
    sink.open()
    assert Position(20) == sink.position(SESSION)
    sink.write(batch(*many))
    assert expected_rows("fills", [*FILLS[:20], *many]) == read_all(sink, "fills")


def test_a_password_that_is_revoked_and_restored(server: Server, database: str) -> None:
    """Refused with what to do; the secret is asked again with each connection, so that a new one needs no restart."""
    with server.role("first-one") as role:
        server.execute(f"CREATE SCHEMA livestack AUTHORIZATION {role}", database)
        secrets = ["first-one"]
        sink = PostgresqlSink(ADDRESS, lambda: server.url_of(database, role, secrets[-1]))
        sink.open()
        sink.write(BATCHES[0])
        server.set_password(role, "second-one")
        server.disconnect(database)
        with pytest.raises(SinkUnavailableError):
            sink.write(BATCHES[1])
        for _ in range(2):
            with pytest.raises(
                SinkRefusedError, match=r"password authentication failed .*; check the password, in the URL"
            ) as caught:
                sink.open()
            assert "-one" not in f"{caught.value} {caught.value!r}"
        secrets.append("second-one")
        ship(sink, [])
        assert_complete(sink)
        sink.close()
        server.execute("DROP SCHEMA livestack CASCADE", database)


def test_closing_a_connection_that_does_not_answer(server: Server, database: str) -> None:
    """Is done at once, and again."""
    sink = sink_at(server.url_of(database))
    sink.open()
    server.pause()
    try:
        sink.close()
        sink.close()
    finally:
        server.resume()
