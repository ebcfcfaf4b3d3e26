"""What is remembered of orders: found under every id, and not for ever."""

from __future__ import annotations

from livestack.core.types import encode_base62
from livestack.venues.binance_spot.orders import CLOSED_MAX, KnownOrders, OrderInstrument
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
