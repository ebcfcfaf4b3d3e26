"""From the journal of a session that did not stop in order back to a Core that can go on with it.

Main thread, before any actor starts. Verify, restore the newest usable snapshot, fold the rest of the journal with
every derived Event compared; nothing is dispatched here. What it cannot read or reproduce it does not guess: it says
so, and the session is left as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from livestack.core.configuration import Configuration
from livestack.core.refold import Refold
from livestack.core.runtime import SEMANTICS_VERSION, CoreRuntime
from livestack.core.state import State
from livestack.core.strategy import Strategy
from livestack.exceptions import JournalFormatError, RecoveryError
from livestack.journal.clean import DATA_NAME
from livestack.journal.format import SegmentHeader
from livestack.journal.reader import JournalReader
from livestack.journal.snapshots import Snapshot, snapshots

PROGRESS_EVERY = 5_000
"""Events between two looks of a progress bar."""

UNFINISHED_PREFIX = "unfinished-"
"""What a segment is called that was begun and holds no commit: nothing is deleted."""


class Recovered(msgspec.Struct, frozen=True):
    """A Core as it was after the last durable Event, and where its journal goes on.

    ``snapshot_seq`` is 0 where no snapshot was used; ``events`` of the journal were folded in ``elapsed_ns``.
    """

    header: SegmentHeader
    runtime: CoreRuntime
    last_seq: int
    last_ts: int
    chain: bytes
    snapshot_seq: int
    events: int
    elapsed_ns: int


def recover(
    sessions: Path,
    session: str,
    configuration: Configuration,
    strategy_digest: str,
    make_strategy: Callable[[Configuration], Strategy],
    progress: Callable[[int, int], None] = lambda seq, last_seq: None,
) -> Recovered | None:
    """Bring ``session`` back; None where it began with another Configuration, or another strategy source.

    ``make_strategy`` gives a fresh Strategy. ``JournalDamagedError`` names the segment and position that cannot be
    believed, ``RecoveryError`` the first position at which the Core decides otherwise than it is recorded, or that it
    was written under other semantics.
    """
    began_ns = time.perf_counter_ns()
    set_aside_unfinished(sessions, session)
    with JournalReader.open(sessions, session) as reader:
        header = reader.header
        began_with = (header.configuration_digest, header.strategy_digest)
        if began_with != (configuration.digest(), strategy_digest):
            return None
        if header.semantics_version != SEMANTICS_VERSION:
            raise RecoveryError(
                session, 0, f"was written under version {header.semantics_version} of the Core's semantics"
            )
        last_seq, chain = reader.tail()
        fold, snapshot_seq = _begin(sessions, header, last_seq, configuration, make_strategy)
        for record in reader.records(fold.last_seq + 1):
            if not fold.take(record):
                break
            if fold.events % PROGRESS_EVERY == 0:
                progress(record.seq, last_seq)
        if not fold.ends_whole():
            difference = fold.difference
            assert difference is not None
            raise RecoveryError(session, difference.seq, "replays differently from what is recorded")
    return Recovered(
        header=header,
        runtime=fold.runtime,
        last_seq=fold.last_seq,
        last_ts=fold.last_ts,
        chain=chain,
        snapshot_seq=snapshot_seq,
        events=fold.events,
        elapsed_ns=time.perf_counter_ns() - began_ns,
    )


def _begin(
    sessions: Path,
    header: SegmentHeader,
    last_seq: int,
    configuration: Configuration,
    make_strategy: Callable[[Configuration], Strategy],
) -> tuple[Refold, int]:
    """A fold from the newest snapshot that is what it says, or from the start."""
    for snapshot in snapshots(sessions, header.session, last_seq, SEMANTICS_VERSION):
        strategy = make_strategy(configuration)
        state = _restored(snapshot, header, type(strategy.memory))
        if state is not None:
            return Refold(CoreRuntime(configuration, strategy, state)), snapshot.seq
    if header.first_seq != 1:
        raise RecoveryError(
            header.session, header.first_seq, "begins later, and no snapshot before it is usable"
        )
    return Refold(CoreRuntime(configuration, make_strategy(configuration))), 0


def _restored(snapshot: Snapshot, header: SegmentHeader, memory_type: type) -> State | None:
    """The State of ``snapshot``; None where it is another strategy's, or not what its digest says."""
    if snapshot.strategy_digest != header.strategy_digest:
        return None
    try:
        state = State.restore(snapshot.state, memory_type)
        return state if state.digest() == snapshot.digest else None
    except Exception:  # noqa: BLE001 - bytes of another program: an older snapshot, or the journal, takes its place
        return None


def set_aside_unfinished(sessions: Path, session: str) -> None:
    """Rename last segments that hold no commit: a writer died while it made them."""
    journal = sessions / session / "journal"
    segments = sorted(path for path in journal.glob("[0-9]*") if path.is_dir())
    while segments and _is_unfinished(segments[-1]):
        segment = segments.pop()
        segment.rename(segment.with_name(f"{UNFINISHED_PREFIX}{segment.name}-{time.time_ns()}"))


def _is_unfinished(segment: Path) -> bool:
    if not (segment / DATA_NAME).is_file():
        return True
    try:
        with JournalReader([segment], live=False) as reader:
            return reader.tail()[0] < reader.header.first_seq
    except JournalFormatError:
        return True  # an environment without a header
