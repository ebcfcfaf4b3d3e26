"""A session to be written by the real ``JournalWriter``: which records in which commits, where a segment ends, and how.

    python -m tests.campaigns.journal_plan PLAN DIRECTORY ACKNOWLEDGEMENTS

writes the plan in the file ``PLAN`` below ``DIRECTORY`` and tells the file ``ACKNOWLEDGEMENTS`` of each commit as soon
as what it dispatches could leave. Used by the campaigns about the journal's files; its own process.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from livestack.core.configuration import Configuration
from livestack.core.events import BookSnapshot, InputEvent, IntentDispatched, Recorded, VenueStatusChanged
from livestack.core.types import ConnectionStatus, Origin
from livestack.journal.directory import DataDirectory
from livestack.journal.format import SegmentHeader
from livestack.journal.segment import Durability
from livestack.journal.writer import JournalWriter
from livestack.node.beginning import begin_again, unfinished
from livestack.node.recovery import Recovered
from tests.campaigns import children
from tests.research import sessions

BATCHES = (1, 1, 2, 3, 6, 12)
"""Inputs in a commit, each with all that was derived from it: mostly few, as in a quiet market."""

BOOK_LEVELS = 700
"""Levels on a side of the books that come in between: such a record does not fit a page."""

BOOK_EVERY = 60

BURST, BURST_CHARACTERS = 12, 100_000
"""Long words that come all at once, more than a megabyte: such a commit is the first one of a segment."""


class Plan(msgspec.Struct, frozen=True):
    """``commits`` in order. A segment ends after those whose index is in ``rotate_after``, by a rotation, and after
    those in ``resume_after``, because the node ends there without a stop and recovers."""

    header: SegmentHeader
    durability: Durability
    commits: tuple[tuple[Recorded, ...], ...]
    rotate_after: frozenset[int]
    resume_after: frozenset[int]

    @property
    def records(self) -> list[Recorded]:
        return [record for commit in self.commits for record in commit]


def plan(
    directory: Path,
    session: str,
    durability: Durability,
    seed: int,
    quotes: int,
    rotations: int,
    *,
    resumptions: int = 0,
    burst: bool = False,
) -> Plan:
    """A session of the shipped market maker in which it quotes, cut into commits at random; a scratch ``directory``.

    With ``burst`` one rotation is right before a commit of more than a megabyte.
    """
    source = random.Random(seed)
    rules = sessions.rules(directory)
    market = list(_market(source, quotes))
    if burst:
        market[quotes // 2 : quotes // 2] = [_long_words(number) for number in range(BURST)]
    records = sessions.record(rules, [*sessions.opening(session), *market, *sessions.CLOSING])
    assert any(isinstance(record.event, IntentDispatched) for record in records)
    commits = list(_commits(records, source))
    before_burst = [index - 1 for index, commit in enumerate(commits) if _is_burst(commit[0])]
    free = sorted(set(range(len(commits) - 1)) - set(before_burst))
    ends = before_burst + source.sample(free, rotations + resumptions - len(before_burst))
    return Plan(
        header=sessions.header(session, rules),
        durability=durability,
        commits=tuple(commits),
        rotate_after=frozenset(ends[:rotations]),
        resume_after=frozenset(ends[rotations:]),
    )


def _commits(records: list[Recorded], source: random.Random) -> Iterator[tuple[Recorded, ...]]:
    """No step of the Core is in two commits, as with the real recorder, and a burst is in one."""
    starts = [index for index, record in enumerate(records) if record.origin is Origin.INPUT]
    ends = [*starts[1:], len(records)]
    while starts:
        bursting = [_is_burst(records[start]) for start in starts]
        count = bursting.index(False) if bursting[0] else source.choice(BATCHES)
        if not bursting[0] and True in bursting[:count]:
            count = bursting.index(True)
        count = min(count, len(starts))
        yield tuple(records[starts[0] : ends[count - 1]])
        starts, ends = starts[count:], ends[count:]


def _is_burst(record: Recorded) -> bool:
    return isinstance(record.event, VenueStatusChanged) and len(record.event.reason) >= BURST_CHARACTERS


def _long_words(number: int) -> VenueStatusChanged:
    reason = f"{number:0{BURST_CHARACTERS}d}"
    return VenueStatusChanged(
        recv_ns=sessions.WALL_NS, venue="binance_spot", status=ConnectionStatus.LIVE, reason=reason
    )


def _market(source: random.Random, quotes: int) -> Iterator[InputEvent]:
    for number, quote in enumerate(sessions.quotes(quotes)):
        if number % BOOK_EVERY == BOOK_EVERY // 2:
            yield _book(number, source)
        yield quote


def _book(number: int, source: random.Random) -> BookSnapshot:
    best = 5_000_000 + number
    return BookSnapshot(
        recv_ns=sessions.WALL_NS + number,
        instrument=sessions.INSTRUMENT,
        event_ns=0,
        last_update_id=number + 1,
        bids=tuple((best - level, source.randrange(1, 1_000)) for level in range(BOOK_LEVELS)),
        asks=tuple((best + 100 + level, source.randrange(1, 1_000)) for level in range(BOOK_LEVELS)),
    )


def save(what: Plan, path: Path) -> Path:
    path.write_bytes(msgspec.msgpack.encode(what))
    return path


def load(path: Path) -> Plan:
    return msgspec.msgpack.decode(path.read_bytes(), type=Plan)


def write(what: Plan, directory: Path, acknowledge: int | None = None) -> bytes:
    """Make the journal in the data directory ``directory``; the last link of its chain.

    ``acknowledge`` is an open file that is told each commit's last position.
    """
    with DataDirectory(directory).acquire() as data:
        writer = JournalWriter.create(data.sessions, what.header, what.durability)
        for index, commit in enumerate(what.commits):
            writer.commit(commit)
            if acknowledge is not None:
                os.write(acknowledge, f"{writer.last_seq}\n".encode())
            if index in what.rotate_after:
                writer.rotate()
            elif index in what.resume_after:
                writer.close()
                writer = _resumed(data, what)
        writer.close()
        return writer.chain


def _resumed(data: DataDirectory, what: Plan) -> JournalWriter:
    """Go on as a node does that finds an unfinished session."""
    plain = msgspec.json.decode(what.header.configuration)
    recovered = unfinished(data, Configuration.from_plain(plain, "plan"))
    assert isinstance(recovered, Recovered), f"the session is not taken up again: {recovered}"
    beginning = begin_again(recovered, "resume", sessions.WALL_NS, random.Random(0))
    return JournalWriter.create(data.sessions, beginning.header, what.durability)


def main() -> None:
    children.log_to_stderr()
    what, directory, acknowledgements = map(Path, sys.argv[1:])
    acknowledge = os.open(acknowledgements, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    write(load(what), directory, acknowledge)


if __name__ == "__main__":
    main()
