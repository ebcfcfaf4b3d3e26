"""What the adapter remembers of each order: under which ids the venue knows it, and how far it got.

Pure; belongs to the order-entry adapter's thread. It is a memory of correspondence, not of State: it tells which Event
a frame means (accepted before? which of the two ids of a renamed order? filled before it was replaced?).
"""

from __future__ import annotations

from collections import OrderedDict

from livestack.core.events import InstrumentDefined
from livestack.core.types import Side, parse_client_id
from livestack.venues.adapter import InheritedOrder
from livestack.venues.binance_spot.numbers import DecimalReader

CLOSED_MAX = 4_096
"""Closed orders remembered, so that late frames about them are understood: minutes of trading at the venue's limits."""

CANCEL_HALF = "_c"
"""What the cancel half of a cancelReplace adds to the request's client id; no id of ours has an underscore."""


class OrderInstrument:
    """One symbol of the session, with readers for its numbers."""

    __slots__ = ("amend_allowed", "name", "price", "price_decimals", "qty", "qty_decimals", "symbol")

    def __init__(self, defined: InstrumentDefined) -> None:
        self.name = defined.instrument
        self.symbol = defined.symbol
        self.price_decimals = defined.price_decimals
        self.qty_decimals = defined.qty_decimals
        self.price = DecimalReader(defined.price_decimals)
        self.qty = DecimalReader(defined.qty_decimals)
        self.amend_allowed = defined.amend_allowed

    def redefine(self, defined: InstrumentDefined) -> None:
        """The venue changed its rules; the scales stay for the session."""
        self.amend_allowed = defined.amend_allowed


class KnownOrder:
    """One order through all its client ids and venue ids. ``order_id`` 0: not one of ours.

    ``qty`` and ``filled`` are those of the venue's present order; ``carried`` is what its predecessors had filled
    before they were replaced, so that ``carried + qty`` is the total that the Core knows. ``replacing`` is the client
    id of the Replace under way or of unknown fate, '' if there is none, ``cancel_half_filled`` what its cancel half
    says, -1 before that is known; ``replaced`` are the Replaces of which the Core was told. ``total`` and
    ``replace_total`` are the Core's, of an order of before this adapter: until the venue's quantity is seen that they
    are to be compared with; ``heir_total`` is that of the Replace, for as long as it has none. ``prevented`` is what
    self-trade prevention took off the venue's present order without a fill. ``touched``: when something was sent or
    heard about it last, by :attr:`KnownOrders.clock`. ``number``: how many orders were known by then, with it.
    ``signed_ms``: the timestamp of the request that places it. ``ambiguous``: the venue's ids of those of which any may
    be it. ``is_of_others``: somebody else was heard placing it.
    """

    __slots__ = (
        "accepted",
        "ambiguous",
        "amends",
        "cancel_half_filled",
        "carried",
        "client_id",
        "client_ids",
        "closed",
        "filled",
        "heir_total",
        "instrument",
        "is_of_others",
        "number",
        "order_id",
        "prevented",
        "price",
        "qty",
        "replace_total",
        "replaced",
        "replacing",
        "sent_ns",
        "side",
        "signed_ms",
        "total",
        "touched",
        "venue_order_id",
        "venue_order_ids",
    )

    def __init__(self, instrument: OrderInstrument, order_id: int, client_id: str) -> None:
        self.instrument = instrument
        self.order_id = order_id
        self.client_id = client_id
        self.client_ids: list[str] = [client_id]
        self.venue_order_id = ""
        self.venue_order_ids: list[str] = []
        self.accepted = False
        self.closed = False
        self.price = 0
        self.qty = 0
        self.filled = 0
        self.carried = 0
        self.amends = 0
        self.sent_ns = 0
        self.signed_ms = 0
        self.number = 0
        self.ambiguous = ""
        self.is_of_others = False
        self.replacing = ""
        self.cancel_half_filled = -1
        self.replaced: list[str] = []
        self.total = 0
        self.replace_total = 0
        self.heir_total = 0
        self.prevented = 0
        self.touched = 0
        self.side: Side | None = None
        """Kept of an order by its worth in quote, and of one of somebody else."""

    @property
    def total_qty(self) -> int:
        """What the Core knows as its quantity: what predecessors filled, and what this one may fill."""
        return self.carried + self.qty - self.prevented

    def venue_qty(self, total: int) -> int:
        """What the venue has to call the quantity of its present order for the Core's to be ``total``."""
        return total - self.carried + self.prevented

    def add_client_id(self, client_id: str) -> None:
        if client_id not in self.client_ids:
            self.client_ids.append(client_id)

    def is_made_by_replace(self, venue_id: int) -> bool:
        """Whether that is the order that the Replace of unknown fate made: another one than ever was this order."""
        return bool(self.replacing and self.venue_order_ids) and str(venue_id) not in self.venue_order_ids

    def is_heir(self, venue_id: int) -> bool:
        """The same, while it is not known what this order had filled by then."""
        return self.cancel_half_filled < 0 and self.is_made_by_replace(venue_id)

    def is_behind(self, venue_id: int) -> bool:
        """Whether that was this order at the venue, until another one took its place."""
        return str(venue_id) != self.venue_order_id and str(venue_id) in self.venue_order_ids

    def compare(self, client_id: str, qty: int) -> None:
        """The venue's order under ``client_id`` is ``qty`` large: what is missing to the total that the Core knows of
        an order from before this adapter was filled by predecessors."""
        total = self.replace_total if client_id == self.replacing and self.replace_total else self.total
        self.total = self.replace_total = 0
        if total:
            self.carried = max(self.carried, total - qty)


class KnownOrders:
    """All of them, by the part that the client ids of one order share, and by venue order id."""

    def __init__(self) -> None:
        self._by_key: dict[str, KnownOrder] = {}
        self._by_venue_id: dict[tuple[str, str], KnownOrder] = {}
        self._closed: OrderedDict[str, None] = OrderedDict()
        self._not_closed: dict[str, dict[KnownOrder, None]] = {}
        self._expected: dict[KnownOrder, str] = {}
        self._made = 0
        self.clock = 0
        """Counts whatever is sent or heard about any order."""
        self.busy: set[str] = set()
        """Names of instruments about whose orders something was sent or heard since somebody cleared it."""

    def __len__(self) -> int:
        return len(self._by_key)

    def inherit(self, instrument: OrderInstrument, one: InheritedOrder) -> None:
        """An order of before this adapter, under all its ids, whatever is heard of it first."""
        order = KnownOrder(instrument, one.order_id, one.client_id)
        order.total, order.replacing, order.replace_total = one.qty, one.replace_id, one.replace_qty
        order.heir_total = one.replace_qty
        self._by_key[_key(one.client_id)[0]] = order
        self._not_closed.setdefault(instrument.name, {})[order] = None
        if one.replace_id:
            self.also(order, one.replace_id)
        if one.venue_order_id.isascii() and one.venue_order_id.isdigit():
            self.name(order, one.venue_order_id)

    def find(self, client_id: str) -> KnownOrder | None:
        return self._by_key.get(_key(client_id)[0])

    def find_venue_id(self, instrument: str, venue_order_id: str) -> KnownOrder | None:
        return self._by_venue_id.get((instrument, venue_order_id))

    def is_told(self, instrument: str, venue_order_id: str) -> bool:
        """Whether the Core knows whose ``venue_order_id`` is: not one that is only expected to be somebody's heir."""
        order = self._by_venue_id.get((instrument, venue_order_id))
        return order is not None and venue_order_id in order.venue_order_ids

    def of_client_id(self, instrument: OrderInstrument, client_id: str) -> KnownOrder:
        """The order of one of our requests, new where it is the first one."""
        key, order_id = _key(client_id)
        order = self._by_key.get(key)
        if order is None:
            order = self._by_key[key] = self._make(instrument, order_id, client_id)
        return order

    def of_cancel_half(self, instrument: OrderInstrument, client_id: str) -> KnownOrder | None:
        """The order of which a cancelReplace took an incarnation out of the market, leaving it this id."""
        request_id = client_id.removesuffix(CANCEL_HALF)
        if request_id == client_id or parse_client_id(request_id) is None:
            return None
        return self.of_client_id(instrument, request_id)

    def was(self, order: KnownOrder, venue_order_id: str) -> None:
        """``order`` was ``venue_order_id`` at the venue, some time before its present incarnation."""
        if venue_order_id not in order.venue_order_ids:
            order.venue_order_ids.insert(0, venue_order_id)
            self._by_venue_id[order.instrument.name, venue_order_id] = order

    def touch(self, order: KnownOrder) -> None:
        """Something was sent or heard about ``order``: what is known of it from elsewhere may be older."""
        self.clock += 1
        order.touched = self.clock
        self.busy.add(order.instrument.name)

    def also(self, order: KnownOrder, client_id: str) -> None:
        """A request of ours about ``order`` has ``client_id``: after a resumption of another epoch than the order's."""
        self.touch(order)
        order.add_client_id(client_id)
        if order.order_id:
            for one in (order.client_id, client_id):
                self._by_key.setdefault(_key(one)[0], order)

    def of_venue(self, instrument: OrderInstrument, client_ids: tuple[str, ...], venue_id: int) -> KnownOrder:
        """The order that a frame of the venue is about: by its client ids, the oldest first, or by venue id."""
        venue_order_id = str(venue_id)
        for client_id in client_ids:
            if parse_client_id(client_id) is not None:
                return self.of_client_id(instrument, client_id)
        order = self._by_venue_id.get((instrument.name, venue_order_id))
        if order is None:
            order = self._make(instrument, 0, client_ids[0] if client_ids else "")
            self.name(order, venue_order_id)
        return order

    def _make(self, instrument: OrderInstrument, order_id: int, client_id: str) -> KnownOrder:
        order = KnownOrder(instrument, order_id, client_id)
        self._made += 1
        order.number = self._made
        self._not_closed.setdefault(instrument.name, {})[order] = None
        return order

    def name(self, order: KnownOrder, venue_order_id: str) -> None:
        """``order`` is ``venue_order_id`` at the venue from now on."""
        order.venue_order_id = venue_order_id
        if venue_order_id not in order.venue_order_ids:
            order.venue_order_ids.append(venue_order_id)
            self._by_venue_id[order.instrument.name, venue_order_id] = order

    def recognise(self, order: KnownOrder, venue_order_id: str, client_id: str) -> None:
        """``venue_order_id`` is ``order``, whatever it was taken for, although somebody called it ``client_id``."""
        self.touch(order)
        self._closed.pop(f"{order.instrument.name} {venue_order_id}", None)
        if parse_client_id(client_id) is not None:
            self._by_key[_key(client_id)[0]] = order
        self.name(order, venue_order_id)

    def expect(self, order: KnownOrder, venue_order_id: str) -> None:
        """What is heard of ``venue_order_id`` is about ``order``, in whose place a Replace put it."""
        self._by_venue_id[order.instrument.name, venue_order_id] = order
        self._expected[order] = venue_order_id

    def expected(self, order: KnownOrder) -> str:
        """The venue id of what a Replace put in the place of ``order``, not told yet; '' for none known."""
        venue_order_id = self._expected.get(order, "")
        return "" if venue_order_id in order.venue_order_ids else venue_order_id

    def close(self, order: KnownOrder) -> None:
        """``order`` is final; it is remembered for a while."""
        order.closed = True
        self._not_closed.get(order.instrument.name, {}).pop(order, None)
        key = _key(order.client_id)[0] if order.order_id else ""
        self._closed[key or f"{order.instrument.name} {order.venue_order_id}"] = None
        while len(self._closed) > CLOSED_MAX:
            oldest, _ = self._closed.popitem(last=False)
            self._drop(oldest)

    def forget(self, order: KnownOrder) -> None:
        """Nothing of ``order`` ever left."""
        self._by_key.pop(_key(order.client_id)[0], None)
        self._not_closed.get(order.instrument.name, {}).pop(order, None)

    def being_replaced(self, instrument: str) -> list[KnownOrder]:
        """Those of which a Replace is under way or of unknown fate, and that the venue knew before it."""
        return [
            order
            for order in dict.fromkeys(self._by_key.values())
            if order.instrument.name == instrument and order.replacing and order.venue_order_id
        ]

    def open_orders(self, instrument: str) -> list[KnownOrder]:
        """Those that the venue has acknowledged and not closed, as far as is known here."""
        return [
            order
            for order in self._not_closed.get(instrument, ())
            if order.accepted and self._is_remembered(order)
        ]

    def _is_remembered(self, order: KnownOrder) -> bool:
        """Whether any id still leads to ``order``; another one may have been recognised in its place."""
        name = order.instrument.name
        return any(self._by_venue_id.get((name, one)) is order for one in order.venue_order_ids) or any(
            self._by_key.get(_key(one)[0]) is order for one in order.client_ids
        )

    def _drop(self, key: str) -> None:
        order = self._by_key.pop(key, None)
        if order is not None:
            self._expected.pop(order, None)
        else:
            name, _, venue_order_id = key.rpartition(" ")
            self._by_venue_id.pop((name, venue_order_id), None)
            return
        for client_id in order.client_ids:
            self._by_key.pop(_key(client_id)[0], None)
        for venue_order_id in order.venue_order_ids:
            self._by_venue_id.pop((order.instrument.name, venue_order_id), None)


def _key(client_id: str) -> tuple[str, int]:
    """Epoch and counter of one of our ids, as text; and the counter."""
    parsed = parse_client_id(client_id)
    if parsed is None:
        return client_id, 0
    return client_id.rpartition("-")[0], parsed.order_id
