"""A session whose records are in real storage, for tests of ``livestack records``."""

from __future__ import annotations

import os
from pathlib import Path

from livestack.research.records import derived_records
from livestack.storage.place import default_url, make_sink, place_of_url
from livestack.storage.sink import Batch
from livestack.storage.tables import TABLE_OF, Record
from tests.research.orders import filled

SESSION = "s"


def ship(data_dir: Path, url: str = "", refused: int = 0) -> dict[str, list[Record]]:
    """Make the session ``s`` in ``data_dir`` and ship it to ``url``, without: the default place. Its records.

    ``refused``: how many of them the sink takes for dead.
    """
    if not (data_dir / "sessions").exists():
        filled(data_dir)
    rows: dict[str, list[Record]] = {}
    last = 0
    for seq, records in derived_records(data_dir / "sessions", SESSION):
        last = seq
        for record in records:
            rows.setdefault(TABLE_OF[type(record)], []).append(record)
    sink = make_sink(place_of_url(url or default_url(data_dir), "test"), os.environ)
    sink.open()
    assert refused == len(sink.write(Batch(SESSION, rows, last, last)))
    sink.close()
    return rows
