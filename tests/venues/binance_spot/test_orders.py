"""What is remembered of orders: found under every id, and not for ever."""

from __future__ import annotations

from collections.abc import ValuesView

from msgspec import structs

from livestack.core.types import encode_base62
from livestack.venues.adapter import InheritedOrder
from livestack.venues.binance_spot.orders import CLOSED_MAX, KnownOrder, KnownOrders, OrderInstrument
from tests.venues.binance_spot.venue import EPOCH, Desk


def test_one_order_under_all_its_ids() -> None:
    """Every client id with the same epoch and counter, and every venue id it had."""
    instrument, orders = OrderInstrument(Desk().instrument), KnownOrders()
    order = orders.of_client_id(instrument, f"{EPOCH}-1-1")
    orders.name(order, "10")
    orders.name(order, "11")
    assert orders.find(f"{EPOCH}-1-9") is order
    assert orders.of_venue(instrument, ("web_1", f"{EPOCH}-1-3"), 12) is order
    assert orders.find_venue_id(instrument.name, "10") is orders.find_venue_id(instrument.name, "11") is order
    assert orders.find(f"{EPOCH}-2-1") is None
    assert orders.find("Other1234-1-1") is None


def test_one_order_under_ids_of_two_epochs() -> None:
    """A resumed session's requests about an order of before: one order, listed once, forgotten as one."""
    instrument, orders = OrderInstrument(Desk().instrument), KnownOrders()
    order = orders.of_client_id(instrument, f"{EPOCH}-1-1")
    order.accepted = True
    orders.also(order, "Other1234-1-2")
    assert orders.of_client_id(instrument, "Other1234-1-2") is orders.find(f"{EPOCH}-1-1") is order
    assert [order] == orders.open_orders(instrument.name)
    orders.close(order)
    for number in range(2, CLOSED_MAX + 3):
        orders.close(orders.of_client_id(instrument, f"{EPOCH}-{encode_base62(number)}-1"))
    assert orders.find(f"{EPOCH}-1-1") is orders.find("Other1234-1-2") is None


def test_foreign_orders_are_known_by_venue_id() -> None:
    """Without one of our ids: order id 0."""
    instrument, orders = OrderInstrument(Desk().instrument), KnownOrders()
    order = orders.of_venue(instrument, ("web_1",), 12)
    assert order.order_id == 0
    assert orders.of_venue(instrument, (), 12) is order


def test_closed_orders_are_forgotten_in_the_end() -> None:
    """Ours and foreign ones: the memory is bounded, open orders stay."""
    instrument, orders = OrderInstrument(Desk().instrument), KnownOrders()
    kept = orders.of_client_id(instrument, f"{EPOCH}-zz-1")
    for number in range(1, CLOSED_MAX + 500):
        order = orders.of_client_id(instrument, f"{EPOCH}-{encode_base62(number)}-1")
        orders.name(order, str(number))
        orders.close(order)
        foreign = orders.of_venue(instrument, ("web",), 10**9 + number)
        orders.close(foreign)
    assert len(orders) <= CLOSED_MAX + 1
    assert orders.find(f"{EPOCH}-zz-1") is kept
    assert orders.find_venue_id(instrument.name, "1") is None
    assert orders.find_venue_id(instrument.name, str(10**9 + 1)) is None


def test_open_orders_are_kept_by_instrument() -> None:
    """Those that were acknowledged and are not closed; not one that is known as another one by now."""
    desk = Desk(symbols=2)
    first = OrderInstrument(desk.instrument)
    second = OrderInstrument(structs.replace(desk.instrument, instrument="venue:OTHER"))
    orders = KnownOrders()
    kept = orders.of_client_id(first, f"{EPOCH}-1-1")
    sent = orders.of_client_id(first, f"{EPOCH}-2-1")
    foreign = orders.of_venue(first, ("web_1",), 12)
    elsewhere = orders.of_client_id(second, f"{EPOCH}-3-1")
    for order in (kept, foreign, elsewhere):
        order.accepted = True
    assert [kept, foreign] == orders.open_orders(first.name)
    assert [elsewhere] == orders.open_orders(second.name)
    orders.recognise(sent, "12", "web_1")
    sent.accepted = True
    assert [kept, sent] == orders.open_orders(first.name)
    orders.close(kept)
    assert [sent] == orders.open_orders(first.name)
    orders.inherit(second, InheritedOrder(instrument=second.name, order_id=5, client_id=f"{EPOCH}-5-1"))
    inherited = orders.of_client_id(second, f"{EPOCH}-5-1")
    inherited.accepted = True
    assert [elsewhere, inherited] == orders.open_orders(second.name)


def test_what_was_closed_costs_nothing_where_open_orders_are_wanted() -> None:
    """A look at one instrument does not walk through what is remembered of another one."""
    instrument, orders = OrderInstrument(Desk().instrument), KnownOrders()
    other = OrderInstrument(structs.replace(Desk().instrument, instrument="venue:OTHER"))
    for number in range(1, 50):
        order = orders.of_client_id(instrument, f"{EPOCH}-{encode_base62(number)}-1")
        order.accepted = True
        orders.close(order)
    walked: list[object] = []

    class Watched(dict[str, KnownOrder]):
        def values(self) -> ValuesView[KnownOrder]:
            walked.append(self)
            return super().values()

    orders._by_key, orders._by_venue_id = Watched(orders._by_key), Watched(orders._by_venue_id)  # type: ignore[assignment,arg-type]
    assert [] == orders.open_orders(other.name) == orders.open_orders(instrument.name)
    assert [] == walked
