"""Requests of the market data: paid for, counted back, and silent when the venue wants that."""

from __future__ import annotations

import pytest

from livestack.venues.adapter import Fetch, Fetched
from livestack.venues.binance_spot.fetches import FIREWALL_NS, OVERDUE_NS, Asked, Fetches, retry_after_ns
from livestack.venues.budget import Purpose, RequestBudget

SECOND = 1_000_000_000
ASKED = Asked("depth", ("S",))
HTML = b"<html><body>403 Forbidden</body></html>"


def ask(fetches: Fetches, now_ns: int = 0, weight: int = 250) -> Fetch:
    fetch = fetches.ask(ASKED, "/api/v3/depth", "symbol=S", weight, now_ns)
    assert fetch is not None
    return fetch


def answer(
    fetch: Fetch,
    status: int = 200,
    body: bytes = b"{}",
    headers: tuple[tuple[str, str], ...] = (),
    now_ns: int = 0,
) -> Fetched:
    return Fetched(fetch.fetch_id, status, headers, body, "", now_ns, now_ns)


def test_the_venues_count_goes_to_the_budget() -> None:
    """``X-MBX-USED-WEIGHT-1M`` is of the whole address, and higher than what we know of."""
    budget = RequestBudget()
    fetches = Fetches(budget)
    fetch = ask(fetches)
    assert 250 == budget.used(0)
    headers = (("X-MBX-USED-WEIGHT-1M", "900"),)
    assert ASKED == fetches.answered(answer(fetch, headers=headers, now_ns=2 * SECOND))
    assert 900 == budget.used(2 * SECOND)


def test_what_the_budget_denies_is_not_asked_before_it_may_be() -> None:
    """Market data has half of the limit; the rest of the minute it waits, and nothing is asked of the budget."""
    budget = RequestBudget()
    fetches = Fetches(budget)
    for _ in range(12):
        fetches.answered(answer(ask(fetches)))
    assert fetches.ask(ASKED, "", "", 250, 0) is None
    assert not fetches.is_open(250, 60 * SECOND)
    assert 1 == budget.denied
    ask(fetches, 61 * SECOND)


def test_something_small_may_fit_in_where_something_large_was_denied() -> None:
    """A snapshot waits for the next window; a poll need not."""
    budget = RequestBudget()
    fetches = Fetches(budget)
    for _ in range(11):
        fetches.answered(answer(ask(fetches)))
    ask(fetches, weight=100)
    assert fetches.ask(ASKED, "", "", 250, 0) is None
    ask(fetches, weight=4)
    assert fetches.ask(ASKED, "", "", 250, 1) is None
    assert 1 == budget.denied


@pytest.mark.parametrize(
    ("status", "body", "headers", "wait_s", "is_ban"),
    [
        (429, b"{}", (("Retry-After", "7"),), 7, False),
        (429, b"", (), 60, False),
        (418, b"", (("retry-after", "120"),), 120, True),
        (418, HTML, (), 60, True),
        (400, b'{"code":-1003,"msg":"Too many requests queued."}', (), 60, False),
        (403, b'{"code":-1003,"msg":"Way too much request weight used; IP banned until 1."}', (), 60, True),
    ],
)
def test_a_venue_that_wants_silence_gets_it_from_the_whole_node(
    status: int, body: bytes, headers: tuple[tuple[str, str], ...], wait_s: int, is_ban: bool
) -> None:
    """By status or by code, with or without ``Retry-After``; a ban holds even for cancels."""
    budget = RequestBudget()
    fetches = Fetches(budget)
    fetches.answered(answer(ask(fetches), status, body, headers))
    assert wait_s * SECOND == fetches.silenced_ns
    assert wait_s * SECOND == budget.silent_until_ns(Purpose.DOUBT)
    assert (wait_s * SECOND if is_ban else 0) == budget.silent_until_ns(Purpose.REDUCE)
    assert fetches.ask(ASKED, "", "", 1, 0) is None


def test_a_firewalls_page_silences_the_market_data_alone_and_longer_each_time() -> None:
    """403 with HTML: orders go on; an answer that is good ends the growth."""
    budget = RequestBudget()
    fetches = Fetches(budget)
    fetches.answered(answer(ask(fetches), 403, HTML))
    assert (0, 0) == (fetches.silenced_ns, budget.silent_until_ns(Purpose.DOUBT))
    assert not fetches.is_open(250, FIREWALL_NS - 1)
    now_ns = FIREWALL_NS
    fetches.answered(answer(ask(fetches, now_ns), 403, HTML, (), now_ns))
    assert not fetches.is_open(250, now_ns + 2 * FIREWALL_NS - 1)
    now_ns += 2 * FIREWALL_NS
    fetches.answered(answer(ask(fetches, now_ns), now_ns=now_ns))
    fetches.answered(answer(ask(fetches, now_ns), 403, HTML, (), now_ns))
    assert fetches.is_open(250, now_ns + FIREWALL_NS)


@pytest.mark.parametrize(
    ("status", "body"), [(502, HTML), (503, b""), (0, b""), (404, b"[]"), (500, b"[" * 9_999)]
)
def test_other_failures_silence_nobody(status: int, body: bytes) -> None:
    """They are the asker's to repeat."""
    budget = RequestBudget()
    fetches = Fetches(budget)
    assert ASKED == fetches.answered(answer(ask(fetches), status, body))
    assert (0, True) == (fetches.silenced_ns, fetches.is_open(250, 0))


def test_what_is_never_answered_is_counted_back_and_told() -> None:
    """After a minute; should the answer come yet, it is nobody's."""
    budget = RequestBudget()
    fetches = Fetches(budget)
    fetch = ask(fetches)
    assert [] == fetches.overdue(OVERDUE_NS)
    assert [ASKED] == fetches.overdue(OVERDUE_NS + 1)
    assert (250, 0) == (budget.used(OVERDUE_NS + 1), len(fetches))
    assert 0 == budget.used(3 * OVERDUE_NS)
    assert fetches.answered(answer(fetch)) is None


def test_what_nobody_wants_any_more_is_counted_all_the_same() -> None:
    """The venue has done the work."""
    budget = RequestBudget()
    fetches = Fetches(budget)
    fetch = ask(fetches)
    fetches.abandon(ASKED)
    assert 0 == fetches.count("depth")
    headers = (("x-mbx-used-weight-1m", "300"),)
    assert fetches.answered(answer(fetch, headers=headers, now_ns=2 * SECOND)) is None
    assert 300 == budget.used(2 * SECOND)


@pytest.mark.parametrize(("value", "expected_s"), [("7", 7), ("x", 60), ("", 60), ("9" * 9, 259_200)])
def test_retry_after_is_seconds_and_bounded(value: str, expected_s: int) -> None:
    """What cannot be read is a minute; no ban of the venue is longer than three days."""
    assert expected_s * SECOND == retry_after_ns((("Retry-After", value),))
