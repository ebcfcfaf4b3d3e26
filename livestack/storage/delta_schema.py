"""Whether a Delta table is ours and as we know it, and what to add to one that an older livestack made.

Reads descriptions that the caller has loaded; no I/O. Any thread.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec
from deltalake import Field, Schema
from deltalake.schema import PrimitiveType

from livestack.storage.delta_rows import DELTA_TYPES, OWN_COLUMNS, PARTITION
from livestack.storage.tables import SCHEMA_VERSION, Table

_OWNED: Final = re.compile(r"livestack execution records, schema (\d{1,9})")


class Finding(NamedTuple):
    """What is wrong with a table (``fault``, ``advice``: empty if nothing), else the columns that it lacks."""

    fault: str = ""
    advice: str = ""
    missing: tuple[str, ...] = ()
    outdated: bool = False


class _Field(msgspec.Struct):
    name: str
    type: object
    nullable: bool


class _Fields(msgspec.Struct):
    fields: list[_Field]


def description() -> str:
    """What a table of ours says about itself: whose it is, and of which version."""
    return f"livestack execution records, schema {SCHEMA_VERSION}"


def wanted_types(table: Table) -> dict[str, str]:
    """Type of every column in the words of a Delta log, the sink's own last."""
    return {one.name: DELTA_TYPES[one.kind] for one in table.columns} | OWN_COLUMNS


def new_fields(table: Table, names: tuple[str, ...]) -> list[Field]:
    """Columns to be added: nullable all of them, as the rows that are there have no value in them."""
    types = wanted_types(table)
    return [Field(name, PrimitiveType(types[name]), nullable=True) for name in names]


def inspect(
    table: Table, name: str | None, text: str | None, partition: list[str], schema: Schema
) -> Finding:
    """Compare what is there (its ``name``, its description ``text``) with ``table``."""
    owned = _OWNED.fullmatch(text or "")
    if owned is None or name != table.name:
        return Finding("a Delta table is there that livestack did not make", "name another place")
    version = int(owned[1])
    if version > SCHEMA_VERSION:
        return Finding(
            f"its schema is version {version}, newer than this livestack's {SCHEMA_VERSION}",
            "use a newer livestack",
        )
    if partition != PARTITION:
        return Finding(f"it is partitioned by {', '.join(partition) or 'nothing'}", "name another place")
    there = {one.name: one for one in msgspec.json.decode(schema.to_json(), type=_Fields).fields}
    wanted = wanted_types(table)
    for column, type_name in wanted.items():
        if column in there and there[column].type != type_name:
            return Finding(
                f"column {column} has the type {there[column].type}, not {type_name}", "name another place"
            )
    for column, field in there.items():
        if column not in wanted and not field.nullable:
            return Finding(f"column {column} is not livestack's and must not be null", "make it nullable")
    missing = tuple(column for column in wanted if column not in there)
    if missing and version == SCHEMA_VERSION:
        return Finding(f"column {missing[0]} is missing", "name another place, or put the column back")
    return Finding(missing=missing, outdated=version < SCHEMA_VERSION)
