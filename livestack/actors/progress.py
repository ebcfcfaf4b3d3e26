"""Counters that one thread writes and others read: how far the stream is, how far it is durable. No lock, no thread."""

from __future__ import annotations

from collections import deque

from livestack.control.view import FillView, IncidentView
from livestack.core.types import SessionPhase

FILLS_MAX = 1_000
"""Fills that an operator is shown: the journal has them all."""


class Progress:
    """``committed`` and ``journal_free`` (bytes) are written by the recorder, everything else by the harness.

    ``busy_ns``: session time since when the harness has been at one step, 0: it waits for Events. ``followed``: the
    control actor wants every batch. ``fills``: the last ones of this run, ``fills_counted``: all of them;
    ``incidents``: open ones, by name and scope.

    ``counts``: Events by type. ``denials``: by rule how often, and the first one's sentence. ``anomalies``: by kind,
    ``opened``: incidents that opened, by name.
    ``notices``: what an operator has to know of, by its sentence, and how often.
    ``trading``: by scope who or what set its trading state last in this run and why, and whether somebody asked for it.
    ``phase``: the session's, after the last batch.
    """

    __slots__ = (
        "anomalies",
        "busy_ns",
        "committed",
        "counts",
        "denials",
        "fills",
        "fills_counted",
        "followed",
        "incidents",
        "journal_free",
        "notices",
        "opened",
        "phase",
        "sequenced",
        "trading",
    )

    def __init__(self, last_seq: int = 0) -> None:
        self.sequenced = last_seq
        self.committed = last_seq
        self.journal_free = 0
        self.busy_ns = 0
        self.followed = False
        self.fills_counted = 0
        self.fills: deque[FillView] = deque(maxlen=FILLS_MAX)
        self.incidents: dict[tuple[str, str], IncidentView] = {}
        self.counts: dict[type, int] = {}
        self.denials: dict[str, tuple[int, str]] = {}
        self.notices: dict[str, int] = {}
        self.anomalies: dict[str, int] = {}
        self.opened: dict[str, int] = {}
        self.trading: dict[str, tuple[str, bool]] = {}
        self.phase = SessionPhase.STARTING

    def uncommitted(self) -> int:
        """Events that the Core has seen and the disk has not."""
        return self.sequenced - self.committed
