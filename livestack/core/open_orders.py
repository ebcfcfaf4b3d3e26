"""The open Orders of a session, found by Order ID and by instrument, with what each instrument's may still fill.

Pure. Index and sums are derived from the Orders and never State: they are not encoded, and a restored container builds
them again. Whoever changes an Order says so with :meth:`OpenOrders.changed` first (``settlement.owner`` does, for every
Event about an Order), so that a judgement costs as much as the orders of its instrument, not as all there are.
Harness thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from livestack.core.orders import Order
from livestack.core.types import Side


class OpenOrders(dict[int, Order]):
    """Orders by Order ID, in order of their dispatch. Put in by item assignment, taken out by ``pop``."""

    __slots__ = ("_by_instrument", "_leaves")

    def __init__(self) -> None:
        super().__init__()
        self._by_instrument: dict[str, dict[int, Order]] = {}
        self._leaves: dict[str, tuple[int, int]] = {}

    def __setitem__(self, order_id: int, order: Order) -> None:
        super().__setitem__(order_id, order)
        self._by_instrument.setdefault(order.instrument, {})[order_id] = order
        self.changed(order.instrument)

    def pop(self, order_id: int, default: Any = None) -> Any:
        """Take one out; ``default`` where there is none."""
        order = super().pop(order_id, None)
        if order is None:
            return default
        same = self._by_instrument[order.instrument]
        del same[order_id]
        if not same:
            del self._by_instrument[order.instrument]
        self.changed(order.instrument)
        return order

    def of(self, instrument: str) -> Iterable[Order]:
        """Those of one instrument, in order of their dispatch."""
        same = self._by_instrument.get(instrument)
        return same.values() if same is not None else ()

    def instruments(self) -> Iterable[str]:
        """Every instrument with an open Order."""
        return self._by_instrument

    def leaves(self, instrument: str) -> tuple[int, int]:
        """What may still be bought and sold at most, in the instrument's quantity scale."""
        found = self._leaves.get(instrument)
        if found is None:
            buying = selling = 0
            for order in self.of(instrument):
                if order.side is Side.BUY:
                    buying += order.leaves_qty
                else:
                    selling += order.leaves_qty
            found = self._leaves[instrument] = buying, selling
        return found

    def changed(self, instrument: str) -> None:
        """An Order of ``instrument`` is about to change: add up again when asked."""
        self._leaves.pop(instrument, None)

    def __reduce__(self) -> tuple[Any, ...]:
        return OpenOrders.__raise__, (dict(self),)

    @classmethod
    def __raise__(cls, orders: dict[int, Order]) -> OpenOrders:
        made = cls()
        for order_id, order in orders.items():
            made[order_id] = order
        return made
