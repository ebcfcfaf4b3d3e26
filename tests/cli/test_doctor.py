"""``livestack doctor``: lines for people, one object for tools, the gravest exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.support import Shell
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.research.sessions import ENVIRONMENT


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose venue is not there, and whose records are not shipped."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    path = configuration.write(tmp_path, ["BTCUSDT"], market_maker("BTCUSDT"))
    text = path.read_text()
    if "[records]" not in text:
        path.write_text(text + "[records]\nenabled = false\n")
    return path


def test_people(shell: Shell, path: Path, tmp_path: Path) -> None:
    """A line for each part with what to do, and the number of faults."""
    outcome = shell("doctor", "-c", str(path), data_dir=tmp_path / "data")
    assert 3 == outcome.code
    lines = outcome.out.splitlines()
    assert f"ok      configuration     {path}: " in lines[0]
    assert any(
        line.startswith("wrong   venue binance_spot cannot reach venue binance_spot") for line in lines
    )
    assert "warning record sinks      records are not shipped" in outcome.out
    assert "1 of 5 wrong" == lines[-1]
    assert not (tmp_path / "data").exists()


def test_tools(shell: Shell, path: Path, tmp_path: Path) -> None:
    """One object with a list."""
    outcome = shell("doctor", "-c", str(path), "--json", data_dir=tmp_path / "data")
    assert {"ok", "exit", "checks"} == outcome.json.keys()
    assert (3, 3, False) == (outcome.code, outcome.json["exit"], outcome.json["ok"])
    assert {"what", "state", "text", "advice", "exit"} == outcome.json["checks"][0].keys()


def test_gravest_fault(shell: Shell, path: Path, tmp_path: Path) -> None:
    """A data directory that cannot be used outweighs a venue that is away."""
    (tmp_path / "data").mkdir(mode=0o777)
    (tmp_path / "data").chmod(0o777)
    assert 5 == shell("doctor", "-c", str(path), data_dir=tmp_path / "data").code
