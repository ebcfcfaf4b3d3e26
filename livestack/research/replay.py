"""Replay: feed a journal's INPUT Events to the same Core and compare every DERIVED Event and Checkpoint digest.

Strategy, risk and execution control run again; nothing is dispatched. Memory does not depend on the journal's length.
Runs on the caller's thread.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from livestack.core.configuration import Configuration
from livestack.core.events import Event, Recorded
from livestack.core.runtime import SEMANTICS_VERSION, CoreRuntime
from livestack.core.state import State
from livestack.core.strategy import Strategy
from livestack.core.types import Origin
from livestack.exceptions import JournalDamagedError
from livestack.journal.format import SegmentHeader, source_digest
from livestack.journal.reader import SEQ_MAX, JournalReader
from livestack.strategies.loading import load_archived_strategy, load_strategy, strategy_source

PROGRESS_EVERY = 5_000
"""Events between two looks of a progress bar: often enough for the eye, rare enough to cost nothing."""


class Difference(msgspec.Struct, frozen=True):
    """The first position at which journal and replay are not the same; None: nothing stands there on that side."""

    seq: int
    journalled: Event | None
    replayed: Event | None


class ReplayResult(msgspec.Struct, frozen=True):
    """What a replay found. It ends at the first difference.

    ``comparable`` is False for a journal written under other semantics of the Core: then it is not called identical,
    and no difference is claimed. ``chain_ok`` covers the commits up to the last position asked for.
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


def replay(
    reader: JournalReader, to_seq: int | None = None, progress: Callable[[int], None] = lambda seq: None
) -> ReplayResult:
    """Replay ``reader``'s session up to ``to_seq`` (None: to its end). ``progress`` hears of positions passed."""
    return Replay(reader).run(to_seq, progress)


class Replay:
    """One replay; :attr:`state` can be looked at afterwards."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        header = reader.header
        configuration = Configuration.from_plain(msgspec.json.decode(header.configuration), "journal header")
        self._runtime = CoreRuntime(configuration, strategy_of(header, configuration))
        self._comparable = header.semantics_version == SEMANTICS_VERSION
        self.events = 0
        self.derived = 0
        self.last_seq = 0
        self.difference: Difference | None = None

    @property
    def state(self) -> State:
        return self._runtime.state

    def run(
        self, to_seq: int | None = None, progress: Callable[[int], None] = lambda seq: None
    ) -> ReplayResult:
        """Go through the journal once; a damaged record ends it there, and is reported."""
        began_ns = time.perf_counter_ns()
        damage = ""
        try:
            left = self._compare(self._reader.records(1, to_seq), progress)
            if left and to_seq is None and self.difference is None:
                self._differs(self.last_seq + 1, None, left[0])
            self._reader.verify_chain(SEQ_MAX if to_seq is None else to_seq)
        except JournalDamagedError as error:
            damage = str(error)
        elapsed_ns = max(time.perf_counter_ns() - began_ns, 1)
        return ReplayResult(
            session=self._reader.header.session,
            from_seq=1,
            complete=to_seq is None and not damage and self.difference is None,
            comparable=self._comparable,
            events=self.events,
            derived=self.derived,
            identical=self._comparable and self.difference is None and not damage,
            first_difference=self.difference if self._comparable else None,
            digest=self.state.digest(),
            events_per_s=self.events * 1_000_000_000 // elapsed_ns,
            chain_ok=not damage,
            damage=damage,
        )

    def _compare(self, records: Iterator[Recorded], progress: Callable[[int], None]) -> deque[Event]:
        """Step through; returns DERIVED Events that the Core made and the journal does not have."""
        expected: deque[Event] = deque()
        for record in records:
            self.events += 1
            self.last_seq = record.seq
            if self.events % PROGRESS_EVERY == 0:
                progress(record.seq)
            if record.origin is Origin.DERIVED:
                self.derived += 1
                replayed = expected.popleft() if expected else None
                if replayed != record.event:
                    self._differs(record.seq, record.event, replayed)
                    return expected
                continue
            if expected:
                self._differs(record.seq, record.event, expected[0])
                return expected
            expected.extend(self._runtime.step(record.seq, record.ts, record.event).derived)  # type: ignore[arg-type]
        return expected

    def _differs(self, seq: int, journalled: Event | None, replayed: Event | None) -> None:
        self.difference = Difference(seq, journalled, replayed)


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
