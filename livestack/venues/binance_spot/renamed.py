"""An order whose placing got no answer, under a name that somebody else gave it meanwhile (venues.md fact 4).

Pure; belongs to the order-entry adapter's thread. Whoever cancels or amends an order renames it, so the venue does not
know it under our id any more. Before it is called absent, what the account placed in the time in which the request may
have been executed is looked through: one order of the same terms, that cannot be anybody else's, is ours, and that is
said in a complaint; several prove nothing. An amended one is smaller: there the venue's list of amendments tells its
first name. What may be such an order is not told as somebody else's before that is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from enum import Enum
from typing import Final

import msgspec

from livestack.core.types import (
    POWERS_OF_TEN,
    OrderRequest,
    OrderType,
    RequestKind,
    Side,
    TimeInForce,
    parse_client_id,
)
from livestack.venues.binance_spot.calls import Calls
from livestack.venues.binance_spot.numbers import read_amount
from livestack.venues.binance_spot.order_events import OrderEvents
from livestack.venues.binance_spot.orders import CANCEL_HALF, KnownOrder, OrderInstrument
from livestack.venues.binance_spot.outcomes import NOT_FOUND_CODES
from livestack.venues.binance_spot.private_messages import Amendment, OrderResult, Reply
from livestack.venues.binance_spot.requests import RECV_WINDOW_MS
from livestack.venues.complaints import Complaints

SETTLING_MS: Final = RECV_WINDOW_MS + 10_000 + 1_000
"""Receive window, the 10 s that the venue gives its engine (-1007), and a second of error between two clocks."""

AHEAD_MS: Final = 1_000
"""The venue executes nothing whose timestamp is more than that ahead of its clock: no order is older than that."""

ORDERS_PER_ANSWER: Final = 1_000
"""The most that ``allOrders`` gives at once."""

WINDOW_MS_MAX: Final = 86_400_000
"""The longest time that it looks through."""

_TYPES: Final = {"LIMIT_MAKER", *OrderType.__members__}
_LIMITS: Final = (OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT)


class Verdict(Enum):
    """What a search found: nothing that could be the order, the order, or more than one that could be it."""

    NONE = "none"
    FOUND = "found"
    SEVERAL = "several"


Done = Callable[[Reply, Verdict], None]


class Renamed:
    """``find`` looks for one order; ``may_be_ours`` and ``is_any_lost`` say what is better not told yet."""

    def __init__(self, calls: Calls, events: OrderEvents, complaints: Complaints) -> None:
        self.calls = calls
        self.complaints = complaints
        self._events = events
        self._orders = events.orders

    def request_of(self, order: KnownOrder) -> OrderRequest | None:
        """How ``order`` was sent, if neither what became of that is known nor the venue's id of it."""
        if order.venue_order_id or order.closed:
            return None
        requests = map(self.calls.of_client_id, order.client_ids)
        return next((one for one in requests if one is not None and one.kind is RequestKind.NEW), None)

    def is_any_lost(self, instrument: str) -> bool:
        """Whether any order of ``instrument`` may be at the venue under a name that is not known here."""
        return any(not order.ambiguous for order, _ in self._lost(instrument))

    def may_be_ours(self, instrument: OrderInstrument, found: OrderResult) -> bool:
        """Whether ``found``, of which nothing was told yet, may be one of those."""
        if self._orders.is_told(instrument.name, str(found.venue_order_id)):
            return False
        lost = self._lost(instrument.name)
        return any(not order.ambiguous and self.may_be(order, request, found) for order, request in lost)

    def _lost(self, instrument: str) -> list[tuple[KnownOrder, OrderRequest]]:
        lost = []
        for request in self.calls.placing(instrument):
            order = self._orders.find(request.client_id)
            if order is not None and not order.venue_order_id and not order.closed:
                lost.append((order, request))
        return lost

    def may_be(self, order: KnownOrder, request: OrderRequest, found: OrderResult) -> bool:
        """Whether ``found`` may be ``order`` by name, age, terms, and whatever was heard of it; ``ValueError`` for what
        is no number."""
        return (
            0 <= found.created_ms - order.signed_ms + AHEAD_MS <= SETTLING_MS + AHEAD_MS
            and _is_name_of_others(order, found.client_id)
            and self._is_nobodys(order, found)
            and has_terms(order.instrument, request, found)
        )

    def _is_nobodys(self, order: KnownOrder, found: OrderResult) -> bool:
        """Neither another order of this session, nor known to be somebody else's."""
        known = self._orders.find_venue_id(order.instrument.name, str(found.venue_order_id))
        if known is None or known is order:
            return True
        is_of_session = bool(known.order_id) and any(
            _epoch(one) in ("", _epoch(order.client_id)) for one in known.client_ids
        )
        return not (is_of_session or known.is_of_others or known.number < order.number)

    def find(self, order: KnownOrder, request: OrderRequest, done: Done) -> None:
        """Look for ``order``; what is found is known by its venue id from then on."""

        def searched(reply: Reply, found: list[OrderResult]) -> None:
            done(reply, self._conclude(order, request, found, reply) if reply.is_ok else Verdict.NONE)

        _Search(self, order, request, searched).begin()

    def _conclude(
        self, order: KnownOrder, request: OrderRequest, found: list[OrderResult], reply: Reply
    ) -> Verdict:
        names = ", ".join(str(one.venue_order_id) for one in found)
        if not found or order.venue_order_id:
            return Verdict.NONE
        if len(found) > 1:
            if order.ambiguous != names:
                what = f"{request.client_id}: any of the orders {names} may be it"
                self.complaints.add("order_ambiguous", what, reply.frame)
            order.ambiguous = names
            return Verdict.SEVERAL
        what = f"{request.client_id}: order {names} has its terms and another name, and is taken for it"
        self.complaints.add("order_renamed", what, reply.frame)
        self._events.recognised(order, found[0], request.qty, reply.recv_ns)
        return Verdict.FOUND


class _Search:
    """One walk through ``allOrders``; ``done`` hears the last answer and which orders it may be."""

    def __init__(
        self,
        renamed: Renamed,
        order: KnownOrder,
        request: OrderRequest,
        done: Callable[[Reply, list[OrderResult]], None],
    ) -> None:
        self._renamed = renamed
        self._calls = renamed.calls
        self._order = order
        self._request = request
        self._done = done
        self._windows: list[tuple[int, int]] = []
        self._listed: dict[int, OrderResult] = {}
        self._amended: list[OrderResult] = []

    def begin(self) -> None:
        # To the present: nobody says whether the venue looks at an order's beginning or at its last change.
        first = self._order.signed_ms - AHEAD_MS
        last = max(self._calls.venue_ms, self._order.signed_ms + SETTLING_MS) + AHEAD_MS
        starts = range(first, last + 1, WINDOW_MS_MAX)
        self._windows = [(start, min(start + WINDOW_MS_MAX - 1, last)) for start in reversed(starts)]
        self._next_window()

    def _next_window(self) -> None:
        start_ms, end_ms = self._windows.pop()

        def answered(reply: Reply) -> None:
            listed = self._read(reply, list[OrderResult])
            if isinstance(listed, list):
                self._take(listed, start_ms, end_ms, reply)
            if not reply.is_ok:
                self._done(reply, [])
            elif self._windows:
                self._next_window()
            else:
                self._end(reply)

        parameters: dict[str, str | int] = {
            "symbol": self._order.instrument.symbol,
            "startTime": start_ms,
            "endTime": end_ms,
            "limit": ORDERS_PER_ANSWER,
        }
        self._calls.ask("allOrders", parameters, answered)

    def _take(self, listed: list[OrderResult], start_ms: int, end_ms: int, reply: Reply) -> None:
        if len(listed) < ORDERS_PER_ANSWER:
            self._listed.update((one.venue_order_id, one) for one in listed)
        elif start_ms < end_ms:
            middle = (start_ms + end_ms) // 2  # it says nowhere which of them it leaves out
            self._windows += [(middle + 1, end_ms), (start_ms, middle)]
        else:
            reply.status, reply.text = 0, "more orders than the venue tells of"

    def _end(self, reply: Reply) -> None:
        whole: list[OrderResult] = []
        try:
            for _, one in sorted(self._listed.items()):
                if self._renamed.may_be(self._order, self._request, one):
                    smaller = is_smaller(self._order.instrument, self._request, one)
                    (self._amended if smaller else whole).append(one)
        except ValueError as error:
            self._renamed.complaints.add("bad_reply", f"allOrders: {error!r}", reply.frame)
            reply.status, reply.text = 0, "the reply cannot be read"
            self._done(reply, [])
            return
        self._next_amended(whole, reply)

    def _next_amended(self, whole: list[OrderResult], last: Reply) -> None:
        """What had another name, or no amendment, before it was smaller is not the order."""
        if not self._amended:
            self._done(last, whole)
            return
        one = self._amended.pop(0)

        def answered(reply: Reply) -> None:
            if reply.code in NOT_FOUND_CODES:
                reply.status = 200
                self._next_amended(whole, reply)
                return
            amendments = self._read(reply, list[Amendment])
            if not isinstance(amendments, list):
                self._done(reply, [])
            elif any(amendment.original_client_id in self._order.client_ids for amendment in amendments):
                self._done(reply, [one])
            else:
                self._next_amended(whole, reply)

        parameters: dict[str, str | int] = {
            "symbol": self._order.instrument.symbol,
            "orderId": one.venue_order_id,
        }
        self._calls.ask("order.amendments", parameters, answered)

    def _read(self, reply: Reply, kind: type[list[OrderResult]] | type[list[Amendment]]) -> object:
        complaints = self._renamed.complaints
        if not reply.is_ok:
            complaints.add("question_failed", f"{reply.text} ({reply.code or reply.status})")
            return None
        try:
            return reply.read(kind)
        except (msgspec.MsgspecError, ValueError) as error:
            complaints.add("bad_reply", repr(error), reply.frame)
            reply.status, reply.text = 0, "the reply cannot be read"
            return None


def has_terms(instrument: OrderInstrument, request: OrderRequest, found: OrderResult) -> bool:
    """Whether ``found`` is what ``request`` asked for, or a part of it where somebody may have amended it. A word that
    the venue did not have yet proves nothing; ``ValueError`` for what is no number."""
    kind = "LIMIT_MAKER" if request.post_only else request.type.name
    if found.symbol != instrument.symbol or _differs(found.side, request.side.name, Side.__members__):
        return False
    if _differs(found.type, kind, _TYPES):
        return False
    is_limit = request.type in _LIMITS
    if is_limit:
        if not request.post_only and _differs(found.tif, request.tif.name, TimeInForce.__members__):
            return False
        if instrument.price[found.price] != request.price:
            return False
    if instrument.price[found.stop_price] != request.stop_price:
        return False
    if request.quote_qty and not request.qty:
        return _is_worth(instrument, found.quote_order_qty, request.quote_qty)
    return instrument.qty[found.qty] == request.qty or is_smaller(instrument, request, found)


def _differs(found: str, wanted: str, known: Container[str]) -> bool:
    return found != wanted and found in known


def is_smaller(instrument: OrderInstrument, request: OrderRequest, found: OrderResult) -> bool:
    """Whether only an amendment can have made ``found`` of ``request``."""
    is_amendable = instrument.amend_allowed and request.type in _LIMITS
    return is_amendable and 0 < instrument.qty[found.qty] < request.qty


def _is_worth(instrument: OrderInstrument, text: str, quote_qty: int) -> bool:
    amount, decimals = read_amount(text)
    scale = instrument.price_decimals + instrument.qty_decimals
    return amount.value * POWERS_OF_TEN[scale] == quote_qty * POWERS_OF_TEN[decimals]


def _is_name_of_others(order: KnownOrder, client_id: str) -> bool:
    """Whether somebody who is not this session gave that name, and perhaps not to an order of his own: the first
    request about an order of another session was its placing."""
    parsed = parse_client_id(client_id.removesuffix(CANCEL_HALF))
    return parsed is None or (parsed.epoch != _epoch(order.client_id) and parsed.revision > 1)


def _epoch(client_id: str) -> str:
    parsed = parse_client_id(client_id)
    return parsed.epoch if parsed is not None else ""
