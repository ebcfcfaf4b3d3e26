"""The whole node while the WebSocket API is away: it trades over REST, and everything agrees behind it."""

from __future__ import annotations

from pathlib import Path

from livestack.core.events import VenueStatusChanged
from livestack.core.types import ConnectionStatus
from livestack.simulator.faults import rule
from tests.simulation.test_node import check_agreement, check_invariants, make_world


def test_trades_over_rest_while_the_websocket_api_is_away(tmp_path: Path) -> None:
    """Cut and refused for half a minute: orders are placed and filled over REST; then over the socket again, with
    every fill, position and order as the venue has them."""
    world = make_world(5, tmp_path)
    written = world.requests.written
    world.run(20)
    faults = rule("refused", sides=["ws_api"], lasts="30s"), rule("cut", sides=["ws_api"])
    world.venue.inject(faults, world.scheduler.now_ns())
    world.network.pump()
    world.run(65)  # the next attempt to connect may be half a minute behind the end of it
    over_rest = len(written)
    assert over_rest >= 5
    assert "POST" in {request.method for request in written}
    assert {"POST", "DELETE", "PUT"} >= {request.method for request in written}
    world.run(15)
    assert over_rest == len(written)
    assert 0 == world.stop(), world.node.supervisor.reason
    check_invariants(world)
    check_agreement(world)
    with world.reader() as reader:
        told = [r.event for r in reader.records() if isinstance(r.event, VenueStatusChanged)]
    reasons = [event.reason for event in told if event.status is ConnectionStatus.LIVE]
    assert ["reconciled", "over REST", "reconciled"] == reasons
