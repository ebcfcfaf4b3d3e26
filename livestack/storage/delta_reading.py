"""Rows of a Delta table in order, in bounded memory.

The table is asked for one range of positions after the other, each of about as many rows as fit into memory at ease;
the log's statistics say how wide such a range is. What a compaction did to files and order does not matter. Rows that
are there do not change, so whoever reads for long looks at the table again now and then: files that were replaced
meanwhile are removed after some minutes.
Not with ``to_pyarrow_*``: they abort the interpreter when it ends. Runs on the thread of the sink.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from deltalake import DeltaTable, QueryBuilder

from livestack.storage.delta_replaced import REPLACED_NS
from livestack.storage.delta_rows import decode, projection
from livestack.storage.tables import Table

RANGE_ROWS: Final = 50_000
"""Rows that are sorted in memory at once, about."""

BATCH_ROWS: Final = 5_000

HOLD_NS: Final = REPLACED_NS // 4
"""How long one version of the table is read, to the end of a range."""


class Extent(NamedTuple):
    """A file's rows: their number, and their positions from ``first`` to ``last``."""

    first: int
    last: int
    rows: int


def read_rows(
    load: Callable[[], DeltaTable],
    table: Table,
    session: str,
    from_seq: int,
    to_seq: int,
    now_ns: Callable[[], int],
) -> Iterator[list[tuple[Any, ...]]]:
    """As :meth:`Sink.read` promises. ``load`` gives the table as it is; ``now_ns``: a clock that does not go back."""
    delta, loaded_ns = load(), now_ns()
    for first, last in ranges(extents(delta, session), from_seq, to_seq):
        if now_ns() - loaded_ns >= HOLD_NS:
            delta, loaded_ns = load(), now_ns()
        yield from _range(delta, table, session, first, last)


def _range(
    delta: DeltaTable, table: Table, session: str, first: int, last: int
) -> Iterator[list[tuple[Any, ...]]]:
    builder = QueryBuilder({"datafusion.execution.batch_size": str(BATCH_ROWS)})
    builder.register(table.name, delta)
    selected = projection(table, {field.name for field in delta.schema().fields})
    quoted = session.replace("'", "''")
    query = (
        f"SELECT {selected} FROM {table.name} "  # noqa: S608 - names of our own, numbers, a quoted text
        f"WHERE session = '{quoted}' AND seq >= {first} AND seq <= {last} ORDER BY seq, ordinal"
    )
    # Arrow's own reader lets other threads run while it waits for the next batch.
    for batch in pa.RecordBatchReader.from_stream(builder.execute(query)):
        if rows := decode(table, batch):
            yield rows


def extents(delta: DeltaTable, session: str) -> list[Extent]:
    """The live files of ``session``, by what the log says of them; one of which it says nothing may be anywhere."""
    files = pa.table(delta.get_add_actions(flatten=True))
    if not {"min.seq", "max.seq", "num_records"} <= set(files.column_names):
        return []
    files = files.filter(pc.equal(files["partition.session"], session))
    columns = [files[name].to_pylist() for name in ("min.seq", "max.seq", "num_records")]
    return [
        Extent(first, last, rows)
        for first, last, rows in zip(*columns, strict=True)
        if None not in (first, last, rows)
    ]


def ranges(files: Iterable[Extent], from_seq: int, to_seq: int) -> Iterator[tuple[int, int]]:
    """Ranges of positions that follow each other from ``from_seq`` to ``to_seq``, each of about RANGE_ROWS rows.

    Rows are taken to lie evenly in their file; where they do not, a range has more or fewer, and none is left out.
    """
    begin, gathered = from_seq, 0
    for piece in sorted(_pieces(files, from_seq, to_seq)):
        if gathered and gathered + piece.rows > RANGE_ROWS and piece.first > begin:
            yield begin, piece.first - 1
            begin, gathered = piece.first, 0
        gathered += piece.rows
    if begin <= to_seq:
        yield begin, to_seq


def _pieces(files: Iterable[Extent], from_seq: int, to_seq: int) -> Iterator[Extent]:
    for file in files:
        if file.last < from_seq or file.first > to_seq:
            continue
        width = file.last - file.first + 1
        count = min(width, -(-file.rows // RANGE_ROWS) or 1)
        for number in range(count):
            first = file.first + width * number // count
            last = file.first + width * (number + 1) // count - 1
            if last >= from_seq and first <= to_seq:
                yield Extent(max(first, from_seq), min(last, to_seq), file.rows // count)
