"""kill -9 of a trading node: no order is known to the venue that is not in the journal."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from livestack.core.events import IntentDispatched
from livestack.journal.reader import JournalReader
from livestack.research.replay import replay
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.support import Venue, start_node

KILLS = 30
POINTS = [
    "harness.before_step",
    "harness.after_step",
    "recorder.before_commit",
    "recorder.after_commit",
    "connector.before_gate",
    "connector.in_gate",
    "connector.after_send",
    "connector.before_ack",
]


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """One simulated venue for all kills: it remembers every order that ever reached it."""
    with Venue(tmp_path_factory.mktemp("venue"), "--seed", "11", "--rate", "1000", "--allowance", "100") as running:
        yield running


def journalled(directory: Path) -> set[str]:
    """Client ids of every dispatch in every journal below ``directory``."""
    sessions = directory / "data" / "sessions"
    ids: set[str] = set()
    for session in sessions.iterdir() if sessions.exists() else []:
        for record in JournalReader.open(sessions, session.name).records():
            if isinstance(record.event, IntentDispatched):
                ids.add(record.event.request.client_id)
    return ids


def known_at_venue(venue: Venue) -> list[str]:
    """Client ids of every New, Replace and Cancel that the venue saw, in order."""
    return [request["client_id"] for request in venue.look("orders")]


def kill_when(venue: Venue, directory: Path, orders: int, environment: dict[str, str] | None = None) -> None:
    """Run a node until the venue has seen ``orders`` more requests (or it died of a failpoint), then kill -9."""
    path = configuration.write(directory, venue.symbols[:2], market_maker(venue.symbols[0]))
    seen = len(known_at_venue(venue))
    with start_node(directory, path, {**venue.environment(), **(environment or {})}) as node:
        while node.running() and len(known_at_venue(venue)) < seen + orders:
            pass
        node.kill()


def test_no_order_without_a_record(venue: Venue, tmp_path: Path) -> None:
    """Thirty nodes, each killed at a random moment while it trades."""
    generator = random.Random(7)
    before = set(known_at_venue(venue))
    for _ in range(KILLS):
        kill_when(venue, tmp_path, generator.randrange(1, 12))
    sent = [client_id for client_id in known_at_venue(venue) if client_id not in before]
    assert len(sent) >= KILLS
    assert set() == set(sent) - journalled(tmp_path)
    assert len(sent) == len(set(sent)), "a client id was used twice"


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_every_failpoint(venue: Venue, tmp_path: Path, point: str) -> None:
    """On both sides of step, commit, gate, send and acknowledgement."""
    before = set(known_at_venue(venue))
    nth = 300 if point.startswith("harness") else 3
    kill_when(venue, tmp_path, 10_000, {"LIVESTACK_FAILPOINTS": f"{point}=kill@{nth}"})
    sent = set(known_at_venue(venue)) - before
    assert set() == sent - journalled(tmp_path)


def test_what_a_killed_node_left_replays_identically(venue: Venue, tmp_path: Path) -> None:
    """The journal of an interrupted session is whole: no gap, every decision reproduced."""
    kill_when(venue, tmp_path, 3)
    sessions = tmp_path / "data" / "sessions"
    (session,) = [path.name for path in sessions.iterdir()]
    result = replay(JournalReader.open(sessions, session))
    assert result.identical
    assert result.chain_ok
