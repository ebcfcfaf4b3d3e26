"""The reader: in order, checked, beside a live writer, and never fooled by a damaged file."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import lmdb
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livestack.core.events import Recorded, SessionStopped
from livestack.core.types import Origin
from livestack.exceptions import JournalDamagedError, JournalFormatError
from livestack.journal import reader as reader_module
from livestack.journal.format import CHAIN, EVENTS, FORMAT_VERSION, encode_record, key_of
from livestack.journal.reader import JournalReader
from livestack.journal.writer import JournalWriter
from tests.journal.strategies import event, records
from tests.journal.test_format import HEADER
from tests.journal.test_writer import WRITE_FOR_EVER, plain
from tests.journal_support import writer
from tests.support import ROOT


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A session ``s`` of 30 records in 10 commits; the sessions directory."""
    target = writer(tmp_path, "s")
    for first in range(1, 31, 3):
        target.commit([plain(seq) for seq in range(first, first + 3)])
    target.close()
    return tmp_path / "sessions"


def data_file(sessions: Path) -> Path:
    (path,) = (sessions / "s" / "journal").glob("*/data.mdb")
    return path


def change(sessions: Path, database: bytes, key: bytes, value: bytes | None) -> None:
    """Put ``value`` under ``key`` as an intruder would; None removes it."""
    environment = lmdb.open(str(data_file(sessions).parent), max_dbs=8, map_size=1 << 30)
    with environment.begin(write=True, db=environment.open_db(database)) as transaction:
        if value is None:
            transaction.delete(key)
        else:
            transaction.put(key, value)
    environment.close()


def test_reads_any_range_in_order(journal: Path) -> None:
    """Both ends included."""
    with JournalReader.open(journal, "s") as reader:
        assert [5, 6, 7] == [record.seq for record in reader.records(5, 7)]
        assert list(range(1, 31)) == [record.seq for record in reader.records()]
        assert (30, 30) == (reader.last_seq(), reader.verify_chain())


@given(st.lists(event(), min_size=1, max_size=20))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_what_is_read(tmp_path: Path, events: list[object]) -> None:
    """Any Events, through a real file."""
    target = writer(tmp_path)
    name = max((tmp_path / "sessions").iterdir(), key=lambda path: int(path.name.split("-")[1])).name
    written = records(events)  # type: ignore[arg-type]
    target.commit(written)
    target.close()
    with JournalReader.open(tmp_path / "sessions", name) as reader:
        assert written == list(reader.records())


def test_a_flipped_byte_in_a_value_is_named(journal: Path) -> None:
    """Segment and position of the first bad record."""
    environment = lmdb.open(str(data_file(journal).parent), max_dbs=8, map_size=1 << 30)
    with environment.begin(db=environment.open_db(EVENTS)) as transaction:
        frame = bytearray(transaction.get(key_of(12)) or b"")
    environment.close()
    frame[-1] ^= 1
    change(journal, EVENTS, key_of(12), bytes(frame))
    with JournalReader.open(journal, "s") as reader, pytest.raises(JournalDamagedError) as damaged:
        list(reader.records())
    assert 12 == damaged.value.seq


@pytest.mark.parametrize("seq", [1, 12, 30])
def test_a_missing_record_is_found(journal: Path, seq: int) -> None:
    """First, middle or last: the chain knows."""
    change(journal, EVENTS, key_of(seq), None)
    with JournalReader.open(journal, "s") as reader, pytest.raises(JournalDamagedError):
        reader.verify_chain()


def test_a_record_that_was_exchanged_whole_is_found(journal: Path) -> None:
    """A sound frame with its own checksum, but not the one that was committed."""
    forged = encode_record(Recorded(12, 12, Origin.INPUT, SessionStopped(reason="forged")))
    change(journal, EVENTS, key_of(12), forged)
    with JournalReader.open(journal, "s") as reader, pytest.raises(JournalDamagedError, match="chain"):
        reader.verify_chain()


def test_a_record_outside_every_commit_is_found(journal: Path) -> None:
    """Something appended behind the last link."""
    change(journal, EVENTS, key_of(31), encode_record(plain(31)))
    with JournalReader.open(journal, "s") as reader, pytest.raises(JournalDamagedError, match="no commit"):
        reader.verify_chain()


def test_a_changed_link_is_found(journal: Path) -> None:
    """The chain itself was touched."""
    change(journal, CHAIN, key_of(30), bytes(16))
    with JournalReader.open(journal, "s") as reader, pytest.raises(JournalDamagedError, match="chain"):
        reader.verify_chain()


@pytest.mark.parametrize("seed", range(20))
def test_a_corrupted_page_never_ends_the_process(journal: Path, seed: int) -> None:
    """Zeroed pages and flipped bytes anywhere in the file: an error or the right records, in a living process."""
    source = random.Random(seed)
    path = data_file(journal)
    content = bytearray(path.read_bytes())
    if seed % 2:
        page = source.randrange(len(content) // 4096)
        content[page * 4096 : (page + 1) * 4096] = bytes(4096)
    else:
        content[source.randrange(len(content))] ^= 1 << source.randrange(8)
    path.write_bytes(content)
    try:
        with JournalReader.open(journal, "s") as reader:
            read = list(reader.records())
            reader.verify_chain()
    except (JournalDamagedError, JournalFormatError):
        return
    assert [plain(seq) for seq in range(1, 31)] == read


def test_a_truncated_file_is_found_before_it_is_opened(journal: Path) -> None:
    """Opening it would end the process with a bus error."""
    path = data_file(journal)
    path.write_bytes(path.read_bytes()[:8192])
    with pytest.raises(JournalDamagedError):
        JournalReader.open(journal, "s")


@pytest.mark.parametrize("content", [b"", b"not a database", bytes(40960)])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """Something else under the journal's name: a sentence, nothing changed."""
    segment = tmp_path / "s" / "journal" / f"{1:020d}"
    segment.mkdir(parents=True)
    (segment / "data.mdb").write_bytes(content)
    with pytest.raises((JournalDamagedError, JournalFormatError)):
        JournalReader.open(tmp_path, "s")
    assert content == (segment / "data.mdb").read_bytes()


def test_no_journal_at_all(tmp_path: Path) -> None:
    """A sentence that names where it looked."""
    with pytest.raises(JournalFormatError, match="holds no journal segment"):
        JournalReader.open(tmp_path, "s")


def test_reads_beside_a_live_writer(tmp_path: Path) -> None:
    """Another process writes; each look sees a whole number of commits, without a gap, and never less than before."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        seen = 0
        for _ in range(20):
            acknowledged = int(process.stdout.readline())
            with JournalReader.open(tmp_path / "sessions", "s", live=True) as reader:
                read = [record.seq for record in reader.records()]
            assert list(range(1, len(read) + 1)) == read
            assert len(read) >= max(acknowledged, seen)
            assert 0 == len(read) % 2
            seen = len(read)
    finally:
        process.kill()
        process.communicate()


def test_a_refused_journal_is_refused_again_in_the_same_words(tmp_path: Path) -> None:
    """The first refusal leaves nothing open."""
    newer = msgspec.structs.replace(HEADER, format_version=FORMAT_VERSION + 1)
    JournalWriter.create(tmp_path, newer, "relaxed").close()
    refusals = []
    for _ in range(2):
        with pytest.raises(JournalFormatError, match="use a newer livestack") as refused:
            JournalReader.open(tmp_path, HEADER.session)
        refusals.append(refused)


def make_segments(sessions: Path) -> list[Path]:
    """A session ``s`` of 30 records in three segments, each of which continues the one before."""
    header = msgspec.structs.replace(HEADER, session="s")
    for first in (1, 11, 21):
        target = JournalWriter.create(sessions, msgspec.structs.replace(header, first_seq=first), "relaxed")
        target.commit([plain(seq) for seq in range(first, first + 10)])
        target.close()
        header = msgspec.structs.replace(header, previous_chain=target.chain)
    return sorted((sessions / "s" / "journal").iterdir())


def test_segments_are_one_stream(tmp_path: Path) -> None:
    """Read in order, across their borders; one chain."""
    make_segments(tmp_path)
    with JournalReader.open(tmp_path, "s") as reader:
        assert list(range(9, 23)) == [record.seq for record in reader.records(9, 22)]
        assert (30, 30, 20) == (reader.last_seq(), reader.verify_chain(), reader.verify_chain(to_seq=15))


def test_a_missing_segment_is_found(tmp_path: Path) -> None:
    """By the chain and by whoever reads."""
    shutil.rmtree(make_segments(tmp_path)[1])
    with JournalReader.open(tmp_path, "s") as reader:
        with pytest.raises(JournalDamagedError, match="seq 11 is damaged: does not continue"):
            reader.verify_chain()
        with pytest.raises(JournalDamagedError, match="seq 11 is damaged: is missing"):
            list(reader.records())


def test_swapped_segments_are_found(tmp_path: Path) -> None:
    """Each stands under the other's name."""
    _, second, third = make_segments(tmp_path)
    second.rename(tmp_path / "aside")
    third.rename(second)
    (tmp_path / "aside").rename(third)
    with (
        JournalReader.open(tmp_path, "s") as reader,
        pytest.raises(JournalDamagedError, match="another segment's name"),
    ):
        reader.verify_chain()


def test_an_empty_journal_is_a_sound_one(tmp_path: Path) -> None:
    """A node that died before its first commit."""
    writer(tmp_path, "s").close()
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        assert (0, 0, []) == (reader.last_seq(), reader.verify_chain(), list(reader.records()))


@pytest.mark.parametrize(("records_max", "bytes_max"), [(1, 1 << 20), (7, 1 << 20), (1_000, 1)])
def test_copies_of_any_size_join_without_a_seam(
    journal: Path, monkeypatch: pytest.MonkeyPatch, records_max: int, bytes_max: int
) -> None:
    """However little is copied at a time, the records are the same."""
    monkeypatch.setattr("livestack.journal.reader.COPY_MAX", records_max)
    monkeypatch.setattr("livestack.journal.reader.COPY_BYTES_MAX", bytes_max)
    with JournalReader.open(journal, "s") as reader:
        assert [plain(seq) for seq in range(4, 30)] == list(reader.records(4, 29))
        assert 30 == reader.verify_chain()


WRITE_ON_REQUEST = """
import sys
from pathlib import Path
from tests.journal.test_writer import plain
from tests.journal_support import writer

journal = writer(Path(sys.argv[1]), "s")
seq = 0
for _ in sys.stdin:
    journal.commit([plain(seq + 1), plain(seq + 2)])
    seq += 2
    print(seq, flush=True)
"""


def test_what_is_written_during_a_check_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit in the middle of a check of a live journal is left for the next one."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_ON_REQUEST, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        requests, answers = process.stdin, process.stdout

        def commit() -> None:
            requests.write("\n")
            assert answers.readline()

        last_keys = reader_module._last_keys

        def then_commit(environment: lmdb.Environment) -> tuple[bytes, bytes]:
            keys = last_keys(environment)
            commit()
            return keys

        commit()
        monkeypatch.setattr(reader_module, "_last_keys", then_commit)
        with JournalReader.open(tmp_path / "sessions", "s", live=True) as reader:
            assert [2, 4, 6] == [reader.verify_chain() for _ in range(3)]
        requests.close()
        answers.read()
