"""How Orders leave State: by count and age, deterministically; and what a settled request leaves behind."""

from __future__ import annotations

from livestack.core.external import EXTERNAL_ORDERS_MAX
from livestack.core.settlement import settle
from livestack.core.types import OrderStatus, RequestKind
from tests.core import support
from tests.core.support import SECOND, Bench, configuration


def test_closed_orders_leave_by_count_and_by_age() -> None:
    """At most so many, and none older than that once another one closes."""
    bench = Bench(configuration(execution={"terminal_orders_max": 2, "terminal_order_age": "10s"})).start()
    ids = []
    for number in range(4):
        ids.append(bench.buy(price=9_980 + number))
        bench.feed(support.rejected(ids[-1]))
    assert ids[2:] == list(bench.execution.closed)
    bench.quote(wait_ns=10 * SECOND)
    last = bench.buy()
    bench.feed(support.rejected(last))
    assert [last] == list(bench.execution.closed)


def test_a_request_is_settled_by_its_kind_and_revision() -> None:
    """An outcome of another kind or revision is about something else."""
    bench = Bench().start()
    order = bench.order(bench.buy())
    assert settle(bench.state, order, RequestKind.CANCEL) is None
    assert settle(bench.state, order, RequestKind.NEW, 2) is None
    assert settle(bench.state, order, RequestKind.NEW, 1) is not None
    assert {} == bench.execution.requests


def test_orders_of_others_are_bounded() -> None:
    """A flood of foreign orders does not grow State without end."""
    bench = Bench().start()
    for number in range(EXTERNAL_ORDERS_MAX + 5):
        bench.feed(support.report(0, OrderStatus.ACCEPTED, client_id=f"web_{number}"))
    assert EXTERNAL_ORDERS_MAX == len(bench.execution.external)
