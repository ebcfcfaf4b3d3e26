"""Conditions that become incidents when they last: none too early, none twice, each over when it is over."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from livestack.actors.conditions import (
    DOWN_NS,
    INVALID_NS,
    SEEN_NS,
    STARTUP_NS,
    STEADY_NS,
    UNKNOWN_NS,
    Conditions,
)
from livestack.actors.gate import Hold, Standing
from livestack.control.view import IncidentView, InstrumentView, KillView, OrderView, VenueView, View, view_of
from livestack.core.control_events import IncidentClosed, IncidentOpened
from livestack.core.incidents import BY_NAME
from livestack.core.types import Side, TradingState
from tests.core.support import Bench as CoreBench

SECOND_NS = 1_000_000_000
LOOK_NS = SECOND_NS // 4
HALF_OVER_NS = DOWN_NS // 2 // LOOK_NS * LOOK_NS


def venue(status: str = "live", feed: str = "live", unknown: int = 0, name: str = "v") -> VenueView:
    return VenueView(name, status, feed, 0, unknown, (), 0)


def book(status: str = "live", valid: bool = True, name: str = "v:S") -> InstrumentView:
    return InstrumentView(name, "v", status, valid, 0, 0, 0, 2, 0)


def order(number: int, unknown: bool = True) -> OrderView:
    return OrderView(number, "", "", "v", "v:S", Side.BUY, None, "submitted", 1, 1, 0, 2, 2, unknown=unknown)


class Bench:
    """Views, one after another, with what was told in them as the harness would show it."""

    def __init__(self, lived: bool = True) -> None:
        core = CoreBench().start()
        self.view: View = msgspec.structs.replace(
            view_of(core.state, 1, 1), venues=(venue(),), instruments=(book(),), phase="running"
        )
        self.conditions = Conditions()
        self.now_ns = 1
        self.guard = "watching"
        self.holds: tuple[Standing, ...] = ()
        self.shown: dict[tuple[str, str], IncidentView] = {}
        self.on_its_way: list[IncidentOpened | IncidentClosed] = []
        self.told: list[str] = []
        if lived:
            self.look()

    def look(self, for_ns: int = 0, **changes: Any) -> list[str]:
        """Every quarter of a second until ``for_ns`` are over; what was told since the last call."""
        self.view = msgspec.structs.replace(self.view, **changes)
        end_ns = self.now_ns + for_ns
        self._look()
        while self.now_ns < end_ns:
            self.now_ns += LOOK_NS
            self._look()
        told, self.told = self.told, []
        return told

    def _look(self) -> None:
        view = msgspec.structs.replace(self.view, incidents=tuple(self.shown.values()))
        told = self.conditions.look(view, self.now_ns, self.guard, self.holds)
        arrived, self.on_its_way = self.on_its_way, told  # one look later
        for one in arrived:
            if isinstance(one, IncidentOpened):
                self.shown[one.name, one.scope] = IncidentView(one.name, one.scope, one.grade, one.detail)
            else:
                self.shown.pop((one.name, one.scope), None)
        for one in told:
            verb = "+" if isinstance(one, IncidentOpened) else "-"
            self.told.append(f"{verb}{one.name} {one.scope}".strip())

    def flaps(self, times: int, down_ns: int, up_ns: int) -> list[str]:
        told = []
        for _ in range(times):
            told += self.look(down_ns, venues=(venue("disconnected"),))
            told += self.look(up_ns, venues=(venue(),))
        return told


def test_all_is_well() -> None:
    """Nothing is told."""
    assert [] == Bench().look(10 * SECOND_NS)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (venue("disconnected"), "venue_down v"),
        (venue("synchronising"), "venue_down v"),
        (venue(feed="disconnected"), "feed_down v"),
        (venue(feed="synchronising"), "feed_down v"),
    ],
)
def test_away_for_long_is_an_incident(bad: VenueView, told: str) -> None:
    """Not a moment before it has lasted; told once; over once it is back for a while."""
    bench = Bench()
    assert [] == bench.look(DOWN_NS - LOOK_NS, venues=(bad,))
    assert [f"+{told}"] == bench.look(60 * SECOND_NS)
    assert [] == bench.look(STEADY_NS - LOOK_NS, venues=(venue(),))
    assert [f"-{told}"] == bench.look(60 * SECOND_NS)


def test_a_feed_of_which_nothing_is_live_is_down() -> None:
    """Whatever is said of the feed as a whole: polls that fail leave it as it is."""
    bench = Bench()
    bad = book("synchronising"), book("synchronising", name="v:T")
    assert ["+feed_down v"] == bench.look(2 * DOWN_NS, instruments=bad)
    assert ["-feed_down v"] == bench.look(STEADY_NS, instruments=(book(), bad[1]))


def test_a_reconnect_is_none() -> None:
    """However often, with some time between them."""
    assert [] == Bench().flaps(100, SECOND_NS, STEADY_NS)


def test_a_burst_of_reconnects_is_one_at_most() -> None:
    """Opened while it lasts, closed once behind it."""
    bench = Bench()
    assert ["+venue_down v"] == bench.flaps(30, 2 * SECOND_NS, SECOND_NS)
    assert ["-venue_down v"] == bench.look(STEADY_NS)


def test_short_losses_count_together_until_it_is_steady() -> None:
    """Half of the time, and the other half after a pause that is too short, is the time; after a long one it is not."""
    bench = Bench()
    assert [] == bench.flaps(1, HALF_OVER_NS, STEADY_NS - LOOK_NS)
    assert ["+venue_down v"] == bench.look(DOWN_NS, venues=(venue("disconnected"),))
    other = Bench()
    assert [] == other.flaps(1, HALF_OVER_NS, STEADY_NS)
    assert [] == other.look(DOWN_NS - LOOK_NS, venues=(venue("disconnected"),))


def test_a_session_takes_its_time_to_start() -> None:
    """Until it is live for the first time much longer; what never comes is told all the same."""
    bench = Bench(lived=False)
    bad = venue("synchronising", "synchronising")
    assert [] == bench.look(STARTUP_NS - LOOK_NS, venues=(bad,))
    assert ["+venue_down v", "+feed_down v"] == bench.look(LOOK_NS)


def test_nothing_is_down_that_is_being_stopped() -> None:
    """Connections are closed on purpose; what was open before stays until it is over."""
    bench = Bench()
    assert [] == bench.look(60 * SECOND_NS, phase="stopping", venues=(venue("disconnected", "disconnected"),))
    bench = Bench()
    assert ["+feed_down v"] == bench.look(DOWN_NS, venues=(venue(feed="disconnected"),))
    assert [] == bench.look(60 * SECOND_NS, phase="stopping")
    assert ["-feed_down v"] == bench.look(STEADY_NS, venues=(venue(),))


@pytest.mark.parametrize("bad", [book("live", valid=False), book("synchronising")])
def test_a_book_that_stays_invalid(bad: InstrumentView) -> None:
    """Told by its instrument; and nothing of it while the whole feed is away, which is another one's incident."""
    bench = Bench()
    other = book(name="v:T")
    assert [] == bench.look(INVALID_NS - LOOK_NS, instruments=(bad, other))
    assert ["+book_invalid v:S"] == bench.look(LOOK_NS)
    away = venue(feed="synchronising")
    assert [] == bench.look(DOWN_NS - LOOK_NS, instruments=(bad,), venues=(away,))  # it stays what it was
    assert ["-book_invalid v:S"] == bench.look(
        STEADY_NS, instruments=(book(), book(name="v:T")), venues=(venue(),)
    )
    assert [] == bench.look(STEADY_NS, instruments=(book(),))
    assert ["+feed_down v"] == bench.look(
        INVALID_NS, instruments=(bad,), venues=(venue(feed="synchronising"),)
    )


def test_time_in_which_a_book_is_not_judged_does_not_count() -> None:
    """Its feed was away: it has not been invalid then, nor well."""
    bench = Bench()
    books = book(), book(name="v:T")
    later = books[0], book("synchronising", name="v:T")
    assert [] == bench.look(SECOND_NS, instruments=books)
    assert [] == bench.look(SECOND_NS, instruments=later)
    assert [] == bench.look(DOWN_NS - SECOND_NS, venues=(venue(feed="disconnected"),), instruments=later)
    assert [] == bench.look(INVALID_NS - 2 * SECOND_NS, venues=(venue(),))
    assert ["+book_invalid v:T"] == bench.look(2 * SECOND_NS)
    assert [] == bench.look(STEADY_NS - SECOND_NS, instruments=books)
    assert [] == bench.look(DOWN_NS - SECOND_NS, venues=(venue(feed="disconnected"),))
    assert [] == bench.look(STEADY_NS - LOOK_NS, venues=(venue(),))
    assert ["-book_invalid v:T"] == bench.look(LOOK_NS)


def test_time_that_nobody_saw_does_not_count() -> None:
    """Seen away, and the next view much later: it has been away for a second as far as is known; and so has it been
    back."""
    bench = Bench()
    assert [] == bench.look(venues=(venue("disconnected"),))
    bench.now_ns += 10 * DOWN_NS
    assert [] == bench.look(DOWN_NS - SEEN_NS - LOOK_NS)
    assert ["+venue_down v"] == bench.look(LOOK_NS)
    assert [] == bench.look(venues=(venue(),))
    bench.now_ns += 10 * STEADY_NS
    assert [] == bench.look(STEADY_NS - SEEN_NS - LOOK_NS)
    assert ["-venue_down v"] == bench.look(LOOK_NS)


def test_what_is_halted_and_nobody_asked_for_it() -> None:
    """At once, with who or what did it; not what an operator halted, nor what only reduces. An operator's word ends it.
    What was HALTED before this run nobody knows the reason of."""
    bench = Bench()
    halted, reducing = TradingState.HALTED, TradingState.REDUCING
    trading = ("v:S", halted), ("v:T", halted), ("v:U", reducing), ("w", halted)
    whys = ("v:S", "anomaly: bad_fill: 0 at 1", False), ("v:T", "anna: drill", True), ("v:U", "stale", False)
    view = msgspec.structs.replace(bench.view, trading=trading, trading_whys=whys)
    told = bench.conditions.look(view, bench.now_ns, "off", ())
    assert [
        ("trading_halted", "v:S", "anomaly: bad_fill: 0 at 1"),
        ("trading_halted", "w", "it was before this run"),
    ] == [(one.name, one.scope, one.detail) for one in told]
    bench = Bench()
    assert ["+trading_halted v:S"] == bench.look(SECOND_NS, trading=trading[:1], trading_whys=whys)
    assert ["-trading_halted v:S"] == bench.look(SECOND_NS, trading_whys=(("v:S", "anna: I know", True),))
    assert ["+trading_halted v:S"] == bench.look(SECOND_NS, trading_whys=whys)
    assert ["-trading_halted v:S"] == bench.look(SECOND_NS, trading=())


def test_an_unknown_outcome_is_told_when_one_order_is_unknown_for_long() -> None:
    """Orders that come and go are none, however many there are at any time; one that stays is."""
    bench = Bench()
    for number in range(100):
        orders = tuple(order(one) for one in (number, number + 1, number + 2))
        assert [] == bench.look(UNKNOWN_NS // 4, orders=orders, venues=(venue(unknown=3),))
    assert ["+unknown_outcome v"] == bench.look(UNKNOWN_NS, orders=(order(1000), order(7, False)))
    assert ["-unknown_outcome v"] == bench.look(STEADY_NS + LOOK_NS, orders=(), venues=(venue(),))


def test_the_kill_switch_at_once_by_scope() -> None:
    """Opened with the first view that has it, closed with the first one that has it not."""
    bench = Bench()
    kills = (KillView("", "operator", "anna", "drill"), KillView("v:S", "file", "", ""))
    assert ["+kill", "+kill v:S"] == bench.look(kill=kills)
    assert [] == bench.look(10 * SECOND_NS)
    assert ["-kill v:S"] == bench.look(kill=kills[:1])
    assert ["-kill"] == bench.look(SECOND_NS, kill=())
    assert ["+kill"] == bench.look(kill=kills[:1])


def test_the_lease_at_once_as_the_gate_has_it() -> None:
    """Its keeper has waited for long before it gives up; other holds are others' affair."""
    bench = Bench()
    bench.holds = (Standing(Hold.JOURNAL),)
    assert [] == bench.look(SECOND_NS)
    bench.holds = (Standing(Hold.JOURNAL), Standing(Hold.LEASE))
    assert ["+lease_lost lease"] == bench.look(SECOND_NS)
    bench.holds = ()
    assert ["-lease_lost lease"] == bench.look(SECOND_NS)


def test_a_guard_that_dies_again_and_again_is_one_incident() -> None:
    """At once, as nobody watches; over when another one has watched for a while. No guard at all is none."""
    bench = Bench()
    for _ in range(10):
        bench.guard = "lost"
        bench.look(SECOND_NS)
        assert ["guard_lost"] == [name for name, _ in bench.shown]
        bench.guard = "watching"
        assert [] == bench.look(SECOND_NS)
    assert ["-guard_lost guard"] == bench.look(STEADY_NS)
    bench.guard = "off"
    assert [] == bench.look(SECOND_NS)


def test_another_control_actor_goes_on_with_what_is_open() -> None:
    """It tells nothing twice, and closes what is over."""
    bench = Bench()
    bad = venue("disconnected")
    assert ["+venue_down v", "+kill"] == sorted(
        bench.look(DOWN_NS + LOOK_NS, venues=(bad,), kill=(KillView("", "file", "", ""),)), reverse=True
    )
    bench.conditions = Conditions()
    assert [] == bench.look(2 * STARTUP_NS)
    bench.conditions = Conditions()
    assert ["-kill"] == bench.look(kill=())
    assert ["-venue_down v"] == bench.look(STEADY_NS, venues=(venue(),))


def test_incidents_of_others_are_not_touched() -> None:
    """Whoever opened them closes them."""
    bench = Bench()
    bench.shown = {
        (name, "v"): IncidentView(name, "v", "critical", "") for name in ("stall", "clock_skew", "odd")
    }
    assert [] == bench.look(60 * SECOND_NS)


def test_what_is_told_is_a_sentence_of_the_catalogue() -> None:
    """Name, grade, scope and what it is."""
    bench = Bench()
    bench._look()
    view = msgspec.structs.replace(
        bench.view, kill=(KillView("v", "operator", "anna", "drill"), KillView("", "file", "", ""))
    )
    told = bench.conditions.look(view, bench.now_ns, "lost", ())
    assert [
        "operator by anna: drill",
        "file",
        "nobody watches this node, and no new order leaves meanwhile",
    ] == [one.detail for one in told]
    assert [BY_NAME[one.name].grade for one in told] == [
        one.grade for one in told if isinstance(one, IncidentOpened)
    ]


def test_memory_is_bounded_by_what_there_is() -> None:
    """Whatever came and went is forgotten once it is over."""
    bench = Bench()
    for number in range(50):
        bench.look(kill=(KillView(f"k{number}", "file", "", ""),), orders=(order(number),))
    bench.look(STEADY_NS + 2 * LOOK_NS, kill=(), orders=())
    assert [0, 0, 0] == [
        len(one) for one in (bench.conditions._tracks, bench.conditions._told, bench.conditions._unknown)
    ]
