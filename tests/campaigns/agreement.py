"""Do a node's journals and its venue tell the same story? What both the crash campaign and the live tests ask.

The venue's simulator-only views are the truth here; nothing of the node's own accounting is used to check it. Answers
are sentences about what does not agree: an empty list is agreement. No node may be running on the directory, but a
look after a kill (:meth:`Journals.learn`) is sound. Any one thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from livestack.core.configuration import Configuration
from livestack.core.events import (
    AnomalyDetected,
    BalanceReport,
    InstrumentDefined,
    IntentDispatched,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFill,
    OrderReplaced,
    SessionResumed,
    SessionStarted,
)
from livestack.core.positions import Position
from livestack.core.refold import Refold
from livestack.core.runtime import SEMANTICS_VERSION, CoreRuntime
from livestack.core.state import State
from livestack.core.types import RequestKind, SessionPhase, Side, parse_client_id, parse_decimal
from livestack.journal.reader import JournalReader
from livestack.journal.snapshots import snapshots
from livestack.research.replay import Replay, ReplayResult, strategy_of

VENUE = "binance_spot"
KINDS = {
    "order.place": RequestKind.NEW,
    "order.cancelReplace": RequestKind.REPLACE,
    "order.amend.keepPriority": RequestKind.REPLACE,
    "order.cancel": RequestKind.CANCEL,
}
MOVES = (OrderAccepted, OrderReplaced, OrderFill, OrderCancelled, OrderExpired)
PLACES = {"order.place", "order.cancelReplace"}
"""Requests that make an order at the venue where they succeed."""

SNAPSHOTS_MAX = 4
"""Of one session's snapshots so many are restored, evenly spread: each costs a replay of what follows it."""

SHOWN = 5
"""Of many alike."""


class Views(msgspec.Struct, frozen=True):
    """What the venue knows, all asked for while nothing trades."""

    requests: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    fills: list[dict[str, Any]]
    open: list[dict[str, Any]]
    account: dict[str, Any]

    @classmethod
    def of(cls, venue: Any) -> Views:
        """``venue`` is a running :class:`tests.support.Venue`."""
        names = ("orders", "history", "fills", "open", "account")
        return cls(*(venue.look(name) for name in names))


class Journal:
    """What one session's journal says of orders, read once and forwards."""

    def __init__(self, session: str) -> None:
        self.session = session
        self.last_seq = 0
        self.epochs: list[str] = []
        self.dispatches: dict[str, tuple[int, IntentDispatched]] = {}
        self.fills: dict[tuple[str, int], OrderFill] = {}
        self.instruments: dict[str, InstrumentDefined] = {}
        self.anomalies: Counter[str] = Counter()
        self.moved_seq = 0
        self.balances_seq = 0
        self.faults: list[str] = []

    def learn(self, sessions: Path) -> None:
        """Read what was added since the last look."""
        with JournalReader.open(sessions, self.session, live=True) as reader:
            for record in reader.records(self.last_seq + 1):
                self.last_seq = record.seq
                self._take(record.seq, record.event)

    @property
    def balances_are_complete(self) -> bool:
        """Whether the venue told its balances behind the last order that came or went; a stop may be quicker."""
        return self.balances_seq > self.moved_seq

    def _take(self, seq: int, event: object) -> None:
        if isinstance(event, MOVES):
            self.moved_seq = seq
        match event:
            case BalanceReport():
                self.balances_seq = seq
            case IntentDispatched(request=request):
                if request.client_id in self.dispatches:
                    self.faults.append(f"seq {seq} uses client id {request.client_id} again")
                self.dispatches[request.client_id] = (seq, event)
            case OrderAccepted(client_id=client_id):
                self._follows(client_id, seq, "acceptance")
            case OrderFill():
                self._follows(event.client_id, seq, "fill")
                self._fill(seq, event)
            case InstrumentDefined():
                self.instruments[event.instrument] = event
            case SessionStarted(epoch=epoch) | SessionResumed(epoch=epoch):
                self.epochs.append(epoch)
            case AnomalyDetected(kind=kind, halts=halts):
                self.anomalies[kind] += 1
                if halts:
                    self.faults.append(f"seq {seq}: {kind} halts {halts}: {event.detail}")

    def _fill(self, seq: int, event: OrderFill) -> None:
        key = (event.instrument, event.fill_id)
        first = self.fills.setdefault(key, event)
        if told(first) != told(event):
            self.faults.append(f"seq {seq} tells fill {event.fill_id} of {event.instrument} differently")

    def _follows(self, client_id: str, seq: int, what: str) -> None:
        parsed = parse_client_id(client_id)
        if parsed is not None and parsed.epoch in self.epochs and client_id not in self.dispatches:
            self.faults.append(f"seq {seq}: {what} of {client_id} without an earlier dispatch")


class Journals:
    """All sessions of a data directory."""

    def __init__(self, data: Path) -> None:
        self.sessions = data / "sessions"
        self.known: dict[str, Journal] = {}

    def learn(self) -> None:
        """Read what was added since the last look. Also right after a kill."""
        for name in names_of(self.sessions):
            self.known.setdefault(name, Journal(name)).learn(self.sessions)

    @property
    def newest(self) -> Journal | None:
        return self.known[max(self.known)] if self.known else None

    def session_of(self, client_id: str) -> Journal | None:
        """Whose epoch it is."""
        parsed = parse_client_id(client_id.partition("_")[0])
        epoch = parsed.epoch if parsed is not None else ""
        return next((one for one in self.known.values() if epoch in one.epochs), None)

    def faults(self) -> list[str]:
        """What journals contradict within themselves, and ids that two sessions used."""
        found = [f"{one.session}: {fault}" for one in self.known.values() for fault in one.faults]
        used = Counter(client_id for one in self.known.values() for client_id in one.dispatches)
        return found + [
            f"client id {name} is in {count} sessions" for name, count in used.items() if count > 1
        ]


def names_of(sessions: Path) -> list[str]:
    """Sessions that have a journal with a segment in it, oldest first."""
    segments = sessions.glob("*/journal/[0-9]*")
    return sorted({path.parent.parent.name for path in segments if path.is_dir()})


def as_told(one: Mapping[str, Any], fee_decimals: int, rules: InstrumentDefined) -> tuple[object, ...]:
    """A line of the venue's own list of fills, in the same form."""
    return (
        Side.BUY if one["isBuyer"] else Side.SELL,
        parse_decimal(one["price"], rules.price_decimals),
        parse_decimal(one["qty"], rules.qty_decimals),
        parse_decimal(one["commission"], fee_decimals),
        fee_decimals,
        one["commissionAsset"],
        str(one["orderId"]),
    )


def told(fill: OrderFill) -> tuple[object, ...]:
    """What of a fill must be the same in every telling."""
    return (
        fill.side,
        fill.price,
        fill.qty,
        fill.fee.value,
        fill.fee_decimals,
        fill.fee_asset,
        fill.venue_order_id,
    )


def check_requests(requests: Iterable[dict[str, Any]], journals: Journals) -> list[str]:
    """Every request that the venue saw was dispatched, durably and once."""
    faults = []
    seen: Counter[str] = Counter()
    for one in requests:
        client_id = one["client_id"]
        seen[client_id] += 1
        session = journals.session_of(client_id)
        dispatch = session.dispatches.get(client_id) if session is not None else None
        if dispatch is None:
            faults.append(f"the venue saw {one['kind']} {client_id!r}, which no journal holds")
        elif dispatch[1].request.kind is not KINDS.get(one["kind"]):
            faults.append(
                f"{client_id} was sent as {one['kind']}, dispatched as {dispatch[1].request.kind.name}"
            )
    faults += [f"the venue saw {client_id} {count} times" for client_id, count in seen.items() if count > 1]
    return faults


def check_orders(views: Views, journals: Journals) -> list[str]:
    """One successful request, one order at the venue; one New of an Order, and no more."""
    made = [one for one in views.requests if one["kind"] in PLACES and one["code"] == 0]
    faults = []
    if len(made) != len(views.orders):
        faults.append(f"{len(made)} requests made orders, the venue has {len(views.orders)}")
    faults += [
        f"order {one['orderId']} as {one['clientOrderId']} is of no session"
        for one in views.orders
        if journals.session_of(one["clientOrderId"]) is None
    ]
    for journal in journals.known.values():
        news = Counter(
            dispatch.request.order_id
            for _, dispatch in journal.dispatches.values()
            if dispatch.request.kind is RequestKind.NEW
        )
        faults += [f"order {order_id} has {count} News" for order_id, count in news.items() if count > 1]
    return faults


def check_fills(views: Views, journals: Journals) -> list[str]:
    """The journals hold the venue's fills, each with its terms, and no other."""
    faults, there = [], set()
    for one in views.fills:
        journal = journals.session_of(one["clientOrderId"])
        name = f"{VENUE}:{one['symbol']}"
        fill = journal.fills.get((name, one["id"])) if journal is not None else None
        there.add((name, one["id"]))
        if fill is None or journal is None:
            faults.append(f"fill {one['id']} of {name}, {one['clientOrderId']}, is in no journal")
            continue
        expected = as_told(one, fill.fee_decimals, journal.instruments[name])
        if told(fill) != expected:
            faults.append(f"fill {one['id']} of {name} is journalled as {told(fill)}, is {expected}")
    for journal in journals.known.values():
        faults += [f"journalled fill {key} never was" for key in journal.fills if key not in there]
    return faults


def check_position(
    name: str, position: Position, fills: list[dict[str, Any]], rules: InstrumentDefined
) -> list[str]:
    """``position`` against the sum of the venue's ``fills`` of one session and instrument, in exact integers."""
    qty = cash = base_fees = 0
    for one in fills:
        sign = 1 if one["isBuyer"] else -1
        traded = parse_decimal(one["qty"], rules.qty_decimals)
        qty += sign * traded
        cash -= sign * traded * parse_decimal(one["price"], rules.price_decimals)
        if one["commissionAsset"] == rules.base:
            base_fees += parse_decimal(one["commission"], rules.qty_decimals)
    faults = []
    if position.qty != qty - base_fees:
        faults.append(f"{name}: position {position.qty}, the venue's fills make {qty - base_fees}")
    held = position.cost if position.qty > 0 else -position.cost
    if position.realised - held != cash:
        faults.append(f"{name}: realised {position.realised} and cost {held} do not make the cash {cash}")
    return faults


def check_state(state: State, journal: Journal, journals: Journals, fills: list[dict[str, Any]]) -> list[str]:
    """What a session ended with: positions of its own fills, and nothing left to settle."""
    execution, faults = state.execution, []
    own = [one for one in fills if journals.session_of(one["clientOrderId"]) is journal]
    for name, rules in journal.instruments.items():
        of_it = [one for one in own if f"{VENUE}:{one['symbol']}" == name]
        faults += check_position(name, execution.position(name), of_it, rules)
    left = {
        "inflight requests": execution.requests,
        "requests of unknown fate": execution.unresolved,
        "orders in doubt": execution.in_doubt,
        "fills to be asked for": execution.fetch_fills,
        "pending Intents": execution.queue.pending,
        "trading states": state.control.trading,
        "kill records": state.control.kill,
    }
    faults += [f"{what} are left: {list(found)[:SHOWN]}" for what, found in left.items() if found]
    if state.control.phase is not SessionPhase.STOPPED:
        faults.append(f"the session ended {state.control.phase.name}")
    counts, queue = execution.counts, execution.queue
    if counts.total != counts.denied + counts.withdrawn + counts.dispatched + queue.superseded + len(
        queue.pending
    ):
        faults.append(f"Intents are not conserved: {counts}, {queue.superseded} superseded")
    return faults


def check_account(state: State, journal: Journal, views: Views) -> list[str]:
    """Balances and open orders of the newest session are the venue's; what is free and what is locked only where the
    venue had the time to say so."""
    known = state.execution.balances.get(VENUE, {})
    faults = []
    for one in views.account["balances"]:
        held = known.get(one["asset"])
        if held is None:
            faults.append(f"{one['asset']} has no balance")
            continue
        expected = (parse_decimal(one["free"], held.decimals), parse_decimal(one["locked"], held.decimals))
        if not journal.balances_are_complete:
            continue
        if (held.free, held.locked) != expected:
            faults.append(f"{one['asset']}: {held.free} free, {held.locked} locked; the venue has {expected}")
    ours = sorted(order.client_id for order in state.execution.orders.values())
    theirs = sorted(one["clientOrderId"] for one in views.open)
    if ours != theirs:
        faults.append(f"open orders {ours[:SHOWN]}, the venue has {theirs[:SHOWN]}")
    return faults


def check_snapshots(sessions: Path, session: str, whole: ReplayResult, last_seq: int) -> list[str]:
    """From every snapshot on the rest of the journal leads to the same State."""
    found = list(snapshots(sessions, session, last_seq, SEMANTICS_VERSION))
    files = [path for path in (sessions / session / "snapshots").glob("*") if path.name.isdigit()]
    faults = (
        [f"{len(files) - len(found)} of {len(files)} snapshots are not usable"]
        if len(files) > len(found)
        else []
    )
    for snapshot in found[:: -(-len(found) // SNAPSHOTS_MAX) or 1]:
        with JournalReader.open(sessions, session) as reader:
            header = reader.header
            configuration = Configuration.from_plain(msgspec.json.decode(header.configuration), "header")
            strategy = strategy_of(header, configuration)
            state = State.restore(snapshot.state, type(strategy.memory))
            fold = Refold(CoreRuntime(configuration, strategy, state))
            all(map(fold.take, reader.records(snapshot.seq + 1)))
        if not fold.ends_whole() or fold.runtime.state.digest() != whole.digest:
            faults.append(f"snapshot {snapshot.seq} leads to {fold.difference or 'another digest'}")
    return faults


def check_replay(sessions: Path, session: str) -> tuple[list[str], ReplayResult, State]:
    """No gap, every commit in the chain, every decision made again."""
    with JournalReader.open(sessions, session) as reader:
        again = Replay(reader)
        result = again.run()
    sound = result.identical and result.complete and result.chain_ok
    faults = [] if sound else [f"replay: {result.damage or result.first_difference or 'not comparable'}"]
    return faults, result, again.state


def check(data: Path, venue: Any, journals: Journals | None = None) -> list[str]:
    """Everything, after the newest session of ``data`` stopped in order; ``journals`` may know a part already."""
    journals = journals if journals is not None else Journals(data)
    journals.learn()
    views = Views.of(venue)
    faults = journals.faults() + check_requests(views.requests, journals)
    faults += check_orders(views, journals) + check_fills(views, journals)
    journal = journals.newest
    if journal is None:
        return [*faults, "there is no session"]
    broken, result, state = check_replay(journals.sessions, journal.session)
    faults += (
        broken + check_state(state, journal, journals, views.fills) + check_account(state, journal, views)
    )
    if result.events != journal.last_seq:
        faults.append(f"{result.events} records, the last one is seq {journal.last_seq}")
    faults += check_snapshots(journals.sessions, journal.session, result, journal.last_seq)
    return [f"{journal.session}: {fault}" for fault in faults]
