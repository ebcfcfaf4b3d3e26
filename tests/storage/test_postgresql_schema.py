"""The schema of records in PostgreSQL: made once, led on, and never anything of somebody else's touched."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from psycopg.sql import SQL, Identifier

from livestack.exceptions import SinkError, SinkRefusedError
from livestack.storage import postgresql_schema
from livestack.storage.postgresql_schema import TYPES, Migration, migrations
from livestack.storage.tables import TABLES
from tests.postgres_support import PASSWORD, Databases, any_server
from tests.storage.postgresql_support import batch, denial, fill, seqs, sink_at

NEXT = Migration(
    2,
    "0002_more.sql",
    b"ALTER TABLE livestack.fills ADD COLUMN more text; CREATE TABLE livestack.more (a int)",
)

EVERYTHING = """
    SELECT c.oid::regclass::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'pg_toast', 'information_schema')
        AND c.relpersistence <> 't'
    UNION ALL SELECT nspname, pg_get_userbyid(nspowner), '', false FROM pg_namespace
    WHERE nspname !~ '^pg_(toast_)?temp'
    ORDER BY 1, 2
"""
"""All that somebody made in a database."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    with any_server(tmp_path_factory.mktemp("server")) as one:
        yield one


@pytest.fixture
def database(server: Databases) -> Iterator[str]:
    with server.database() as name:
        yield name


def opened(url: str) -> None:
    sink = sink_at(url)
    sink.open()
    sink.close()


def test_the_files_say_what_the_messages_say(server: Databases, database: str) -> None:
    """Every table of the messages is there with its columns in their order, their types, null where it may be."""
    opened(server.url_of(database))
    query = """
        SELECT table_name::text, column_name::text, data_type::text, is_nullable::text
        FROM information_schema.columns WHERE table_schema = 'livestack' ORDER BY table_name, ordinal_position
    """
    found: dict[str, list[tuple[str, ...]]] = {}
    for table, *column in server.execute(query, database):
        found.setdefault(table, []).append(tuple(column))
    for table in TABLES.values():
        expected = [
            (column.name, TYPES[column.kind], "YES" if column.optional else "NO") for column in table.columns
        ]
        assert [*expected, ("time", "timestamp with time zone", "YES")] == found[table.name]


def test_versions_are_numbered_without_gaps() -> None:
    """Each file's number is the version that it leads to, from 1."""
    assert list(range(1, len(migrations()) + 1)) == [migration.version for migration in migrations()]
    assert b"" not in [migration.sql for migration in migrations()]


def test_opening_again_changes_nothing(server: Databases, database: str) -> None:
    """The version is noted once; the second time there is nothing to do."""
    opened(server.url_of(database))
    before = server.execute(EVERYTHING, database)
    opened(server.url_of(database))
    assert before == server.execute(EVERYTHING, database)
    query = "SELECT version, name FROM livestack.schema_versions"
    assert [(1, "0001_records.sql")] == server.execute(query, database)


def test_several_nodes_start_at_once(server: Databases, database: str) -> None:
    """The schema is made by one of them; all of them can write."""
    faults: list[BaseException] = []
    barrier = threading.Barrier(4)

    def start(number: int) -> None:
        sink = sink_at(server.url_of(database))
        barrier.wait(60)
        try:
            sink.open()
            sink.write(batch(fill(number)))
        except SinkError as error:
            faults.append(error)
        sink.close()

    threads = [threading.Thread(target=start, args=(number,)) for number in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [] == faults
    sink = sink_at(server.url_of(database))
    sink.open()
    assert [1, 2, 3, 4] == seqs(sink, "fills")
    sink.close()


def test_an_older_schema_is_led_on(server: Databases, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is added, what is there stays; a program of before then refuses it."""
    sink = sink_at(server.url_of(database))
    sink.open()
    sink.write(batch(fill(1)))
    with monkeypatch.context() as newer:
        newer.setattr(postgresql_schema, "migrations", lambda: (*migrations(), NEXT))
        sink.check()
        sink.open()
        sink.write(batch(fill(2)))
        assert [1, 2] == seqs(sink, "fills")
        query = "SELECT version FROM livestack.schema_versions ORDER BY version"
        assert [(1,), (2,)] == server.execute(query, database)
    before = server.execute(EVERYTHING, database)
    for call in (sink.open, sink.check):
        with pytest.raises(
            SinkRefusedError, match=r"has version 2, .* knows none above 1; use a newer livestack"
        ):
            call()
    assert before == server.execute(EVERYTHING, database)


def test_a_version_that_fails_leaves_nothing_behind(
    server: Databases, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is applied as a whole or not at all."""
    opened(server.url_of(database))
    before = server.execute(EVERYTHING, database)
    broken = Migration(2, "0002_broken.sql", NEXT.sql + b"; SELECT 1 / 0")
    monkeypatch.setattr(postgresql_schema, "migrations", lambda: (migrations()[0], broken))
    with pytest.raises(SinkError, match="division by zero"):
        opened(server.url_of(database))
    assert before == server.execute(EVERYTHING, database)


@pytest.mark.parametrize(
    ("made", "cause"),
    [
        ("CREATE TABLE livestack.mine (a int)", "another program made; use another database"),
        ("CREATE FUNCTION livestack.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "another program made"),
        ("CREATE TYPE livestack.mood AS ENUM ('sad', 'ok')", "another program made"),
        ("CREATE TABLE livestack.schema_versions (version text)", "another program made"),
        (
            "CREATE TABLE livestack.schema_versions (version int, name text, applied timestamptz)",
            "another program made",
        ),
    ],
)
def test_a_schema_of_another_program(server: Databases, database: str, made: str, cause: str) -> None:
    """Is told, and nothing in it is changed."""
    server.execute(f"CREATE SCHEMA livestack; {made}", database)
    before = server.execute(EVERYTHING, database)
    sink = sink_at(server.url_of(database))
    for call in (sink.open, sink.check):
        with pytest.raises(SinkRefusedError, match=cause):
            call()
    assert before == server.execute(EVERYTHING, database)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ("ALTER TABLE livestack.fills DROP COLUMN price", "livestack.fills needs price numeric NOT NULL"),
        ("ALTER TABLE livestack.fills RENAME fee TO fees", "livestack.fills needs fee numeric NOT NULL"),
        ("ALTER TABLE livestack.fills ALTER qty TYPE numeric(10,2)", "livestack.fills needs qty numeric"),
        ("ALTER TABLE livestack.fills ALTER order_id SET NOT NULL", "livestack.fills needs order_id bigint"),
        ("ALTER TABLE livestack.fills ADD own int NOT NULL", "livestack.fills has own, which must be filled"),
        ("ALTER TABLE livestack.fills DROP CONSTRAINT fills_pkey", "livestack.fills has not the primary key"),
        ("DROP TABLE livestack.denials", "livestack.denials is missing"),
        ("DROP TABLE livestack.cursors", "livestack.cursors has not the primary key"),
    ],
)
def test_a_table_that_was_changed(server: Databases, database: str, change: str, cause: str) -> None:
    """Is told by its column; nothing is written, nothing repaired."""
    opened(server.url_of(database))
    server.execute(change, database)
    before = server.execute(EVERYTHING, database)
    for _ in range(2):
        with pytest.raises(SinkRefusedError, match=f"as this livestack did not make them: .*{cause}"):
            opened(server.url_of(database))
    assert before == server.execute(EVERYTHING, database)


def test_additions_of_the_owner_are_welcome(server: Databases, database: str) -> None:
    """An index, a column that may be empty, a table beside ours: they are left alone and do no harm."""
    opened(server.url_of(database))
    server.execute(
        "ALTER TABLE livestack.fills ADD note text, ADD twice numeric GENERATED ALWAYS AS (qty * 2) STORED;"
        "CREATE INDEX ON livestack.fills (side); CREATE TABLE livestack.notes (a int)",
        database,
    )
    sink = sink_at(server.url_of(database))
    sink.open()
    sink.write(batch(fill(1)))
    assert [1] == seqs(sink, "fills")
    sink.close()


def test_a_table_that_is_dropped_while_we_write(server: Databases, database: str) -> None:
    """Somebody has to put it back: it is told at once."""
    sink = sink_at(server.url_of(database))
    sink.open()
    server.execute("DROP TABLE livestack.fills", database)
    with pytest.raises(SinkRefusedError, match="does not exist; somebody changed the tables"):
        sink.write(batch(fill(1)))


def test_a_user_without_the_right_to_make_a_schema(server: Databases, database: str) -> None:
    """The sentence has the SQL for an administrator; with it, and with nothing more, everything works."""
    with server.role(PASSWORD) as role:
        sink = sink_at(server.url_of(database, role, PASSWORD))
        remedy = f'CREATE SCHEMA livestack AUTHORIZATION "{role}"'
        for call in (sink.open, sink.check):
            with pytest.raises(
                SinkRefusedError, match=f"not the right to make the schema livestack; .* runs: {remedy}$"
            ):
                call()
        server.execute(remedy, database)
        sink.check()
        assert [] == server.execute(
            "SELECT FROM pg_class WHERE relnamespace = 'livestack'::regnamespace", database
        )
        sink.open()
        sink.check()
        sink.open()
        sink.write(batch(fill(1)))
        assert [1] == seqs(sink, "fills")
        sink.close()
        server.execute("DROP SCHEMA livestack CASCADE", database)


def test_a_user_who_may_only_write(server: Databases, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another user made the schema: the sentence has the rights that are needed, and they are enough."""
    opened(server.url_of(database))
    with server.role(PASSWORD) as role:
        server.execute(
            SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(Identifier(database)), database
        )
        sink = sink_at(server.url_of(database, role, PASSWORD))
        for call in (sink.open, sink.check):
            with pytest.raises(SinkRefusedError, match="permission denied for schema livestack") as caught:
                call()
        remedy = caught.value.advice.partition("runs: ")[2]
        first, rest = remedy.split("; ", 1)
        server.execute(rest, database)
        with pytest.raises(SinkRefusedError, match="has not the rights to write records"):
            sink.open()
        server.execute(first, database)
        sink.open()
        sink.write(batch(fill(1), denial(2)))
        assert [1] == seqs(sink, "fills")
        with monkeypatch.context() as newer:
            newer.setattr(postgresql_schema, "migrations", lambda: (*migrations(), NEXT))
            for call in (sink.open, sink.check):
                with pytest.raises(SinkRefusedError, match="older version 1, and this user is not its owner"):
                    call()
        sink.close()
        server.execute(SQL("DROP OWNED BY {}").format(Identifier(role)), database)


def test_looking_makes_nothing(server: Databases, database: str) -> None:
    """Whether records could be kept is answered without a trace."""
    before = server.execute(EVERYTHING, database)
    sink_at(server.url_of(database)).check()
    assert before == server.execute(EVERYTHING, database)
