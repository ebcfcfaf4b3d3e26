"""The bar on stderr."""

from __future__ import annotations

import pytest

from livestack.cli.progress import progress_bar


def test_nothing_is_drawn_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    """stderr is no terminal here."""
    with progress_bar("replaying", 1, 100) as progress:
        progress(50)
    assert ("", "") == tuple(capsys.readouterr())


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr alone: what, how far, how fast."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar("replaying", 11, 110) as progress:
        progress(60)
    seen = capsys.readouterr()
    assert "" == seen.out
    assert all(word in seen.err for word in ("replaying", "100", "Events/s"))
