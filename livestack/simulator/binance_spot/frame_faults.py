"""What befalls messages on their way out: they wait, come twice, overtake, get lost, break off in the middle.

Pure. Runs on the venue's thread. Every frame passes through one queue ordered by time; within a connection order is
kept, but for those that a fault lets overtake.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from livestack.simulator.binance_spot import corruption
from livestack.simulator.binance_spot.fault_book import FaultBook, Subject
from livestack.simulator.binance_spot.streams import CONTROL, Outbox
from livestack.simulator.fault_kinds import Rule, below

DIFF_MARK = '"depthUpdate"'


def frame_bytes(text: str) -> bytes:
    """An unmasked, unfragmented text frame (RFC 6455, section 5.2)."""
    payload = text.encode()
    return frame_header(len(payload)) + payload


def frame_header(length: int) -> bytes:
    """The head of such a frame."""
    if length < 126:
        return bytes((0x81, length))
    if length < 1 << 16:
        return b"\x81\x7e" + length.to_bytes(2, "big")
    return b"\x81\x7f" + length.to_bytes(8, "big")


def subject_of(what: str) -> Subject:
    """What an outgoing frame is about, from its mark in the outbox."""
    first, _, rest = what.partition("/")
    if first == "event":
        event, _, symbol = rest.partition("/")
        return Subject("ws_api", event=event, symbol=symbol)
    if first == "answer":
        method, _, symbol = rest.partition("/")
        return Subject("ws_api", method=method, symbol=symbol)
    if what == CONTROL:
        return Subject("stream")
    return Subject("stream", stream=what, symbol=what.partition("@")[0].upper())


class FrameFaults:
    """The queue of a venue's outgoing frames. ``best_ask``: best ask and tick of a symbol, for books that cross."""

    def __init__(self, book: FaultBook, best_ask: Callable[[str], tuple[int, int]]) -> None:
        self._book = book
        self._best_ask = best_ask
        self._queue: list[tuple[int, int, int, str, bytes | None]] = []
        self._number = 0
        self._last_ns: dict[int, int] = {}
        self._doomed: dict[int, None] = {}
        """Nothing more is queued for these: a break is under way."""
        self._cuts: list[tuple[int, bytes]] = []
        self.deaf: dict[int, bool] = {}
        """Half-open connections, and whether what comes in is lost as well."""
        self.leads: dict[str, int] = {}
        """Until when a symbol's diffs are held back."""

    @property
    def waiting(self) -> bool:
        """Whether anything is in the queue, or any connection is not as it should be."""
        return bool(self._queue or self._cuts or self.deaf)

    def next_due_ns(self) -> int | None:
        return self._queue[0][0] if self._queue else None

    def take(self, outbox: Outbox, now_ns: int) -> None:
        """Everything in ``outbox`` sets out, or does not."""
        for connection_id, text, what in outbox:
            if connection_id not in self._doomed and connection_id not in self.deaf:
                self._send(connection_id, text, subject_of(what), now_ns)
        outbox.clear()

    def release(self, now_ns: int) -> list[tuple[int, str]]:
        """Frames whose time has come. A break ends its connection's."""
        frames = []
        queue = self._queue
        while queue and queue[0][0] <= now_ns:
            _, _, connection_id, text, broken = heapq.heappop(queue)
            if broken is not None:
                self._cuts.append((connection_id, broken))
                self._drop(connection_id)
            else:
                frames.append((connection_id, text))
        return frames

    def cuts(self) -> list[tuple[int, bytes]]:
        """Connections to abort, with what of a last frame gets out before."""
        cuts, self._cuts = self._cuts, []
        return cuts

    def cut(self, connection_id: int) -> None:
        """Abort a connection now; what is queued for it is lost."""
        if connection_id not in self._doomed:
            self._doomed[connection_id] = None
            self._drop(connection_id)
            self._cuts.append((connection_id, b""))

    def mute(self, connection_id: int, *, deaf: bool) -> None:
        """Leave a connection open and say nothing more on it; what is queued for it is lost."""
        self._drop(connection_id)
        self.deaf.setdefault(connection_id, deaf)

    def is_doomed(self, connection_id: int) -> bool:
        return connection_id in self._doomed

    def forget(self, connection_id: int) -> None:
        """The connection is gone."""
        if connection_id in self._last_ns:
            self._drop(connection_id)
        self._last_ns.pop(connection_id, None)
        self._doomed.pop(connection_id, None)
        self.deaf.pop(connection_id, None)

    # -- one frame -------------------------------------------------------------------------------------------------

    def _send(self, connection_id: int, text: str, subject: Subject, now_ns: int) -> None:
        book, random = self._book, self._book.random
        if self._lost(subject, now_ns):
            return
        rule = book.strikes("half_open", subject, now_ns)
        if rule is not None:
            book.count("half_open")
            self.deaf[connection_id] = bool(rule.number("deaf"))
            return
        text = self._altered(text, subject, now_ns)
        due_ns, overtaken = self._due(subject, now_ns)
        if not overtaken:
            due_ns = max(due_ns, self._last_ns.get(connection_id, 0))
            self._last_ns[connection_id] = due_ns
        rule = book.strikes("disconnect", subject, now_ns)
        if rule is not None:
            book.count("disconnect")
            self._break(connection_id, text, rule, max(due_ns, self._last_ns.get(connection_id, 0)))
            return
        self._push(due_ns, connection_id, text, None)
        for kind in _kinds(subject, "event_duplicated", "frame_duplicated", "answer_duplicated"):
            rule = book.strikes(kind, subject, now_ns)
            if rule is not None:
                book.count(kind)
                self._push(due_ns + rule.draw("delay", random), connection_id, text, None)

    def _lost(self, subject: Subject, now_ns: int) -> bool:
        for kind in _kinds(subject, "event_lost", "frame_dropped", ""):
            if self._book.strikes(kind, subject, now_ns) is not None:
                self._book.count(kind)
                return True
        return False

    def _due(self, subject: Subject, now_ns: int) -> tuple[int, bool]:
        """When a frame arrives at the wire, and whether others may pass it by on the way."""
        book, random, due_ns, overtaken = self._book, self._book.random, now_ns, False
        for kind in ("latency", *_kinds(subject, "event_held", "", "")):
            rule = book.strikes(kind, subject, now_ns)
            if rule is not None:
                book.count(kind)
                due_ns += rule.draw("delay", random)
        for kind in _kinds(subject, "event_delayed", "frame_delayed", "answer_delayed"):
            rule = book.strikes(kind, subject, now_ns)
            if rule is not None:
                book.count(kind)
                due_ns, overtaken = due_ns + rule.draw("delay", random), True
        if self.leads and "@depth" in subject.stream:
            due_ns = max(due_ns, self.leads.get(subject.symbol, 0))
        return due_ns, overtaken

    def _altered(self, text: str, subject: Subject, now_ns: int) -> str:
        if subject.stream and DIFF_MARK in text and self._book.holds("crossed_book"):
            rule = self._book.strikes("crossed_book", subject, now_ns)
            if rule is not None:
                self._book.count("crossed_book")
                ask, tick = self._best_ask(subject.symbol)
                text = corruption.crossed(text, ask, tick, gap=bool(rule.number("gap")))
        return corrupt(self._book, text, subject, now_ns)

    def _break(self, connection_id: int, text: str, rule: Rule, due_ns: int) -> None:
        self._doomed[connection_id] = None
        whole = frame_bytes(text)
        at_byte = rule.number("at_byte")
        wanted = below(self._book.random, len(whole)) if at_byte < 0 else min(at_byte, len(whole))
        self._push(due_ns, connection_id, "", whole[:wanted])

    def _push(self, due_ns: int, connection_id: int, text: str, broken: bytes | None) -> None:
        self._number += 1
        heapq.heappush(self._queue, (due_ns, self._number, connection_id, text, broken))

    def _drop(self, connection_id: int) -> None:
        self._queue = [entry for entry in self._queue if entry[2] != connection_id]
        heapq.heapify(self._queue)


def corrupt(book: FaultBook, text: str, subject: Subject, now_ns: int) -> str:
    """``text`` after every rule that makes messages wrong."""
    for kind in corruption.KINDS:
        rule = book.strikes(kind, subject, now_ns)
        changed = corruption.corrupted(text, rule, book.random) if rule is not None else None
        if changed is not None:
            book.count(kind)
            text = changed
    return text


def _kinds(subject: Subject, event: str, frame: str, answer: str) -> tuple[str, ...]:
    """The kind of fault that such a message can meet; an empty name is none."""
    kind = event if subject.event else frame if subject.stream else answer if subject.method else ""
    return (kind,) if kind else ()
