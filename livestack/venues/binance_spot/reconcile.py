"""Questions about the whole account: open orders, fills, balances; and the venue-side cancel-all (venues.md 1.7).

Pure; belongs to the order-entry adapter's thread. Every question is one method that takes ``done`` and calls it once
with the last reply, so that it is a step of the handshake as well as the answer to the Core's query.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from livestack.core.events import FillsReconciled
from livestack.core.types import Liquidity, Side
from livestack.venues.binance_spot.calls import Calls
from livestack.venues.binance_spot.order_events import OrderEvents
from livestack.venues.binance_spot.orders import KnownOrder, OrderInstrument
from livestack.venues.binance_spot.outcomes import CANCEL_REFUSED, NOT_FOUND_CODES
from livestack.venues.binance_spot.private_messages import (
    Account,
    CancelAllItem,
    OrderResult,
    Reply,
    TradeResult,
)
from livestack.venues.binance_spot.reports import account_report
from livestack.venues.binance_spot.succession import Found, Successions
from livestack.venues.complaints import Complaints

FILLS_PER_PAGE = 1_000
"""The most that ``myTrades`` gives at once."""

ROTATE_NS = 60_000_000_000
"""A fill that came more than this ago has no predecessor on its way any more."""

Done = Callable[[Reply], None]


class FillFloor:
    """From which fill id on the fills of one instrument must be asked for after an interruption.

    Ids come nearly in order; a fill that came at least :data:`ROTATE_NS` before is behind us for certain.
    """

    def __init__(self) -> None:
        self.through = -1
        """Everything up to here is in the stream; -1: nothing is known yet."""
        self._candidate = -1
        self._rotated_ns = 0

    def seen(self, fill_id: int, now_ns: int) -> None:
        if now_ns - self._rotated_ns >= ROTATE_NS:
            self.through = max(self.through, self._candidate) if self.through >= 0 else self.through
            self._rotated_ns = now_ns
            self._candidate = max(self._candidate, self.through)
        self._candidate = max(self._candidate, fill_id)

    def reconciled(self, through: int) -> None:
        self.through = max(self.through, through)


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
        self._calls = calls
        self._events = events
        self._complaints = complaints
        self._look_up = look_up
        self._successions = successions
        self.floors: dict[str, FillFloor] = {}

    def floor(self, instrument: OrderInstrument) -> FillFloor:
        return self.floors.setdefault(instrument.name, FillFloor())

    def open_orders(self, instrument: OrderInstrument, done: Done) -> None:
        """One ``OrderReport`` for every order open on ``instrument``; what should be and is not is looked up."""
        begun_open = self._events.orders.open_orders(instrument.name)
        heirs: list[Found] = []

        def settled(last: Reply) -> None:
            if last.is_ok:
                self._guard(last, lambda: self._take_heirs(heirs, last))
            done(last)

        def answered(reply: Reply) -> None:
            if reply.is_ok:
                self._guard(
                    reply, lambda: heirs.extend(self._take_open_orders(instrument, begun_open, reply))
                )
            if reply.is_ok:
                self._successions.settle(heirs, reply, settled)
            else:
                done(reply)

        self._calls.ask("openOrders.status", {"symbol": instrument.symbol}, answered)

    def _take_open_orders(
        self, instrument: OrderInstrument, begun_open: list[KnownOrder], reply: Reply
    ) -> list[Found]:
        """Returns what cannot be told yet: orders whose predecessors have to be asked about first."""
        listed, heirs = set(), []
        for found in reply.read(list[OrderResult]):
            order = self._events.orders.of_venue(instrument, (found.client_id,), found.venue_order_id)
            if order.is_heir(found.venue_order_id):
                heirs.append((order, found))
            else:
                self._events.found(order, found, reply.recv_ns)
            listed.add(order)
        for order in begun_open:
            if not order.closed and order not in listed:
                self._look_up(order)
        return heirs

    def _take_heirs(self, heirs: list[Found], reply: Reply) -> None:
        for order, found in heirs:
            self._events.found(order, found, reply.recv_ns)

    def balances(self, done: Done) -> None:
        """One complete ``BalanceReport``."""

        def take(reply: Reply) -> None:
            account = reply.read(Account)
            self._events.events.append(
                account_report(self._events.venue, account.balances, account.update_ms, reply.recv_ns)
            )

        def answered(reply: Reply) -> None:
            if reply.is_ok:
                self._guard(reply, lambda: take(reply))
            done(reply)

        self._calls.ask("account.status", {"omitZeroBalances": "true"}, answered)

    def missed_fills(self, instrument: OrderInstrument, done: Done) -> None:
        """Every fill since the last one known; with none known, only where the ids begin: history is no news."""
        floor = self.floor(instrument)
        if floor.through >= 0:
            self.fills(instrument, floor.through, done)
            return

        begun_ns = self._calls.now_ns

        def answered(reply: Reply) -> None:
            if reply.is_ok:
                self._guard(reply, lambda: self._first_floor(instrument, reply, begun_ns))
            done(reply)

        self._calls.ask("myTrades", {"symbol": instrument.symbol, "limit": 1}, answered)

    def _first_floor(self, instrument: OrderInstrument, reply: Reply, begun_ns: int) -> None:
        trades: list[TradeResult] = reply.read(list[TradeResult])
        last = max((trade.trade_id for trade in trades), default=0)
        self._reconciled(instrument, last, reply.recv_ns, begun_ns)

    def fills(self, instrument: OrderInstrument, after: int, done: Done) -> None:
        """Every fill after fill id ``after``, page by page, then ``FillsReconciled``."""
        _FillsQuery(self, instrument, after, done).ask()

    def _reconciled(self, instrument: OrderInstrument, through: int, recv_ns: int, begun_ns: int) -> None:
        self.floor(instrument).reconciled(through)
        self._events.events.append(
            FillsReconciled(
                recv_ns=recv_ns,
                venue=self._events.venue,
                instrument=instrument.name,
                through=through,
                begun_ns=begun_ns,
            )
        )

    def cancel_all(self, instrument: OrderInstrument, done: Done) -> None:
        """Have the venue cancel everything open on ``instrument``. That nothing was open is no failure."""

        def answered(reply: Reply) -> None:
            if reply.is_ok:
                self._guard(reply, lambda: self._take_all_cancelled(instrument, reply))
            elif reply.code == CANCEL_REFUSED:
                reply.status = 200
            done(reply)

        self._calls.ask("openOrders.cancelAll", {"symbol": instrument.symbol}, answered)

    def _take_all_cancelled(self, instrument: OrderInstrument, reply: Reply) -> None:
        for item in reply.read(list[CancelAllItem]):
            for one in item.reports or [item]:
                if one.venue_order_id < 0:
                    continue
                ids = tuple(filter(None, (one.original_client_id, one.client_id)))
                order = self._events.orders.of_venue(instrument, ids, one.venue_order_id)
                take = partial(self._take_cancelled, order, one, reply)
                if order.is_heir(one.venue_order_id):
                    self._successions.hold(order, partial(self._guard, reply, take))
                else:
                    take()

    def _take_cancelled(self, order: KnownOrder, one: OrderResult, reply: Reply) -> None:
        self._events.found_replaced(order, one, reply.recv_ns)
        self._events.orders.name(order, str(one.venue_order_id))
        filled = order.instrument.qty[one.filled_qty]
        self._events.cancelled(order, "cancel all", filled, one.transact_ms, reply.recv_ns)

    def _guard(self, reply: Reply, take: Callable[[], object]) -> None:
        """Run ``take``; a reply that cannot be read counts as none."""
        try:
            take()
        except (msgspec.MsgspecError, ValueError, KeyError, RecursionError) as error:
            self._complaints.add("bad_reply", repr(error), reply.frame)
            reply.status, reply.text = 0, "the reply cannot be read"


class _FillsQuery:
    """One walk through ``myTrades``. Trades name orders by venue id only: those unknown here are looked up first."""

    def __init__(self, owner: Reconciliation, instrument: OrderInstrument, after: int, done: Done) -> None:
        self._owner = owner
        self._instrument = instrument
        self._through = after
        self._done = done
        self._page: list[TradeResult] = []
        self._unknown: list[int] = []
        self._found: list[Found] = []
        self._last: Reply | None = None
        self._begun_ns = owner._calls.now_ns

    def ask(self) -> None:
        parameters: dict[str, str | int] = {
            "symbol": self._instrument.symbol,
            "fromId": self._through + 1,
            "limit": FILLS_PER_PAGE,
        }
        self._owner._calls.ask("myTrades", parameters, self._answered)

    def _answered(self, reply: Reply) -> None:
        self._last = reply
        if reply.is_ok:
            self._owner._guard(reply, lambda: self._take_page(reply))
        if not reply.is_ok:
            self._done(reply)
        else:
            self._next()

    def _take_page(self, reply: Reply) -> None:
        orders, name = self._owner._events.orders, self._instrument.name
        page: list[TradeResult] = reply.read(list[TradeResult])
        self._page = sorted(page, key=lambda trade: trade.trade_id)
        known = orders.find_venue_id
        self._unknown = [
            venue_id
            for venue_id in dict.fromkeys(trade.venue_order_id for trade in page)
            if known(name, str(venue_id)) is None
        ]

    def _next(self) -> None:
        if self._unknown:
            self._owner._calls.ask(
                "order.status",
                {"symbol": self._instrument.symbol, "orderId": self._unknown[-1]},
                self._named,
            )
            return
        reply = self._last
        assert reply is not None
        self._owner._guard(reply, lambda: self._emit(reply))
        if reply.is_ok and len(self._page) >= FILLS_PER_PAGE:
            self.ask()
            return
        if reply.is_ok:
            self._owner._reconciled(self._instrument, self._through, reply.recv_ns, self._begun_ns)
        self._done(reply)

    def _named(self, reply: Reply) -> None:
        """Whose order that was. One that the venue does not tell of any more is nobody's we know."""
        orders = self._owner._events.orders
        if reply.is_ok:
            self._owner._guard(reply, lambda: self._take_name(reply))
        elif reply.code in NOT_FOUND_CODES:
            orders.of_venue(self._instrument, (), self._unknown[-1])
            reply.status = 200
            self._told(reply)
            return
        if reply.is_ok:
            self._owner._successions.settle(self._found, reply, self._settled)
        else:
            self._done(reply)

    def _take_name(self, reply: Reply) -> None:
        found, orders = reply.read(OrderResult), self._owner._events.orders
        was = orders.of_cancel_half(self._instrument, found.client_id)
        if was is not None and was.venue_order_ids:
            orders.was(was, str(found.venue_order_id))
            self._found = []
        else:
            order = was or orders.of_venue(self._instrument, (found.client_id,), found.venue_order_id)
            self._found = [(order, found)]

    def _settled(self, last: Reply) -> None:
        if last.is_ok:
            self._owner._guard(last, lambda: self._owner._take_heirs(self._found, last))
        self._told(last)

    def _told(self, reply: Reply) -> None:
        if reply.is_ok:
            self._unknown.pop()
            self._next()
        else:
            self._done(reply)

    def _emit(self, reply: Reply) -> None:
        for trade in self._page:
            venue_order_id = str(trade.venue_order_id)
            order = self._owner._events.orders.find_venue_id(self._instrument.name, venue_order_id)
            if order is None:
                order = self._owner._events.orders.of_venue(self._instrument, (), trade.venue_order_id)
            self._owner._events.fill(
                order,
                venue_order_id=venue_order_id,
                fill_id=trade.trade_id,
                side=Side.BUY if trade.is_buyer else Side.SELL,
                price=trade.price,
                qty=trade.qty,
                fee=trade.commission,
                fee_asset=trade.commission_asset,
                liquidity=Liquidity.MAKER if trade.is_maker else Liquidity.TAKER,
                ms=trade.time_ms,
                recv_ns=reply.recv_ns,
            )
            self._through = max(self._through, trade.trade_id)
