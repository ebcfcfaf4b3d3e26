"""kill -9 of a trading node, seen before anything resumes it; the rest is in tests/campaigns/test_crash.py."""

from __future__ import annotations

from pathlib import Path

from livestack.journal.reader import JournalReader
from livestack.research.replay import replay
from tests.campaigns import agreement
from tests.campaigns.agreement import Journals, Views
from tests.campaigns.crash import ended_within
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.support import Venue, start_node

LOOK_S = 0.02


def test_what_a_killed_node_left_is_whole(tmp_path: Path) -> None:
    """No request at the venue without a record, no gap, every decision made again, the session interrupted."""
    (tmp_path / "venue").mkdir()
    with Venue(tmp_path / "venue", "--seed", "11", "--rate", "1000") as venue:
        path = configuration.write(tmp_path, venue.symbols[:2], market_maker(venue.symbols[0]))
        with start_node(tmp_path, path, venue.environment()) as node:
            while len(venue.look("orders")) < 10:
                assert ended_within(node, LOOK_S) is None, node.stderr()
            node.kill()
        journals = Journals(tmp_path / "data")
        journals.learn()
        views = Views.of(venue)
    assert [] == journals.faults() + agreement.check_requests(views.requests, journals)
    (session,) = journals.known
    with JournalReader.open(journals.sessions, session) as reader:
        result = replay(reader)
    assert (True, True) == (result.identical, result.chain_ok)
    assert result.events == journals.known[session].last_seq
