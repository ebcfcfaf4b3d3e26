"""Ways to damage a journal: bytes of its files, whole segments, and single records through LMDB itself.

Each takes a :class:`Victim`, a fresh copy of a session's journal, and a source of randomness, and says by a
:class:`Mark` where the damage must be found. What cannot be found by looking at a journal alone is not among them: a
whole journal set back to what it was at an earlier commit. Used by :mod:`tests.campaigns.corruption`, in its process.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lmdb
import msgspec

from livestack.core.events import SessionStopping
from livestack.journal.clean import DATA_NAME
from livestack.journal.format import (
    CHAIN,
    EVENTS,
    HEADER_KEY,
    META,
    SegmentHeader,
    decode_header,
    decode_record,
    encode_header,
    encode_record,
    key_of,
    seq_of,
)

PAGE = 4096
RUN_BYTES = 16
"""As much as a stray write typically spoils."""

MAP_SIZE = 1 << 30


@dataclass(frozen=True)
class Mark:
    """Names of the segments of which one must be named, and the positions of which one must be; None: any, or 0."""

    segments: frozenset[str]
    seqs: range | None = None


@dataclass(frozen=True)
class Victim:
    """``segments`` oldest first; ``others`` those of another session with the same borders; ``ends`` of its commits."""

    segments: tuple[Path, ...]
    others: tuple[Path, ...]
    ends: tuple[int, ...]

    @property
    def last_seq(self) -> int:
        return self.ends[-1]

    def holder(self, seq: int) -> Path:
        """The segment in which ``seq`` is."""
        return [segment for segment in self.segments if int(segment.name) <= seq][-1]

    def with_next(self, segment: Path) -> frozenset[str]:
        """Names of ``segment`` and of the one behind it."""
        number = self.segments.index(segment)
        return _named(*self.segments[number : number + 2])

    def commit_of(self, seq: int) -> range:
        """Positions from ``seq`` to the end of its commit: the chain cannot say more."""
        return range(seq, next(end for end in self.ends if end >= seq) + 1)


Injection = Callable[[Victim, random.Random], Mark]


def _named(*segments: Path) -> frozenset[str]:
    return frozenset(segment.name for segment in segments)


@contextmanager
def _bytes_of(victim: Victim, source: random.Random) -> Iterator[tuple[Mark, bytearray]]:
    """The file of one segment, to be changed; every second time its time of change stays, as when a disk decays.

    Where only its end is lost, it is the next segment that does not continue it.
    """
    segment = source.choice(victim.segments)
    path = segment / DATA_NAME
    before, content = path.stat(), bytearray(path.read_bytes())
    yield Mark(victim.with_next(segment)), content
    path.write_bytes(content)
    if source.random() < 0.5:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def flip_bits(victim: Victim, source: random.Random) -> Mark:
    """One to eight bits anywhere in a file."""
    with _bytes_of(victim, source) as (mark, content):
        for _ in range(source.randrange(1, 9)):
            content[source.randrange(len(content))] ^= 1 << source.randrange(8)
    return mark


def flip_a_bit_of_a_meta_page(victim: Victim, source: random.Random) -> Mark:
    """LMDB's two roots are small and matter most."""
    with _bytes_of(victim, source) as (mark, content):
        content[source.randrange(2) * PAGE + source.randrange(16 + 136)] ^= 1 << source.randrange(8)
    return mark


def overwrite_bytes(victim: Victim, source: random.Random) -> Mark:
    """Sixteen bytes of noise."""
    with _bytes_of(victim, source) as (mark, content):
        at = source.randrange(len(content) - RUN_BYTES)
        content[at : at + RUN_BYTES] = source.randbytes(RUN_BYTES)
    return mark


def zero_a_page(victim: Victim, source: random.Random) -> Mark:
    """As after a write that never arrived."""
    with _bytes_of(victim, source) as (mark, content):
        at = source.randrange(len(content) // PAGE) * PAGE
        content[at : at + PAGE] = bytes(PAGE)
    return mark


def swap_pages(victim: Victim, source: random.Random) -> Mark:
    """Two writes that went to each other's place."""
    with _bytes_of(victim, source) as (mark, content):
        one, other = (number * PAGE for number in source.sample(range(len(content) // PAGE), 2))
        kept = content[one : one + PAGE]
        content[one : one + PAGE] = content[other : other + PAGE]
        content[other : other + PAGE] = kept
    return mark


def truncate(victim: Victim, source: random.Random) -> Mark:
    """A file that ends early, every second time between two pages."""
    with _bytes_of(victim, source) as (mark, content):
        size = source.randrange(len(content))
        del content[size - size % PAGE if source.random() < 0.5 else size :]
    return mark


def extend(victim: Victim, source: random.Random) -> Mark:
    """Noise behind the end."""
    with _bytes_of(victim, source) as (mark, content):
        content += source.randbytes(source.randrange(1, 3 * PAGE))
    return mark


def swap_segments(victim: Victim, source: random.Random) -> Mark:
    """Two segments' files under each other's name."""
    one, other = source.sample(victim.segments, 2)
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    return Mark(_named(one, other))


def remove_a_segment(victim: Victim, source: random.Random) -> Mark:
    """One in the middle: whatever is before it looks whole, and so does what is behind."""
    number = source.randrange(1, len(victim.segments) - 1)
    segment, following = victim.segments[number : number + 2]
    shutil.rmtree(segment)
    return Mark(_named(segment, following), range(int(segment.name), int(segment.name) + 1))


def exchange_a_segment(victim: Victim, source: random.Random) -> Mark:
    """Another session's segment with the same name, every second time only its file."""
    number = source.randrange(len(victim.segments))
    segment, other = victim.segments[number], victim.others[number]
    if source.random() < 0.5:
        shutil.copy(other / DATA_NAME, segment / DATA_NAME)
    else:
        shutil.rmtree(segment)
        shutil.copytree(other, segment)
    return Mark(victim.with_next(segment))


def exchange_every_segment(victim: Victim, source: random.Random) -> Mark:
    """Another session's whole journal under this one's name."""
    for segment, other in zip(victim.segments, victim.others, strict=True):
        shutil.copy(other / DATA_NAME, segment / DATA_NAME)
    return Mark(_named(*victim.segments))


@contextmanager
def _database(segment: Path, name: bytes) -> Iterator[lmdb.Transaction]:
    """A named database of a segment, to be written as an intruder would."""
    environment = lmdb.open(str(segment), max_dbs=8, map_size=MAP_SIZE, sync=False)
    with environment.begin(write=True, db=environment.open_db(name)) as transaction:
        yield transaction
    environment.close()


def _value(transaction: lmdb.Transaction, key: bytes) -> bytes:
    value = transaction.get(key)
    assert value is not None, f"nothing under {key!r}"
    return bytes(value)


def delete_a_record(victim: Victim, source: random.Random) -> Mark:
    seq = source.randrange(1, victim.last_seq + 1)
    segment = victim.holder(seq)
    with _database(segment, EVENTS) as transaction:
        assert transaction.delete(key_of(seq))
    return Mark(_named(segment), range(seq, seq + 1))


def reorder_records(victim: Victim, source: random.Random) -> Mark:
    """Two neighbours in each other's place."""
    seq = source.choice([seq for seq in range(1, victim.last_seq) if seq + 1 not in _firsts(victim)])
    segment = victim.holder(seq)
    with _database(segment, EVENTS) as transaction:
        one, other = _value(transaction, key_of(seq)), _value(transaction, key_of(seq + 1))
        transaction.put(key_of(seq), other)
        transaction.put(key_of(seq + 1), one)
    return Mark(_named(segment), range(seq, seq + 1))


def _firsts(victim: Victim) -> set[int]:
    return {int(segment.name) for segment in victim.segments}


def rewrite_a_record(victim: Victim, source: random.Random) -> Mark:
    """Another content under a right checksum: another Event, or only another time."""
    seq = source.randrange(1, victim.last_seq + 1)
    segment = victim.holder(seq)
    with _database(segment, EVENTS) as transaction:
        record = decode_record(seq, _value(transaction, key_of(seq)), "")
        if source.random() < 0.5:
            record = msgspec.structs.replace(record, ts=record.ts + 1)
        else:
            record = msgspec.structs.replace(record, event=SessionStopping(by="nobody", reason=str(seq)))
        transaction.put(key_of(seq), encode_record(record))
    return Mark(_named(segment), victim.commit_of(seq))


def change_a_link(victim: Victim, source: random.Random) -> Mark:
    """A link of the chain takes another value, or is gone."""
    end = source.choice(victim.ends)
    segment = victim.holder(end)
    with _database(segment, CHAIN) as transaction:
        if source.random() < 0.5:
            transaction.put(key_of(end), source.randbytes(16))
        else:
            transaction.delete(key_of(end))
    return Mark(victim.with_next(segment))


def append_a_record(victim: Victim, source: random.Random) -> Mark:
    """One more behind the last commit, in no commit of its own."""
    segment = victim.segments[-1]
    with _database(segment, EVENTS) as transaction:
        record = decode_record(victim.last_seq, _value(transaction, key_of(victim.last_seq)), "")
        forged = msgspec.structs.replace(record, seq=victim.last_seq + 1)
        transaction.put(key_of(forged.seq), encode_record(forged))
    return Mark(_named(segment), range(forged.seq, forged.seq + 1))


def change_the_header(victim: Victim, source: random.Random) -> Mark:
    """Any field of any segment's header."""
    segment = source.choice(victim.segments)
    field = source.choice(msgspec.structs.fields(SegmentHeader)).name
    with _database(segment, META) as transaction:
        header = decode_header(_value(transaction, HEADER_KEY), "")
        transaction.put(HEADER_KEY, encode_header(_other(header, field)))
    return Mark(victim.with_next(segment))


def _other(header: SegmentHeader, field: str) -> SegmentHeader:
    value = getattr(header, field)
    if isinstance(value, int):
        other: object = value + 1
    elif isinstance(value, dict):
        other = {**value, "?": "?"}
    else:
        other = value[:-1] + {bytes: b"?", str: "?", tuple: ("?",)}[type(value)]
    return msgspec.structs.replace(header, **{field: other})


def ends_of(segments: tuple[Path, ...]) -> tuple[int, ...]:
    """The last position of every commit of a sound journal."""
    ends: list[int] = []
    for segment in segments:
        with _database(segment, CHAIN) as transaction, transaction.cursor() as cursor:
            ends += [seq_of(bytes(key)) for key in cursor.iternext(values=False)]
    return tuple(ends)


INJECTIONS: tuple[Injection, ...] = (
    flip_bits,
    flip_a_bit_of_a_meta_page,
    overwrite_bytes,
    zero_a_page,
    swap_pages,
    truncate,
    extend,
    swap_segments,
    remove_a_segment,
    exchange_a_segment,
    exchange_every_segment,
    delete_a_record,
    reorder_records,
    rewrite_a_record,
    change_a_link,
    append_a_record,
    change_the_header,
)
