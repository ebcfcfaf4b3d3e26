"""Execution records: a pure fold over the Event Stream, from which nothing is taken and to which nothing is added.

Pure; imports core and wire. Any one thread.

A record depends on nothing but State before its Event, the Event, State after it, and the origin of the session. So it
does not matter where a fold began: from any snapshot it makes the same records, byte for byte, with the same keys.
``RecordFold`` remembers nothing of its own but prepared texts.

Which Event leaves what: an Order that looks different afterwards an ``OrderRecord``, a position that moved a
``FillRecord`` and a ``PositionRecord``, a request that was dispatched, written, answered or failed a
``DispatchRecord``; the tables at the end and in :mod:`livestack.storage.record_controls` name the rest. Market Events
leave nothing, nor does the host's bookkeeping (rate usage, clocks, timers).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from livestack.core import events
from livestack.core.events import Recorded
from livestack.core.orders import Order
from livestack.core.positions import Position
from livestack.core.state import State
from livestack.core.types import RequestKind
from livestack.storage.record_controls import CONTROLS, add_control, add_denial, add_session
from livestack.storage.record_orders import (
    OrderBefore,
    Told,
    add_dispatch,
    add_fill,
    add_order,
    before,
    ended,
    find_order,
    find_request,
)
from livestack.storage.record_positions import add_balances, add_position, named_positions
from livestack.storage.record_writer import RecordOrigin, RecordWriter
from livestack.storage.tables import Record

__all__ = ["RecordFold", "RecordOrigin"]

_FLAT: Final = Position()


class Folded(Protocol):
    """State that takes the Event Stream in, one record after another: ``livestack.core.projection.Projection``."""

    @property
    def state(self) -> State: ...

    def take(self, record: Recorded) -> None: ...


class RecordFold:
    """Makes the records of a session. ``projection`` is taken along and must not be moved by anybody else."""

    def __init__(self, origin: RecordOrigin, projection: Folded) -> None:
        self.projection: Final = projection
        self._execution: Final = projection.state.execution
        self._writer: Final = RecordWriter(origin, projection.state)

    @property
    def origin(self) -> RecordOrigin:
        """Of the next record; may be set between two of them."""
        return self._writer.origin

    @origin.setter
    def origin(self, origin: RecordOrigin) -> None:
        self._writer.origin = origin

    def take(self, record: Recorded) -> list[Record]:
        """The records of one Event, in the order of their ordinals. Every Event of the stream, in its order."""
        event = record.event
        handler = _HANDLERS.get(type(event))
        if handler is None:
            self.projection.take(record)
            return []
        writer = self._writer
        writer.begin(record.seq, record.ts)
        handler(self, record, event)
        return writer.records

    # -- Orders

    def _of_an_order(self, record: Recorded, event: Any) -> None:
        was = self._look(
            find_order(self._execution, event.venue, event.instrument, event.client_id, event.order_id)
        )
        self.projection.take(record)
        self._after(was, event, event.event_ns)

    def _fill(self, record: Recorded, event: events.OrderFill) -> None:
        execution, instrument = self._execution, event.instrument
        order = find_order(execution, event.venue, instrument, event.client_id, event.order_id)
        was = self._look(order)
        position = execution.positions.get(instrument, _FLAT)
        traded = position.bought_qty + position.sold_qty
        self.projection.take(record)
        position = execution.positions.get(instrument, _FLAT)
        if position.bought_qty + position.sold_qty != traded:
            order_id = event.order_id if order is None else order.order_id
            add_fill(self._writer, event, order_id)
            add_position(
                self._writer, event.venue, instrument, "OrderFill", order_id, event.client_id, event.event_ns
            )
        self._after(was, event, event.event_ns)

    def _refusal(self, record: Recorded, event: events.CancelRejected | events.ReplaceRejected) -> None:
        order = find_order(self._execution, event.venue, event.instrument, event.client_id, event.order_id)
        was = self._look(order)
        self.projection.take(record)
        self._after(was, event, event.event_ns, of=event.revision)
        add_control(self._writer, event, 0 if order is None else order.order_id, event.client_id)

    def _fills_reconciled(self, record: Recorded, event: events.FillsReconciled) -> None:
        claimed = [
            before(self._execution, order)
            for order in self._execution.open_orders(event.instrument)
            if order.claim is not None
        ]
        self.projection.take(record)
        for was in claimed:
            self._after(was, event, 0)

    def _order_adopted(self, record: Recorded, event: events.OrderAdopted) -> None:
        self.projection.take(record)
        order = self._execution.order(event.order_id)
        if order is not None:
            add_order(self._writer, order, "OrderAdopted")

    def _look(self, order: Order | None) -> OrderBefore | None:
        return None if order is None else before(self._execution, order)

    def _after(self, was: OrderBefore | None, event: Any, event_ns: int, of: int = -1) -> None:
        """What became of an Order and its requests. ``of``: the Event is about the request of this revision, 0: any."""
        if was is None:
            return
        name, writer = type(event).__name__, self._writer
        if was.is_changed():
            add_order(writer, was.order, name, event_ns)
        if was.unresolved is None and was.inflight is None:
            return
        by_its_answer = was.inflight is not None and of in (0, was.inflight.revision)
        requests = ended(self._execution, was, writer.ts, by_its_answer)
        if requests:
            code, reason = getattr(event, "code", ""), getattr(event, "reason", "")
            told = Told(event=name, recv_ns=event.recv_ns, code=code, reason=reason)
            for request in requests:
                add_dispatch(writer, "answered", was.order, request, told, event_ns)

    # -- Requests

    def _dispatched(self, record: Recorded, event: events.IntentDispatched) -> None:
        self.projection.take(record)
        execution, request = self._execution, event.request
        order, made = execution.orders.get(request.order_id), execution.requests.get(request.order_id)
        if order is None or made is None:
            return
        if request.kind is RequestKind.NEW:
            add_order(self._writer, order, "IntentDispatched")
        add_dispatch(self._writer, "dispatched", order, made)

    def _sent(self, record: Recorded, event: events.RequestSent) -> None:
        """Told late, behind the answer, it is not told any more: an answer is the last stage."""
        execution, about = self._execution, (event.order_id, event.kind, event.revision)
        was = find_request(execution, *about)
        self.projection.take(record)
        order, request = execution.order(event.order_id), find_request(execution, *about)
        if order is not None and request is not None and request != was and not request.refused:
            add_dispatch(self._writer, "sent", order, request)

    def _failed(self, record: Recorded, event: events.DispatchFailed) -> None:
        """Its request failed; another one about the same Order has thereby had its answer."""
        execution, writer = self._execution, self._writer
        was = self._look(execution.order(event.order_id))
        self.projection.take(record)
        if was is None:
            return
        if was.is_changed():
            add_order(writer, was.order, "DispatchFailed")
        told = Told(
            event="DispatchFailed",
            recv_ns=writer.ts,
            code=event.reason.name.lower(),
            reason=event.detail,
        )
        mine = (event.kind, event.revision)
        for request in ended(execution, was, writer.ts, by_its_answer=True):
            stage = "failed" if (request.kind, request.revision) == mine else "answered"
            add_dispatch(writer, stage, was.order, request, told)

    # -- Account

    def _baseline(self, record: Recorded, event: events.AccountBaseline) -> None:
        execution, venue = self._execution, event.venue
        names = named_positions(event.positions)
        known = venue in execution.baselines
        positions = [execution.positions.get(name) or _FLAT for name in names]
        balances = execution.balances.get(venue, {}).copy()
        self.projection.take(record)
        if known or venue not in execution.baselines:
            return
        for name, position in zip(names, positions, strict=True):
            if execution.position(name) != position:
                add_position(self._writer, venue, name, "AccountBaseline")
        add_balances(self._writer, event, balances)

    def _balances(self, record: Recorded, event: events.BalanceReport) -> None:
        balances = self._execution.balances.get(event.venue, {}).copy()
        self.projection.take(record)
        add_balances(self._writer, event, balances)

    # -- The rest

    def _control(self, record: Recorded, event: Any) -> None:
        self.projection.take(record)
        add_control(self._writer, event)

    def _denial(self, record: Recorded, event: events.IntentDenied | events.IntentWithdrawn) -> None:
        self.projection.take(record)
        add_denial(self._writer, event)

    def _begun(self, record: Recorded, event: events.SessionStarted | events.SessionResumed) -> None:
        """A start or resumption that the Core refused is an anomaly and nothing else."""
        epochs = len(self._execution.epochs)
        self.projection.take(record)
        if len(self._execution.epochs) > epochs:
            add_session(self._writer, event)

    def _session(self, record: Recorded, event: Any) -> None:
        self.projection.take(record)
        add_session(self._writer, event)


_HANDLERS: Final[dict[type, Callable[[RecordFold, Recorded, Any], None]]] = {
    **dict.fromkeys(CONTROLS, RecordFold._control),
    events.OrderAccepted: RecordFold._of_an_order,
    events.OrderRejected: RecordFold._of_an_order,
    events.OrderFill: RecordFold._fill,
    events.OrderCancelled: RecordFold._of_an_order,
    events.OrderExpired: RecordFold._of_an_order,
    events.OrderReplaced: RecordFold._of_an_order,
    events.OrderReport: RecordFold._of_an_order,
    events.CancelRejected: RecordFold._refusal,
    events.ReplaceRejected: RecordFold._refusal,
    events.FillsReconciled: RecordFold._fills_reconciled,
    events.OrderAdopted: RecordFold._order_adopted,
    events.IntentDispatched: RecordFold._dispatched,
    events.RequestSent: RecordFold._sent,
    events.DispatchFailed: RecordFold._failed,
    events.AccountBaseline: RecordFold._baseline,
    events.BalanceReport: RecordFold._balances,
    events.IntentDenied: RecordFold._denial,
    events.IntentWithdrawn: RecordFold._denial,
    events.SessionStarted: RecordFold._begun,
    events.SessionResumed: RecordFold._begun,
    events.SessionStopping: RecordFold._session,
    events.SessionStopped: RecordFold._session,
    events.Checkpoint: RecordFold._session,
}
