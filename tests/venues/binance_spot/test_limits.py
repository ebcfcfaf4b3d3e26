"""The venue's own limits, wherever it tells them."""

from __future__ import annotations

import pytest

from livestack.core.types import RateUsage
from livestack.venues.adapter import Fetched
from livestack.venues.binance_spot.limits import read_limits, usage_of_headers, used_weight
from livestack.venues.budget import RequestBudget
from tests.venues.binance_spot.venue import VENUE, Desk

SECOND_NS = 1_000_000_000


def fetched(body: bytes, headers: tuple[tuple[str, str], ...] = ()) -> Fetched:
    return Fetched(0, 200, headers, body, "", 1, 2)


def test_exchange_info_tells_every_limit() -> None:
    """Those of the simulated venue, which are the real one's; weight goes to the budget too."""
    desk, budget = Desk(), RequestBudget(1)
    _, _, body = desk.venue.rest("GET", "/api/v3/exchangeInfo", "", {}, b"", desk.now_ns)[:3]
    (report,) = read_limits(VENUE, fetched(body), budget)
    assert (
        RateUsage("REQUEST_WEIGHT", 60 * SECOND_NS, 6_000, 0),
        RateUsage("ORDERS", 10 * SECOND_NS, 50, 0),
        RateUsage("ORDERS", 86_400 * SECOND_NS, 160_000, 0),
        RateUsage("RAW_REQUESTS", 300 * SECOND_NS, 300_000, 0),
    ) == report.usage
    assert (VENUE, 0, 0) == (report.venue, report.order_id, report.revision)
    assert 6_000 == budget.weight_max


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"rateLimits": 7}', b'{"rateLimits":[{"limit":1}]}', b"{}"]
)
def test_what_cannot_be_read_changes_nothing(body: bytes) -> None:
    """What is configured holds."""
    budget = RequestBudget(123)
    assert [] == read_limits(VENUE, fetched(body), budget)
    assert 123 == budget.weight_max


def test_headers_tell_what_is_used() -> None:
    """In any case of letters; their limits are not told."""
    headers = (
        ("X-MBX-USED-WEIGHT-1M", "37"),
        ("x-mbx-used-weight", "37"),
        ("x-mbx-order-count-10s", "3"),
        ("X-MBX-ORDER-COUNT-1D", "9"),
        ("content-type", "text/html"),
    )
    assert (
        RateUsage("REQUEST_WEIGHT", 60 * SECOND_NS, 0, 37),
        RateUsage("ORDERS", 10 * SECOND_NS, 0, 3),
        RateUsage("ORDERS", 86_400 * SECOND_NS, 0, 9),
    ) == usage_of_headers(headers)
    budget = RequestBudget()
    used_weight(headers, budget, 30 * SECOND_NS)
    assert 37 == budget.used(30 * SECOND_NS)


@pytest.mark.parametrize(
    "header",
    [
        ("x-mbx-used-weight-1m", "many"),
        ("x-mbx-used-weight-1m", "-3"),
        ("x-mbx-used-weight-1m", "9" * 400),
        ("x-mbx-used-weight-m", "3"),
        ("x-mbx-used-weight-1y", "3"),
        ("x-mbx-used-weight-" + "9" * 400 + "m", "3"),
        ("x-mbx-order-count-", "3"),
        ("x-mbx-used-weight-1m", "²"),
    ],
)
def test_headers_that_mean_nothing_are_passed_over(header: tuple[str, str]) -> None:
    """They come from outside."""
    assert () == usage_of_headers([header])
