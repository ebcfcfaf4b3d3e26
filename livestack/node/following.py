"""A node's follower: what it finds holds trading or lets old segments go; without one, a snapshot at a clean stop.

The follower is a process of its own (:mod:`livestack.node.children`). Its news arrives on its thread or the timers';
nothing here waits for the trading path, nor it for this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from livestack.actors.gate import Hold
from livestack.core.incidents import FOLLOWER_AWAY, REPLAY_DIFFERS, Incident
from livestack.exceptions import LivestackError
from livestack.journal.retention import prune_segments, prune_sessions, spare_through
from livestack.node.children import FollowerChild, follower_command, follower_environment
from livestack.node.composition import Node, Seams
from livestack.node.shipped import is_shipped, shipped_to_all
from livestack.node.snapshotting import snapshot_at_stop
from livestack.settings import Settings
from livestack.transports.backoff import Backoff


class Following:
    """:meth:`start` once the node runs, :meth:`stop` once its actors have stopped. Main thread.

    ``sinks``: those of execution records, with their addresses; what they have not got stays.
    """

    def __init__(
        self,
        settings: Settings,
        sessions: Path,
        session: str,
        node: Node,
        seams: Seams,
        environment: Mapping[str, str],
        sinks: Mapping[str, str],
    ) -> None:
        self._log = structlog.get_logger("follower")
        self._sessions = sessions
        self._session = session
        self._node = node
        self._child: FollowerChild | None = None
        if settings.follower.enabled:
            self._child = FollowerChild(
                follower_command(sessions.parent, session, settings.follower, sinks),
                OnFollower(node, _retention(settings, sessions, session, seams, sinks)),
                clock=seams.clock,
                timers=seams.timers,
                backoff=Backoff(seams.random),
                away_after_ns=settings.follower.away_after_ns,
                environment=follower_environment(environment, settings),
            )

    def start(self) -> None:
        if self._child is not None:
            self._child.start()

    def stop(self, leaked: bool) -> None:
        """Let the follower write its last snapshot, or write one here; not beside a recorder that did not stop."""
        if self._child is not None:
            if not self._child.stop():
                self._log.warning("follower_killed", seq=self._child.seq)
        elif not leaked:
            try:
                snapshot_at_stop(self._sessions, self._session, self._node.runtime)
            except (OSError, LivestackError) as error:
                self._log.warning("no_snapshot", cause=str(error))


class OnFollower:
    """What the node does about its follower's news; ``on_snapshot`` gets the position of each. Any thread."""

    def __init__(self, node: Node, on_snapshot: Callable[[int], None]) -> None:
        self._node = node
        self.on_snapshot = on_snapshot

    def on_difference(self, seq: int, text: str) -> None:
        """What is recorded is not what the Core does: nothing that it decides may leave any more."""
        self._node.gate.close(Hold.FOLLOWER)
        self._open(REPLAY_DIFFERS, f"seq {seq}: {text}")

    def on_away(self, reason: str) -> None:
        self._open(FOLLOWER_AWAY, reason)

    def on_back(self) -> None:
        self._node.harness.tell_control([FOLLOWER_AWAY.closed("follower", "it has caught up")])

    def _open(self, incident: Incident, detail: str) -> None:
        self._node.harness.tell_control([incident.opened("follower", detail)])


def _retention(
    settings: Settings, sessions: Path, session: str, seams: Seams, sinks: Mapping[str, str]
) -> Callable[[int], None]:
    """With each snapshot, let the segments behind it go that are old enough and shipped."""
    log, retain_ns = structlog.get_logger("retention"), settings.journal.retain_ns

    def on_snapshot(seq: int) -> None:
        if retain_ns is None:
            return
        try:
            shipped = shipped_to_all(sessions, session, sinks)
            spare = spare_through(sessions, session, settings.follower.keep, shipped)
            gone = prune_segments(sessions, session, spare, seams.clock.wall_ns() - retain_ns)
        except OSError as error:
            log.warning("segments_not_removed", cause=str(error))
        else:
            if gone:
                log.info("segments_removed", first_seqs=gone)

    return on_snapshot


def prune(settings: Settings, sessions: Path, session: str, wall_ns: int, sinks: Mapping[str, str]) -> None:
    """Let sessions other than ``session`` go that stopped in order longer ago than ``journal.retain``, and that every
    one of ``sinks`` (names and addresses) has whole. Main thread."""
    if settings.journal.retain_ns is None:
        return
    log, before_ns = structlog.get_logger("retention"), wall_ns - settings.journal.retain_ns
    try:
        gone = prune_sessions(sessions, session, before_ns, lambda name: is_shipped(sessions, name, sinks))
    except (OSError, LivestackError) as error:
        log.warning("sessions_not_removed", cause=str(error))
    else:
        if gone:
            log.info("sessions_removed", sessions=gone)
