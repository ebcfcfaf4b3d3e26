"""Replay: feed a journal's INPUT Events to the same Core and compare every DERIVED Event and Checkpoint digest.

Strategy, risk and execution control run again; nothing is dispatched. Where the journal begins later than its session,
or has a hole, the fold begins again behind the next usable snapshot: what was replayed is said, and what was not.
Memory does not depend on the journal's length. Runs on the caller's thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from livestack.core.configuration import Configuration
from livestack.core.events import Recorded, SessionStopped
from livestack.core.refold import Difference, Refold
from livestack.core.runtime import SEMANTICS_VERSION
from livestack.core.state import State
from livestack.core.strategy import Strategy
from livestack.core.types import Origin
from livestack.exceptions import JournalError
from livestack.journal.format import SegmentHeader, source_digest
from livestack.journal.reader import SEQ_MAX, JournalReader
from livestack.journal.restoring import begin_at, snapshot_positions
from livestack.journal.salvage import Gap, open_readable, salvage
from livestack.journal.segment import first_seq_of
from livestack.journal.snapshots import snapshots
from livestack.strategies.loading import load_archived_strategy, load_strategy, strategy_source

PROGRESS_EVERY = 5_000
"""Events between two looks of a progress bar: often enough for the eye, rare enough to cost nothing."""

Progress = Callable[[int], None]


class ReplayResult(msgspec.Struct, frozen=True):
    """What a replay found. It ends at the first difference.

    ``complete``: from the session's first Event to its last one. ``comparable`` is False for a journal written under
    other semantics of the Core: then it is not called identical, and no difference is claimed. ``identical`` is said of
    ``replayed``, ranges of positions, and never of a damaged journal; ``not_replayed`` are those before, between and
    behind them (None: nobody knows how far). ``chain_ok`` covers the commits from the first range to the last.
    """

    session: str
    from_seq: int
    complete: bool
    comparable: bool
    events: int
    derived: int
    identical: bool
    first_difference: Difference | None
    digest: str
    events_per_s: int
    chain_ok: bool
    damage: str = ""
    replayed: list[tuple[int, int]] = []
    not_replayed: list[tuple[int, int | None]] = []


def replay(
    reader: JournalReader, to_seq: int | None = None, progress: Progress = lambda seq: None
) -> ReplayResult:
    """Replay ``reader``'s session up to ``to_seq`` (None: to its end). ``progress`` hears of positions passed."""
    return Replay(reader).run(to_seq, progress)


class Replay:
    """One replay; :attr:`state` can be looked at on the way and afterwards.

    ``start``: a fold to go on from, instead of the session's start. ``live``: the session's writer may be running.
    ``gaps``: what is known not to be readable before the reader begins.
    """

    def __init__(
        self,
        reader: JournalReader,
        *,
        start: Refold | None = None,
        live: bool = False,
        gaps: Sequence[Gap] = (),
    ) -> None:
        self.reader = reader
        self._live = live
        self._header = header = reader.header
        self._sessions = reader.segments[0].parent.parent.parent
        self._configuration = configuration_of(header)
        self._comparable = header.semantics_version == SEMANTICS_VERSION
        self._fold = self._started = start
        self._position = header.first_seq if start is None else start.last_seq + 1
        self._difference: Difference | None = None
        self._events = self._derived = 0
        self._gaps = list(gaps)
        self._ranges: list[tuple[int, int]] = []
        self._first = 0
        self._began_ns = time.perf_counter_ns()
        self._digest = ""
        self.ended = False
        """Whether the session's orderly end was passed."""

    @property
    def state(self) -> State | None:
        """As of the last record passed; None where nothing could be replayed yet."""
        return None if self._fold is None else self._fold.runtime.state

    @property
    def last_seq(self) -> int:
        """The last position passed."""
        return 0 if self._fold is None else self._fold.last_seq

    @property
    def first_seq(self) -> int:
        """Where reading begins, or goes on."""
        return self._position

    @property
    def events(self) -> int:
        """How many were replayed so far, :attr:`derived` of them decisions."""
        return self._events + (0 if self._fold is None else self._fold.events)

    @property
    def derived(self) -> int:
        return self._derived + (0 if self._fold is None else self._fold.derived)

    def is_same(self) -> bool:
        """Whether everything so far came out as it is recorded, by a Core of the same semantics."""
        return self._comparable and self._difference is None and not self._gaps

    @property
    def difference(self) -> Difference | None:
        return self._difference

    def run(self, to_seq: int | None = None, progress: Progress = lambda seq: None) -> ReplayResult:
        """Go through the journal once."""
        for passed, record in enumerate(self.records(to_seq), 1):
            if passed % PROGRESS_EVERY == 0:
                progress(record.seq)
        return self.result(to_seq)

    def follow(
        self, is_running: Callable[[], bool], wait: Callable[[], bool], progress: Progress = lambda seq: None
    ) -> ReplayResult:
        """Go on with what the writer adds, until the session or its writer ends, something differs or ``wait`` says
        False. ``wait`` returns when it is time to look again; ``progress`` hears of every position."""
        while True:
            running = is_running()
            for record in self.records():
                progress(record.seq)
            if not running or self._is_over() or not wait():
                break
            self.reader.refresh()
        return self.result(None if self.ended else self.last_seq)

    def _is_over(self) -> bool:
        return self.ended or self._difference is not None

    def records(self, to_seq: int | None = None) -> Iterator[Recorded]:
        """Each record after it was replayed and found the same; ends at the first difference.

        Called again, it goes on where the last call ended, with what the writer added since.
        """
        starts = set(snapshot_positions(self._sessions, self._header.session))
        for item in salvage(self.reader, self._position, to_seq):
            if isinstance(item, Gap):
                self._interrupt(item)
                continue
            self._position = item.seq + 1
            if self._fold is None and (item.seq == 1 or item.seq - 1 in starts):
                self._fold = self._start(item.seq)
            fold = self._fold
            if fold is None:
                continue
            if not fold.events and item.origin is Origin.DERIVED and item.seq != 1:
                fold.last_seq = item.seq  # of the Event at the snapshot, whose State has it already
                continue
            self._first = self._first or item.seq
            if not fold.take(item):
                self._difference = fold.difference
                return
            if type(item.event) is SessionStopped:
                self.ended = True
            yield item

    def _start(self, seq: int) -> Refold | None:
        return begin_at(
            self._sessions, self._header, seq, self._configuration, lambda one: strategy_of(self._header, one)
        )

    def _interrupt(self, gap: Gap) -> None:
        """What lies behind a gap is another fold's."""
        self._gaps.append(gap)
        self._position = (gap.last_seq or gap.first_seq) + 1
        self._close_range()
        self._fold = None

    def _close_range(self) -> None:
        fold = self._fold
        if fold is None:
            return
        self._digest = fold.runtime.state.digest()
        self._events += fold.events
        self._derived += fold.derived
        if fold.events:
            self._ranges.append((self._first, fold.last_seq))
        self._first = 0

    def result(self, to_seq: int | None = None, check_chain: bool = True) -> ReplayResult:
        """What was found. Ends the replay; call it once."""
        if self._fold is None and self._header.first_seq == 1 and not self._gaps:
            self._fold = self._start(1)  # an empty journal
        fold = self._fold
        if fold is not None and to_seq is None and not fold.ends_whole():
            self._difference = fold.difference
        self._close_range()
        elapsed_ns = max(time.perf_counter_ns() - self._began_ns, 1)
        damage = [gap.damage for gap in self._gaps]
        broken = self._broken_chain(to_seq) if check_chain and not damage else ""
        damage += [broken] if broken else []
        chain_ok = not damage
        if not self._ranges and self._started is None and self._header.first_seq != 1:
            damage.append(
                f"nothing was replayed: the journal begins at seq {self._header.first_seq}, and no snapshot at or "
                f"behind the one before it is usable"
            )
        missing = self._not_replayed(to_seq)
        whole = to_seq is None and (self.ended or not self._live)
        same = self._comparable and self._difference is None and not damage
        return ReplayResult(
            session=self._header.session,
            from_seq=self._from_seq(),
            complete=whole and not missing and not damage and self._difference is None,
            comparable=self._comparable,
            events=self._events,
            derived=self._derived,
            identical=same,
            first_difference=self._difference if self._comparable else None,
            digest=self._digest,
            events_per_s=self._events * 1_000_000_000 // elapsed_ns,
            chain_ok=chain_ok,
            damage="; ".join(damage),
            replayed=self._ranges,
            not_replayed=missing,
        )

    def _from_seq(self) -> int:
        if self._ranges:
            return self._ranges[0][0]
        return self._header.first_seq if self._started is None else self._started.last_seq + 1

    def _broken_chain(self, to_seq: int | None) -> str:
        """What is wrong with checksums and chain from the first replayed segment on; '' nothing."""
        last, first_seq = SEQ_MAX if to_seq is None else to_seq, self._header.first_seq
        segments = [one for one in self.reader.segments if first_seq_of(one) >= first_seq]
        try:
            if first_seq_of(self.reader.segments[0]) == first_seq:
                self.reader.verify_chain(last)
            elif segments:
                self.reader.close()  # an environment can be open once in a process
                with JournalReader(segments, self._live) as part:
                    part.verify_chain(last)
        except JournalError as error:
            return str(error)
        return ""

    def _not_replayed(self, to_seq: int | None) -> list[tuple[int, int | None]]:
        """The complement of what was replayed, as far as the journal reaches."""
        missing: list[tuple[int, int | None]] = []
        expected = 1
        for first, last in self._ranges:
            if first > expected:
                missing.append((expected, first - 1))
            expected = last + 1
        end = self._end(to_seq, expected)
        if end is None or end >= expected:
            missing.append((expected, end))
        return missing

    def _end(self, to_seq: int | None, expected: int) -> int | None:
        """The last position that there is to replay; None where that cannot be known."""
        if any(gap.last_seq is None for gap in self._gaps):
            return to_seq
        if self._live and self._ranges and not self._difference:
            return expected - 1  # what the writer adds meanwhile is left for the next look
        try:
            last_seq = self.reader.last_seq()
        except JournalError:
            return to_seq
        return last_seq if to_seq is None else min(last_seq, to_seq)


def open_replay(
    sessions: Path,
    session: str,
    *,
    live: bool = False,
    from_snapshot: bool = False,
    to_seq: int | None = None,
) -> Replay:
    """A Replay of what can be read of ``session``; its reader is the caller's to close.

    ``from_snapshot``: begin behind the newest usable snapshot that is not behind ``to_seq`` (None: that has something
    behind it), where there is one, and open no segment before it.
    """
    if from_snapshot:
        for snapshot in snapshots(
            sessions, session, SEQ_MAX if to_seq is None else to_seq, SEMANTICS_VERSION
        ):
            reader, gaps = open_readable(sessions, session, live, snapshot.seq + 1)
            header = reader.header
            last = reader.last_seq() if to_seq is not None else reader.last_seq() - 1
            if not gaps and header.first_seq <= snapshot.seq + 1 and snapshot.seq <= last:
                start = begin_at(
                    sessions,
                    header,
                    snapshot.seq + 1,
                    configuration_of(header),
                    lambda one, head=header: strategy_of(head, one),  # type: ignore[misc]
                )
                if start is not None:
                    return Replay(reader, start=start, live=live)
            reader.close()
    reader, gaps = open_readable(sessions, session, live)
    return Replay(reader, live=live, gaps=gaps)


def configuration_of(header: SegmentHeader) -> Configuration:
    """The Configuration with which the session began."""
    return Configuration.from_plain(msgspec.json.decode(header.configuration), "journal header")


def strategy_of(header: SegmentHeader, configuration: Configuration) -> Strategy:
    """The session's strategy: the installed one if its source is the archived one, else the archived source."""
    path, parameters = configuration.strategy.path, configuration.strategy.parameters
    try:
        unchanged = source_digest(strategy_source(path)) == header.strategy_digest
    except Exception:  # noqa: BLE001 - whatever keeps the installed one from loading
        unchanged = False
    if unchanged:
        return load_strategy(path, parameters)
    return load_archived_strategy(header.strategy_source, path, parameters)
