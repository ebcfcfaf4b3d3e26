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
from livestack.core.runtime import SEMANTICS_VERSION, CoreRuntime
from livestack.core.strategy import Strategy
from livestack.exceptions import RecoveryError
from livestack.failpoints import failpoint
from livestack.journal.clean import DATA_NAME
from livestack.journal.format import SegmentHeader
from livestack.journal.quarantine import set_aside
from livestack.journal.reader import JournalReader
from livestack.journal.restoring import begin
from livestack.journal.segment import segments_of

EMPTY_BYTES_MAX = 1 << 20
"""A segment without a commit is some pages long."""


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
        fold, snapshot_seq = begin(sessions, header, last_seq, configuration, make_strategy)
        for records in reader.commits(fold.last_seq + 1):
            failpoint("recovery.in_fold")
            if not all(map(fold.take, records)):
                break
            progress(fold.last_seq, last_seq)
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


def set_aside_unfinished(sessions: Path, session: str) -> None:
    """Put last segments that hold no commit into quarantine: a writer died before it had written anything."""
    segments = segments_of(sessions, session)
    while segments and _is_unfinished(segments[-1]):
        set_aside(segments.pop(), "it holds no commit")


def _is_unfinished(segment: Path) -> bool:
    if (segment / DATA_NAME).stat().st_size > EMPTY_BYTES_MAX:
        return False
    with JournalReader([segment], live=False) as reader:
        return reader.tail()[0] < reader.header.first_seq
