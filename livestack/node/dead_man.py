"""The dead man's switch: trading without anybody who could stop it is stopped, where its owner wants that.

An operator is heard in every request of a key with that role, and of anybody on the sockets in the data directory, that
gets through to the desk: looking is enough, which is all that ``livestack top`` does. Counted while the session runs,
neither before it nor while it stops. Each silence engages the kill-switch once, for everything; a reset is a request
itself. Runs on the thread of the local triggers, ten times a second. No thread of its own, no I/O.
"""

from __future__ import annotations

from livestack.actors.desk import Board
from livestack.actors.kill_switch import KillSwitch

_SECOND_NS = 1_000_000_000


class DeadMan:
    """Engages ``kill_switch`` when no operator was heard for ``limit_ns``; 0: it never does."""

    def __init__(self, limit_ns: int, board: Board, kill_switch: KillSwitch) -> None:
        self._limit_ns = limit_ns
        self._board = board
        self._kill_switch = kill_switch
        self._runs_since_ns = 0
        self._acted_on_ns = 0

    def look(self) -> None:
        """Engage, if it is time. Raises what the kill-switch does."""
        view = self._board.view
        if not self._limit_ns or view is None or view.phase != "running":
            return
        now_ns = self._board.clock.now_ns()
        self._runs_since_ns = self._runs_since_ns or now_ns
        heard_ns = max(self._board.operator_heard_ns, self._runs_since_ns)
        if now_ns - heard_ns < self._limit_ns or heard_ns == self._acted_on_ns:
            return
        if all(one.scope for one in self._kill_switch.engagements()):  # or nothing leaves anyway
            silence = f"no operator was heard for {self._limit_ns / _SECOND_NS:g} s (control.dead_man)"
            self._kill_switch.engage("dead_man", "livestack", silence)
        self._acted_on_ns = heard_ns
