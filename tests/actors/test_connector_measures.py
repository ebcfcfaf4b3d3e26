"""What is measured at a connector, by the actor as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from livestack.actors import connector_measures
from livestack.actors.connector_measures import ConnectorMeasures
from livestack.actors.gate import Hold, Passage
from livestack.actors.measures import Measures, Trail
from livestack.actors.messages import Closed, Release, Tick
from livestack.core.events import (
    CancelRejected,
    Event,
    OrderAccepted,
    OrderCancelled,
    OrderFill,
    OrderRejected,
    OrderReplaced,
)
from livestack.core.incidents import RECONCILIATION_DIFFERENCE, VENUE_DOWN
from livestack.core.types import Amount, Liquidity, RequestKind, Side
from livestack.exceptions import NotSentError, TransportError
from livestack.telemetry.instruments import Registry
from livestack.venues.adapter import Complaint, Fetch, HostRequest
from tests.actors import test_connector
from tests.actors.fakes import REQUEST, FakeClock, dispatched, messages
from tests.actors.test_feed_measures import values
from tests.journal_support import committed

ABOUT: dict[str, Any] = {"venue": "v", "instrument": "v:S", "client_id": "AAAAAAAAA-1-1", "event_ns": 0}


class Bench(test_connector.Bench):
    """A connector that is measured."""

    def measured(self) -> Measures:
        self.registry = Registry()
        return Measures(self.registry, self.clock)

    def tell(self, *events: Event) -> None:
        """The adapter tells these at its next turn."""
        self.adapter.pending_events = list(events)
        self.actor.on_receive([Tick(self.starts - 1)])

    def read(self, name: str) -> dict[tuple[str, ...], Any]:
        return values(self.registry, name)


def named(recv_ns: int = 0, order_id: int = 1, venue_order_id: str = "") -> dict[str, Any]:
    placed = {"venue_order_id": venue_order_id} if venue_order_id else {}
    return {**ABOUT, "recv_ns": recv_ns, "order_id": order_id, **placed}


def fill(recv_ns: int = 0) -> OrderFill:
    return OrderFill(
        **named(recv_ns, venue_order_id="7"),
        fill_id=1,
        side=Side.BUY,
        price=1,
        qty=1,
        fee=Amount.of(0),
        fee_asset="BNB",
        fee_decimals=8,
        liquidity=Liquidity.TAKER,
    )


def test_requests_are_counted_by_kind(tmp_path: Path) -> None:
    """Dispatches once they are written; what the host asks for itself, over whichever way."""
    bench = Bench(tmp_path)
    bench.release()
    bench.adapter.pending_out = [
        HostRequest("{}", "time", 1),
        Fetch(1, "GET", "/time", "", (), "time"),
        Fetch(2, "DELETE", "/openOrders", "", (), "cancel_all"),
    ]
    bench.actor.on_receive([Tick(0)])
    assert {("v", "new"): 1, ("v", "host"): 3} == bench.read("venue.requests")


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda bench: bench.gate.close(Hold.KILL), "gate"),
        (lambda bench: setattr(bench.connection, "error", NotSentError("cut")), "connection"),
        (lambda bench: setattr(bench.adapter, "refuse", "too precise"), "encoding"),
        (lambda bench: bench.adapter.disconnected("cut", 1, 1), "connection"),
    ],
)
def test_what_did_not_leave_is_counted_by_reason(tmp_path: Path, prepare: Any, reason: str) -> None:
    """In one word; its trail is gone, and nothing was written."""
    bench = Bench(tmp_path)
    prepare(bench)
    assert bench.measures is not None
    bench.measures.trails.keep(Trail(1, 1, 1, 1, 1))
    bench.release()
    assert {("v", reason): 1} == bench.read("venue.not_sent")
    assert None is bench.measures.trails.take(1)
    assert {} == bench.read("venue.requests")


def test_what_is_too_old_or_meets_a_failure_does_not_leave(tmp_path: Path) -> None:
    """The connector's own end among it."""
    bench = Bench(tmp_path)
    (dispatch,) = committed(bench.directory, [dispatched(ts=bench.clock.time_ns - 2_000_000)])
    bench.actor.on_receive([Release([dispatch])])
    bench.actor._released.append(dispatch)
    bench.actor.on_failure(ValueError, ValueError("x"), None)
    assert {("v", "age"): 1, ("v", "restart"): 1} == bench.read("venue.not_sent")


def test_what_may_have_left_is_neither(tmp_path: Path) -> None:
    """Its fate is unknown: the venue is asked."""
    bench = Bench(tmp_path)
    bench.connection.error = TransportError("cut in the middle")
    bench.release()
    assert ({}, {}) == (bench.read("venue.requests"), bench.read("venue.not_sent"))


def test_an_orders_way_is_told_in_its_parts() -> None:
    """From the frame to the last byte; the parts make the whole."""
    measures = Measures(Registry(), FakeClock())
    connector = ConnectorMeasures(measures, "v")
    measures.trails.keep(Trail(1, 1_000, 1_010, 1_030, 1_070))
    connector.sent(Dispatched(), 1_150, 1_310)  # type: ignore[arg-type]
    names = ("tick_to_order", "decode", "inbox", "step", "commit", "send")
    found = [values(measures.registry, f"order.{name}")["v",].total for name in names]
    assert [310, 10, 20, 40, 80, 160] == found


def test_what_answers_no_frame_has_no_way() -> None:
    """Nothing is noted of it but its answer."""
    measures = Measures(Registry(), FakeClock())
    connector = ConnectorMeasures(measures, "v")
    connector.sent(Dispatched(), 1_150, 1_310)  # type: ignore[arg-type]
    assert 0 == values(measures.registry, "order.tick_to_order")["v",].count


class Dispatched:
    """A dispatch that nobody had to commit."""

    def __init__(self, kind: RequestKind = RequestKind.NEW, order_id: int = 1) -> None:
        self.seq = 1
        self.request = msgspec.structs.replace(REQUEST, kind=kind, order_id=order_id)


ACCEPTED = OrderAccepted(**named(1_400, venue_order_id="7"))
CANCELLED = OrderCancelled(**named(1_500, venue_order_id="7"), reason="")
REPLACED = OrderReplaced(**named(1_600, venue_order_id="7"), price=1, qty=1)


@pytest.mark.parametrize(
    ("kind", "events", "took_ns"),
    [
        (RequestKind.NEW, (ACCEPTED, fill(1_450), CANCELLED), 100),
        (RequestKind.NEW, (fill(1_450), ACCEPTED), 150),
        (RequestKind.NEW, (OrderRejected(**named(1_700), code="-1", reason=""),), 400),
        (RequestKind.CANCEL, (fill(1_450), CANCELLED), 200),
        (RequestKind.CANCEL, (CancelRejected(**named(1_800), revision=0, code="-2011", reason=""),), 500),
        (RequestKind.REPLACE, (ACCEPTED, fill(1_450), REPLACED), 300),
        (RequestKind.NEW, (OrderAccepted(**named(1_200, venue_order_id="7")),), 0),
        (RequestKind.NEW, (OrderAccepted(**named(1_400, 2, "8")), CANCELLED), 200),
    ],
)
def test_the_first_answer_to_a_request_counts(
    kind: RequestKind, events: tuple[Event, ...], took_ns: int
) -> None:
    """Of those that answer it; a stamp before the end of the write is no time at all."""
    measures = Measures(Registry(), FakeClock())
    connector = ConnectorMeasures(measures, "v")
    connector.sent(Dispatched(kind), 1_200, 1_300)  # type: ignore[arg-type]
    connector.told(events)
    ack = values(measures.registry, "order.ack")["v",]
    assert (1, took_ns) == (ack.count, ack.total)


def test_requests_without_an_answer_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest first."""
    monkeypatch.setattr(connector_measures, "UNANSWERED_MAX", 1)
    measures = Measures(Registry(), FakeClock())
    connector = ConnectorMeasures(measures, "v")
    connector.sent(Dispatched(order_id=2), 1, 2)  # type: ignore[arg-type]
    connector.sent(Dispatched(order_id=1), 1_200, 1_300)  # type: ignore[arg-type]
    connector.told([OrderAccepted(**named(1_400, 2, "8")), ACCEPTED])
    ack = values(measures.registry, "order.ack")["v",]
    assert (1, 100) == (ack.count, ack.total)


def test_what_the_venue_tells_is_counted(tmp_path: Path) -> None:
    """Fills, refusals by code, differences, told anew or not; a fault by its kind, on with the next connector."""
    bench = Bench(tmp_path)
    bench.adapter.faults["unknown_event"] = 5
    bench.adapter.pending_complaints = [Complaint("unknown_event", "x", b"")]
    bench.tell(
        fill(),
        fill(),
        OrderRejected(**named(), code="-2010", reason=""),
        CancelRejected(**named(), revision=1, code="-2011", reason=""),
        RECONCILIATION_DIFFERENCE.opened("v", "a fill"),
        VENUE_DOWN.opened("v", ""),
    )
    assert {("v",): 2} == bench.read("venue.fills")
    assert {("v", "-2010"): 1, ("v", "-2011"): 1} == bench.read("venue.rejects")
    assert {("v",): 1} == bench.read("venue.differences")
    bench.tell(RECONCILIATION_DIFFERENCE.opened("v", "a fill; another one"))
    assert {("v",): 1} == bench.read("venue.differences")
    bench.tell(RECONCILIATION_DIFFERENCE.closed("v", ""), RECONCILIATION_DIFFERENCE.opened("v", "a fill"))
    assert {("v",): 2} == bench.read("venue.differences")
    bench.adapter.faults["unknown_event"] = 1
    bench.actor = bench.started()
    bench.adapter.pending_complaints = [Complaint("unknown_event", "x", b"")]
    bench.tell()
    assert {("v", "unknown_event"): 6} == bench.read("venue.faults")


def test_connections_that_close_are_counted(tmp_path: Path) -> None:
    """Those that were open; not one that we end."""
    bench = Bench(tmp_path)
    bench.actor.on_receive([Closed(1, "cut", 1)])
    bench.timers.fire()
    bench.actor.on_receive(messages(bench.mailbox))
    bench.actor.on_receive([Closed(2, "refused", 1)])
    assert {("v",): 1} == bench.read("venue.reconnects")


def test_every_kind_of_passage_has_a_word() -> None:
    """As the catalogue names them."""
    assert {"new", "replace", "cancel", "host"} == {kind.name.lower() for kind in Passage}
