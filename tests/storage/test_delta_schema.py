"""Which tables are ours: name, mark of ownership, version, types and columns."""

from __future__ import annotations

import msgspec
import pytest
from deltalake import Field, Schema
from deltalake.schema import PrimitiveType

from livestack.storage import delta_schema
from livestack.storage.delta_rows import PARTITION, SCHEMAS
from livestack.storage.delta_schema import Finding, description, inspect, new_fields, wanted_types
from livestack.storage.tables import SCHEMA_VERSION, TABLES

TABLE = TABLES["fills"]


def schema(**changes: str | None) -> Schema:
    """That of fills; a column of ``changes`` has another type, or (None) is away."""
    fields = []
    for one in Schema.from_arrow(SCHEMAS["fills"]).fields:
        if (kind := changes.pop(one.name, "")) == "":
            fields.append(one)
        elif kind is not None:
            fields.append(Field(one.name, PrimitiveType(kind), nullable=one.nullable))
    fields += [Field(name, PrimitiveType(kind), nullable=True) for name, kind in changes.items() if kind]
    return Schema(fields)


def looked_at(there: Schema, text: str | None = None, name: str = "fills") -> Finding:
    return inspect(TABLE, name, description() if text is None else text, PARTITION, there)


@pytest.mark.parametrize("name", TABLES)
def test_what_is_made_here_is_ours(name: str) -> None:
    """The schema that is written is the one that is looked for, in every table."""
    made = Schema.from_arrow(SCHEMAS[name])
    assert Finding() == inspect(TABLES[name], name, description(), PARTITION, made)
    fields = msgspec.json.decode(made.to_json())["fields"]
    assert wanted_types(TABLES[name]) == {one["name"]: one["type"] for one in fields}


def test_a_column_of_the_owners_is_left_alone() -> None:
    """As long as rows may do without it."""
    assert Finding() == looked_at(schema(remark="string"))


@pytest.mark.parametrize(
    ("finding", "fault"),
    [
        (looked_at(schema(), text=""), "did not make"),
        (looked_at(schema(), text="somebody's fills"), "did not make"),
        (looked_at(schema(), name="orders"), "did not make"),
        (looked_at(schema(), text="livestack execution records, schema 999"), "newer than"),
        (looked_at(schema(price="double")), "column price has the type double, not decimal"),
        (looked_at(schema(price=None)), "column price is missing"),
        (inspect(TABLE, "fills", description(), ["session"], schema()), "partitioned by session"),
    ],
)
def test_what_is_not_as_we_know_it_is_a_fault(finding: Finding, fault: str) -> None:
    """Each with an advice."""
    assert fault in finding.fault
    assert finding.advice


def test_an_older_table_lacks_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """They can be added, as nullable ones."""
    older = description()
    monkeypatch.setattr(delta_schema, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    found = looked_at(schema(price=None, recv_ns=None), text=older)
    assert Finding(missing=("price", "recv_ns"), outdated=True) == found
    assert [("price", True), ("recv_ns", True)] == [
        (one.name, one.nullable) for one in new_fields(TABLE, found.missing)
    ]
