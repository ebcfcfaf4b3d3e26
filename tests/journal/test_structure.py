"""Looking at a segment's file before liblmdb does: what is bad is refused, and a part is as safe as the whole."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from livestack.core.events import Recorded, SessionStopped
from livestack.core.types import Origin
from livestack.exceptions import JournalDamagedError, JournalFormatError
from livestack.journal.reader import SEQ_MAX, JournalReader
from livestack.journal.segment import segments_of
from livestack.journal.structure import verify, verify_part
from tests.journal_support import writer

COUNT = 1_500
PAGE = 4096


def wide(seq: int) -> Recorded:
    """A record that takes a third of a page, every fiftieth one several: trees of three levels from few records."""
    return Recorded(
        seq, seq, Origin.INPUT, SessionStopped(reason=f"{seq} " + "x" * (10_000 if seq % 50 == 0 else 1_100))
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session ``s`` of 1 500 records, in commits of three; the sessions directory."""
    directory = tmp_path_factory.mktemp("structure")
    target = writer(directory, "s")
    for first in range(1, COUNT + 1, 3):
        target.commit([wide(seq) for seq in range(first, first + 3)])
    target.close()
    return directory / "sessions"


@pytest.fixture
def journal(made: Path, tmp_path: Path) -> Path:
    """A copy of it that may be damaged."""
    shutil.copytree(made, tmp_path / "sessions")
    return tmp_path / "sessions"


def data_file(sessions: Path) -> Path:
    return segments_of(sessions, "s")[0] / "data.mdb"


def leaf_of(content: bytes, seq: int) -> int:
    """The page in which the record is, or its beginning, by what it says."""
    return content.index(b"%d xxx" % seq) // PAGE


@pytest.mark.parametrize(
    "from_seq", [0, 1, 2, 3, 4, 5, 700, 749, 750, 751, COUNT - 1, COUNT, COUNT + 1, SEQ_MAX]
)
def test_a_sound_file_has_no_problem(made: Path, from_seq: int) -> None:
    """Whole, and from any position on."""
    (segment,) = segments_of(made, "s")
    assert ("", "") == (verify(segment), verify_part(segment, from_seq))


@pytest.mark.parametrize("from_seq", [0, 1, 4, 700, 751, COUNT, COUNT + 1])
def test_a_part_is_read_as_it_was_written(made: Path, from_seq: int) -> None:
    """Tail, records and checked commits, through a reader that verifies only what it reads."""
    with JournalReader(segments_of(made, "s"), live=False, sparing=True) as reader:
        assert COUNT == reader.tail()[0]
        commits = [record for records in reader.commits(from_seq) for record in records]
        assert [wide(seq) for seq in range(max(from_seq, 1), COUNT + 1)] == commits
        assert commits == list(reader.records(max(from_seq, 1)))


def test_what_lies_before_is_not_looked_at(journal: Path) -> None:
    """A bad page in front of what is read keeps nobody from reading it; the whole is refused."""
    path = data_file(journal)
    content = bytearray(path.read_bytes())
    page = leaf_of(content, 101)
    content[page * PAGE : (page + 1) * PAGE] = bytes(PAGE)
    path.write_bytes(content)
    with JournalReader(segments_of(journal, "s"), live=False, sparing=True) as reader:
        assert [wide(COUNT)] == list(reader.records(COUNT))
        assert not reader.is_verified(path.parent)
        with pytest.raises(JournalDamagedError):
            list(reader.records(90))
    with pytest.raises(JournalDamagedError):
        JournalReader(segments_of(journal, "s"), live=False)


def test_whoever_reads_from_the_start_has_verified_all_of_it(made: Path) -> None:
    """Nothing is spared then."""
    with JournalReader(segments_of(made, "s"), live=False, sparing=True) as reader:
        list(reader.commits())
        assert reader.is_verified(segments_of(made, "s")[0])


def test_a_bad_page_in_what_is_read_is_refused(journal: Path) -> None:
    """Whichever page of it: no page that a reader can reach goes unseen."""
    path = data_file(journal)
    sound = path.read_bytes()
    for seq in range(COUNT - 30, COUNT, 4):
        page = leaf_of(sound, seq)
        path.write_bytes(sound[: page * PAGE] + bytes(PAGE) + sound[(page + 1) * PAGE :])
        assert verify_part(path.parent, COUNT - 30)


def test_a_file_that_ends_early_is_refused(journal: Path) -> None:
    """A page behind the end of the file would end the process, be it the last of a large value."""
    path = data_file(journal)
    sound = path.read_bytes()
    page = leaf_of(sound, COUNT)
    path.write_bytes(sound[: (page + 1) * PAGE])
    assert verify_part(path.parent, COUNT)
    assert verify(path.parent)


@pytest.mark.parametrize("content", [b"", b"not a database", bytes(40_960)])
def test_what_is_no_database_is_refused(journal: Path, content: bytes) -> None:
    """Whatever it is."""
    path = data_file(journal)
    path.write_bytes(content)
    assert verify(path.parent)
    assert verify_part(path.parent, COUNT)


def damage(content: bytearray, source: random.Random) -> None:
    """A byte, a page or two pages, anywhere, but rather often in a page's head or among the meta pages."""
    pages = len(content) // PAGE
    page, other = source.randrange(pages), source.randrange(pages)
    kind = source.randrange(6)
    if kind == 0:
        content[page * PAGE : (page + 1) * PAGE] = bytes(PAGE)
    elif kind == 1:
        content[page * PAGE : (page + 1) * PAGE] = content[other * PAGE : (other + 1) * PAGE]
    elif kind == 2:
        content[source.randrange(2 * PAGE)] ^= 1 << source.randrange(8)
    elif kind == 3:
        at = source.choice([page, pages - 1 - page % 40]) * PAGE + source.randrange(200)
        content[at] = source.randrange(256)
    elif kind == 4:
        at = page * PAGE + source.randrange(PAGE - 8)
        content[at : at + 8] = source.randbytes(8)
    else:
        del content[page * PAGE + source.randrange(PAGE) :]


@pytest.mark.parametrize("seed", range(60))
def test_damage_anywhere_is_refused_or_does_no_harm(journal: Path, seed: int) -> None:
    """A process that reads a part of a damaged file lives, and has the right records or a refusal."""
    source = random.Random(seed)
    path = data_file(journal)
    content = bytearray(path.read_bytes())
    damage(content, source)
    path.write_bytes(content)
    from_seq = source.choice([COUNT, COUNT - 100, 751, 4])
    try:
        with JournalReader(segments_of(journal, "s"), live=False, sparing=True) as reader:
            last_seq = reader.tail()[0]
            read = [record for records in reader.commits(from_seq) for record in records]
    except (JournalDamagedError, JournalFormatError):
        return
    assert [wide(seq) for seq in range(from_seq, last_seq + 1)] == read
