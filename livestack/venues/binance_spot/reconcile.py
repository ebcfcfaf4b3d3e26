"""Questions about the whole account: open orders, fills, balances; and the venue-side cancel-all (venues.md 1.7).

Pure; belongs to the order-entry adapter's thread. Every question is one method that takes ``done`` and calls it once
with the last reply, so that it is a step of the handshake as well as the answer to the Core's query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from livestack.core.events import FillsReconciled
from livestack.venues.binance_spot.calls import Calls
from livestack.venues.binance_spot.fills import FillFloor, FillsQuery
from livestack.venues.binance_spot.heirs import Heirs
from livestack.venues.binance_spot.order_events import STATUS, OrderEvents
from livestack.venues.binance_spot.orders import KnownOrder, OrderInstrument
from livestack.venues.binance_spot.outcomes import CANCEL_REFUSED
from livestack.venues.binance_spot.private_messages import (
    Account,
    CancelAllItem,
    OrderResult,
    Reply,
    TradeResult,
)
from livestack.venues.binance_spot.renamed import Renamed
from livestack.venues.binance_spot.reports import Balances
from livestack.venues.binance_spot.succession import Found, Successions
from livestack.venues.complaints import Complaints

ACCOUNT_WEIGHT, SYMBOL_WEIGHT = 80, 6
"""What the list of open orders costs: of the account, of one symbol."""

Done = Callable[[Reply], None]


class Reconciliation:
    """``look_up(order)`` asks for one order by itself; ``floors`` has one :class:`FillFloor` an instrument."""

    def __init__(
        self,
        calls: Calls,
        events: OrderEvents,
        complaints: Complaints,
        look_up: Callable[[KnownOrder], None],
        successions: Successions,
    ) -> None:
        self.calls = calls
        self.events = events
        self.complaints = complaints
        self.look_up = look_up
        self.successions = successions
        self.heirs = Heirs(calls, events, complaints)
        self.renamed = Renamed(calls, events, complaints)
        self.balances_told = Balances(events.venue, events.events)
        self.floors: dict[str, FillFloor] = {}

    def floor(self, instrument: OrderInstrument) -> FillFloor:
        return self.floors.setdefault(instrument.name, FillFloor())

    def all_open_orders(self, instruments: Sequence[OrderInstrument], done: Done) -> None:
        """:meth:`open_orders` of all of ``instruments``, by whichever questions cost the venue less."""
        if len(instruments) * SYMBOL_WEIGHT > ACCOUNT_WEIGHT:
            self._open_orders(list(instruments), {}, done)
            return
        waiting = list(instruments)

        def next_one(last: Reply) -> None:
            if waiting and last.is_ok:
                self.open_orders(waiting.pop(0), next_one)
            else:
                done(last)

        next_one(Reply(200, self.calls.now_ns))

    def open_orders(self, instrument: OrderInstrument, done: Done) -> None:
        """One ``OrderReport`` for every order open on ``instrument``; what should be and is not is looked up."""
        self._open_orders([instrument], {"symbol": instrument.symbol}, done)

    def _open_orders(
        self, instruments: list[OrderInstrument], parameters: dict[str, str | int], done: Done
    ) -> None:
        begun_open = [one for name in instruments for one in self.events.orders.open_orders(name.name)]
        by_symbol = {one.symbol: one for one in instruments}
        heirs: list[Found] = []

        def settled(last: Reply) -> None:
            if last.is_ok:
                self.guard(last, lambda: self.take_heirs(heirs, last))
            done(last)

        def searched(last: Reply) -> None:
            if last.is_ok:
                self.guard(last, lambda: heirs.extend(self._take_open_orders(by_symbol, begun_open, last)))
            if last.is_ok:
                self.successions.settle(heirs, last, settled)
            else:
                done(last)

        def answered(reply: Reply) -> None:
            wanted: list[KnownOrder] = []
            if reply.is_ok:
                self.guard(reply, lambda: wanted.extend(self._wanted_heirs(by_symbol, reply)))
            if reply.is_ok:
                self.heirs.find_all(wanted, reply, searched)
            else:
                done(reply)

        self.calls.ask("openOrders.status", parameters, answered)

    def _wanted_heirs(self, by_symbol: Mapping[str, OrderInstrument], reply: Reply) -> list[KnownOrder]:
        """Orders whose new incarnation may be listed under a name that is not its own any more."""
        wanted: dict[KnownOrder, None] = {}
        for found in reply.read(list[OrderResult]):
            if found.symbol in by_symbol:
                one = by_symbol[found.symbol]
                wanted.update(dict.fromkeys(self.heirs.wanted(one, found.client_id, found.venue_order_id)))
        return list(wanted)

    def _take_open_orders(
        self, by_symbol: Mapping[str, OrderInstrument], begun_open: list[KnownOrder], reply: Reply
    ) -> list[Found]:
        """Returns what cannot be told yet: orders whose predecessors have to be asked about first."""
        listed, heirs = set(), []
        for found in reply.read(list[OrderResult]):
            if found.symbol not in by_symbol:
                continue  # of the account, but not of this session
            if found.status not in STATUS:
                what = f"order status {found.status[:32]!r} in the list of open orders"
                self.complaints.add("unknown_enum", what, reply.frame)
                found.status = "NEW"  # whatever it is called, it is open
            instrument = by_symbol[found.symbol]
            if self.renamed.may_be_ours(instrument, found):
                continue  # told once it is known whose it is
            order = self.events.orders.of_venue(instrument, (found.client_id,), found.venue_order_id)
            if order.is_heir(found.venue_order_id):
                heirs.append((order, found))
            else:
                self.events.found(order, found, reply.recv_ns)
            listed.add(order)
        for order in begun_open:
            if not order.closed and order not in listed:
                self.look_up(order)
        return heirs

    def take_heirs(self, heirs: list[Found], reply: Reply) -> None:
        for order, found in heirs:
            self.events.found(order, found, reply.recv_ns)

    def balances(self, done: Done) -> None:
        """One complete ``BalanceReport``."""

        def take(reply: Reply) -> None:
            self.balances_told.account(reply.read(Account), reply.recv_ns)

        def answered(reply: Reply) -> None:
            if reply.is_ok:
                self.guard(reply, lambda: take(reply))
            done(reply)

        self.calls.ask("account.status", {"omitZeroBalances": "true"}, answered)

    def missed_fills(self, instrument: OrderInstrument, done: Done) -> None:
        """Every fill since the last one known; with none known, only where the ids begin: history is no news."""
        floor = self.floor(instrument)
        if floor.through >= 0:
            self.fills(instrument, floor.through, done)
            return

        begun_ns = self.calls.now_ns

        def answered(reply: Reply) -> None:
            if reply.is_ok:
                self.guard(reply, lambda: self._first_floor(instrument, reply, begun_ns))
            done(reply)

        self.calls.ask("myTrades", {"symbol": instrument.symbol, "limit": 1}, answered)

    def _first_floor(self, instrument: OrderInstrument, reply: Reply, begun_ns: int) -> None:
        trades: list[TradeResult] = reply.read(list[TradeResult])
        last = max((trade.trade_id for trade in trades), default=0)
        self.reconciled(instrument, last, reply.recv_ns, begun_ns)

    def fills(self, instrument: OrderInstrument, after: int, done: Done) -> None:
        """Every fill after fill id ``after``, page by page, then ``FillsReconciled``."""
        FillsQuery(self, instrument, after, done).ask()

    def reconciled(self, instrument: OrderInstrument, through: int, recv_ns: int, begun_ns: int) -> None:
        """Every fill up to ``through`` was told."""
        self.floor(instrument).reconciled(through)
        told = self.events.told_fills.get(instrument.name, set())
        told.difference_update([one for one in told if one[0] <= through])
        self.events.events.append(
            FillsReconciled(
                recv_ns=recv_ns,
                venue=self.events.venue,
                instrument=instrument.name,
                through=through,
                begun_ns=begun_ns,
            )
        )

    def cancel_all(self, instrument: OrderInstrument, done: Done) -> None:
        """Have the venue cancel everything open on ``instrument``. That nothing was open is no failure."""

        def answered(reply: Reply) -> None:
            if reply.is_ok:
                self.guard(reply, lambda: self._take_all_cancelled(instrument, reply))
            elif reply.code == CANCEL_REFUSED:
                reply.status = 200
            done(reply)

        self.calls.ask("openOrders.cancelAll", {"symbol": instrument.symbol}, answered)

    def _take_all_cancelled(self, instrument: OrderInstrument, reply: Reply) -> None:
        for item in reply.read(list[CancelAllItem]):
            for one in item.reports or [item]:
                if one.venue_order_id < 0:
                    continue
                ids = tuple(filter(None, (one.original_client_id, one.client_id)))
                order = self.events.orders.of_venue(instrument, ids, one.venue_order_id)
                take = partial(self._take_cancelled, order, one, reply)
                if order.is_heir(one.venue_order_id):
                    self.successions.hold(order, partial(self.guard, reply, take))
                else:
                    take()

    def _take_cancelled(self, order: KnownOrder, one: OrderResult, reply: Reply) -> None:
        self.events.found_replaced(order, one, reply.recv_ns)
        self.events.orders.name(order, str(one.venue_order_id))
        filled = order.instrument.qty[one.filled_qty]
        self.events.cancelled(order, "cancel all", filled, one.transact_ms, reply.recv_ns)

    def guard(self, reply: Reply, take: Callable[[], object]) -> None:
        """Run ``take``; a reply that cannot be read counts as none."""
        try:
            take()
        except (msgspec.MsgspecError, ValueError, KeyError, RecursionError) as error:
            self.complaints.add("bad_reply", repr(error), reply.frame)
            reply.status, reply.text = 0, "the reply cannot be read"
