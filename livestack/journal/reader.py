"""The read side: one session's records in order, across its segments, while it is being written or long after.

Read transactions are short: some thousand records are copied, the transaction is closed, then they are handed out, so
that a slow consumer never holds pages that the writer could reuse. Every record's checksum and ``seq`` are checked on
the way; the hash chain on request. A segment is verified structurally *before* it is opened unless its writer is alive:
a bad page makes liblmdb end the process (reliability.md section 2). Any one thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import lmdb
from lmdb import verify

from livestack.core.events import Recorded
from livestack.exceptions import JournalDamagedError, JournalError, JournalFormatError
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
)
from livestack.journal.writer import MAP_SIZE, READERS_MAX

COPY_MAX = 2_000
"""Records copied in one read transaction: about a millisecond, far below what makes a writer grow its file."""


class JournalReader:
    """One session's journal. ``live``: its writer may be running, so the file changes while it is read."""

    def __init__(self, segments: list[Path], live: bool) -> None:
        self._segments = segments
        self._live = live
        self._environments: dict[Path, lmdb.Environment] = {}
        self.header = self._header(segments[0])

    @classmethod
    def open(cls, sessions: Path, session: str, live: bool = False) -> JournalReader:
        """``JournalFormatError`` where there is no such journal or it is not ours."""
        journal = sessions / session / "journal"
        segments = sorted(path for path in journal.glob("*") if (path / "data.mdb").is_file())
        if not segments:
            raise JournalFormatError(f"{journal} holds no journal segment")
        return cls(segments, live)

    def records(self, from_seq: int = 1, to_seq: int | None = None) -> Iterator[Recorded]:
        """Records from ``from_seq`` to ``to_seq`` (both included; None: what is there), in order, without a gap."""
        expected = from_seq
        for segment in self._segments:
            with self._environment(segment) as environment:
                for key, frame in _copy(environment, EVENTS, expected):
                    seq = seq_of(key)
                    if to_seq is not None and seq > to_seq:
                        return
                    if seq != expected:
                        raise JournalDamagedError(str(segment), expected, f"is missing; seq {seq} follows")
                    yield decode_record(seq, frame, str(segment))
                    expected += 1

    def last_seq(self) -> int:
        """The newest position, 0 in an empty journal."""
        with self._environment(self._segments[-1]) as environment:
            events = environment.open_db(EVENTS, create=False)
            with environment.begin(db=events) as transaction, transaction.cursor() as cursor:
                return seq_of(cursor.key()) if cursor.last() else 0

    def verify_chain(self) -> int:
        """Check every record and every link of the hash chain; the number of records.

        ``JournalDamagedError`` names the segment and the first ``seq`` that is not what was written.
        """
        count = 0
        for segment in self._segments:
            chain = self._header(segment).previous_chain
            with self._environment(segment) as environment:
                frames = _copy(environment, EVENTS, 0)
                after = 0
                for key, link in _copy(environment, CHAIN, 0):
                    last = seq_of(key)
                    group = [
                        next(frames, (b"", b"")) for _ in range(last - (after or self._first(segment) - 1))
                    ]
                    for seq, (frame_key, frame) in enumerate(group, (after or self._first(segment) - 1) + 1):
                        if frame_key != key_of(seq):
                            raise JournalDamagedError(str(segment), seq, "is missing")
                        decode_record(seq, frame, str(segment))
                    chain = extend_chain(chain, [frame for _, frame in group])
                    if chain != link:
                        raise JournalDamagedError(
                            str(segment), last, "the hash chain is broken at this commit"
                        )
                    after = last
                    count += len(group)
                if (rest := next(frames, None)) is not None:
                    raise JournalDamagedError(
                        str(segment), seq_of(rest[0]), "is in no commit of the hash chain"
                    )
        return count

    def _first(self, segment: Path) -> int:
        return int(segment.name)

    def _header(self, segment: Path) -> SegmentHeader:
        with self._environment(segment) as environment:
            meta = environment.open_db(META, create=False)
            with environment.begin(db=meta) as transaction:
                return decode_header(transaction.get(HEADER_KEY), str(segment))

    def close(self) -> None:
        """Idempotent. An environment may be open once in a process: close before another reader opens."""
        for environment in self._environments.values():
            environment.close()
        self._environments = {}

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _environment(self, segment: Path) -> Iterator[lmdb.Environment]:
        try:
            if segment not in self._environments:
                self._environments[segment] = self._open(segment)
            yield self._environments[segment]
        except lmdb.Error as error:
            raise JournalError(f"reading {segment} failed: {error}") from error

    def _open(self, segment: Path) -> lmdb.Environment:
        problems = "" if self._live else _verify(segment)
        if problems:
            raise JournalDamagedError(str(segment), 0, problems)
        try:
            return lmdb.open(
                str(segment),
                readonly=True,
                create=False,
                lock=True,
                max_dbs=8,
                map_size=MAP_SIZE,
                max_readers=READERS_MAX,
                readahead=False,
                lib_version=0,
            )
        except lmdb.Error as error:
            raise JournalFormatError(f"{segment} cannot be opened as a journal segment: {error}") from error


def _verify(segment: Path) -> str:
    """What is structurally wrong with a segment's file, '' nothing."""
    try:
        problems = list(verify.verify(str(segment / "data.mdb")))  # type: ignore[no-untyped-call]
    except Exception as error:  # noqa: BLE001 - any bytes whatever, read by pure Python
        return f"not a sound LMDB file: {error}"
    return "; ".join(str(problem) for problem in problems[:3])


def _copy(environment: lmdb.Environment, database: bytes, from_seq: int) -> Iterator[tuple[bytes, bytes]]:
    """Pairs from ``from_seq`` on, copied in short transactions."""
    try:
        handle = environment.open_db(database, create=False)
    except lmdb.NotFoundError:
        return
    position = key_of(from_seq)
    while True:
        with environment.begin(db=handle) as transaction, transaction.cursor() as cursor:
            if not cursor.set_range(position):
                return
            pairs = []
            for pair in cursor.iternext():
                pairs.append(pair)
                if len(pairs) == COPY_MAX:
                    break
        yield from pairs
        position = key_of(seq_of(pairs[-1][0]) + 1)
