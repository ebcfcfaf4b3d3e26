"""Sessions of a data directory, and how each ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from livestack.core.events import Recorded, SessionStarted, SessionStopped
from livestack.core.types import Origin
from livestack.exceptions import UsageError
from livestack.journal.directory import DataDirectory
from livestack.journal.quarantine import abandon, set_aside
from livestack.journal.sessions import list_sessions, resolve
from tests.journal_support import writer

STARTED = SessionStarted(
    session="s",
    node="n",
    epoch="AAAAAAAAA",
    strategy="m:C",
    strategy_digest="",
    configuration_version=1,
    configuration_digest="",
    semantics_version=1,
    wall_ns=1_700_000_000_000_000_000,
)


def make(directory: Path, name: str, stopped: bool) -> None:
    journal = writer(directory, name)
    journal.commit([Recorded(1, 1, Origin.INPUT, STARTED)])
    if stopped:
        journal.commit([Recorded(2, 2, Origin.INPUT, SessionStopped(reason=""))])
    journal.close()


def test_says_how_each_ended(tmp_path: Path) -> None:
    """Stopped in order, interrupted, damaged; the newest of a held directory is running."""
    make(tmp_path, "a", stopped=True)
    make(tmp_path, "b", stopped=False)
    make(tmp_path, "c", stopped=True)
    (data,) = (tmp_path / "sessions" / "c" / "journal").glob("*/data.mdb")
    data.write_bytes(b"damaged")
    make(tmp_path, "d", stopped=False)
    directory = DataDirectory(tmp_path)
    assert ["stopped", "interrupted", "damaged", "interrupted"] == [
        info.state for info in list_sessions(directory)
    ]
    with DataDirectory(tmp_path).acquire():
        assert "running" == list_sessions(directory)[-1].state


def test_what_is_no_session_is_not_listed(tmp_path: Path) -> None:
    """Half removed, never begun; one that is given up, or all of it in quarantine, is still there to be seen."""
    make(tmp_path, "a", stopped=False)
    make(tmp_path, "b", stopped=False)
    abandon(tmp_path / "sessions", "a", "damaged")
    (segment,) = (tmp_path / "sessions" / "b" / "journal").iterdir()
    set_aside(segment, "damaged")
    make(tmp_path, "removing-c", stopped=True)
    (tmp_path / "sessions" / "d" / "journal").mkdir(parents=True)
    assert [("a", "abandoned"), ("b", "damaged")] == [
        (info.session, info.state) for info in list_sessions(DataDirectory(tmp_path))
    ]


def test_latest_is_the_newest(tmp_path: Path) -> None:
    """By name, which begins with the start time."""
    make(tmp_path, "20240101T000000Z-0000", stopped=True)
    make(tmp_path, "20250101T000000Z-0000", stopped=True)
    assert ("20250101T000000Z-0000", False) == resolve(DataDirectory(tmp_path), "latest")


def test_an_unknown_session_is_answered_with_what_there_is(tmp_path: Path) -> None:
    """The sentence lists names; with none it says how to make one."""
    with pytest.raises(UsageError, match="livestack start"):
        resolve(DataDirectory(tmp_path), "latest")
    make(tmp_path, "a", stopped=True)
    with pytest.raises(UsageError, match="there are: latest, a"):
        resolve(DataDirectory(tmp_path), "b")


def test_an_orderly_end_is_not_checked_again_byte_by_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at many large sessions costs little; one that was interrupted is checked before it is opened."""
    checked: list[str] = []
    monkeypatch.setattr(
        "livestack.journal.reader._verify", lambda segment: checked.append(str(segment)) or ""
    )
    make(tmp_path, "a", stopped=True)
    make(tmp_path, "b", stopped=False)
    infos = list_sessions(DataDirectory(tmp_path))
    assert [("stopped", 1, 2), ("interrupted", 1, 1)] == [
        (info.state, info.first_seq, info.last_seq) for info in infos
    ]
    assert ["b"] == [Path(path).parts[-3] for path in checked]
