"""A look at every segment and snapshot of one session: is each what was written? Never writes. Any one thread.

The hash chain is followed from segment to segment. Behind a damaged one it begins anew with what the next one's header
says, so that one bad segment does not hide what is wrong, or right, with the others.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from livestack.exceptions import JournalDamagedError, JournalError, JournalFormatError
from livestack.journal.clean import DATA_NAME, is_clean
from livestack.journal.quarantine import quarantined
from livestack.journal.reader import JournalReader
from livestack.journal.restoring import snapshot_positions
from livestack.journal.segment import first_seq_of, segments_of
from livestack.journal.snapshots import SNAPSHOTS_NAME, read_snapshot, snapshot_path

NOT_CONTINUED = "does not continue what comes before it"
"""What :meth:`JournalReader.verify_chain` says of a segment whose header is not the end of the one before."""


class Damage(msgspec.Struct, frozen=True):
    """``segment`` (a segment's or snapshot's name) is not what was written, first at ``seq`` (0: as a whole)."""

    segment: str
    seq: int
    what: str


class SegmentCheck(msgspec.Struct, frozen=True):
    """One segment. ``last_seq`` is the last position that was found good (``first_seq - 1``: none); ``clean``: its
    writer marked it as closed in order; ``snapshots``: positions inside it at which one stands."""

    segment: str
    first_seq: int
    last_seq: int
    bytes: int
    clean: bool
    ok: bool
    snapshots: list[int]


class Quarantined(msgspec.Struct, frozen=True):
    """A segment that failed its check earlier and was set aside, and why."""

    segment: str
    why: str


class JournalCheck(msgspec.Struct, frozen=True):
    """``events`` counts records that are as written, ``chain_ok`` says that their chain is whole from the first segment
    to the end. ``quarantined`` is what was set aside earlier: name and reason."""

    session: str
    segments: int
    events: int
    first_seq: int
    last_seq: int
    damaged: list[Damage]
    chain_ok: bool
    parts: list[SegmentCheck]
    snapshots: int
    quarantined: list[Quarantined]


def check_journal(
    sessions: Path, session: str, live: bool = False, progress: Callable[[int], None] = lambda seq: None
) -> JournalCheck:
    """Check ``session``; ``progress`` hears of positions passed. ``JournalFormatError`` where no segment is a journal's
    of ours, or there is none."""
    segments = segments_of(sessions, session)
    if not segments:
        JournalReader.open(sessions, session).close()  # says so
    found = _chain(segments, live, progress)
    segments = [one for one in segments if one.exists()]  # retention may have taken one meanwhile
    found = [(segment, error) for segment, error in found if segment in segments]
    foreign = [error for _, error in found if isinstance(error, JournalFormatError)]
    if foreign and len(foreign) == len(segments):
        raise foreign[0]
    positions = snapshot_positions(sessions, session)
    parts = [
        _part(segment, _inner(segment, found), segments[number + 1 : number + 2], positions)
        for number, segment in enumerate(segments)
    ]
    damaged = [
        Damage(segment.name, getattr(error, "seq", 0), getattr(error, "what", str(error)))
        for segment, error in found
    ]
    chain_ok = not damaged
    damaged += [
        Damage(f"{SNAPSHOTS_NAME}/{seq:020d}", seq, "is not whole, or of a newer format")
        for seq in positions
        if _is_bad(snapshot_path(sessions, session, seq))
    ]
    last_seq = max((part.last_seq for part in parts), default=0)
    if not live and chain_ok:
        damaged += [
            Damage(
                f"{SNAPSHOTS_NAME}/{seq:020d}",
                seq,
                f"stands behind the journal's end, seq {last_seq}: Events are missing",
            )
            for seq in positions
            if seq > last_seq
        ]
    return JournalCheck(
        session=session,
        segments=len(segments),
        events=sum(part.last_seq - part.first_seq + 1 for part in parts),
        first_seq=min((part.first_seq for part in parts), default=0),
        last_seq=last_seq,
        damaged=damaged,
        chain_ok=chain_ok,
        parts=parts,
        snapshots=len(positions),
        quarantined=[Quarantined(name, why) for name, why in quarantined(sessions, session)],
    )


def bytes_of(segment: Path) -> int:
    """The size of a segment's file; 0 where retention took it."""
    try:
        return (segment / DATA_NAME).stat().st_size
    except OSError:
        return 0


def _is_bad(snapshot: Path) -> bool:
    return read_snapshot(snapshot) is None and snapshot.exists()


def _chain(
    segments: list[Path], live: bool, progress: Callable[[int], None]
) -> list[tuple[Path, JournalError]]:
    """What is wrong with which segment, in order."""
    found: list[tuple[Path, JournalError]] = []
    number = 0
    while number < len(segments):
        try:
            with JournalReader(segments[number:], live) as reader:
                reader.verify_chain(progress=progress)
            return found
        except JournalError as error:
            place = _place(error, segments, number)
            found.append((segments[place], error))
            # One that only does not continue the one before is looked at by itself; a bad one is passed over.
            number = place if _breaks_before(error) and place > number else place + 1
    return found


def _place(error: JournalError, segments: list[Path], first: int) -> int:
    """The segment that ``error`` is about, from number ``first`` on."""
    sentence = error.path if isinstance(error, JournalDamagedError) else str(error)
    return next((at for at in range(first, len(segments)) if str(segments[at]) in sentence), first)


def _breaks_before(error: JournalError) -> bool:
    """A hole or a broken link in front of a segment, rather than something inside it."""
    return isinstance(error, JournalDamagedError) and error.what == NOT_CONTINUED


def _inner(segment: Path, found: list[tuple[Path, JournalError]]) -> JournalError | None:
    """What is wrong inside ``segment``."""
    return next((error for one, error in found if one == segment and not _breaks_before(error)), None)


def _part(
    segment: Path, error: JournalError | None, following: list[Path], positions: list[int]
) -> SegmentCheck:
    first = first_seq_of(segment)
    end = first_seq_of(following[0]) if following else None
    if isinstance(error, JournalDamagedError):
        last = max(error.seq, first) - 1
    else:
        last = _last_seq(segment, end) if error is None else first - 1
    return SegmentCheck(
        segment=segment.name,
        first_seq=first,
        last_seq=last,
        bytes=bytes_of(segment),
        clean=is_clean(segment),
        ok=error is None,
        snapshots=[seq for seq in positions if first <= seq + 1 and (end is None or seq + 1 < end)],
    )


def _last_seq(segment: Path, end: int | None) -> int:
    """The last position of a segment that was found good, up to where the next one begins."""
    with JournalReader([segment], live=True) as reader:  # its structure was verified a moment ago
        last = reader.last_seq()
    return last if end is None else min(last, end - 1)
