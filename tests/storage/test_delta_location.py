"""Whether a table may be made, or written to, at a place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from livestack.exceptions import SinkRefusedError, SinkUnavailableError
from livestack.storage.delta_location import Location
from tests.storage.delta_support import Place


def located(path: Path) -> Location:
    return Location("here", path.as_uri(), path, {})


@pytest.mark.parametrize("locked", ["fills", "fills/_delta_log"])
def test_check_asks_of_tables_that_exist(disk: Place, locked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They can be read, so that no other look finds it; it is asked for who the process acts as."""
    disk.opened()
    disk.sink().check()
    place = Path(disk.root) / locked

    def access(path: Path, mode: int, effective_ids: bool) -> bool:
        assert effective_ids
        return not (path == place and mode & os.W_OK)

    monkeypatch.setattr(os, "access", access)
    monkeypatch.setattr(os, "supports_effective_ids", {access})
    with pytest.raises(SinkUnavailableError, match=rf"{locked} cannot be written to; change its mode"):
        disk.sink().check()


def test_a_dangling_link_is_not_a_directory(tmp_path: Path) -> None:
    """Nothing can be made below it."""
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SinkRefusedError, match="link is not a directory; name a directory"):
        located(tmp_path / "link" / "fills").refuse_file()
    (tmp_path / "nowhere").mkdir()
    located(tmp_path / "link" / "fills").refuse_file()


def test_only_an_empty_place_is_free(tmp_path: Path) -> None:
    """A log that was put aside is nobody's file."""
    located(tmp_path / "fills").refuse_foreign_files("fills")
    (tmp_path / "fills" / "_delta_log").mkdir(parents=True)
    located(tmp_path / "fills").refuse_foreign_files("fills")
    (tmp_path / "fills" / "a").write_bytes(b"")
    with pytest.raises(SinkRefusedError, match="fills holds files that are not a Delta table"):
        located(tmp_path / "fills").refuse_foreign_files("fills")
