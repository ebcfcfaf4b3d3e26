"""What is read of a session: State as operators see it, sinks, and what the desk has counted."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from livestack.actors.desk import Board, Desk
from livestack.actors.gate import DispatchGate
from livestack.actors.mailbox import Mailbox
from livestack.actors.progress import Progress
from livestack.actors.telemetry_probes import SINK_STATES, Probes, span
from livestack.control.view import SinkView, view_of
from livestack.core.intents import Cancel
from livestack.core.types import ConnectionStatus
from livestack.telemetry.catalogue import BY_NAME
from livestack.telemetry.instruments import Registry
from tests.actors.fakes import FakeClock, kill_switch
from tests.core import support
from tests.core.support import INSTRUMENT, SECOND, Bench, configuration


class Read:
    """A core on a bench, shown on a board, and read."""

    def __init__(self, directory: Path, core: Bench) -> None:
        self.core = core
        self.clock = FakeClock()
        gate = DispatchGate(["sim"])
        self.board = Board("n", 0, self.clock, gate)
        self.desk = Desk(self.board, kill_switch(gate, directory), Mailbox())
        self.registry = Registry()
        self.progress = Progress()
        Probes(self.board, self.desk, self.progress, core.execution).register(self.registry)

    def __call__(self, name: str, *labels: str) -> tuple[int, int] | None:
        """(value, decimals) of one series now; None: it is not there."""
        self.board.view = view_of(self.core.state, self.core.seq, self.core.ts)
        self.progress.phase = self.core.state.control.phase
        self.clock.time_ns = max(self.clock.time_ns, self.core.ts)
        found = [one for one in self.registry.read() if (one.metric.name, one.labels) == (name, labels)]
        assert 1 >= len(found)
        return (found[0].value, found[0].decimals) if found else None


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return Read(tmp_path, Bench().start())


def test_before_there_is_a_view_nothing_is_made_up(tmp_path: Path) -> None:
    """Only what the desk and the logs have counted."""
    read = Read(tmp_path, Bench())
    assert {"log"} >= {one.metric.name.partition(".")[0] for one in read.registry.read()}


def test_the_session_in_numbers(read: Read) -> None:
    """Phase, trading state, kill-switch, Configuration, strategy."""
    assert [(2, 0), (1, 0), (0, 0), (1, 0), (1, 0)] == [
        read(f"session.{name}") for name in ("phase", "trading", "killed", "configuration", "strategy")
    ]
    read.core.feed(support.events.KillSwitchEngaged(trigger="file", by="x", reason="y"))
    read.core.feed(support.events.SessionStopping(by="x", reason="y"))
    assert [(3, 0), (1, 0)] == [read("session.phase"), read("session.killed")]
    read.core.feed(support.events.SessionStopped(reason="y"))
    assert (4, 0) == read("session.phase")


def test_what_the_strategy_wanted_is_counted_from_this_run_on(read: Read) -> None:
    """A resumed session has counted before: that is not this run's."""
    assert [(0, 0)] * 3 == [read(f"runtime.{name}") for name in ("intents", "dispatches", "superseded")]
    order = read.core.buy()
    read.core.feed(support.accepted(order))
    read.core.want(Cancel(order_id=order))
    assert [(2, 0), (2, 0), (0, 0)] == [
        read(f"runtime.{name}") for name in ("intents", "dispatches", "queued")
    ]


def test_a_resumed_session_begins_at_nothing(tmp_path: Path) -> None:
    """The counters are of the run, as all others are."""
    core = Bench().start()
    core.buy()
    read = Read(tmp_path, core)
    assert (0, 0) == read("runtime.intents")


def test_what_waits_for_a_rate_limit_is_queued(tmp_path: Path) -> None:
    """And the limit has nothing left, in percent of what a New may use."""
    limits = [{"kind": "ORDERS", "interval": "10s", "limit": 4, "cancel_reserve": 2}]
    read = Read(tmp_path, Bench(configuration(rate_limits=limits)).start())
    assert (1_000, 1) == read("venue.rate_left", "sim", "orders_10s")
    read.core.buy(price=9_990)
    assert (500, 1) == read("venue.rate_left", "sim", "orders_10s")
    read.core.buy(price=9_980)
    read.core.buy(price=9_970)
    assert [(0, 1), (1, 0)] == [read("venue.rate_left", "sim", "orders_10s"), read("runtime.queued")]


def test_of_two_limits_that_are_called_the_same_the_tighter_one_is_shown(tmp_path: Path) -> None:
    """One series has one value; the other one would only hide it."""
    limits = [{"kind": "ORDERS", "interval": "10s", "limit": limit, "cancel_reserve": 0} for limit in (2, 8)]
    read = Read(tmp_path, Bench(configuration(rate_limits=limits)).start())
    read.core.buy(price=9_990)
    assert (500, 1) == read("venue.rate_left", "sim", "orders_10s")


def test_a_venue_in_numbers(read: Read) -> None:
    """Its states, its orders, and how old the oldest question without an answer is."""
    assert [(4, 0), (4, 0), (0, 0), (0, 6)] == [
        read(f"{name}", "sim")
        for name in ("venue.state", "feed.state", "venue.open_orders", "venue.inflight_age")
    ]
    order = read.core.buy()
    asked = read.core.ts
    read.core.quote(wait_ns=2 * SECOND)
    assert [(1, 0), (read.core.ts - asked, 6)] == [
        read("venue.open_orders", "sim"),
        read("venue.inflight_age", "sim"),
    ]
    read.core.feed(support.accepted(order))
    assert (0, 6) == read("venue.inflight_age", "sim")
    read.core.feed(support.venue_status(ConnectionStatus.DISCONNECTED))
    assert (1, 0) == read("venue.state", "sim")


def test_the_age_of_a_feed_is_that_of_its_newest_event(read: Read) -> None:
    """Of whichever instrument; it grows while nothing comes."""
    read.core.quote()
    before = read("feed.age", "sim")
    assert before is not None
    read.clock.time_ns += 3 * SECOND
    assert (before[0] + 3 * SECOND, 6) == read("feed.age", "sim")


def test_a_position_is_told_in_exact_decimals(read: Read) -> None:
    """Quantity, P&L and what it is worth at the price at which it could be closed; short ones at the ask."""
    assert None is read("position.qty", INSTRUMENT)
    order = read.core.buy(qty=10, price=9_990)
    read.core.feed(support.accepted(order))
    read.core.feed(support.fill(order, 10, 1))
    read.core.quote(bid=9_980, ask=9_995)
    market = read.core.state.market.instruments[INSTRUMENT]
    position = read.core.execution.positions[INSTRUMENT]
    assert [
        (10, 3),
        (position.realised, 5),
        (position.unrealised(market.bid, market.ask), 5),
        (10 * market.bid, 5),
    ] == [read(f"position.{name}", INSTRUMENT) for name in ("qty", "realised", "unrealised", "exposure")]


def test_without_a_price_nothing_is_said_of_worth(read: Read) -> None:
    """An invalid book is no price of 0."""
    order = read.core.buy(qty=10, price=9_990)
    read.core.feed(support.accepted(order))
    read.core.feed(support.fill(order, 10, 1))
    read.core.state.market.instruments[INSTRUMENT].invalidate()
    assert [(10, 3), None, None] == [
        read(f"position.{name}", INSTRUMENT) for name in ("qty", "unrealised", "exposure")
    ]


@pytest.mark.parametrize("state", SINK_STATES)
def test_a_sink_in_numbers(read: Read, state: str) -> None:
    """How far, how old, how it is, and what it has refused."""
    sink = SinkView(
        name="pg", address="a", state=state, through=9, behind=3, lag_ns=1_500_000, dead_letters=2, errors=7
    )
    read.board.sinks = lambda: (sink,)
    assert [(9, 0), (3, 0), (1_500_000, 6), (SINK_STATES.index(state), 0), (7, 0), (2, 0)] == [
        read(f"records.{name}", "pg")
        for name in ("through", "behind", "lag", "state", "errors", "dead_letters")
    ]


def test_requests_by_command_and_by_code(read: Read) -> None:
    """As the desk has counted them."""
    read.desk.let_in.add("status", 3)
    read.desk.not_let_in.add("rate_limited")
    assert [(3, 0), (1, 0)] == [read("control.requests", "status"), read("control.refused", "rate_limited")]


def test_one_probe_that_fails_leaves_the_others(read: Read) -> None:
    """Each part of a session is a probe of its own."""

    def gone() -> tuple[SinkView, ...]:
        raise OSError("gone")

    read("session.phase")
    read.board.sinks = gone
    failed: list[str] = []
    names = {one.metric.name for one in read.registry.read(lambda name, error: failed.append(name))}
    assert (["sinks"], True) == (failed, {"session.phase", "venue.state"} <= names)


def test_every_series_is_in_the_catalogue_with_as_many_labels(read: Read) -> None:
    """Whoever reads the catalogue knows what comes."""
    read.core.buy()
    read.board.sinks = lambda: (SinkView(name="pg", address="a", state="ok"),)
    read("session.phase")
    for one in read.registry.read():
        assert (one.metric, len(one.metric.labels)) == (BY_NAME[one.metric.name], len(one.labels))


@pytest.mark.parametrize(
    ("interval_ns", "text"),
    [
        (10 * SECOND, "10s"),
        (60 * SECOND, "1m"),
        (86_400 * SECOND, "1d"),
        (90 * SECOND, "90s"),
        (5_000_000, "5ms"),
        (7, "7ns"),
    ],
)
def test_intervals_as_part_of_a_name(interval_ns: int, text: str) -> None:
    """In the largest unit that leaves nothing over."""
    assert text == span(interval_ns)


def test_a_view_is_still_one_immutable_picture(read: Read) -> None:
    """What is read here was copied on the harness thread."""
    read("session.phase")
    assert read.board.view is not None
    with pytest.raises(AttributeError):
        read.board.view.queued = 3  # type: ignore[misc]
    assert msgspec.structs.asdict(read.board.view)["queued"] == 0
