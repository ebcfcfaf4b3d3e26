"""The read side: one session's records in order, across its segments, while it is being written or long after.

Read transactions are short: some thousand records are copied, the transaction is closed, then they are handed out, so
that a slow consumer never holds pages that the writer could reuse. Every record's checksum and ``seq`` are checked on
the way; the hash chain on request. A segment is verified structurally *before* it is opened unless its writer is alive:
a bad page makes liblmdb end the process (reliability.md section 2). Any one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import lmdb

from livestack.core.events import Recorded
from livestack.exceptions import JournalDamagedError, JournalError, JournalFormatError
from livestack.journal.clean import DATA_NAME, is_clean, marked_end
from livestack.journal.format import (
    CHAIN,
    EVENTS,
    HEADER_KEY,
    META,
    SegmentHeader,
    decode_header,
    decode_record,
    extend_chain,
    key_of,
    seq_of,
    start_chain,
)
from livestack.journal.segment import LOCK_NAME, MAP_SIZE, READERS_MAX, first_seq_of, segments_of
from livestack.journal.structure import verify as _verify
from livestack.journal.structure import verify_part as _verify_part

COPY_MAX = 2_000
"""Records copied in one read transaction: about a millisecond, far below what makes a writer grow its file."""

COPY_BYTES_MAX = 4 << 20
"""Their size: snapshots of deep books are large, and memory must not depend on what a journal holds."""

NEWEST = 10
"""More than the Core derives from a session's end."""

SEQ_MAX = 2**64 - 1


class JournalReader:
    """One session's journal. ``live``: its writer may be running, so the newest segment changes while it is read.

    ``sparing``: of each segment only the structure of what is read is verified, each time that more of it is.
    A segment holds its part up to where the next one begins. What a failed commit may have left behind that was
    written again into the next one, and is not looked at here. Environments of segments that were passed are closed.
    """

    def __init__(self, segments: list[Path], live: bool, sparing: bool = False) -> None:
        self._segments = segments
        self._live = live
        self._sparing = sparing
        self._verified: dict[Path, int] = {}
        self._environments: dict[Path, lmdb.Environment] = {}
        try:
            self.header = self._header(segments[0])
        except BaseException:
            self.close()  # a refused journal must not stay open: it could not be opened again
            raise

    @classmethod
    def open(cls, sessions: Path, session: str, live: bool = False) -> JournalReader:
        """``JournalFormatError`` where there is no such journal or it is not ours."""
        segments = segments_of(sessions, session)
        if not segments:
            raise JournalFormatError(f"{sessions / session / 'journal'} holds no journal segment")
        return cls(segments, live)

    @property
    def segments(self) -> tuple[Path, ...]:
        """Oldest first."""
        return tuple(self._segments)

    def refresh(self) -> None:
        """Take note of segments that a live writer began meanwhile."""
        journal = self._segments[0].parent
        self._segments = segments_of(journal.parent.parent, journal.parent.name) or self._segments
        for segment in list(self._environments):
            self._passed(segment)

    def records(self, from_seq: int | None = None, to_seq: int | None = None) -> Iterator[Recorded]:
        """Records from ``from_seq`` (None: the oldest) to ``to_seq`` (None: what is there), in order, without a gap."""
        expected = self.header.first_seq if from_seq is None else from_seq
        for segment, bound in self._parts(expected, SEQ_MAX if to_seq is None else to_seq):
            with self._environment(segment, expected) as environment:
                upto = bound if to_seq is None else min(bound, to_seq)
                for key, frame in _copy(environment, EVENTS, expected, upto):
                    seq = seq_of(key)
                    if seq != expected:
                        raise JournalDamagedError(str(segment), expected, f"is missing; seq {seq} follows")
                    yield decode_record(seq, frame, str(segment))
                    expected += 1
            self._passed(segment)

    def last_seq(self) -> int:
        """The newest position, 0 in an empty journal."""
        return self._tail(CHAIN)[0]

    def newest(self) -> list[Recorded]:
        """The last records: enough to see how a session ended."""
        last_seq = self.last_seq()
        return list(self.records(max(last_seq - NEWEST, self.header.first_seq), last_seq))

    def tail(self) -> tuple[int, bytes]:
        """The newest commit: its last position and the chain's link there; what a writer goes on from.

        ``JournalDamagedError`` where a record stands behind the last commit.
        """
        return self._tail(EVENTS)

    def _tail(self, database: bytes) -> tuple[int, bytes]:
        for segment, bound in reversed(list(self._parts(0, SEQ_MAX))):
            behind = min(bound + 1, SEQ_MAX)
            with self._environment(segment, behind) as environment:
                last_event, last_link = _last_keys(environment)
                if database is EVENTS and last_event != last_link:
                    raise JournalDamagedError(
                        str(segment), seq_of(last_event), "is in no commit of the hash chain"
                    )
                if (found := _link_before(environment, behind)) is not None:
                    return found
        return self.header.first_seq - 1, self.header.previous_chain

    def link_at(self, seq: int) -> bytes | None:
        """The link of the newest commit up to ``seq``, None where it is gone; also while records are handed out."""
        for segment, bound in reversed(list(self._parts(0, seq))):
            behind, was_open = min(seq, bound) + 1, segment in self._environments
            with self._environment(segment, behind) as environment:
                found = _link_before(environment, behind)
            if not was_open:
                self._passed(segment)
            if found is not None:
                return found[1]
        header = self._header(self._segments[0])
        return header.previous_chain if header.first_seq <= seq + 1 else None

    def verify_chain(self, to_seq: int = SEQ_MAX, progress: Callable[[int], None] = lambda seq: None) -> int:
        """Check every record and every link of the hash chain up to the commit of ``to_seq``; the number of records.

        Errors as of :meth:`commits`. ``progress`` hears of positions passed.
        """
        count = 0
        for records in self.commits():
            count += len(records)
            progress(records[-1].seq)
            if records[-1].seq >= to_seq:
                break
        return count

    def commits(self, from_seq: int | None = None) -> Iterator[list[Recorded]]:
        """What was committed together, from ``from_seq`` (None: the oldest); each commit is checked, then handed out.

        The chain is checked from the last link before ``from_seq``, which is believed. ``JournalDamagedError`` names
        the segment and the first ``seq`` that is not what was written.
        """
        first = self.header.first_seq if from_seq is None else from_seq
        at: tuple[int, bytes] | None = None
        for segment, bound in self._parts(first, SEQ_MAX):
            header, start = self._header_and_start(segment)
            if at is not None and (header.first_seq, header.previous_chain) != (at[0] + 1, at[1]):
                raise JournalDamagedError(str(segment), at[0] + 1, "does not continue what comes before it")
            with self._environment(segment, first) as environment:
                for link, records in _checked(
                    environment, segment, (header.first_seq - 1, start), first, bound
                ):
                    at = link
                    if records:
                        yield records
            self._check_end(segment, at, bound)
            self._passed(segment)

    def _parts(self, from_seq: int, to_seq: int) -> Iterator[tuple[Path, int]]:
        """The segments that may hold something of ``from_seq`` to ``to_seq``, each with its last position."""
        segments = self._segments
        for number, segment in enumerate(segments):
            following = first_seq_of(segments[number + 1]) if number + 1 < len(segments) else SEQ_MAX + 1
            if following > from_seq and (first_seq_of(segment) <= to_seq or number == 0):
                yield segment, following - 1

    def _check_end(self, segment: Path, at: tuple[int, bytes] | None, bound: int) -> None:
        """A segment that its writer closed in order reaches as far as it said then."""
        end = marked_end(segment)
        newest = self._live and segment == self._segments[-1]
        if end is not None and at is not None and not newest and (at[0] < min(end[0], bound)):
            raise JournalDamagedError(
                str(segment), at[0] + 1, f"is missing: its writer ended with seq {end[0]}"
            )

    def check_header(self, segment: Path) -> None:
        """``JournalFormatError`` or ``JournalDamagedError`` where ``segment`` is not one of this session."""
        self._header(segment)

    def header_of(self, segment: Path) -> SegmentHeader:
        """What stands at the head of ``segment``; errors as of :meth:`check_header`."""
        return self._header(segment)

    def _header(self, segment: Path) -> SegmentHeader:
        return self._header_and_start(segment)[0]

    def _header_and_start(self, segment: Path) -> tuple[SegmentHeader, bytes]:
        """A segment's header, which says where it belongs, and what its first commit extends."""
        with self._environment(segment, SEQ_MAX) as environment:
            meta, data = _database(environment, META), None
            if meta is not None:
                with environment.begin(db=meta) as transaction:
                    data = transaction.get(HEADER_KEY)
            header = decode_header(data, str(segment))
        if header.first_seq != first_seq_of(segment):
            raise JournalDamagedError(str(segment), header.first_seq, "is under another segment's name")
        if header.session != segment.parent.parent.name:
            raise JournalFormatError(
                f"{segment} belongs to session {header.session}: keep copies outside of the sessions directory"
            )
        return header, start_chain(header, data or b"")

    def _passed(self, segment: Path) -> None:
        """Every environment reserves address space: only the newest stays open."""
        if segment != self._segments[-1] and segment in self._environments:
            self._environments.pop(segment).close()
            self._verified.pop(segment, None)

    def let_go(self) -> None:
        """Close what is open, for the memory that its pages take; what was verified stays so. Nobody may be reading."""
        for environment in self._environments.values():
            environment.close()
        self._environments = {}

    def close(self) -> None:
        """Idempotent. An environment may be open once in a process: close before another reader opens."""
        self.let_go()
        self._verified = {}

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def is_verified(self, segment: Path) -> bool:
        """Whether the structure of all of ``segment`` was verified, and it is still open since."""
        return self._verified.get(segment) == 0

    @contextmanager
    def _environment(self, segment: Path, from_seq: int = 0) -> Iterator[lmdb.Environment]:
        """``segment`` for reading its header, its newest position, and what was committed from ``from_seq`` on."""
        try:
            self._ensure_verified(segment, from_seq)
            if segment not in self._environments:
                self._environments[segment] = self._open(segment)
            yield self._environments[segment]
        except lmdb.Error as error:
            raise JournalError(f"reading {segment} failed: {error}") from error

    def _ensure_verified(self, segment: Path, from_seq: int) -> None:
        """Have the structure of what is going to be read verified, if it is not yet."""
        from_seq = from_seq if self._sparing and from_seq > first_seq_of(segment) else 0
        if self._verified.get(segment, SEQ_MAX + 1) <= from_seq:
            return
        _look_at_file(segment)
        if self._live and (segment == self._segments[-1] or is_clean(segment)):
            from_seq, problems = 0, ""  # nothing but its writer touched it
        else:
            problems = _verify_part(segment, from_seq) if from_seq else _verify(segment)
        if problems:
            raise JournalDamagedError(str(segment), 0, problems)
        self._verified[segment] = from_seq

    def _open(self, segment: Path) -> lmdb.Environment:
        try:
            environment = lmdb.open(
                str(segment),
                readonly=True,
                create=False,
                lock=self._live or (segment / LOCK_NAME).exists(),  # a look must not make one
                max_dbs=8,
                map_size=MAP_SIZE,
                max_readers=READERS_MAX,
                readahead=False,
                lib_version=0,
            )
            environment.reader_check()  # a reader that died would hold its pages for ever
            return environment
        except lmdb.Error as error:
            raise JournalFormatError(
                f"{segment} cannot be opened as a journal segment: {error} "
                "(a reader needs to read its data.mdb and to write its lock.mdb)"
            ) from error


def _look_at_file(segment: Path) -> None:
    """Whether its file is there, and ours to read."""
    try:
        (segment / DATA_NAME).open("rb").close()
    except FileNotFoundError:
        if segment.is_dir():
            raise JournalDamagedError(str(segment), first_seq_of(segment), f"has no {DATA_NAME}") from None
        raise JournalFormatError(f"{segment} was removed while it was to be read") from None
    except OSError as error:
        raise JournalFormatError(f"{segment} cannot be read: {error.strerror}") from None


def _database(environment: lmdb.Environment, name: bytes) -> Any:
    """A named database; None where the writer died before it was made."""
    try:
        return environment.open_db(name, create=False)
    except lmdb.NotFoundError:
        return None


def _last_keys(environment: lmdb.Environment) -> tuple[bytes, bytes]:
    """Last key of the records and of the chain, b"" where there is none; both of the same moment."""
    handles = [_database(environment, name) for name in (EVENTS, CHAIN)]
    keys = []
    with environment.begin() as transaction:
        for handle in handles:
            cursor = transaction.cursor(handle) if handle is not None else None
            keys.append(cursor.key() if cursor is not None and cursor.last() else b"")
    return keys[0], keys[1]


def _checked(
    environment: lmdb.Environment, segment: Path, start: tuple[int, bytes], from_seq: int, bound: int
) -> Iterator[tuple[tuple[int, bytes], list[Recorded]]]:
    """``(last seq, link), records`` of each commit up to ``bound``; the first is ``start`` or the last link before
    ``from_seq``, without records.

    What a live writer adds meanwhile is left for the next look.
    """
    last_event, last_link = _last_keys(environment)
    if last_event > last_link and bound == SEQ_MAX:
        raise JournalDamagedError(str(segment), seq_of(last_event), "is in no commit of the hash chain")
    seq, chain = _link_before(environment, from_seq) or start
    yield (seq, chain), []
    last = min(seq_of(last_link), bound)
    frames = _copy(environment, EVENTS, seq + 1, last)
    for key, link in _copy(environment, CHAIN, seq + 1, last):
        group: list[bytes] = []
        records: list[Recorded] = []
        while seq < seq_of(key):
            seq += 1
            frame_key, frame = next(frames, (b"", b""))
            if frame_key != key_of(seq):
                raise JournalDamagedError(str(segment), seq, "is missing")
            if seq >= from_seq:
                records.append(decode_record(seq, frame, str(segment)))
            group.append(frame)
        chain = extend_chain(chain, group)
        if chain != link:
            raise JournalDamagedError(str(segment), seq, "the hash chain is broken at this commit")
        yield (seq, chain), records


def _link_before(environment: lmdb.Environment, seq: int) -> tuple[int, bytes] | None:
    """The last commit that ends before ``seq``: its last position and link."""
    handle = _database(environment, CHAIN)
    if handle is None:
        return None
    with environment.begin(db=handle) as transaction, transaction.cursor() as cursor:
        found = cursor.prev() if cursor.set_range(key_of(seq)) else cursor.last()
        return (seq_of(cursor.key()), cursor.value()) if found else None


def _copy(
    environment: lmdb.Environment, database: bytes, from_seq: int, to_seq: int
) -> Iterator[tuple[bytes, bytes]]:
    """Pairs from ``from_seq`` to ``to_seq``, copied in short transactions."""
    handle = _database(environment, database)
    if handle is None:
        return
    while from_seq <= to_seq:
        pairs, size = [], 0
        with environment.begin(db=handle) as transaction, transaction.cursor() as cursor:
            if not cursor.set_range(key_of(from_seq)):
                return
            for pair in cursor.iternext():
                if seq_of(pair[0]) > to_seq:
                    break
                pairs.append(pair)
                size += len(pair[1])
                if len(pairs) == COPY_MAX or size >= COPY_BYTES_MAX:
                    break
        if not pairs:
            return
        yield from pairs
        from_seq = seq_of(pairs[-1][0]) + 1
