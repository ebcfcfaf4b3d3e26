"""What has to be known of orders, fills and balances before a path is of use, as cheaply as the venue allows.

Pure; belongs to the order-entry adapter's thread. Open orders come in one answer where that weighs less. Fills weigh 20
a symbol, too much for hundreds of symbols at once:

- Where no fill id is known yet only the place matters at which ids begin, and a fill's id is that of the public trade:
  the last trade of every symbol comes in one answer too. A symbol without one is asked about by itself.
- After an interruption the instruments come first that an order of ours was open on, or that one was sent for, since
  their fills were fetched last. The others wait where they are many: no order of ours can have been filled there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

import msgspec

from livestack.venues.adapter import InheritedOrder
from livestack.venues.binance_spot.calls import Calls
from livestack.venues.binance_spot.handshake import Done, Step
from livestack.venues.binance_spot.messages import Message, SignedId
from livestack.venues.binance_spot.orders import KnownOrders, OrderInstrument
from livestack.venues.binance_spot.private_messages import Reply
from livestack.venues.binance_spot.reconcile import Reconciliation
from livestack.venues.binance_spot.routes import tickers_weight
from livestack.venues.complaints import Complaints

FILLS_AT_ONCE: Final = 50
"""Up to so many instruments every one's fills are fetched before LIVE: a thousand of 6 000 a minute."""

FEW: Final = 5
"""Up to so many are asked about one by one: that is exact, where the list may be a moment old."""

NO_TRADE: Final = -1
BAD_REQUEST: Final = 400


class _Ticker(Message):
    symbol: str
    last_trade: SignedId = msgspec.field(name="lastId", default=NO_TRADE)


_read_tickers = msgspec.json.Decoder(list[_Ticker]).decode


class Opening:
    """``instruments`` by the names that the Core uses. ``touched``: those with an order of ours since their fills were
    fetched."""

    def __init__(
        self,
        instruments: Mapping[str, OrderInstrument],
        calls: Calls,
        reconciliation: Reconciliation,
        complaints: Complaints,
        orders: KnownOrders,
        inherited: tuple[InheritedOrder, ...],
    ) -> None:
        self._instruments = instruments
        self._calls = calls
        self._reconciliation = reconciliation
        self._complaints = complaints
        self._orders = orders
        self._fresh: set[str] = set()
        self.postponed: set[str] = set()
        """Instruments whose fills were left for later."""
        self.touched: dict[str, int] = {one.instrument: 0 for one in inherited}
        """And when that was last, in session time."""
        self.requested: dict[str, int] = {}
        """When the last request about an order of each instrument was made."""

    def touch(self, instrument: str) -> None:
        self.touched[instrument] = self.requested[instrument] = self._calls.now_ns

    def steps(self) -> list[Step]:
        """The reconciliation, to be made anew for each attempt."""
        instruments = list(self._instruments.values())
        self._fresh.clear()
        return [
            partial(self._reconciliation.all_open_orders, instruments),
            self._begin_floors,
            *(partial(self._fills, one) for one in instruments),
            self._reconciliation.balances,
        ]

    def _fills(self, instrument: OrderInstrument, done: Done) -> None:
        floor = self._reconciliation.floor(instrument)
        can_wait = len(self._instruments) > FILLS_AT_ONCE and not self._is_busy(instrument.name)
        if instrument.name in self._fresh or (floor.through >= 0 and can_wait):
            if instrument.name not in self._fresh:
                self.postponed.add(instrument.name)
            done(Reply(200, self._calls.now_ns))
        else:
            self.missed_fills(instrument, done)

    def missed_fills(self, instrument: OrderInstrument, done: Done) -> None:
        """Everything since the last fill known; then the instrument is touched no more, unless it was meanwhile."""
        begun_ns = self._calls.now_ns

        def answered(reply: Reply) -> None:
            if reply.is_ok:
                self.postponed.discard(instrument.name)
                if self.touched.get(instrument.name, begun_ns) < begun_ns:
                    del self.touched[instrument.name]
            done(reply)

        self._reconciliation.missed_fills(instrument, answered)

    def _is_busy(self, instrument: str) -> bool:
        return instrument in self.touched or bool(self._orders.open_orders(instrument))

    def _begin_floors(self, done: Done) -> None:
        """Where fill ids begin, for every instrument of which none is known, if they are many."""
        unknown = {
            one.symbol: one
            for one in self._instruments.values()
            if self._reconciliation.floor(one).through < 0
        }
        whole = tickers_weight(0)
        weight = min(tickers_weight(len(unknown)), whole)
        if len(unknown) <= FEW:
            done(Reply(200, self._calls.now_ns))
            return

        def answered(reply: Reply) -> None:
            if reply.is_ok:
                try:
                    self._take(unknown, reply)
                except (msgspec.MsgspecError, ValueError) as error:
                    self._complaints.add("bad_reply", f"ticker.24hr: {error!r}", reply.frame)
            elif reply.status == BAD_REQUEST:
                # One symbol that is gone spoils the list; the others are asked about one by one.
                reply.status = 200
            done(reply)

        parameters = {} if weight == whole else {"symbols": list(unknown)}
        self._calls.ask("ticker.24hr", parameters, answered, "plain")

    def _take(self, unknown: dict[str, OrderInstrument], reply: Reply) -> None:
        for ticker in _read_tickers(reply.result):
            instrument = unknown.get(ticker.symbol)
            if instrument is not None and ticker.last_trade != NO_TRADE:
                through, at_ns = ticker.last_trade, reply.recv_ns
                self._reconciliation.reconciled(instrument, through, at_ns, reply.begun_ns)
                self._fresh.add(instrument.name)
