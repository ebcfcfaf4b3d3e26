"""The venue behind the protocol: listings, orders, accounts and what it reports about them.

Pure. Runs on the venue's thread. Requests arrive already parsed (``NewOrder``); refusals are ``VenueError``s.
Everything that an account has to hear is appended to ``events`` in the order in which it happened.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from livestack.simulator.accounts import Account
from livestack.simulator.binance_spot import errors, filters, shapes
from livestack.simulator.binance_spot.errors import VenueError
from livestack.simulator.binance_spot.feed import PublicFeed
from livestack.simulator.binance_spot.instruments import Symbol
from livestack.simulator.binance_spot.limits import Limits
from livestack.simulator.binance_spot.numbers import SCALE, text8
from livestack.simulator.binance_spot.records import Records
from livestack.simulator.binance_spot.shapes import FEE_SCALE, Fill
from livestack.simulator.matching import MatchingEngine
from livestack.simulator.orders import BUY, MARKET_TYPES, SELL, Order, OrderType, Trade

CLOSED_ORDERS_MAX = 200_000  # then the oldest is forgotten: some 100 MB after weeks
FILLS_MAX = 200_000
FIRST_ORDER_ID = 1_000_001


@dataclass(slots=True, frozen=True)
class NewOrder:
    """A well-formed new order, numbers in 10**-8."""

    symbol: str
    side: int
    type: OrderType
    tif: str
    price: int
    qty: int
    quote_qty: int
    stop_price: int
    stp: str
    client_id: str
    strategy_id: int | None = None
    strategy_type: int | None = None


class Listing:
    """One symbol: what it is, its book, its public side. It listens to its engine for the exchange."""

    def __init__(self, exchange: Exchange, symbol: Symbol, first_trade_id: int = 1) -> None:
        self._exchange = exchange
        self.symbol = symbol
        self.engine = MatchingEngine(self, symbol.step, SCALE, first_trade_id)
        self.feed: PublicFeed

    def traded(self, trade: Trade) -> None:
        self.feed.traded(trade)
        if trade.maker is not None:
            self._exchange.filled(self, trade.maker, trade, maker=True)
        if trade.taker is not None:
            self._exchange.filled(self, trade.taker, trade, maker=False)

    def expired(self, order: Order) -> None:
        self._exchange.expired(self, order)

    def prevented(self, order: Order, counter: Order, qty: int, price: int) -> None:
        self._exchange.prevented(self, order, counter, qty, price)

    def triggered(self, order: Order) -> bool:
        return self._exchange.triggered(self, order)


class Exchange:
    """Everything behind the protocol front ends. ``now_ns`` is set by the venue before each entry.

    Fees are in basis points of what is received.
    """

    def __init__(self, symbols: Sequence[Symbol], accounts: Iterable[Account], limits: Limits) -> None:
        self.now_ns = 0
        self.maker_fee = 10
        self.taker_fee = 10
        self.limits = limits
        self.accounts = {account.name: account for account in accounts}
        self.listings = {symbol.name: Listing(self, symbol) for symbol in symbols}
        self.orders: dict[int, Order] = {}
        self.fills: deque[Fill] = deque(maxlen=FILLS_MAX)
        self.records = Records()
        self.events: list[tuple[str, dict[str, Any]]] = []
        """What accounts have to hear: (account, event), until somebody takes it."""
        self.request_fills: list[Fill] = []
        """Fills of the order that is being placed."""
        self.last_execution_id = 0
        self.refusals: dict[str, VenueError] = {}
        """What a fault has the present request refuse: ``orders`` when checked, ``new`` and ``cancel`` when done."""
        self._open: dict[tuple[str, str, str], Order] = {}
        self._named: dict[tuple[str, str, str], int] = {}
        self._closed: deque[int] = deque()
        self._next_order_id = FIRST_ORDER_ID
        self._generated = 0
        self._changed: dict[str, dict[str, None]] = {}

    # -- requests --------------------------------------------------------------------------------------------------

    def listing(self, name: str) -> Listing:
        """The listing of a symbol; the venue's "Invalid symbol." otherwise."""
        listing = self.listings.get(name)
        if listing is None:
            raise errors.invalid_symbol()
        return listing

    def generated_id(self) -> str:
        """A client id for those who send none: 22 characters, like the venue's."""
        self._generated += 1
        return f"sim{self._generated:019d}"

    def check(self, account: str, new: NewOrder) -> None:
        """Every reason to refuse that does not depend on a cancel going first: filters and order count."""
        listing = self.listing(new.symbol)
        if listing.symbol.status != "TRADING":
            raise VenueError(400, -1013, errors.MARKET_CLOSED)
        if new.stp not in listing.symbol.allowed_stp:
            raise VenueError(400, -1013, errors.STP_NOT_ALLOWED)
        if "orders" in self.refusals:
            raise self.refusals["orders"]
        window = self.limits.exceeded_orders(self.now_ns)
        if window is not None:
            self.limits.violations["-1015"] += 1
            letters = f"{window.number} {window.interval}"
            text = f"Too many new orders; current limit is {window.limit} orders per {letters}."
            data = {"serverTime": self.now_ns // 1_000_000, "retryAfter": window.ends_ns() // 1_000_000}
            raise VenueError(429, -1015, text, data)
        proposal = filters.Proposal(new.side, new.type, new.price, new.qty, new.quote_qty, new.stop_price)
        failure = filters.check(listing.symbol, proposal, self._standing(account, listing))
        if failure is not None:
            raise failure

    def place(self, account: str, new: NewOrder) -> Order:
        """Accept a new order that passed ``check``, or refuse it for what the engine knows."""
        listing = self.listing(new.symbol)
        if (account, new.symbol, new.client_id) in self._open:
            raise errors.rejected(errors.DUPLICATE_ORDER)
        if "new" in self.refusals:
            raise self.refusals["new"]
        order = Order(
            order_id=self._next_order_id,
            account=account,
            symbol=new.symbol,
            client_id=new.client_id,
            side=new.side,
            type=new.type,
            tif=new.tif,
            price=new.price,
            qty=new.qty,
            quote_qty=new.quote_qty,
            stop_price=new.stop_price,
            stp=new.stp,
            strategy_id=new.strategy_id,
            strategy_type=new.strategy_type,
            created_ns=self.now_ns,
            updated_ns=self.now_ns,
        )
        if order.type is OrderType.LIMIT_MAKER and listing.engine.crosses(order.side, order.price):
            raise errors.rejected(errors.WOULD_MATCH)
        if order.is_stop and listing.engine.would_trigger(order):
            raise errors.rejected(errors.WOULD_TRIGGER)
        self._reserve(listing, order)
        self._next_order_id += 1
        self.orders[order.order_id] = order
        self._open[account, order.symbol, order.client_id] = order
        self._named[account, order.symbol, order.client_id] = order.order_id
        if not order.is_stop:
            order.working_ns = self.now_ns
        self.limits.count_order(1, self.now_ns)
        self.request_fills = []
        self._report(order, "NEW")
        listing.engine.submit(order)
        self.settle(listing)
        return order

    def find(self, account: str, symbol: str, order_id: int | None, client_id: str | None) -> Order | None:
        """An order by its id, or by the client id that it has now; of several the newest."""
        if order_id is None and client_id is not None:
            order_id = self._named.get((account, symbol, client_id))
        order = self.orders.get(order_id) if order_id is not None else None
        return order if order is not None and (order.account, order.symbol) == (account, symbol) else None

    def open_orders(self, account: str, symbol: str | None = None) -> list[Order]:
        """Open orders, oldest first."""
        return [
            order
            for order in self._open.values()
            if order.account == account and (symbol is None or order.symbol == symbol)
        ]

    def cancel(self, order: Order, client_id: str) -> None:
        """Cancel an open order; it takes the cancel's client id."""
        if "cancel" in self.refusals:
            raise self.refusals["cancel"]
        listing = self.listings[order.symbol]
        listing.engine.cancel(order)
        self._forget(order)
        self._rename(order, client_id)
        self._report(order, "CANCELED")
        self.settle(listing)

    def amend(self, order: Order, qty: int, client_id: str) -> int:
        """Lower an open order's quantity; it keeps its place. Returns the execution id."""
        listing = self.listings[order.symbol]
        before = order.qty
        listing.engine.reduce(order, qty)
        order.amends += 1
        unit = order.price or order.stop_price
        released = (before - qty) if order.side == SELL else unit * (before - qty) // SCALE
        self._release(order, min(released, order.locked))
        del self._open[order.account, order.symbol, order.client_id]
        self._rename(order, client_id)
        self._open[order.account, order.symbol, order.client_id] = order
        self._report(order, "REPLACED")
        self.settle(listing)
        return self.last_execution_id

    def wipe(self, balances: int) -> None:
        """As the testnet does it: every order and fill is gone, nobody is told, balances are as at first."""
        for order in self._open.values():
            self.listings[order.symbol].engine.cancel(order)
        for held in (self._open, self._named, self.orders, self.fills, self._closed, self._changed):
            held.clear()
        for account in self.accounts.values():
            for balance in account.balances.values():
                balance.free, balance.locked = balances, 0
        self.records = Records()
        for listing in self.listings.values():
            listing.feed.settle(self.now_ns)

    def settle(self, listing: Listing) -> None:
        """After anything that may have changed a book: publish it, and tell accounts their balances."""
        listing.feed.settle(self.now_ns)
        for name, assets in self._changed.items():
            account = self.accounts[name]
            account.updated_ns = self.now_ns
            self.events.append((name, shapes.account_position(account, list(assets), self.now_ns)))
        self._changed.clear()

    # -- what the engines say --------------------------------------------------------------------------------------

    def filled(self, listing: Listing, order: Order, trade: Trade, *, maker: bool) -> None:
        account, symbol = self.accounts[order.account], listing.symbol
        quote_qty = trade.price * trade.qty // SCALE
        order.updated_ns = self.now_ns
        if order.locked:
            used = trade.qty if order.side == SELL else order.price * trade.qty // SCALE
            self._release(order, used)
        gives, takes = (symbol.quote, symbol.base) if order.side == BUY else (symbol.base, symbol.quote)
        paid, received = (quote_qty, trade.qty) if order.side == BUY else (trade.qty, quote_qty)
        fee = received * (self.maker_fee if maker else self.taker_fee) // FEE_SCALE
        account.add(gives, -paid)
        account.add(takes, received)
        account.charge(takes, fee)
        self._touch(order)
        fill = Fill(
            order.account,
            order.symbol,
            trade.trade_id,
            order.order_id,
            order.client_id,
            order.side,
            trade.price,
            trade.qty,
            quote_qty,
            fee,
            takes,
            self.now_ns,
            maker,
        )
        self.fills.append(fill)
        if not maker:
            self.request_fills.append(fill)
        if order.executed == trade.qty:
            self.limits.count_order(-5 if maker else -1, self.now_ns)
        if not order.open:
            self._forget(order)
        self._report(order, "TRADE", fill)
        self.last_execution_id += 1  # the counterparty's execution: ids are not contiguous

    def expired(self, listing: Listing, order: Order) -> None:
        self._forget(order)
        self._report(order, "EXPIRED")

    def prevented(self, listing: Listing, order: Order, counter: Order, qty: int, price: int) -> None:
        if not order.open:
            self._forget(order)
        elif order.locked:
            self._release(order, qty if order.side == SELL else order.price * qty // SCALE)
        match_id = self.records.prevent(order, counter, qty, price, self.now_ns)
        report = self._report(order, "TRADE_PREVENTION")
        report.update(
            v=match_id,
            B=text8(qty),
            U=counter.order_id,
            Cs=counter.symbol,
            pl=text8(qty),
            pL=text8(price),
            pY=text8(price * qty // SCALE),
        )

    def triggered(self, listing: Listing, order: Order) -> bool:
        order.working_ns = order.updated_ns = self.now_ns
        if order.type not in MARKET_TYPES:
            self._report(order, "NEW")
            return True
        self._release(order, order.locked)
        self._report(order, "NEW")
        return self._affordable(listing, order)

    # -- book-keeping ----------------------------------------------------------------------------------------------

    def _standing(self, account: str, listing: Listing) -> filters.Standing:
        mine = self.open_orders(account, listing.symbol.name)
        base = self.accounts[account].balance(listing.symbol.base)
        buying = sum(order.remaining for order in mine if order.side == BUY)
        stops = sum(1 for order in mine if order.is_stop)
        return filters.Standing(len(mine), stops, base.free + base.locked + buying, listing.engine.last_price)

    def _affordable(self, listing: Listing, order: Order) -> bool:
        """Whether the account can pay for a market order at what the book holds now."""
        account, symbol = self.accounts[order.account], listing.symbol
        if order.side == BUY:
            cost = order.quote_qty or listing.engine.cost(BUY, order.remaining) // SCALE
            return account.free(symbol.quote) >= cost
        wanted = order.remaining or listing.engine.affordable(order)
        return account.free(symbol.base) >= wanted

    def _reserve(self, listing: Listing, order: Order) -> None:
        account, symbol = self.accounts[order.account], listing.symbol
        if order.type is OrderType.MARKET:
            if not self._affordable(listing, order):
                raise errors.rejected(errors.INSUFFICIENT_BALANCE)
            return
        asset = symbol.quote if order.side == BUY else symbol.base
        unit = order.price or order.stop_price
        amount = unit * order.qty // SCALE if order.side == BUY else order.qty
        if account.free(asset) < amount:
            raise errors.rejected(errors.INSUFFICIENT_BALANCE)
        account.lock(asset, amount)
        order.locked = amount
        self._touch(order)

    def _release(self, order: Order, amount: int) -> None:
        symbol = self.listings[order.symbol].symbol
        self.accounts[order.account].unlock(symbol.quote if order.side == BUY else symbol.base, amount)
        order.locked -= amount
        self._touch(order)

    def _touch(self, order: Order) -> None:
        symbol = self.listings[order.symbol].symbol
        self._changed.setdefault(order.account, {}).update({symbol.base: None, symbol.quote: None})

    def _rename(self, order: Order, client_id: str) -> None:
        order.original_client_id, order.client_id = order.client_id, client_id
        order.updated_ns = self.now_ns
        if self._named.get((order.account, order.symbol, order.original_client_id)) == order.order_id:
            del self._named[order.account, order.symbol, order.original_client_id]
        self._named[order.account, order.symbol, client_id] = order.order_id

    def _forget(self, order: Order) -> None:
        """An order is closed: release what it locked, free its client id, and the oldest closed one with it."""
        if order.locked:
            self._release(order, order.locked)
        order.updated_ns = self.now_ns
        self._open.pop((order.account, order.symbol, order.client_id), None)
        self._closed.append(order.order_id)
        if len(self._closed) > CLOSED_ORDERS_MAX:
            oldest = self.orders.pop(self._closed.popleft())
            key = (oldest.account, oldest.symbol, oldest.client_id)
            if self._named.get(key) == oldest.order_id:
                del self._named[key]

    def _report(self, order: Order, execution: str, fill: Fill | None = None) -> dict[str, Any]:
        self.last_execution_id += 1
        report = shapes.execution_report(order, execution, self.last_execution_id, self.now_ns, fill=fill)
        self.events.append((order.account, report))
        return report
