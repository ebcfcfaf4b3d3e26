"""``livestack report``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from livestack.journal.sessions import session_names
from livestack.research.records import derived_records
from livestack.storage.place import make_sink, place_of_url
from livestack.storage.sink import Batch
from livestack.storage.tables import TABLE_OF, Record
from tests.cli.support import Shell
from tests.research.orders import filled


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """With a session in which an order was filled, in a directory of its own."""
    filled(tmp_path)
    monkeypatch.chdir(tmp_path)
    return Shell(capsys, tmp_path)


def session_of(directory: Path) -> str:
    return session_names(directory / "sessions")[-1]


def ship(directory: Path, url: str) -> None:
    """The session's records into a sink."""
    session, rows, last = session_of(directory), dict[str, list[Record]](), 0
    for seq, records in derived_records(directory / "sessions", session):
        last = seq
        for record in records:
            rows.setdefault(TABLE_OF[type(record)], []).append(record)
    sink = make_sink(place_of_url(url, "test"), os.environ)
    sink.open()
    assert [] == sink.write(Batch(session, rows, last, last))
    sink.close()


def test_writes_a_page_named_after_the_session(shell: Shell, tmp_path: Path) -> None:
    """Where the command was given, from the journal, and tells its name."""
    done = shell("report")
    name = session_of(tmp_path)
    assert (0, f"{name}.html\n") == (done.code, done.out)
    html = (tmp_path / f"{name}.html").read_text()
    assert "made from the journal" in html
    assert "binance_spot:BTCUSDT" in html


def test_writes_where_it_is_told(shell: Shell, tmp_path: Path) -> None:
    """And tells tools the whole path."""
    done = shell("report", "latest", "-o", "page.html", "--json")
    assert {"path": str(tmp_path / "page.html")} == done.json
    assert (tmp_path / "page.html").read_bytes().startswith(b"<!DOCTYPE html>")


def test_a_sink_gives_the_same_page(shell: Shell, tmp_path: Path) -> None:
    """But for where it is from; also without the journal, by the session's name."""
    url = f"delta+file://{tmp_path / 'records'}"
    ship(tmp_path, url)
    assert 0 == shell("report", "-o", "journal.html").code
    assert 0 == shell("report", "-o", "sink.html", "--sink", url).code
    away = tmp_path / "away"
    done = shell("report", session_of(tmp_path), "-o", "away.html", "--sink", url, data_dir=away)
    assert (0, "") == (done.code, done.err)
    page, source = (tmp_path / "sink.html").read_text(), f"read from Delta Lake in {tmp_path / 'records'}"
    assert page == (tmp_path / "away.html").read_text()
    assert source in page
    expected = (tmp_path / "journal.html").read_text().replace("made from the journal", source)
    assert expected == page


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing"], "no session nothing in"),
        (["latest", "-c", "x.toml"], "it needs --sink NAME"),
        (["latest", "--sink", "ftp://there"], "unknown scheme"),
    ],
)
def test_what_is_wrong_is_told(shell: Shell, arguments: list[str], sentence: str) -> None:
    """In a sentence, and no page is written."""
    done = shell("report", *arguments, "-o", "page.html")
    assert 2 == done.code
    assert sentence in done.err
    assert not Path("page.html").exists()


def test_a_sink_without_the_session(shell: Shell, tmp_path: Path) -> None:
    """It has others, and not this one: a sentence instead of an empty page."""
    url = f"delta+file://{tmp_path / 'records'}"
    ship(tmp_path, url)
    done = shell("report", "20200101T000000-1", "--sink", url, "-o", "page.html")
    assert 2 == done.code
    assert "has no records of session 20200101T000000-1" in done.err
    assert not Path("page.html").exists()


def test_a_place_that_cannot_be_written(shell: Shell) -> None:
    """Is told with its path."""
    done = shell("report", "-o", "none/page.html")
    assert 5 == done.code
    assert "none/page.html" in done.err
