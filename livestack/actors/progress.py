"""Counters that one thread writes and others read: how far the stream is, how far it is durable. No lock, no thread."""

from __future__ import annotations


class Progress:
    """``committed`` and ``journal_free`` (bytes) are written by the recorder, everything else by the harness.

    ``counts``: Events by type. ``denials``: by rule how often, and the first one's sentence.
    ``notices``: what an operator has to know of, by its sentence, and how often.
    """

    __slots__ = ("committed", "counts", "denials", "journal_free", "notices", "sequenced")

    def __init__(self, last_seq: int = 0) -> None:
        self.sequenced = last_seq
        self.committed = last_seq
        self.journal_free = 0
        self.counts: dict[type, int] = {}
        self.denials: dict[str, tuple[int, str]] = {}
        self.notices: dict[str, int] = {}

    def uncommitted(self) -> int:
        """Events that the Core has seen and the disk has not."""
        return self.sequenced - self.committed
