"""What befalls the venue as a whole: connections cut, maintenance, clocks that jump, symbols that halt, a wipe,
somebody else on the account. What lasts for a while is undone at its end.

Pure. Runs on the venue's thread.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Protocol

from livestack.simulator.binance_spot.exchange import Listing
from livestack.simulator.binance_spot.fault_book import FaultBook
from livestack.simulator.binance_spot.frame_faults import FrameFaults
from livestack.simulator.binance_spot.front import FrontDesk
from livestack.simulator.binance_spot.numbers import NumberFormatError, PrecisionError, parse8, text8
from livestack.simulator.binance_spot.somebody import Somebody
from livestack.simulator.binance_spot.streams import StreamHub
from livestack.simulator.binance_spot.websocket_api import WebSocketApi
from livestack.simulator.fault_kinds import CONNECTIONS, SIDES, Rule, below

PPM = 1_000_000
FOREVER_NS = 1 << 63
UNAVAILABLE = 503
REFUSED = 0
Undo = Callable[[], None]


class Clock(Protocol):
    """The venue's, which may be wrong."""

    def at(self, now_ns: int) -> None: ...

    def wipe(self) -> None: ...

    def deliver(self) -> None: ...


class Moments:
    """Applies the rules about moments. ``clock`` is the venue."""

    def __init__(
        self,
        book: FaultBook,
        frames: FrameFaults,
        desk: FrontDesk,
        hub: StreamHub,
        api: WebSocketApi,
        clock: Clock,
    ) -> None:
        self._book = book
        self._frames = frames
        self._desk = desk
        self._hub = hub
        self._api = api
        self._clock = clock
        self.somebody = Somebody(desk.exchange, book.random)
        self.closed: dict[str, list[int]] = {}
        """Sides that take nobody, with the status that they answer (0: none), the newest reason last."""
        self._skews: list[tuple[int, int, int]] = []
        self._changed: dict[str, None] = {}
        """Symbols whose filters are not as at first."""
        self._ends: list[tuple[int, int, Undo]] = []
        self._number = 0

    @property
    def waiting(self) -> bool:
        """Whether anything is still to be undone, or stays as it was made."""
        return bool(self._ends)

    def next_due_ns(self) -> int | None:
        due = [self._book.next_moment_ns(), self._ends[0][0] if self._ends else None]
        return min((moment for moment in due if moment is not None and moment < FOREVER_NS), default=None)

    def act(self, now_ns: int) -> None:
        """Undo what is over, then do what is due."""
        while self._ends and self._ends[0][0] <= now_ns:
            heapq.heappop(self._ends)[2]()
        for rule in self._book.moments(now_ns):
            if self._do(rule, now_ns):
                self._book.count(rule.kind)

    def undo_all(self) -> None:
        """Everything is as it should be again."""
        ends, self._ends = sorted(self._ends, key=lambda end: end[:2]), []
        for _, _, undo in ends:
            undo()
        self._desk.gatekeeper.forget_decrees()

    def skew_ns(self, now_ns: int) -> int:
        """How far the clock is off by the rules in force."""
        if not self._skews:
            return 0
        return sum(offset + (now_ns - since) * drift // PPM for since, offset, drift in self._skews)

    def _do(self, rule: Rule, now_ns: int) -> bool:
        """Whether there was anything to do."""
        match rule.kind:
            case "cut" | "mute":
                return self._break(rule)
            case "refused":
                self._close(rule.sides or SIDES, REFUSED, rule, now_ns)
            case "maintenance":
                self._close(SIDES, UNAVAILABLE, rule, now_ns)
                for connection_id in self._connected(CONNECTIONS):
                    self._frames.cut(connection_id)
            case "server_shutdown":
                return self._shut_down(rule, now_ns)
            case "clock_skew":
                self._shift(rule, now_ns)
            case "wipe":
                self._clock.wipe()
            case "symbol_status" | "symbol_missing" | "filters_changed":
                return self._change_symbol(rule, now_ns)
            case "subscription_ended":
                self._api.end_subscriptions()
            case "key_revoked":
                self._revoke(rule, now_ns)
            case "deposit":
                return self._deposit(rule)
            case _:
                return self.somebody.act(rule)
        return True

    # -- connections -----------------------------------------------------------------------------------------------

    def _connected(self, sides: tuple[str, ...]) -> list[int]:
        """Who is connected and will be so in a moment, oldest first."""
        found = self._hub.connection_ids if "stream" in sides else []
        found += self._api.connection_ids if "ws_api" in sides else []
        return [connection_id for connection_id in found if not self._frames.is_doomed(connection_id)]

    def _break(self, rule: Rule) -> bool:
        found = self._connected(rule.sides or CONNECTIONS)
        if not found:
            return False
        if rule.text("which") == "one":
            found = [found[below(self._book.random, len(found))]]
        for connection_id in found:
            if rule.kind == "cut":
                self._frames.cut(connection_id)
            else:
                self._frames.mute(connection_id, deaf=bool(rule.number("deaf")))
        return True

    def _close(self, sides: tuple[str, ...], status: int, rule: Rule, now_ns: int) -> None:
        for side in sides:
            self.closed.setdefault(side, []).append(status)

        def reopen() -> None:
            for side in sides:
                self.closed[side].remove(status)
                if not self.closed[side]:
                    del self.closed[side]

        self._last(rule, now_ns, reopen)

    def _shut_down(self, rule: Rule, now_ns: int) -> bool:
        sides = rule.sides or CONNECTIONS
        found = self._connected(sides)
        if "stream" in sides:
            self._hub.shutdown(self._desk.exchange.now_ns)
        if "ws_api" in sides:
            self._api.shutdown(self._desk.exchange.now_ns)

        def cut() -> None:
            still = self._connected(sides)
            for connection_id in found:
                if connection_id in still:
                    self._frames.cut(connection_id)

        self._later(now_ns + rule.draw("delay", self._book.random), cut)
        return bool(found)

    # -- clock, keys, symbols --------------------------------------------------------------------------------------

    def _shift(self, rule: Rule, now_ns: int) -> None:
        skew = (now_ns, rule.number("offset"), rule.number("drift"))
        self._skews.append(skew)
        self._clock.at(now_ns)
        self._last(rule, now_ns, lambda: self._skews.remove(skew))

    def _revoke(self, rule: Rule, now_ns: int) -> None:
        gatekeeper = self._desk.gatekeeper
        gatekeeper.revoked = True
        self._api.end_subscriptions()

        def restore() -> None:
            gatekeeper.revoked = False

        self._last(rule, now_ns, restore)

    def _change_symbol(self, rule: Rule, now_ns: int) -> bool:
        names = [
            name
            for name in rule.symbols or self._desk.exchange.listings
            if name in self._desk.exchange.listings
        ]
        if not names:
            return False
        listing = self._desk.exchange.listings[names[below(self._book.random, len(names))]]
        name = listing.symbol.name
        if rule.kind == "symbol_status":
            listing.symbol.info["status"] = rule.text("status")
            self._last(rule, now_ns, lambda: listing.symbol.info.update(status="TRADING"))
        elif rule.kind == "symbol_missing":
            self._desk.hidden[name] = None
            self._last(rule, now_ns, lambda: self._show(name))
        elif name in self._changed:
            return False
        else:
            self._changed[name] = None
            undo = change_filters(
                listing, rule.number("tick"), rule.number("step"), rule.number("min_notional")
            )

            def restore() -> None:
                undo()
                del self._changed[name]

            self._last(rule, now_ns, restore)
        return True

    def _show(self, name: str) -> None:
        self._desk.hidden.pop(name, None)

    def _deposit(self, rule: Rule) -> bool:
        try:
            return self.somebody.deposit(rule.text("asset"), parse8(rule.text("amount")))
        except (NumberFormatError, PrecisionError):
            return False

    def _last(self, rule: Rule, now_ns: int, undo: Undo) -> None:
        """Undo it when it has lasted as long as the rule says; without such a time when all faults are cleared."""
        lasts_ns = rule.number("lasts")
        self._later(now_ns + lasts_ns if lasts_ns else FOREVER_NS, undo)

    def _later(self, due_ns: int, undo: Undo) -> None:
        self._number += 1
        heapq.heappush(self._ends, (due_ns, self._number, undo))


_FACTORS = {
    "PRICE_FILTER": (("tickSize", 0), ("minPrice", 0)),
    "LOT_SIZE": (("stepSize", 1), ("minQty", 1)),
    "NOTIONAL": (("minNotional", 2),),
    "MIN_NOTIONAL": (("minNotional", 2),),
}


def change_filters(listing: Listing, *factors: int) -> Undo:
    """Multiply tick, step and least notional; returns what makes them as they were."""
    symbol = listing.symbol
    before = [dict(item) for item in symbol.info["filters"]]
    numbers = {name: dict(values) for name, values in symbol.filters.items()}
    changed = [dict(item) for item in before]
    for item in changed:
        for key, index in _FACTORS.get(item["filterType"], ()):
            value = symbol.filters[item["filterType"]][key] * factors[index]
            symbol.filters[item["filterType"]][key] = value
            item[key] = text8(value)
    symbol.info["filters"] = changed

    def restore() -> None:
        symbol.info["filters"] = before
        symbol.filters.clear()
        symbol.filters.update(numbers)

    return restore
