"""From a snapshot beside a journal to a fold that goes on from it: what recovery, replay and every look back share.

A snapshot is believed only if it is whole, of this session and strategy, of these semantics, and restores to the digest
that it names. Whoever folds on from one passes over the derived Events right behind it: its State has them already.
Any one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from livestack.core.canonical import Packed
from livestack.core.configuration import Configuration
from livestack.core.projection import Projection
from livestack.core.refold import Refold
from livestack.core.runtime import SEMANTICS_VERSION, CoreRuntime
from livestack.core.state import State
from livestack.core.strategy import Strategy
from livestack.exceptions import RecoveryError
from livestack.journal.format import SegmentHeader
from livestack.journal.snapshots import SNAPSHOTS_NAME, Snapshot, read_snapshot, snapshot_path, snapshots

MakeStrategy = Callable[[Configuration], Strategy]
MakeRuntime = Callable[[Configuration, Strategy, State | None], CoreRuntime]


def begin(
    sessions: Path,
    header: SegmentHeader,
    last_seq: int,
    configuration: Configuration,
    make_strategy: MakeStrategy,
    make_runtime: MakeRuntime = CoreRuntime,
) -> tuple[Refold, int]:
    """A fold from the newest snapshot at or before ``last_seq`` that is what it says, or from the start; and that
    snapshot's position, 0 without one. ``RecoveryError`` where the journal begins later than both."""
    for snapshot in snapshots(sessions, header.session, last_seq, SEMANTICS_VERSION):
        if snapshot.seq + 1 < header.first_seq:
            break  # what lies between it and the journal is gone
        strategy = make_strategy(configuration)
        state = restored(snapshot, header, type(strategy.memory))
        if state is not None:
            return _behind(snapshot, make_runtime(configuration, strategy, state)), snapshot.seq
    if header.first_seq != 1:
        raise _begins_later(header)
    return Refold(make_runtime(configuration, make_strategy(configuration), None)), 0


def begin_at(
    sessions: Path,
    header: SegmentHeader,
    seq: int,
    configuration: Configuration,
    make_strategy: MakeStrategy,
    make_runtime: MakeRuntime = CoreRuntime,
) -> Refold | None:
    """A fold that goes on at exactly ``seq``: 1, or right behind a usable snapshot. None where there is none."""
    strategy = make_strategy(configuration)
    if seq == 1:
        return Refold(make_runtime(configuration, strategy, None))
    snapshot = read_snapshot(snapshot_path(sessions, header.session, seq - 1))
    expected = (header.session, seq - 1, SEMANTICS_VERSION)
    if snapshot is None or (snapshot.session, snapshot.seq, snapshot.semantics_version) != expected:
        return None
    state = restored(snapshot, header, type(strategy.memory))
    return None if state is None else _behind(snapshot, make_runtime(configuration, strategy, state))


def begin_projection(sessions: Path, header: SegmentHeader, seq: int) -> Projection:
    """A projection from the newest usable snapshot at or before ``seq``, or from the start. Its next record is
    ``last_seq + 1``. ``RecoveryError`` where the journal begins later than both, ``ConfigurationError`` where this
    program does not know the session's configuration. No strategy is loaded."""
    for snapshot in snapshots(sessions, header.session, seq, SEMANTICS_VERSION):
        if snapshot.seq + 1 < header.first_seq:
            break  # what lies between it and the journal is gone
        state = restored(snapshot, header, Packed)
        if state is not None:
            projection = Projection(state)
            projection.last_seq = snapshot.seq
            return projection
    if header.first_seq != 1:
        raise _begins_later(header)
    configuration = Configuration.from_plain(msgspec.json.decode(header.configuration), "journal header")
    return Projection(State.initial(configuration, None))


def _begins_later(header: SegmentHeader) -> RecoveryError:
    return RecoveryError(
        header.session, header.first_seq, "begins later, and no snapshot before it is usable"
    )


def _behind(snapshot: Snapshot, runtime: CoreRuntime) -> Refold:
    fold = Refold(runtime)
    fold.last_seq = snapshot.seq
    return fold


def restored(snapshot: Snapshot, header: SegmentHeader, memory_type: type) -> State | None:
    """The State of ``snapshot``; None where it is another strategy's, or not what its digest says. ``memory_type``
    ``Packed``: for somebody who has no Strategy and leaves its memory as it is."""
    if snapshot.strategy_digest != header.strategy_digest:
        return None
    try:
        state = State.restore(snapshot.state, memory_type)
        return state if state.digest() == snapshot.digest else None
    except Exception:  # noqa: BLE001 - bytes of another program: an older snapshot, or the journal, takes its place
        return None


def snapshot_positions(sessions: Path, session: str) -> list[int]:
    """Where snapshots stand, oldest first; whether they are any good is not looked at."""
    directory = sessions / session / SNAPSHOTS_NAME
    if not directory.is_dir():
        return []
    return sorted(int(path.name) for path in directory.iterdir() if path.name.isdigit())
