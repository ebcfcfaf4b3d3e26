"""The shipper: one sink, the session that is running, and behind it every earlier one that the sink has not all of.

One thread, in a process of its own; it may wait for the sink as long as a call of it takes. While there is something to
do it does one step after another and looks into its mailbox between two; otherwise it is woken every ``POLL_NS``. An
earlier session gets a step whenever the running one has nothing to do. One that is marked as shipped to its end costs a
question, once: a storage that was put back from a backup may not have it any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import msgspec

from livestack.actors.base import NodeActor
from livestack.actors.mailbox import Mailbox
from livestack.actors.shipment import ROWS_MAX, Did, Shipment
from livestack.actors.shipment_fold import BeginFold, begin_fold
from livestack.actors.shipment_mark import Trouble, alone
from livestack.actors.shipment_sink import SinkConnection
from livestack.exceptions import HeldError, SinkError
from livestack.journal.sessions import session_names
from livestack.storage.cursor import read_marks
from livestack.transports.clock import Clock, Timers

POLL_NS = 100_000_000
"""Between two looks at a journal in which nothing new was: a twentieth of the time that a fill may take."""

REPORT_NS = 1_000_000_000
"""Between two lines about the position: proof of life."""


class ShippedUpTo(msgspec.Struct, frozen=True, tag="shipped", tag_field="report"):
    """``seq`` is the last Event looked at; up to ``through``, which was at ``ts`` (0 unknown), the sink has everything.

    ``behind`` Events are behind that. ``rows`` and ``refused`` count records written and not taken since the process
    started, ``rows_per_s`` since the last line.
    """

    seq: int
    through: int
    ts: int
    behind: int
    rows: int
    refused: int
    rows_per_s: int


class Refused(msgspec.Struct, frozen=True, tag="refused", tag_field="report"):
    """The sink will never take this record; it is among the dead letters."""

    table: str
    seq: int
    ordinal: int
    error: str


Report = ShippedUpTo | Trouble | Refused
"""One line of a shipper: a JSON object with its kind under ``report``."""


class Step:
    """Do what there is to do."""


class ShipTheRest:
    """The session has ended: ship what is left of it and nothing else, then say so."""


class RestShipped(msgspec.Struct, frozen=True):
    """Nothing of the session is left that can be shipped. ``damaged``: there is more, which cannot be read."""

    damaged: bool


class ShipperActor(NodeActor):
    """Ships ``session``, then what is left of earlier ones. ``report`` must not raise, ``supervisor`` is told the end.

    ``name`` is the sink's. One at a time for a session and a sink: it waits while another process ships.
    """

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        supervisor: Mailbox,
        sessions: Path,
        session: str,
        name: str,
        connection: SinkConnection,
        clock: Clock,
        timers: Timers,
        report: Callable[[Report], None],
        begin: BeginFold = begin_fold,
        rows_max: int = ROWS_MAX,
    ) -> None:
        super().__init__("shipper", mailbox, supervisor)
        self._sessions = sessions
        self._session = session
        self._sink_name = name
        self._connection = connection
        self._clock = clock
        self._timers = timers
        self._report = report
        self._begin = begin
        self._rows_max = rows_max
        self._locks = ExitStack()
        self._own = self._shipment(session, live=True)
        self._has_lock = False
        self._earlier: Shipment | None = None
        self._earlier_lock = ExitStack()
        self._left: deque[str] | None = None
        self._finishing = self._finished = False
        self._said = self._said_of_earlier = ""
        self._reported_ns = clock.now_ns() - REPORT_NS
        self._reported_rows = 0
        self._rows_before = self._refused_before = 0
        self._forget_timer: Callable[[], None] = lambda: None

    def on_start(self) -> None:
        self._mailbox.tell(Step())

    def on_batch(self, batch: list[Any]) -> None:
        if any(isinstance(message, ShipTheRest) for message in batch):
            self._finishing = True
            self._own.finish()
            self._connection.hurry()
        if not self._finished:
            self._step()

    def on_stop(self) -> None:
        self._forget_timer()
        self._own.close()
        self._drop_earlier()
        self._locks.close()
        self._connection.close()

    def _step(self) -> None:
        self._forget_timer()
        did = self._own.advance() if self._take_lock() else Did.WAITS
        self._tell(self._own, did)
        if self._finishing and did in (Did.OVER, Did.DAMAGED):
            self._finished = True
            self._connection.close()
            self._supervisor.tell(RestShipped(did is Did.DAMAGED))
            return
        if did in (Did.CAUGHT_UP, Did.DAMAGED) and not self._finishing:
            did = self._step_earlier()
        if did is Did.MORE:
            self._mailbox.tell(Step())
        else:
            due_ns = self._clock.now_ns() + POLL_NS
            self._forget_timer = self._timers.at(due_ns, lambda: self._mailbox.tell(Step()))

    def _take_lock(self) -> bool:
        """Whether nobody else ships this session to this sink; asked again with every step."""
        if not self._has_lock:
            try:
                self._locks.enter_context(self._alone(self._session))
            except (HeldError, OSError) as error:
                self._own.trouble = Trouble(str(error))
                return False
            self._has_lock, self._own.trouble = True, None
        return True

    def _alone(self, session: str) -> AbstractContextManager[None]:
        return alone(self._sessions, session, self._sink_name, self._connection.sink.address)

    def _step_earlier(self) -> Did:
        """One step of an earlier session; MORE as long as there may be another one."""
        if self._earlier is None:
            return self._next_earlier()
        did = self._earlier.advance()
        if self._connection.number == 0:
            self._tell_trouble(self._earlier.trouble)  # the sink's: it is tried again
            return Did.WAITS
        if self._earlier.refusals:
            self._tell_refusals(self._earlier)
        if did in (Did.MORE, Did.CAUGHT_UP):
            return Did.MORE
        if did is not Did.OVER:
            # The journal's: somebody has to look, and the next process tries again.
            self._tell_trouble(self._earlier.trouble)
        self._drop_earlier()
        return Did.MORE

    def _next_earlier(self) -> Did:
        """Look at the next session, and begin with it where the sink does not have all of it, unless another process
        is at it; CAUGHT_UP: there is none."""
        if self._left is None:
            self._left = deque(one for one in session_names(self._sessions) if one != self._session)
        if not self._left:
            return Did.CAUGHT_UP
        session = self._left[0]
        try:
            if not self._has_all(session):
                self._earlier_lock.enter_context(self._alone(session))
                self._earlier = self._shipment(session, live=False)
        except SinkError as error:
            self._connection.failed(error)
            self._tell_trouble(Trouble(str(error)))
            return Did.WAITS
        except (HeldError, OSError):
            pass
        self._left.popleft()
        return Did.MORE

    def _has_all(self, session: str) -> bool:
        """Whether the sink says so, of a session that is marked as shipped to its end."""
        sink = self._connection.sink
        mark = read_marks(self._sessions, session).get(self._sink_name)
        if mark is None or not mark.ended or mark.address != sink.address:
            return False
        return self._connection.ready() and sink.position(session).through >= mark.through

    def _drop_earlier(self) -> None:
        if self._earlier is not None:
            self._rows_before += self._earlier.rows
            self._refused_before += self._earlier.refused
            self._earlier.close()
            self._earlier = None
        self._earlier_lock.close()

    def _shipment(self, session: str, live: bool) -> Shipment:
        return Shipment(
            self._sessions,
            session,
            self._connection,
            self._sink_name,
            self._clock,
            live=live,
            begin=self._begin,
            rows_max=self._rows_max,
        )

    def _tell(self, own: Shipment, did: Did) -> None:
        """Trouble when it is another one, the position about once a second and at the end; not both at once."""
        self._tell_refusals(own)
        text = own.trouble.text if own.trouble is not None else ""
        if own.trouble is not None and text != self._said:
            self._report(own.trouble)
        self._said = text
        now_ns = self._clock.now_ns()
        if did in (Did.WAITS, Did.DAMAGED) or (
            did is not Did.OVER and now_ns - self._reported_ns < REPORT_NS
        ):
            return
        elapsed_ns, self._reported_ns = max(now_ns - self._reported_ns, 1), now_ns
        earlier = self._earlier
        rows = self._rows_before + own.rows + (earlier.rows if earlier is not None else 0)
        refused = self._refused_before + own.refused + (earlier.refused if earlier is not None else 0)
        per_s = (rows - self._reported_rows) * 1_000_000_000 // elapsed_ns
        self._reported_rows = rows
        self._report(ShippedUpTo(own.seq, own.complete, own.complete_ts, own.behind(), rows, refused, per_s))

    def _tell_trouble(self, trouble: Trouble | None) -> None:
        """Of the session that runs nothing is wrong: it is said, and the node need not tell anybody at once."""
        if trouble is not None and trouble.text != self._said_of_earlier:
            self._said_of_earlier = trouble.text
            self._report(Trouble(trouble.text))

    def _tell_refusals(self, shipment: Shipment) -> None:
        for one in shipment.refusals:
            self._report(Refused(one.table, one.seq, one.ordinal, one.error))
        shipment.refusals = []
