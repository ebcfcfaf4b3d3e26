"""What the simulated venue of a backtest answers: its orders' fates as execution Events, on their way to the node.

Pure; runs on the caller's thread. Every answer takes the same time, so they arrive in the order in which they left.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from livestack.core.events import (
    BalanceReport,
    CancelRejected,
    DispatchFailed,
    FillsReconciled,
    InputEvent,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFill,
    OrderRejected,
    OrderReplaced,
    OrderReport,
    ReplaceRejected,
)
from livestack.core.obligations import QueryOrder
from livestack.core.types import (
    AssetBalance,
    FailureReason,
    Liquidity,
    OrderRequest,
    OrderStatus,
    RequestKind,
    TimeInForce,
    parse_client_id,
)
from livestack.core.types import OrderType as CoreType
from livestack.research.funds import told_fee
from livestack.research.market import SIDES
from livestack.research.venue_rules import Refusal
from livestack.simulator.orders import Expiry, Order, Trade

_EXPIRY = {
    Expiry.UNFILLED_IOC: "immediate or cancel: the rest did not fill",
    Expiry.UNFILLED_FOK: "fill or kill: not everything could fill",
    Expiry.LIQUIDITY: "the book was empty",
    Expiry.BALANCE: "not enough balance when it was triggered",
    Expiry.SELF_TRADE: "self-trade prevention",
}
_STATUS = {
    "NEW": OrderStatus.ACCEPTED,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
}


@dataclass(slots=True, eq=False, kw_only=True)
class VenueOrder(Order):
    """An order as the venue knows it. ``carried``: what earlier orders in its place had filled."""

    venue_order_id: str = ""
    carried: int = 0
    core_type: CoreType = CoreType.LIMIT
    core_tif: TimeInForce = TimeInForce.GTC

    @property
    def filled(self) -> int:
        return self.carried + self.executed


class Replies:
    """``now_ns``: the venue's time, set by whoever calls; ``answers`` hold the time of arrival with each Event."""

    def __init__(self, venue: str, latency_ns: int) -> None:
        self.now_ns = 0
        self.answers: deque[tuple[int, InputEvent]] = deque()
        self._venue = venue
        self._latency_ns = latency_ns

    def rejected(self, order: VenueOrder, why: Refusal) -> None:
        self._of(OrderRejected, order, code=why.code, reason=why.reason)

    def accepted(self, order: VenueOrder) -> None:
        self._of(OrderAccepted, order, venue_order_id=order.venue_order_id)

    def filled(
        self, order: VenueOrder, trade: Trade, fill_id: int, fee: int, asset: str, *, maker: bool
    ) -> None:
        """``fee`` of ``asset`` in 10**-18."""
        amount, decimals = told_fee(fee)
        self._of(
            OrderFill,
            order,
            venue_order_id=order.venue_order_id,
            fill_id=fill_id,
            side=SIDES[order.side],
            price=trade.price,
            qty=trade.qty,
            fee=amount,
            fee_asset=asset,
            fee_decimals=decimals,
            liquidity=Liquidity.MAKER if maker else Liquidity.TAKER,
        )

    def cancelled(self, order: VenueOrder, reason: str) -> None:
        self._of(
            OrderCancelled,
            order,
            venue_order_id=order.venue_order_id,
            reason=reason,
            filled_qty=order.filled,
        )

    def expired(self, order: VenueOrder) -> None:
        reason = _EXPIRY[order.expiry] if order.expiry is not None else ""
        self._of(
            OrderExpired, order, venue_order_id=order.venue_order_id, reason=reason, filled_qty=order.filled
        )

    def replaced(self, order: VenueOrder) -> None:
        self._of(
            OrderReplaced,
            order,
            venue_order_id=order.venue_order_id,
            price=order.price,
            qty=order.carried + order.qty,
        )

    def refused(
        self, kind: type[CancelRejected] | type[ReplaceRejected], request: OrderRequest, why: Refusal
    ) -> None:
        """The definite no to a Cancel or Replace."""
        self._add(
            kind,
            request.instrument,
            client_id=request.client_id,
            order_id=request.order_id,
            revision=request.revision,
            event_ns=self.now_ns,
            code=why.code,
            reason=why.reason,
        )

    def report(self, order: VenueOrder) -> None:
        """The order as it is now."""
        self._of(
            OrderReport,
            order,
            venue_order_id=order.venue_order_id,
            status=_STATUS.get(order.status, OrderStatus.CANCELLED),
            side=SIDES[order.side],
            order_type=order.core_type,
            tif=order.core_tif,
            price=order.price,
            qty=order.carried + order.qty,
            filled_qty=order.filled,
            reason="" if order.open else order.status,
        )

    def not_at_venue(self, question: QueryOrder) -> None:
        """The venue has never accepted that order."""
        parsed = parse_client_id(question.client_id)
        revision = parsed.revision if parsed is not None else 0
        event = DispatchFailed(
            venue=self._venue,
            instrument=question.instrument,
            kind=RequestKind.REPLACE
            if revision > 1
            else RequestKind.NEW,  # a Cancel is asked about by its order
            order_id=question.order_id,
            revision=revision,
            reason=FailureReason.NOT_AT_VENUE,
            detail="the venue does not know it",
        )
        self.answers.append((self.now_ns + self._latency_ns, event))

    def reconciled(self, instrument: str, through: int) -> None:
        """Every fill up to ``through`` has been told before this."""
        self._add(FillsReconciled, instrument, through=through, begun_ns=self.now_ns)

    def balances(self, balances: tuple[AssetBalance, ...]) -> None:
        """Nothing where none changed."""
        if balances:
            due_ns = self.now_ns + self._latency_ns
            event = BalanceReport(
                recv_ns=due_ns, venue=self._venue, event_ns=self.now_ns, balances=balances, complete=False
            )
            self.answers.append((due_ns, event))

    def _of(self, kind: Any, order: VenueOrder, **fields: Any) -> None:
        self._add(
            kind,
            order.symbol,
            client_id=order.client_id,
            order_id=order.order_id,
            event_ns=self.now_ns,
            **fields,
        )

    def _add(self, kind: Any, instrument: str, **fields: Any) -> None:
        due_ns = self.now_ns + self._latency_ns
        event = kind(recv_ns=due_ns, venue=self._venue, instrument=instrument, **fields)
        self.answers.append((due_ns, event))
