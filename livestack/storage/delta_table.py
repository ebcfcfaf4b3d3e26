"""One Delta table of records: opened, checked, appended to exactly once.

Exactly once: how far a session is stands in the table's log, as an application transaction of the same commit that adds
the rows. A commit is made at exactly the version that was looked at; if another one was faster, the table is loaded
again, what is in by now is cut off, and the rest is tried at the next version. (A transaction by itself does not refuse
a repetition.)

Few files: a session's rows trickle in by the second, and a file a second is too many to read. So for a while the
table's newest file is replaced, in one commit, by one with its rows and the new ones; the old file stays on the disk,
unseen, until the table's owner vacuums. A file is begun anew when the window's time or size is reached, with a new
day, and after any error.

Imports deltalake and pyarrow. Runs on the thread of the sink; the library lets other threads run meanwhile, but while
it lists the directory of a table that is not there yet.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileSelector  # type: ignore[import-untyped]

from livestack.exceptions import SinkRefusedError, SinkUnavailableError
from livestack.failpoints import failpoint
from livestack.storage.delta_durability import is_torn, newest_entry, put_torn_entries_aside, sync_commit
from livestack.storage.delta_errors import explained
from livestack.storage.delta_rows import PARTITION, SCHEMAS
from livestack.storage.delta_schema import description, inspect, new_fields
from livestack.storage.tables import Table

WINDOW_NS: Final = 30 * 1_000_000_000
"""For this long one file is grown: 120 files an hour and table."""

WINDOW_ROWS: Final = 20_000
"""A larger file is left alone: growing it would cost more than it saves."""

WINDOW_BYTES: Final = 16 << 20
"""The same for long rows (a Configuration as text): a window is kept in memory."""

TRIES: Final = 12
"""Commits of others at the same version in a row, before the shipper is told to come back later."""

PAUSE_S: Final = 0.02
"""Pause after the first lost race, doubled with each up to PAUSE_MAX_S; a random part of it is waited."""

PAUSE_MAX_S: Final = 1.0

_CONFIGURATION: Final[dict[str, str | None]] = {
    # A reader has at most so many log entries to read after the last checkpoint.
    "delta.checkpointInterval": "100",
    # What prunes by position and time; of more columns a log entry a second would only get longer.
    "delta.dataSkippingStatsColumns": "seq,ts",
}

_WRITER: Final = WriterProperties(compression="ZSTD")

_ERRORS: Final = (DeltaError, OSError, ValueError, RuntimeError, pa.ArrowException)
"""What the library raises for what the world did."""


class Location(NamedTuple):
    """Where a table is: ``uri`` for the library, ``path`` if that is a local directory; ``address`` for people."""

    address: str
    uri: str
    path: Path | None
    options: Mapping[str, str]

    @contextlib.contextmanager
    def explains(self) -> Iterator[None]:
        """Errors of the library inside leave as errors of a sink; a lost race stays what it is."""
        try:
            yield
        except CommitFailedError:
            raise
        except Exception as error:
            # The query engine has errors that are no more than an Exception; what is not the world's is ours.
            if not isinstance(error, _ERRORS) and type(error) is not Exception:
                raise
            raise explained(self.address, error, self.options) from None

    def load(self) -> DeltaTable:
        """The table as it is now."""
        return DeltaTable(self.uri, storage_options=dict(self.options))


class _Window(NamedTuple):
    """The file that is being grown: ``rows`` are all there are of ``session`` and ``date`` from ``first`` on."""

    mark: str
    session: str
    date: datetime.date
    first: int
    rows: pa.Table
    began_ns: int


class RecordTable:
    """The table ``table`` at ``location``, once :meth:`open` or :meth:`look` has returned."""

    def __init__(
        self,
        table: Table,
        location: Location,
        now_ns: Callable[[], int],
        grows: bool = True,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = table
        self._location = location
        self._now_ns = now_ns
        self._grows = grows
        self._sleep = sleep
        self._window: _Window | None = None
        self._marks: dict[str, int] = {}
        self._delta: DeltaTable

    def open(self) -> None:
        """Load the table, make it if there is nothing, extend it if it is an older one."""
        with self._location.explains():
            self._repair()
            try:
                self._delta = self._location.load()
            except TableNotFoundError:
                self._refuse_foreign_directory()
                self._delta = self._create()
            for _ in range(TRIES):
                if self._extend():
                    return
        raise SinkUnavailableError(self._location.address, "others keep changing the table")

    def check(self) -> None:
        """What :meth:`open` would find, without changing anything."""
        if not self.look():
            with self._location.explains():
                self._refuse_foreign_directory()
                self._check_writable()

    def look(self) -> bool:
        """Load the table, if there is one and it is ours, to be read as it is. False: there is nothing."""
        with self._location.explains():
            try:
                self._delta = self._location.load()
            except TableNotFoundError:
                return False
            self._inspect()
        return True

    def refresh(self) -> None:
        """See what others committed since. The window goes if somebody else wrote rows of its session."""
        with self._location.explains():
            self._delta.update_incremental()
            window, known = self._window, self._marks
            self._marks = {}
            if window is not None and self._mark(window.mark) != known.get(window.mark):
                self._window = None

    def mark(self, name: str) -> int:
        """The number under which the application transaction ``name`` was committed last; 0: never."""
        with self._location.explains():
            return self._mark(name)

    def append(self, session: str, rows: pa.Table, name: str, marks: Mapping[str, int]) -> None:
        """Add ``rows`` of ``session`` and set ``marks``, in one commit; nothing of both that is there already.

        ``name`` is the one among ``marks`` that says up to which ``seq`` the table has these rows. Returns when it is
        durable. ``SinkUnavailableError``: whether it happened is not known, or it did not.
        """
        done = False
        lost: CommitFailedError | None = None
        seen = self._delta.version()
        try:
            for attempt in range(TRIES):
                with self._location.explains():
                    new_marks = {one: value for one, value in marks.items() if value > self._mark(one)}
                    if not new_marks:
                        done = True
                        return
                    rows = rows.filter(pc.greater(rows["seq"], self._mark(name)))
                    try:
                        self._commit(session, rows, name, new_marks)
                        done = True
                        return
                    except CommitFailedError as error:
                        lost = error
                self._sleep(random.random() * min(PAUSE_MAX_S, PAUSE_S * 2**attempt))
                self.refresh()
        finally:
            if not done:
                self._window, self._marks = None, {}
        if lost is not None and self._delta.version() == seen:
            raise explained(self._location.address, lost, self._location.options)
        raise SinkUnavailableError(
            self._location.address,
            f"{TRIES} commits to {self._table.name} in a row came too late, others were faster",
        )

    def _commit(self, session: str, rows: pa.Table, name: str, marks: Mapping[str, int]) -> None:
        transactions = [Transaction(one, value) for one, value in marks.items()]
        properties = CommitProperties(max_commit_retries=0, app_transactions=transactions)
        grown = self._grown(session, rows, name)
        version = self._delta.version() + 1
        failpoint("delta.before_commit")
        if rows.num_rows == 0:
            self._delta.create_write_transaction(
                [], "append", self._delta.schema(), PARTITION, commit_properties=properties
            )
            grown = self._window
        elif grown is not None:
            write_deltalake(
                self._delta,
                self._fitted(grown.rows),
                mode="overwrite",
                predicate=_predicate(grown),
                commit_properties=properties,
                writer_properties=_WRITER,
            )
        else:
            write_deltalake(
                self._delta,
                self._fitted(rows),
                mode="append",
                commit_properties=properties,
                writer_properties=_WRITER,
            )
            grown = self._new_window(session, rows, name)
        failpoint("delta.after_commit")
        if self._location.path is not None:
            sync_commit(self._location.path, version)
        self._marks |= marks
        self._window = grown
        if rows.num_rows == 0 or self._delta.version() != version:
            # What is known must be that of the version at which the next commit is made: others may be further.
            self.refresh()

    def _fitted(self, rows: pa.Table) -> pa.Table:
        """``rows`` with null in the columns that the table's owner added."""
        for field in pa.schema(self._delta.schema().to_arrow()):
            if field.name not in rows.column_names:
                rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
        return rows

    def _grown(self, session: str, rows: pa.Table, name: str) -> _Window | None:
        """The window with ``rows`` in it; None: they need a file of their own."""
        old = self._window
        if old is None or (old.mark, old.session) != (name, session):
            return None
        if self._now_ns() - old.began_ns >= WINDOW_NS or pc.unique(rows["date"]).to_pylist() != [old.date]:
            return None
        if old.rows.num_rows + rows.num_rows > WINDOW_ROWS or old.rows.nbytes + rows.nbytes > WINDOW_BYTES:
            return None
        return old._replace(rows=pa.concat_tables([old.rows, rows]))

    def _new_window(self, session: str, rows: pa.Table, name: str) -> _Window | None:
        """The window that begins with the file of ``rows``, with that of their last day; None: it is large already."""
        date = rows["date"][-1].as_py()
        rows = rows.filter(pc.equal(rows["date"], date))
        if not self._grows or rows.num_rows >= WINDOW_ROWS or rows.nbytes >= WINDOW_BYTES:
            return None
        return _Window(name, session, date, pc.min(rows["seq"]).as_py(), rows, self._now_ns())

    def _mark(self, name: str) -> int:
        if name not in self._marks:
            self._marks[name] = self._delta.transaction_version(name) or 0
        return self._marks[name]

    # -- opening ------------------------------------------------------------------------------------------------------

    def _repair(self) -> None:
        path = self._location.path
        if path is None or (entry := newest_entry(path)) is None or not is_torn(path, entry):
            return
        version = int(entry.stem)
        if version > 0:
            # Only if what is below is ours.
            self._delta = DeltaTable(self._location.uri, version=version - 1)
            self._inspect()
        put_torn_entries_aside(path)

    def _create(self) -> DeltaTable:
        if self._location.path is not None:
            # Like the journal: records are nobody else's business, unless their owner says so.
            self._location.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Another process that makes it at the same time is welcome: what is there then is looked at like any other.
        with contextlib.suppress(CommitFailedError):
            DeltaTable.create(
                self._location.uri,
                Schema.from_arrow(SCHEMAS[self._table.name]),
                mode="ignore",
                partition_by=PARTITION,
                name=self._table.name,
                description=description(),
                configuration=_CONFIGURATION,
                storage_options=dict(self._location.options),
            )
            if self._location.path is not None:
                sync_commit(self._location.path, 0)
        return self._location.load()

    def _inspect(self) -> tuple[tuple[str, ...], bool]:
        metadata = self._delta.metadata()
        found = inspect(
            self._table,
            metadata.name,
            metadata.description,
            list(metadata.partition_columns),
            self._delta.schema(),
        )
        if found.fault:
            raise SinkRefusedError(
                self._location.address, f"table {self._table.name}: {found.fault}", found.advice
            )
        return found.missing, found.outdated

    def _extend(self) -> bool:
        """Whether the table has all columns. False: somebody else is at it too, look again."""
        missing, outdated = self._inspect()
        properties = CommitProperties(max_commit_retries=0)
        try:
            if missing:
                self._delta.alter.add_columns(new_fields(self._table, missing), commit_properties=properties)
                self._delta.update_incremental()
            if outdated:
                # Last: a table says that it is of a version only once it is.
                self._delta.alter.set_table_description(description(), commit_properties=properties)
        except CommitFailedError:
            self._delta.update_incremental()
            return False
        if outdated and self._location.path is not None:
            self._delta.update_incremental()
            sync_commit(self._location.path, self._delta.version())
        return True

    def _refuse_foreign_directory(self) -> None:
        path, uri = self._location.path, self._location.uri
        if path is not None:
            with contextlib.suppress(FileNotFoundError), os.scandir(path) as listed:
                names = [one.name for one in listed]
                if names and names != ["_delta_log"]:
                    self._refuse_as_foreign()
            return
        handler = DeltaStorageHandler(uri, dict(self._location.options))
        if handler.get_file_info_selector(FileSelector("", allow_not_found=True)):
            self._refuse_as_foreign()

    def _refuse_as_foreign(self) -> None:
        raise SinkRefusedError(
            self._location.address,
            f"{self._table.name} holds files that are not a Delta table",
            "name an empty place, or move them away",
        )

    def _check_writable(self) -> None:
        path = self._location.path
        while path is not None and not path.exists():
            path = path.parent
        if path is not None and not os.access(path, os.W_OK | os.X_OK):
            raise SinkUnavailableError(
                self._location.address, f"{path} cannot be written to", "change its mode"
            )


def _predicate(window: _Window) -> str:
    session = window.session.replace("'", "''")
    return f"date = '{window.date.isoformat()}' AND session = '{session}' AND seq >= {window.first}"
