"""The whole node on virtual time: trading through cut connections, and the invariants that hold after every run."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from livestack.core.events import IntentDispatched, OrderFill
from livestack.core.types import parse_decimal
from livestack.journal.restoring import begin_projection
from livestack.settings import load
from livestack.simulator.binance_spot.signing import make_keys
from livestack.simulator.binance_spot.venue import BinanceSpotVenue, VenueSettings
from tests.core.projecting import different
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.simulation.scheduler import START_NS
from tests.simulation.world import World

SYMBOL = "BTCUSDT"
ENVIRONMENT = {
    "VENUE_REST": "http://127.0.0.1:1",
    "VENUE_STREAM": "ws://127.0.0.1:1",
    "VENUE_WS_API": "ws://127.0.0.1:1/ws-api/v3",
    "VENUE_KEY": "simulated",
    "VENUE_SECRET": "simulated",
}


def make_world(seed: int, directory: Path, rate: int = 100, more: str = "") -> World:
    """A node with the market maker, and a venue with two symbols and ``rate`` Events a second; ``more``: tables behind
    the others."""
    path = configuration.write(directory, [SYMBOL], market_maker(SYMBOL), durability="relaxed")
    path.write_text(path.read_text() + more)
    settings, rules = load(path, ENVIRONMENT)
    venue = BinanceSpotVenue(
        make_keys(seed),
        random.Random(seed),
        START_NS,
        VenueSettings(symbols=2, rate=rate, reports_first=seed % 2 == 0),
    )
    return World(seed, directory, settings, rules, venue)


def check_invariants(world: World) -> None:
    """What holds after every run: the record before the order, ids used once, one truth, one replay."""
    with world.reader() as reader:
        records = list(reader.records())
        projection = begin_projection(world.sessions, reader.header, len(records))
    for record in records:
        projection.take(record)
    assert {} == different(world.node.runtime.state, projection.state)
    assert list(range(1, len(records) + 1)) == [record.seq for record in records]
    dispatched = [r.event.request.client_id for r in records if isinstance(r.event, IntentDispatched)]
    seen = [request.client_id for request in world.venue.log if request.client_id]
    assert len(dispatched) == len(set(dispatched))
    assert len(seen) == len(set(seen))
    assert set() == set(seen) - set(dispatched), "the venue saw an order that is in no record"
    result = world.replay()
    assert result.identical, result.first_difference
    assert result.chain_ok
    assert world.node.runtime.state.digest() == result.digest


def check_agreement(world: World) -> None:
    """Every fill of the venue is in the journal once, and the position is their sum."""
    with world.reader() as reader:
        fills = {r.event.fill_id for r in reader.records() if isinstance(r.event, OrderFill)}
    at_venue = {fill.listed()["id"]: fill.listed() for fill in world.venue.fills}
    assert set(at_venue) == fills
    definition = world.node.runtime.state.market.instruments[f"binance_spot:{SYMBOL}"].definition
    position = world.node.runtime.state.execution.position(f"binance_spot:{SYMBOL}")
    bought = position.bought_qty - position.sold_qty
    summed = sum(
        parse_decimal(fill["qty"], definition.qty_decimals) * (1 if fill["isBuyer"] else -1)
        for fill in at_venue.values()
    )
    assert summed == bought


def test_trades_and_stops(tmp_path: Path) -> None:
    """A minute of quiet trading: orders, fills, an ordered stop, nothing left at the venue."""
    world = make_world(1, tmp_path)
    world.run(60)
    assert 0 == world.stop(), world.node.supervisor.reason
    assert world.venue.fills
    assert [] == world.venue.open_orders
    check_invariants(world)
    check_agreement(world)


@pytest.mark.parametrize("seed", range(2, 12))
def test_survives_cut_connections(seed: int, tmp_path: Path) -> None:
    """Every connection is cut at random moments, orders under way included; in the end both sides agree."""
    world = make_world(seed, tmp_path)
    for _ in range(6):
        world.run(world.scheduler.random.uniform(0.5, 8))
        world.network.cut_all("cut by the test")
    world.run(40)
    assert 0 == world.stop(), world.node.supervisor.reason
    check_invariants(world)
    check_agreement(world)


def test_a_seed_is_a_whole_run(tmp_path: Path) -> None:
    """The same seed gives the same Event Stream, to the last digest."""
    digests = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        world = make_world(5, tmp_path / name)
        world.run(20)
        world.network.cut_all("cut by the test")
        world.run(10)
        world.stop()
        digests.append((world.node.runtime.state.digest(), world.scheduler.steps))
    assert digests[0] == digests[1]


@pytest.mark.parametrize("seed", range(20, 24))
def test_a_crash_leaves_a_whole_journal(seed: int, tmp_path: Path) -> None:
    """The process is gone between two steps: what is on disk has no gap and covers all that the venue saw."""
    world = make_world(seed, tmp_path)
    world.run(world.scheduler.random.uniform(3, 30))
    world.launcher.actor("recorder")._writer.close()
    with world.reader() as reader:
        dispatched = {
            record.event.request.client_id
            for record in reader.records()
            if isinstance(record.event, IntentDispatched)
        }
    seen = {request.client_id for request in world.venue.log if request.client_id}
    assert set() == seen - dispatched
    result = world.replay()
    assert result.identical
