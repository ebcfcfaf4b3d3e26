"""What is done while nothing else happens: clocks measured, the account compared, the instruments' rules read again.

Pure; belongs to the order-entry adapter's thread. Everything here waits where the venue is busy, nothing twice at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from livestack.core.events import Event, InstrumentDefined
from livestack.core.incidents import CLOCK_SKEW, RECONCILIATION_DIFFERENCE
from livestack.core.types import OrderRequest
from livestack.venues.binance_spot.calls import Calls
from livestack.venues.binance_spot.comparison import Comparison
from livestack.venues.binance_spot.orders import OrderInstrument
from livestack.venues.binance_spot.private_messages import Reply, ServerTime
from livestack.venues.binance_spot.questions import Questions
from livestack.venues.binance_spot.rate_reports import RateReports
from livestack.venues.binance_spot.rules_watch import CLOSED, RulesWatch, is_about_rules
from livestack.venues.binance_spot.venue_time import ClockWatch
from livestack.venues.budget import Purpose, RequestBudget
from livestack.venues.complaints import Complaints
from livestack.venues.options import VenueOptions

CLOCK_NS: Final = 60_000_000_000
"""How often the venue's clock is measured: what is known of it gets worse by 6 ms in that time."""

CLOCK_SOON_NS: Final = 2_000_000_000
"""The same at first and after a clock was set, for a few times: the best of several decides."""

CLOCK_BAD_NS: Final = 5_000_000_000
"""The same while ours is off: trading waits for it."""

SOON_TIMES: Final = 4

TURNS: Final = 10
"""Fills of an instrument without orders are looked at every so many periods."""

AGAIN_NS: Final = 10_000_000_000
"""Until the next comparison, where a question of one failed."""

LEAST_NS: Final = 5_000_000_000
"""Least time from the end of one comparison to the next, whoever is in doubt."""

SHOWN: Final = 5
DETAIL_MAX: Final = 600


class Upkeep:
    """One for an adapter, over all its connections. ``instruments`` by the names that the Core uses.
    ``incidents``: names of those that another adapter of the session left open; what is found in order closes them."""

    def __init__(
        self,
        venue: str,
        defined: Sequence[InstrumentDefined],
        instruments: Mapping[str, OrderInstrument],
        calls: Calls,
        questions: Questions,
        complaints: Complaints,
        options: VenueOptions,
        budget: RequestBudget,
        rates: RateReports,
        events: list[Event],
        *,
        incidents: Collection[str] = (),
    ) -> None:
        self._venue = venue
        self._instruments = list(instruments.values())
        self._calls = calls
        self._reconciliation = questions.reconciliation
        self._complaints = complaints
        self._budget = budget
        self._events = events
        self._every_ns = options.reconcile_every_ns
        self._clock = ClockWatch(
            venue, calls.time, options.clock_skew_max_ns, events, is_open=CLOCK_SKEW.name in incidents
        )
        self._rules = RulesWatch(
            defined, instruments, calls, complaints, budget, rates, events, options.instruments_every_ns
        )
        self._turns = deque(self._instruments)
        self._fills_of: set[str] = set()
        self._comparison: Comparison | None = None
        self._is_live = False
        self._has_stream = False
        self._is_different = RECONCILIATION_DIFFERENCE.name in incidents
        self._is_thorough = False
        self._is_first = True
        self._due_ns = 0
        self._least_ns = 0
        self._clock_due_ns = 0
        self._clock_soon = SOON_TIMES
        self._is_measuring = False

    @property
    def is_clock_good(self) -> bool:
        """Whether the venue's clock and ours are near enough to each other to trade."""
        return self._clock.is_good

    def live(self, *, has_stream: bool = True) -> None:
        """All is reconciled: a period from now it is compared. Without a private stream there is nothing to compare
        with."""
        now_ns = self._calls.now_ns
        self._is_live, self._has_stream = True, has_stream
        self._is_first = True
        self._is_thorough = self._is_measuring = False
        self._clock_soon = SOON_TIMES
        self._clock_due_ns = now_ns + CLOCK_SOON_NS
        self._due_ns = now_ns + self._every_ns
        self._reconciliation.events.orders.busy.clear()
        self._rules.begin(is_over_rest=not has_stream)

    def interrupted(self) -> None:
        """Something may have been missed: whoever reconciles now finds it."""
        if self._comparison is not None:
            self._comparison.give_up()
            self._comparison = None
        self._rules.interrupted()
        self._is_live = self._is_measuring = False

    def heard(self, recv_ns: int) -> None:
        """Something came over the private stream: the balances may be about to move."""
        self._reconciliation.balances_told.heard += 1

    def doubt(self, reason: str) -> None:
        """Something is odd, or not known yet: compare as soon as may be, and every instrument's fills."""
        self._is_thorough = True
        self._due_ns = min(self._due_ns, max(self._calls.now_ns, self._least_ns))

    def refused(self, request: OrderRequest, reply: Reply) -> None:
        """The venue's definite no to ``request``: it may tell that the rules changed."""
        if is_about_rules(reply.text):
            self._rules.wanted()
        if reply.text == CLOSED:
            self._rules.closed(request.instrument, reply)

    def tick(self) -> None:
        """The clocks are looked at always, the rest is done while LIVE."""
        now_ns = self._calls.now_ns
        self._clock.look(now_ns, self._calls.wall_ns)
        if not self._is_live:
            return
        if now_ns >= self._clock_due_ns:
            self.measure_clock()
        self._rules.tick()
        if self._comparison is not None:
            self._comparison.tick()
        elif self._has_stream and now_ns >= self._due_ns:
            self._compare()

    # -- The clock -----------------------------------------------------------------------------------------------

    def measured(self, begun_ns: int, recv_ns: int, server_ms: int) -> None:
        """Some answer told the venue's time: asked for at ``begun_ns``, here at ``recv_ns``."""
        if self._clock.measured(begun_ns, recv_ns, server_ms):
            self._complaints.add("clock_set", "the venue's clock, or ours, was set")
            self._clock_soon = SOON_TIMES
            self._clock_due_ns = min(self._clock_due_ns, recv_ns + CLOCK_SOON_NS)
        self._budget.set_clock(self._calls.time.offset_ns)
        self._clock.look(self._calls.now_ns, self._calls.wall_ns)

    def measure_clock(self) -> None:
        """Ask for the venue's time."""
        if self._is_measuring:
            return
        self._is_measuring = True
        self._clock_soon = max(self._clock_soon - 1, 0)
        wait_ns = CLOCK_SOON_NS if self._clock_soon else CLOCK_NS if self.is_clock_good else CLOCK_BAD_NS
        self._clock_due_ns = self._calls.now_ns + wait_ns
        self._calls.ask("time", {}, self._told_time, "plain", Purpose.DOUBT)

    def _told_time(self, reply: Reply) -> None:
        self._is_measuring = False
        if not reply.is_ok:
            return
        try:
            server_ms = reply.read(ServerTime).server_ms
        except (msgspec.MsgspecError, ValueError) as error:
            self._complaints.add("bad_reply", f"time: {error!r}", reply.frame)
        else:
            self.measured(reply.begun_ns, reply.recv_ns, server_ms)

    # -- The account ---------------------------------------------------------------------------------------------

    def _compare(self) -> None:
        orders = self._reconciliation.events.orders
        busy, orders.busy = orders.busy, set()
        turn = -(-len(self._turns) // TURNS)
        in_turn = {self._turns[number].name for number in range(turn)}
        self._turns.rotate(-turn)
        wanted = busy | in_turn
        fills_of = [
            one
            for one in self._instruments
            if self._is_thorough
            or one.name in wanted
            or self._reconciliation.floor(one).has_news
            or orders.open_orders(one.name)
        ]
        self._fills_of = {one.name for one in fills_of}
        are_fills_expected = self._is_first and self._is_thorough
        self._is_thorough = False
        self._comparison = Comparison(
            self._reconciliation,
            self._calls,
            self._complaints,
            self._instruments,
            fills_of,
            self._compared,
            are_fills_expected=are_fills_expected,
        )
        self._comparison.begin()

    def _compared(self, differences: list[str] | None) -> None:
        now_ns = self._calls.now_ns
        self._comparison = None
        self._least_ns = now_ns + LEAST_NS
        if differences is None:
            self._due_ns = now_ns + min(AGAIN_NS, self._every_ns)
            self._reconciliation.events.orders.busy |= self._fills_of
            return
        self._is_first = False
        self._due_ns = self._least_ns if self._is_thorough else now_ns + self._every_ns
        if differences:
            self._is_different = True
            more = f"; and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
            detail = ("; ".join(differences[:SHOWN]) + more)[:DETAIL_MAX]
            self._events.append(RECONCILIATION_DIFFERENCE.opened(self._venue, detail))
        elif self._is_different:
            self._is_different = False
            detail = "the venue's orders, fills and balances are ours"
            self._events.append(RECONCILIATION_DIFFERENCE.closed(self._venue, detail))
