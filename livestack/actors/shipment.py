"""One session's way into one sink: derive its records from the journal, write them in batches, in order, each once.

Theory of operation. The sink says how far it is with the session (:class:`Position`); a fold is begun there, from the
nearest snapshot at or before it, and goes over the journal commit by commit. Records that the sink has already are
dropped; the others wait until their table is due, and are written as one batch that says how far its tables, and all
tables, are complete. Only what the sink confirmed counts. After a failure everything that waits is kept, the sink is
opened and asked again, and what it turns out to have is dropped: an answer that was lost costs nothing, and nothing is
ever skipped. Were the sink behind what it once confirmed, the fold begins anew from there.

While there is more to read, batches are written when they are large, or seldom: a backlog makes few large files. Memory
is bounded by ``rows_max`` records and the Core's State, whatever the backlog.

No thread of its own, and no waiting but for the disk and the sink: :meth:`Shipment.advance` does one step.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import msgspec

from livestack.actors.shipment_fold import BeginFold, TakeRecord, begin_fold, begin_oldest
from livestack.actors.shipment_mark import ShippingMark, Trouble
from livestack.actors.shipment_rows import NEVER_NS, WaitingRows
from livestack.actors.shipment_sink import SinkConnection
from livestack.actors.shipment_source import JournalSource
from livestack.core.events import Recorded
from livestack.exceptions import (
    ConfigurationError,
    HeldError,
    JournalDamagedError,
    JournalError,
    LivestackError,
    RecoveryError,
    SinkError,
    SinkRefusedError,
    UsageError,
)
from livestack.failpoints import failpoint
from livestack.journal.format import SegmentHeader
from livestack.storage.sink import Position, Refusal
from livestack.storage.tables import TABLE_OF
from livestack.transports.clock import Clock

ROWS_MAX = 10_000
"""Records that wait at most, but for those of one commit: some 10 MB here, and more while a sink writes."""

EVENTS_STEP = 2_000
"""Events folded in one step: some 50 ms."""

MAPPED_MAX = 50_000
"""Events read before the journal is let go and opened again: some 10 MB of it, 100 MB with deep books."""

WRITE_BEHIND_NS = 10_000_000_000
"""While there is more to read, what waits is written at least this often."""

PROGRESS_NS = 30_000_000_000
"""Between two batches without records, after which a sink surely knows how far all tables are: they spare a later
fold, let old segments go, and cost the sink a commit each."""

AGAIN_NS = 5_000_000_000
"""After trouble with the journal that may pass."""

CONTRADICTED_AGAIN_NS = 30_000_000_000
"""Before a sink that has another journal's records is asked again: somebody has to act first."""


class Did(Enum):
    """What a step came to."""

    MORE = 1
    """There is more to do at once."""
    CAUGHT_UP = 2
    """All that is there is read; what still waits is due at ``wakes_ns``."""
    WAITS = 3
    """There is ``trouble``; nothing can be done before ``wakes_ns``."""
    OVER = 4
    """All of it is confirmed, and nothing more comes."""
    DAMAGED = 5
    """Everything before the damage is confirmed, and no more can be."""


class Shipment:
    """``session`` below ``sessions`` into the sink of ``connection``, which is called ``name``.

    ``live``: its node is running; :meth:`finish` says that it has ended. ``seq`` and ``ts``: the last Event folded;
    ``through``: what the sink has of all tables. ``rows`` and ``refused`` count what this one wrote, ``refusals`` are
    those that nobody took away yet; ``trouble``: what is wrong now, ``exit_code``: what whoever gives up for it ends
    with; ``wakes_ns``: when the next step is due.
    """

    def __init__(
        self,
        sessions: Path,
        session: str,
        connection: SinkConnection,
        name: str,
        clock: Clock,
        *,
        live: bool,
        begin: BeginFold = begin_fold,
        rows_max: int = ROWS_MAX,
    ) -> None:
        self.session = session
        self.seq = self.ts = self.through = 0
        self.rows = self.refused = 0
        self.refusals: list[Refusal] = []
        self.trouble: Trouble | None = None
        self.exit_code = 0
        self.wakes_ns = 0
        self._sessions = sessions
        self._connection = connection
        self._clock = clock
        self._beside_writer = self._live = live
        self._begin = begin
        self._rows_max = rows_max
        self._source: JournalSource | None = None
        self._take: TakeRecord | None = None
        self._header: SegmentHeader | None = None
        self._commits: Iterator[list[Recorded]] | None = None
        self._position = Position()
        self._asked = 0
        self._waiting = WaitingRows(connection.sink.delays_ns)
        self._written_ns = self._told_ns = clock.now_ns()
        self._again_ns = self._mapped = 0
        self._damage = ""
        self._mark = ShippingMark(sessions, session, name, connection.sink.address)

    @property
    def complete(self) -> int:
        """Up to where nothing waits here: its records are confirmed, or there are none."""
        return max(self._waiting.through(self.seq), self.through)

    @property
    def complete_ts(self) -> int:
        """The time of the Event at :attr:`complete`; 0 unknown."""
        return self._waiting.through_ts(self.ts)

    def behind(self) -> int:
        """Events behind :attr:`complete`; those that cannot be read are not counted."""
        try:
            return max(self._journal().last_seq() - self.complete, 0)
        except (JournalError, OSError):
            return 0

    def advance(self) -> Did:
        """One step. Failures of sink and journal become ``trouble``; any other error is a fault of ours."""
        if self._clock.now_ns() < self._again_ns:
            return Did.WAITS
        try:
            did = self._advance()
        except SinkError as error:
            self._connection.failed(error)
            again_ns = self._connection.again_ns
            self._set_back(Trouble(str(error), isinstance(error, SinkRefusedError)), again_ns, error)
        except JournalDamagedError as error:
            self._commits, self._damage = None, str(error)
            self.trouble, self.exit_code = Trouble(self._damage, refused=True), error.exit_code
            return Did.MORE
        except (RecoveryError, ConfigurationError) as error:
            again_ns = self._clock.now_ns() + AGAIN_NS
            self._set_back(Trouble(self._cannot(error), refused=True), again_ns, error)
        except (JournalError, OSError) as error:
            again_ns = self._clock.now_ns() + AGAIN_NS
            self._set_back(Trouble(f"session {self.session}: {error}"), again_ns, error)
        else:
            return did
        return Did.WAITS

    def finish(self) -> None:
        """What is there now is all that is to be shipped, and waits for nothing more: its writer has ended, or nobody
        wants to wait for what comes."""
        self._live = False
        self._again_ns = 0
        if self._source is not None:
            self._source.finish()

    def close(self) -> None:
        """Idempotent. The journal only: the sink is others' too."""
        self._commits = None
        if self._source is not None:
            self._source.close()

    def _cannot(self, error: RecoveryError | ConfigurationError) -> str:
        """Why nothing can be derived, and what to do."""
        text = f"session {self.session} cannot be shipped to {self._connection.sink.address}: "
        if isinstance(error, RecoveryError):
            return (
                f"{text}behind seq {self.through} its journal {error.cause}; put the segments that are missing, or a "
                "snapshot that is not older than the first one left, back from a backup"
            )
        key, sentence = error.faults[0]
        return f"{text}its configuration is of another version of this program: {key} {sentence}; ship it with that one"

    def _set_back(self, trouble: Trouble, again_ns: int, error: Exception) -> None:
        """Nothing is tried before ``again_ns``; reading begins anew then, behind the last commit that was folded."""
        self._commits = None
        self.trouble = trouble
        self.exit_code = error.exit_code if isinstance(error, LivestackError) else HeldError.exit_code
        self._again_ns = self.wakes_ns = again_ns

    def _journal(self) -> JournalSource:
        if self._source is None:
            now_ns = self._clock.now_ns
            self._source = JournalSource(self._sessions, self.session, self._beside_writer, now_ns)
            if not self._live:
                self._source.finish()
        return self._source

    def _advance(self) -> Did:
        connection, now_ns = self._connection, self._clock.now_ns()
        if not connection.ready():
            self.wakes_ns = connection.again_ns
            return Did.WAITS
        if connection.number != self._asked:
            return self._ask()
        if self._commits is None and not self._damage and self._journal().has(self.seq + 1):
            self._begin_pass()
            if self.trouble is not None:
                return Did.MORE  # so that it is heard of
        if self._commits is not None:
            if self.complete > self.through and now_ns - self._told_ns >= PROGRESS_NS:
                return self._write(set())
            if self._must_write(now_ns):
                return self._write(self._waiting.tables())
            if self._read(self._commits, now_ns):
                return Did.MORE
            self._commits = None
        return self._at_the_end(now_ns)

    def _ask(self) -> Did:
        """Hear from the sink how far it is, and go on there: with what waits here, or with a new fold."""
        position = self._connection.sink.position(self.session)
        self._commits = None  # the journal is looked at, and may be let go for that
        furthest = max(position.through, *position.tables.values(), 0)
        try:
            text = self._mark.contradiction(furthest, self._journal(), self._clock.wall_ns())
        except JournalDamagedError:
            text = ""  # reading tells where it is damaged, and everything before that is shipped
        if text:
            again_ns = self._clock.now_ns() + CONTRADICTED_AGAIN_NS
            self._set_back(Trouble(text, refused=True), again_ns, UsageError(text))
            return Did.WAITS
        self._asked = self._connection.number
        if (
            self._take is not None
            and not _is_behind(position, self._position)
            and position.through <= self.seq
        ):
            self._waiting.trim(position)
        else:
            self._waiting.clear()
            self._take = self._header = None
            self.seq = position.through
            self.ts = self._journal().ts_of(self.seq)
        self._position = position
        self._tell_through(position.through)
        return Did.MORE

    def _tell_through(self, through: int) -> None:
        """The sink has said, or was told by a batch about nothing else, that all tables are complete so far."""
        self.through, self._told_ns = through, self._clock.now_ns()
        self._mark.keep(through, self._clock.wall_ns(), self._journal().link_at(through))

    def _begin_pass(self) -> None:
        """Over all that is there now."""
        journal = self._journal()
        if self._take is None:
            self._begin_take(journal.header)
        self._commits = journal.commits(self.seq + 1)

    def _begin_take(self, header: SegmentHeader) -> None:
        """A new fold. A sink that was named late gets what can still be derived: the rest is gone from here."""
        through = self._position.through
        if through or header.first_seq == 1:
            self.seq, self._take = self._begin(self._sessions, header, through)
            return
        self.seq, self._take = begin_oldest(self._sessions, header, self._begin)
        self.trouble = Trouble(
            f"{self._connection.sink.address} gets session {self.session} from seq {self.seq + 1} on: what was "
            "before has left the journal already"
        )

    def _read(self, commits: Iterator[list[Recorded]], now_ns: int) -> bool:
        """Fold a few commits; False: there are no more in this pass."""
        take, position, waiting, journal = self._take, self._position, self._waiting, self._journal()
        assert take is not None
        count = 0
        for commit in commits:
            before, before_ts = self.seq, self.ts
            self._enter(journal.header_at(commit[0].seq))
            for recorded in commit:
                for record in take(recorded):
                    if recorded.seq > position.of(TABLE_OF[type(record)]):
                        waiting.add(record, before, before_ts, now_ns)
            self.seq, self.ts = commit[-1].seq, max(self.ts, commit[-1].ts)
            count += len(commit)
            if count >= EVENTS_STEP or waiting.count >= self._rows_max:
                self._let_go(count)
                return True
        return False

    def _let_go(self, count: int) -> None:
        """Now and then the journal's pages are let go: what is mapped counts as ours."""
        self._mapped += count
        if self._mapped >= MAPPED_MAX:
            self._mapped, self._commits = 0, None
            self._journal().let_go()

    def _enter(self, header: SegmentHeader) -> None:
        if header is not self._header and self._take is not None:
            self._header = header
            self._take.enter(header)

    def _must_write(self, now_ns: int) -> bool:
        """Whether what waits is to be written though there is more to read."""
        count, waited_ns = self._waiting.count, now_ns - self._written_ns
        return count >= self._rows_max or (count > 0 and waited_ns >= WRITE_BEHIND_NS)

    def _at_the_end(self, now_ns: int) -> Did:
        """All that was there is read."""
        waiting, over = self._waiting, bool(self._damage) or not self._live
        if tables := (waiting.tables() if over else waiting.due(now_ns)):
            return self._write(tables)
        progress = self.complete > self.through
        if progress and (over or now_ns - self._told_ns >= PROGRESS_NS):
            return self._write(set())
        if self._damage:
            return Did.DAMAGED
        self.trouble = self._mark.trouble
        if not over:
            self.wakes_ns = min(waiting.due_ns(), self._told_ns + PROGRESS_NS if progress else NEVER_NS)
            return Did.CAUGHT_UP
        if self._journal().has(self.seq + 1):
            return Did.MORE  # written after this pass began, and before the writer ended
        journal = self._journal()
        ended = journal.has_ended()
        self._mark.keep(self.through, self._clock.wall_ns(), journal.link_at(self.through), ended)
        return Did.OVER

    def _write(self, tables: set[str]) -> Did:
        """What waits of ``tables``; of none: only how far everything is complete. A sink need not remember that of a
        batch with records, so only what it was told without any is noted and relied on."""
        batch = self._waiting.batch(self.session, tables, self.seq)
        if batch.through < self.through:
            batch = msgspec.structs.replace(batch, through=self.through)
        failpoint("ship.before_write")
        refusals = self._connection.sink.write(batch)
        failpoint("ship.after_write")
        self._waiting.confirm(batch)
        upto = dict.fromkeys(batch.rows, batch.upto)
        self._position = Position(self.through, {**self._position.tables, **upto})
        self.rows += batch.count
        self.refused += len(refusals)
        self.refusals += refusals
        self._written_ns = self._clock.now_ns()
        self._connection.worked()
        if not self._damage:
            self.trouble = None
        if not batch.rows:
            self._tell_through(batch.through)
        return Did.MORE


def _is_behind(position: Position, confirmed: Position) -> bool:
    """Whether a sink has lost something that it had confirmed."""
    return position.through < confirmed.through or any(
        position.of(table) < upto for table, upto in confirmed.tables.items()
    )
