"""What befalls requests: lost before they are executed or after, refused, or met by what happened just before.

Pure. Runs on the venue's thread. The venue asks ``before`` and ``after`` each request and does what it is told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from livestack.simulator.binance_spot import errors
from livestack.simulator.binance_spot.call import Call
from livestack.simulator.binance_spot.errors import VenueError
from livestack.simulator.binance_spot.exchange import Exchange, Listing
from livestack.simulator.binance_spot.fault_book import FaultBook
from livestack.simulator.binance_spot.feed import Levels, PublicFeed
from livestack.simulator.binance_spot.front import ACCOUNT
from livestack.simulator.binance_spot.gatekeeper import Gatekeeper
from livestack.simulator.binance_spot.operations import BY_METHOD
from livestack.simulator.fault_kinds import Rule, below

REPLACE = "order.cancelReplace"
AMEND = "order.amend.keepPriority"
ADDING = ("order.place", REPLACE)
HISTORY_MAX = 64  # seconds of old snapshots
FILL_ATTEMPTS_MAX = 20  # other orders of ours may stand before the one that is to be filled
CUT, SILENCE = "cut", "silence"
_FAILED = "An unknown error occurred while processing the request."
_CODES = {
    "-1000": (500, _FAILED),
    "-1001": (500, "Internal error; unable to process your request. Please try again."),
    "-1006": (500, "An unexpected response was received from the message bus. Execution status unknown."),
    "-1007": (
        504,
        "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    ),
    "-1008": (503, "Server is currently overloaded with other requests. Please try again in a few minutes."),
    "-1016": (503, "This service is no longer available."),
}
_REFUSALS = {"order.cancel": -2011, "openOrders.cancelAll": -2011, AMEND: -2038}


@dataclass(slots=True, frozen=True)
class Broken:
    """No proper answer: ``how`` is ``cut``, ``silence`` or empty for ``error``; ``html`` is for REST, in its place."""

    how: str
    error: VenueError | None = None
    html: bytes = b""


@dataclass(slots=True, frozen=True)
class OldFeed:
    """A symbol's public side as it was. Only its snapshot is asked for."""

    book: tuple[int, Levels, Levels]

    def snapshot(self, limit: int) -> tuple[int, Levels, Levels]:
        update_id, bids, asks = self.book
        return update_id, bids[:limit], asks[:limit]


def page(status: int, title: str) -> bytes:
    """What a server in front of the venue writes."""
    text = f"{status} {title}"
    return f"<html>\r\n<head><title>{text}</title></head>\r\n<body>{text}</body>\r\n</html>\r\n".encode()


def broken(answer: str) -> Broken:
    """The ``answer`` of a rule."""
    if answer in (CUT, SILENCE):
        return Broken(answer)
    if answer in _CODES:
        status, text = _CODES[answer]
        return Broken("", VenueError(status, int(answer), text))
    status = int(answer)
    html = page(status, "Bad Gateway") if status == 502 else b""
    return Broken("", VenueError(status, -1000, _FAILED), html)


class RequestFaults:
    """Applies the rules about requests to one exchange. ``deliver`` sends what accounts have to hear."""

    def __init__(
        self,
        book: FaultBook,
        exchange: Exchange,
        gatekeeper: Gatekeeper,
        leads: dict[str, int],
        deliver: Callable[[], None],
    ) -> None:
        self._book = book
        self._exchange = exchange
        self._gatekeeper = gatekeeper
        self._leads = leads
        self._deliver = deliver
        self._snapshots: dict[str, deque[tuple[int, tuple[int, Levels, Levels]]]] = {}
        self._replaced: tuple[Listing, PublicFeed] | None = None

    def before(self, call: Call, now_ns: int) -> Broken | None:
        """What becomes of a request instead of being executed; None: execute it, then ask ``after``."""
        rule = self._strikes("request_lost", call, now_ns)
        if rule is not None:
            return broken(rule.pick("answer", self._book.random))
        rule = self._strikes("rate_limited", call, now_ns)
        if rule is not None:
            wait_ns, ban_ns = rule.number("wait"), rule.number("ban")
            return Broken("", self._gatekeeper.decree_silence(wait_ns, ban_ns, self._exchange.now_ns))
        if self._strikes("firewall", call, now_ns) is not None:
            return Broken("", VenueError(403, -1000, "Forbidden"), page(403, "Forbidden"))
        operation = BY_METHOD.get(call.method)
        if operation is not None and operation.trades:
            rule = self._strikes("reject", call, now_ns)
            if rule is not None:
                return Broken("", _refusal(call.method, rule))
            self._prepare(call, now_ns)
        elif call.method == "depth":
            self._prepare_depth(call, now_ns)
        return None

    def after(self, call: Call, now_ns: int) -> Broken | None:
        """What becomes of the answer; None: it goes out."""
        self._exchange.refusals.clear()
        if self._replaced is not None:
            listing, feed = self._replaced
            listing.feed, self._replaced = feed, None
        rule = self._strikes("response_lost", call, now_ns)
        return broken(rule.pick("answer", self._book.random)) if rule is not None else None

    def reports_first(self, call: Call, now_ns: int) -> bool:
        """Whether user events of this request precede its answer."""
        return self._strikes("reports_first", call, now_ns) is not None

    def remember(self, now_ns: int) -> None:
        """Keep the books of this moment, for snapshots that are old; about once a second."""
        if not self._book.holds("stale_snapshot"):
            return
        for name, listing in self._exchange.listings.items():
            old = self._snapshots.setdefault(name, deque(maxlen=HISTORY_MAX))
            old.append((now_ns, listing.feed.snapshot(5000)))

    def _strikes(self, kind: str, call: Call, now_ns: int) -> Rule | None:
        rule = self._book.strikes(kind, call.subject, now_ns)
        if rule is not None:
            self._book.count(kind)
        return rule

    def _prepare(self, call: Call, now_ns: int) -> None:
        """Let happen what makes an order request go another way than its sender thinks."""
        refusals = self._exchange.refusals
        if call.method in ADDING:
            rule = self._strikes("orders_limited", call, now_ns)
            if rule is not None:
                refusals["orders"] = self._too_many_orders(rule.number("wait"))
        if call.method == REPLACE:
            rule = self._strikes("replace_half", call, now_ns)
            row = rule.text("row") if rule is not None else ""
            if row in ("cancelled_only", "neither"):
                refusals["new"] = errors.rejected(errors.INSUFFICIENT_BALANCE)
            if row in ("placed_only", "neither"):
                refusals["cancel"] = errors.cancel_rejected(errors.UNKNOWN_ORDER)
            if row == "orders_limited":
                refusals["orders"] = self._too_many_orders(1_000_000_000)
        if call.method in ("order.cancel", REPLACE, AMEND) and self._book.holds("fill_first"):
            self._fill_first(call, now_ns)

    def _fill_first(self, call: Call, now_ns: int) -> None:
        """The market trades with the order just before the request that is about it."""
        prefix = "cancel" if call.method == REPLACE else ""
        names = ("cancelOrderId", "cancelOrigClientOrderId") if prefix else ("orderId", "origClientOrderId")
        number = call.params.get(names[0], "")
        order = self._exchange.find(
            ACCOUNT, call.symbol, int(number) if number.isdigit() else None, call.params.get(names[1])
        )
        if order is None or not order.open or not order.resting:
            return
        if self._exchange.listings[order.symbol].symbol.status != "TRADING":
            return
        rule = self._strikes("fill_first", call, now_ns)
        if rule is None:
            return
        listing = self._exchange.listings[order.symbol]
        step = listing.symbol.step
        half = order.remaining // 2 // step * step if rule.text("part") == "half" else 0
        wanted = order.executed + (half or order.remaining)
        for _ in range(FILL_ATTEMPTS_MAX):
            if order.executed >= wanted or order.prevented:
                break
            listing.engine.market_print(1 - order.side, order.price, order.ahead + wanted - order.executed)
        self._exchange.settle(listing)
        if below(self._book.random, 2):
            self._deliver()

    def _prepare_depth(self, call: Call, now_ns: int) -> None:
        listing = self._exchange.listings.get(call.symbol)
        if listing is None:
            return
        old = self._snapshots.get(call.symbol)
        rule = self._strikes("stale_snapshot", call, now_ns) if old else None
        if rule is not None and old:
            latest_ns = now_ns - rule.number("age")
            chosen = next((book for when_ns, book in reversed(old) if when_ns <= latest_ns), old[0][1])
            self._replaced = (listing, listing.feed)
            listing.feed = cast(PublicFeed, OldFeed(chosen))
        rule = self._strikes("snapshot_leads", call, now_ns)
        if rule is not None:
            self._leads[call.symbol] = now_ns + rule.draw("delay", self._book.random)

    def _too_many_orders(self, wait_ns: int) -> VenueError:
        now_ns, window = self._exchange.now_ns, self._exchange.limits.orders[0]
        text = f"Too many new orders; current limit is {window.limit} orders per {window.number} {window.interval}."
        data = {"serverTime": now_ns // 1_000_000, "retryAfter": (now_ns + wait_ns) // 1_000_000}
        return VenueError(429, -1015, text, data)


def _refusal(method: str, rule: Rule) -> VenueError:
    code = rule.number("code") or _REFUSALS.get(method, -2010)
    usual = errors.INSUFFICIENT_BALANCE if code == -2010 else errors.UNKNOWN_ORDER
    return VenueError(400, code, rule.text("message") or usual)
