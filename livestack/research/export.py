"""Events out of a journal into a file that other programs read: lines of JSON, or Parquet. Any one thread.

A Parquet file has one row per Event: the envelope, what most questions are asked by (``venue``, ``instrument``,
``order_id``) as columns of their own, and every field of the Event as JSON in ``event_json``. Written in row groups, so
that memory does not depend on the journal's length.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec

from livestack.core.describe import describe_event, describe_record
from livestack.core.events import Recorded

ROWS = 20_000
"""Rows of a Parquet row group: some megabytes."""


def write_lines(records: Iterable[Recorded], file: IO[bytes]) -> int:
    """One JSON object per line; how many."""
    count = 0
    for count, record in enumerate(records, 1):  # noqa: B007 - the count is what is returned
        file.write(msgspec.json.encode(describe_record(record)) + b"\n")
    return count


def write_parquet(records: Iterable[Recorded], path: Path) -> int:
    """One row per Event; how many. ``OSError`` where ``path`` cannot be written."""
    # A tenth of a second that no other command should pay, and no stubs.
    import pyarrow  # type: ignore[import-untyped]  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    schema = pyarrow.schema(
        [
            ("seq", pyarrow.int64()),
            ("ts", pyarrow.timestamp("ns", tz="UTC")),
            ("origin", pyarrow.string()),
            ("event", pyarrow.string()),
            ("venue", pyarrow.string()),
            ("instrument", pyarrow.string()),
            ("order_id", pyarrow.int64()),
            ("event_json", pyarrow.string()),
        ]
    )
    count, waiting = 0, iter(records)
    with parquet.ParquetWriter(str(path), schema, compression="zstd") as writer:
        while rows := [_row(record) for record in islice(waiting, ROWS)]:
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count


def _row(record: Recorded) -> dict[str, Any]:
    event = record.event
    about = getattr(event, "request", event)  # a dispatch's is in its request
    return {
        "seq": record.seq,
        "ts": record.ts,
        "origin": record.origin.name,
        "event": type(event).__name__,
        "venue": getattr(about, "venue", None),
        "instrument": getattr(about, "instrument", None),
        "order_id": getattr(about, "order_id", None),
        "event_json": msgspec.json.encode(describe_event(event)).decode(),
    }
