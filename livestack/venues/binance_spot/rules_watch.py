"""The rules of the session's instruments while it runs: halts, ticks, filters, limits (venues.md 1.4, 1.5).

Pure; belongs to the order-entry adapter's thread. The venue tells nobody when it changes them, so it is asked every now
and then, and at once where it refuses an order for a rule. A definition is an Event only where it is another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from msgspec import structs

from livestack.core.events import Event, InstrumentDefined
from livestack.core.types import InstrumentStatus, RateUsage
from livestack.venues.adapter import Fetched
from livestack.venues.binance_spot.calls import Calls
from livestack.venues.binance_spot.instruments import UNKNOWN_SYMBOL, halted, reread_instruments
from livestack.venues.binance_spot.limits import read_limits
from livestack.venues.binance_spot.orders import OrderInstrument
from livestack.venues.binance_spot.private_messages import Reply
from livestack.venues.binance_spot.rate_reports import RateReports
from livestack.venues.budget import Purpose, RequestBudget
from livestack.venues.complaints import Complaints

SYMBOLS_MAX: Final = 20
"""Asked about at once: a symbol is up to 20 kB with its permissions, and an answer is one frame."""

LEAST_NS: Final = 5_000_000_000
"""Least time between two looks: a strategy that is refused a hundred times a second asks no more often."""

AGAIN_NS: Final = 10_000_000_000
"""Until the next attempt, where one failed."""

CLOSED = "Market is closed."
FILTER = "Filter failure"


class RulesWatch:
    """Asks through ``calls``, tells ``events``, ``instruments`` and ``rates``. ``wanted()``: look as soon as may be."""

    def __init__(
        self,
        defined: Sequence[InstrumentDefined],
        instruments: Mapping[str, OrderInstrument],
        calls: Calls,
        complaints: Complaints,
        budget: RequestBudget,
        rates: RateReports,
        events: list[Event],
        every_ns: int,
    ) -> None:
        self._defined = {one.symbol: one for one in defined}
        self._instruments = instruments
        self._calls = calls
        self._complaints = complaints
        self._budget = budget
        self._rates = rates
        self._events = events
        self._every_ns = every_ns
        self._venue = defined[0].venue if defined else ""
        self._waiting: list[tuple[str, ...]] = []
        self._asking = False
        self._begun_ns = 0
        self._due_ns = 0
        self._limits: tuple[RateUsage, ...] = ()
        self._wrong: dict[str, str] = {}

    def begin(self, *, is_over_rest: bool = False) -> None:
        """All is there and was read not long ago: the first look is a period from now. Over REST it is due at once
        where the limits of orders are not known: no other answer tells them."""
        self._asking = False
        self._waiting = []
        is_urgent = is_over_rest and not self._rates.knows_orders
        self._due_ns = self._calls.now_ns + (0 if is_urgent else self._every_ns)

    def interrupted(self) -> None:
        """No answer comes any more."""
        self._asking = False
        self._waiting = []

    def wanted(self) -> None:
        """The venue refused something for a rule that we do not know."""
        self._due_ns = min(self._due_ns, self._begun_ns + LEAST_NS)

    def closed(self, instrument: str, reply: Reply) -> None:
        """The venue takes no orders for ``instrument``: so it is until the rules say otherwise."""
        for known in self._defined.values():
            if known.instrument == instrument and known.status is InstrumentStatus.TRADING:
                self._tell(known, halted(known, reply.recv_ns), "", reply)
                return

    def tick(self) -> None:
        now_ns = self._calls.now_ns
        if self._asking or now_ns < self._due_ns or not self._defined:
            return
        self._begun_ns = now_ns
        self._due_ns = now_ns + self._every_ns
        symbols = tuple(self._defined)
        vanished = tuple(symbol for symbol in symbols if symbol in self._wrong)
        listed = [symbol for symbol in symbols if symbol not in self._wrong]
        # One unknown symbol has the whole question refused: each that is in doubt is asked about by itself.
        self._waiting = [
            tuple(listed[first : first + SYMBOLS_MAX]) for first in range(0, len(listed), SYMBOLS_MAX)
        ]
        self._waiting += [(symbol,) for symbol in vanished]
        self._ask()

    def _ask(self) -> None:
        self._asking = bool(self._waiting)
        if self._waiting:
            symbols = self._waiting.pop(0)
            answered = partial(self._answered, symbols)
            self._calls.ask("exchangeInfo", {"symbols": list(symbols)}, answered, "plain", Purpose.UPKEEP)

    def _answered(self, symbols: tuple[str, ...], reply: Reply) -> None:
        if reply.is_ok:
            self._take(symbols, reply)
        elif reply.code != UNKNOWN_SYMBOL:
            self._complaints.add("question_failed", f"exchangeInfo: {reply.text} ({reply.code})")
            self._due_ns = min(self._due_ns, self._calls.now_ns + AGAIN_NS)
        elif len(symbols) > 1:
            self._waiting += [(symbol,) for symbol in symbols]
        else:
            known = self._defined[symbols[0]]
            self._tell(known, halted(known, reply.recv_ns), f"{symbols[0]} is not listed any more", reply)
        self._ask()

    def _take(self, symbols: tuple[str, ...], reply: Reply) -> None:
        body = bytes(reply.result)
        known = [self._defined[symbol] for symbol in symbols]
        try:
            found = reread_instruments(known, body, reply.recv_ns)
        except ValueError as error:
            self._complaints.add("bad_reply", str(error), reply.frame)
            return
        for before, (now, wrong) in zip(known, found, strict=True):
            self._tell(before, now, wrong, reply)
        self._take_limits(body, reply)

    def _tell(self, before: InstrumentDefined, now: InstrumentDefined, wrong: str, reply: Reply) -> None:
        if wrong and self._wrong.get(before.symbol) != wrong:
            self._complaints.add("instrument", wrong, reply.frame)
        if wrong:
            self._wrong[before.symbol] = wrong
        else:
            self._wrong.pop(before.symbol, None)
        if structs.replace(now, recv_ns=before.recv_ns) == before:
            return
        self._defined[before.symbol] = now
        if now.instrument in self._instruments:
            self._instruments[now.instrument].redefine(now)
        self._events.append(now)

    def _take_limits(self, body: bytes, reply: Reply) -> None:
        """Into the budget always, to the Core where they are others than before."""
        answer = Fetched(0, 200, (), body, "", reply.recv_ns, reply.recv_ns)
        for report in read_limits(self._venue, answer, self._budget):
            self._rates.learn(report.usage)
            if report.usage != self._limits:
                self._limits = report.usage
                self._events.append(report)


def is_about_rules(text: str) -> bool:
    """Whether a refusal says that the venue's rules are others than we thought."""
    return text == CLOSED or text.startswith(FILTER)


__all__ = ["CLOSED", "RulesWatch", "is_about_rules"]
