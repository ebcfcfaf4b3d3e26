"""From the journal of a session that did not stop in order back to a Core that can go on with it.

Main thread, before any actor starts. Verify, restore the newest usable snapshot, fold the rest of the journal with
every derived Event compared; nothing is dispatched here. What it cannot read or reproduce it does not guess: it says
so, and the session is left as it is. What lies before the snapshot is neither verified nor read: then the segment gets
no mark that spares others the check.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from livestack.core.configuration import Configuration
from livestack.core.runtime import SEMANTICS_VERSION, CoreRuntime
from livestack.core.strategy import Strategy
from livestack.exceptions import OtherSessionError, RecoveryError, UsageError
from livestack.failpoints import failpoint
from livestack.journal.clean import DATA_NAME, mark_clean
from livestack.journal.format import SegmentHeader
from livestack.journal.quarantine import set_aside
from livestack.journal.reader import JournalReader
from livestack.journal.restoring import begin
from livestack.journal.segment import first_seq_of, segments_of
from livestack.journal.snapshots import drop_snapshots_beyond


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
    accounts: tuple[str, ...] = (),
    progress: Callable[[int, int], None] = lambda seq, last_seq: None,
) -> Recovered | None:
    """Bring ``session`` back; None where it died before its first commit.

    ``make_strategy`` gives a fresh Strategy, ``accounts`` are the fingerprints of those that this run trades.
    ``JournalDamagedError`` names the segment and position that cannot be believed, ``RecoveryError`` the first position
    at which the Core decides otherwise than it is recorded, or that it was written under other semantics;
    ``OtherSessionError``: it began with another Configuration or strategy source; ``UsageError``: with other accounts.
    """
    began_ns = time.perf_counter_ns()
    reader = open_whole(sessions, session)
    if reader is None:
        return None
    with reader:
        header = reader.header
        _check(header, configuration.digest(), strategy_digest, accounts)
        last_seq, chain = reader.tail()
        drop_snapshots_beyond(sessions, session, last_seq)  # of Events that a power loss took
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
        if fold.last_seq != last_seq:
            raise RecoveryError(session, fold.last_seq + 1, f"cannot be read to its end, seq {last_seq}")
        newest = reader.segments[-1]
        sound = reader.is_verified(newest)
    if sound:
        mark_clean(newest, last_seq, chain)  # nobody writes to it any more
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


def _check(
    header: SegmentHeader, configuration_digest: str, strategy_digest: str, accounts: tuple[str, ...]
) -> None:
    """Whether this run may take the session up; errors as of :func:`recover`."""
    session = header.session
    if (header.configuration_digest, header.strategy_digest) != (configuration_digest, strategy_digest):
        raise OtherSessionError(session, 0, "began with another configuration or strategy")
    if header.accounts and header.accounts != accounts:
        raise UsageError(
            f"session {session} was interrupted while it traded another account, or the venue at another address: "
            "start with its key and address to take it up, or use another data directory"
        )
    if header.semantics_version != SEMANTICS_VERSION:
        raise RecoveryError(
            session, 0, f"was written under version {header.semantics_version} of the Core's semantics"
        )


def open_whole(sessions: Path, session: str) -> JournalReader | None:
    """The session's journal without last segments that hold no commit: their writer died before it had written
    anything, and they go into quarantine. None where nothing is left."""
    while segments := segments_of(sessions, session):
        _flush(segments[-1])
        reader = JournalReader(segments, live=False, sparing=True)
        try:
            reader.check_header(segments[-1])  # a segment is made whole: one without a header is not ours
            empty = first_seq_of(segments[-1]) > reader.tail()[0]
        except BaseException:
            reader.close()
            raise
        if not empty:
            return reader
        reader.close()
        set_aside(segments[-1], "it holds no commit")
    return None


def _flush(segment: Path) -> None:
    """What is read of it may still be on its way to the disk, and what comes after it must not overtake it."""
    file = os.open(segment / DATA_NAME, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
