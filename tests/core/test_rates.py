"""The rate rule: no window of the venue is ever exceeded, Cancels keep their reserve, nothing that fits waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from livestack.core.configuration import RateLimit
from livestack.core.rates import NEVER, VenueRates, weight_of
from livestack.core.types import RateUsage, RequestKind

NEW, CANCEL = RequestKind.NEW, RequestKind.CANCEL


def rule(aligned: bool = True, limit: int = 5, reserve: int = 2, guard: int = 10, interval: int = 100) -> RateLimit:
    return RateLimit(
        kind="ORDERS",
        interval=interval,
        limit=limit,
        aligned=aligned,
        guard_band=guard,
        cancel_reserve=reserve,
        cancel=1,
    )


STREAM = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from([NEW, CANCEL]), st.integers(-10, 10)), min_size=1, max_size=120
)


@given(STREAM, st.booleans(), st.integers(-1_000, 1_000))
def test_no_window_is_exceeded(
    stream: list[tuple[int, RequestKind, int]], aligned: bool, offset_ns: int
) -> None:
    """Whenever within the guard band the venue counts each request: at most the limit in each of its windows, and New
    never uses what is kept for Cancels."""
    limit = rule(aligned)
    rates = VenueRates(offset_ns=offset_ns)
    ts = 10_000
    sent: list[tuple[int, RequestKind]] = []
    for number, (wait, kind, jitter) in enumerate(stream):
        ts += wait
        if rates.fits((limit,), kind, ts):
            rates.dispatched((limit,), kind, (number, 1), ts)
            sent.append((ts + offset_ns + jitter, kind))
    for start, _ in sent:
        if aligned:
            window = [kind for at, kind in sent if at // limit.interval == start // limit.interval]
        else:
            window = [kind for at, kind in sent if start <= at < start + limit.interval]
        assert limit.limit >= len(window)
        assert limit.limit - limit.cancel_reserve >= window.count(NEW)


@given(STREAM, st.booleans())
def test_nothing_that_fits_waits(stream: list[tuple[int, RequestKind, int]], aligned: bool) -> None:
    """``wait_until`` is exact: not before it, and at it, the request fits, if nothing else is sent meanwhile."""
    limit = rule(aligned)
    rates = VenueRates()
    ts = 10_000
    for number, (wait, kind, _) in enumerate(stream):
        ts += wait
        at = rates.wait_until((limit,), kind, ts)
        if at > ts:
            assert not rates.fits((limit,), kind, at - 1)
            ts = at
        assert rates.fits((limit,), kind, ts)
        rates.dispatched((limit,), kind, (number, 1), ts)


def test_cancels_have_their_reserve() -> None:
    """Where New has used all it may, the reserve is still there for Cancels."""
    limit, rates = rule(limit=5, reserve=2), VenueRates()
    for number in range(3):
        assert rates.fits((limit,), NEW, 1_050)
        rates.dispatched((limit,), NEW, (number, 1), 1_050)
    assert (False, True) == (rates.fits((limit,), NEW, 1_050), rates.fits((limit,), CANCEL, 1_050))


def test_near_a_boundary_both_windows_count() -> None:
    """A request within the guard band of a boundary is counted on both sides of it."""
    limit, rates = rule(limit=2, reserve=0), VenueRates()
    rates.dispatched((limit,), NEW, (1, 1), 1_095)
    rates.dispatched((limit,), NEW, (2, 1), 1_095)
    assert (1_210, False) == (rates.wait_until((limit,), NEW, 1_150), rates.fits((limit,), NEW, 1_150))


def test_venue_counters_correct_ours() -> None:
    """used = reported + dispatched since that report's request, up and down; a query's answer never lowers it while
    requests are inflight."""
    limit, rates = rule(limit=10, reserve=0), VenueRates()
    for number in range(4):
        rates.dispatched((limit,), NEW, (number, 1), 1_050)
    usage = (RateUsage("ORDERS", 100, 10, 1),)
    rates.reported((limit,), (1, 1), usage, False, 1_050)
    assert 3 == rates.limits[0].used(limit, 10, 1_050)
    rates.reported((limit,), (0, 0), usage, False, 1_050)
    assert 3 == rates.limits[0].used(limit, 10, 1_050)
    rates.reported((limit,), (0, 0), (RateUsage("ORDERS", 100, 10, 9),), False, 1_050)
    assert 9 == rates.limits[0].used(limit, 10, 1_050)
    rates.reported((limit,), (0, 0), usage, True, 1_050)
    assert 1 == rates.limits[0].used(limit, 10, 1_050)
    rates.reported((limit,), (0, 0), (RateUsage("ORDERS", 100, 1, 1),), True, 1_050)
    assert not rates.fits((limit,), NEW, 1_050)


def test_backoff_silences_even_cancels() -> None:
    """During a back-off nothing goes."""
    rates = VenueRates(backoff_until=2_000)
    assert 2_000 == rates.wait_until((rule(),), CANCEL, 1_050)


def test_resume_takes_windows_as_full() -> None:
    """After a crash nothing goes before the windows have rolled."""
    for aligned in (True, False):
        limit, rates = rule(aligned), VenueRates()
        rates.take_as_full((limit,), 1_050)
        assert 1_050 < rates.wait_until((limit,), CANCEL, 1_050) < 1_050 + 2 * limit.interval


def test_what_can_never_fit() -> None:
    """A request that weighs more than the whole limit waits for ever; one without weight never waits."""
    heavy = RateLimit(kind="W", interval=100, limit=5, guard_band=1, new=6)
    assert NEVER == VenueRates().wait_until((heavy,), NEW, 1_000)
    assert (0, 1_000) == (weight_of(heavy, CANCEL), VenueRates().wait_until((heavy,), CANCEL, 1_000))
