"""A connection to a sink: opened when it may be, never believed after a failure."""

from __future__ import annotations

import random

import pytest

from livestack.actors.shipment_sink import SinkConnection
from livestack.exceptions import SinkUnavailableError
from livestack.transports.backoff import FIRST_NS, Backoff
from tests.actors.fakes import FakeClock
from tests.storage.fake_sink import UNAVAILABLE, FakeSink, Store

AWAY = SinkUnavailableError("fake://store", "it went away")


def connected(store: Store) -> tuple[SinkConnection, FakeClock]:
    clock = FakeClock()
    return SinkConnection(FakeSink(store), clock, Backoff(random.Random(1))), clock


def test_it_is_opened_once() -> None:
    """And has a number, by which users know that it is the same one."""
    store = Store()
    connection, _ = connected(store)
    assert connection.ready()
    assert connection.ready()
    assert (1, 1) == (connection.number, store.opened)


def test_after_a_failure_it_waits_and_has_another_number() -> None:
    """Whoever asked on the earlier one has to ask again."""
    connection, clock = connected(Store())
    connection.ready()
    connection.failed(AWAY)
    assert (0, AWAY) == (connection.number, connection.error)
    assert clock.time_ns < connection.again_ns <= clock.time_ns + FIRST_NS
    assert not connection.ready()
    clock.time_ns = connection.again_ns
    assert connection.ready()
    assert (2, None) == (connection.number, connection.error)


def test_waits_grow_until_something_is_kept() -> None:
    """A sink that opens and then keeps nothing is not asked more often for that."""
    connection, clock = connected(Store())
    bounds = []
    for _ in range(6):
        connection.failed(AWAY)
        bounds.append(connection.again_ns - clock.time_ns)
        clock.time_ns = connection.again_ns
        connection.ready()
    assert max(bounds) > FIRST_NS
    assert 6 == connection.failures
    connection.worked()
    connection.failed(AWAY)
    assert (1, True) == (connection.failures, connection.again_ns - clock.time_ns <= FIRST_NS)


def test_one_that_does_not_open_is_the_callers_to_count() -> None:
    """Its error goes up, and it may be opened at once where there is no time to wait."""
    store = Store()
    store.faults.append(UNAVAILABLE)
    connection, _ = connected(store)
    with pytest.raises(SinkUnavailableError):
        connection.ready()
    connection.failed(AWAY)
    connection.hurry()
    assert connection.ready()
    connection.close()
    assert 0 == connection.number
