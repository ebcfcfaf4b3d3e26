"""A view in the words of the public contract: decimals exact, ages in milliseconds, and no view without an answer."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.control import replies
from livestack.control.replies import Host
from livestack.control.view import IncidentView, SinkView, View, fill_view, view_of
from livestack.core.configuration import Configuration
from livestack.core.events import InputEvent, OrderFill, SetTradingState
from livestack.core.types import Amount, OrderStatus, TradingState
from livestack.wire import control_pb2 as pb
from tests.core import support
from tests.core.support import INSTRUMENT, Bench, configuration, definition
from tests.core.test_fuzz import SEQUENCES, fuzz, running_again, structs

MS = 1_000_000
INT64_MAX = 2**63 - 1


def host(view: View, later_ns: int = 0) -> Host:
    return Host(
        node="demo",
        now_ns=view.ts + later_ns,
        started_at_ns=5,
        guard="watching",
        holds=(("kill", "sim", ""), ("stall", "", "")),
    )


def test_sinks_of_records_are_told() -> None:
    """With what the node says of them at this moment, not with what the view says."""
    view = seen(traded())
    one = SinkView(
        name="pg", address="PostgreSQL", state="down", through=7, behind=3, lag_ns=2_500_000, error="away",
        dead_letters=1,
    )  # fmt: skip
    shown = replies.status(view, msgspec.structs.replace(host(view), sinks=(one,)))
    assert [
        pb.Sink(
            name="pg", address="PostgreSQL", state="down", through=7, behind=3, lag_ms=2, error="away",
            dead_letters=1,
        )
    ] == [*shown.sinks]  # fmt: skip


def traded() -> Bench:
    """A position of 0.004 at 99.90, an order that is open, and one of somebody else."""
    bench = Bench().start()
    order_id = bench.buy(qty=10, price=9_990)
    bench.feed(support.accepted(order_id))
    bench.feed(support.fill(order_id, 4, 1, fee=Amount.of(123)))
    bench.feed(support.report(0, OrderStatus.ACCEPTED, client_id="somebody-else"))
    return bench


def seen(bench: Bench, **beside: Any) -> View:
    return msgspec.structs.replace(view_of(bench.state, bench.seq, bench.ts), **beside)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (123, 2, "1.23"),
        (-5, 3, "-0.005"),
        (0, 0, "0"),
        (7, 36, "0." + "7".rjust(36, "0")),
        (7, 37, "7e-37"),
        (7, -2, "7e2"),
        (-7, 2**63, f"-7e-{2**63}"),
    ],
)
def test_a_decimal_is_exact_and_never_longer_than_a_line(value: int, decimals: int, text: str) -> None:
    """Decimals that cannot be are not written out: a foreign number of them would fill the memory."""
    assert text == replies.decimal(value, decimals)


def test_status_tells_everything_at_a_glance() -> None:
    """What State says, what the node says beside it, and how old it is."""
    bench = traded()
    bench.feed(support.killed(venue="sim"))
    incident = IncidentView("stall", "harness", "halting", "slow")
    view = seen(bench, incidents=(incident,), events=9, fills_total=1)
    shown = replies.status(view, host(view, 1_500 * MS))
    assert ("s", "demo", "running", "active", 1_500, bench.seq) == (
        shown.session, shown.node, shown.phase, shown.trading_state, shown.age_ms, shown.seq,
    )  # fmt: skip
    assert [pb.KillScope(scope="sim", trigger="operator", by="op", reason="because")] == [*shown.kill_switch]
    assert [("kill", "sim"), ("stall", "")] == [(one.name, one.venue) for one in shown.holds]
    assert [("stall", "harness", "halting", "slow")] == [
        (one.name, one.scope, one.grade, one.detail) for one in shown.incidents
    ]
    assert (1, 0, 9, 2, 1, 0, True) == (
        shown.open_orders, shown.unknown_orders, shown.events, shown.dispatches, shown.fills, shown.denied,
        shown.strategy_enabled,
    )  # fmt: skip
    assert (1, bench.state.configuration.digest(), 5, "watching") == (
        shown.config_version, shown.config_digest, shown.started_at_ns, shown.guard,
    )  # fmt: skip


def test_trading_states_are_told_by_scope() -> None:
    """In lower case, and nothing for what nobody set."""
    bench = Bench().start()
    assert [] == [*replies.status(seen(bench), host(seen(bench))).trading]
    halt = SetTradingState(TradingState.HALTED, "", INSTRUMENT)
    bench.feed(support.command(halt))
    (one,) = replies.status(seen(bench), host(seen(bench))).trading
    assert (INSTRUMENT, "halted") == (one.scope, one.value)


def test_orders_have_exact_decimals() -> None:
    """Ours and somebody else's; the total counts those that are not listed."""
    view = msgspec.structs.replace(seen(traded()), orders_total=1_234)
    answer = replies.orders(view, view.ts + 2 * MS)
    ours, foreign = answer.orders
    assert (2, 1_234) == (answer.age_ms, answer.total)
    assert ("buy", "limit", "partially_filled", "99.90", "0.010", "0.004", False) == (
        ours.side, ours.type, ours.status, ours.price, ours.qty, ours.filled_qty, ours.external,
    )  # fmt: skip
    assert (True, "", "somebody-else") == (foreign.external, foreign.type, foreign.client_id)


def test_positions_have_exact_results_and_none_where_there_is_no_price() -> None:
    """In price and quantity decimals together; empty is not zero."""
    bench = traded()
    view = seen(bench)
    (held,) = replies.positions(view, view.ts).positions
    assert ("0.004", "99.90", "0.00000", "0.00040", "USDT") == (
        held.qty, held.average_price, held.realised_pnl, held.unrealised_pnl, held.currency,
    )  # fmt: skip
    assert [("BNB", "0.00000123")] == [(one.asset, one.amount) for one in held.fees]
    bench.quote(bid=0, ask=0)
    assert [""] == [one.unrealised_pnl for one in replies.positions(seen(bench), bench.ts).positions]


def test_the_newest_fills_come_last() -> None:
    """As many as were asked for; 0: all that there are."""
    shown = tuple(fill_view(seq, seq, support.fill(1, 4, seq), definition()) for seq in (7, 8, 9))
    view = seen(Bench().start(), fills=shown)
    assert [[7, 8, 9], [8, 9], [7, 8, 9]] == [
        [one.seq for one in replies.fills(view, view.ts, last).fills] for last in (0, 2, 10_000)
    ]
    (last,) = replies.fills(view, view.ts, 1).fills
    assert ("99.90", "0.004", "0.00000000", "BNB", "maker", "9") == (
        last.price, last.qty, last.fee, last.fee_asset, last.liquidity, last.fill_id,
    )  # fmt: skip


def test_a_fill_with_decimals_that_cannot_be_is_a_short_text() -> None:
    """The Core refuses it; it was received all the same, and is shown."""
    fill = support.fill(1, 4, 1, fee=Amount.of(5), fee_decimals=INT64_MAX)
    view = seen(Bench().start(), fills=(fill_view(1, 1, fill, definition()),))
    assert [f"5e-{INT64_MAX}"] == [one.fee for one in replies.fills(view, view.ts, 0).fills]


def test_feeds_tell_prices_and_ages() -> None:
    """Of what was never heard the age is -1, and a price that is not there is empty."""
    bench = Bench().start(definition(), quoted=False)
    (feed,) = replies.feeds(seen(bench), bench.ts).feeds
    (one,) = feed.instruments
    assert ("sim", "live", -1, "", "") == (feed.venue, feed.status, one.age_ms, one.bid, one.ask)
    bench.quote(bid=9_990, ask=10_010)
    (feed,) = replies.feeds(seen(bench), bench.ts + 3 * MS).feeds
    assert ("99.90", "100.10", "", 3, "live") == (
        feed.instruments[0].bid, feed.instruments[0].ask, feed.instruments[0].last,
        feed.instruments[0].age_ms, feed.instruments[0].status,
    )  # fmt: skip


def test_venues_tell_balances_and_how_far_their_clock_is() -> None:
    """Exact, by asset; microseconds."""
    view = seen(Bench().start())
    far = msgspec.structs.replace(view.venues[0], clock_offset_ns=-2_500_000)
    (one,) = replies.venues(msgspec.structs.replace(view, venues=(far,)), view.ts).venues
    assert ("sim", "live", -2_500) == (one.venue, one.status, one.clock_offset_us)
    assert ("USDT", "1000000000.00000000", "0.00000000") == (
        one.balances[0].asset, one.balances[0].free, one.balances[0].locked,
    )  # fmt: skip


def test_risk_tells_every_limit_and_what_it_denied() -> None:
    """Defaults, those of a venue and an instrument; a rule that denied without a written limit is told too."""
    rules = configuration({"max_open_orders": 3})
    one = Configuration.from_plain(
        rules.plain()
        | {"risk": rules.plain()["risk"] | {"instrument": {INSTRUMENT: {"max_position": "1.5"}}}}
    )
    view = seen(
        Bench(one).start(),
        denials=(("max_open_orders", 4, "3 are open"), ("instrument_status", 1, "it is halted")),
    )
    limits = replies.risk(view, view.ts).limits
    assert ("", "3", 4, "3 are open") in [
        (one.scope, one.limit, one.denied, one.last_detail) for one in limits if one.rule == "max_open_orders"
    ]
    assert (INSTRUMENT, "1.5", 0) in [
        (one.scope, one.limit, one.denied) for one in limits if one.rule == "max_position"
    ]
    assert ("instrument_status", "", "", 1, "it is halted") == (
        limits[-1].rule, limits[-1].scope, limits[-1].limit, limits[-1].denied, limits[-1].last_detail,
    )  # fmt: skip


def test_the_configuration_is_told_whole() -> None:
    """As JSON that makes the same Configuration, with the versions that can be rolled back to."""
    active = configuration({"max_open_orders": 3})
    shown = replies.configuration(active, (1, 4))
    assert (active.version, active.digest(), [1, 4]) == (shown.version, shown.digest, [*shown.versions])
    assert active.digest() == Configuration.from_plain(json.loads(shown.json)).digest()


def test_an_age_is_never_negative() -> None:
    """A clock that is behind the view says 0."""
    view = seen(Bench().start())
    assert (0, 0, 1) == tuple(replies.age_ms(view, view.ts + ns) for ns in (-5 * MS, MS - 1, MS))


@fuzz(100)
@given(SEQUENCES, st.lists(structs(OrderFill), max_size=2))
def test_whatever_state_there_is_can_be_shown(
    sequence: list[tuple[InputEvent, int]], fills: list[OrderFill]
) -> None:
    """Every reachable State has a view, and every view all its replies; none is longer than its content."""
    running = running_again()
    for event, wait_ns in sequence:
        running.feed(event, wait_ns)
    state = running.runtime.state
    view = msgspec.structs.replace(
        view_of(state, running.seq, running.ts),
        fills=tuple(fill_view(1, 1, one, definition()) for one in fills),
    )
    now_ns = view.ts + 1
    answers = [
        replies.status(view, host(view)),
        replies.orders(view, now_ns),
        replies.positions(view, now_ns),
        replies.fills(view, now_ns, 0),
        replies.feeds(view, now_ns),
        replies.venues(view, now_ns),
        replies.risk(view, now_ns),
        replies.configuration(view.configuration, tuple(view.earlier)),
    ]
    assert 200_000 > sum(len(one.SerializeToString()) for one in answers)
