"""The dead man's switch: trading without anybody who could stop it is stopped, where its owner wants that.

An operator is heard by a ping, which ``livestack top`` sends each second, or by a command that changes something: from
a key with that role, or on the sockets in the data directory. Questions do not count, because monitors ask them.
Counted while the session runs, neither before it nor while it stops, and anew by each process. Each silence engages
the kill-switch once, for everything; behind a reset that took longer than a silence may last, at once.

Runs on the thread of the local triggers, ten times a second. No thread of its own, no I/O but a line of the log.
"""

from __future__ import annotations

import structlog

from livestack.actors.desk import Board
from livestack.actors.kill_switch import KillSwitch
from livestack.core.types import SessionPhase

_SECOND_NS = 1_000_000_000

LOOKS_A_SECOND = 5
"""So many at the least make a second: a machine that stood still has had no time to hear anybody."""


class DeadMan:
    """Engages ``kill_switch`` when ``board`` has had no operator for ``board.dead_man_ns``; 0: it never does."""

    def __init__(self, board: Board, kill_switch: KillSwitch) -> None:
        self._board = board
        self._kill_switch = kill_switch
        self._has_begun = False
        self._is_engaging = False
        self._has_warned = False
        self._heard_ns = 0
        self._looks = 0
        self._log = structlog.get_logger("kill_switch")

    def look(self) -> None:
        """Engage, if it is time. Raises what the kill-switch does, and tries again at the next look."""
        board, progress = self._board, self._board.progress
        limit_ns = board.dead_man_ns
        if not limit_ns or progress is None or progress.phase is not SessionPhase.RUNNING:
            return
        if not self._has_begun:
            self._has_begun = True
            board.operator_heard_ns = board.clock.now_ns()  # whoever began the session
        if self._heard_ns != board.operator_heard_ns:
            self._heard_ns, self._looks, self._has_warned = board.operator_heard_ns, 0, False
        self._looks += 1
        if self._lasts(limit_ns // 2) and not self._has_warned:
            self._has_warned = True
            left_s = limit_ns / 2 / _SECOND_NS
            self._log.warning(
                "operator_silent", next=f"the kill-switch, in {left_s:g} s", to_do="ping the node"
            )
        if self._lasts(limit_ns) and (self._is_engaging or not self._is_engaged()):
            self._is_engaging = True
            silence = f"no operator was heard for {limit_ns / _SECOND_NS:g} s (control.dead_man)"
            self._kill_switch.engage("dead_man", "livestack", silence)
            self._is_engaging = False

    def _lasts(self, for_ns: int) -> bool:
        enough = for_ns * LOOKS_A_SECOND // _SECOND_NS
        return self._looks >= enough and self._board.operator_silent_ns() >= for_ns

    def _is_engaged(self) -> bool:
        """For everything, by whomever."""
        return not all(one.scope for one in self._kill_switch.engagements())
