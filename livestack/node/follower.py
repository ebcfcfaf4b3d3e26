"""The follower: replays a growing journal a moment behind the node, compares, and writes State down.

Theory of operation. Each pass reads what was committed since the last one and folds it, every derived Event compared
with the recorded one. An INPUT and its DERIVED are in one commit, so a pass always ends at a *whole* position: a
derived Event that is still expected there was never recorded. When a snapshot is due, State is packed, restored into a
fresh Core with a fresh Strategy, and only if that has the same digest is the file written; from then on the *restored*
Core is the one that follows. So each snapshot is proven by everything that comes after it, and a Strategy that
remembers anything outside ``self.memory`` decides differently behind the next snapshot and is found.

A process of its own; all of this runs on its main thread. Imports no actor; what it says is a :data:`Report`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path

import msgspec

from livestack.core.configuration import Configuration
from livestack.core.refold import Difference, Refold
from livestack.core.runtime import SEMANTICS_VERSION, CoreRuntime
from livestack.core.strategy import Strategy
from livestack.core.types import Origin, SessionPhase
from livestack.exceptions import JournalError, LivestackError, UsageError
from livestack.failpoints import failpoint
from livestack.follower_settings import FollowerSettings
from livestack.journal.clean import DATA_NAME
from livestack.journal.format import SegmentHeader, source_digest
from livestack.journal.reader import JournalReader
from livestack.journal.restoring import begin, restored
from livestack.journal.retention import goes_on_behind
from livestack.journal.segment import first_seq_of
from livestack.journal.snapshots import Snapshot, prune_snapshots, write_snapshot
from livestack.node import triggers
from livestack.node.shipped import shipped_to_all
from livestack.node.snapshotting import snapshot_of
from livestack.strategies.loading import load_archived_strategy, load_strategy, strategy_source

EXIT_OVER = 0
EXIT_DIFFERENT = 6

POLL_S = 0.05
"""Between two passes when nothing more was there: a human blink behind the node, and hardly any work."""

LOOK_EVERY = 2_000
"""Events between two looks at what the node wants while there is much to read: a tenth of a second."""

REST_FACTOR = 9
"""A snapshot is followed by so many times its own duration without one: at most a tenth of the time goes into them."""

REPORT_EVERY_NS = 1_000_000_000
"""Between two lines about the position: the node's and the operator's proof of life."""


class PositionReached(msgspec.Struct, frozen=True, tag="position", tag_field="report"):
    """Everything up to ``seq`` (stamped ``ts``) is verified; ``behind`` Events wait."""

    seq: int
    ts: int
    behind: int


class SnapshotWritten(msgspec.Struct, frozen=True, tag="snapshot", tag_field="report"):
    """State after ``seq`` is on disk, ``size`` bytes of it; all of it took ``ms``."""

    seq: int
    digest: str
    size: int
    ms: int


class DifferenceFound(msgspec.Struct, frozen=True, tag="difference", tag_field="report"):
    """At ``seq`` the journal has one Event and the Core made another; names, '' for none."""

    seq: int
    journalled: str
    replayed: str

    def __str__(self) -> str:
        return (
            f"at seq {self.seq} the journal has {self.journalled or 'nothing'}, "
            f"replayed it is {self.replayed or 'nothing'}"
        )


class Trouble(msgspec.Struct, frozen=True, tag="error", tag_field="report"):
    """Something failed; ``text`` is a sentence."""

    text: str


Report = PositionReached | SnapshotWritten | DifferenceFound | Trouble
"""One line of a follower: a JSON object with its kind under ``report``."""


class Told(Enum):
    """What the follower is to do, from outside."""

    GO_ON = 1
    STOP = 2
    GONE = 3


Listen = Callable[[float], Told]
"""Waits at most so many seconds for somebody who wants something."""


class Follower:
    """Follows ``session`` below ``sessions``. ``live``: its node may be running. ``sinks``: those of execution records
    in use, with their addresses; None: not known here.

    ``UsageError`` for a session of other semantics, which cannot be compared; what ``JournalReader`` raises.
    """

    def __init__(
        self,
        sessions: Path,
        session: str,
        settings: FollowerSettings,
        report: Callable[[Report], None],
        *,
        live: bool = True,
        sinks: Mapping[str, str] | None = None,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._sessions = sessions
        self._settings = settings
        self._sinks = sinks
        self._report = report
        self._now_ns = now_ns
        self._reader = JournalReader.open(sessions, session, live)
        try:
            self.header = self._reader.header
            self._begin()
            self._reader.close()  # the oldest segment was opened for its header alone
        except BaseException:
            self._reader.close()
            raise

    def _begin(self) -> None:
        header = self.header
        if header.semantics_version != SEMANTICS_VERSION:
            raise UsageError(
                f"session {header.session} was written under version {header.semantics_version} of the Core's "
                f"semantics, this program has version {SEMANTICS_VERSION}: it cannot be compared"
            )
        plain = msgspec.json.decode(header.configuration)
        self._configuration = Configuration.from_plain(plain, "journal header")
        self._fold, self.snapshot_seq = begin(
            self._sessions, header, self._reader.last_seq(), self._configuration, self._fresh_strategy
        )
        self._due_seq = self._due_ts = 0
        self._newest = (Path(), 0)
        self._rests_until_ns = self._now_ns()
        self._reported_ns = self._rests_until_ns - REPORT_EVERY_NS
        self._set_due()

    @property
    def seq(self) -> int:
        """The last position folded."""
        return self._fold.last_seq

    @property
    def difference(self) -> Difference | None:
        return self._fold.difference

    @property
    def ended(self) -> bool:
        """Whether the session stopped in order, as far as it was read."""
        return self._fold.runtime.state.control.phase is SessionPhase.STOPPED

    def run(self, listen: Listen, node_lives: Callable[[], bool] = lambda: True) -> int:
        """Follow until the session is over or somebody says so; the exit code.

        ``node_lives`` is asked about once a second. A node that is gone ends it at once where the node started it
        (``GONE``), behind the last Event where it did not.
        """
        triggers.ignore()
        told, lives, asked_ns = Told.GO_ON, node_lives(), self._now_ns()
        while told is Told.GO_ON:
            if self._now_ns() - asked_ns >= REPORT_EVERY_NS:
                lives, asked_ns = node_lives(), self._now_ns()
            told = self.advance(listen)
            if self.difference is not None:
                return EXIT_DIFFERENT
            if self.ended or not lives:
                break
            if told is Told.GO_ON:
                told = listen(POLL_S)
        if told is Told.STOP:
            self.advance(lambda _: Told.GO_ON)
        if told is not Told.GONE and self.difference is None:
            self._finish()
        return EXIT_OVER if self.difference is None else EXIT_DIFFERENT

    def advance(self, listen: Listen = lambda _: Told.GO_ON) -> Told:
        """One pass over what is there now. It ends early where ``listen`` says that the node is gone."""
        self._refresh()
        for count, record in enumerate(self._reader.records(self.seq + 1), 1):
            if self._is_due(record.ts) and record.origin is Origin.INPUT and self._fold.ends_whole():
                self.write_snapshot()
            if not self._fold.take(record):
                self._tell_difference()
                return Told.GO_ON
            if count % LOOK_EVERY == 0:
                self._report_position(None)
                if (told := listen(0.0)) is not Told.GO_ON:
                    return told
        if not self._fold.ends_whole():
            self._tell_difference()
            return Told.GO_ON
        if self.seq > self.snapshot_seq and self._is_due(self._fold.last_ts):
            self.write_snapshot()
        self._report_position(0)
        return Told.GO_ON

    def write_snapshot(self) -> None:
        """Write State down, if it can be, and go on from what was written. Only at a whole position.

        A disk that refuses, or a memory that cannot be written, is told; the next attempt is when the next is due.
        """
        began_ns, seq = self._now_ns(), self.seq
        self._set_due()
        try:
            snapshot = self._replace_fold()
            failpoint("follower.before_snapshot")
            write_snapshot(self._sessions, snapshot)
            self._prune()
        except JournalError as error:
            self._report(Trouble(str(error)))
        except OSError as error:
            self._report(Trouble(f"the snapshot after seq {seq} cannot be kept: {error.strerror or error}"))
        else:
            self.snapshot_seq = seq
            elapsed_ms = (self._now_ns() - began_ns) // 1_000_000
            self._report(SnapshotWritten(seq, snapshot.digest, len(snapshot.state), elapsed_ms))
        now_ns = self._now_ns()
        self._rests_until_ns = now_ns + REST_FACTOR * (now_ns - began_ns)

    def _prune(self) -> None:
        """All but the newest snapshots, and what a sink goes on from: of sinks that are not known, any may."""
        session, sinks = self.header.session, self._sinks
        shipped = 0 if sinks is None else shipped_to_all(self._sessions, session, sinks)
        needed = goes_on_behind(self._sessions, session, shipped)
        prune_snapshots(self._sessions, session, self._settings.keep, needed)

    def close(self) -> None:
        """Idempotent."""
        self._reader.close()

    def _replace_fold(self) -> Snapshot:
        """State as a snapshot, and from here on a fold over a Core that knows nothing but that."""
        snapshot = snapshot_of(self._fold.runtime.state, self.header, self.seq)
        strategy = self._fresh_strategy(self._configuration)
        state = restored(snapshot, self.header, type(strategy.memory))
        if state is None:
            raise JournalError(
                f"State after seq {snapshot.seq} does not come back as it was: the annotations of the Strategy's "
                "memory must say what is in it"
            )
        self._fold = Refold(CoreRuntime(self._configuration, strategy, state))
        self._fold.last_seq = snapshot.seq
        return snapshot

    def _refresh(self) -> None:
        """New segments. A sealed one that was read to its end is let go, so that its space can be freed, and so is one
        that was set aside and begun anew under the same name."""
        self._reader.refresh()
        newest = self._reader.segments[-1]
        before, self._newest = self._newest, (newest, _file_of(newest))
        if self._newest != before and self.seq + 1 >= first_seq_of(newest):
            self._reader.close()

    def _is_due(self, ts: int) -> bool:
        if not self._due_ts:
            self._due_ts = ts + self._settings.snapshot_every_ns
        return (ts >= self._due_ts or self.seq >= self._due_seq) and self._now_ns() >= self._rests_until_ns

    def _set_due(self) -> None:
        """The next snapshot, counted from here; at the very start from the first Event."""
        self._due_seq = self.seq + self._settings.snapshot_every_events
        self._due_ts = self._fold.last_ts + self._settings.snapshot_every_ns if self._fold.last_ts else 0

    def _finish(self) -> None:
        """The last snapshot, and where it all ended."""
        if self.seq > self.snapshot_seq:
            self.write_snapshot()
        self._report(PositionReached(self.seq, self._fold.last_ts, 0))

    def _report_position(self, behind: int | None) -> None:
        """About once a second; ``behind`` None: not known yet."""
        now_ns = self._now_ns()
        if now_ns - self._reported_ns >= REPORT_EVERY_NS:
            self._reported_ns = now_ns
            if behind is None:
                behind = max(self._reader.last_seq() - self.seq, 0)
            self._report(PositionReached(self.seq, self._fold.last_ts, behind))

    def _tell_difference(self) -> None:
        difference = self._fold.difference
        assert difference is not None
        self._report(
            DifferenceFound(difference.seq, _name(difference.journalled), _name(difference.replayed))
        )

    def _fresh_strategy(self, configuration: Configuration) -> Strategy:
        return fresh_strategy(self.header, configuration)


def fresh_strategy(header: SegmentHeader, configuration: Configuration) -> Strategy:
    """The session's strategy in a module of its own, so that not even a global of its module is remembered.

    The installed one where it is the same and the archived source alone cannot be loaded: it imports from its package.
    """
    path, parameters = configuration.strategy.path, configuration.strategy.parameters
    try:
        return load_archived_strategy(header.strategy_source, path, parameters)
    except LivestackError:
        raise
    except Exception:
        if source_digest(strategy_source(path)) != header.strategy_digest:
            raise
        return load_strategy(path, parameters)


def _file_of(segment: Path) -> int:
    """What tells its data file from another one under the same name; 0 while there is none."""
    try:
        return (segment / DATA_NAME).stat().st_ino
    except FileNotFoundError:
        return 0


def _name(event: object) -> str:
    return "" if event is None else type(event).__name__
