"""Somebody else with access to the same account: an order, a cancel, a trade by hand, money that comes in.

Pure. Runs on the venue's thread.
"""

from __future__ import annotations

from livestack.simulator.binance_spot import shapes
from livestack.simulator.binance_spot.errors import VenueError
from livestack.simulator.binance_spot.exchange import Exchange, Listing, NewOrder
from livestack.simulator.binance_spot.front import ACCOUNT
from livestack.simulator.binance_spot.numbers import SCALE, text8
from livestack.simulator.fault_kinds import Rule, below
from livestack.simulator.market import Random
from livestack.simulator.orders import BUY, OrderType


class Somebody:
    """Acts on the venue's one account; ``order_ids`` are the orders that were placed here."""

    def __init__(self, exchange: Exchange, random: Random) -> None:
        self._exchange = exchange
        self._random = random
        self._names = 0
        self.order_ids: set[int] = set()

    def act(self, rule: Rule) -> bool:
        """Do what the rule says to one of its symbols; False where the venue would not have it."""
        listings = self._exchange.listings
        names = [name for name in rule.symbols or listings if name in listings]
        if not names:
            return False
        listing = listings[names[below(self._random, len(names))]]
        try:
            if rule.kind == "external_cancel":
                return self._cancel(rule.symbols)
            return self._order(
                listing, OrderType.MARKET if rule.kind == "external_trade" else OrderType.LIMIT
            )
        except VenueError:
            return False

    def deposit(self, asset: str, amount: int) -> bool:
        """Money comes in; the account hears of it as ``balanceUpdate``."""
        exchange = self._exchange
        account, now_ms = exchange.accounts[ACCOUNT], exchange.now_ns // 1_000_000
        if not amount:
            return False
        account.add(asset, amount)
        account.updated_ns = exchange.now_ns
        update = {"e": "balanceUpdate", "E": now_ms, "a": asset, "d": text8(amount), "T": now_ms}
        exchange.events.append((ACCOUNT, update))
        exchange.events.append((ACCOUNT, shapes.account_position(account, [asset], exchange.now_ns)))
        return True

    def _cancel(self, symbols: tuple[str, ...]) -> bool:
        found = [one for one in self._exchange.open_orders(ACCOUNT) if not symbols or one.symbol in symbols]
        if not found:
            return False
        self._exchange.cancel(found[below(self._random, len(found))], self._name())
        return True

    def _order(self, listing: Listing, kind: OrderType) -> bool:
        """A small order: a limit one a tenth below or above the market, where it rests."""
        symbol, side = listing.symbol, below(self._random, 2)
        bid, _, ask, _ = listing.feed.best()
        if not bid or not ask or self._exchange.limits.exceeded_orders(self._exchange.now_ns):
            return False
        price = (bid * 9 // 10 if side == BUY else ask * 11 // 10) // symbol.tick * symbol.tick
        least = symbol.filters.get("NOTIONAL", symbol.filters.get("MIN_NOTIONAL", {})).get("minNotional", 0)
        qty = (least * SCALE * 2 // price // symbol.step + 1) * symbol.step
        qty = max(qty, symbol.filters["LOT_SIZE"]["minQty"])
        limit = price if kind is OrderType.LIMIT else 0
        new = NewOrder(symbol.name, side, kind, "GTC", limit, qty, 0, 0, "NONE", self._name())
        self._exchange.check(ACCOUNT, new)
        self.order_ids.add(self._exchange.place(ACCOUNT, new).order_id)
        return True

    def _name(self) -> str:
        """A client id as the venue's own web page makes them."""
        self._names += 1
        return f"web_{self._random.getrandbits(64):016x}{self._names:04d}"
