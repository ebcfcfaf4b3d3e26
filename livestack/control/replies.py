"""A view as messages: what :mod:`livestack.control.view` pictures, in the words of ``control.proto``.

Pure; decimals are texts from here on. Any thread.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from livestack.control.view import (
    FillView,
    IncidentView,
    InstrumentView,
    KillView,
    OrderView,
    PositionView,
    SinkView,
    VenueView,
    View,
)
from livestack.core.configuration import Configuration
from livestack.core.incidents import BY_NAME
from livestack.core.types import DECIMALS_MAX, format_decimal
from livestack.wire import control_pb2 as pb

PROTOCOL = 1
"""Version of the messages."""


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """What the node knows beside State. ``now_ns``: session time of the reply. ``holds``: (name, venue, instrument)."""

    node: str
    now_ns: int
    started_at_ns: int
    guard: str
    holds: tuple[tuple[str, str, str], ...] = ()
    sinks: tuple[SinkView, ...] = ()
    dead_man_ns: int = 0
    operator_silent_ns: int = 0


def decimal(value: int, decimals: int) -> str:
    """Exact; ``5e-1000`` where a foreign Event has decimals that cannot be: nobody wants a text of so many zeros.

    Quantity and price decimals together make an amount's.
    """
    if not 0 <= decimals <= 2 * DECIMALS_MAX:
        return f"{value}e{-decimals}"
    return format_decimal(value, decimals)


def age_ms(view: View, now_ns: int) -> int:
    """How old what is shown is."""
    return max(now_ns - view.ts, 0) // 1_000_000


def status(view: View, host: Host) -> pb.Status:
    """Everything at a glance."""
    whys = {scope: why for scope, why, _ in view.trading_whys}
    return pb.Status(
        session=view.session,
        node=host.node,
        phase=view.phase,
        trading_state=view.trading_state.name.lower(),
        trading=[
            pb.Scoped(scope=scope, value=state.name.lower(), why=whys.get(scope, ""))
            for scope, state in view.trading
        ],
        kill_switch=kill_scopes(view.kill),
        config_version=view.configuration.version,
        config_digest=view.configuration.digest(),
        seq=view.seq,
        age_ms=age_ms(view, host.now_ns),
        feeds=feeds(view, host.now_ns).feeds,
        venues=[_venue(one) for one in view.venues],
        incidents=[_incident(one, host.now_ns) for one in view.incidents],
        strategy_enabled=view.strategy_enabled,
        open_orders=sum(one.open_orders for one in view.venues),
        unknown_orders=sum(one.unknown_orders for one in view.venues),
        holds=[pb.Hold(name=name, venue=venue, instrument=one) for name, venue, one in host.holds],
        started_at_ns=host.started_at_ns,
        guard=host.guard,
        events=view.events,
        dispatches=view.dispatches,
        fills=view.fills_total,
        denied=view.denied,
        sinks=[sink(one) for one in host.sinks],
        dead_man_ms=host.dead_man_ns // 1_000_000,
        operator_silent_ms=host.operator_silent_ns // 1_000_000,
    )


def sink(one: SinkView) -> pb.Sink:
    return pb.Sink(
        name=one.name,
        address=one.address,
        through=one.through,
        behind=one.behind,
        lag_ms=one.lag_ns // 1_000_000,
        state=one.state,
        error=one.error,
        dead_letters=one.dead_letters,
    )


def kill_scopes(scopes: Iterable[KillView]) -> list[pb.KillScope]:
    return [
        pb.KillScope(scope=one.scope, trigger=one.trigger, by=one.by, reason=one.reason) for one in scopes
    ]


def order(one: OrderView) -> pb.Order:
    return pb.Order(
        order_id=one.order_id,
        client_id=one.client_id,
        venue_order_id=one.venue_order_id,
        venue=one.venue,
        instrument=one.instrument,
        side=one.side.name.lower(),
        type="" if one.type is None else one.type.name.lower(),
        status=one.status,
        price=decimal(one.price, one.price_decimals),
        qty=decimal(one.qty, one.qty_decimals),
        filled_qty=decimal(one.filled_qty, one.qty_decimals),
        unknown=one.unknown,
        cancelling=one.cancelling,
        external=one.external,
    )


def orders(view: View, now_ns: int) -> pb.Orders:
    return pb.Orders(
        age_ms=age_ms(view, now_ns), orders=[order(one) for one in view.orders], total=view.orders_total
    )


def positions(view: View, now_ns: int) -> pb.Positions:
    return pb.Positions(age_ms=age_ms(view, now_ns), positions=[_position(one) for one in view.positions])


def _position(one: PositionView) -> pb.Position:
    decimals = one.price_decimals + one.qty_decimals
    return pb.Position(
        instrument=one.instrument,
        qty=decimal(one.qty, one.qty_decimals),
        average_price=decimal(one.average_price, one.price_decimals),
        realised_pnl=decimal(one.realised, decimals),
        unrealised_pnl="" if one.unrealised is None else decimal(one.unrealised, decimals),
        currency=one.currency,
        fees=[pb.Amount(asset=asset, amount=decimal(amount, places)) for asset, amount, places in one.fees],
    )


def fills(view: View, now_ns: int, last: int) -> pb.Fills:
    """The newest ``last``, oldest first; 0: all that the view has."""
    shown = view.fills[-last:] if last else view.fills
    return pb.Fills(age_ms=age_ms(view, now_ns), fills=[_fill(one) for one in shown])


def _fill(one: FillView) -> pb.Fill:
    return pb.Fill(
        seq=one.seq,
        ts_ns=one.ts,
        order_id=max(one.order_id, 0),  # of no order of ours
        venue=one.venue,
        instrument=one.instrument,
        side=one.side.name.lower(),
        price=decimal(one.price, one.price_decimals),
        qty=decimal(one.qty, one.qty_decimals),
        fee=decimal(one.fee, one.fee_decimals),
        fee_asset=one.fee_asset,
        liquidity=one.liquidity,
        fill_id=str(one.fill_id),
    )


def feeds(view: View, now_ns: int) -> pb.Feeds:
    by_venue = [
        pb.Feed(
            venue=venue.venue,
            status=venue.feed_status,
            instruments=[_instrument(one, now_ns) for one in view.instruments if one.venue == venue.venue],
        )
        for venue in view.venues
    ]
    return pb.Feeds(age_ms=age_ms(view, now_ns), feeds=by_venue)


def _instrument(one: InstrumentView, now_ns: int) -> pb.FeedInstrument:
    def price(value: int) -> str:
        return decimal(value, one.price_decimals) if value else ""

    return pb.FeedInstrument(
        instrument=one.instrument,
        status=one.status,
        book_valid=one.book_valid,
        bid=price(one.bid),
        ask=price(one.ask),
        last=price(one.last),
        age_ms=max(now_ns - one.recv_ns, 0) // 1_000_000 if one.recv_ns else -1,
    )


def venues(view: View, now_ns: int) -> pb.Venues:
    return pb.Venues(age_ms=age_ms(view, now_ns), venues=[_venue(one) for one in view.venues])


def _venue(one: VenueView) -> pb.Venue:
    return pb.Venue(
        venue=one.venue,
        status=one.status,
        open_orders=one.open_orders,
        unknown_orders=one.unknown_orders,
        balances=[
            pb.Balance(asset=asset, free=decimal(free, decimals), locked=decimal(locked, decimals))
            for asset, free, locked, decimals in one.balances
        ],
        clock_offset_us=one.clock_offset_ns // 1_000,
    )


def _incident(one: IncidentView, now_ns: int) -> pb.Incident:
    """With what the catalogue says of it; of a name that it does not have, nothing."""
    known = BY_NAME.get(one.name)
    return pb.Incident(
        name=one.name,
        scope=one.scope,
        grade=one.grade,
        detail=one.detail,
        age_ms=max(now_ns - one.opened_ts, 0) // 1_000_000,
        meaning=known.meaning if known else "",
        look_at=known.look_at if known else "",
    )


def risk(view: View, now_ns: int) -> pb.Risk:
    """Every limit that is written, with how often its rule denied; and rules without a limit that denied."""
    denials = {rule: (count, detail) for rule, count, detail in view.denials}
    limits = [
        pb.RiskLimit(rule=rule, scope=scope, limit=text, denied=denials.get(rule, (0, ""))[0],
                     last_detail=denials.get(rule, (0, ""))[1])
        for scope, rule, text in _limits(view.configuration)
    ]  # fmt: skip
    written = {one.rule for one in limits}
    limits += [
        pb.RiskLimit(rule=rule, denied=count, last_detail=detail)
        for rule, (count, detail) in denials.items()
        if rule not in written
    ]
    return pb.Risk(age_ms=age_ms(view, now_ns), limits=limits)


def _limits(configuration: Configuration) -> Iterable[tuple[str, str, str]]:
    plain = configuration.plain().get("risk")
    assert isinstance(plain, dict)
    tables = [("", plain.get("defaults") or {})]
    tables += [*(plain.get("venue") or {}).items(), *(plain.get("instrument") or {}).items()]
    for scope, table in tables:
        for key, value in table.items():
            yield scope, key, value if isinstance(value, str) else msgspec.json.encode(value).decode()


def configuration(one: Configuration, versions: Iterable[int]) -> pb.Configuration:
    return pb.Configuration(
        version=one.version,
        digest=one.digest(),
        json=msgspec.json.encode(one.plain()).decode(),
        versions=list(versions),
    )
