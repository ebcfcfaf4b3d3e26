"""The sink that keeps records in Delta Lake tables, on a local disk or in S3-compatible object storage.

One table per entry of ``TABLES``, below one root, partitioned by day and session; the theory stands in
:mod:`livestack.storage.delta_table`. It writes and never governs: no compaction, no retention, no vacuum, no change of
what is there but columns added by a newer version.

deltalake and pyarrow are loaded with the first :meth:`DeltaSink.open`: a node that ships nothing does not pay for them.
Runs on one thread at a time.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from livestack.exceptions import SinkRefusedError, SinkUnavailableError
from livestack.storage.sink import Batch, Position, Refusal
from livestack.storage.tables import TABLES, Record

if TYPE_CHECKING:
    from livestack.storage.delta_location import Location
    from livestack.storage.delta_replaced import ReplacedFiles
    from livestack.storage.delta_rows import Encoded
    from livestack.storage.delta_table import RecordTable

_SECOND_NS: Final = 1_000_000_000

DELAYS_NS: Final = {
    name: _SECOND_NS if name in ("fills", "controls", "sessions", "dead_letters") else 4 * _SECOND_NS
    for name in TABLES
}
"""A fill is in storage within 2 s; the rest gathers a little longer, as each commit costs a file in the log."""

THROUGH_EVERY_NS: Final = 30 * _SECOND_NS
"""How often, beside other rows, a commit says that all tables are complete: a restart begins no further back."""

_DEAD_LETTERS: Final = "dead_letters"
_SESSIONS: Final = "sessions"

_S3_DEFAULTS: Final = {
    # Two writers of one version: the second is told that it lost.
    "aws_conditional_put": "etag",
    # Every request is bounded, and so is a call, which makes a few of them.
    "timeout": "20s",
    "connect_timeout": "5s",
    "max_retries": "3",
    "retry_timeout": "30s",
}


class DeltaSink:
    """A :class:`livestack.storage.sink.Sink` below ``root``, a directory or ``s3://bucket/prefix``.

    ``address`` names the place for people. ``storage_options`` is asked with each :meth:`open`, as secrets change:
    object_store's names, e.g. ``aws_endpoint``, ``aws_region``, ``aws_access_key_id``. ``now_ns``: a clock in
    nanoseconds that does not go back.
    """

    delays_ns: Mapping[str, int] = DELAYS_NS

    def __init__(
        self,
        address: str,
        root: str,
        storage_options: Callable[[], Mapping[str, str]],
        now_ns: Callable[[], int],
    ) -> None:
        self.address = address
        self._root = root.rstrip("/") if "://" in root else str(Path(root).absolute())
        self._storage_options = storage_options
        self._now_ns = now_ns
        self._tables: dict[str, RecordTable] | None = None
        self._writable = False
        self._options: dict[str, str] = {}
        self._through_ns: dict[str, int] = {}
        self._replaced: dict[str, ReplacedFiles] = {}

    def open(self) -> None:
        """See :meth:`Sink.open`. All tables are looked at before the first is made."""
        tables = self._connect()
        for table in tables.values():
            table.find()
        for table in tables.values():
            table.open()
        self._tables, self._writable = tables, True

    def check(self) -> None:
        """See :meth:`Sink.check`.

        Of object storage it cannot be known whether the key may write there, but by writing: that shows with the
        first commit.
        """
        for table in self._connect().values():
            table.check()
        self.close()

    def look(self) -> None:
        """See :meth:`Sink.look`."""
        self._tables = {name: table for name, table in self._connect().items() if table.look()}

    def position(self, session: str) -> Position:
        """See :meth:`Sink.position`."""
        tables = self._opened()
        for table in tables.values():
            table.refresh()
        through = tables[_SESSIONS].mark(_through(session)) if _SESSIONS in tables else 0
        marks = {name: table.mark(_mark(session)) for name, table in tables.items()}
        return Position(through, {name: seq for name, seq in marks.items() if seq > through})

    def write(self, batch: Batch) -> list[Refusal]:
        """See :meth:`Sink.write`. Dead letters first, as with its cursor a table says that these are kept too."""
        from livestack.storage.delta_rows import encode  # noqa: PLC0415 - see above

        tables = self._opened(writable=True)
        refusals: list[Refusal] = []
        sessions: Encoded | None = None
        for name in TABLES:
            if not (records := self._new(batch, name)):
                continue
            encoded = encode(TABLES[name], records)
            if encoded.refusals:
                self._bury(batch, name, encoded)
                refusals += encoded.refusals
            if name == _SESSIONS:
                sessions = encoded
            else:
                mark = _mark(batch.session)
                tables[name].append(batch.session, encoded.rows, mark, {mark: batch.upto})
        self._write_sessions(batch, sessions)
        return refusals

    def read(self, table: str, session: str, from_seq: int, to_seq: int) -> Iterator[list[tuple[Any, ...]]]:
        """See :meth:`Sink.read`. What is written meanwhile may be in it or not."""
        from livestack.storage.delta_reading import read_rows  # noqa: PLC0415 - see above

        if table not in self._opened():
            return
        location = self._location(table)
        with location.explains():
            yield from read_rows(location.load, TABLES[table], session, from_seq, to_seq, self._now_ns)

    def close(self) -> None:
        """See :meth:`Sink.close`. The library has nothing to be closed: what is written is written."""
        self._tables = None
        self._writable = False
        self._options = {}
        self._through_ns = {}

    def _connect(self) -> dict[str, RecordTable]:
        """All tables, none of them loaded yet."""
        from livestack.storage.delta_table import RecordTable  # noqa: PLC0415 - see above

        self.close()
        self._options = self._bounded(self._storage_options())
        # Dead letters come in no order, table by table: no file of them can be told by its first position.
        return {
            name: RecordTable(
                TABLES[name],
                self._location(name),
                self._now_ns,
                grows=name != _DEAD_LETTERS,
                replaced=self._replaced_files(name),
            )
            for name in TABLES
        }

    def _replaced_files(self, name: str) -> ReplacedFiles | None:
        """What this sink replaced in the table ``name`` on a local disk, however often it was opened."""
        from livestack.storage.delta_replaced import ReplacedFiles  # noqa: PLC0415 - see above

        if (path := self._location(name).path) is None:
            return None
        if name not in self._replaced:
            self._replaced[name] = ReplacedFiles(path, self._now_ns)
        return self._replaced[name]

    def _opened(self, writable: bool = False) -> dict[str, RecordTable]:
        if self._tables is None or (writable and not self._writable):
            raise SinkUnavailableError(self.address, "it is not open for this")
        return self._tables

    def _bounded(self, options: Mapping[str, str]) -> dict[str, str]:
        """``options`` with limits of time; http only to this machine, where nobody listens on the way."""
        if "://" not in self._root:
            if "%" in self._root:
                # The library decodes such a path once too often.
                raise SinkRefusedError(self.address, "its path has a % in it", "name a directory without one")
            return {}
        endpoint = next((options[name] for name in _ENDPOINTS if name in options), "")
        if endpoint.startswith("http://"):
            if not _is_loopback(urlsplit(endpoint).hostname or ""):
                raise SinkRefusedError(self.address, f"the endpoint {endpoint} is not encrypted", "use https")
            return {**_S3_DEFAULTS, **options, "allow_http": "true"}
        return {**_S3_DEFAULTS, **options}

    def _location(self, name: str) -> Location:
        from livestack.storage.delta_location import Location  # noqa: PLC0415 - see above

        if "://" in self._root:
            return Location(self.address, f"{self._root}/{name}", None, self._options)
        path = Path(self._root) / name
        return Location(self.address, path.as_uri(), path, {})

    def _new(self, batch: Batch, name: str) -> list[Record]:
        """The records of ``batch`` for the table ``name`` that it does not have yet."""
        records = batch.rows.get(name, [])
        known = self._opened()[name].mark(_mark(batch.session)) if records else 0
        return records[bisect_right(records, known, key=lambda one: one.trace.seq) :]  # type: ignore[attr-defined]

    def _bury(self, batch: Batch, name: str, encoded: Encoded) -> None:
        """Keep what the table ``name`` refuses, under a cursor of its own, as each table is at another place."""
        from livestack.storage.delta_rows import encode  # noqa: PLC0415 - see above

        rows = encode(TABLES[_DEAD_LETTERS], encoded.dead_letters).rows
        mark = f"{_mark(batch.session)}:refused:{name}"
        self._opened()[_DEAD_LETTERS].append(batch.session, rows, mark, {mark: batch.upto})

    def _write_sessions(self, batch: Batch, encoded: Encoded | None) -> None:
        """The table of sessions, and with it, as all the others are written by now, up to where everything is."""
        from livestack.storage.delta_rows import SCHEMAS  # noqa: PLC0415 - see above

        now_ns = self._now_ns()
        last_ns = self._through_ns.setdefault(batch.session, now_ns)
        mark, through = _mark(batch.session), _through(batch.session)
        if encoded is None and any(batch.rows.values()) and now_ns - last_ns < THROUGH_EVERY_NS:
            return
        marks = {through: batch.through}
        if encoded is not None:
            marks[mark] = batch.upto
        rows = SCHEMAS[_SESSIONS].empty_table() if encoded is None else encoded.rows
        self._opened()[_SESSIONS].append(batch.session, rows, mark, marks)
        self._through_ns[batch.session] = now_ns


_ENDPOINTS: Final = (
    "aws_endpoint",
    "aws_endpoint_url",
    "endpoint",
    "endpoint_url",
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
)


def _mark(session: str) -> str:
    """Under this name a table's log says how far the table is with ``session``."""
    return f"livestack:{session}"


def _through(session: str) -> str:
    """And under this one that of ``sessions`` how far all tables are."""
    return f"livestack:{session}:through"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
