"""The schema ``livestack`` in a PostgreSQL database: seen to be ours, whole and of our version, or made.

The SQL files beside this module are its versions, in order. Nothing that is not ours is changed. Blocks; one thread.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec
import psycopg

from livestack.storage.postgresql_connection import Access, BoundedConnection, transaction
from livestack.storage.tables import KEY, TABLES, Kind

LOCK: Final = 0x6C69_7665_7265_6373
"""The advisory lock under which the schema is made: any number of its own."""

TYPES: Final = {
    Kind.INT32: "integer",
    Kind.INT64: "bigint",
    Kind.BOOL: "boolean",
    Kind.TEXT: "text",
    Kind.DECIMAL: "numeric",
}

_CURSORS: Final = {"cursors": ("session",), "table_cursors": ("session", "table_name")}
"""Their keys, by table."""

_FILE = re.compile(r"(\d{4})_\w+\.sql")

_SCHEMA = """
    SELECT has_schema_privilege(n.oid, 'CREATE'), pg_has_role(n.nspowner, 'USAGE'),
        EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace = n.oid)
        OR EXISTS (SELECT FROM pg_catalog.pg_proc WHERE pronamespace = n.oid)
        OR EXISTS (SELECT FROM pg_catalog.pg_type WHERE typnamespace = n.oid)
    FROM pg_catalog.pg_namespace n WHERE n.nspname = 'livestack'
"""
_COLUMNS = """
    SELECT c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
        a.atthasdef OR a.attidentity <> ''
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'livestack')
        AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
"""
_KEYS = """
    SELECT c.relname, array_agg(a.attname::text ORDER BY k.place)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_constraint p ON p.conrelid = c.oid AND p.contype = 'p'
        CROSS JOIN LATERAL unnest(p.conkey) WITH ORDINALITY AS k (attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
    WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'livestack')
    GROUP BY c.relname
"""
_MISSING_RIGHTS = """
    SELECT has_database_privilege(current_database(), 'TEMPORARY') AND bool_and(
        has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
        AND (c.relname NOT IN ('cursors', 'table_cursors') OR has_table_privilege(c.oid, 'UPDATE')))
    FROM pg_catalog.pg_class c
    WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'livestack')
        AND c.relname = ANY (%s)
"""
_VERSIONS_COLUMNS = {("version", "integer"), ("name", "text"), ("applied", "timestamp with time zone")}


class Migration(msgspec.Struct, frozen=True):
    """``sql`` leads from the version before to this one."""

    version: int
    name: str
    sql: bytes


@cache
def migrations() -> tuple[Migration, ...]:
    """All that this program knows, in order."""
    names = {path.name: path for path in (files(__package__) / "sql").iterdir()}
    return tuple(
        Migration(int(match[1]), name, names[name].read_bytes())
        for name in sorted(names)
        if (match := _FILE.fullmatch(name))
    )


def open_schema(connection: BoundedConnection, access: Access) -> None:
    """Make or migrate it where that is needed; ``SinkRefusedError`` where it is not ours, or newer than we are."""
    with access.telling():
        version = _version(connection, access)
        for migration in migrations():
            if migration.version > version:
                _migrate(connection, access, migration)
    check_schema(connection, access)


def check_schema(connection: BoundedConnection, access: Access) -> None:
    """Whether records could be kept here; changes nothing."""
    with access.telling():
        version = _version(connection, access)
        if version < migrations()[-1].version:
            _check_making(connection, access, version)
            return
        _check_columns(connection, access)
        names = [*TABLES, *_CURSORS]
        if connection.execute(_MISSING_RIGHTS, [names]).fetchone() != (True,):
            raise access.refusal(
                "this user has not the rights to write records",
                f"an administrator of the database runs: {access.grants()}",
            )


def _version(connection: BoundedConnection, access: Access) -> int:
    """The version that is there; 0: nothing."""
    schema = connection.execute(_SCHEMA).fetchone()
    if schema is None or not schema[2]:
        return 0
    columns = {
        (name, kind) for table, name, kind, *_ in connection.execute(_COLUMNS) if table == "schema_versions"
    }
    if columns != _VERSIONS_COLUMNS:
        raise _foreign(access)
    row = connection.execute("SELECT max(version) FROM livestack.schema_versions").fetchone()
    if row is None or row[0] is None:
        raise _foreign(access)
    version, newest = int(row[0]), migrations()[-1].version
    if version > newest:
        raise access.refusal(
            f"the schema livestack has version {version}, and this livestack knows none above {newest}",
            "use a newer livestack",
        )
    return version


def _foreign(access: Access) -> Exception:
    return access.refusal(
        "there is a schema named livestack that another program made", "use another database for records"
    )


def _migrate(connection: BoundedConnection, access: Access, migration: Migration) -> None:
    """Apply ``migration``, unless somebody else has done so in the meantime."""
    try:
        with transaction(connection):
            connection.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", [LOCK])
            if _version(connection, access) >= migration.version:
                return
            connection.execute(migration.sql)
            connection.execute(
                "INSERT INTO livestack.schema_versions (version, name) VALUES (%s, %s)",
                [migration.version, migration.name],
            )
    except psycopg.errors.InsufficientPrivilege:
        raise _no_right(access, migration.version - 1) from None


def _check_making(connection: BoundedConnection, access: Access, version: int) -> None:
    """Whether this user could make the schema, or lead it on from ``version``."""
    schema = connection.execute(_SCHEMA).fetchone()
    if schema is None:
        row = connection.execute("SELECT has_database_privilege(current_database(), 'CREATE')").fetchone()
        may = row == (True,)
    else:
        may = bool(schema[0] and (version == 0 or schema[1]))
    if not may:
        raise _no_right(access, version)


def _no_right(access: Access, version: int) -> Exception:
    if version == 0:
        return access.refusal(
            "this user has not the right to make the schema livestack",
            f"an administrator of the database runs: {access.ownership()}",
        )
    return access.refusal(
        f"the schema livestack has the older version {version}, and this user is not its owner",
        "let its owner run livestack doctor and livestack records ship once",
    )


def _check_columns(connection: BoundedConnection, access: Access) -> None:
    found: dict[str, dict[str, tuple[str, bool, bool]]] = {}
    for table, column, kind, filled, automatic in connection.execute(_COLUMNS):
        found.setdefault(table, {})[column] = (kind, filled, automatic)
    keys: dict[str, Any] = {table: tuple(columns) for table, columns in connection.execute(_KEYS)}
    wrong: list[str] = []
    for name in TABLES:
        wrong += _wrong_columns(name, found.get(name))
    wrong += [
        f"livestack.{name} has not the primary key ({', '.join(key)})"
        for name, key in (dict.fromkeys(TABLES, KEY) | _CURSORS).items()
        if not wrong and keys.get(name) != key
    ]
    if wrong:
        raise access.refusal(
            f"it has tables as this livestack did not make them: {'; '.join(wrong)[:300]}",
            "undo the changes, or use another database for records",
        )


def _wrong_columns(table: str, found: dict[str, tuple[str, bool, bool]] | None) -> list[str]:
    """A sentence per column that is not as it should be. Others that fill themselves are the owner's affair."""
    if found is None:
        return [f"livestack.{table} is missing"]
    expected = {column.name: (TYPES[column.kind], not column.optional) for column in TABLES[table].columns}
    wrong = []
    for name, (kind, filled) in expected.items():
        if found.get(name, ("", None))[:2] != (kind, filled):
            wrong.append(f"livestack.{table} needs {name} {kind}" + (" NOT NULL" if filled else ""))
    for name, (_, filled, automatic) in found.items():
        if name not in expected and filled and not automatic:
            wrong.append(f"livestack.{table} has {name}, which must be filled")
    return wrong
