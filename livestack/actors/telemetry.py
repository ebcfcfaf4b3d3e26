"""The telemetry actor: reads every instrument and probe once an interval, shows it on the board, and sends it.

One thread, one per node, started last and stopped first. It writes nothing that trading reads, waits for nobody, and
its failure costs figures alone: the supervisor starts another one, for as long as it takes. What is to go on through
that (totals that were sent, labels as they are written) is in :class:`Emission`, which outlives it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import structlog

from livestack.actors.base import NodeActor
from livestack.actors.desk import Board, Metrics
from livestack.actors.mailbox import Mailbox
from livestack.actors.messages import Tick
from livestack.actors.telemetry_recent import Recent
from livestack.telemetry import catalogue
from livestack.telemetry.instruments import Reading, Registry
from livestack.telemetry.sender import TOO_LONG, Sender
from livestack.telemetry.statsd import Encoder, Names, Naming, pack
from livestack.transports.clock import Clock, Timers

PROBE: Final = "probe"
"""Why a value is missing that a probe should have read."""


SLICE: Final = 8
"""Series that are dealt with at a time: well below a millisecond."""


class Emission:
    """What a node has sent so far and how. One for the life of the node; the telemetry actor's thread.

    ``sender`` makes what sends; None: nothing is sent, and everything else is as ever. ``statsd`` says where to.
    """

    def __init__(
        self, naming: Naming, datagram: int, sender: Callable[[], Sender] | None, statsd: str = ""
    ) -> None:
        self.names = Names()
        self.encoder = Encoder(naming, self.names)
        self.recent = Recent(self.names)
        self.datagram = datagram
        self.sender = sender
        self.statsd = statsd


class TelemetryActor(NodeActor):
    """``interval_ns``: between two readings. ``give_way`` lets other threads have the interpreter."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        supervisor: Mailbox,
        registry: Registry,
        emission: Emission,
        board: Board,
        interval_ns: int,
        clock: Clock,
        timers: Timers,
        give_way: Callable[[], None],
    ) -> None:
        super().__init__("telemetry", mailbox, supervisor)
        self._registry = registry
        self._emission = emission
        self._board = board
        self._interval_ns = interval_ns
        self._clock = clock
        self._timers = timers
        self._give_way = give_way
        self._sender: Sender | None = None
        self._next_ns = clock.now_ns() + interval_ns
        self._cancel_tick: Callable[[], None] = lambda: None
        self._failed_probes: set[str] = set()
        self._is_losing = False
        self._sent = registry.counter(catalogue.TELEMETRY_SENT)
        self._bytes = registry.counter(catalogue.TELEMETRY_BYTES)
        self._lost = registry.counters(catalogue.TELEMETRY_LOST)
        self._read_time = registry.histogram(catalogue.TELEMETRY_READ)
        self._log = structlog.get_logger("telemetry")

    def on_start(self) -> None:
        if self._emission.sender is not None:
            self._sender = self._emission.sender()
        self._tick_at(self._next_ns)

    def on_batch(self, batch: list[Any]) -> None:
        """However many ticks are due: one reading. The next one is at the next interval that is not over."""
        began_ns = self._clock.now_ns()
        self._read(began_ns)
        self._read_time.note(self._clock.now_ns() - began_ns)
        late = max(self._clock.now_ns() - self._next_ns, 0) // self._interval_ns
        self._next_ns += (late + 1) * self._interval_ns
        self._tick_at(self._next_ns)

    def on_stop(self) -> None:
        """The last seconds too."""
        self._cancel_tick()
        try:
            self._read(self._clock.now_ns())
        finally:
            self._close()

    def on_failure(self, *error: Any) -> None:
        self._cancel_tick()
        self._close()
        super().on_failure(*error)

    def _tick_at(self, deadline_ns: int) -> None:
        mailbox, tick = self._mailbox, Tick()
        self._cancel_tick()
        self._cancel_tick = self._timers.at(deadline_ns, lambda: mailbox.tell(tick))

    def _read(self, now_ns: int) -> None:
        readings = self._registry.read(self._probe_failed)
        self._send(readings)
        self._board.metrics = Metrics(now_ns, self._emission.recent.told(now_ns, self._gently(readings)))

    def _gently(self, readings: list[Reading]) -> Iterator[Reading]:
        """A thread that is woken for a tick must not wait until all of them are dealt with."""
        for number, reading in enumerate(readings, 1):
            yield reading
            if number % SLICE == 0:
                self._give_way()

    def _send(self, readings: list[Reading]) -> None:
        sender, emission = self._sender, self._emission
        if sender is None:
            return
        datagrams, too_long = pack(emission.encoder.encode(self._gently(readings)), emission.datagram)
        outcome = sender.send(datagrams)
        self._sent.value += outcome.datagrams
        self._bytes.value += outcome.size
        if too_long:
            outcome.lost[TOO_LONG] += too_long
        for reason, values in outcome.lost.items():
            self._lost.add(reason, values)
        self._tell_losses(dict(outcome.lost))

    def _tell_losses(self, lost: dict[str, int]) -> None:
        """When it begins, and when it is over; how much is in the metrics."""
        if lost and not self._is_losing:
            self._log.warning("metrics_lost", statsd=self._emission.statsd, **lost)
        elif self._is_losing and not lost:
            self._log.warning("metrics_arrive_again", statsd=self._emission.statsd)
        self._is_losing = bool(lost)

    def _probe_failed(self, name: str, error: Exception) -> None:
        self._lost.add(PROBE)
        if name not in self._failed_probes:
            self._failed_probes.add(name)
            self._log.error("probe_failed", probe=name, error=f"{type(error).__name__}: {error}")

    def _close(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.close()
