"""Quarantine: out of the journal's way, with a reason, never over one another."""

from __future__ import annotations

from pathlib import Path

from livestack.journal.quarantine import quarantined, set_aside


def test_what_is_set_aside_is_kept_with_its_reason(tmp_path: Path) -> None:
    """The same name twice makes two."""
    for why in ("first", "second\nline"):
        segment = tmp_path / "s" / "journal" / "00000000000000000007"
        segment.mkdir(parents=True)
        (segment / "data.mdb").write_text(why)
        place = set_aside(segment, why)
        assert not segment.exists()
        assert why == (place / "data.mdb").read_text()
    assert [("00000000000000000007-1", "first"), ("00000000000000000007-2", "second\nline")] == quarantined(
        tmp_path, "s"
    )


def test_a_session_without_quarantine_has_nothing_in_it(tmp_path: Path) -> None:
    """And a place without its reason says so."""
    assert [] == quarantined(tmp_path, "s")
    (tmp_path / "s" / "quarantine" / "1-1").mkdir(parents=True)
    assert [("1-1", "not recorded")] == quarantined(tmp_path, "s")
