"""Counters that one thread writes and others read: how far the stream is, how far it is durable. No lock, no thread."""

from __future__ import annotations


class Progress:
    """``sequenced`` and ``counts`` (Events by type) are written by the harness, ``committed`` by the recorder."""

    __slots__ = ("committed", "counts", "sequenced")

    def __init__(self, last_seq: int = 0) -> None:
        self.sequenced = last_seq
        self.committed = last_seq
        self.counts: dict[type, int] = {}

    def uncommitted(self) -> int:
        """Events that the Core has seen and the disk has not."""
        return self.sequenced - self.committed
