"""The research runtime: positions, times and wakes; and that it decides what a live session decided."""

from __future__ import annotations

import json
from pathlib import Path

from livestack.core.configuration import Configuration
from livestack.core.events import ControlTime, IntentDispatched, QuoteTick, SessionStarted
from livestack.core.runtime import CoreRuntime
from livestack.core.types import Origin
from livestack.journal.reader import JournalReader
from livestack.research.runtime import ResearchRuntime
from livestack.strategies.loading import load_strategy
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.research.sessions import WALL_NS, opening, quotes, rules
from tests.support import Venue, start_node


def make(rules_: Configuration) -> ResearchRuntime:
    return ResearchRuntime(
        CoreRuntime(rules_, load_strategy(rules_.strategy.path, rules_.strategy.parameters))
    )


def quoting(directory: Path) -> ResearchRuntime:
    """A session whose market maker has just sent two orders."""
    runtime = make(rules(directory))
    for event in [*opening("s"), *quotes(1)]:
        runtime.feed(WALL_NS, event)
    return runtime


def test_positions_have_no_gap_and_derived_events_are_counted(tmp_path: Path) -> None:
    """Five Events to begin with, a quote, two dispatches: seq 8; each counted by its type."""
    runtime = quoting(tmp_path)
    assert 8 == runtime.seq
    assert (1, 1, 2) == tuple(runtime.counts[one] for one in (SessionStarted, QuoteTick, IntentDispatched))


def test_time_never_goes_back(tmp_path: Path) -> None:
    """An Event with an earlier time gets the last one."""
    runtime = quoting(tmp_path)
    runtime.feed(WALL_NS - 5, quotes(2)[1])
    assert (WALL_NS, WALL_NS) == (runtime.ts, runtime.state.control.ts)


def test_a_deadline_is_jumped_to_and_answered_once(tmp_path: Path) -> None:
    """Two requests time out after ten seconds: one ControlTime at that time, then the venue is to be asked, once."""
    runtime = quoting(tmp_path)
    wake = runtime.next_wake()
    assert wake is not None
    assert ("timeout", WALL_NS + 10_000_000_000) == (wake.scope, wake.deadline_ns)
    runtime.wake(wake)
    assert (wake.deadline_ns, 1) == (runtime.ts, runtime.counts[ControlTime])
    assert runtime.next_wake() is None
    assert [1, 2] == [getattr(question, "order_id", 0) for question in runtime.questions()]
    assert [] == runtime.questions()


def test_a_live_sessions_inputs_lead_to_its_decisions(tmp_path: Path) -> None:
    """Every INPUT of a real session, at its time: the same DERIVED Events at the same positions, the same digest."""
    with Venue(tmp_path, "--seed", "3") as venue:
        path = configuration.write(tmp_path, venue.symbols[:1], market_maker(venue.symbols[0]))
        with start_node(tmp_path, path, venue.environment(), "--for", "3s") as node:
            code, _ = node.finish()
            assert code == 0, node.stderr()
    sessions = tmp_path / "data" / "sessions"
    (session,) = (one.name for one in sessions.iterdir())
    with JournalReader.open(sessions, session) as reader:
        records = list(reader.records())
    runtime = make(Configuration.from_plain(json.loads(reader.header.configuration), "journal"))
    made, dispatched = [], 0
    for record in records:
        if record.origin is Origin.INPUT:
            step = runtime.feed(record.ts, record.event)  # type: ignore[arg-type]
            assert record.seq == runtime.seq - len(step.derived)
            made += [(record.seq + index, one) for index, one in enumerate(step.derived, 1)]
            dispatched += len(step.dispatches)
    assert [(one.seq, one.event) for one in records if one.origin is Origin.DERIVED] == made
    assert dispatched > 0
    assert getattr(records[-1].event, "digest", "") == runtime.state.digest()
