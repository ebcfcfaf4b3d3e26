"""Which sessions and places the options of ``livestack records`` mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from livestack.cli.sinks import chosen_places, chosen_sessions
from livestack.exceptions import ConfigurationError, UsageError
from livestack.journal.directory import DataDirectory
from livestack.storage.cursor import name_of_address
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.research.sessions import header, opening, record, rules, store

SINKS = """
[records.sinks.lake]
url = "delta+s3://bucket/prefix"
[records.sinks.base]
url_env = "V_TEST_RECORDS"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with two sinks."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("V_TEST_RECORDS", "postgresql://me:hunter2@host/db")
    path = configuration.write(tmp_path, ["BTCUSDT"], market_maker("BTCUSDT"))
    text = path.read_text().replace("[records]\nenabled = false\n", "")
    path.write_text(f'data_dir = "{tmp_path}/of-the-file"\n{text}{SINKS}')
    return path


def test_default_place(tmp_path: Path) -> None:
    """Without options it is the one below the data directory, under its own name."""
    data_dir, (place,) = chosen_places((), None, tmp_path)
    assert (tmp_path, "local", f"Delta Lake in {tmp_path}/records") == (data_dir, place.name, place.address)


def test_places_of_a_file(file: Path, tmp_path: Path) -> None:
    """All of its sinks, and its data directory where no other one is named."""
    data_dir, places = chosen_places((), file, None)
    assert (tmp_path / "of-the-file", ["base", "lake"]) == (data_dir, [place.name for place in places])
    assert tmp_path == chosen_places((), file, tmp_path)[0]


def test_one_sink_of_a_file_by_name(file: Path) -> None:
    """By its name, with all that the file says of it."""
    _, (place,) = chosen_places(("base", "base"), file, None)
    assert ("base", "PostgreSQL at host, port 5432, database db") == (place.name, place.address)


def test_name_that_the_file_does_not_have(file: Path) -> None:
    """The names that there are are told."""
    with pytest.raises(UsageError, match="no sink is named lakes; there are base, lake, or give a URL"):
        chosen_places(("lakes",), file, None)


def test_url(tmp_path: Path) -> None:
    """A place that no file names has always the same name; the default one keeps its own."""
    urls = ("delta+file:///a", f"delta+file://{tmp_path}/records", "delta+file:///b")
    names = [place.name for place in chosen_places(urls, None, tmp_path)[1]]
    assert "local" == names[1]
    assert 3 == len(set(names))
    assert names[0] == chosen_places(("delta+file:///a/",), None, tmp_path)[1][0].name


def test_url_of_a_place_that_the_file_names(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the file's name, with the URL as it was given; a sink whose variable is not set is not that one."""
    url = "postgresql://me:other@host:5432/db"
    _, (place,) = chosen_places((url,), file, None)
    assert ("base", url) == (place.name, place.url)
    monkeypatch.delenv("V_TEST_RECORDS")
    _, (place,) = chosen_places((url,), file, None)
    assert name_of_address(place.address) == place.name


def test_wrong_url_and_wrong_file(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence, without the password."""
    with pytest.raises(UsageError, match="--sink: the URL needs a scheme in front"):
        chosen_places(("records",), None, tmp_path)
    monkeypatch.setenv("V_TEST_RECORDS", "postgresql://me:hunter2@x@host/db")
    with pytest.raises(ConfigurationError, match=r"records\.sinks\.base\.url_env") as caught:
        chosen_places((), file, None)
    assert "hunter2" not in str(caught.value)


def test_sessions(tmp_path: Path) -> None:
    """The newest one, a named one, all of them; a name and all of them exclude each other."""
    settings = rules(tmp_path)
    for name in ("1", "2"):
        store(tmp_path, header(name, settings), record(settings, opening(name)))
    directory = DataDirectory(tmp_path)
    assert [("2", False)] == chosen_sessions(directory, "", False)
    assert [("1", False)] == chosen_sessions(directory, "1", False)
    assert [("1", False), ("2", False)] == chosen_sessions(directory, "", True)
    with pytest.raises(UsageError, match="SESSION and --all do not go together"):
        chosen_sessions(directory, "1", True)
    with directory.acquire():
        assert [("1", False), ("2", True)] == chosen_sessions(directory, "", True)


def test_no_session(tmp_path: Path) -> None:
    """An empty data directory is said to be one."""
    with pytest.raises(UsageError, match="no session in"):
        chosen_sessions(DataDirectory(tmp_path), "", True)
