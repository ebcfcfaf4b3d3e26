"""``[journal]``: what is allowed, and what is said of the rest."""

from __future__ import annotations

from livestack.core.validation import convert
from livestack.journal_settings import JournalSettings


def faults_of(**given: object) -> list[str]:
    faults: list[tuple[str, str]] = []
    convert(given, JournalSettings, "journal", faults)
    return [f"{key} {sentence}" for key, sentence in faults]


def test_defaults_are_safe() -> None:
    """Every commit is durable, nothing is ever removed, and trading halts long before the disk is full."""
    settings = JournalSettings()
    assert ("full", None) == (settings.durability, settings.retain_ns)
    assert settings.headroom > settings.ballast > 0


def test_what_is_given_is_read() -> None:
    """Durations as text; no retention is no number."""
    given = {"retain": "2h", "segment_age": "1s", "segment_bytes": 65_536, "headroom": 0, "ballast": 0}
    faults: list[tuple[str, str]] = []
    settings = convert(given, JournalSettings, "journal", faults)
    assert [] == faults
    assert (7_200_000_000_000, 1_000_000_000) == (settings.retain_ns, settings.segment_age_ns)


def test_what_cannot_be_is_refused() -> None:
    """With the key and what would be right."""
    assert faults_of(segment_age="10ms")
    assert faults_of(retain="1ms")
    assert faults_of(segment_bytes=10)
    assert faults_of(durability="none")
    assert faults_of(headroom=-1)
