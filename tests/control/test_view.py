"""What operators are shown: every kind of order, positions with and without a price, and never more than can be."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given

from livestack.control import view as views
from livestack.control.view import KillView, View, fill_view, view_of
from livestack.core.events import InputEvent, SetConfiguration, SetTradingState
from livestack.core.intents import Cancel, New
from livestack.core.types import Amount, ConnectionStatus, OrderStatus, OrderType, Side, TradingState
from tests.core import support
from tests.core.support import INSTRUMENT, SECOND, Bench, configuration, definition
from tests.core.test_fuzz import SEQUENCES, fuzz, running_again

ALT = "alt:ETHUSDT"


def seen(bench: Bench) -> View:
    return view_of(bench.state, bench.seq, bench.ts)


def of(view: View, order_id: int) -> views.OrderView:
    return next(one for one in view.orders if one.order_id == order_id)


def test_an_order_is_shown_from_dispatch_to_its_end() -> None:
    """Submitted and unknown until it is answered, then accepted, partially filled, and gone when it is filled."""
    bench = Bench().start()
    order_id = bench.buy(qty=10, price=9_990)
    view = seen(bench)
    shown = of(view, order_id)
    assert ("submitted", 9_990, 10, 0, 2, 3) == (
        shown.status, shown.price, shown.qty, shown.filled_qty, shown.price_decimals, shown.qty_decimals,
    )  # fmt: skip
    assert (Side.BUY, OrderType.LIMIT, INSTRUMENT, "sim") == (
        shown.side, shown.type, shown.instrument, shown.venue,
    )  # fmt: skip
    assert (order_id,) == view.unknown  # in flight: a proof that nothing is left waits for it
    bench.feed(support.accepted(order_id))
    assert ("accepted", "v1", ()) == (
        of(seen(bench), order_id).status,
        of(seen(bench), order_id).venue_order_id,
        seen(bench).unknown,
    )
    bench.feed(support.fill(order_id, 4, 1))
    assert ("partially_filled", 4) == (
        of(seen(bench), order_id).status, of(seen(bench), order_id).filled_qty,
    )  # fmt: skip
    bench.feed(support.fill(order_id, 6, 2))
    assert ((), 0) == (seen(bench).orders, seen(bench).orders_total)


def test_a_pending_order_is_shown_before_it_leaves() -> None:
    """It waits for the venue's rate limit: no client id yet, and it is not counted as unknown."""
    bench = Bench(configuration(rate_limits=[{"kind": "ORDERS", "interval": "10s", "limit": 1}])).start()
    first, second = bench.buy(price=9_990), bench.buy(price=9_980)
    shown = of(seen(bench), second)
    assert ("pending", "", 9_980, 10) == (shown.status, shown.client_id, shown.price, shown.qty)
    assert (first,) == seen(bench).unknown


def test_an_order_of_unknown_fate_is_unknown_and_one_under_a_cancel_is_cancelling() -> None:
    """Two marks that do not depend on each other."""
    bench = Bench().start()
    lost, leaving = bench.buy(price=9_990), bench.buy(price=9_980)
    bench.feed(support.accepted(leaving))
    bench.want(Cancel(order_id=leaving))
    assert (False, True) == (of(seen(bench), leaving).unknown, of(seen(bench), leaving).cancelling)
    bench.feed(support.venue_status(ConnectionStatus.DISCONNECTED))
    bench.quote(wait_ns=60 * SECOND)
    bench.feed(support.events.ControlTime(scope="requests", deadline_ns=bench.ts))
    view = seen(bench)
    assert lost in bench.execution.unresolved
    assert (True, False) == (of(view, lost).unknown, of(view, lost).cancelling)
    assert {lost, leaving} == set(view.unknown)


def test_an_order_of_somebody_else_is_external() -> None:
    """It has the foreign client id and the quantity that is left; it counts, and it is none of ours."""
    bench = Bench().start()
    bench.feed(support.report(0, OrderStatus.ACCEPTED, client_id="somebody-else", filled_qty=4))
    (shown,) = seen(bench).orders
    assert (True, 0, "somebody-else", 6, None) == (
        shown.external, shown.order_id, shown.client_id, shown.qty, shown.type,
    )  # fmt: skip
    assert 1 == seen(bench).orders_total


def test_no_more_orders_are_listed_than_can_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is a number; but whatever is of unknown fate is listed, as a proof is made of it."""
    monkeypatch.setattr(views, "ORDERS_MAX", 2)
    bench = Bench().start()
    ids = [bench.buy(price=9_980 + number) for number in range(5)]
    for order_id in ids[:4]:
        bench.feed(support.accepted(order_id))
    view = seen(bench)
    assert ([ids[4], ids[0]], 5) == ([one.order_id for one in view.orders], view.orders_total)
    bench.feed(support.accepted(ids[4]))
    assert ids[:2] == [one.order_id for one in seen(bench).orders]


def test_a_position_with_a_price_has_a_result_and_without_one_has_none() -> None:
    """At the price at which it could be closed: the bid for a long. No price: None, and not zero."""
    bench = Bench().start()
    order_id = bench.buy(qty=10, price=9_990)
    bench.feed(support.accepted(order_id))
    bench.feed(support.fill(order_id, 10, 1, price=9_990, fee=Amount.of(5)))
    (held,) = seen(bench).positions
    assert (10, 9_990, 0, 100, "USDT", (("BNB", 5, 8),)) == (
        held.qty, held.average_price, held.realised, held.unrealised, held.currency, held.fees,
    )  # fmt: skip
    bench.quote(bid=0, ask=0)
    assert bench.state.market.instruments[INSTRUMENT].bid == 0
    (held,) = seen(bench).positions
    assert (10, None) == (held.qty, held.unrealised)


def test_a_flat_position_without_a_price_has_the_result_zero() -> None:
    """Nothing is held, so nothing depends on a price."""
    bench = Bench().start()
    order_id = bench.buy(qty=10, price=9_990)
    bench.feed(support.accepted(order_id))
    bench.feed(support.fill(order_id, 10, 1))
    sold = bench.new_id()
    bench.want(New(order_id=sold, instrument=INSTRUMENT, side=Side.SELL, qty=10, price=10_000))
    bench.feed(support.accepted(sold))
    bench.feed(support.fill(sold, 10, 2, price=10_000, side=Side.SELL))
    bench.quote(bid=0, ask=0)
    (held,) = seen(bench).positions
    assert (0, 0, 100, 0) == (held.qty, held.average_price, held.realised, held.unrealised)


def test_each_venue_has_its_own_orders_balances_and_status() -> None:
    """Nothing of one is shown under another."""
    bench = Bench().start(definition(), definition(ALT, base="ETH"))
    bench.buy()
    bench.feed(support.venue_status(ConnectionStatus.DEGRADED, "alt"))
    bench.feed(support.feed_status(ConnectionStatus.DISCONNECTED, "alt"))
    sim, alt = seen(bench).venues
    assert ("sim", "live", "live", 1, 0) == (
        sim.venue, sim.status, sim.feed_status, sim.open_orders, sim.unknown_orders,
    )  # fmt: skip
    assert ("alt", "degraded", "disconnected", 0) == (
        alt.venue, alt.status, alt.feed_status, alt.open_orders,
    )  # fmt: skip
    assert ("USDT", 10**17, 0, 8) in sim.balances
    assert [INSTRUMENT, ALT] == [one.instrument for one in seen(bench).instruments]


def test_the_kill_switch_and_trading_states_are_shown_by_scope() -> None:
    """Who pulled it and why; the strictest state that covers everything."""
    bench = Bench().start()
    bench.feed(support.killed(venue="sim"))
    view = seen(bench)
    assert (KillView("sim", "operator", "op", "because"),) == view.kill
    assert "running" == view.phase
    bench.feed(support.command(SetTradingState(TradingState.REDUCING, "", INSTRUMENT)))
    assert (TradingState.ACTIVE, ((INSTRUMENT, TradingState.REDUCING),)) == (
        seen(bench).trading_state, seen(bench).trading,
    )  # fmt: skip
    bench.feed(support.command(SetTradingState(TradingState.HALTED, "", "")))
    assert TradingState.HALTED is seen(bench).trading_state


def test_a_view_does_not_change_any_more() -> None:
    """What happens after it was taken is not in it, and nobody can write to it."""
    bench = Bench().start()
    order_id = bench.buy()
    view = seen(bench)
    before = msgspec.json.encode(msgspec.structs.asdict(view) | {"earlier": {}, "configuration": ""})
    bench.feed(support.accepted(order_id))
    bench.feed(support.fill(order_id, 4, 1))
    bench.feed(support.killed())
    bench.feed(support.command(SetConfiguration((("risk.defaults.max_open_orders", "3"),))))
    assert before == msgspec.json.encode(msgspec.structs.asdict(view) | {"earlier": {}, "configuration": ""})
    assert ({}, 1) == (view.earlier, view.configuration.version)
    assert ([1], 2) == ([*seen(bench).earlier], seen(bench).configuration.version)
    with pytest.raises(AttributeError):
        view.seq = 1  # type: ignore[misc]
    with pytest.raises(AttributeError):
        view.orders[0].qty = 1  # type: ignore[misc]


def test_a_fill_is_shown_in_its_instruments_decimals() -> None:
    """With what was paid for it."""
    fill = support.fill(7, 4, 9, fee=Amount.of(-3))
    shown = fill_view(12, 34, fill, definition())
    assert (12, 34, 7, 2, 3, -3, 8, "BNB", "maker", 9) == (
        shown.seq, shown.ts, shown.order_id, shown.price_decimals, shown.qty_decimals,
        shown.fee, shown.fee_decimals, shown.fee_asset, shown.liquidity, shown.fill_id,
    )  # fmt: skip


@fuzz(100)
@given(SEQUENCES)
def test_every_order_with_a_request_in_flight_is_in_the_picture(
    sequence: list[tuple[InputEvent, int]],
) -> None:
    """Whatever came before: a proof looks at ``unknown``, and finds each of them among the orders."""
    running = running_again()
    for event, wait_ns in sequence:
        running.feed(event, wait_ns)
    view = view_of(running.runtime.state, running.seq, running.ts)
    assert set(view.unknown) <= {one.order_id for one in view.orders}


def test_the_oldest_question_of_a_venue_counts_until_it_is_answered() -> None:
    """In flight or unresolved; 0 where every request has its answer."""
    bench = Bench().start()
    assert [0] == [one.asked_ts for one in seen(bench).venues]
    first = bench.buy(price=9_990)
    asked_ts = bench.ts
    bench.quote(wait_ns=SECOND)
    second = bench.buy(price=9_980)
    assert [asked_ts] == [one.asked_ts for one in seen(bench).venues]
    bench.feed(support.accepted(first))
    assert [True] == [one.asked_ts > asked_ts for one in seen(bench).venues]
    bench.feed(support.accepted(second))
    assert [0] == [one.asked_ts for one in seen(bench).venues]


def test_what_the_rate_limits_leave_is_shown_for_each_rule() -> None:
    """Also where nothing was sent yet; a venue without rules has none."""
    rules = [
        {"kind": "ORDERS", "interval": "10s", "limit": 5, "cancel_reserve": 2},
        {"kind": "WEIGHT", "interval": "1m", "limit": 100, "new": 4},
    ]
    bench = Bench(configuration(rate_limits=rules)).start()
    assert (("ORDERS", 10 * SECOND, 3, 3), ("WEIGHT", 60 * SECOND, 100, 100)) == seen(bench).venues[0].rates
    bench.buy()
    assert (("ORDERS", 10 * SECOND, 2, 3), ("WEIGHT", 60 * SECOND, 96, 100)) == seen(bench).venues[0].rates
