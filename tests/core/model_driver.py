"""Everything around a session, played: feed, venue, operator, a host that crashes and resumes, and a Strategy.

Each method feeds Events to Core and model alike.
"""

from __future__ import annotations

from typing import Any

import msgspec

from livestack.core import events
from livestack.core.intents import Cancel, New, Replace
from livestack.core.types import (
    Amount,
    AssetBalance,
    ConnectionStatus,
    InstrumentStatus,
    PositionBaseline,
    SessionPhase,
    Side,
    TradingState,
)
from tests.core.model_owed import owed
from tests.core.model_rates import Rule
from tests.core.model_rules import Plan, Rules
from tests.core.model_session import Session, configured
from tests.core.model_venue import EPOCHS, NOWHERE, SECOND, Venue
from tests.core.support import definition, session_started

ONE_VENUE = ("sim:BTCUSDT", "sim:ETHUSDT")
TWO_VENUES = ("sim:BTCUSDT", "alt:ETHUSDT")

TIGHT = Rule(10 * SECOND, 4, cancel_reserve=1, weights=(1, 1, 1))
SLIDING = Rule(5 * SECOND, 5, aligned=False, weights=(0, 2, 1))
RULES = (
    Rules(),
    Rules(rates=(TIGHT, SLIDING), max_queue_age=30 * SECOND, on_failure="continue"),
    Rules(rates=(TIGHT,), max_order_qty=20, max_position=30, max_open_orders=3, terminal_orders_max=1),
    Rules(
        max_consecutive_rejects=2,
        request_timeout=SECOND,
        on_stop="leave",
        recovery=TradingState.REDUCING,
        every_nth=2,
        max_data_age=20 * SECOND,
    ),
    Rules(
        rates=(SLIDING,),
        events=("quote", "trade", "execution", "status"),
        order=("new", "cancel", "replace"),
        cancel_open_orders=False,
        terminal_order_age=2 * SECOND,
    ),
    Rules(
        instruments=ONE_VENUE[:1], recovery=TradingState.HALTED, max_position=15, request_timeout=3 * SECOND
    ),
)
CONFIGURED = {
    (rules, venues): configured(rules, venues) for rules in RULES for venues in (("sim",), ("sim", "alt"))
}


RECORDED: dict[str, events.Command] = {
    "kill asked": events.EngageKillSwitch("", ""),
    "stop asked": events.StopSession(),
    "take checkpoint": events.TakeCheckpoint(),
    "nowhere": events.SetTradingState(TradingState.HALTED, "", NOWHERE),
    "cancel nowhere": events.CancelAll("nowhere", ""),
}


class Driver(Venue):
    """One session, from its start; what it is fed is what hypothesis draws."""

    last: events.OperatorCommand | None = None

    # -- the start

    def start(self, number: int, two: bool, based: bool, seen: bool) -> None:
        rules = RULES[number]
        self.names = TWO_VENUES if two else ONE_VENUE
        self.venues = ("sim", "alt") if two else ("sim",)
        self.session = Session(rules, self.venues, CONFIGURED[rules, self.venues])
        feed = self.session.feed
        feed(session_started(EPOCHS[0]))
        for name, base in zip(self.names, ("BTC", "ETH"), strict=True):
            feed(definition(name, base=base, price_tick=5, qty_min=4 if base == "ETH" else 1))
        for venue in self.venues:
            held = (PositionBaseline(self.names[0], 20, Amount.of(200_000)),) if based else ()
            held += (PositionBaseline(NOWHERE, 1, Amount.of(1)),) if based and two else ()
            balances = (AssetBalance("USDT", 8, Amount.of(10**15), Amount.of(0)),)
            feed(
                events.AccountBaseline(
                    recv_ns=0,
                    venue=venue,
                    account="a",
                    balances=balances,
                    positions=held if venue == "sim" else (),
                    previous_session="",
                )
            )
            self.feed_status(ConnectionStatus.LIVE, self.venues.index(venue), 2, 0)
            self.venue_status(ConnectionStatus.LIVE, self.venues.index(venue), 0)
        if seen:
            for number in (0, 1):
                self.quote(number, 9_990, 10_010, 50, 0, 0, 0)

    # -- the market

    def quote(self, name: int, bid: int, ask: int, qty: int, old: int, late_ns: int, wait_ns: int) -> None:
        """Mostly a good one; an old one, a crossed one, one with an empty or impossible side."""
        if qty == 50 and bid >= ask and old:
            bid, ask = min(bid, 10_000), max(ask, 10_005)
        self.update_id += 1
        update_id = 0 if name else self.update_id - 3 * (old == 3)
        instrument = self.names[name]
        ts = self.session.ts + wait_ns - late_ns
        tick = events.QuoteTick(
            recv_ns=ts,
            instrument=instrument,
            event_ns=0,
            update_id=update_id,
            bid=bid,
            bid_qty=50,
            ask=ask,
            ask_qty=qty,
        )
        self.session.feed(tick, wait_ns)

    def trade(self, name: int, price: int, qty: int, wait_ns: int) -> None:
        tick = events.TradeTick(
            recv_ns=self.session.ts + wait_ns,
            instrument=(*self.names, NOWHERE)[name],
            event_ns=0,
            trade_id=1,
            price=price,
            qty=qty,
            aggressor=Side.BUY,
        )
        self.session.feed(tick, wait_ns)

    def snapshot(self, name: int, bids: list[Any], asks: list[Any], bad: int, wait_ns: int) -> None:
        """A whole book; ``bad``: crossed, or with a negative quantity."""
        self.update_id += 1
        levels = self.levels(bids, asks, bad)
        one = events.BookSnapshot(
            recv_ns=self.session.ts + wait_ns,
            instrument=self.names[name],
            event_ns=0,
            last_update_id=0 if name else self.update_id,
            bids=levels[0],
            asks=levels[1],
        )
        self.session.feed(one, wait_ns)

    def delta(self, name: int, bids: list[Any], asks: list[Any], bad: int, skip: int, wait_ns: int) -> None:
        """Goes on where the book is, or leaves a gap, or is old."""
        last = self.model.market(self.names[name]).last_id
        levels = self.levels(bids, asks, bad)
        first = max(last + 1 + skip, 1)
        one = events.BookDelta(
            recv_ns=self.session.ts + wait_ns,
            instrument=self.names[name],
            event_ns=0,
            first_update_id=0 if name else first,
            last_update_id=0 if name else first + 1,
            bids=levels[0],
            asks=levels[1],
        )
        self.update_id = max(self.update_id, first + 1)
        self.session.feed(one, wait_ns)

    def levels(self, bids: list[Any], asks: list[Any], bad: int) -> tuple[Any, Any]:
        below = tuple((10_000 - 5 * place, qty) for place, qty in bids)
        above = tuple((10_005 + 5 * place, qty) for place, qty in asks)
        if bad == 1:
            return (*below, (10_050, 5)), (*above, (10_045, 5))
        return (below, (*above, (10_090, -1))) if bad else (below, above)

    def define(self, name: int, change: str, wait_ns: int) -> None:
        """Once more: the same, changed rules, or what must not change."""
        instrument, base = self.names[name], ("BTC", "ETH")[name]
        changes: dict[str, Any] = {
            "": {},
            "tick": {"price_tick": 10, "qty_min": 4, "qty_step": 2},
            "halted": {"status": InstrumentStatus.HALTED},
            "scale": {"qty_decimals": 4},
            "base": {"base": "XRP"},
            "name": {"venue": "other"},
            "unscaled": {"price_decimals": 19},
        }[change]
        self.session.feed(definition(instrument, **{"base": base, "price_tick": 5, **changes}), wait_ns)

    # -- connections

    def feed_status(self, status: ConnectionStatus, venue: int, name: int, wait_ns: int) -> None:
        instrument = "" if name == 2 else self.names[name]
        one = events.FeedStatusChanged(
            recv_ns=0,
            venue=instrument.partition(":")[0] or self.venues[venue % len(self.venues)],
            instrument=instrument,
            status=status,
            reason="",
        )
        self.session.feed(one, wait_ns)

    def venue_status(self, status: ConnectionStatus, venue: int, wait_ns: int) -> None:
        name = self.venues[venue % len(self.venues)]
        one = events.VenueStatusChanged(recv_ns=0, venue=name, status=status, reason="")
        self.session.feed(one, wait_ns)

    # -- the strategy

    def want(self, which: list[Any], ask: bool, wait_ns: int) -> None:
        """Intents for the next time the strategy is asked; mostly that is a quote, now."""
        if self.session.plan is None:
            fresh, intents = 0, []
            for kind, pick, name, side, qty, price, odd in which:
                fresh += kind == "n"
                order_id = self.model.drawn_last + fresh if kind == "n" else self.pick_id(pick, fresh)
                intents.append(self.intent(kind, order_id, name, side, qty, price, odd))
            self.session.plan = Plan(draws=fresh, intents=tuple(intents))
        if ask:
            self.quote(0, 9_990, 10_010, 50, 0, 0, wait_ns)

    def intent(self, kind: str, order_id: int, name: int, side: Side, qty: int, price: int, odd: int) -> Any:
        if kind == "c":
            return Cancel(order_id=order_id)
        if kind == "r":
            return Replace(order_id=order_id, qty=qty, price=(price, price, price + 1, None)[odd])
        return New(
            order_id=order_id,
            instrument=(self.names[name], NOWHERE)[kind == "x" and odd == 1],
            side=side,
            qty=qty if odd != 2 else 0,
            price=price + (odd == 3),
            reduce_only=odd == 1,
        )

    def plan(self, error: str, name: str, in_ns: int, fails: bool) -> None:
        """A deadline; or an exception, or nonsense for Intents, with a deadline and an Order ID all the same."""
        if self.session.plan is None:
            wakes = ((name, self.session.ts + in_ns),)
            self.session.plan = Plan(draws=int(fails), wakes=wakes, error=error if fails else "")

    # -- the operator, the host, the clock

    def command(self, what: str, pick: int, scope: int, wait_ns: int) -> None:
        payload: events.Command = events.SetStrategyEnabled(what == "enable")
        if what == "cancel":
            payload = events.CancelOrder(self.pick_id(pick, 0))
        elif what == "cancel all":
            payload = events.CancelAll(*self.scope(scope))
        elif what.upper() in TradingState.__members__:
            payload = events.SetTradingState(TradingState[what.upper()], *self.scope(scope))
        elif what == "roll back":
            payload = events.RollBackConfiguration(max(self.model.rules.version - pick, 0))
        elif what in RECORDED:
            payload = RECORDED[what]
        self.operate(payload, wait_ns)

    def again(self, other: bool, wait_ns: int) -> None:
        """The last command a second time, by its sender; or another one under its request id."""
        if self.last is not None:
            changed = msgspec.structs.replace(self.last, command=events.StartSession())
            self.session.feed(changed if other else self.last, wait_ns)

    def patch(self, patch: Any, behind: int, wait_ns: int) -> None:
        """A change of Configuration: good, bad, or made against another version."""
        version = self.model.rules.version - behind
        self.operate(events.SetConfiguration(patch), wait_ns, version)

    def operate(self, payload: events.Command, wait_ns: int, version: int = 0) -> None:
        one = events.OperatorCommand(
            request_id=f"r{self.session.seq}", command=payload, who="op", why="", base_version=version
        )
        self.last = one
        self.session.feed(one, wait_ns)

    def kill(self, scope: tuple[str, str], wait_ns: int) -> None:
        venue, instrument = scope
        one = events.KillSwitchEngaged(trigger="t", by="op", reason="", venue=venue, instrument=instrument)
        self.session.feed(one, wait_ns)

    def reset(self, accept: bool, wait_ns: int) -> None:
        self.operate(events.ResetKillSwitch(accept), wait_ns)
        self.operate(events.SetTradingState(TradingState.ACTIVE), 0)

    def wake(self, wait_ns: int) -> None:
        """The host wakes the Core at its next deadline, a moment before it, or late."""
        deadlines = [one[2] for one in owed(self.model) if one[0] == "WakeAt"]
        until = min(deadlines, default=self.session.ts)
        wait_ns = max(until + wait_ns - self.session.ts, 0)
        one = events.ControlTime(scope="queue", deadline_ns=until)
        self.session.feed(one, min(wait_ns, 60 * SECOND))

    def note(self, what: str, wait_ns: int) -> None:
        one: Any = {
            "checkpoint": events.CheckpointRequested(by="x"),
            "receipt": events.KillReceipt(
                flat=True,
                gate_closed_ns=1,
                last_new_ns=1,
                rounds=1,
                open_orders=0,
                unknown_orders=0,
                detail="",
            ),
            "opened": events.IncidentOpened(name="n", scope="s", grade="g", detail=""),
            "halting": events.IncidentOpened(name="n", scope="s", grade="halting", detail=""),
            "closed": events.IncidentClosed(name="n", scope="s", detail=""),
            "halting there": events.IncidentOpened(
                name="n", scope=self.venues[0], grade="venue-halting", detail=""
            ),
            "closed there": events.IncidentClosed(name="n", scope=self.venues[0], detail=""),
            "started": session_started(EPOCHS[1]),
        }[what]
        self.session.feed(one, wait_ns)

    def resume(self, again: bool, wait_ns: int) -> None:
        """After a crash, under a fresh epoch, or under one that was used; then mostly the venue comes back."""
        number = len(self.model.epochs)
        epoch = EPOCHS[min(number - again, len(EPOCHS) - 1)]
        self.session.feed(events.SessionResumed(epoch=epoch, wall_ns=0), wait_ns)
        if wait_ns:
            for venue in range(len(self.venues)):
                self.feed_status(ConnectionStatus.LIVE, 3 * venue, 2, 0)
                self.venue_status(ConnectionStatus.LIVE, 3 * venue, 0)

    def trouble(
        self, what: str, name: int, scope: int, status: ConnectionStatus, pick: int, wait_ns: int
    ) -> None:
        """Something that is in the way of trading from then on."""
        if what == "kill":
            self.kill(("", NOWHERE) if pick == 5 else self.scope(scope), wait_ns)
        elif what == "resume":
            self.resume(pick == 0, wait_ns)
        elif what == "define":
            self.define(name, ("", "", "tick", "halted", "name", "unscaled")[pick], wait_ns)
        elif what == "unscaled":
            self.define(name, ("scale", "base")[pick % 2], wait_ns)
        elif what == "feed":
            self.feed_status(status, name, (2, 2, 2, 2, 0, 1)[pick], wait_ns)
        elif what == "venue":
            self.venue_status(status, name, wait_ns)
        elif what == "stop":
            self.stop(pick, wait_ns)
        else:
            self.command(what, pick, scope, wait_ns)

    def stop(self, ends: int, wait_ns: int) -> None:
        """A session stops when some of it is over; hardly any is cut off."""
        if self.session.seq < 45:
            return
        if ends or self.model.phase is SessionPhase.STOPPING:
            self.session.feed(events.SessionStopping(by="op", reason=""), wait_ns)
        if not ends or (self.model.phase is SessionPhase.STOPPING and ends < 3):
            self.session.feed(events.SessionStopped(reason=""), wait_ns)

    def heal(self) -> None:
        """What is in the way is cleared away."""
        model = self.model
        if model.killed or model.trading:
            self.reset(True, 0)
        if not model.enabled:
            self.command("enable", 0, 0, 0)
        for number, venue in enumerate(self.venues):
            if model.venue_status.get(venue) is not ConnectionStatus.LIVE:
                self.venue_status(ConnectionStatus.LIVE, number, 0)
        for number, name in enumerate(self.names):
            market = model.market(name)
            if market.status is not ConnectionStatus.LIVE:
                self.feed_status(ConnectionStatus.LIVE, 0, number, 0)
            if market.book_seen and not market.valid:
                self.snapshot(number, [(1, 5)], [(1, 5)], 0, 0)
            if not market.bid[1] or not market.ask[1] or market.recv_ns < model.ts:
                self.quote(number, 9_990, 10_010, 50, 0, 0, 0)
