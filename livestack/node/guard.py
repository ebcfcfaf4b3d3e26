"""The guard: a process that ends a node which makes no progress, and clears the venues behind it.

It is told by its node, on the first line of its stdin, what to look after; it reads the node's pulse from shared memory
that is inherited, and holds the node by a descriptor of its process. It acts when the node has beaten no more for the
limit, or has died without having stopped in order: the kill-switch is latched on disk; the node is killed (SIGKILL,
which a stopped process does not outlive either); then every venue is swept until it is proven flat, and what was done
is written down.

A node that is started meanwhile: the guard takes the data directory's lock as soon as the dead node has lost it, for
``HOLD_NS`` at most, so that such a node ends with the guard's name and exit code 5. Later it may start, and finds the
latch: it can cancel as the guard does, and sends no New. Once somebody has reset the kill-switch the guard ends.

A process of its own; imports no actor and nothing that decides. Main thread; :mod:`livestack.node.aftermath` has more.
"""

from __future__ import annotations

import os
import queue
import select
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import structlog

from livestack.control.disk import Disk
from livestack.control.latch import Latch, LatchEntry
from livestack.node import triggers
from livestack.node.aftermath import Aftermath
from livestack.node.guard_report import GuardReport, VenueReport
from livestack.node.node_process import NodeProcess
from livestack.node.shared_progress import Phase, Progress, ProgressReader
from livestack.node.venue_access import make_sweeps
from livestack.telemetry import logs
from livestack.telemetry_settings import LogSettings
from livestack.transports.clock import Clock
from livestack.venue_settings import VenueSettings
from livestack.venues.adapter import Setback

EXIT_FLAT = 0
EXIT_NOT_FLAT = 4

LOOKS_A_LIMIT = 20
"""How often the guard looks within its limit; a node beats as often."""

DEATH_WAIT_S = 5.0
"""After SIGKILL no instruction of the node's own runs any more; only what it sleeps on in the kernel can take time."""

LEAVING_NS = 30_000_000_000
"""How long a node may take to end that is not to end in order: time for a last snapshot and its last words."""

WATCHING_NS = 500_000_000
"""Between two signs of life to the node."""


class Instructions(msgspec.Struct, frozen=True, kw_only=True):
    """What a node tells its guard: exactly what it runs with itself, but for secrets."""

    data_dir: str
    limit_ns: int
    venues: dict[str, VenueSettings]
    node: str = ""
    log: LogSettings = LogSettings()


class Ready(msgspec.Struct, frozen=True, tag="ready", tag_field="report"):
    """It watches from now on."""


class Watching(msgspec.Struct, frozen=True, tag="watching", tag_field="report"):
    """It still does."""


class Trouble(msgspec.Struct, frozen=True, tag="error", tag_field="report"):
    """Something is wrong; ``text`` is a sentence."""

    text: str


Report = Ready | Watching | Trouble
"""One line of a guard's stdout."""


class Watch:
    """Whether the node has made no progress for a limit, counted in time that the guard itself was awake.

    A guard that was stopped, or got no processor, did not see whether the node beat meanwhile: what is more than the
    time between two looks does not count.
    """

    def __init__(self, look_every_ns: int) -> None:
        self._look_every_ns = look_every_ns
        self._beats = -1
        self._looked_ns = 0
        self.silent_ns = 0

    def is_stuck(self, beats: int, limit_ns: int | None, now_ns: int) -> bool:
        """``limit_ns`` None: it need not beat at all."""
        elapsed_ns, self._looked_ns = now_ns - self._looked_ns, now_ns
        if beats != self._beats or limit_ns is None:
            self._beats, self.silent_ns = beats, 0
        else:
            self.silent_ns += min(elapsed_ns, self._look_every_ns)
        return limit_ns is not None and self.silent_ns >= limit_ns


class Guard:
    """Watches until the node has ended, one way or the other. ``say`` hands a report to the node; it never blocks.

    ``wishes``: the descriptor on which the node wakes it; it ends with the node.
    """

    def __init__(
        self,
        instructions: Instructions,
        reader: ProgressReader,
        clock: Clock,
        say: Callable[[Report], None],
        environment: Mapping[str, str],
        wishes: int,
    ) -> None:
        self._data_dir = Path(instructions.data_dir)
        limit_ns = instructions.limit_ns
        self._limits_ns = {
            Phase.RUNNING: limit_ns,
            Phase.STOPPING: limit_ns,
            Phase.LEAVING: max(limit_ns, LEAVING_NS),
        }
        self._reader = reader
        self._clock = clock
        self._say = say
        self._venues = instructions.venues
        self._environment = environment
        self._log = structlog.get_logger("guard")
        self._stopping = threading.Event()
        self._news: queue.SimpleQueue[tuple[str, VenueReport]] = queue.SimpleQueue()
        self._progress = reader.read()
        self._node = NodeProcess(self._progress.pid, self._progress.started)
        self._look_every_ns = instructions.limit_ns // LOOKS_A_LIMIT
        self._watch = Watch(self._look_every_ns)
        self._poller = select.poll()
        self._wishes = wishes
        self._poller.register(wishes, select.POLLIN)
        if self._node.fd >= 0:
            self._poller.register(self._node.fd, select.POLLIN)
        self._sweeps = make_sweeps(
            instructions.venues,
            environment,
            clock,
            lambda wait_ns: self._stopping.wait(wait_ns / 1e9),
            lambda venue, report: self._news.put((venue, report)),
        )

    def run(self) -> int:
        """The exit code, once the node has ended and everything is done."""
        triggers.ignore()
        self._say(Ready())
        threading.Thread(target=self._try_keys, daemon=True).start()
        said_ns = self._clock.now_ns()
        while True:
            self._wait()
            progress = self._look()
            if progress.phase is Phase.STOPPED:
                return EXIT_FLAT
            if self._node.is_gone():
                return self._act("the node died without a clean stop", progress)
            now_ns = self._clock.now_ns()
            limit_ns = self._limits_ns.get(progress.phase)
            if self._watch.is_stuck(progress.beats, limit_ns, now_ns):
                return self._act(
                    f"the node made no progress for {self._watch.silent_ns // 1_000_000} ms", progress
                )
            if now_ns - said_ns >= WATCHING_NS:
                said_ns = now_ns
                self._say(Watching())

    def _wait(self) -> None:
        """Until the next look is due, or the node has something to say, or it has ended."""
        for fd, _ in self._poller.poll(self._look_every_ns / 1e6):
            if fd == self._wishes and not os.read(fd, 100):
                self._poller.unregister(fd)  # whether the node is gone its own descriptor tells

    def _look(self) -> Progress:
        """A page that is torn for good is a node gone mad: it beats, or it does not."""
        try:
            self._progress = self._reader.read()
        except ValueError:
            self._progress = self._progress._replace(beats=self._reader.beats())
        return self._progress

    def _try_keys(self) -> None:
        """That a key does not work should be known before it is needed; and a first request loads what it needs."""
        for sweep in make_sweeps(
            self._venues, self._environment, self._clock, lambda _: True, lambda *_: None
        ):
            answer = sweep.look()
            sweep.close()
            if isinstance(answer, Setback):
                self._say(Trouble(f"the guard cannot ask venue {sweep.venue} for open orders: {answer.text}"))

    def _act(self, reason: str, progress: Progress) -> int:
        disk, latch, clock = Disk(), Latch(self._data_dir), self._clock
        logs.bind(session=progress.session)
        self._log.error("guard_acts", reason=reason, pid=progress.pid)
        entry = LatchEntry(trigger="guard", by="guard", reason=reason, wall_ns=clock.wall_ns())
        not_latched = disk.do(lambda: latch.engage(entry))
        killed = not self._node.is_gone() and self._node.kill()
        node_ended = self._node.is_gone(DEATH_WAIT_S)
        report = GuardReport(
            trigger="guard",
            by="guard",
            reason=reason,
            began_ns=entry.wall_ns,
            latched=not_latched is None,
            killed=killed,
            node_ended=node_ended,
            node_pid=progress.pid,
            session=progress.session,
            note=f"the kill-switch is not latched: {not_latched}" if not_latched is not None else "",
            venues={sweep.venue: sweep.report for sweep in self._sweeps},
        )
        report = Aftermath(self._data_dir, report, disk, latch, clock).run(
            self._sweeps, self._news, self._stopping
        )
        self._log.error("guard_done", flat=report.flat, latched=report.latched, note=report.note)
        return EXIT_FLAT if report.flat else EXIT_NOT_FLAT
