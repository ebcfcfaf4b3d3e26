"""The log's thread: everybody else only puts a line into a queue, and no stream, disk or terminal ever holds them up.

Theory of operation. A caller makes the line harmless (:func:`~livestack.telemetry.log_lines.plain`), stamps it and puts
it into the queue; a full queue takes no more, and the line is counted as lost. The writer takes what is there, lets
repetitions be counted, renders the rest and writes it, and says itself what was suppressed or lost. Whoever ends the
process flushes before: that waits for what is queued, within limits. What was said before SIGKILL and not written in
those milliseconds is gone.

For every line said: it was written, or counted in ``suppressed`` or in ``lost``; never in two of them.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from livestack.telemetry.log_lines import Line, Render, plain
from livestack.telemetry.log_repeats import Repeats

LINES_MAX: Final = 8_192
"""Lines that wait: a second of a flood, and some 30 MB of the longest ones."""

BATCH_S: Final = 0.005
"""Between a line and the look at what came behind it: a flood wakes the thread 200 times a second, not for each."""

FLUSH_S: Final = 2.0
"""How long the end of a process waits for a stream that takes nothing."""

OWED_MAX: Final = 1_024
"""Counts of repetitions that wait for a disk; beyond that the oldest are dropped."""

LOST: Final = "log_lines_lost"


class Sink(Protocol):
    """Where lines go."""

    def write(self, data: bytes) -> bool:
        """Whether ``data`` is there now. Never raises; may take as long as it likes."""

    def give_up(self) -> None:
        """Wait no more. Any thread."""

    def close(self) -> None:
        """Nothing more will come."""


class Writer:
    """Lines to ``sink``, ``repeat_max`` of a kind. ``wall_ns`` stamps lines; ``clock_ns`` never goes back; ``context``
    is what is bound to the lines that it says itself.

    ``written``: lines by level, its own among them. Without :meth:`start` whoever calls :meth:`turn` is the writer.
    """

    def __init__(
        self,
        sink: Sink,
        render: Render,
        repeat_max: int,
        *,
        wall_ns: Callable[[], int],
        clock_ns: Callable[[], int],
        context: Callable[[], Mapping[str, Any]] = dict,
        lines_max: int = LINES_MAX,
    ) -> None:
        self.written: dict[str, int] = {}
        self._sink = sink
        self._render = render
        self._repeats = Repeats(repeat_max)
        self._wall_ns = wall_ns
        self._clock_ns = clock_ns
        self._lines_max = lines_max
        self._context = context
        self._over = False
        self._begin()

    def _begin(self) -> None:
        """An empty queue, and nobody at work: at first, and in a fork, where no other thread lives."""
        self._queue: queue.SimpleQueue[Line | threading.Event] = queue.SimpleQueue()
        self._lock = threading.RLock()  # a signal's handler may log in between
        self._refused = self._unwritten = self._told_lost = 0
        self._owed: deque[tuple[Line, int]] = deque(maxlen=OWED_MAX)
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def restart_in_fork(self) -> None:
        """The parent writes what it was told; this process writes what it says itself."""
        was_running = self._thread.ident is not None and not self._over
        self._begin()
        self._repeats = Repeats(self._repeats.most)
        self.written = {}
        if was_running:
            self.start()

    @property
    def suppressed(self) -> int:
        """Lines that were counted instead of being written."""
        return self._repeats.suppressed

    @property
    def lost(self) -> int:
        """Lines that the queue or the sink did not take."""
        return self._refused + self._unwritten

    def say(
        self, level: str, logger: str, fields: dict[str, Any], context: Mapping[str, Any], kind: str = ""
    ) -> None:
        """Have a line written. Any thread; never waits, never raises. ``kind`` '': its event."""
        if self._queue.qsize() >= self._lines_max:
            with self._lock:
                self._refused += 1
            return
        fields = plain(fields)
        self._queue.put(
            Line(self._wall_ns(), level, logger, kind or str(fields.get("event", "")), fields, context)
        )

    def flush(self, within_s: float = FLUSH_S) -> bool:
        """Have everything written that was said, and what was suppressed and lost told. Whether it was in time."""
        if not self._thread.is_alive():
            return self._over
        done = threading.Event()
        self._queue.put(done)
        return done.wait(within_s)

    def end(self, within_s: float = FLUSH_S) -> None:
        """Flush, and end the thread. Not on the writer's thread."""
        self.flush(within_s)
        self._over = True
        self._sink.give_up()
        self._queue.put(threading.Event())
        if self._thread.is_alive():
            self._thread.join(within_s)
        self._sink.close()

    def _run(self) -> None:
        while not self._over:
            self.turn(self._next())

    def _next(self) -> list[Line | threading.Event]:
        """The first that comes, if one does before a window is over."""
        ends_ns = self._repeats.next_ns()
        wait_s = None if ends_ns is None else max(ends_ns - self._clock_ns(), 0) / 1e9
        try:
            first = self._queue.get(timeout=wait_s)
        except queue.Empty:
            return []
        if isinstance(first, Line):
            time.sleep(BATCH_S)
        return [first]

    def turn(self, first: Sequence[Line | threading.Event] = ()) -> None:
        """Write ``first``, what is queued, and what there is to be told besides. The writer's thread."""
        flushed: list[threading.Event] = []
        for item in (*first, *(self._queue.get() for _ in range(self._queue.qsize()))):
            if isinstance(item, Line):
                self._take(item)
            else:
                flushed.append(item)
        self._owed.extend(self._repeats.over(self._clock_ns()))
        if flushed:
            self._owed.extend(self._repeats.all())
        self._tell_suppressed()
        self._tell_lost()
        for event in flushed:
            event.set()

    def _take(self, line: Line) -> None:
        now_ns = self._clock_ns()
        self._owed.extend(self._repeats.over(now_ns))
        self._tell_suppressed()
        if self._repeats.passes(line, now_ns) and not self._write(line):
            self._unwritten += 1

    def _tell_suppressed(self) -> None:
        """One line for each kind and window: the newest that was not written, and how many were not."""
        while self._owed:
            line, count = self._owed[0]
            told = msgspec.structs.replace(
                line, wall_ns=self._wall_ns(), fields={**line.fields, "suppressed": count}
            )
            if not self._write(told):
                return  # it is told when there is room again
            self._owed.popleft()

    def _tell_lost(self) -> None:
        lost = self.lost
        if lost == self._told_lost:
            return
        fields = {"event": LOST, "count": lost - self._told_lost}
        if self._write(Line(self._wall_ns(), "warning", "logs", LOST, fields, self._context())):
            self._told_lost = lost

    def _write(self, line: Line) -> bool:
        try:
            is_written = self._sink.write(self._render(line))
        except Exception:  # noqa: BLE001 - a fault of ours is a lost line, and the thread goes on
            is_written = False
        if not is_written:
            return False
        self.written[line.level] = self.written.get(line.level, 0) + 1
        return True
