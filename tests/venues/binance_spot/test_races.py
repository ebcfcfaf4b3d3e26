"""One order through replacements, fills, lost frames, broken connections and restarts, at random: what is told of it
adds up to what the venue has."""

from __future__ import annotations

import json
import random

import pytest
from msgspec import structs

from livestack.core.events import (
    DispatchFailed,
    Event,
    FillsReconciled,
    OrderAccepted,
    OrderFill,
    OrderReplaced,
    OrderReport,
    ReplaceRejected,
)
from livestack.core.obligations import QueryFills, QueryOrder
from livestack.core.types import (
    ConnectionStatus,
    OrderRequest,
    OrderType,
    RequestKind,
    TimeInForce,
    encode_base62,
)
from livestack.simulator.orders import Order
from livestack.venues.adapter import Inherited, InheritedOrder
from tests.venues.binance_spot.venue import VENUE, Desk

ROUNDS = 6


class Session:
    """What a Core makes of the Events about its one order."""

    def __init__(self) -> None:
        self.client_id = ""
        self.venue_order_id = ""
        self.total = 0
        self.fills: dict[int, int] = {}
        self.floor = -1
        self.replace: OrderRequest | None = None

    @property
    def filled(self) -> int:
        return sum(self.fills.values())

    def take(self, events: list[Event]) -> None:
        for event in events:
            self._take(event)

    def _take(self, event: Event) -> None:
        pending = self.replace
        if isinstance(event, OrderAccepted) and event.order_id == 1:
            self.client_id, self.venue_order_id = event.client_id, event.venue_order_id
        elif isinstance(event, OrderFill) and event.order_id == 1 and event.fill_id > self.floor:
            self.fills[event.fill_id] = event.qty
        elif isinstance(event, FillsReconciled):
            self.floor = max(self.floor, event.through)
        elif isinstance(event, OrderReplaced):
            assert self.client_id != event.client_id
            self.client_id, self.venue_order_id, self.total = event.client_id, event.venue_order_id, event.qty
            if pending is not None and pending.client_id == event.client_id:
                self.replace = None
        elif isinstance(event, ReplaceRejected | DispatchFailed):
            self.replace = None
        elif isinstance(event, OrderReport) and event.order_id == 1:
            assert (self.client_id, self.total) == (event.client_id, event.qty)


class Race:
    """The session, the adapter of its present process, and the venue."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.desk = Desk(reports_first=self.random.random() < 0.5).connect()
        self.epoch = 1
        self.revision = 1
        self.session = Session()
        self.taken = 0
        self.price = self.desk.best
        first = self.desk.new(self.price, 8 * self.desk.lot)
        self.session.client_id, self.session.total = first.client_id, first.qty
        self.desk.send(first)

    @property
    def incarnations(self) -> list[Order]:
        return [one for one in self.desk.venue.exchange.orders.values() if one.account != "other"]

    def journal(self, *, all_of_it: bool = True) -> None:
        """The session takes what the adapter emitted; a process that dies may leave the end of it unwritten."""
        events = self.desk.events[self.taken :]
        kept = len(events) if all_of_it else self.random.randint(0, len(events))
        self.session.take(events[:kept])
        self.taken = len(self.desk.events)

    def trade(self) -> None:
        """A part of what is open is filled."""
        order = self.incarnations[-1]
        lots = (order.qty - order.executed) // self.desk.lot if order.open else 0
        if lots > 1:
            self.desk.hit(order.price, self.random.randint(0, min(lots - 1, 2)) * self.desk.lot)

    def replace(self) -> None:
        """To a total of more or less; at the same price the venue may amend it."""
        session, chance = self.session, self.random
        self.revision += 1
        self.price += chance.choice((0, 0, 1, -1)) * self.desk.instrument.price_tick
        request = structs.replace(
            self.desk.request(RequestKind.REPLACE, 1),
            client_id=f"Abcde123{encode_base62(self.epoch)}-1-{self.revision}",
            revision=self.revision,
            target_client_id=session.client_id,
            venue_order_id=session.venue_order_id,
            type=OrderType.LIMIT,
            tif=TimeInForce.GTC,
            price=self.price,
            qty=session.filled + chance.randint(4, 10) * self.desk.lot,
            filled_qty=session.filled,
        )
        session.replace = request
        text = self.desk.adapter.encode(request, self.desk.now_ns, self.desk.now_ns).payload
        self.trade()
        if chance.random() < 0.9:
            self.desk.carry(text)
        self.desk.adapter.sent(request, self.desk.now_ns)
        self.desk.settle()

    def lose(self) -> None:
        """From now on some frames, or all, do not arrive."""
        share = self.random.choice((0.0, 0.0, 0.5, 1.0))
        self.desk.change = lambda frame: [] if self.random.random() < share else [frame]

    def heal(self) -> None:
        """It goes on over another connection, by this process or another; or it only was a bad moment."""
        how = self.random.choice(("cut", "crash", "crash", "crash twice", "nothing"))
        if how.startswith("crash"):
            self.crash()
        elif how == "cut":
            self.desk.cut()
        if how == "crash twice":
            self.lose()
            self.desk.connect()
            self.desk.wait(self.random.choice((0, 5, 20)))
            self.trade()
            self.crash()
        self.desk.change = self.fail_sometimes
        if how != "nothing":
            self.trade()
            self.desk.connect()

    def crash(self) -> None:
        self.journal(all_of_it=False)
        self.epoch += 1
        self.desk.start_again(self._inherited())

    def fail_sometimes(self, frame: str) -> list[str]:
        """A part of the questions about one order is not answered by the venue, but with an error of its own."""
        document = json.loads(frame)
        if document.get("id") in self.asked and self.random.random() < 0.3:
            return [
                json.dumps({"id": document["id"], "status": 500, "error": {"code": -1000, "msg": "later"}})
            ]
        return [frame]

    @property
    def asked(self) -> set[int]:
        questions = [json.loads(text) for text in self.desk.sent[-8:]]
        return {one["id"] for one in questions if one["method"] == "order.status"}

    def _inherited(self) -> Inherited:
        session = self.session
        order = InheritedOrder(
            instrument=self.desk.instrument.instrument,
            order_id=1,
            client_id=session.client_id,
            venue_order_id=session.venue_order_id,
            qty=session.total,
            replace_id=session.replace.client_id if session.replace else "",
            replace_qty=session.replace.qty if session.replace else 0,
        )
        return Inherited({order.instrument: session.floor}, (order,))

    def resolve(self) -> None:
        """The Core asks about what it does not know: a Replace, and fills that may be missing."""
        self.journal()
        desk, session = self.desk, self.session
        if session.replace is not None:
            question = QueryOrder(
                scope=f"order 1-{self.revision}",
                venue=VENUE,
                instrument=desk.instrument.instrument,
                order_id=1,
                client_id=session.replace.client_id,
                venue_order_id=session.venue_order_id,
                kind=RequestKind.REPLACE,
            )
            desk.adapter.ask(question, desk.now_ns, desk.now_ns)
        desk.wait(20)
        while desk.adapter.status is not ConnectionStatus.LIVE:
            desk.wait(5)
        desk.change = lambda frame: [frame]
        desk.wait(20)
        after = max(session.floor, 0)
        fills = QueryFills(scope="f", venue=VENUE, instrument=desk.instrument.instrument, after=after)
        desk.adapter.ask(fills, desk.now_ns, desk.now_ns)
        desk.settle()
        self.journal()

    def check(self) -> None:
        orders, session = self.incarnations, self.session
        assert session.replace is None
        assert sum(one.executed for one in orders) == session.filled
        last, before = orders[-1], sum(one.executed for one in orders[:-1])
        assert (last.client_id, str(last.order_id)) == (session.client_id, session.venue_order_id)
        assert before + last.qty == session.total


@pytest.mark.parametrize("seed", range(60))
def test_what_is_told_of_an_order_adds_up(seed: int) -> None:
    """Total, fills and names are the venue's after every round, whatever was lost."""
    race = Race(seed)
    race.journal()
    for _ in range(ROUNDS):
        if not race.incarnations[-1].open:
            break
        race.trade()
        race.lose()
        race.trade()
        race.replace()
        race.trade()
        race.heal()
        race.resolve()
        race.check()
