"""Does the account look at the venue as we think it does? Asked while the private stream is there (live-stack.md 5).

Pure; belongs to the order-entry adapter's thread. An answer races the stream, so one look proves nothing: whatever
differs is looked at once more after a while. It is a difference only if nothing was sent or heard about it meanwhile
and the venue still says so; only then are there Events of it. Where nothing differs there are none, but for the floor
of the fills, if that moved.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from livestack.core.types import parse_client_id
from livestack.venues.binance_spot.calls import Calls
from livestack.venues.binance_spot.fills import FILLS_PER_PAGE, SETTLED_NS, FillsQuery
from livestack.venues.binance_spot.orders import CANCEL_HALF, KnownOrder, OrderInstrument
from livestack.venues.binance_spot.outcomes import NOT_FOUND_CODES
from livestack.venues.binance_spot.private_messages import Account, OrderResult, Reply, TradeResult
from livestack.venues.binance_spot.reconcile import ACCOUNT_WEIGHT, SYMBOL_WEIGHT, Reconciliation
from livestack.venues.budget import Purpose
from livestack.venues.complaints import Complaints

GRACE_NS: Final = 3_000_000_000
"""How long the private stream has to tell what an answer told before it."""

STAMPS_NS: Final = 10_000_000_000
"""So long after balances were told an answer is not from before them; its stamp may be, where a clock was set back."""

Suspects = dict[tuple[str, int], str]
"""By instrument and venue order id: what seems wrong with that order."""

Step = Callable[[], None]


class Comparison:
    """One comparison, used up by it. ``ended(differences)`` is called once, with a sentence for each, or with None
    where a question failed. ``fills_of``: the instruments whose fills are looked at. ``are_fills_expected``: some may
    be from before the stream began, and are no difference.
    """

    def __init__(
        self,
        reconciliation: Reconciliation,
        calls: Calls,
        complaints: Complaints,
        instruments: Sequence[OrderInstrument],
        fills_of: Sequence[OrderInstrument],
        ended: Callable[[list[str] | None], None],
        *,
        are_fills_expected: bool = False,
    ) -> None:
        self._reconciliation = reconciliation
        self._orders = reconciliation.events.orders
        self._events = reconciliation.events
        self._calls = calls
        self._complaints = complaints
        self._by_symbol = {one.symbol: one for one in instruments}
        self._ended = ended
        self._are_fills_expected = are_fills_expected
        self._suspects: Suspects = {}
        self._clock = 0
        self._short: list[OrderInstrument] = []
        self._heard = 0
        self._are_balances_odd = False
        self._differences: list[str] = []
        self._again_ns = -1
        self._is_over = False
        self._steps: deque[Step] = deque(
            [*self._order_steps(), *(partial(self._look_at_fills, one) for one in fills_of)]
        )
        self._steps.append(self._look_at_balances)

    def begin(self) -> None:
        self._clock = self._orders.clock
        self._next()

    def give_up(self) -> None:
        """The stream was interrupted: nothing can be concluded, and ``ended`` is not called."""
        self._is_over = True

    def tick(self) -> None:
        """Look once more when it is time."""
        if self._is_over or not 0 <= self._again_ns <= self._calls.now_ns:
            return
        self._again_ns = -1
        for (name, venue_id), what in self._suspects.items():
            self._steps.append(partial(self._confirm_order, name, venue_id, what))
        self._steps.extend(partial(self._confirm_fills, one) for one in self._short)
        if self._are_balances_odd:
            self._steps.append(self._confirm_balances)
        self._suspects, self._short, self._are_balances_odd = {}, [], False
        self._next()

    def _next(self) -> None:
        if self._is_over:
            return
        if self._steps:
            self._steps.popleft()()
        elif self._suspects or self._short or self._are_balances_odd:
            self._again_ns = self._calls.now_ns + GRACE_NS
        else:
            self._is_over = True
            self._ended(self._differences)

    def _ask(self, method: str, parameters: Mapping[str, str | int], take: Callable[[Reply], object]) -> None:
        def answered(reply: Reply) -> None:
            if self._is_over:
                return
            if reply.is_ok:
                self._reconciliation.guard(reply, partial(take, reply))
            if reply.is_ok:
                self._next()
            else:
                self._fail(reply)

        self._calls.ask(method, parameters, answered, purpose=Purpose.UPKEEP)

    def _fail(self, reply: Reply) -> None:
        self._complaints.add("question_failed", f"{reply.text} ({reply.code or reply.status})")
        self._is_over = True
        self._ended(None)

    # -- Orders --------------------------------------------------------------------------------------------------

    def _order_steps(self) -> list[Step]:
        symbols = list(self._by_symbol)
        if len(symbols) * SYMBOL_WEIGHT > ACCOUNT_WEIGHT:
            return [partial(self._look_at_orders, symbols, {})]
        return [partial(self._look_at_orders, [one], {"symbol": one}) for one in symbols]

    def _look_at_orders(self, symbols: list[str], parameters: Mapping[str, str | int]) -> None:
        begun_open: list[KnownOrder] = []
        for symbol in symbols:
            begun_open += self._orders.open_orders(self._by_symbol[symbol].name)
        clock = self._orders.clock
        take = partial(self._take_orders, begun_open, clock)
        self._ask("openOrders.status", parameters, take)

    def _take_orders(self, begun_open: list[KnownOrder], clock: int, reply: Reply) -> None:
        listed = set()
        for found in reply.read(list[OrderResult]):
            instrument = self._by_symbol.get(found.symbol)
            if instrument is None:
                continue
            order = self._known(instrument, found)
            if order is not None:
                listed.add(order)
            if order is None or order.touched <= clock:
                what = self._judge(order, found)
                if what:
                    self._suspects[instrument.name, found.venue_order_id] = what
        for order in begun_open:
            if order in listed or order.closed or order.touched > clock or order.replacing:
                continue
            if order.venue_order_id:
                what = f"{_title(order)} was open here and is not there"
                self._suspects[order.instrument.name, int(order.venue_order_id)] = what

    def _known(self, instrument: OrderInstrument, found: OrderResult) -> KnownOrder | None:
        order = self._orders.find_venue_id(instrument.name, str(found.venue_order_id))
        is_ours = parse_client_id(found.client_id.removesuffix(CANCEL_HALF)) is not None
        return self._orders.find(found.client_id) if order is None and is_ours else order

    def _judge(self, order: KnownOrder | None, found: OrderResult) -> str:
        """What is wrong with an order that is open at the venue; '' for nothing."""
        if order is None:
            return (
                f"order {found.venue_order_id} ({found.client_id[:36]}) is open there and was not known here"
            )
        if order.replacing or order.is_behind(found.venue_order_id):
            return ""  # whose fate is being asked for, or an old answer
        if order.closed:
            return f"{_title(order)} is open there and was over here"
        if not order.accepted or order.venue_order_id != str(found.venue_order_id):
            return f"{_title(order)} is open there as {found.venue_order_id} and was not acknowledged here"
        quantities = order.instrument.qty
        terms = order.instrument.price[found.price], quantities[found.qty], quantities[found.prevented_qty]
        if terms != (order.price, order.qty, order.prevented):
            return f"{_title(order)} has other terms there: {found.qty} at {found.price}"
        if quantities[found.filled_qty] > order.filled:
            return f"{_title(order)} is filled by {found.filled_qty} there, and not here"
        return ""

    def _confirm_order(self, name: str, venue_id: int, what: str) -> None:
        order = self._orders.find_venue_id(name, str(venue_id))
        if order is not None and (order.touched > self._clock or order.replacing):
            self._next()  # heard of meanwhile
            return
        instrument = next(one for one in self._by_symbol.values() if one.name == name)

        def answered(reply: Reply) -> None:
            if self._is_over:
                return
            if reply.is_ok:
                self._reconciliation.guard(reply, partial(self._take_order, instrument, what, reply))
            elif reply.code in NOT_FOUND_CODES:
                self._differences.append(f"{what}; the venue does not know it at all")
                if order is not None:
                    self._reconciliation.look_up(order)
                self._next()
                return
            if reply.is_ok:
                self._next()
            else:
                self._fail(reply)

        parameters: dict[str, str | int] = {"symbol": instrument.symbol, "orderId": venue_id}
        self._calls.ask("order.status", parameters, answered, purpose=Purpose.UPKEEP)

    def _take_order(self, instrument: OrderInstrument, what: str, reply: Reply) -> None:
        found = reply.read(OrderResult)
        order = self._known(instrument, found)
        if order is not None and (order.touched > self._clock or order.replacing):
            return
        if self._reconciliation.renamed.may_be_ours(instrument, found):
            return  # told once it is known whose it is
        order = self._orders.of_venue(instrument, (found.client_id,), found.venue_order_id)
        self._events.found(order, found, reply.recv_ns)
        self._differences.append(what)

    # -- Fills ---------------------------------------------------------------------------------------------------

    def _look_at_fills(self, instrument: OrderInstrument, after: int = -1) -> None:
        after = max(after, self._reconciliation.floor(instrument).through)
        if after < 0:
            self._next()
            return
        begun_ns = self._calls.now_ns
        parameters: dict[str, str | int] = {
            "symbol": instrument.symbol,
            "fromId": after + 1,
            "limit": FILLS_PER_PAGE,
        }
        self._ask("myTrades", parameters, partial(self._take_fills, instrument, begun_ns))

    def _take_fills(self, instrument: OrderInstrument, begun_ns: int, reply: Reply) -> None:
        told = self._events.told_fills.get(instrument.name, set())
        trades: list[TradeResult] = sorted(reply.read(list[TradeResult]), key=lambda one: one.trade_id)
        floor, settled_ms = (
            self._reconciliation.floor(instrument),
            self._calls.venue_ms - SETTLED_NS // 1_000_000,
        )
        through = floor.through
        for trade in trades:
            if (trade.trade_id, trade.side) not in told:
                self._short.append(instrument)
                break
            if trade.time_ms <= settled_ms:
                through = trade.trade_id
        floor.has_news = bool(trades) and trades[-1].trade_id > through
        if through > floor.through:
            self._reconciliation.reconciled(instrument, through, reply.recv_ns, begun_ns)
        if len(trades) >= FILLS_PER_PAGE and instrument not in self._short:
            self._steps.appendleft(partial(self._look_at_fills, instrument, trades[-1].trade_id))

    def _confirm_fills(self, instrument: OrderInstrument) -> None:
        def done(reply: Reply) -> None:
            if self._is_over:
                return
            if reply.is_ok:
                shown = ", ".join(str(fill_id) for fill_id in query.news[:5])
                if query.news and not self._are_fills_expected:
                    self._differences.append(f"fills of {instrument.symbol} that were not told: {shown}")
                self._next()
            else:
                self._fail(reply)

        after = self._reconciliation.floor(instrument).through
        query = FillsQuery(self._reconciliation, instrument, after, done, is_for_news=True)
        query.ask()

    # -- Balances ------------------------------------------------------------------------------------------------

    def _look_at_balances(self) -> None:
        self._heard = self._reconciliation.balances_told.heard
        self._ask("account.status", {"omitZeroBalances": "true"}, self._take_balances)

    def _take_balances(self, reply: Reply) -> None:
        self._are_balances_odd = bool(self._odd(reply.read(Account)))

    def _confirm_balances(self) -> None:
        told = self._reconciliation.balances_told

        def take(reply: Reply) -> None:
            account: Account = reply.read(Account)
            odd = self._odd(account)
            if odd and told.heard == self._heard:
                told.account(account, reply.recv_ns)
                self._differences.append(f"balances of {', '.join(odd[:5])} that nothing told of")

        self._ask("account.status", {"omitZeroBalances": "true"}, take)

    def _odd(self, account: Account) -> list[str]:
        """Assets whose balances differ from those told; none where something was told since the question, or where the
        answer is older than that. Of what was told long ago no answer is older, whatever the venue's clock says."""
        told = self._reconciliation.balances_told
        is_quiet = told.heard == self._heard
        is_old = self._calls.now_ns - told.heard_ns < STAMPS_NS and account.update_ms < told.update_ms
        is_current = (is_quiet and not is_old) or 0 < account.update_ms == told.update_ms
        return told.differing(account) if is_current else []


def _title(order: KnownOrder) -> str:
    return f"order {order.client_id[:36] or order.venue_order_id} of {order.instrument.symbol}"
