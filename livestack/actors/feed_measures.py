"""What is measured at a feed: frames and their size, how long they take and how late they are, gaps and faults.

Whoever holds the reader's lock calls this; ``reconnected`` is the actor's. Imports core Events and instruments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from livestack.actors.measures import ARRIVALS_MAX, SLOW_NS, Measures
from livestack.core.events import Event, FeedStatusChanged
from livestack.core.types import ConnectionStatus
from livestack.telemetry import catalogue

EVERY: Final = 5
"""Frames of which one is noted for all, unless it was slow."""


class FeedMeasures:
    """Those of one venue's feed; those of the actor before go on."""

    def __init__(self, measures: Measures, venue: str) -> None:
        registry = measures.registry
        self._venue = venue
        self._now_ns = measures.clock.now_ns
        self._offsets = measures.clock_offsets
        self._arrivals = measures.arrivals(venue)
        self._messages = registry.counter(catalogue.FEED_MESSAGES, venue)
        self._bytes = registry.counter(catalogue.FEED_BYTES, venue)
        self._decode = registry.histogram(catalogue.FEED_DECODE, venue)
        self._lag = registry.histogram(catalogue.FEED_LAG, venue)
        self._gaps = registry.counter(catalogue.FEED_GAPS, venue)
        self._resyncs = registry.counter(catalogue.FEED_RESYNCS, venue)
        self._refused = registry.counter(catalogue.FEED_REFUSED, venue)
        self._reconnects = registry.counter(catalogue.FEED_RECONNECTS, venue)
        self._faults = registry.counters(catalogue.FEED_FAULTS, venue)
        self._faults_before = self._faults.values.copy()
        self._live: set[str] = set()
        self._not_noted = 0

    def frame(self, size: int) -> None:
        """One arrived."""
        self._messages.value += 1
        self._bytes.value += size

    def delivering(self, events: list[Event], recv_ns: int) -> None:
        """``events`` of a frame that came at ``recv_ns`` go into the inbox now."""
        put_ns = self._now_ns()
        arrivals = self._arrivals
        arrivals.count = count = arrivals.count + 1
        arrivals.frames[count % ARRIVALS_MAX] = recv_ns, put_ns
        self._not_noted += 1
        took_ns = put_ns - recv_ns
        if took_ns >= SLOW_NS:
            self._note(took_ns, events[-1], recv_ns, 1)
        elif self._not_noted >= EVERY:
            self._note(took_ns, events[-1], recv_ns, self._not_noted)

    def _note(self, took_ns: int, event: Any, recv_ns: int, times: int) -> None:
        self._not_noted -= times
        self._decode.note(took_ns, times)
        event_ns = getattr(event, "event_ns", 0)
        if event_ns:
            self._lag.note(recv_ns + self._offsets.get(self._venue, 0) - event_ns, times)

    def status(self, event: FeedStatusChanged) -> None:
        """Told of one instrument, or of all."""
        live, instrument = self._live, event.instrument
        if event.status is ConnectionStatus.LIVE:
            if instrument:
                live.add(instrument)
                self._resyncs.value += 1
            return
        lost = {instrument} & live if instrument else live.copy()
        self._gaps.value += len(lost)
        live -= lost

    def refused(self, events: int) -> None:
        """A full inbox did not take so many, and every book begins anew."""
        self._refused.value += events
        self._gaps.value += len(self._live)
        self._live.clear()

    def complained(self, faults: Mapping[str, int]) -> None:
        """``faults``: how often each kind was met by the present adapter."""
        for kind, times in faults.items():
            self._faults.values[kind] = self._faults_before.get(kind, 0) + times

    def reconnected(self) -> None:
        """A connection that was open has closed, and not because we stop."""
        self._reconnects.value += 1
