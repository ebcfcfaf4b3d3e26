"""Replay: feed a journal's INPUT Events to the same Core and compare every DERIVED Event and Checkpoint digest.

Strategy, risk and execution control run again; nothing is dispatched. Memory does not depend on the journal's length.
Runs on the caller's thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from livestack.core.configuration import Configuration
from livestack.core.refold import Difference, Refold
from livestack.core.runtime import SEMANTICS_VERSION, CoreRuntime
from livestack.core.state import State
from livestack.core.strategy import Strategy
from livestack.exceptions import JournalDamagedError
from livestack.journal.format import SegmentHeader, source_digest
from livestack.journal.reader import SEQ_MAX, JournalReader
from livestack.strategies.loading import load_archived_strategy, load_strategy, strategy_source

PROGRESS_EVERY = 5_000
"""Events between two looks of a progress bar: often enough for the eye, rare enough to cost nothing."""


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
        self._fold = Refold(CoreRuntime(configuration, strategy_of(header, configuration)))
        self._comparable = header.semantics_version == SEMANTICS_VERSION

    @property
    def state(self) -> State:
        return self._fold.runtime.state

    def run(
        self, to_seq: int | None = None, progress: Callable[[int], None] = lambda seq: None
    ) -> ReplayResult:
        """Go through the journal once; a damaged record ends it there, and is reported."""
        began_ns = time.perf_counter_ns()
        fold, damage = self._fold, ""
        try:
            for record in self._reader.records(1, to_seq):
                if not fold.take(record):
                    break
                if fold.events % PROGRESS_EVERY == 0:
                    progress(record.seq)
            if to_seq is None:
                fold.ends_whole()
            self._reader.verify_chain(SEQ_MAX if to_seq is None else to_seq)
        except JournalDamagedError as error:
            damage = str(error)
        elapsed_ns = max(time.perf_counter_ns() - began_ns, 1)
        return ReplayResult(
            session=self._reader.header.session,
            from_seq=1,
            complete=to_seq is None and not damage and fold.difference is None,
            comparable=self._comparable,
            events=fold.events,
            derived=fold.derived,
            identical=self._comparable and fold.difference is None and not damage,
            first_difference=fold.difference if self._comparable else None,
            digest=self.state.digest(),
            events_per_s=fold.events * 1_000_000_000 // elapsed_ns,
            chain_ok=not damage,
            damage=damage,
        )


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
