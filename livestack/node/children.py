"""The node's side of the follower: what it says, whether it keeps up, and that it is missed when it does not.

Starting it, hearing it and ending it is :mod:`livestack.node.child_process`. Callbacks run on the child's thread or the
timers', and must only put a message somewhere or close the gate.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from livestack.follower_settings import FollowerSettings
from livestack.node.child_process import ChildProcess, child_environment
from livestack.node.follower import DifferenceFound, PositionReached, Report, SnapshotWritten, Trouble
from livestack.settings import Settings
from livestack.transports.backoff import Backoff
from livestack.transports.clock import Clock, Timers

STOP_TIMEOUT_S = 10.0
"""For the last snapshot: a deep book's takes a second, a slow disk some more."""

_report_decoder = msgspec.json.Decoder(Report)


class FollowerEvents(Protocol):
    """Whom a :class:`FollowerChild` tells. Nothing here may block."""

    def on_snapshot(self, seq: int) -> None:
        """State after ``seq`` is on disk, and proven to come back."""

    def on_difference(self, seq: int, text: str) -> None:
        """The Core decides otherwise at ``seq`` than it is recorded; the follower is not started again."""

    def on_away(self, reason: str) -> None:
        """Nothing was verified for ``away_after``; once until :meth:`on_back`."""

    def on_back(self) -> None:
        """It has caught up."""


OF_STORAGE = ("AWS_", "PG")
"""How the variables begin that object storage and libpq look up."""


def follower_command(
    data_dir: Path, session: str, settings: FollowerSettings, sinks: Mapping[str, str]
) -> list[str]:
    """The command line of a session's follower. ``sinks`` in use, with their addresses, which hold no secret."""
    return [
        sys.executable,
        *("-m", "livestack", "follower", session, "--child"),
        *("--data-dir", str(data_dir.absolute())),
        *("--snapshot-every", f"{settings.snapshot_every_ns // 1_000_000}ms"),
        *("--snapshot-every-events", str(settings.snapshot_every_events)),
        *("--keep", str(settings.keep)),
        *(f"--sink={name}={address}" for name, address in sinks.items()),
    ]


def follower_environment(environment: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """As :func:`shipper_environment`, without what libraries of storage look up: a follower needs no secret at all."""
    given = shipper_environment(environment, settings)
    return {name: value for name, value in given.items() if not name.startswith(OF_STORAGE)}


def shipper_environment(environment: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """``environment`` with this process's import path, without the keys of venues and guards, and without the URLs of
    the lease's server and of sinks, which may hold passwords: a shipper is told its own on its stdin."""
    secrets = {name for venue in settings.venues.values() for name in venue.secret_variables}
    return child_environment(environment, without=secrets | url_variables(settings))


def url_variables(settings: Settings) -> frozenset[str]:
    """The environment variables that hold the URL of the lease's server or of a sink, with its password."""
    names = {sink.url_env for sink in settings.records.sinks.values()} | {settings.lease.postgres_url_env}
    return frozenset(name for name in names if name is not None)


class FollowerChild(ChildProcess):
    """The follower of one session. :meth:`start` and :meth:`stop` on the node's main thread.

    It is *away* when what it verified last is older than ``away_after_ns``: dead, stuck, too slow, or failing again and
    again at one place. ``seq`` and ``behind`` are the last ones it told. Exit code 0 is a session that is over.
    """

    name = "follower"

    def __init__(
        self,
        command: Sequence[str],
        events: FollowerEvents,
        *,
        clock: Clock,
        timers: Timers,
        backoff: Backoff,
        away_after_ns: int,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(command, clock=clock, timers=timers, backoff=backoff, environment=environment)
        self.seq = 0
        self.behind = 0
        self._events = events
        self._away_after_ns = away_after_ns
        self._away = False
        self._verified_ns = clock.now_ns()

    def start(self) -> None:
        """Start the process and the look at its progress; returns at once."""
        self._verified_ns = self._clock.now_ns()
        self._look_again()
        self._thread.start()

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """Have it write its last snapshot and end, or kill it after ``timeout_s``. Whether it ended by itself."""
        return super().stop(timeout_s)

    def _hear(self, line: bytes) -> None:
        try:
            report: Report = _report_decoder.decode(line)
        except msgspec.MsgspecError:
            self._say(line)
            return
        match report:
            case PositionReached():
                self._progressed(report)
            case SnapshotWritten(seq, _, size, ms):
                self._log.debug("snapshot_written", seq=seq, size=size, ms=ms)
                self._events.on_snapshot(seq)
            case DifferenceFound(seq):
                with self._lock:
                    self._over = True
                self._forget_look()
                self._log.error("follower_differs", seq=seq, difference=str(report))
                self._events.on_difference(seq, str(report))
            case Trouble(text):
                self._trouble = text
                self._log.warning("follower_trouble", cause=text)

    def _progressed(self, position: PositionReached) -> None:
        """``ts`` is in session time, as the clock's: at the end of the journal all of it is verified until now."""
        self.seq, self.behind = position.seq, position.behind
        now_ns = self._clock.now_ns()
        verified_ns = position.ts if position.behind else now_ns
        if not position.behind:
            self._backoff.reset()
            self._trouble = ""
        with self._lock:
            self._verified_ns = max(self._verified_ns, verified_ns)
            back = self._away and now_ns - self._verified_ns < self._away_after_ns
            if back:
                self._away = False
        if back:
            self._log.warning("follower_back", seq=self.seq)
            self._events.on_back()
            self._look_again()

    def _look_again(self) -> None:
        """Have somebody look when it would be away if nothing more were heard."""
        self._forget_look = self._timers.at(self._verified_ns + self._away_after_ns, self._look)

    def _look(self) -> None:
        with self._lock:
            if self._over:
                return
            self._away = self._clock.now_ns() - self._verified_ns >= self._away_after_ns
            away = self._away
        if not away:
            self._look_again()
            return
        cause = self._trouble or ("it is too slow" if self.behind else "it says nothing")
        reason = f"nothing behind seq {self.seq} was verified for {self._away_after_ns // 1_000_000_000} s: {cause}"
        self._log.warning("follower_away", cause=reason)
        self._events.on_away(reason)
