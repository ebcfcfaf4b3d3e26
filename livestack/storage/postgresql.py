"""The sink that keeps records in a PostgreSQL database, in tables of the schema ``livestack``.

Theory of operation. A batch is one transaction: the session's cursor first, whose row lock lets one writer of a session
pass at a time; then each table's rows by binary COPY into a temporary table of this connection, and from there into
the real one, where the primary key keeps out what is there already. So a batch may be written any number of times, by
any number of writers. Whether a COMMIT whose answer was lost took place is what the cursor says on the next connection.

A row that the server will never take is found by halving its batch, under savepoints, and kept as a dead letter.

The temporary tables belong to a connection: a pooler that gives each transaction another one cannot stand in between.

One thread at a time; every call blocks and is bounded by the limits of :mod:`livestack.storage.postgresql_connection`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec
import psycopg
from google.protobuf.json_format import MessageToJson

from livestack.exceptions import SinkUnavailableError
from livestack.storage.postgresql_connection import (
    Access,
    BoundedConnection,
    is_of_a_row,
    quoted,
    transaction,
)
from livestack.storage.postgresql_copy import copy_data
from livestack.storage.postgresql_schema import TYPES, check_schema, open_schema
from livestack.storage.sink import Batch, Position, Refusal
from livestack.storage.tables import TABLES, Kind, Record, Table
from livestack.wire import records_pb2 as wire

READ_ROWS: Final = 4_000
"""In one page: some megabytes."""

DEAD_LETTERS: Final = "dead_letters"

_ADVANCE = """
    INSERT INTO livestack.cursors AS mine (session, through) VALUES (%s, %s)
    ON CONFLICT (session) DO UPDATE SET through = greatest(mine.through, excluded.through), updated = now()
"""
_ADVANCE_TABLE = """
    INSERT INTO livestack.table_cursors AS mine (session, table_name, upto) VALUES (%s, %s, %s)
    ON CONFLICT (session, table_name) DO UPDATE SET upto = greatest(mine.upto, excluded.upto)
"""
_POSITION = """
    SELECT NULL, through FROM livestack.cursors WHERE session = %(session)s
    UNION ALL SELECT table_name, upto FROM livestack.table_cursors WHERE session = %(session)s
"""
_CURSOR_TABLES: Final = ("cursors", "table_cursors")

_THERE = "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = 'livestack'"


class Statements(msgspec.Struct, frozen=True):
    """What is said about one table."""

    make_staging: bytes
    empty_staging: bytes
    copy: bytes
    insert: bytes
    select: bytes


class PostgresqlSink:
    """Records in the database that ``secret_conninfo`` leads to, which is asked whenever the sink connects.

    ``secret_conninfo``: a connection string of libpq; it may hold a password. ``address``: for people, without secrets.
    """

    delays_ns: Mapping[str, int] = {}

    def __init__(self, address: str, secret_conninfo: Callable[[], str]) -> None:
        self.address = address
        self._access = Access(address, secret_conninfo)
        self._connection: BoundedConnection | None = None
        self._staged: set[str] = set()
        self._absent: frozenset[str] = frozenset()

    def open(self) -> None:
        """See :meth:`livestack.storage.sink.Sink.open`."""
        self.close()
        self._connection = self._access.connect()
        with self._using() as connection:
            open_schema(connection, self._access)

    def check(self) -> None:
        """See :meth:`livestack.storage.sink.Sink.check`."""
        self.close()
        self._connection = self._access.connect()
        with self._using() as connection:
            check_schema(connection, self._access)
        self.close()

    def look(self) -> None:
        """See :meth:`livestack.storage.sink.Sink.look`."""
        self.close()
        self._connection = self._access.connect(only_reads=True)
        with self._using() as connection:
            there = {name for (name,) in connection.execute(_THERE)}
        self._absent = frozenset({*TABLES, *_CURSOR_TABLES} - there)

    def position(self, session: str) -> Position:
        """See :meth:`livestack.storage.sink.Sink.position`."""
        if not self._absent.isdisjoint(_CURSOR_TABLES):
            return Position()
        with self._using() as connection:
            found = dict(connection.execute(_POSITION, {"session": session}).fetchall())
        through = found.pop(None, 0)
        return Position(through, {table: upto for table, upto in found.items() if upto > through})

    def write(self, batch: Batch) -> list[Refusal]:
        """See :meth:`livestack.storage.sink.Sink.write`."""
        with self._using() as connection:
            try:
                self._write_whole(connection, batch)
            except psycopg.Error as error:
                if not is_of_a_row(error):
                    raise
                return self._write_sifted(connection, batch)
        return []

    def read(self, table: str, session: str, from_seq: int, to_seq: int) -> Iterator[list[tuple[Any, ...]]]:
        """See :meth:`livestack.storage.sink.Sink.read`."""
        if table in self._absent:
            return
        names = [column.name for column in TABLES[table].columns]
        seq, ordinal = names.index("seq"), names.index("ordinal")
        behind = (from_seq, -1)
        while True:
            with self._using() as connection:
                parameters = (session, *behind, to_seq, READ_ROWS)
                rows = connection.execute(_STATEMENTS[table].select, parameters).fetchall()
            if rows:
                yield rows
                behind = (rows[-1][seq], rows[-1][ordinal])
            if len(rows) < READ_ROWS:
                return

    def close(self) -> None:
        """See :meth:`livestack.storage.sink.Sink.close`."""
        self._absent = frozenset()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._staged.clear()

    @contextmanager
    def _using(self) -> Iterator[BoundedConnection]:
        """The connection; it is given up with whatever goes wrong on it."""
        if self._connection is None:
            raise SinkUnavailableError(self.address, "there is no connection", "open it first")
        try:
            with self._access.telling():
                yield self._connection
        except BaseException:
            self.close()
            raise

    def _write_whole(self, connection: BoundedConnection, batch: Batch) -> None:
        tables = [table for table in TABLES.values() if batch.rows.get(table.name)]
        self._make_staging(connection, tables)
        with transaction(connection):
            _advance(connection, batch)
            for table in tables:
                _put(connection, table, batch.rows[table.name])

    def _write_sifted(self, connection: BoundedConnection, batch: Batch) -> list[Refusal]:
        """As the above, without the rows that the server refuses."""
        self._make_staging(connection, [*map(TABLES.__getitem__, batch.rows), TABLES[DEAD_LETTERS]])
        refusals: list[Refusal] = []
        with transaction(connection):
            _advance(connection, batch)
            letters: list[Record] = []
            for table in TABLES.values():
                for record, error in _sift(connection, table, batch.rows.get(table.name, ())):
                    text = self._access.told(error)
                    letters.append(_dead_letter(table, record, text))
                    trace = letters[-1].trace  # type: ignore[attr-defined]
                    refusals.append(Refusal(table.name, trace.seq, trace.ordinal, text))
            for letter, _ in _sift(connection, TABLES[DEAD_LETTERS], letters):
                _put(connection, TABLES[DEAD_LETTERS], [_plain(letter)])
                connection.execute(_STATEMENTS[DEAD_LETTERS].empty_staging)
        return refusals

    def _make_staging(self, connection: BoundedConnection, tables: Sequence[Table]) -> None:
        for table in tables:
            if table.name not in self._staged:
                connection.execute(_STATEMENTS[table.name].make_staging)
                self._staged.add(table.name)


def _advance(connection: BoundedConnection, batch: Batch) -> None:
    connection.execute(_ADVANCE, [batch.session, batch.through])
    if batch.upto > batch.through:
        for table in TABLES:
            if table in batch.rows:
                connection.execute(_ADVANCE_TABLE, [batch.session, table, batch.upto])


def _put(connection: BoundedConnection, table: Table, records: Sequence[Record]) -> None:
    """``records`` into ``table``, except those that it has."""
    statements = _STATEMENTS[table.name]
    with connection.cursor() as cursor:
        with cursor.copy(statements.copy) as copy:
            for piece in copy_data(table, records):
                copy.write(piece)
        cursor.execute(statements.insert)


def _sift(
    connection: BoundedConnection, table: Table, records: Sequence[Record]
) -> list[tuple[Record, psycopg.Error]]:
    """``records`` into ``table``; returns those that the server refuses, with its errors."""
    if not records:
        return []
    connection.execute("SAVEPOINT part")
    refused: psycopg.Error | None = None
    try:
        _put(connection, table, records)
        connection.execute(_STATEMENTS[table.name].empty_staging)
    except psycopg.Error as error:
        if not is_of_a_row(error):
            raise
        connection.execute("ROLLBACK TO SAVEPOINT part")
        refused = error
    connection.execute("RELEASE SAVEPOINT part")
    if refused is None:
        return []
    if len(records) == 1:
        return [(records[0], refused)]
    middle = len(records) // 2
    return [*_sift(connection, table, records[:middle]), *_sift(connection, table, records[middle:])]


def _dead_letter(table: Table, record: Any, error: str) -> Record:
    text = MessageToJson(record, preserving_proto_field_name=True, indent=None)
    return wire.DeadLetterRecord(trace=record.trace, table=table.name, error=error, record=text)


def _plain(letter: Any) -> Record:
    """``letter`` without any sign that can be the reason for a refusal; ``record`` tells all of them."""
    plain = wire.DeadLetterRecord()
    plain.CopyFrom(letter)
    for message in (plain, plain.trace):
        for field, value in message.ListFields():
            if isinstance(value, str):
                kept = (sign if " " <= sign <= "~" else "?" for sign in value)
                setattr(message, field.name, "".join(kept))
    return plain


def _statements(table: Table) -> Statements:
    names = [quoted(column.name) for column in table.columns]
    staged, given, told = [], [], []
    for column, name in zip(table.columns, names, strict=True):
        is_decimal = column.kind is Kind.DECIMAL
        staged.append(f"{name} {'text' if is_decimal else TYPES[column.kind]}")
        given.append(f"{name}::numeric" if is_decimal else name)
        told.append(f"trim_scale({name})::text" if is_decimal else name)
    staging, real = f"pg_temp.livestack_{table.name}", f"livestack.{table.name}"
    columns = ", ".join(names)
    make = f"CREATE TEMPORARY TABLE livestack_{table.name} ({', '.join(staged)}) ON COMMIT DELETE ROWS"
    copy = f"COPY {staging} ({columns}) FROM STDIN (FORMAT binary)"
    # Every name comes from our own schema, so nothing can be slipped in.
    insert = f"INSERT INTO {real} ({columns}) SELECT {', '.join(given)} FROM {staging}"  # noqa: S608
    select = f"SELECT {', '.join(told)} FROM {real} WHERE session = %s AND (seq, ordinal) > (%s, %s)"  # noqa: S608
    return Statements(
        make_staging=make.encode(),
        empty_staging=f"TRUNCATE {staging}".encode(),
        copy=copy.encode(),
        insert=f"{insert} ON CONFLICT (session, seq, ordinal) DO NOTHING".encode(),
        select=f"{select} AND seq <= %s ORDER BY seq, ordinal LIMIT %s".encode(),
    )


_STATEMENTS: Final = {table.name: _statements(table) for table in TABLES.values()}
