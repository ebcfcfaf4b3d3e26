"""A node's shippers: a process for each sink of execution records, its troubles as incidents, what is left at the end.

None of it can hold trading: a sink that is away is made up for from the journal, and a journal that has no room left
halts by itself. News arrives on the children's threads or the timers'; the rest runs on the main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import msgspec
import structlog

from livestack.control.view import SinkView
from livestack.core.events import Event
from livestack.core.incidents import DEAD_LETTER, SHIP_LAG, SHIP_REFUSED, Incident, named
from livestack.core.validation import encodable
from livestack.node.children import shipper_environment
from livestack.node.composition import Node, Seams
from livestack.node.shipper_child import ShipperChild, shipper_command
from livestack.node.sink_check import CheckedSink
from livestack.node.supervisor import EXIT_SECOND_SIGNAL
from livestack.settings import Settings
from livestack.transports.backoff import Backoff

OURS = (SHIP_LAG, SHIP_REFUSED, DEAD_LETTER)

SPARING = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2"}
"""What keeps a shipper small: libraries that keep no memory of their own for each of their threads."""

SLICE_S = 0.1
"""Between two looks whether somebody is in a hurry."""

AGAIN = "an earlier run of this session had some: they are in dead_letters"
ANEW = "looked at anew by this run"


class Shipping:
    """:meth:`start` once the node runs, :meth:`tell_stop` and :meth:`stop` once its actors have stopped."""

    def __init__(
        self,
        settings: Settings,
        sinks: Sequence[CheckedSink],
        sessions: Path,
        session: str,
        node: Node,
        seams: Seams,
        environment: Mapping[str, str],
    ) -> None:
        self._log = structlog.get_logger("shipper")
        self._session = session
        self._node = node
        self._timeout_ns = settings.records.stop_timeout_ns
        self._clock = seams.clock
        self._hurried = False
        # Before any actor runs: what an earlier run of this session left open.
        self._earlier = tuple(_incidents(node.runtime.state.control.incidents))
        self._children = [
            ShipperChild(
                shipper_command(sessions.parent, session),
                sink.place.name,
                sink.address,
                OnSink(sink.place.name, node.harness.tell_control),
                clock=seams.clock,
                timers=seams.timers,
                backoff=Backoff(seams.random),
                lag_max_ns=settings.records.lag_max_ns,
                first_line=msgspec.json.encode({"place": sink.place}) + b"\n",
                environment={**shipper_environment(environment, settings), **SPARING},
            )
            for sink in sinks
        ]
        node.surface.board.sinks = self.view

    def start(self) -> None:
        """Returns at once."""
        names = {child.sink for child in self._children}
        if told := _take_over(self._earlier, names):
            self._node.harness.tell_control(told)
        for child in self._children:
            child.start()

    def view(self) -> tuple[SinkView, ...]:
        """How each sink is now. Any thread."""
        return tuple(child.view() for child in self._children)

    def tell_stop(self) -> None:
        """Have them ship what is left; returns at once. The journal is whole: no actor writes to it any more."""
        for child in self._children:
            child.tell_stop()

    def stop(self) -> None:
        """Wait until they have, for ``stop_timeout`` altogether. Who has not is ended, and it is said what waits."""
        self._hurried = self._hurried or self._node.supervisor.exit_code == EXIT_SECOND_SIGNAL
        deadline_ns = self._clock.now_ns() + self._timeout_ns
        for child in self._children:
            while not self._hurried and (left_ns := deadline_ns - self._clock.now_ns()) > 0:
                if child.has_ended(min(left_ns / 1e9, SLICE_S)):
                    break
            child.await_end(0)
            if not child.has_all:
                self._tell_waiting(child)

    def hurry(self) -> None:
        """Somebody does not want to wait for :meth:`stop`. From a signal's handler too."""
        self._hurried = True

    def _tell_waiting(self, child: ShipperChild) -> None:
        seen = child.view()
        self._log.warning(
            "records_wait",
            sink=seen.name,
            events=max(self._node.progress.committed - seen.through, 0),
            cause=seen.error or ("a second signal" if self._hurried else "records.stop_timeout is over"),
            next=f"livestack records ship {self._session}, with the same -c as here",
        )


class OnSink:
    """What the node makes of the news of one sink: incidents, and nothing that keeps an order back. Any thread."""

    def __init__(self, sink: str, tell: Callable[[list[Event]], None]) -> None:
        self._sink = sink
        self._tell = tell

    def on_late(self, reason: str) -> None:
        self._open(SHIP_LAG, reason)

    def on_caught_up(self) -> None:
        self._close(SHIP_LAG, "it has caught up")

    def on_refused(self, reason: str) -> None:
        self._open(SHIP_REFUSED, reason)

    def on_accepted(self) -> None:
        self._close(SHIP_REFUSED, "it works again")

    def on_dead_letter(self, count: int, text: str) -> None:
        """One incident; told anew at 10, 100, 1000 and so on, as thousands of them are one trouble."""
        if str(count).rstrip("0") == "1":
            what = "1 record is" if count == 1 else f"{count:,} records are"
            self._open(DEAD_LETTER, f"{what} in dead_letters; the last one: {text}")

    def _open(self, incident: Incident, detail: str) -> None:
        self._tell([incident.opened(self._sink, encodable(detail))])

    def _close(self, incident: Incident, detail: str) -> None:
        self._tell([incident.closed(self._sink, detail)])


def _incidents(keys: Collection[str]) -> list[tuple[Incident, str]]:
    """Those of ours among State's incidents, with their sinks."""
    return [
        (incident, sink) for incident, sink in map(named, keys) if incident is not None and incident in OURS
    ]


def _take_over(earlier: Sequence[tuple[Incident, str]], sinks: Collection[str]) -> list[Event]:
    """Of a resumed session's open incidents: records that a sink did not take are told again, the rest shows anew."""
    told: list[Event] = []
    for incident, sink in earlier:
        if incident is DEAD_LETTER and sink in sinks:
            told.append(incident.opened(sink, AGAIN))
        else:
            told.append(incident.closed(sink, ANEW))
    return told
