"""A Core Runtime on a bench: a scripted strategy, a configuration without limits, a venue made of helper functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from livestack.core import events
from livestack.core.configuration import Configuration
from livestack.core.events import InputEvent
from livestack.core.intents import Intent, New
from livestack.core.orders import Order
from livestack.core.runtime import CoreRuntime, Step
from livestack.core.strategy import Decision, Strategy, View
from livestack.core.types import (
    Amount,
    AssetBalance,
    ClientId,
    ConnectionStatus,
    FailureReason,
    InstrumentStatus,
    Liquidity,
    OrderStatus,
    OrderType,
    RequestKind,
    Side,
    TimeInForce,
)

VENUE = "sim"
INSTRUMENT = "sim:BTCUSDT"
EPOCH = "AAAAAAAAA"
SECOND = 1_000_000_000
UNLIMITED: dict[str, Any] = {
    "trade": True,
    "max_order_qty": "unlimited",
    "max_order_notional": "unlimited",
    "price_collar_bps": "unlimited",
    "max_position": "unlimited",
    "max_gross_notional": "unlimited",
    "max_open_orders": "unlimited",
    "max_intents_per_second": "unlimited",
    "max_session_orders": "unlimited",
    "max_session_notional": "unlimited",
    "max_session_loss": "unlimited",
    "max_consecutive_rejects": "unlimited",
    "max_unattended_fills": "unlimited",
    "max_resting_data_age": "unlimited",
    "max_data_age": "unlimited",
    "duplicate_window": "unlimited",
    "self_trade": "allow",
    "balance": "ignore",
}
WIDE_RATE: dict[str, Any] = {"kind": "ORDERS", "interval": "10s", "limit": 1_000_000}


def configuration(
    risk: dict[str, Any] | None = None,
    execution: dict[str, Any] | None = None,
    rate_limits: list[dict[str, Any]] | None = None,
    **tables: Any,
) -> Configuration:
    """Everything allowed, but for what is given. ``None`` as a limit takes it out."""
    defaults = {key: value for key, value in {**UNLIMITED, **(risk or {})}.items() if value is not None}
    rates = [WIDE_RATE] if rate_limits is None else rate_limits
    data: dict[str, Any] = {
        "strategy": {"path": "tests.core.support:Scripted"},
        "risk": {"defaults": defaults},
        "execution": {"venue": {VENUE: {"rate_limits": rates}}, **(execution or {})},
        **tables,
    }
    return Configuration.from_plain(data)


def definition(instrument: str = INSTRUMENT, **changes: Any) -> events.InstrumentDefined:
    """An instrument with 2 price and 3 quantity decimals, tick 1, step 1, and no venue limits."""
    venue, _, symbol = instrument.partition(":")
    values: dict[str, Any] = {
        "recv_ns": 0,
        "venue": venue,
        "instrument": instrument,
        "symbol": symbol,
        "base": "BTC",
        "quote": "USDT",
        "price_decimals": 2,
        "qty_decimals": 3,
        "status": InstrumentStatus.TRADING,
        "price_tick": 1,
        "price_min": 0,
        "price_max": 0,
        "qty_step": 1,
        "qty_min": 1,
        "qty_max": 0,
        "market_qty_step": 0,
        "market_qty_min": 0,
        "market_qty_max": 0,
        "notional_min": Amount.of(0),
        "notional_max": Amount.of(0),
        "notional_min_applies_to_market": False,
        "max_open_orders": 0,
        "amend_allowed": True,
        "market_allowed": True,
    }
    return events.InstrumentDefined(**{**values, **changes})


class Scripted(Strategy):
    """Does what the test put into ``script``, one entry for each time it is asked."""

    def __init__(self, parameters: Any = None) -> None:
        super().__init__(parameters)
        self.script: list[Callable[[View], Iterable[Intent] | None]] = []
        self.calls: list[str] = []

    def on_start(self, view: View) -> Decision:
        self.calls.append("on_start")
        return None

    def on_resume(self, view: View) -> Decision:
        self.calls.append("on_resume")
        return None

    def on_event(self, view: View, event: InputEvent) -> Decision:
        self.calls.append(type(event).__name__)
        return self.script.pop(0)(view) if self.script else None

    def on_deadline(self, view: View, name: str) -> Decision:
        self.calls.append(f"on_deadline {name}")
        return self.script.pop(0)(view) if self.script else None

    def on_stop(self, view: View) -> Decision:
        self.calls.append("on_stop")
        return None


class Bench:
    """A running session at ``ts``; every method feeds one Event and returns its Step."""

    def __init__(self, settings: Configuration | None = None, strategy: Strategy | None = None) -> None:
        self.strategy = strategy or Scripted()
        self.runtime = CoreRuntime(settings or configuration(), self.strategy)
        self.seq = 0
        self.ts = 1_000 * SECOND
        self.fill_id = 0
        self.derived: list[events.DerivedEvent] = []

    @property
    def state(self) -> Any:
        return self.runtime.state

    @property
    def execution(self) -> Any:
        return self.runtime.state.execution

    def feed(self, event: InputEvent, wait_ns: int = 0) -> Step:
        self.ts += wait_ns
        step = self.runtime.step(self.seq + 1, self.ts, event)
        self.seq += 1 + len(step.derived)
        self.derived += step.derived
        return step

    def start(self, *definitions: events.InstrumentDefined, quoted: bool = True) -> Bench:
        """Session, instruments, baseline, feed and venue LIVE, a quote of 100.00 x 100.10 if ``quoted``."""
        self.feed(session_started())
        for one in definitions or (definition(),):
            self.feed(one)
        venues = {one.venue: None for one in definitions or (definition(),)}
        for venue in venues:
            self.feed(baseline(venue))
            self.feed(feed_status(ConnectionStatus.LIVE, venue))
            self.feed(venue_status(ConnectionStatus.LIVE, venue))
        for one in (definitions or (definition(),)) if quoted else ():
            self.quote(instrument=one.instrument)
        return self

    def quote(
        self, bid: int = 10_000, ask: int = 10_010, instrument: str = INSTRUMENT, wait_ns: int = 0
    ) -> Step:
        self.ts += wait_ns
        return self.feed(quote(bid, ask, instrument, self.ts))

    def want(self, *intents: Intent, wait_ns: int = 0) -> Step:
        """Have the strategy return ``intents`` at the next quote."""
        assert isinstance(self.strategy, Scripted)
        self.strategy.script.append(lambda view: intents)
        return self.quote(wait_ns=wait_ns)

    def new_id(self) -> int:
        return self.runtime._view.next_order_id()

    def buy(self, qty: int = 10, price: int = 9_990, **terms: Any) -> int:
        """Submit a limit order; its Order ID."""
        order_id = self.new_id()
        self.want(New(order_id=order_id, instrument=INSTRUMENT, side=Side.BUY, qty=qty, price=price, **terms))
        return order_id

    def known(self, instrument: str = INSTRUMENT) -> int:
        """Submit a large order far from the market, whatever asks the strategy; its Order ID."""
        assert isinstance(self.strategy, Scripted)
        order_id = self.new_id()
        intent = New(order_id=order_id, instrument=instrument, side=Side.BUY, qty=1_000, price=1)
        self.strategy.script.append(lambda view: [intent])
        self.runtime._view.wake_at("known", self.ts)
        self.feed(events.ControlTime(scope="strategy known", deadline_ns=self.ts))
        return order_id

    def order(self, order_id: int) -> Order:
        order: Order | None = self.execution.order(order_id)
        assert order is not None
        return order

    def names(self, step: Step) -> list[str]:
        return [type(one).__name__ for one in step.derived]


def session_started(epoch: str = EPOCH) -> events.SessionStarted:
    return events.SessionStarted(
        session="s",
        node="n",
        epoch=epoch,
        strategy="x:Y",
        strategy_digest="",
        configuration_version=1,
        configuration_digest="",
        semantics_version=1,
        wall_ns=0,
    )


def baseline(venue: str = VENUE, positions: tuple[Any, ...] = ()) -> events.AccountBaseline:
    balances = (balance("USDT", 10**9), balance("BTC", 10**9))
    return events.AccountBaseline(
        recv_ns=0, venue=venue, account="a", balances=balances, positions=positions, previous_session=""
    )


def reconciled(through: int, begun_ns: int) -> events.FillsReconciled:
    return events.FillsReconciled(
        recv_ns=0, venue=VENUE, instrument=INSTRUMENT, through=through, begun_ns=begun_ns
    )


def balances(*held: AssetBalance, complete: bool = False) -> events.BalanceReport:
    return events.BalanceReport(recv_ns=0, venue=VENUE, event_ns=0, balances=held, complete=complete)


def balance(asset: str, free: int, decimals: int = 8) -> AssetBalance:
    return AssetBalance(asset, decimals, Amount.of(free * 10**decimals), Amount.of(0))


def feed_status(
    status: ConnectionStatus, venue: str = VENUE, instrument: str = ""
) -> events.FeedStatusChanged:
    return events.FeedStatusChanged(recv_ns=0, venue=venue, instrument=instrument, status=status, reason="")


def venue_status(status: ConnectionStatus, venue: str = VENUE) -> events.VenueStatusChanged:
    return events.VenueStatusChanged(recv_ns=0, venue=venue, status=status, reason="")


def quote(bid: int, ask: int, instrument: str = INSTRUMENT, recv_ns: int = 0) -> events.QuoteTick:
    return events.QuoteTick(
        recv_ns=recv_ns,
        instrument=instrument,
        event_ns=0,
        update_id=0,
        bid=bid,
        bid_qty=50,
        ask=ask,
        ask_qty=50,
    )


def named(order_id: int, revision: int = 1, epoch: str = EPOCH) -> dict[str, Any]:
    """The fields by which an execution Event names an order."""
    client_id = str(ClientId(epoch, order_id, revision))
    return {
        "recv_ns": 0,
        "venue": VENUE,
        "instrument": INSTRUMENT,
        "client_id": client_id,
        "order_id": order_id,
    }


def accepted(order_id: int, revision: int = 1) -> events.OrderAccepted:
    return events.OrderAccepted(**named(order_id, revision), venue_order_id=f"v{order_id}", event_ns=0)


def rejected(order_id: int) -> events.OrderRejected:
    return events.OrderRejected(**named(order_id), event_ns=0, code="-2010", reason="no")


def fill(order_id: int, qty: int, fill_id: int, price: int = 9_990, **changes: Any) -> events.OrderFill:
    values: dict[str, Any] = {
        **named(order_id),
        "venue_order_id": f"v{order_id}",
        "event_ns": 0,
        "fill_id": fill_id,
        "side": Side.BUY,
        "price": price,
        "qty": qty,
        "fee": Amount.of(0),
        "fee_asset": "BNB",
        "fee_decimals": 8,
        "liquidity": Liquidity.MAKER,
    }
    return events.OrderFill(**{**values, **changes})


def cancelled(order_id: int, filled_qty: int = -1, revision: int = 1) -> events.OrderCancelled:
    return events.OrderCancelled(
        **named(order_id, revision),
        venue_order_id=f"v{order_id}",
        event_ns=0,
        reason="",
        filled_qty=filled_qty,
    )


def expired(order_id: int, filled_qty: int = -1) -> events.OrderExpired:
    return events.OrderExpired(
        **named(order_id), venue_order_id=f"v{order_id}", event_ns=0, reason="ioc", filled_qty=filled_qty
    )


def replaced(order_id: int, revision: int, qty: int, price: int) -> events.OrderReplaced:
    return events.OrderReplaced(
        **named(order_id, revision),
        venue_order_id=f"v{order_id}-{revision}",
        event_ns=0,
        price=price,
        qty=qty,
    )


def cancel_rejected(order_id: int, revision: int = 0) -> events.CancelRejected:
    return events.CancelRejected(
        **named(order_id), revision=revision, event_ns=0, code="-2011", reason="unknown"
    )


def replace_rejected(order_id: int, revision: int = 0) -> events.ReplaceRejected:
    return events.ReplaceRejected(**named(order_id), revision=revision, event_ns=0, code="-2022", reason="no")


def dispatch_failed(
    order_id: int,
    kind: RequestKind = RequestKind.NEW,
    revision: int = 1,
    reason: FailureReason = FailureReason.NOT_SENT,
) -> events.DispatchFailed:
    return events.DispatchFailed(
        venue=VENUE,
        instrument=INSTRUMENT,
        kind=kind,
        order_id=order_id,
        revision=revision,
        reason=reason,
        detail="",
    )


def report(order_id: int, status: OrderStatus, filled_qty: int = 0, **changes: Any) -> events.OrderReport:
    values: dict[str, Any] = {
        **named(order_id),
        "venue_order_id": f"v{order_id}",
        "event_ns": 0,
        "status": status,
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "tif": TimeInForce.GTC,
        "price": 9_990,
        "qty": 10,
        "filled_qty": filled_qty,
        "reason": "",
    }
    return events.OrderReport(**{**values, **changes})


def command(
    payload: events.Command, base_version: int = 0, request_id: str = "", who: str = "op"
) -> events.OperatorCommand:
    """Without a request id it is answered anew each time."""
    return events.OperatorCommand(
        request_id=request_id, command=payload, who=who, why="because", base_version=base_version
    )


def reset(accept_unknown: bool = False) -> events.OperatorCommand:
    return command(events.ResetKillSwitch(accept_unknown))


def killed(venue: str = "", instrument: str = "") -> events.KillSwitchEngaged:
    return events.KillSwitchEngaged(
        trigger="operator", by="op", reason="because", venue=venue, instrument=instrument
    )
