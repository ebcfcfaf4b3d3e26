"""The writer: order, durability before release, and that nothing else makes a CommittedDispatch."""

from __future__ import annotations

import copy
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from livestack.core.events import Recorded, SessionStopped
from livestack.core.types import Origin
from livestack.exceptions import HeldError, JournalError, JournalOrderError
from livestack.journal.reader import JournalReader
from livestack.journal.writer import CommittedDispatch, JournalWriter
from tests.actors.fakes import REQUEST, dispatched
from tests.journal.test_format import HEADER
from tests.journal_support import committed, writer
from tests.support import ROOT


def plain(seq: int) -> Recorded:
    return Recorded(seq, seq, Origin.INPUT, SessionStopped(reason=str(seq)))


def test_releases_exactly_what_it_committed(tmp_path: Path) -> None:
    """One CommittedDispatch for each IntentDispatched, in order, with its position."""
    journal = writer(tmp_path)
    released = journal.commit([plain(1), dispatched(2, ts=5), dispatched(3, ts=6)])
    assert [(2, 5, REQUEST), (3, 6, REQUEST)] == [(one.seq, one.ts, one.request) for one in released]
    assert 3 == journal.last_seq
    journal.close()


@pytest.mark.parametrize(
    "forge",
    [
        lambda real: CommittedDispatch(object(), 1, 1, REQUEST),
        lambda real: CommittedDispatch.__new__(CommittedDispatch),
        lambda real: type("Forged", (CommittedDispatch,), {}),
        copy.copy,
        copy.deepcopy,
        pickle.dumps,
    ],
    ids=["made", "bare", "derived", "copied", "copied deeply", "pickled"],
)
def test_nobody_else_can_make_a_committed_dispatch(
    tmp_path: Path, forge: Callable[[CommittedDispatch], object]
) -> None:
    """Without the journal's own seal there is none, not even from one that is real."""
    (real,) = committed(tmp_path, [dispatched(1, ts=5)])
    with pytest.raises(TypeError, match="only the journal's commit"):
        forge(real)


@pytest.mark.parametrize("name", ["seq", "ts", "request"])
def test_a_committed_dispatch_stays_what_was_committed(tmp_path: Path, name: str) -> None:
    """Nothing can be put into it afterwards."""
    (real,) = committed(tmp_path, [dispatched(1, ts=5)])
    with pytest.raises(AttributeError, match="what was committed"):
        setattr(real, name, 7)


def test_no_records_are_no_commit(tmp_path: Path) -> None:
    """Nothing is written or released, and the writer goes on."""
    journal = writer(tmp_path)
    for seq in (1, 2):
        assert () == journal.commit([])
        journal.commit([plain(seq)])
    assert (2, False) == (journal.last_seq, journal.failed)
    journal.close()


@pytest.mark.parametrize(
    "record",
    [
        Recorded(2, 1, Origin.INPUT, SessionStopped(reason="\ud800")),
        Recorded(2, 2**70, Origin.INPUT, SessionStopped(reason="")),
    ],
    ids=["text", "number"],
)
def test_a_value_that_cannot_be_written_releases_nothing(tmp_path: Path, record: Recorded) -> None:
    """A journal error with its cause; the dispatch before it in the group stays where it is."""
    journal = writer(tmp_path)
    with pytest.raises(JournalError, match="commit of seq 1 to 2 failed") as refused:
        journal.commit([dispatched(1, ts=5), record])
    assert refused.value.__cause__ is not None
    assert (0, True) == (journal.last_seq, journal.failed)
    journal.close()


@pytest.mark.parametrize("records", [[plain(2)], [plain(1), plain(3)], [plain(1), plain(1)]])
def test_a_gap_or_repetition_is_refused_whole(tmp_path: Path, records: list[Recorded]) -> None:
    """Nothing of the group is stored or released, and the writer takes no more."""
    journal = writer(tmp_path, "s")
    with pytest.raises(JournalOrderError):
        journal.commit(records)
    with pytest.raises(JournalError, match="takes no more"):
        journal.commit([plain(1)])
    journal.close()
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        assert 0 == reader.last_seq()


def test_an_error_of_the_disk_is_a_journal_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A map that is full stands for every refusal: a sentence with the positions, nothing released."""
    monkeypatch.setattr("livestack.journal.segment.MAP_SIZE", 65_536)
    journal = writer(tmp_path)
    with pytest.raises(JournalError, match=r"commit of seq 1 to 2000 failed"):
        journal.commit([plain(seq) for seq in range(1, 2001)])
    assert journal.failed
    journal.close()


def test_a_directory_that_cannot_be_written_is_said_to_be(tmp_path: Path) -> None:
    """A file where the session's directory should be."""
    (tmp_path / "sessions").write_text("in the way")
    with pytest.raises(HeldError, match="cannot be made"):
        writer(tmp_path)


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Nobody else reads what was traded."""
    writer(tmp_path, "s").close()
    (data,) = (tmp_path / "sessions" / "s" / "journal").glob("*/data.mdb")
    assert 0o600 == data.stat().st_mode & 0o777
    for made in (data.parent, data.parent.parent, tmp_path / "sessions" / "s", tmp_path / "sessions"):
        assert 0o700 == made.stat().st_mode & 0o777


@pytest.mark.parametrize("durability", ["full", "relaxed"])
def test_both_durabilities_sync_and_never_map_for_writing(
    durability: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``relaxed`` differs in the meta page alone."""
    seen = {}
    real = lmdb.open

    def spy(path: str, **options: object) -> lmdb.Environment:
        seen.update(options)
        return real(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(lmdb, "open", spy)
    JournalWriter.create(tmp_path, HEADER, durability).close()  # type: ignore[arg-type]
    assert (True, durability == "full", False) == (seen["sync"], seen["metasync"], seen["writemap"])


WRITE_FOR_EVER = """
import sys
from pathlib import Path
from tests.journal.test_writer import plain
from tests.journal_support import writer

journal = writer(Path(sys.argv[1]), "s")
seq = 0
while True:
    journal.commit([plain(seq + 1), plain(seq + 2)])
    seq += 2
    print(seq, flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """kill -9 in the middle of writing: every acknowledged record is there, and the chain is whole."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(50):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    rest = process.communicate()[0].split()
    acknowledged = int(rest[-1]) if rest else 100
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        assert reader.last_seq() >= acknowledged
        assert reader.verify_chain() == reader.last_seq()
