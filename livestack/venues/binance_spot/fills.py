"""Fills after an interruption: from where on to ask, and the walk through ``myTrades`` (venues.md 1.4).

Pure; belongs to the order-entry adapter's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from livestack.core.types import Liquidity
from livestack.venues.binance_spot.calls import Calls
from livestack.venues.binance_spot.heirs import Heirs
from livestack.venues.binance_spot.order_events import OrderEvents
from livestack.venues.binance_spot.orders import KnownOrder, OrderInstrument
from livestack.venues.binance_spot.outcomes import NOT_FOUND_CODES
from livestack.venues.binance_spot.private_messages import OrderResult, Reply, TradeResult
from livestack.venues.binance_spot.renamed import Renamed
from livestack.venues.binance_spot.succession import Found, Successions
from livestack.venues.budget import Purpose

FILLS_PER_PAGE = 1_000
"""The most that ``myTrades`` gives at once."""

SETTLED_NS = 60_000_000_000
"""A fill that is older has no predecessor on its way any more, neither to the stream nor into the venue's answers."""

Done = Callable[[Reply], None]


class FillsOwner(Protocol):
    """What a walk needs of the reconciliation that it is part of."""

    calls: Calls
    events: OrderEvents
    heirs: Heirs
    renamed: Renamed
    successions: Successions

    def guard(self, reply: Reply, take: Callable[[], object]) -> None: ...

    def take_heirs(self, heirs: list[Found], reply: Reply) -> None: ...

    def reconciled(self, instrument: OrderInstrument, through: int, recv_ns: int, begun_ns: int) -> None: ...


class FillFloor:
    """From which fill id on the fills of one instrument must be asked for.

    Only answers move it: a fill that came over the stream says nothing of those before it, which may be lost.
    """

    def __init__(self) -> None:
        self.through = -1
        """Everything up to here is in the stream; -1: nothing is known yet."""
        self.has_news = False
        """Whether a fill came that is not behind us yet."""

    def seen(self, fill_id: int, now_ns: int) -> None:
        self.has_news = self.has_news or fill_id > self.through

    def reconciled(self, through: int) -> None:
        self.through = max(self.through, through)


class FillsQuery:
    """One walk through ``myTrades``. Trades name orders by venue id only: those unknown here are looked up first.

    ``is_for_news``: what was told already is left out. ``news`` are the ids of what was not. Fills of an order that may
    be ours under another name are withheld, and asked for again: their ids are not behind us.
    """

    def __init__(
        self,
        owner: FillsOwner,
        instrument: OrderInstrument,
        after: int,
        done: Done,
        *,
        is_for_news: bool = False,
    ) -> None:
        self._is_for_news = is_for_news
        self._purpose = Purpose.UPKEEP if is_for_news else Purpose.DOUBT
        self.news: list[int] = []
        self._owner = owner
        self._instrument = instrument
        self._through = after
        self._done = done
        self._page: list[TradeResult] = []
        self._unknown: list[int] = []
        self._found: list[Found] = []
        self._wanted: list[KnownOrder] = []
        self._withheld: dict[int, int] = {}
        self._last: Reply | None = None
        self._begun_ns = owner.calls.now_ns

    def ask(self) -> None:
        parameters: dict[str, str | int] = {
            "symbol": self._instrument.symbol,
            "fromId": self._through + 1,
            "limit": FILLS_PER_PAGE,
        }
        self._owner.calls.ask("myTrades", parameters, self._answered, purpose=self._purpose)

    def _answered(self, reply: Reply) -> None:
        self._last = reply
        if reply.is_ok:
            self._owner.guard(reply, lambda: self._take_page(reply))
        if not reply.is_ok:
            self._done(reply)
        else:
            self._next()

    def _take_page(self, reply: Reply) -> None:
        orders, name = self._owner.events.orders, self._instrument.name
        page: list[TradeResult] = reply.read(list[TradeResult])
        self._page = sorted(page, key=lambda trade: trade.trade_id)
        self._unknown = [
            venue_id
            for venue_id in dict.fromkeys(trade.venue_order_id for trade in page)
            if not orders.is_told(name, str(venue_id)) and venue_id not in self._withheld
        ]

    def _next(self) -> None:
        if self._unknown:
            self._owner.calls.ask(
                "order.status",
                {"symbol": self._instrument.symbol, "orderId": self._unknown[-1]},
                self._named,
            )
            return
        reply = self._last
        assert reply is not None
        self._owner.guard(reply, lambda: self._emit(reply))
        if reply.is_ok and len(self._page) >= FILLS_PER_PAGE:
            self.ask()
            return
        if reply.is_ok:
            through = min([self._through + 1, *self._withheld.values()]) - 1
            self._owner.reconciled(self._instrument, through, reply.recv_ns, self._begun_ns)
        self._done(reply)

    def _named(self, reply: Reply) -> None:
        """Whose order that was. One that the venue does not tell of any more is nobody's we know."""
        orders = self._owner.events.orders
        if reply.is_ok:
            self._owner.guard(reply, lambda: self._take_name(reply))
        elif reply.code in NOT_FOUND_CODES:
            orders.of_venue(self._instrument, (), self._unknown[-1])
            reply.status = 200
            self._told(reply)
            return
        if not reply.is_ok:
            self._done(reply)
        elif self._wanted:
            wanted, self._wanted = self._wanted, []
            self._owner.heirs.find_all(wanted, reply, self._named)
        else:
            self._owner.successions.settle(self._found, reply, self._settled)

    def _take_name(self, reply: Reply) -> None:
        found, orders = reply.read(OrderResult), self._owner.events.orders
        self._wanted = self._owner.heirs.wanted(self._instrument, found.client_id, found.venue_order_id)
        if self._wanted:
            return
        if self._owner.renamed.may_be_ours(self._instrument, found):
            first = min(one.trade_id for one in self._page if one.venue_order_id == self._unknown[-1])
            self._withheld[self._unknown[-1]] = first
            self._found = []
            return
        was = orders.of_cancel_half(self._instrument, found.client_id)
        if was is not None and was.venue_order_ids:
            orders.was(was, str(found.venue_order_id))
            self._found = []
        else:
            order = was or orders.of_venue(self._instrument, (found.client_id,), found.venue_order_id)
            self._found = [(order, found)]

    def _settled(self, last: Reply) -> None:
        if last.is_ok:
            self._owner.guard(last, lambda: self._owner.take_heirs(self._found, last))
        self._told(last)

    def _told(self, reply: Reply) -> None:
        if reply.is_ok:
            self._unknown.pop()
            self._next()
        else:
            self._done(reply)

    def _emit(self, reply: Reply) -> None:
        told = self._owner.events.told_fills.get(self._instrument.name, set())
        for trade in self._page:
            self._through = max(self._through, trade.trade_id)
            if trade.venue_order_id in self._withheld:
                continue
            if (trade.trade_id, trade.side) not in told:
                self.news.append(trade.trade_id)
            elif self._is_for_news:
                continue
            venue_order_id = str(trade.venue_order_id)
            order = self._owner.events.orders.find_venue_id(self._instrument.name, venue_order_id)
            if order is None:
                order = self._owner.events.orders.of_venue(self._instrument, (), trade.venue_order_id)
            self._owner.events.fill(
                order,
                venue_order_id=venue_order_id,
                fill_id=trade.trade_id,
                side=trade.side,
                price=trade.price,
                qty=trade.qty,
                fee=trade.commission,
                fee_asset=trade.commission_asset,
                liquidity=Liquidity.MAKER if trade.is_maker else Liquidity.TAKER,
                ms=trade.time_ms,
                recv_ns=reply.recv_ns,
            )
