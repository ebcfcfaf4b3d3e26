"""A fold that makes records: where it can begin, and what each record takes from the journal's header.

The shipper, ``records verify`` and the report derive records by this one way. Any one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from livestack.core.events import Recorded
from livestack.core.projection import Projection
from livestack.exceptions import RecoveryError
from livestack.journal.format import SegmentHeader
from livestack.journal.restoring import begin_projection, snapshot_positions
from livestack.storage.records import RecordFold, RecordOrigin
from livestack.storage.tables import Record


class TakeRecord(Protocol):
    """A fold: the records of each Event, in its order. ``enter``: the Events that follow are below ``header``."""

    def __call__(self, recorded: Recorded, /) -> list[Record]: ...

    def enter(self, header: SegmentHeader) -> None: ...


BeginFold = Callable[[Path, SegmentHeader, int], tuple[int, TakeRecord]]
"""From the journal's directory, its header and a position: where a fold at or before it begins, and the fold."""


class Deriving:
    """The real fold."""

    def __init__(self, header: SegmentHeader, projection: Projection) -> None:
        self._fold = RecordFold(origin_of(header), projection)

    def __call__(self, recorded: Recorded, /) -> list[Record]:
        return self._fold.take(recorded)

    def enter(self, header: SegmentHeader) -> None:
        self._fold.origin = origin_of(header)


def begin_fold(sessions: Path, header: SegmentHeader, seq: int) -> tuple[int, Deriving]:
    """A fold from the newest usable snapshot at or before ``seq``; ``RecoveryError`` where there is none any more."""
    projection = begin_projection(sessions, header, seq)
    return projection.last_seq, Deriving(header, projection)


def origin_of(header: SegmentHeader) -> RecordOrigin:
    """What records take from a journal's header."""
    return RecordOrigin(
        node=header.node,
        session=header.session,
        strategy=header.strategy_path,
        strategy_digest=header.strategy_digest,
        account_names=header.account_names,
        package_version=header.package_version,
        semantics_version=header.semantics_version,
        configuration=header.configuration,
    )


def begin_oldest(
    sessions: Path, header: SegmentHeader, begin: BeginFold = begin_fold
) -> tuple[int, TakeRecord]:
    """The fold that begins first: at the session's start, or behind the oldest snapshot that is of use.

    ``RecoveryError`` where the journal's beginning is gone and there is none.
    """
    if header.first_seq == 1:
        return begin(sessions, header, 0)
    for seq in snapshot_positions(sessions, header.session):
        if seq + 1 < header.first_seq:
            continue
        try:
            return begin(sessions, header, seq)
        except RecoveryError:
            continue
    raise RecoveryError(
        header.session, 0, f"begins at seq {header.first_seq}, and no snapshot at or behind it is usable"
    )
