"""The private stream: execution reports and account positions to Events (venues.md 1.6).

Pure; belongs to the order-entry adapter's thread.

========================  =================================================================================
execution type ``x``      what it means here
========================  =================================================================================
``NEW``                   ``OrderAccepted``; ``OrderReplaced`` for the new half of a cancelReplace
``TRADE``                 ``OrderFill``, after ``OrderAccepted`` where that was not said yet
``CANCELED``              ``OrderCancelled``; nothing for the cancel half of a cancelReplace
``REPLACED``              ``OrderReplaced``: an amendment, same venue id
``REJECTED``              ``OrderRejected``
``EXPIRED``               ``OrderExpired``, self-trade prevention (``EXPIRED_IN_MATCH``) included
``TRADE_PREVENTION``      ``OrderReplaced`` by what is left of it, unless the order ended by it
anything else             a complaint, and a query of that order
========================  =================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial

from livestack.core.events import BalanceReport, Event
from livestack.core.types import (
    AssetBalance,
    Liquidity,
    OrderType,
    Side,
    TimeInForce,
    parse_client_id,
)
from livestack.venues.binance_spot.numbers import read_amount
from livestack.venues.binance_spot.order_events import EXPIRED, STATUS, OrderEvents
from livestack.venues.binance_spot.orders import CANCEL_HALF, KnownOrder, OrderInstrument
from livestack.venues.binance_spot.private_messages import (
    Account,
    AccountPosition,
    Balance,
    ExecutionReport,
)
from livestack.venues.binance_spot.renamed import Renamed
from livestack.venues.binance_spot.succession import Successions
from livestack.venues.complaints import Complaints

_MILLI = 1_000_000
_TYPES = {**{one.name: one for one in OrderType}, "LIMIT_MAKER": OrderType.LIMIT}
_TIFS = {one.name: one for one in TimeInForce}

Handler = Callable[[KnownOrder, ExecutionReport, int], None]


class ExecutionReports:
    """``doubt(order)`` is called for an order of which something was said that is not understood. What is said of one
    that took another's place is held back until it is known how that one ended."""

    def __init__(
        self,
        instruments: Mapping[str, OrderInstrument],
        events: OrderEvents,
        complaints: Complaints,
        doubt: Callable[[KnownOrder], None],
        successions: Successions,
        renamed: Renamed,
    ) -> None:
        self._instruments = instruments
        self._events = events
        self._complaints = complaints
        self._doubt = doubt
        self._successions = successions
        self._renamed = renamed
        self._handlers: dict[str, Handler] = {
            "NEW": self._new,
            "TRADE": self._trade,
            "CANCELED": self._cancelled,
            "REPLACED": self._replaced,
            "REJECTED": self._rejected,
            "EXPIRED": self._expired,
            "TRADE_PREVENTION": self._prevented,
        }

    def take(self, report: ExecutionReport, frame: bytes, recv_ns: int) -> None:
        """One executionReport; ``ValueError`` for a number that cannot be read."""
        instrument = self._instruments.get(report.symbol)
        if instrument is None:
            self._complaints.add("unknown_symbol", f"an order on {report.symbol[:32]!r}", frame)
            return
        ids = tuple(one for one in (report.original_client_id, report.client_id) if one)
        if self._is_withheld(instrument, ids, report):
            return
        order = self._events.orders.of_venue(instrument, ids, report.venue_order_id)
        self._events.orders.touch(order)
        handler = self._handlers.get(report.execution)
        if handler is None or report.status not in STATUS:
            what = f"execution type {report.execution[:32]!r}, order status {report.status[:32]!r}"
            self._complaints.add("unknown_enum", what, frame)
            self._name(order, report)
            self._doubt(order)
            return
        if order.is_heir(report.venue_order_id):
            self._successions.hold(order, partial(self._take, handler, order, report, frame, recv_ns))
            return
        self._heard(order, report, recv_ns)
        if not order.order_id or report.quote_order_qty.strip("0."):
            order.side = _side(report.side)
        handler(order, report, recv_ns)
        if not order.order_id and not order.closed:
            # Somebody else's: the Core shows it, or does with it what is configured, by reports alone.
            kind = _TYPES.get(report.type, OrderType.LIMIT)
            tif = _TIFS.get(report.tif, TimeInForce.GTC)
            status = STATUS[report.status]
            self._events.stands(order, status, kind, tif, report.transact_ms, recv_ns)

    def _is_withheld(
        self, instrument: OrderInstrument, ids: tuple[str, ...], report: ExecutionReport
    ) -> bool:
        """Whether that may be an order of ours that somebody renamed: what is not told is asked for when that is
        known. Who hears of a placing knows whose it is."""
        return (
            report.execution != "NEW"
            and not any(parse_client_id(one.removesuffix(CANCEL_HALF)) for one in ids)
            and not self._events.orders.is_told(instrument.name, str(report.venue_order_id))
            and self._renamed.is_any_lost(instrument.name)
        )

    def _take(
        self, handler: Handler, order: KnownOrder, report: ExecutionReport, frame: bytes, recv_ns: int
    ) -> None:
        """What was held back."""
        try:
            self._heard(order, report, recv_ns)
            handler(order, report, recv_ns)
        except (ValueError, KeyError) as error:
            self._complaints.add("malformed_frame", repr(error), frame)

    def _heard(self, order: KnownOrder, report: ExecutionReport, recv_ns: int) -> None:
        """What any report says of an order of before this adapter, or of one that took the place of another."""
        if _is_present(order, report):
            if order.total:
                order.compare(report.client_id, order.instrument.qty[report.qty])
        elif order.is_made_by_replace(report.venue_order_id):
            terms = order.instrument.price[report.price], order.instrument.qty[report.qty]
            self._events.replaced(
                order, order.replacing, report.venue_order_id, terms, report.transact_ms, recv_ns
            )

    def _begin(self, order: KnownOrder, report: ExecutionReport, recv_ns: int) -> None:
        """Whatever a report says of an order, it says that the order is there."""
        if order.replacing and order.replacing == report.client_id and report.execution != "REPLACED":
            self._replaced(order, report, recv_ns)
        elif not order.accepted:
            instrument = order.instrument
            order.price, order.qty = instrument.price[report.price], instrument.qty[report.qty]
            self._events.accepted(order, report.client_id, report.venue_order_id, report.transact_ms, recv_ns)

    def _new(self, order: KnownOrder, report: ExecutionReport, recv_ns: int) -> None:
        order.is_of_others = not order.order_id
        self._begin(order, report, recv_ns)

    def _trade(self, order: KnownOrder, report: ExecutionReport, recv_ns: int) -> None:
        filled = order.instrument.qty[report.filled_qty]
        self._begin(order, report, recv_ns)
        self._prevention(order, report, recv_ns)
        self._events.fill(
            order,
            venue_order_id=str(report.venue_order_id),
            fill_id=_fill_id(report.trade_id),
            side=_side(report.side),
            price=report.last_price,
            qty=report.last_qty,
            fee=report.commission or "0",
            fee_asset=report.commission_asset or "",
            liquidity=Liquidity.MAKER if report.is_maker else Liquidity.TAKER,
            ms=report.transact_ms,
            recv_ns=recv_ns,
        )
        if _is_present(order, report):
            order.filled = max(order.filled, filled)
            if report.status == "FILLED":
                self._events.filled(order, report.transact_ms, recv_ns)

    def _replaced(self, order: KnownOrder, report: ExecutionReport, recv_ns: int) -> None:
        terms = order.instrument.price[report.price], order.instrument.qty[report.qty]
        self._events.replaced(
            order, report.client_id, report.venue_order_id, terms, report.transact_ms, recv_ns
        )

    def _cancelled(self, order: KnownOrder, report: ExecutionReport, recv_ns: int) -> None:
        filled = order.instrument.qty[report.filled_qty]
        if report.client_id.endswith(CANCEL_HALF) and parse_client_id(report.client_id[: -len(CANCEL_HALF)]):
            if order.replacing and _is_present(order, report):
                order.cancel_half_filled = filled
            return
        if _is_present(order, report):
            reason = "cancelled" if report.reject_reason == "NONE" else report.reject_reason
            self._name(order, report)
            self._events.cancelled(order, reason, filled, report.transact_ms, recv_ns)

    def _expired(self, order: KnownOrder, report: ExecutionReport, recv_ns: int) -> None:
        filled = order.instrument.qty[report.filled_qty]
        if order.replacing and order.replacing == report.client_id:
            self._replaced(order, report, recv_ns)
        if _is_present(order, report):
            reason = report.expiry_reason if report.expiry_reason not in ("", "NONE") else report.status
            self._name(order, report)
            self._events.expired(order, reason, filled, report.transact_ms, recv_ns)

    def _rejected(self, order: KnownOrder, report: ExecutionReport, recv_ns: int) -> None:
        reason = report.reject_reason
        self._events.rejected(order, reason, reason, report.transact_ms, recv_ns)

    def _prevented(self, order: KnownOrder, report: ExecutionReport, recv_ns: int) -> None:
        if report.status in EXPIRED:
            self._expired(order, report, recv_ns)
            return
        self._begin(order, report, recv_ns)
        self._prevention(order, report, recv_ns)

    def _prevention(self, order: KnownOrder, report: ExecutionReport, recv_ns: int) -> None:
        """What self-trade prevention took off: said, or what is missing to the quantity of one that is filled."""
        if not _is_present(order, report):
            return
        quantities = order.instrument.qty
        prevented = quantities[report.prevented_qty]
        if report.status == "FILLED" and report.type != "MARKET":
            prevented = max(prevented, quantities[report.qty] - quantities[report.filled_qty])
        self._events.prevented(order, prevented, report.transact_ms, recv_ns)

    def _name(self, order: KnownOrder, report: ExecutionReport) -> None:
        if not order.venue_order_id:
            self._events.orders.name(order, str(report.venue_order_id))


def _is_present(order: KnownOrder, report: ExecutionReport) -> bool:
    """The report is about what the order is at the venue now, not about a predecessor that was replaced."""
    return order.venue_order_id in ("", str(report.venue_order_id))


def _side(text: str) -> Side:
    try:
        return Side[text]
    except KeyError as error:
        raise ValueError(f"side {text[:16]!r}") from error


def _fill_id(trade_id: int) -> int:
    if trade_id < 0:
        raise ValueError("a trade without an id")
    return trade_id


class Balances:
    """The balances as they were told last, and what the venue says of them as Events into ``events``.

    ``heard`` counts what was told; ``update_ms`` is the venue's own time of the last change that was. An asset that is
    not in ``told`` has none, once ``is_complete``.
    """

    def __init__(self, venue: str, events: list[Event]) -> None:
        self._venue = venue
        self._events = events
        self.told: dict[str, tuple[Fraction, Fraction]] = {}
        self.is_complete = False
        self.heard = 0
        self.heard_ns = 0
        self.update_ms = 0

    def position(self, position: AccountPosition, recv_ns: int) -> None:
        """``outboundAccountPosition``: only the assets that may have changed. ``ValueError`` for what is no number."""
        self._events.append(position_report(self._venue, position, recv_ns))
        self.heard += 1
        self.heard_ns, self.update_ms = recv_ns, position.update_ms
        for one in position.balances:
            self.told[one.asset] = _exact(one.free, one.locked)

    def account(self, account: Account, recv_ns: int) -> None:
        """``account.status``: everything that is not zero. ``ValueError`` for what is no number."""
        self._events.append(account_report(self._venue, account.balances, account.update_ms, recv_ns))
        self.heard += 1
        self.heard_ns, self.update_ms = recv_ns, account.update_ms
        self.told = {one.asset: _exact(one.free, one.locked) for one in account.balances}
        self.is_complete = True

    def differing(self, account: Account) -> list[str]:
        """The assets of which ``account`` says something else than was told, in order of their names."""
        found = {one.asset: _exact(one.free, one.locked) for one in account.balances}
        return sorted(
            asset
            for asset in found.keys() | self.told.keys()
            if found.get(asset, _NOTHING) != self.told.get(asset, _NOTHING)
        )


_NOTHING = (Fraction(0), Fraction(0))


def _exact(free: str, locked: str) -> tuple[Fraction, Fraction]:
    one = asset_balance("", free, locked)
    scale = 10**one.decimals
    return Fraction(one.free.value, scale), Fraction(one.locked.value, scale)


def position_report(venue: str, position: AccountPosition, recv_ns: int) -> BalanceReport:
    """``outboundAccountPosition``: only the assets that may have changed."""
    balances = tuple(asset_balance(one.asset, one.free, one.locked) for one in position.balances)
    return BalanceReport(
        recv_ns=recv_ns, venue=venue, event_ns=position.event_ms * _MILLI, balances=balances, complete=False
    )


def account_report(venue: str, balances: list[Balance], update_ms: int, recv_ns: int) -> BalanceReport:
    """``account.status``: everything that is not zero."""
    return BalanceReport(
        recv_ns=recv_ns,
        venue=venue,
        event_ns=update_ms * _MILLI,
        balances=tuple(asset_balance(one.asset, one.free, one.locked) for one in balances),
        complete=True,
    )


def asset_balance(asset: str, free: str, locked: str) -> AssetBalance:
    """Both numbers in one scale: eight decimals, or more where one of them needs more."""
    free_amount, free_decimals = read_amount(free)
    locked_amount, locked_decimals = read_amount(locked)
    decimals = max(free_decimals, locked_decimals)
    if free_decimals < decimals:
        free_amount = type(free_amount).of(free_amount.value * int(10 ** (decimals - free_decimals)))
    if locked_decimals < decimals:
        locked_amount = type(locked_amount).of(locked_amount.value * int(10 ** (decimals - locked_decimals)))
    return AssetBalance(asset, decimals, free_amount, locked_amount)
