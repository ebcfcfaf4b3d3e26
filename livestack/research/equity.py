"""What a session is worth over time: realised and unrealised profit less fees, and its largest fall from a peak.

Pure, integers only: amounts in 10**-18 of each quote asset. A position without a price on the side that it would need
keeps the last one that it had: a feed that is away is no loss. Runs on the caller's thread.
"""

from __future__ import annotations

from typing import Final

from livestack.core.limits import NOTIONAL_DECIMALS, to_common
from livestack.core.state import State
from livestack.core.types import format_decimal

CURVE_MAX: Final = 2_048
"""Points of a curve that are kept; beyond it every second one is dropped, and every second one to come left out."""


class Curve:
    """One quote asset's equity: a thinned-out list of its values, its peak and its drawdown."""

    def __init__(self) -> None:
        self.points: list[int] = []
        self.peak = 0
        self.drawdown = 0
        self._every = 1
        self._count = 0

    def add(self, value: int) -> None:
        if value > self.peak:
            self.peak = value
        elif self.peak - value > self.drawdown:
            self.drawdown = self.peak - value
        self._count += 1
        if self._count % self._every:
            return
        self.points.append(value)
        if len(self.points) >= CURVE_MAX:
            self.points = self.points[1::2]
            self._every *= 2


class Equity:
    """Samples ``state``. Fees in the quote asset count; those in the base asset have lowered inventory already."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._touch: dict[str, tuple[int, int]] = {}
        self.curves: dict[str, Curve] = {}

    def sample(self) -> None:
        """Look at every position now."""
        totals: dict[str, int] = {}
        for instrument, position in self._state.execution.positions.items():
            definition = self._state.market.instruments[instrument].definition
            decimals = definition.price_decimals + definition.qty_decimals
            open_value = position.realised + self._unrealised(instrument)
            value = to_common(open_value, decimals) - position.fee_in(definition.quote, NOTIONAL_DECIMALS)
            totals[definition.quote] = totals.get(definition.quote, 0) + value
        for asset, total in totals.items():
            curve = self.curves.get(asset)
            if curve is None:
                curve = self.curves[asset] = Curve()
            curve.add(total)

    def unrealised(self) -> dict[str, str]:
        """By quote asset, as decimal strings."""
        totals: dict[str, int] = {}
        for instrument in self._state.execution.positions:
            definition = self._state.market.instruments[instrument].definition
            value = to_common(
                self._unrealised(instrument), definition.price_decimals + definition.qty_decimals
            )
            totals[definition.quote] = totals.get(definition.quote, 0) + value
        return {asset: format_decimal(total, NOTIONAL_DECIMALS) for asset, total in totals.items()}

    def drawdowns(self) -> dict[str, str]:
        """The largest fall from a peak, by quote asset, as decimal strings; the beginning counts as a peak of 0."""
        return {
            asset: format_decimal(curve.drawdown, NOTIONAL_DECIMALS) for asset, curve in self.curves.items()
        }

    def _unrealised(self, instrument: str) -> int:
        market = self._state.market.instruments[instrument]
        bid, ask = self._touch.get(instrument, (0, 0))
        bid, ask = market.bid or bid, market.ask or ask
        self._touch[instrument] = bid, ask
        return self._state.execution.positions[instrument].unrealised(bid, ask)
