"""The rate rule: no window of the venue is ever exceeded, Cancels keep their reserve, nothing that fits waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from livestack.core.canonical import pack, unpack
from livestack.core.configuration import RateLimit
from livestack.core.rates import NEVER, VenueRates, weight_of
from livestack.core.types import RateUsage, RequestKind

NEW, CANCEL = RequestKind.NEW, RequestKind.CANCEL


def rule(
    aligned: bool = True, limit: int = 5, reserve: int = 2, guard: int = 10, interval: int = 100
) -> RateLimit:
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
    st.tuples(st.integers(0, 60), st.sampled_from([NEW, CANCEL]), st.integers(-10, 10)),
    min_size=1,
    max_size=120,
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
    """used = reported + dispatched since that report's request, up and down; the venue's own limit counts too."""
    limit, rates = rule(limit=10, reserve=0), VenueRates()
    for number in range(4):
        rates.dispatched((limit,), NEW, (number, 1), 1_050)
    usage = (RateUsage("ORDERS", 100, 10, 1),)
    rates.reported((limit,), (1, 1), usage, 1_050)
    assert 3 == rates.usage(limit).used(limit, 10, 1_050)
    rates.reported((limit,), (0, 0), usage, 1_050)
    assert 3 == rates.usage(limit).used(limit, 10, 1_050)
    rates.reported((limit,), (0, 0), (RateUsage("ORDERS", 100, 10, 9),), 1_050)
    assert 9 == rates.usage(limit).used(limit, 10, 1_050)
    rates.reported((limit,), (3, 1), usage, 1_050)
    assert 1 == rates.usage(limit).used(limit, 10, 1_050)
    rates.reported((limit,), (3, 1), (RateUsage("ORDERS", 100, 1, 1),), 1_050)
    assert not rates.fits((limit,), NEW, 1_050)


def test_backoff_silences_even_cancels() -> None:
    """During a back-off nothing goes."""
    rates = VenueRates(backoff_until=2_000)
    assert 2_000 == rates.wait_until((rule(),), CANCEL, 1_050)


def test_a_backoff_for_orders_spares_cancels() -> None:
    """A venue that wants no more orders hears Cancels."""
    rates = VenueRates(orders_backoff_until=2_000)
    assert [1_050, 2_000, 2_000] == [
        rates.wait_until((rule(),), kind, 1_050) for kind in (CANCEL, REPLACE, NEW)
    ]


def test_resume_takes_windows_as_full() -> None:
    """After a crash no New goes before the windows have rolled; the reserve is there for Cancels at once."""
    for aligned in (True, False):
        limit, rates = rule(aligned, limit=5, reserve=2), VenueRates()
        rates.take_as_full((limit,), 1_050)
        assert 1_050 < rates.wait_until((limit,), NEW, 1_050) < 1_050 + 2 * limit.interval
        for number in range(2):
            assert rates.fits((limit,), CANCEL, 1_050)
            rates.dispatched((limit,), CANCEL, (number, 1), 1_050)
        assert not rates.fits((limit,), CANCEL, 1_050)


def test_resume_leaves_to_cancels_what_the_venue_has_told() -> None:
    """Of a limit that the venue says is lower than configured, the reserve is kept too."""
    limit, rates = rule(limit=10, reserve=2), VenueRates()
    rates.reported((limit,), (0, 0), (RateUsage("ORDERS", 100, 5, 0),), 1_050)
    rates.take_as_full((limit,), 1_050)
    assert 3 == rates.usage(limit).used(limit, 10, 1_050)


def test_what_can_never_fit() -> None:
    """A request that weighs more than the whole limit waits for ever; one without weight never waits."""
    heavy = RateLimit(kind="W", interval=100, limit=5, guard_band=1, new=6)
    assert NEVER == VenueRates().wait_until((heavy,), NEW, 1_000)
    assert (0, 1_000) == (weight_of(heavy, CANCEL), VenueRates().wait_until((heavy,), CANCEL, 1_000))


# -- Random streams under several limits at once, against counters that know nothing of the rule

REPLACE = RequestKind.REPLACE
KINDS = st.sampled_from([NEW, NEW, REPLACE, CANCEL])
GUARD = 7
RULES = (
    RateLimit(kind="A", interval=100, limit=6, guard_band=GUARD, host_reserve=1, cancel_reserve=2, cancel=1),
    RateLimit(
        kind="B", interval=430, limit=19, guard_band=GUARD, cancel_reserve=3, new=1, replace=3, cancel=1
    ),
    RateLimit(kind="C", interval=150, limit=8, aligned=False, guard_band=GUARD, cancel_reserve=2, cancel=1),
)
BUSY = st.lists(
    st.tuples(st.sampled_from([0, 0, 0, 1, 5, 20, 60]), KINDS, st.integers(-GUARD, GUARD)),
    min_size=1,
    max_size=150,
)
WEIGHTS = {
    "A": {NEW: 1, REPLACE: 1, CANCEL: 1},
    "B": {NEW: 1, REPLACE: 3, CANCEL: 1},
    "C": {NEW: 1, REPLACE: 1, CANCEL: 1},
}


def weights_in(sent: list[tuple[int, RequestKind]], name: str, start: int, end: int) -> tuple[int, int]:
    """What the venue counts from ``start`` to before ``end``: everything, and that without Cancels."""
    inside = [(kind, WEIGHTS[name][kind]) for at, kind in sent if start <= at < end]
    return sum(weight for _, weight in inside), sum(weight for kind, weight in inside if kind is not CANCEL)


@given(BUSY, st.integers(-1_000, 1_000), st.integers(0, 120), st.booleans())
def test_no_limit_of_several_is_exceeded(
    stream: list[tuple[int, RequestKind, int]], true_offset: int, error_ns: int, wanders: bool
) -> None:
    """Counted on the venue's own clock, which ours is wrong about by up to its error: no window of any limit holds
    more than the limit less the host's share, nor more New and Replace than the Cancels' reserve leaves. The
    estimate may wander within its error, which may be longer than a window."""
    rates = VenueRates(error_ns=error_ns, offset_ns=true_offset + error_ns)
    ts = 10_000
    sent: list[tuple[int, RequestKind]] = []
    for number, (wait, kind, jitter) in enumerate(stream):
        ts += wait
        if wanders:
            rates.offset_ns = true_offset + error_ns * (jitter % 3 - 1)
        if rates.fits(RULES, kind, ts):
            rates.dispatched(RULES, kind, (number, 1), ts)
            sent.append((ts + true_offset + jitter, kind))
    windows = {
        "A": [(at // 100 * 100, at // 100 * 100 + 100) for at, _ in sent],
        "B": [(at // 430 * 430, at // 430 * 430 + 430) for at, _ in sent],
        "C": [(at, at + 150) for at, _ in sent],
    }
    most = {"A": (5, 3), "B": (19, 16), "C": (8, 6)}
    for name, bounds in windows.items():
        for start, end in bounds:
            everything, without_cancels = weights_in(sent, name, start, end)
            assert most[name][0] >= everything, name
            assert most[name][1] >= without_cancels, name


def may_go(sent: list[tuple[int, RequestKind]], kind: RequestKind, at: int, error_ns: int) -> bool:
    """Whether the venue would take one more request wherever within the guard band it counts this and the others."""
    aligned = (("A", 100, 5, 3), ("B", 430, 19, 16))
    guard = GUARD + error_ns
    for name, interval, everything, without_cancels in aligned:
        room = (everything if kind is CANCEL else without_cancels) - WEIGHTS[name][kind]
        for window in range((at - guard) // interval, (at + guard) // interval + 1):
            counted = [
                WEIGHTS[name][one]
                for then, one in sent
                if (then - guard) // interval <= window <= (then + guard) // interval
            ]
            if sum(counted) > room:
                return False
    recent = [WEIGHTS["C"][one] for then, one in sent if at - then < 150 + 2 * GUARD]
    return sum(recent) + WEIGHTS["C"][kind] <= (8 if kind is CANCEL else 6)


@given(BUSY, st.integers(-1_000, 1_000), st.integers(0, 120))
def test_what_may_go_goes(stream: list[tuple[int, RequestKind, int]], offset_ns: int, error_ns: int) -> None:
    """A request is held exactly if it could exceed a limit at the venue: nothing that fits waits, nothing else goes."""
    rates = VenueRates(offset_ns=offset_ns, error_ns=error_ns)
    ts = 10_000
    sent: list[tuple[int, RequestKind]] = []
    for number, (wait, kind, _) in enumerate(stream):
        ts += wait
        assert may_go(sent, kind, ts + offset_ns, error_ns) is rates.fits(RULES, kind, ts)
        at = rates.wait_until(RULES, kind, ts)
        for moment in range(ts, at):
            assert not may_go(sent, kind, moment + offset_ns, error_ns)
        if at == ts:
            rates.dispatched(RULES, kind, (number, 1), ts)
            sent.append((ts + offset_ns, kind))


@given(BUSY)
def test_the_reserve_is_there_for_cancels(stream: list[tuple[int, RequestKind, int]]) -> None:
    """However busy New and Replace are: a Cancel goes at once as long as Cancels alone have not used their reserve."""
    rates, ts = VenueRates(), 10_000
    cancels: list[int] = []
    for number, (wait, kind, _) in enumerate(stream):
        ts += wait
        alone = sum(at > ts - 2 * 430 for at in cancels)
        if kind is CANCEL and alone + 1 <= 2:
            assert rates.fits(RULES, CANCEL, ts)
        if rates.fits(RULES, kind, ts):
            rates.dispatched(RULES, kind, (number, 1), ts)
            cancels += [ts] if kind is CANCEL else []


def test_a_clock_that_is_set_back_forgets_nothing() -> None:
    """Counted in one window by one estimate; by the next one a boundary is near, and that window is still full."""
    limit, rates = rule(limit=2, reserve=0), VenueRates(offset_ns=20)
    for number in range(2):
        rates.dispatched((limit,), NEW, (number, 1), 1_100)
    rates.offset_ns = 5
    assert not rates.fits((limit,), NEW, 1_100)


def test_by_a_clock_that_is_wrong_beyond_measure_only_cancels_are_sent() -> None:
    """Its windows mean nothing then; a Cancel goes by the widest range, and a sliding limit needs no clock."""
    rates = VenueRates(error_ns=100 * 16 + 1)
    assert (NEVER, 1_000, 1_000) == (
        rates.wait_until((rule(),), NEW, 1_000),
        rates.wait_until((rule(),), CANCEL, 1_000),
        rates.wait_until((rule(False),), NEW, 1_000),
    )
    full = rule(limit=1, reserve=0)
    rates.dispatched((full,), CANCEL, (1, 1), 1_000)
    assert 34 >= len(rates.usage(full).windows)
    assert 1_000 < rates.wait_until((full,), CANCEL, 1_000) <= 1_000 + 34 * 100
    rates.error_ns = 100 * 16
    assert 1_000 < rates.wait_until((full,), NEW, 1_000) < NEVER


def test_a_report_without_a_request_only_raises() -> None:
    """The answer to a query that went out before two requests knows nothing of them, whenever it arrives."""
    limit, rates = rule(limit=2, reserve=0), VenueRates()
    for number in range(2):
        rates.dispatched((limit,), NEW, (number, 1), 1_050)
    rates.reported((limit,), (0, 0), (RateUsage("ORDERS", 100, 2, 0),), 1_050)
    assert not rates.fits((limit,), NEW, 1_050)
    rates.reported((limit,), (77, 1), (RateUsage("ORDERS", 100, 2, 0),), 1_050)
    assert not rates.fits((limit,), NEW, 1_050)


def test_a_rule_in_front_leaves_the_usage_of_the_others() -> None:
    """Usage is known by what is counted: the limit of 2 is used up whatever stands before it."""
    limit, rates = rule(limit=2, reserve=0), VenueRates()
    for number in range(2):
        rates.dispatched((limit,), NEW, (number, 1), 1_050)
    wide = rule(limit=1_000, interval=5_000)
    for rules in ((wide, limit), (limit, wide)):
        assert (False, 1_110) == (rates.fits(rules, NEW, 1_050), rates.wait_until(rules, NEW, 1_050))
        rates.shape(rules)


def test_a_rule_that_comes_up_counts_what_was_sent() -> None:
    """Three were sent, the last at 1_050: they count as sent then, by readers and once the rule is in use, up to what
    New may use; Cancels have their reserve. Before the first dispatch of all a rule is unused."""
    first, rates = rule(limit=1_000, reserve=0, interval=5_000), VenueRates()
    assert rates.fits((first,), NEW, 0)
    for number in range(3):
        rates.dispatched((first,), NEW, (number, 1), 950 + 50 * number)
    found = []
    for limit in (rule(limit=4, reserve=2), rule(False, limit=4, reserve=2)):
        for shaped in (False, True):
            if shaped:
                rates.shape((first, limit))
            wait = rates.wait_until((first, limit), NEW, 1_060)
            found.append((rates.usage(limit).used(limit, 10, 1_060), wait))
            assert rates.fits((first, limit), CANCEL, 1_060)
    assert [(2, 1_110), (2, 1_110), (2, 1_170), (2, 1_170)] == found
    assert 3 == rates.usage(rule(limit=50)).used(rule(limit=50), 10, 1_060)


def test_a_rule_that_counts_otherwise_knows_no_less() -> None:
    """A wider guard band: what the venue has told of others in that window, and its own limit, are still known."""
    for aligned in (True, False):
        limit, rates = rule(aligned, limit=9, reserve=0), VenueRates()
        rates.dispatched((limit,), NEW, (1, 1), 1_040)
        rates.reported((limit,), (1, 1), (RateUsage("ORDERS", 100, 8, 7),), 1_050)
        wider = rule(aligned, limit=9, reserve=0, guard=20)
        assert (7, 8) == (rates.usage(wider).used(wider, 20, 1_050), rates.usage(wider).reported_limit)
        rates.dispatched((wider,), NEW, (2, 1), 1_050)
        assert (8, False) == (rates.usage(wider).used(wider, 20, 1_050), rates.fits((wider,), NEW, 1_050))


def test_rules_that_count_alike_count_once() -> None:
    """Two limits of one kind and interval: a request is counted once, and the lower limit holds."""
    rules, rates = (rule(limit=5, reserve=0), rule(limit=3, reserve=0)), VenueRates()
    for number in range(3):
        assert rates.fits(rules, NEW, 1_050)
        rates.dispatched(rules, NEW, (number, 1), 1_050)
    assert not rates.fits(rules, NEW, 1_050)


def test_usage_comes_back_from_a_snapshot() -> None:
    """Limits, stamps and counts by kind are State: packed and unpacked they are the same, in the same order."""
    rates = VenueRates()
    rates.dispatched(RULES, NEW, (1, 1), 1_050)
    rates.dispatched(RULES, CANCEL, (1, 2), 1_060)
    again = unpack(pack(rates), VenueRates)
    assert rates == again
    assert list(rates.limits) == list(again.limits)
    assert ({(1, 1): (0, 0, 1), (1, 2): (1, 0, 1)}, 1_060) == (again.stamps, again.dispatched_ts)


def test_reports_leave_nothing_behind() -> None:
    """Each in a window of its own, or many in one: what is over is forgotten, and corrections merge beyond a bound."""
    aligned, sliding = rule(), rule(False)
    rates = VenueRates()
    for number in range(500):
        usage = (RateUsage("ORDERS", 100, 5, 1),)
        rates.reported((aligned, sliding), (0, 0), usage, 1_050 + 1_000 * number)
    assert (1, 1) == (len(rates.usage(aligned).windows), len(rates.usage(sliding).sent))
    for used in range(2, 10_100):
        usage = (RateUsage("ORDERS", 100, 5, used),)
        rates.usage(sliding).correct(sliding, 10, 600_000, used, exact=False)
    assert (10_000, 10_099) == (
        len(rates.usage(sliding).sent),
        rates.usage(sliding).used(sliding, 10, 600_000),
    )


def test_a_clock_that_is_set_back_draws_its_windows_in() -> None:
    """However often and far: what was counted far ahead counts in the last window that is now in reach."""
    limit, rates = rule(limit=2, reserve=0), VenueRates()
    for number in range(100):
        rates.set_clock((100 - number) * 300, 0, 1_050)
        rates.dispatched((limit,), NEW, (number, 1), 1_050)
        assert 2 >= len(rates.usage(limit).windows)
    rates.set_clock(0, 0, 1_050)
    assert (False, 1_110) == (rates.fits((limit,), NEW, 1_050), rates.wait_until((limit,), NEW, 1_050))


def test_a_sliding_limit_runs_on_our_own_clock() -> None:
    """What is thought of the venue's clock, and how far it is off, moves nothing: the interval passes as it did."""
    limit, rates = rule(False, limit=1, reserve=0), VenueRates(error_ns=10)
    rates.dispatched((limit,), NEW, (1, 1), 1_050)
    for offset_ns in (500, -500):
        rates.set_clock(offset_ns, 10, 1_060)
        assert 1_170 == rates.wait_until((limit,), NEW, 1_060)


def test_windows_before_the_epoch_are_windows() -> None:
    """A clock that is before its zero: capacity returns when the window ends, not a moment later for ever."""
    limit, rates = rule(limit=1, reserve=0), VenueRates(offset_ns=-1_000)
    rates.dispatched((limit,), NEW, (1, 1), 850)
    assert (910, True) == (rates.wait_until((limit,), NEW, 850), rates.fits((limit,), NEW, 910))


@given(STREAM, st.booleans(), st.integers(-1_000, 1_000))
def test_what_is_left_is_what_fits(
    stream: list[tuple[int, RequestKind, int]], aligned: bool, offset_ns: int
) -> None:
    """Something is left for a New whenever one may go, and only then; to look at it changes nothing."""
    limit, ts = rule(aligned), 10_000
    rates = VenueRates(offset_ns=offset_ns)
    assert (3, 3) == rates.left(limit, NEW, ts)
    for number, (wait, kind, _) in enumerate(stream):
        ts += wait
        before = pack(rates)
        left, whole = rates.left(limit, NEW, ts)
        assert (rates.fits((limit,), NEW, ts), 3) == (left > 0, whole)
        assert before == pack(rates)
        if rates.fits((limit,), kind, ts):
            rates.dispatched((limit,), kind, (number, 1), ts)
