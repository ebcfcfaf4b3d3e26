"""A slow, obviously right model of the whole Core, written from its specification and sharing none of its code.

:class:`Model` takes the same Events and the same :class:`~tests.core.model_rules.Plan` for the Strategy as
``CoreRuntime.step`` and says what must be DERIVED, who must be called, what must be owed and what State must hold. It
imports the vocabulary (types, events, intents) and nothing else of the Core. Prices are folded from the whole log of
their instrument, positions from the whole list of their fills, rates from every request ever sent (``model_market``,
``model_positions``, ``model_rates``); Orders are told case by case (``model_orders``), Risk and Queue rule by rule
(``model_queue``), obligations are read off (``model_owed``).

What it deliberately predicts less: of texts (details, reasons, sentences of refusals, inputs of denials) nothing; of
digests only that a Checkpoint's is the State's. It knows LIMIT orders, the limits in
:class:`~tests.core.model_rules.Rules`, and Configurations in which orders of others are ignored; it does not know
notional, loss, balance, self-trade and duplicate limits, orders by quote quantity, fees in third assets as part of the
result, or data that grows old under resting orders. One instrument counts its updates and the other does not: which of
a counted book and a quote without a number is newer is not for a model to say. A snapshot is always the newest.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from livestack.core import events
from livestack.core.intents import Intent, New
from livestack.core.types import (
    ConnectionStatus,
    RequestKind,
    RequestSource,
    SessionPhase,
    Side,
    TradingState,
    WithdrawReason,
)
from tests.core.model_control import CONTROL, covers
from tests.core.model_market import Entry, Market, fold
from tests.core.model_orders import HANDLERS, ModelOrder, Sent
from tests.core.model_positions import Holding
from tests.core.model_queue import (
    Wanted,
    admit,
    close_wanted,
    denied_by,
    kind_of,
    process,
)
from tests.core.model_rates import Rates
from tests.core.model_rules import Plan, Rules

ASKED_AFTER = {
    events.QuoteTick: "quote",
    events.TradeTick: "trade",
    events.BookDelta: "book",
    events.BookSnapshot: "book",
    **dict.fromkeys((*HANDLERS,), "execution"),
    events.FeedStatusChanged: "status",
    events.VenueStatusChanged: "status",
    events.BalanceReport: "status",
    events.InstrumentDefined: "status",
}
del ASKED_AFTER[events.FillsReconciled]


@dataclass
class Model:
    """Everything that State must hold, in plain dicts; ``told`` and ``calls`` are of the last step."""

    rules: Rules
    venues: tuple[str, ...]
    ts: int = 0
    phase: SessionPhase = SessionPhase.STARTING
    epochs: list[str] = field(default_factory=list)
    enabled: bool = True
    trading: dict[str, TradingState] = field(default_factory=dict)
    killed: dict[str, None] = field(default_factory=dict)
    feed_status: dict[str, ConnectionStatus] = field(default_factory=dict)
    venue_status: dict[str, ConnectionStatus] = field(default_factory=dict)
    incidents: dict[str, str] = field(default_factory=dict)
    answers: dict[tuple[str, str], tuple[Any, bool]] = field(default_factory=dict)
    versions: dict[int, Rules] = field(default_factory=dict)
    deadlines: dict[str, int] = field(default_factory=dict)
    definitions: dict[str, events.InstrumentDefined] = field(default_factory=dict)
    logs: dict[str, list[Entry]] = field(default_factory=dict)
    folded: dict[str, tuple[int, Market]] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    based: dict[str, None] = field(default_factory=dict)
    baselines: dict[str, tuple[int, int]] = field(default_factory=dict)
    balances: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    fills: dict[str, list[events.OrderFill]] = field(default_factory=dict)
    holdings: dict[str, Holding] = field(default_factory=dict)
    floors: dict[str, int] = field(default_factory=dict)
    open: dict[int, ModelOrder] = field(default_factory=dict)
    closed: dict[int, ModelOrder] = field(default_factory=dict)
    external: dict[tuple[str, str], Any] = field(default_factory=dict)
    inflight: dict[int, Sent] = field(default_factory=dict)
    unresolved: dict[int, Sent] = field(default_factory=dict)
    closing: dict[int, None] = field(default_factory=dict)
    in_doubt: dict[int, None] = field(default_factory=dict)
    wanted: dict[str, int] = field(default_factory=dict)
    rejects_in_a_row: int = 0
    drawn_last: int = 0
    fill_ids: dict[str, set[tuple[int, Side]]] = field(default_factory=dict)
    taken_back: dict[tuple[str, str], int] = field(default_factory=dict)
    unused: dict[int, None] = field(default_factory=dict)
    pending: dict[int, Wanted] = field(default_factory=dict)
    admitted: int = 0
    superseded: int = 0
    total: int = 0
    denied: int = 0
    withdrawn: int = 0
    dispatched: int = 0
    rates: dict[str, Rates] = field(default_factory=dict)
    plan: Plan | None = None
    told: list[tuple[Any, ...]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    checkpoint: bool = False

    def __post_init__(self) -> None:
        self.rates = {venue: Rates(self.rules.rates) for venue in self.venues}

    # -- one step, stage by stage

    def step(self, ts: int, event: Any, plan: Plan | None) -> None:
        """Afterwards ``told`` are the DERIVED Events, ``calls`` the Strategy's hooks that were asked."""
        self.ts, self.plan, self.told, self.calls, self.checkpoint = ts, plan, [], [], False
        before, could_ask = self.phase, self.phase is SessionPhase.RUNNING and self.enabled
        is_market = type(event) in events.MARKET_EVENTS
        refused = self._market(event) if is_market else bool(self._apply(event))
        asks = could_ask and not refused and self._is_relevant(event, is_market)
        goes_on = self.phase is not SessionPhase.STOPPED  # time stands still after the end
        for order_id in [one for one, sent in self.inflight.items() if goes_on and sent.deadline_ns <= ts]:
            self.unresolved.setdefault(order_id, self.inflight.pop(order_id))
        if not is_market and self.phase is SessionPhase.STARTING:
            self._begin()
        self._monitor()
        if before is SessionPhase.STARTING and self.phase is SessionPhase.RUNNING:
            self._ask("on_start")
        elif isinstance(event, events.SessionResumed) and not refused:
            self._ask("on_resume")
        elif isinstance(event, events.SessionStopping) and before is SessionPhase.RUNNING:
            self._ask("on_stop")
        for name in [name for name, deadline in self.deadlines.items() if goes_on and deadline <= ts]:
            del self.deadlines[name]
            self._ask("on_deadline")
        if asks:
            self._ask("on_event")
        close_wanted(self)
        process(self)
        if isinstance(event, events.CheckpointRequested | events.SessionStopped) or self.checkpoint:
            self.told.append(("Checkpoint",))

    def _apply(self, event: Any) -> bool | None:
        handler = HANDLERS.get(type(event)) or CONTROL[type(event)]
        return handler(self, event) is False

    def _market(self, event: Any) -> bool:
        name = event.instrument
        if isinstance(event, events.InstrumentDefined):
            return self._define(event)
        if name not in self.definitions:
            self.anomaly("instrument_not_defined", "", name)
            return True
        self.logs[name].append(event)
        market = self.market(name)
        if market.anomaly:
            self.anomaly(market.anomaly, "" if market.anomaly == "bad_trade" else self.venue_of(name), name)
        return market.refused

    def _define(self, event: events.InstrumentDefined) -> bool:
        name, known = event.instrument, self.definitions.get(event.instrument)
        scales = all(0 <= one <= 18 for one in (event.price_decimals, event.qty_decimals))
        if not scales or not event.venue or not name.startswith(f"{event.venue}:"):
            self.anomaly("bad_instrument", event.venue, name)
            return True
        if known is None:
            status = self.feed_status.get(event.venue, ConnectionStatus.DISCONNECTED)
            self.definitions[name], self.logs[name] = event, [status]
            return False
        if (known.price_decimals, known.qty_decimals) != (event.price_decimals, event.qty_decimals):
            self.anomaly("scale_changed", event.venue, name, halt=True)
            return True
        if (known.base, known.quote) != (event.base, event.quote):
            self.anomaly("identity_changed", event.venue, name, halt=True)
            return True
        self.definitions[name] = event
        return False

    def _is_relevant(self, event: Any, is_market: bool) -> bool:
        """By Event type, by instrument, and of market Events every n-th."""
        name = getattr(event, "instrument", "")
        if ASKED_AFTER.get(type(event)) not in self.rules.events:
            return False
        if self.rules.instruments and name not in self.rules.instruments:
            return False
        if not is_market or self.rules.every_nth == 1:
            return True
        self.asked[name] = self.asked.get(name, 0) + 1
        return self.asked[name] % self.rules.every_nth == 0

    def _begin(self) -> None:
        needed = {one.venue for one in self.definitions.values()}
        if self.epochs and needed and needed <= self.based.keys():
            self.phase = SessionPhase.RUNNING

    def _monitor(self) -> None:
        rejects = self.rejects_in_a_row >= self.rules.max_consecutive_rejects
        if rejects and self.enabled and self.trading_of("") is not TradingState.HALTED:
            self.told.append(("StrategyDisabled", "max_consecutive_rejects"))
            self.enabled = False

    def _ask(self, hook: str) -> None:
        if (self.phase is not SessionPhase.RUNNING and hook != "on_stop") or not self.enabled:
            return
        self.calls.append(hook)
        plan, self.plan = self.plan or Plan(), None
        for _ in range(plan.draws):
            self.drawn_last += 1
            self.unused[self.drawn_last] = None
        self.deadlines.update(plan.wakes)
        if plan.error:
            self.told.append(("StrategyFailed", hook, plan.error))
            if self.rules.on_failure == "disable":
                self.told.append(("StrategyDisabled", "core"))
                self.enabled = False
            return
        for intent in plan.intents:
            self.submit(intent, RequestSource.STRATEGY)

    def submit(self, intent: Intent, source: RequestSource) -> None:
        """One Intent through Risk into the Queue."""
        self.total += 1
        rule = denied_by(self, intent)
        if not rule:
            admit(self, intent, source)
            return
        self.denied += 1
        order, waiting = self.order(intent.order_id), self.pending.get(intent.order_id)
        instrument = intent.instrument if isinstance(intent, New) else ""
        instrument = order.first.instrument if order else waiting.instrument if waiting else instrument
        place = (instrument.partition(":")[0], instrument)
        self.told.append(("IntentDenied", kind_of(intent), *place, intent.order_id, source, rule))

    # -- what stages tell

    def anomaly(
        self, kind: str, venue: str = "", instrument: str = "", order_id: int = 0, halt: bool = False
    ) -> None:
        """What came from outside contradicts State; ``halt``: its instrument, or venue, stops."""
        halted = instrument if instrument in self.definitions else ""
        scope = (halted or venue) if halt else ""
        self.told.append(("AnomalyDetected", kind, venue, instrument, order_id, scope))
        if scope and self.trading.get(scope) is not TradingState.HALTED:
            self.set_trading(TradingState.HALTED, "anomaly", venue, halted)

    def set_trading(self, state: TradingState, by: str, venue: str = "", instrument: str = "") -> None:
        """Less than ACTIVE withdraws what could increase; REDUCING closes what rests and could."""
        self.told.append(("TradingStateChanged", state, by, venue, instrument))
        scope = instrument or venue
        if state is TradingState.ACTIVE:
            self.trading = {
                name: one
                for name, one in self.trading.items()
                if scope and scope not in (name, name.partition(":")[0])
            }
            return
        self.trading[scope] = state
        self.withdraw_all(WithdrawReason.TRADING_STATE, venue, instrument)
        room: dict[tuple[str, Side], int] = {}
        for order_id, order in self.open.items():
            name, side = order.first.instrument, order.first.side
            if state is TradingState.REDUCING and covers(venue, instrument, name):
                position = self.position(name)
                left = room.setdefault((name, side), max(position * (-1 if side is Side.BUY else 1), 0))
                worst = order.leaves + self.in_exchange(order_id)
                if worst > left:
                    self.close(order_id, RequestSource.CORE)
                else:
                    room[name, side] = left - worst

    def in_exchange(self, order_id: int) -> int:
        """What Replaces without an outcome may leave open of one Order."""
        sent = [one for one in (self.inflight.get(order_id), self.unresolved.get(order_id)) if one]
        requests = [one.request for one in sent if one.request.kind is RequestKind.REPLACE]
        return sum(max(one.qty - self.open[order_id].filled, 0) for one in requests)

    def withdraw_all(self, reason: WithdrawReason, venue: str = "", instrument: str = "") -> None:
        for one in list(self.pending.values()):
            if one.kind is not RequestKind.CANCEL and covers(venue, instrument, one.instrument):
                self.withdraw(one, reason)

    def withdraw(self, one: Wanted, reason: WithdrawReason) -> None:
        place = (self.venue_of(one.instrument), one.instrument)
        self.told.append(("IntentWithdrawn", one.kind, *place, one.order_id, reason))
        self.withdrawn += 1
        del self.pending[one.order_id]

    def close(self, order_id: int, source: RequestSource) -> None:
        self.open[order_id].closing, self.open[order_id].not_before = source, 0
        self.closing[order_id] = None

    # -- what can be read off

    def market(self, name: str) -> Market:
        """Folded again whenever the log has grown."""
        log = self.logs[name]
        if self.folded.get(name, (0, None))[0] != len(log):
            self.folded[name] = (len(log), fold(log))
        return self.folded[name][1]

    def order(self, order_id: int) -> ModelOrder | None:
        return self.open.get(order_id) or self.closed.get(order_id)

    def venue_of(self, instrument: str) -> str:
        return self.definitions[instrument].venue

    def position(self, instrument: str) -> int:
        held = self.holdings.get(instrument)
        return held.qty if held else self.baselines.get(instrument, (0, 0))[0]

    def trading_of(self, instrument: str) -> TradingState:
        if "halting" in self.incidents.values():
            return TradingState.HALTED
        scopes = ("", instrument.partition(":")[0], instrument)
        halted = {
            name.rpartition(" ")[2] for name, grade in self.incidents.items() if grade == "venue-halting"
        }
        if halted & {scopes[1]}:
            return TradingState.HALTED
        return max(self.trading.get(scope, TradingState.ACTIVE) for scope in scopes)

    def is_killed(self, instrument: str) -> bool:
        return any(scope in self.killed for scope in ("", instrument.partition(":")[0], instrument))

    def worst_case(self, instrument: str, but: int) -> tuple[int, int, set[int]]:
        """Most that may still be bought and sold, and by how many orders, those of Order ID ``but`` aside: of these
        only a Replace that is in flight counts."""
        found: list[tuple[int, Side, int]] = []
        for order_id, order in self.open.items():
            if order.first.instrument != instrument:
                continue
            side = order.first.side
            if order_id != but:
                found.append((order_id, side, order.leaves))
            sent_ones = [one for one in (self.inflight.get(order_id), self.unresolved.get(order_id)) if one]
            replaces = [one.request for one in sent_ones if one.request.kind is RequestKind.REPLACE]
            found += [(order_id, side, max(one.qty - order.filled, 0)) for one in replaces]
            waiting = self.pending.get(order_id)
            if waiting and waiting.kind is RequestKind.REPLACE and order_id != but:
                found.append((order_id, side, max(waiting.qty - order.filled, 0)))
        for order_id, waiting in self.pending.items():
            if waiting.terms and waiting.instrument == instrument and order_id != but:
                found.append((order_id, waiting.terms.side, waiting.terms.qty))
        buying = sum(qty for _, side, qty in found if side is Side.BUY)
        selling = sum(qty for _, side, qty in found if side is Side.SELL)
        return buying, selling, {order_id for order_id, _, _ in found} - {but}

    def changed(self, changes: dict[str, Any]) -> None:
        self.versions[self.rules.version] = self.rules
        self.rules = replace(self.rules, version=self.rules.version + 1, **changes)
