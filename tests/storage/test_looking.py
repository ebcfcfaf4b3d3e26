"""Looking at a sink: without anything there, with a part of it, without the right to write; nothing is made."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from livestack.exceptions import SinkRefusedError
from livestack.storage.postgresql import PostgresqlSink
from livestack.storage.sink import Batch, Position, Sink
from livestack.storage.tables import TABLES
from tests.postgres_support import Databases, any_server
from tests.storage.delta_support import Place
from tests.storage.postgresql_support import SESSION, fill


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    with any_server(tmp_path_factory.mktemp("server")) as one:
        yield one


@pytest.fixture
def database(server: Databases) -> Iterator[str]:
    with server.database() as name:
        yield name


def fills_of(sink: Sink) -> list[int]:
    """Their positions, of a sink that is looked at."""
    at = [column.name for column in TABLES["fills"].columns].index("seq")
    return [row[at] for part in sink.read("fills", SESSION, 0, 2**63 - 1) for row in part]


def ship(sink: Sink) -> None:
    sink.open()
    sink.write(Batch(SESSION, {"fills": [fill(3), fill(5)]}, 7, 7))
    sink.close()


def test_nothing_in_a_place_of_delta(place: Place) -> None:
    """No rows, no position, and nothing is made by looking."""
    sink = place.sink()
    sink.look()
    assert (Position(), []) == (sink.position(SESSION), fills_of(sink))
    assert not place.directory or not place.directory.exists()


def test_records_in_a_place_of_delta(place: Place) -> None:
    """What was shipped is seen."""
    ship(place.sink())
    sink = place.sink()
    sink.look()
    assert (7, [3, 5]) == (sink.position(SESSION).of("fills"), fills_of(sink))


def test_delta_table_that_is_gone(disk: Place) -> None:
    """One table without rows; the others are as before."""
    ship(disk.sink())
    assert disk.directory is not None
    shutil.rmtree(disk.directory / "fills")
    sink = disk.sink()
    sink.look()
    assert (0, []) == (sink.position(SESSION).of("fills"), fills_of(sink))


def test_nothing_in_a_database(server: Databases, database: str) -> None:
    """No rows, no position, and no schema is made by looking."""
    sink = PostgresqlSink("here", lambda: server.url_of(database))
    sink.look()
    assert (Position(), []) == (sink.position(SESSION), fills_of(sink))
    sink.close()
    assert [] == server.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'livestack'", database)


@pytest.mark.parametrize("schema_too", [False, True])
def test_reader_without_rights(server: Databases, database: str, schema_too: bool) -> None:
    """Advised is what is enough for reading, and it is enough."""
    ship(PostgresqlSink("here", lambda: server.url_of(database)))
    with server.role("secret") as name:
        if schema_too:
            server.execute(f"GRANT USAGE ON SCHEMA livestack TO {name}", database)
        sink = PostgresqlSink("here", lambda: server.url_of(database, name, "secret"))
        sink.look()
        with pytest.raises(SinkRefusedError) as caught:
            sink.position(SESSION)
        advice = caught.value.advice.removeprefix("an administrator of the database runs: ")
        grants = [f"GRANT USAGE ON SCHEMA livestack TO {name}"]
        grants.append(f"GRANT SELECT ON ALL TABLES IN SCHEMA livestack TO {name}")
        assert "; ".join(grants) == advice.replace('"', "")
        server.execute(advice, database)
        sink.look()
        assert (7, [3, 5]) == (sink.position(SESSION).of("fills"), fills_of(sink))
        sink.close()
        server.execute(f"DROP OWNED BY {name}", database)


def test_reader_without_the_right_to_write(server: Databases, database: str) -> None:
    """Whoever may only read can look; a table that is gone has no rows."""
    ship(PostgresqlSink("here", lambda: server.url_of(database)))
    with server.role("secret") as name:
        server.execute(f"GRANT USAGE ON SCHEMA livestack TO {name}", database)
        server.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA livestack TO {name}", database)
        sink = PostgresqlSink("here", lambda: server.url_of(database, name, "secret"))
        sink.look()
        assert (7, [3, 5]) == (sink.position(SESSION).of("fills"), fills_of(sink))
        sink.close()
        server.execute("DROP TABLE livestack.fills CASCADE", database)
        sink.look()
        assert (7, []) == (sink.position(SESSION).through, fills_of(sink))
        sink.close()
        server.execute(f"DROP OWNED BY {name}", database)
