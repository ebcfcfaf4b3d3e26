"""What a sink is to the shipper: a place that keeps records, knows how far it got, and never keeps one twice.

Imports nothing that does I/O; :mod:`livestack.storage.delta` and :mod:`livestack.storage.postgresql` are sinks. Every
call is made by one thread, may block, and is bounded in time.

A sink's own word on how far it got is the only one that counts (``through``, ``cursors``): what the shipper remembers
is a hint. A write that failed may have been kept all the same: the shipper calls :meth:`Sink.open` again and asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import msgspec

from livestack.storage.tables import Record


class Position(msgspec.Struct, frozen=True):
    """How far a sink is with one session.

    ``through``: every record up to this ``seq`` is in, of all tables. ``tables``: what single tables have beyond that,
    by name; records of them at or below it are not to be written again.
    """

    through: int = 0
    tables: Mapping[str, int] = {}

    def of(self, table: str) -> int:
        """Up to where ``table`` is complete."""
        return max(self.through, self.tables.get(table, 0))


class Batch(msgspec.Struct, frozen=True):
    """Records of one session to be kept.

    ``rows``: by table, in the order of (seq, ordinal), behind all that the table has. ``upto``: with this batch each
    table in it is complete up to here. ``through``: with this batch all tables are complete up to here.
    """

    session: str
    rows: Mapping[str, list[Record]]
    upto: int
    through: int

    @property
    def count(self) -> int:
        return sum(map(len, self.rows.values()))


class Refusal(msgspec.Struct, frozen=True):
    """A record that the sink will never take, and its words. It is in ``dead_letters`` now."""

    table: str
    seq: int
    ordinal: int
    error: str


class Sink(Protocol):
    """One place of storage. Errors: ``SinkError`` of :mod:`livestack.exceptions`; none of them holds a secret.

    ``address`` is for people and names the place without secrets. ``delays_ns``: how long a record of a table may wait
    for company before it is written (0, or a table that is not there: it need not wait).
    """

    address: str
    delays_ns: Mapping[str, int]

    def open(self) -> None:
        """Connect, check that what is there is ours and of a version that we know, make what is missing.

        Again after any failure: everything about the connection, secrets too, is looked up anew.
        """

    def check(self) -> None:
        """Like :meth:`open`, but changes nothing: of what is missing only whether it could be made is looked at."""

    def look(self) -> None:
        """Connect for :meth:`position` and :meth:`read` alone, which needs no right to write, and makes nothing.

        What is not there, a table or all of them, has no rows then.
        """

    def position(self, session: str) -> Position:
        """How far it is with ``session``, by its own word."""

    def write(self, batch: Batch) -> list[Refusal]:
        """Keep ``batch``, each table's part as a whole or not at all; returns when it is durable."""

    def read(self, table: str, session: str, from_seq: int, to_seq: int) -> Iterator[list[tuple[Any, ...]]]:
        """Rows of ``table`` with ``from_seq <= seq <= to_seq`` in the order of (seq, ordinal), some thousand at a time.

        A value per column of ``TABLES[table]``, as :meth:`Table.values` gives them; decimals as texts without zeros at
        their end (``50000.1``), as :func:`plain_decimal` makes them.
        """

    def close(self) -> None:
        """Idempotent."""


def plain_decimal(text: str) -> str:
    """A decimal text in the one form in which two of the same value are equal: no exponent, no zeros at the end."""
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
