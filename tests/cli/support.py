"""The command line as a whole, in this process: exit code, stdout and stderr."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livestack.cli.main import main


class Outcome(NamedTuple):
    """``json`` is stdout, where that is JSON."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shell:
    """Runs ``livestack ARGUMENTS --data-dir DIR``."""

    def __init__(self, capsys: pytest.CaptureFixture[str], data_dir: Path) -> None:
        self._capsys = capsys
        self._data_dir = data_dir

    def __call__(self, *arguments: str, data_dir: Path | None = None) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--data-dir", str(data_dir or self._data_dir)])
        assert isinstance(ended.value.code, int)
        captured = self._capsys.readouterr()
        assert "Traceback" not in captured.err
        return Outcome(ended.value.code, captured.out, captured.err)
