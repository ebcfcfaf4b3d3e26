"""Does a running or ended session agree with its venue, after faults of every kind? What all chaos runs ask.

The venue's simulator-only views are the truth. Unlike :mod:`tests.campaigns.agreement`, which it builds upon, it knows
that somebody else may trade on the account, and it can be asked while orders are open. Answers are sentences about what
differs: an empty list is agreement. Any one thread; ``State`` only while nobody changes it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from livestack.core.events import OrderFill, OrderReport, Recorded
from livestack.core.orders import Order
from livestack.core.state import State
from livestack.core.types import (
    ConnectionStatus,
    InstrumentStatus,
    OrderStatus,
    RequestKind,
    Side,
    parse_client_id,
    parse_decimal,
)
from livestack.simulator.binance_spot.venue import BinanceSpotVenue
from tests.campaigns.agreement import (
    KINDS,
    MOVES,
    PLACES,
    SHOWN,
    VENUE,
    Journal,
    as_told,
    check_position,
    check_replay,
    told,
)

STATUS = {
    "NEW": OrderStatus.ACCEPTED,
    "PENDING_NEW": OrderStatus.ACCEPTED,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELLED,
    "EXPIRED": OrderStatus.CANCELLED,
    "EXPIRED_IN_MATCH": OrderStatus.CANCELLED,
    "REJECTED": OrderStatus.CANCELLED,
}
OPEN = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)


class VenueViews(msgspec.Struct, frozen=True):
    """What the venue knows, taken at one moment. ``external``: ids of orders that somebody else placed."""

    requests: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    fills: list[dict[str, Any]]
    account: dict[str, Any]
    external: frozenset[int]
    violations: dict[str, int]

    @classmethod
    def of(cls, venue: BinanceSpotVenue, now_ns: int) -> VenueViews:
        """Look at ``venue`` itself; ``now_ns`` is its time."""

        def look(name: str) -> Any:
            _, _, body = venue.rest("GET", f"/sim/{name}", "", {}, b"", now_ns)
            return json.loads(body)

        return cls(
            requests=look("orders"),
            orders=look("history"),
            fills=look("fills"),
            account=look("account"),
            external=frozenset(venue.external_orders),
            violations=dict(venue.violations),
        )

    @property
    def own_orders(self) -> list[dict[str, Any]]:
        return [one for one in self.orders if one["orderId"] not in self.external]

    @property
    def own_fills(self) -> list[dict[str, Any]]:
        return [one for one in self.fills if one["orderId"] not in self.external]


class Story(Journal):
    """A journal, and which Order each of the venue's order ids belongs to."""

    def __init__(self, session: str) -> None:
        super().__init__(session)
        self.owners: dict[tuple[str, str], int] = {}
        self.kinds: Counter[str] = Counter()
        self.told: dict[tuple[str, int, Side], OrderFill] = {}

    def _take(self, seq: int, event: object) -> None:
        super()._take(seq, event)
        self.kinds[type(event).__name__] += 1
        if isinstance(event, (*MOVES, OrderReport)) and event.venue_order_id and event.order_id:
            self.owners.setdefault((event.instrument, event.venue_order_id), event.order_id)

    def _fill(self, seq: int, event: OrderFill) -> None:
        """A trade of the account with itself, somebody else's order against ours, is one id and two fills."""
        first = self.told.setdefault((event.instrument, event.fill_id, event.side), event)
        if told(first) != told(event):
            self.faults.append(f"seq {seq} tells fill {event.fill_id} of {event.instrument} differently")

    @classmethod
    def of_state(cls, state: State) -> Story:
        """What State itself knows of it, for a look at a session whose journal is open elsewhere."""
        story, execution = cls(state.control.session), state.execution
        story.epochs = list(execution.epochs)
        story.instruments = {name: one.definition for name, one in state.market.instruments.items()}
        for order in (*execution.closed.values(), *execution.orders.values()):
            if order.venue_order_id:
                story.owners[order.instrument, order.venue_order_id] = order.order_id
        return story

    def take(self, records: Iterable[Recorded]) -> None:
        """Learn from ``records`` themselves: those behind what is known already."""
        for record in records:
            if record.seq > self.last_seq:
                self.last_seq = record.seq
                self._take(record.seq, record.event)

    def owner(self, order: dict[str, Any]) -> int:
        """The Order ID of one of the venue's orders; 0 where it is of none."""
        key = (f"{VENUE}:{order['symbol']}", str(order["orderId"]))
        parsed = parse_client_id(order["clientOrderId"].partition("_")[0])
        if parsed is not None and parsed.epoch in self.epochs:
            return parsed.order_id
        return self.owners.get(key, 0)


def differences(state: State, story: Story, views: VenueViews) -> list[str]:
    """Everything that can be compared while orders are open."""
    return [
        *unsettled(state),
        *check_orders(state, story, views),
        *check_positions(state, story, views),
        *check_balances(state, views),
        *check_external(state, views),
    ]


def unsettled(state: State) -> list[str]:
    """What the session does not know yet."""
    execution = state.execution
    left = {
        "inflight requests": execution.requests,
        "requests of unknown fate": execution.unresolved,
        "orders in doubt": execution.in_doubt,
        "fills to be asked for": execution.fetch_fills,
        "pending Intents": execution.queue.pending,
    }
    return [f"{what} are left: {list(found)[:SHOWN]}" for what, found in left.items() if found]


def not_trading(state: State) -> list[str]:
    """Why the session does not trade, although nothing is wrong with its venue any more."""
    control, faults = state.control, []
    if control.trading:
        faults.append(f"trading states are left: {control.trading}")
    if control.incidents:
        faults.append(f"incidents are left: {control.incidents}")
    if control.kill:
        faults.append(f"kill records are left: {list(control.kill)}")
    if not control.strategy_enabled or control.strategy_failures:
        faults.append(f"the strategy failed {control.strategy_failures} times")
    faults += [
        f"venue {venue} is {status.name}"
        for venue, status in control.venue_status.items()
        if status is not ConnectionStatus.LIVE
    ]
    for name, market in state.market.instruments.items():
        if not market.is_live:
            faults.append(
                f"the market of {name} is {market.status.name}, its book valid: {market.book.valid}"
            )
        if market.definition.status is not InstrumentStatus.TRADING:
            faults.append(f"{name} is {market.definition.status.name}")
    return faults


def check_orders(state: State, story: Story, views: VenueViews) -> list[str]:
    """Each Order is what its incarnations at the venue are, and nothing is open on one side alone."""
    faults: list[str] = []
    groups: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for one in views.own_orders:
        owner = story.owner(one)
        if not owner:
            faults.append(f"order {one['orderId']} as {one['clientOrderId']} is nobody's")
        groups[owner].append(one)
    groups.pop(0, None)
    execution = state.execution
    for order_id, incarnations in groups.items():
        order = execution.order(order_id)
        if order is None:
            faults.append(f"order {order_id} is at the venue, not in State")
        else:
            faults += _check_order(state, order, incarnations)
    for order in (*execution.orders.values(), *execution.closed.values()):
        if order.order_id in groups or order.foreign_id:
            continue
        if order.status is not OrderStatus.REJECTED:
            faults.append(f"order {order.order_id} is {order.status.name}, the venue never had it")
    return faults


def _check_order(state: State, order: Order, incarnations: list[dict[str, Any]]) -> Iterator[str]:
    last = max(incarnations, key=lambda one: one["orderId"])
    name = f"order {order.order_id} ({order.client_id}, at the venue {last['orderId']})"
    rules = state.market.instruments[order.instrument].definition
    filled = sum(parse_decimal(one["executedQty"], rules.qty_decimals) for one in incarnations)
    if order.filled_qty != filled:
        yield f"{name} has {order.filled_qty} filled, the venue {filled}"
    expected = STATUS[last["status"]]
    if expected in OPEN:
        expected = OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.ACCEPTED
        if order.client_id != last["clientOrderId"]:
            yield f"{name} is known at the venue as {last['clientOrderId']}"
    if order.status is not expected:
        yield f"{name} is {order.status.name} ({order.reason}), the venue has {last['status']}"
    if order.venue_order_id != str(last["orderId"]):
        yield f"{name} has the venue id {order.venue_order_id!r}"
    if order.anomalous:
        yield f"{name} is anomalous"
    others = [one["orderId"] for one in incarnations if one is not last and STATUS[one["status"]] in OPEN]
    if others:
        yield f"{name} is also open as {others}"


def check_positions(state: State, story: Story, views: VenueViews) -> list[str]:
    """Positions are the sums of the venue's own fills."""
    faults = []
    for name, rules in story.instruments.items():
        of_it = [one for one in views.own_fills if f"{VENUE}:{one['symbol']}" == name]
        faults += check_position(name, state.execution.position(name), of_it, rules)
    return faults


def check_balances(state: State, views: VenueViews) -> list[str]:
    """Every asset that the session knows of is what the venue has."""
    known, faults = state.execution.balances.get(VENUE, {}), []
    for one in views.account["balances"]:
        held = known.get(one["asset"])
        if held is None:
            faults.append(f"{one['asset']} has no balance")
            continue
        expected = (parse_decimal(one["free"], held.decimals), parse_decimal(one["locked"], held.decimals))
        if (held.free, held.locked) != expected:
            faults.append(f"{one['asset']}: {held.free} free, {held.locked} locked; the venue has {expected}")
    return faults


def check_external(state: State, views: VenueViews) -> list[str]:
    """What somebody else has open is shown as that, and no Order is theirs."""
    open_there = {
        one["clientOrderId"]
        for one in views.orders
        if one["orderId"] in views.external and STATUS[one["status"]] in OPEN
    }
    known = {client_id for _, client_id in state.execution.external}
    faults = []
    if known != open_there:
        faults.append(f"external orders {sorted(known)[:SHOWN]}, open are {sorted(open_there)[:SHOWN]}")
    ids = {str(one) for one in views.external}
    orders = (*state.execution.orders.values(), *state.execution.closed.values())
    return faults + [
        f"order {order.order_id} is somebody else's" for order in orders if order.venue_order_id in ids
    ]


def check_fills(story: Story, views: VenueViews) -> list[str]:
    """The journal holds each own fill of the venue with its terms, and no other but somebody else's."""
    faults, own = [], set()
    for one in views.own_fills:
        name = f"{VENUE}:{one['symbol']}"
        side = Side.BUY if one["isBuyer"] else Side.SELL
        own.add((name, one["id"], side))
        fill = story.told.get((name, one["id"], side))
        if fill is None:
            faults.append(f"fill {one['id']} of {name}, {one['clientOrderId']}, is not in the journal")
            continue
        expected = as_told(one, fill.fee_decimals, story.instruments[name])
        if told(fill) != expected:
            faults.append(f"fill {one['id']} of {name} is journalled as {told(fill)}, is {expected}")
    for key, fill in story.told.items():
        if key in own:
            continue
        if fill.venue_order_id not in {str(one) for one in views.external}:
            faults.append(f"journalled fill {key} never was")
    return faults


def check_requests(story: Story, views: VenueViews) -> list[str]:
    """Every order request that the venue took was dispatched before, durably, and reached it once."""
    faults, seen = list(story.faults), Counter[str]()
    for one in views.requests:
        client_id = one["client_id"]
        if one["kind"] not in KINDS or not client_id:
            continue
        seen[client_id] += 1
        dispatch = story.dispatches.get(client_id)
        if dispatch is None:
            faults.append(f"the venue saw {one['kind']} {client_id!r}, which the journal does not hold")
        elif dispatch[1].request.kind is not KINDS[one["kind"]]:
            faults.append(f"{client_id} came as {one['kind']}, dispatched as {dispatch[1].request.kind.name}")
    faults += [f"the venue saw {client_id} {count} times" for client_id, count in seen.items() if count > 1]
    places = sum(one["kind"] in PLACES for one in views.requests)
    if len(views.own_orders) > places:
        faults.append(f"{places} requests made {len(views.own_orders)} orders")
    news = Counter(
        dispatch.request.order_id
        for _, dispatch in story.dispatches.values()
        if dispatch.request.kind is RequestKind.NEW
    )
    return faults + [f"order {order_id} has {count} News" for order_id, count in news.items() if count > 1]


def check_limits(views: VenueViews) -> list[str]:
    """Nothing for which the venue would have banned us."""
    return [f"limit broken: {name} {count} times" for name, count in views.violations.items() if count]


def check_end(sessions: Path, story: Story, views: VenueViews) -> list[str]:
    """After an ordered stop: everything, against the State that a replay makes."""
    story.learn(sessions)
    faults, result, state = check_replay(sessions, story.session)
    faults += check_requests(story, views) + check_fills(story, views) + check_limits(views)
    faults += [*unsettled(state), *check_orders(state, story, views), *check_positions(state, story, views)]
    faults += check_external(state, views)
    if story.balances_are_complete:  # a stop may be quicker than the word of what its last cancels set free
        faults += check_balances(state, views)
    if state.execution.orders:
        faults.append(f"orders are left open: {list(state.execution.orders)[:SHOWN]}")
    counts, queue = state.execution.counts, state.execution.queue
    if counts.total != counts.denied + counts.withdrawn + counts.dispatched + queue.superseded:
        faults.append(f"Intents are not conserved: {counts}, {queue.superseded} superseded")
    if result.events != story.last_seq:
        faults.append(f"{result.events} records, the last one is seq {story.last_seq}")
    return faults
