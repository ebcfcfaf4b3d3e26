"""Sessions whose whole stream is kept, folded into records, and everything that must hold of these records."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from livestack.core import events
from livestack.core.configuration import Configuration
from livestack.core.events import Recorded
from livestack.core.orders import Order
from livestack.core.positions import Position
from livestack.core.projection import Projection
from livestack.core.runtime import CoreRuntime, Step
from livestack.core.state import State
from livestack.core.types import Origin, RequestKind
from livestack.storage.records import RecordFold, RecordOrigin
from livestack.storage.tables import TABLE_OF, Record

ORIGIN = RecordOrigin(
    node="n1",
    session="s1",
    strategy="x:Y",
    strategy_digest="5eed",
    account_names={"sim": "main", "alt": "second", "binance_spot": "spot"},
    package_version="9.9.9",
    semantics_version=1,
    configuration='{"a":1}',
)


class Stream:
    """Keeps what ``runtime`` is fed and derives from now on, and some of its States.

    ``snapshots``: by the last position that they contain; one step in ``every`` has one, at random.
    """

    def __init__(self, runtime: CoreRuntime, every: int = 5, seed: int = 1) -> None:
        self.configuration = runtime.state.configuration
        self.runtime = runtime
        self.records: list[Recorded] = []
        self.snapshots: dict[int, bytes] = {}
        self._start = runtime.state.snapshot()
        self._step = runtime.step
        self._every = every
        self._random = random.Random(seed)
        runtime.step = self._take  # type: ignore[method-assign]

    @property
    def state(self) -> State:
        """As the Core has it."""
        return self.runtime.state

    def _take(self, seq: int, ts: int, event: Any) -> Step:
        step = self._step(seq, ts, event)
        self.records.append(Recorded(seq, ts, Origin.INPUT, event))
        for place, derived in enumerate(step.derived, seq + 1):
            self.records.append(Recorded(place, ts, Origin.DERIVED, derived))
        if not self._random.randrange(self._every):
            self.snapshots[self.records[-1].seq] = self.state.snapshot()
        return step

    def fold(self) -> list[Record]:
        """All records of the stream, from its beginning."""
        return folded(State.restore(self._start, None), self.records)  # type: ignore[arg-type]

    def fold_from(self, seq: int) -> list[Record]:
        """Those behind ``seq``, from the State that the Core had there."""
        behind = [one for one in self.records if one.seq > seq]
        return folded(State.restore(self.snapshots[seq], None), behind)  # type: ignore[arg-type]


def folded(state: State, stream: Iterable[Recorded]) -> list[Record]:
    """Records of ``stream``, which follows ``state``."""
    fold = RecordFold(ORIGIN, Projection(state))
    return [one for record in stream for one in fold.take(record)]


def rows(records: Iterable[Record], table: str, **wanted: Any) -> list[Any]:
    """Those of one table whose fields, or fields of the trace, are as wanted."""
    found = [one for one in records if TABLE_OF[type(one)] == table]
    for name, value in wanted.items():
        found = [one for one in found if getattr(one if hasattr(one, name) else one.trace, name) == value]
    return found


def check(stream: Stream) -> list[Record]:
    """Every law, over one stream that is whole; its records."""
    records = check_part(stream)
    by_seq: dict[int, list[Any]] = defaultdict(list)
    for one in records:
        by_seq[one.trace.seq].append(one)  # type: ignore[attr-defined]
    _check_positions(stream.state, records)
    _check_orders(stream.state, records)
    _check_requests(stream, records)
    _check_one_for_one(stream, by_seq)
    _check_balances(stream.state, records)
    return records


def check_part(stream: Stream) -> list[Record]:
    """The laws that hold of any part of a stream."""
    records = stream.fold()
    _check_traces(stream, records)
    kept = [(one.trace.seq, one.SerializeToString()) for one in records]  # type: ignore[attr-defined]
    for seq in stream.snapshots:
        again = [(one.trace.seq, one.SerializeToString()) for one in stream.fold_from(seq)]  # type: ignore[attr-defined]
        assert [one for one in kept if one[0] > seq] == again, f"the records behind {seq} are others"
    return records


def _check_traces(stream: Stream, records: list[Record]) -> None:
    """In order, ordinals without gaps, and each says what its Event says."""
    last = (0, 0)
    first = stream.records[0].seq
    for one in records:
        trace = one.trace  # type: ignore[attr-defined]
        assert trace.ordinal == (last[1] + 1 if trace.seq == last[0] else 0)
        assert trace.seq >= last[0]
        last = trace.seq, trace.ordinal
        recorded = stream.records[trace.seq - first]
        assert (recorded.seq, recorded.ts) == (trace.seq, trace.ts)
        assert (ORIGIN.node, ORIGIN.session, ORIGIN.strategy) == (trace.node, trace.session, trace.strategy)
        assert trace.HasField("account") == (trace.venue in ORIGIN.account_names)
        assert not trace.HasField("event_ns") or trace.event_ns == recorded.event.event_ns  # type: ignore[union-attr]


def _check_positions(state: State, records: list[Record]) -> None:
    """The last one of each is the Core's, to the last unit, and the fills add up to it."""
    last = {one.trace.instrument: one for one in rows(records, "positions")}
    bought: Counter[str] = Counter()
    sold: Counter[str] = Counter()
    named = set()
    for one in rows(records, "fills"):
        (bought if one.side == "buy" else sold)[one.trace.instrument] += Fraction(one.qty)  # type: ignore[assignment]
        key = (one.trace.instrument, one.fill_id, one.side)
        assert key not in named
        named.add(key)
        assert Fraction(one.notional) == Fraction(one.qty) * Fraction(one.price)
    for instrument, position in state.execution.positions.items():
        market = state.market.instruments[instrument]
        qty = Fraction(1, 10**market.definition.qty_decimals)
        assert position.bought_qty * qty == bought[instrument]
        assert position.sold_qty * qty == sold[instrument]
        if instrument in last:
            _check_position(last[instrument], position, state, instrument)
        else:
            assert Position() == position
    assert set(last) <= set(state.execution.positions)


def _check_position(record: Any, position: Position, state: State, instrument: str) -> None:
    definition = state.market.instruments[instrument].definition
    qty = Fraction(1, 10**definition.qty_decimals)
    amount = qty / 10**definition.price_decimals
    assert position.qty * qty == Fraction(record.qty)
    assert position.cost * amount == Fraction(record.cost)
    assert position.realised * amount == Fraction(record.realised)
    assert position.bought_qty * qty == Fraction(record.bought_qty)
    assert position.sold_qty * qty == Fraction(record.sold_qty)
    assert Fraction(position.marked_fees, 10**18) == Fraction(record.marked_fees)
    fees = {name: Fraction(text) for name, text in json.loads(record.fees).items()}
    assert {name: Fraction(one.amount, 10**one.decimals) for name, one in position.fees.items()} == fees
    assert fees.get(definition.quote, 0) == Fraction(record.quote_fees)
    assert record.HasField("average_price") == bool(position.qty)
    if position.qty:
        exact = position.cost * amount / abs(position.qty * qty)
        assert round(exact * 10**12) == Fraction(record.average_price) * 10**12
    touch = Fraction(record.bid or 0) if position.qty > 0 else Fraction(record.ask or 0)
    worth = position.qty * qty * touch - (
        position.cost * amount if position.qty > 0 else -position.cost * amount
    )
    assert (worth if touch and position.qty else 0) == Fraction(record.unrealised)
    assert definition.quote == record.quote_asset


def _check_orders(state: State, records: list[Record]) -> None:
    last = {one.trace.order_id: one for one in rows(records, "orders")}
    for order in (*state.execution.orders.values(), *state.execution.closed.values()):
        _check_order(last[order.order_id], order, state)


def _check_order(record: Any, order: Order, state: State) -> None:
    definition = state.market.instruments[order.instrument].definition
    price, qty = Fraction(1, 10**definition.price_decimals), Fraction(1, 10**definition.qty_decimals)
    assert (order.venue, order.instrument) == (record.trace.venue, record.trace.instrument)
    assert order.client_id == record.trace.request_id
    assert order.status.name.lower() == record.status
    assert (order.side.name.lower(), order.type.name.lower()) == (record.side, record.type)
    assert (order.tif.name.lower(), order.source.name.lower()) == (record.tif, record.source)
    assert order.qty * qty == Fraction(record.qty or 0)
    assert order.quote_qty * price * qty == Fraction(record.quote_qty or 0)
    assert order.price * price == Fraction(record.price or 0)
    assert order.stop_price * price == Fraction(record.stop_price or 0)
    assert order.filled_qty * qty == Fraction(record.filled_qty)
    assert order.filled_notional * price * qty == Fraction(record.filled_notional)
    assert (order.post_only, order.reduce_only) == (record.post_only, record.reduce_only)
    assert (order.venue_order_id, order.reason) == (record.venue_order_id, record.reason)
    assert (order.anomalous, bool(order.foreign_id)) == (record.anomalous, record.adopted)


def _check_requests(stream: Stream, records: list[Record]) -> None:
    """Each is dispatched once and answered once, unless it is under way still, or was dropped behind another one."""
    asked = {
        (one.event.request.order_id, one.event.request.revision): one.event
        for one in stream.records
        if isinstance(one.event, events.IntentDispatched)
    }
    stages: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for one in rows(records, "dispatches"):
        stages[one.trace.order_id, one.revision].append(one)
    assert set(asked) == set(stages)
    execution = stream.state.execution
    waiting = {
        (order_id, request.revision): request
        for requests in (execution.requests, execution.unresolved)
        for order_id, request in requests.items()
    }
    for key, told in stages.items():
        request = asked[key].request
        names = [one.stage for one in told]
        assert "dispatched" == names[0]
        assert 1 == names.count("dispatched")
        assert {request.kind.name.lower()} == {one.kind for one in told}
        assert {request.client_id} == {one.trace.request_id for one in told}
        assert {request.source.name.lower()} == {one.source for one in told}
        ends = [name for name in names if name in ("answered", "failed")]
        if key in waiting and not waiting[key].refused:
            assert [] == ends
        elif request.kind is RequestKind.CANCEL:
            assert len(ends) <= 1
        else:
            assert 1 == len(ends)
        assert names == sorted(names, key=["dispatched", "sent", "answered", "failed"].index)


_EACH = {
    "denials": (events.IntentDenied, events.IntentWithdrawn),
    "controls": (
        events.OperatorCommand,
        events.CommandApplied,
        events.CommandRefused,
        events.KillSwitchEngaged,
        events.KillSwitchReset,
        events.KillReceipt,
        events.TradingStateChanged,
        events.ConfigurationChanged,
        events.IncidentOpened,
        events.IncidentClosed,
        events.FeedStatusChanged,
        events.VenueStatusChanged,
        events.VenueBackoff,
        events.AnomalyDetected,
        events.StrategyFailed,
        events.StrategyDisabled,
        events.StrategyEnabled,
        events.CancelRejected,
        events.ReplaceRejected,
    ),
    "sessions": (events.SessionStopping, events.SessionStopped, events.Checkpoint),
}
_NONE = (*events.MARKET_EVENTS, events.RateLimitReport, events.VenueClock, events.ControlTime)


def _check_one_for_one(stream: Stream, by_seq: dict[int, list[Any]]) -> None:
    """Events that have a record each have it, and those that have none have none."""
    for recorded in stream.records:
        kinds = [TABLE_OF[type(one)] for one in by_seq.get(recorded.seq, ())]
        for table, of in _EACH.items():
            if table != "sessions" or not isinstance(
                recorded.event, events.SessionStarted | events.SessionResumed
            ):
                assert kinds.count(table) == isinstance(recorded.event, of)
        if isinstance(recorded.event, _NONE):
            assert [] == kinds


def _check_balances(state: State, records: list[Record]) -> None:
    last = {(one.trace.venue, one.asset): one for one in rows(records, "balances")}
    held = {
        (venue, asset): (Fraction(one.free, 10**one.decimals), Fraction(one.locked, 10**one.decimals))
        for venue, assets in state.execution.balances.items()
        for asset, one in assets.items()
    }
    for key, one in last.items():
        assert held.get(key, (0, 0)) == (Fraction(one.free), Fraction(one.locked))
    assert set(held) <= set(last)


def stream_of(configuration: Configuration, strategy: Any, fed: list[tuple[int, Any]]) -> Stream:
    """A fresh Core, fed with ``(ts, event)``."""
    stream = Stream(CoreRuntime(configuration, strategy))
    seq = 0
    for ts, event in fed:
        seq += 1 + len(stream.runtime.step(seq + 1, ts, event).derived)
    return stream
