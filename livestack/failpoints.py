"""Named failpoints: one call on both sides of every state change, a no-op unless a test armed it.

Pure but for the armed action. ``failpoint("recorder.after_commit")`` costs one truth test. Tests arm them in
process with :func:`arm`, or in a child process through ``LIVESTACK_FAILPOINTS="name=kill@3,other=raise"``
(``@3``: at the third pass, ``@3+``: at every one from then on; default the first). What a child process can do there:

    kill        end the process with SIGKILL
    raise       raise an error that nothing handles by name
    exit        raise ``SystemExit``, as a thread's death
    block:PIPE  wait at a named pipe until whoever opened it for writing closes it; that its opening succeeds says that
                the point is reached

Names in use: ``NAMES`` below; arming another is an error, so that a renamed point cannot leave a test that passes for
nothing. Runs on the thread that passes the point.
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
        "feed.before_message",
        "control.before_message",
        "reader.in_feed_frame",
        "reader.in_connector_frame",
        "ship.before_write",
        "ship.after_write",
        "ship.before_mark",
        "delta.before_commit",
        "delta.after_commit",
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
    """Arm from ``name=verb[@n[+]],...`` as given in ``LIVESTACK_FAILPOINTS``."""
    for part in filter(None, text.split(",")):
        name, _, how = part.partition("=")
        verb, _, nth = how.partition("@")
        arm(name, _at_pass(int(nth.rstrip("+") or 1), nth.endswith("+"), _action(verb, name)))


def _action(verb: str, name: str) -> Callable[[], None]:
    verb, _, pipe = verb.partition(":")
    if verb == "kill":
        return lambda: os.kill(os.getpid(), signal.SIGKILL)
    if verb == "block":
        return lambda: _block(pipe)

    def fail() -> None:
        raise FailpointError(name)

    def end() -> None:
        raise SystemExit(name)

    if verb in ("raise", "exit"):
        return fail if verb == "raise" else end
    raise ValueError(f"failpoint {name}: {verb!r} is not one of kill, raise, exit, block:PIPE")


def _block(pipe: str) -> None:
    with open(pipe, "rb") as reached:
        reached.read()


def _at_pass(nth: int, from_then_on: bool, action: Callable[[], None]) -> Callable[[], None]:
    passed = 0

    def at_pass() -> None:
        nonlocal passed
        passed += 1
        if passed == nth or (from_then_on and passed > nth):
            action()

    return at_pass


if _text := os.environ.get("LIVESTACK_FAILPOINTS"):
    arm_from_text(_text)
