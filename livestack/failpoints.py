"""Named failpoints: one call on both sides of every state change, a no-op unless a test armed it.

Pure but for the armed action. ``failpoint("recorder.after_commit")`` costs one truth test. Tests arm them in
process with :func:`arm`, or in a child process through ``LIVESTACK_FAILPOINTS="name=kill@3,other=raise"``
(``@3``: at the third pass; default the first). Names in use: ``NAMES`` below; arming another is an error, so that a
renamed point cannot leave a test that passes for nothing. Runs on the thread that passes the point.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

NAMES = frozenset(
    {
        "harness.before_step",
        "harness.after_step",
        "recorder.before_commit",
        "recorder.after_commit",
        "journal.before_append",
        "journal.after_append",
        "journal.before_rotate",
        "journal.before_sync",
        "journal.in_rotate",
        "segment.in_make",
        "segment.before_rename",
        "retention.in_remove",
        "recovery.in_fold",
        "recovery.before_segment",
        "follower.before_snapshot",
        "snapshot.in_write",
        "snapshot.before_rename",
        "kill.before_close",
        "kill.before_latch",
        "kill.after_latch",
        "kill.before_open",
        "connector.before_gate",
        "connector.in_gate",
        "connector.after_send",
        "connector.before_ack",
    }
)

_armed: dict[str, Callable[[], None]] = {}


class FailpointError(Exception):
    """Raised by a point armed with ``raise``. Not part of the livestack tree: nothing may handle it by name."""


def failpoint(name: str) -> None:
    """Pass the named point. Does nothing unless armed."""
    if _armed and (action := _armed.get(name)) is not None:
        action()


def arm(name: str, action: Callable[[], None]) -> None:
    """Arm ``name`` with ``action``; it runs on the passing thread at every pass until :func:`disarm_all`."""
    if name not in NAMES:
        raise ValueError(f"no failpoint named {name!r}; there are: {', '.join(sorted(NAMES))}")
    _armed[name] = action


def disarm_all() -> None:
    """Disarm every point."""
    _armed.clear()


def arm_from_text(text: str) -> None:
    """Arm from ``name=kill|raise[@n],...`` as given in ``LIVESTACK_FAILPOINTS``."""
    for part in filter(None, text.split(",")):
        name, _, how = part.partition("=")
        verb, _, nth = how.partition("@")
        arm(name, _at_pass(int(nth or 1), _action(verb, name)))


def _action(verb: str, name: str) -> Callable[[], None]:
    if verb == "kill":
        return lambda: os.kill(os.getpid(), signal.SIGKILL)
    if verb == "raise":

        def fail() -> None:
            raise FailpointError(name)

        return fail
    raise ValueError(f"failpoint {name}: {verb!r} is not one of kill, raise")


def _at_pass(nth: int, action: Callable[[], None]) -> Callable[[], None]:
    passed = 0

    def at_pass() -> None:
        nonlocal passed
        passed += 1
        if passed == nth:
            action()

    return at_pass


if _text := os.environ.get("LIVESTACK_FAILPOINTS"):
    arm_from_text(_text)
