"""From a Core's State to a snapshot file, and the one snapshot of a session that has no follower.

Any one thread; the State must not change meanwhile.
"""

from __future__ import annotations

from pathlib import Path

from livestack.core.runtime import SEMANTICS_VERSION, CoreRuntime
from livestack.core.state import State
from livestack.core.types import Origin
from livestack.exceptions import JournalError
from livestack.journal.format import SegmentHeader
from livestack.journal.reader import JournalReader
from livestack.journal.snapshots import SNAPSHOT_VERSION, Snapshot, write_snapshot


def snapshot_of(state: State, header: SegmentHeader, seq: int) -> Snapshot:
    """``state`` as it is after position ``seq``, the last one derived from its last input.

    ``JournalError`` where the Strategy's memory has no canonical form.
    """
    try:
        content, digest = state.snapshot(), state.digest()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise JournalError(
            f"State after seq {seq} cannot be written down: {type(error).__name__}: {error}"
        ) from error
    return Snapshot(
        version=SNAPSHOT_VERSION,
        session=header.session,
        seq=seq,
        ts=state.control.ts,
        semantics_version=SEMANTICS_VERSION,
        strategy_digest=header.strategy_digest,
        digest=digest,
        state=content,
    )


def snapshot_at_stop(sessions: Path, session: str, runtime: CoreRuntime) -> int:
    """Write ``runtime``'s State down where its journal ends; the position, or 0 where that is not its State.

    For a node without a follower, on its main thread, after every actor has stopped and the journal is closed (an
    LMDB environment may be open once in a process). It is 0 after a commit that failed: what the Core did then is not
    in the journal. ``OSError`` where the disk refuses, ``JournalError`` for a memory that cannot be written.
    """
    state = runtime.state
    with JournalReader.open(sessions, session, live=True) as reader:
        last_seq = reader.last_seq()
        if not 0 < state.control.seq <= last_seq:
            return 0
        newest, *behind = reader.records(state.control.seq, last_seq)
        ends_with_it = newest.origin is Origin.INPUT and newest.ts == state.control.ts
        if not ends_with_it or any(record.origin is not Origin.DERIVED for record in behind):
            return 0
        write_snapshot(sessions, snapshot_of(state, reader.header, last_seq))
    return last_seq
