"""The venue of the model's test: it answers what was asked, or it says what it likes.

Out of order, twice, too early, too late, about orders that are unknown, foreign or of another epoch.
"""

from __future__ import annotations

from typing import Any

from livestack.core import events
from livestack.core.types import (
    Amount,
    AssetBalance,
    ClientId,
    FailureReason,
    Liquidity,
    OrderStatus,
    OrderType,
    RateUsage,
    RequestKind,
    Side,
    TimeInForce,
)
from tests.core.model import Model
from tests.core.model_session import Session

SECOND = 1_000_000_000
EPOCHS = ("AAAAAAAAA", "BBBBBBBBB", "CCCCCCCCC", "DDDDDDDDD")
OTHER_EPOCH = "ZZZZZZZZZ"
NOWHERE = "sim:NONE"


GONE = list(FailureReason).index(FailureReason.NOT_AT_VENUE)


class Venue:
    """What a venue can say. ``pick`` chooses among the latest orders."""

    session: Session
    names: tuple[str, str]
    venues: tuple[str, ...]

    def __init__(self) -> None:
        self.fill_id = 0
        self.update_id = 100
        self.clock_ns = 0

    @property
    def model(self) -> Model:
        return self.session.model

    def scope(self, number: int) -> tuple[str, str]:
        """Everything, a venue, or an instrument (and its venue)."""
        name = self.names[number % 2]
        return (("", ""), (name.partition(":")[0], ""), (name.partition(":")[0], name))[number]

    def about(self, order_id: int, revision: int = 1, epoch: str = "") -> dict[str, Any]:
        """The fields by which an Event names one of our orders."""
        order = self.model.order(order_id)
        name = order.first.instrument if order else self.names[0]
        client_id = order.client_id if order and not epoch else ""
        if order and revision > 1:
            client_id = str(ClientId(self.model.epochs[-1], order_id, revision))
        return {
            "recv_ns": 0,
            "venue": name.partition(":")[0],
            "instrument": name,
            "client_id": client_id or str(ClientId(epoch or self.model.epochs[-1], order_id, revision)),
            "order_id": order_id,
            "event_ns": 0,
        }

    def next_fill_id(self) -> int:
        self.fill_id += 1
        return self.fill_id

    def pick_id(self, pick: int, fresh: int) -> int:
        """One that is open or pending, or any of the last few, those drawn by this very plan included."""
        last = self.model.drawn_last
        known = [*self.model.open, *self.model.pending, *range(last + 1, last + fresh + 1)]
        if known and pick < 5:
            return known[-1 - pick % len(known)]
        return max(self.model.drawn_last + fresh - pick, 1)

    # -- the venue, sensible: it answers what was asked

    def answer(self, pick: int, answer: str, wait_ns: int) -> None:
        waiting = [*self.model.inflight.values(), *self.model.unresolved.values()]
        request = waiting[pick % len(waiting)].request
        about = self.about(request.order_id)
        if answer in ("sent", "failed"):
            self.session.feed(self.about_request(answer, request, pick), wait_ns)
        elif answer == "report":
            self.report(pick, OrderStatus.ACCEPTED, 0, 0, wait_ns)
        elif answer == "fill" and request.kind is RequestKind.NEW:
            self.session.feed(self.filled(about, request.side, min(request.qty, 3), pick), wait_ns)
        else:
            self.session.feed(self.verdict(answer == "no", request, about), wait_ns)

    def about_request(self, answer: str, request: Any, pick: int) -> Any:
        fields = {
            name: getattr(request, name) for name in ("venue", "instrument", "kind", "order_id", "revision")
        }
        if answer == "sent":
            return events.RequestSent(**fields, gate_ns=self.session.ts, send_ns=self.session.ts + pick)
        return events.DispatchFailed(**fields, reason=list(FailureReason)[pick % 3], detail="")

    def come_back(self, pick: int, by_report: bool) -> None:
        """A New is told not to be at the venue, and then is there."""
        waiting = [one.request for one in self.model.inflight.values()]
        request = waiting[pick % len(waiting)]
        if request.kind is not RequestKind.NEW:
            return
        self.session.feed(self.about_request("failed", request, GONE), 0)
        if by_report:
            self.session.feed(self.opened(self.about(request.order_id, 1)), 0)
        else:
            self.session.feed(self.verdict(False, request, self.about(request.order_id, 1)), 0)

    def opened(self, about: dict[str, Any]) -> Any:
        return events.OrderReport(
            **about,
            venue_order_id="back",
            status=OrderStatus.ACCEPTED,
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            tif=TimeInForce.GTC,
            price=9_990,
            qty=10,
            filled_qty=0,
            reason="",
        )

    def verdict(self, refused: bool, request: Any, about: dict[str, Any]) -> Any:
        if request.kind is RequestKind.NEW:
            if refused:
                return events.OrderRejected(**about, code="-1", reason="no")
            return events.OrderAccepted(**about, venue_order_id=f"v{request.order_id}")
        if refused:
            kind = events.CancelRejected if request.kind is RequestKind.CANCEL else events.ReplaceRejected
            return kind(**about, revision=request.revision, code="-2", reason="no")
        if request.kind is RequestKind.CANCEL:
            return events.OrderCancelled(**about, venue_order_id="v", reason="asked")
        about["client_id"] = request.client_id
        return events.OrderReplaced(**about, venue_order_id="w", price=request.price, qty=request.qty)

    def fill(self, pick: int, qty: int, wait_ns: int) -> None:
        """What rests is filled, in part or as a whole."""
        order = list(self.model.open.values())[pick % len(self.model.open)]
        about = self.about(order.first.order_id)
        self.session.feed(self.filled(about, order.first.side, max(min(qty, order.leaves), 1), pick), wait_ns)

    def filled(self, about: dict[str, Any], side: Side, qty: int, pick: int, **changes: Any) -> Any:
        fees = (("BNB", 5, 8), ("USDT", 3, 2), ("BTC", 1, 4), ("BTC", 13, 4), ("ETH", -7, 4), ("BTC", 1, 3))
        asset, amount, decimals = fees[pick]
        values: dict[str, Any] = {
            **about,
            "venue_order_id": "v",
            "fill_id": self.next_fill_id(),
            "side": side,
            "price": 9_990 + 5 * pick,
            "qty": qty,
            "fee": Amount.of(amount),
            "fee_asset": asset,
            "fee_decimals": decimals,
            "liquidity": Liquidity.MAKER,
        }
        return events.OrderFill(**{**values, **changes})

    # -- the venue, not sensible: any Event about any order

    def say(self, pick: int, revision: int, epoch: int, what: str, qty: int, wait_ns: int) -> None:
        """Out of order, twice, too early, too late, about orders that are unknown, foreign or of another epoch."""
        order_id = self.pick_id(pick - 1, 0)
        about = self.about(order_id, revision, ("", EPOCHS[0], OTHER_EPOCH)[epoch])
        if epoch == 2 and revision == 3:
            about["client_id"] = "somebody"
        place = {"venue_order_id": "x"}
        refusal = {"revision": revision % 3, "code": "-3", "reason": "because"}
        kind, more = {
            "accepted": (events.OrderAccepted, place),
            "rejected": (events.OrderRejected, {"code": "-1", "reason": "late"}),
            "cancelled": (events.OrderCancelled, {**place, "reason": "own", "filled_qty": qty}),
            "expired": (events.OrderExpired, {**place, "reason": "ioc", "filled_qty": qty}),
            "replaced": (events.OrderReplaced, {**place, "price": 9_985, "qty": qty}),
            "cancel rejected": (events.CancelRejected, refusal),
            "replace rejected": (events.ReplaceRejected, refusal),
            "failed": (events.DispatchFailed, {}),
        }[what]
        if kind is events.DispatchFailed:
            fields = {name: about[name] for name in ("venue", "instrument", "order_id")}
            asked = list(RequestKind)[revision % 3]
            more = {"kind": asked, "revision": revision, "reason": FailureReason.NOT_SENT, "detail": ""}
            self.session.feed(kind(**fields, **more), wait_ns)
        else:
            self.session.feed(kind(**about, **more), wait_ns)

    def fill_oddly(self, pick: int, odd: str, wait_ns: int) -> None:
        """The same fill twice, of the wrong side, too much of it, after the end, of nobody's order."""
        order_id = self.pick_id(pick - (odd == "late"), 0)
        order = self.model.order(order_id)
        side = order.first.side if order else Side.BUY
        changes: dict[str, Any] = {
            "again": {"fill_id": max(self.fill_id - pick, 0)},
            "side": {"side": side.opposite},
            "over": {"qty": 30},
            "negative": {"qty": -1} if pick % 2 else {"price": 0} if pick else {"fee_decimals": 19},
            "instrument": {"instrument": NOWHERE if pick % 2 else self.names[pick // 2 % 2]},
            "late": {},
            "epoch": {},
        }[odd]
        about = self.about(order_id, 1, OTHER_EPOCH if odd == "epoch" else "")
        terms = {"side": side, "qty": 2, **changes}
        self.session.feed(self.filled(about, pick=pick, **terms), wait_ns)

    def report(self, pick: int, status: OrderStatus, more: int, whose: int, wait_ns: int) -> None:
        """The answer to a query: as we know it, with fills more or less than we know, of somebody else's order."""
        order_id = self.pick_id(pick, 0)
        order = self.model.order(order_id)
        about = self.about(order_id, 1, OTHER_EPOCH if whose == 1 else "")
        if whose == 2:
            about["client_id"] = f"somebody-{pick % 2}"
        filled = max((order.filled if order else 0) + more, 0)
        one = events.OrderReport(
            **about,
            venue_order_id="r" * (pick % 2),
            status=status,
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            tif=TimeInForce.GTC,
            price=9_990,
            qty=10,
            filled_qty=filled,
            reason="",
        )
        self.session.feed(one, wait_ns)

    def reconcile(self, name: int, behind: int, wait_ns: int) -> None:
        """Asked now, or before what may have been claimed since."""
        one = events.FillsReconciled(
            recv_ns=0,
            venue="sim",
            instrument=(*self.names, NOWHERE)[name],
            through=self.fill_id - behind,
            begun_ns=self.session.ts - (1_000_000_000 if behind > 1 else 0),
        )
        self.session.feed(one, wait_ns)

    def account(self, what: str, pick: int, used: int, wait_ns: int) -> None:
        """Balances, a second baseline, the venue's own counters, its clock, and its wish for silence."""
        venue = self.venues[pick % len(self.venues)]
        if what in ("balances", "complete", "bad balance"):
            decimals = 19 if what == "bad balance" else 8
            one = AssetBalance(("BTC", "USDT", "ETH")[pick % 3], decimals, Amount.of(used), Amount.of(2**70))
            complete = what == "complete"
            report: Any = events.BalanceReport(
                recv_ns=0, venue=venue, event_ns=0, balances=(one,), complete=complete
            )
        elif what == "baseline":
            report = events.AccountBaseline(
                recv_ns=0, venue=venue, account="", balances=(), positions=(), previous_session=""
            )
        elif what == "backoff":
            wait = (0, -1, SECOND, 4 * SECOND)[pick % 4]
            report = events.VenueBackoff(
                recv_ns=0, venue=venue, retry_after_ns=wait, reason="", spares_cancels=used % 2 == 1
            )
        elif what == "clock":
            self.clock_ns += 1_000_000 * used  # only ever further, so that no window is seen again
            report = events.VenueClock(venue=venue, offset_ns=self.clock_ns, error_ns=self.clock_ns)
        else:
            report = self.usage(venue, pick, used)
        self.session.feed(report, wait_ns)

    def usage(self, venue: str, pick: int, used: int) -> Any:
        order_id = self.pick_id(pick, 0)
        usage = [RateUsage("ORDERS", (10, 5)[pick % 2] * SECOND, (4, 3, 0)[pick % 3], used)]
        usage.append(RateUsage("WEIGHT", 10 * SECOND, 1, 1))
        return events.RateLimitReport(
            recv_ns=0, venue=venue, order_id=order_id, revision=1 + pick // 4, usage=tuple(usage)
        )
