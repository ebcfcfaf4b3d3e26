"""Complaints in the log: each kind and instrument once a minute, and nothing lost of the count."""

from __future__ import annotations

from typing import Any

from structlog.testing import capture_logs

from livestack.actors.complaint_log import EVERY_NS, KNOWN_MAX, ComplaintLog
from livestack.venues.adapter import Complaint


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str, int]] = []

    def warning(self, kind: str, **fields: Any) -> None:
        self.lines.append((kind, fields["detail"], fields["count"]))


def test_kinds_and_instruments_are_told_apart() -> None:
    """Each has its own first line and its own count."""
    log = Log()
    told = ComplaintLog(log)
    for detail in ("A: 1", "B: 1", "A: 2", "A: 3"):
        told.add(Complaint("gap", detail, b""), 0)
    told.add(Complaint("bad", "A: 1", b""), 0)
    assert [("gap", "A: 1", 1), ("gap", "B: 1", 1), ("bad", "A: 1", 1)] == log.lines
    told.tick(EVERY_NS - 1)
    assert 3 == len(log.lines)
    told.tick(2 * EVERY_NS)
    assert [("gap", "A: 3", 2)] == log.lines[3:]


def test_what_was_quiet_for_a_minute_is_news_again() -> None:
    """And is logged at once."""
    log = Log()
    told = ComplaintLog(log)
    told.add(Complaint("gap", "A: 1", b""), 0)
    told.tick(EVERY_NS)
    told.add(Complaint("gap", "A: 2", b""), EVERY_NS)
    assert [("gap", "A: 1", 1), ("gap", "A: 2", 1)] == log.lines


def test_a_flood_of_different_ones_is_bounded() -> None:
    """Whoever sends chooses the text: beyond so many, only kinds are told apart."""
    told = ComplaintLog(Log())
    with capture_logs():
        for number in range(3 * KNOWN_MAX):
            told.add(Complaint("gap", f"{number}: x", b""), 0)
    assert KNOWN_MAX + 1 == len(told._lines)
