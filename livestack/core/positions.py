"""Positions and fees: integer cost basis, so that no unit is ever lost.

Pure. ``qty`` is signed, in the instrument's quantity scale; ``cost`` is what the open quantity cost (for a short: what
it brought in), never negative, in price + quantity decimals; so is ``realised``. A partial close releases
``cost * closed // quantity`` and the rest stays. Always true: money received minus money paid equals
``realised`` minus ``cost`` for a long, ``realised`` plus ``cost`` for a short. Harness thread.
"""

from __future__ import annotations

import msgspec

from livestack.core.types import POWERS_OF_TEN, Side


class FeeTotal(msgspec.Struct):
    """Fees paid in one asset, in ``decimals`` of it; negative: rebates outweigh them."""

    decimals: int
    amount: int


class Position(msgspec.Struct, kw_only=True):
    """Inventory of one instrument in this session.

    ``marked_fees``: fees in third assets at their conversion mark when they were paid, in ``NOTIONAL_DECIMALS`` of the
    quote asset; a rebate lowers it.
    """

    qty: int = 0
    cost: int = 0
    realised: int = 0
    bought_qty: int = 0
    sold_qty: int = 0
    fees: dict[str, FeeTotal] = {}
    marked_fees: int = 0

    def trade(self, side: Side, qty: int, price: int) -> None:
        """A fill of ``qty > 0`` at ``price``; what goes beyond flat opens the other way."""
        signed = qty if side is Side.BUY else -qty
        if side is Side.BUY:
            self.bought_qty += qty
        else:
            self.sold_qty += qty
        self._move(signed, price)

    def _move(self, signed: int, price: int) -> None:
        held = self.qty
        if held == 0 or (held > 0) == (signed > 0):
            self.qty = held + signed
            self.cost += abs(signed) * price
            return
        closed = min(abs(signed), abs(held))
        released = self.cost * closed // abs(held)
        proceeds = closed * price
        self.realised += proceeds - released if held > 0 else released - proceeds
        self.cost -= released
        self.qty = held + (closed if signed > 0 else -closed)
        rest = abs(signed) - closed
        if rest:
            self._move(rest if signed > 0 else -rest, price)

    def charge(self, asset: str, decimals: int, amount: int, base: str, qty_decimals: int) -> None:
        """A fee. In the base asset it lowers inventory by whole units (a disposal at price 0), as they fill up."""
        total = self.fees.get(asset)
        if total is None:
            total = self.fees[asset] = FeeTotal(decimals, 0)
        elif decimals > total.decimals:
            total.amount *= POWERS_OF_TEN[decimals - total.decimals]
            total.decimals = decimals
        before = total.amount
        total.amount += amount * POWERS_OF_TEN[total.decimals - decimals]
        if asset == base:
            units = _units(total.amount, total.decimals, qty_decimals) - _units(
                before, total.decimals, qty_decimals
            )
            if units:
                self._move(-units, 0)

    def fee_in(self, asset: str, decimals: int) -> int:
        """Fees paid in ``asset``, in ``decimals``, rounded up: for limits, never for books."""
        total = self.fees.get(asset)
        if total is None:
            return 0
        if decimals >= total.decimals:
            return int(total.amount * 10 ** (decimals - total.decimals))
        return -int(-total.amount // POWERS_OF_TEN[total.decimals - decimals])

    def unrealised(self, bid: int, ask: int) -> int:
        """Value of closing at the touch, minus cost; 0 without a price on the side that it would need."""
        if self.qty > 0:
            return self.qty * bid - self.cost if bid else 0
        return self.cost + self.qty * ask if self.qty and ask else 0


def _units(amount: int, decimals: int, qty_decimals: int) -> int:
    if decimals <= qty_decimals:
        return amount * POWERS_OF_TEN[qty_decimals - decimals]
    return amount // POWERS_OF_TEN[decimals - qty_decimals]
