"""One Delta table of records: opened, checked, appended to exactly once.

Exactly once: how far a session is stands in the table's log, as an application transaction of the same commit that adds
the rows. A commit is made at exactly the version that was looked at; if another one was faster, the table is loaded
again, what is in by now is cut off, and the rest is tried at the next version. (A transaction by itself does not refuse
a repetition.)

Few files: a session's rows trickle in by the second, and a file a second is too many to read. So for a while the
table's newest file is replaced, in one commit, by one with its rows and the new ones; the old file stays, unseen, until
the table's owner vacuums, on a local disk for some minutes (:mod:`livestack.storage.delta_replaced`). A file is begun
anew when the window's time or size is reached, with a new day, after any error, and when somebody else changed files of
that session and day: what others do to rows is theirs, and is not undone.

Imports deltalake and pyarrow. Runs on the thread of the sink; the library lets other threads run meanwhile, but while
it lists the directory of a table that is not there yet.
"""

from __future__ import annotations

import contextlib
import datetime
import random
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from livestack.exceptions import SinkRefusedError, SinkUnavailableError
from livestack.failpoints import failpoint
from livestack.storage.delta_durability import is_all_there_is, is_torn, newest_entry, put_aside, sync_commit
from livestack.storage.delta_errors import explained
from livestack.storage.delta_location import Location
from livestack.storage.delta_replaced import ReplacedFiles
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
    # Entries that are older go at a checkpoint: at one a second the log would soon be larger than the table.
    "delta.logRetentionDuration": "interval 1 hours",
    # And with them what each checkpoint says of replaced files, which would be 50 MB after a week.
    "delta.deletedFileRetentionDuration": "interval 1 hours",
}

_WRITER: Final = WriterProperties(compression="ZSTD")


class _Window(NamedTuple):
    """The file that is being grown: ``rows`` are all there are of ``session`` and ``date`` from ``first`` on."""

    mark: str
    session: str
    date: datetime.date
    first: int
    rows: pa.Table
    began_ns: int


class RecordTable:
    """The table ``table`` at ``location``, once :meth:`open` or :meth:`look` has returned.

    ``replaced`` outlives it: it knows what this process wrote there before; None: nothing is removed.
    """

    def __init__(
        self,
        table: Table,
        location: Location,
        now_ns: Callable[[], int],
        grows: bool = True,
        sleep: Callable[[float], None] = time.sleep,
        replaced: ReplacedFiles | None = None,
    ) -> None:
        self._table = table
        self._location = location
        self._now_ns = now_ns
        self._grows = grows
        self._sleep = sleep
        self._replaced = replaced
        self._synced: int | None = None
        self._window: _Window | None = None
        self._marks: dict[str, int] = {}
        self._delta: DeltaTable
        self._found = False

    def find(self) -> bool:
        """Load the table. False: there is nothing, and it may be made. Repairs what a power loss left of ours."""
        with self._location.explains():
            self._location.refuse_file()
            self._repair()
            self._found = self.look()
            if not self._found:
                self._location.refuse_foreign_files(self._table.name)
        return self._found

    def open(self) -> None:
        """Load the table, make it if there is nothing, extend it if it is an older one."""
        if not self._found:
            self.find()
        with self._location.explains():
            if not self._found:
                self._delta = self._create()
            for _ in range(TRIES):
                if self._extend():
                    self._sync_newest()
                    return
        raise SinkUnavailableError(self._location.address, "others keep changing the table")

    def check(self) -> None:
        """What :meth:`open` would find, without changing anything."""
        with self._location.explains():
            self._location.refuse_file()
            if not self.look():
                self._location.refuse_foreign_files(self._table.name)
            self._location.check_writable()

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
        """See what others committed since. The window goes if they changed files of its session and day."""
        with self._location.explains():
            window, files, version = self._window, self._window_files(), self._delta.version()
            self._delta.update_incremental()
            self._marks = {}
            if self._delta.version() != version and files != self._window_files():
                window = None
            self._window = window
            if self._synced is not None:
                self._sync_newest()

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
        self._sync(version, ours=True)
        self._marks |= marks
        # The library may have seen what others did after it: nobody knows then what it was.
        self._window = grown if self._delta.version() <= version else None
        if rows.num_rows == 0 or self._delta.version() != version:
            # What is known must be that of the version at which the next commit is made: others may be further.
            self.refresh()
        if self._replaced is not None:
            self._replaced.remove(lambda: {uri.rpartition("/")[2] for uri in self._delta.file_uris()})

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

    def _window_files(self) -> frozenset[str]:
        """The files in which rows of the window could be."""
        if (window := self._window) is None:
            return frozenset()
        day = [("date", "=", window.date.isoformat()), ("session", "=", window.session)]
        return frozenset(self._delta.file_uris(file_pruning_predicate=day))

    def _sync_newest(self) -> None:
        """What the next commit stands on must be on the disk: who made it may have been killed before it was."""
        # Somebody who keeps a log short may have removed the entry: the checkpoint is his.
        with contextlib.suppress(FileNotFoundError):
            self._sync(self._delta.version())

    def _sync(self, version: int, ours: bool = False) -> None:
        if self._location.path is None or self._synced == version:
            return
        commit = sync_commit(self._location.path, version)
        self._synced = version
        if ours and self._replaced is not None:
            self._replaced.note(commit)

    def _mark(self, name: str) -> int:
        if name not in self._marks:
            self._marks[name] = self._delta.transaction_version(name) or 0
        return self._marks[name]

    # -- opening ------------------------------------------------------------------------------------------------------

    def _repair(self) -> None:
        path = self._location.path
        while path is not None and (entry := newest_entry(path)) is not None and is_torn(path, entry):
            version = int(entry.stem)
            if version > 0:
                # Only if what is below is ours.
                self._delta = DeltaTable(self._location.uri, version=version - 1)
                self._inspect()
            elif not is_all_there_is(path, entry):
                return
            put_aside(entry)

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
                self._sync_newest()
            if outdated:
                # Last: a table says that it is of a version only once it is.
                self._delta.alter.set_table_description(description(), commit_properties=properties)
        except CommitFailedError:
            self._delta.update_incremental()
            return False
        self._delta.update_incremental()
        return True


def _predicate(window: _Window) -> str:
    session = window.session.replace("'", "''")
    return f"date = '{window.date.isoformat()}' AND session = '{session}' AND seq >= {window.first}"
