"""Where ``livestack top`` gets what it shows, and how it kills: threads with a connection each, not the screen's.

A node that hangs holds one of these threads for as long as a reply is waited for, and nothing else. What they find goes
into the :class:`Inbox`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Literal, Protocol

from livestack.cli.kill import not_killed
from livestack.cli.node import Target, seq_of
from livestack.cli.receipts import NONE_SENT, is_proof_of, summary
from livestack.cli.showing import moment
from livestack.cli.top_picture import Inbox, News
from livestack.client import ControlClient
from livestack.exceptions import LivestackError, NodeUnreachableError, PermissionDeniedError, RefusedError
from livestack.wire import control_pb2 as wire

ASK_EVERY_S = 1.0
LOOK_EVERY_S = 0.5
"""How soon a thread sees that it is to end."""

END_LIMIT_S = 1.0
FILLS_ASKED = 100

KillState = Literal["asking", "killed", "failed"]


class Killing(Protocol):
    """One kill under way. ``state`` and ``lines`` are for the screen, at any time."""

    @property
    def state(self) -> KillState: ...

    @property
    def lines(self) -> tuple[str, ...]: ...

    def stop(self) -> None:
        """Nobody looks any more; a kill that is under way is still carried out."""


class Source(Protocol):
    """What the screen needs of a node."""

    inbox: Inbox

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self, reason: str) -> Killing: ...


class NodeSource:
    """Of a running node; ``target`` has been connected to once, so that what was typed wrongly is known."""

    def __init__(self, target: Target, now_s: Callable[[], float] = time.monotonic) -> None:
        self.inbox = Inbox()
        self._target = target
        self._now_s = now_s
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, name="top-ask", daemon=True),
            threading.Thread(target=self._watch, name="top-watch", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """A thread that waits for a node which does not answer is left behind; it holds nothing up."""
        self._ended.set()
        for thread in self._threads:
            thread.join(END_LIMIT_S)

    def kill(self, reason: str) -> NodeKilling:
        return NodeKilling(self._target, reason)

    # -- Questions ---------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        with self._target.connect() as node:
            while not self._ended.is_set():
                began_s = self._now_s()
                try:
                    self._round(node)
                except PermissionDeniedError as error:
                    self.inbox.put_denied(error)
                except NodeUnreachableError as error:
                    self.inbox.put_trouble(f"{error.cause} ({error.address})")
                except LivestackError as error:
                    self.inbox.put_trouble(str(error))
                else:
                    self.inbox.put_trouble("")
                self._ended.wait(max(ASK_EVERY_S - (self._now_s() - began_s), 0.1))

    def _round(self, node: ControlClient) -> None:
        """Everything once; what a node that is starting has nothing to say to, it refuses. Who looks is there."""
        questions: tuple[Callable[[], News | wire.Pong], ...] = (
            node.ping,
            lambda: News(node.status(), self._now_s()),
            lambda: News(node.orders(), self._now_s()),
            lambda: News(node.positions(), self._now_s()),
            lambda: News(node.fills(FILLS_ASKED), self._now_s()),
            lambda: News(node.risk(), self._now_s()),
        )
        for question in questions:
            if self._ended.is_set():
                return
            try:
                if isinstance(answer := question(), News):
                    self.inbox.put(answer)
            except PermissionDeniedError:
                raise
            except RefusedError as error:
                if error.code not in ("BUSY", "RATE_LIMITED"):
                    raise
        try:
            self.inbox.put(News(node.metrics(), self._now_s()))
        except PermissionDeniedError:
            raise
        except RefusedError as error:
            self.inbox.put_metrics_trouble(error.sentence or str(error))

    # -- What is published -------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Beside the questions: sooner, and the only way to hear of Events. Their troubles are the questions' too."""
        with self._target.connect() as node:
            while not self._ended.is_set():
                try:
                    for publication in node.watch(("status", "notable"), LOOK_EVERY_S):
                        if self._ended.is_set():
                            return
                        if publication is not None:
                            self._published(publication)
                except LivestackError:
                    self._ended.wait(ASK_EVERY_S)

    def _published(self, publication: wire.Publication) -> None:
        if publication.WhichOneof("content") == "status":
            self.inbox.put(News(publication.status, self._now_s()))
        else:
            self.inbox.put_event(publication)


class NodeKilling:
    """A kill on a connection of its own, in a thread of its own, which the process waits for at its end."""

    def __init__(self, target: Target, reason: str) -> None:
        self.state: KillState = "asking"
        self.lines: tuple[str, ...] = ()
        self._target = target
        self._reason = reason
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="top-kill")
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        with ExitStack() as stack:
            try:
                node = stack.enter_context(self._target.connect())
                reply = node.kill(self._reason)
            except LivestackError as error:
                self.lines = (str(not_killed(self._target, self._reason, error)),)
                self.state = "failed"
                return
            self.lines = told = _told(reply)
            self.state = "killed"
            self._follow(node, reply.killed, told)

    def _follow(self, node: ControlClient, killed: wire.Killed, told: tuple[str, ...]) -> None:
        """What is proven of it, until nothing is left or nobody looks."""
        while not self._ended.is_set():
            try:
                receipt = node.kill_receipt()
            except RefusedError:
                pass
            except LivestackError as error:
                self.lines = (*told, f"the node tells nothing more: {error}")
                return
            else:
                if is_proof_of(receipt, killed):
                    self.lines = (*told, summary(receipt))
                    if receipt.flat:
                        return
            self._ended.wait(LOOK_EVERY_S)


def _told(reply: wire.Reply) -> tuple[str, ...]:
    killed, seq = reply.killed, seq_of(reply)
    place = "" if seq is None else f" (seq {seq:,})"
    lines = [f"kill-switch engaged for {killed.scope or 'everything'}{place}"]
    if reply.message:
        lines.append(reply.message)
    if not killed.durable:
        lines.append("NOT ON DISK: a restart of the node would forget it")
    else:
        lines.append("it is on disk: a restart of the node keeps it")
    lines.append(f"gate closed at {moment(killed.gate_closed_at_ns) or '-'}")
    lines.append(f"last New or Replace sent: {moment(killed.last_new_sent_at_ns) or NONE_SENT}")
    return tuple(lines)
