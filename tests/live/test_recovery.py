"""A killed node's session goes on: each way to be interrupted, with real processes against the simulated venue."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from livestack.core.events import (
    DispatchFailed,
    IntentDispatched,
    OrderAccepted,
    OrderFill,
    OrderReport,
    Recorded,
    SessionResumed,
    SessionStopping,
    TradingStateChanged,
)
from livestack.core.types import FailureReason, RequestKind, TradingState
from livestack.journal.reader import JournalReader
from tests.campaigns import agreement
from tests.campaigns.crash import RULES, ended_within
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.support import Process, Venue, start_node

LOOK_S = 0.05
KILLED = -9
NOWHERE = {
    "VENUE_REST": "http://127.0.0.1:9",
    "VENUE_STREAM": "ws://127.0.0.1:9",
    "VENUE_WS_API": "ws://127.0.0.1:9",
}


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    (tmp_path / "venue").mkdir()
    with Venue(tmp_path / "venue", "--seed", "17", "--rate", "300", "--allowance", "1000") as running:
        yield running


@pytest.fixture
def path(venue: Venue, tmp_path: Path) -> Path:
    """Quotes close to the middle of one symbol: they move and fill all the time."""
    return write(venue, tmp_path, half_spread_bps=1, tolerance_bps=0)


def write(venue: Venue, directory: Path, half_spread_bps: int, tolerance_bps: int) -> Path:
    strategy = market_maker(venue.symbols[0])
    strategy = strategy.replace("half_spread_bps = 1\n", f"half_spread_bps = {half_spread_bps}\n")
    strategy = strategy.replace("tolerance_bps = 0\n", f"tolerance_bps = {tolerance_bps}\n")
    return configuration.write(directory, venue.symbols[:1], strategy, rules=RULES)


def until(node: Process, happened: Callable[[], bool]) -> None:
    """Wait while ``node`` runs."""
    while not happened():
        if ended_within(node, LOOK_S) is not None:
            assert happened(), node.stderr()


def kill_trading(
    venue: Venue, directory: Path, path: Path, requests: int = 6, point: str = "", open_orders: int = 1
) -> None:
    """Kill -9 once the venue has seen so many more requests with so many orders open, or at ``point``."""
    seen = len(venue.look("orders"))
    armed = {"LIVESTACK_FAILPOINTS": point} if point else {}
    with start_node(directory, path, {**venue.environment(), **armed}) as node:
        if point:
            assert KILLED == node.finish()[0], node.stderr()
        else:
            until(
                node,
                lambda: (
                    len(venue.look("orders")) >= seen + requests and len(venue.look("open")) >= open_orders
                ),
            )


def go_on(venue: Venue, directory: Path, path: Path, *arguments: str) -> dict[str, Any]:
    """Start again, trade, stop in order; the summary."""
    seen = len(venue.look("orders"))
    with start_node(directory, path, venue.environment(), *arguments) as node:
        if not arguments:
            until(node, lambda: len(venue.look("orders")) > seen)
            node.signal()
        code, output = node.finish()
        assert 0 == code, node.stderr()
        assert "Traceback" not in node.stderr()
    summary: dict[str, Any] = json.loads(output)
    return summary


def sessions(directory: Path) -> list[str]:
    return agreement.names_of(directory / "data" / "sessions")


def records(directory: Path) -> list[Recorded]:
    """All of the newest session."""
    with JournalReader.open(directory / "data" / "sessions", sessions(directory)[-1]) as reader:
        return list(reader.records())


def after_resume(directory: Path) -> list[Any]:
    """Events behind the last ``SessionResumed``, and that."""
    events: list[Any] = [record.event for record in records(directory)]
    last = max(index for index, event in enumerate(events) if isinstance(event, SessionResumed))
    return events[last:]


def dispatched(events: list[Any], *kinds: RequestKind) -> list[str]:
    """Client ids of the dispatches among ``events``."""
    return [
        event.request.client_id
        for event in events
        if isinstance(event, IntentDispatched) and event.request.kind in (kinds or tuple(RequestKind))
    ]


def test_goes_on_where_it_was(venue: Venue, tmp_path: Path, path: Path) -> None:
    """The same session under a new epoch: open orders are asked for and known, then it trades on."""
    kill_trading(venue, tmp_path, path)
    left = {order["orderId"] for order in venue.look("open")}
    assert left
    summary = go_on(venue, tmp_path, path)
    assert (True, sessions(tmp_path)) == (summary["recovered"], [summary["session"]])
    events = after_resume(tmp_path)
    told = {int(event.venue_order_id) for event in events if isinstance(event, OrderReport | OrderFill)}
    assert set() == left - told
    fresh = dispatched(events)
    assert fresh
    assert {events[0].epoch} == {client_id.partition("-")[0] for client_id in fresh}
    assert [] == agreement.check(tmp_path / "data", venue)


def test_a_first_run_is_not_recovered(venue: Venue, tmp_path: Path, path: Path) -> None:
    """Neither is one after an ordered stop: that is a new session."""
    assert [False, False] == [go_on(venue, tmp_path, path)["recovered"] for _ in range(2)]
    assert 2 == len(sessions(tmp_path))
    assert [] == agreement.check(tmp_path / "data", venue)


def test_what_was_committed_and_not_sent(venue: Venue, tmp_path: Path, path: Path) -> None:
    """Asked for, absent, and after the settling time said to be so; never sent again, and no fill is invented."""
    kill_trading(venue, tmp_path, path, point="connector.before_gate=kill@2")
    seen = {request["client_id"] for request in venue.look("orders")}
    (lost,) = set(dispatched([record.event for record in records(tmp_path)])) - seen
    go_on(venue, tmp_path, path)
    events = after_resume(tmp_path)
    failed = [event for event in events if isinstance(event, DispatchFailed)]
    assert [(RequestKind.NEW, FailureReason.NOT_AT_VENUE)] == [(event.kind, event.reason) for event in failed]
    assert failed[0].order_id == agreement.parse_client_id(lost).order_id
    assert lost not in {request["client_id"] for request in venue.look("orders")}
    assert lost not in {event.client_id for event in events if isinstance(event, OrderFill)}
    assert [] == agreement.check(tmp_path / "data", venue)


def test_what_was_sent_and_not_answered(venue: Venue, tmp_path: Path, path: Path) -> None:
    """Found at the venue under its id, and taken over with what it filled."""
    kill_trading(venue, tmp_path, path, point="connector.after_send=kill@2")
    known = [record.event for record in records(tmp_path)]
    answered = {event.client_id for event in known if isinstance(event, OrderAccepted | OrderFill)}
    open_ = set(dispatched(known)) - answered
    go_on(venue, tmp_path, path)
    assert open_ <= {request["client_id"] for request in venue.look("orders")}
    events = after_resume(tmp_path)
    told = {event.client_id for event in events if isinstance(event, OrderReport | OrderAccepted | OrderFill)}
    assert set() == open_ - told
    assert [] == [event for event in events if isinstance(event, DispatchFailed)]
    assert [] == agreement.check(tmp_path / "data", venue)


def test_fills_of_the_time_without_a_node(venue: Venue, tmp_path: Path, path: Path) -> None:
    """They are in the journal after the resumption, once each. With an order on each side one is met soon."""
    kill_trading(venue, tmp_path, path, open_orders=2)
    before = {(fill["symbol"], fill["id"]) for fill in venue.look("fills")}
    while len(venue.look("fills")) == len(before):
        pass
    missed = {(fill["symbol"], fill["id"]) for fill in venue.look("fills")} - before
    go_on(venue, tmp_path, path)
    told = Counter(
        (event.instrument.partition(":")[2], event.fill_id)
        for event in after_resume(tmp_path)
        if isinstance(event, OrderFill)
    )
    assert {1} == {told[one] for one in missed}
    assert [] == agreement.check(tmp_path / "data", venue)


@pytest.mark.parametrize("point", ["connector.before_gate", "connector.after_send"])
def test_a_session_that_was_stopping(venue: Venue, tmp_path: Path, point: str) -> None:
    """Killed at its first Cancel, sent or not: it goes on stopping, cancels what is open, sends no New, and ends."""
    path = write(venue, tmp_path, half_spread_bps=500, tolerance_bps=1000)
    armed = {**venue.environment(), "LIVESTACK_FAILPOINTS": f"{point}=kill@3"}
    with start_node(tmp_path, path, armed) as node:
        until(node, lambda: len(venue.look("open")) == 2)
        node.signal()
        assert KILLED == node.finish()[0]
    assert any(isinstance(record.event, SessionStopping) for record in records(tmp_path))
    assert venue.look("open")
    with start_node(tmp_path, path, venue.environment()) as node:
        code, output = node.finish()
        assert 0 == code, node.stderr()
    assert json.loads(output)["recovered"]
    assert [] == venue.look("open")
    assert [] == dispatched(after_resume(tmp_path), RequestKind.NEW, RequestKind.REPLACE)
    assert [] == agreement.check(tmp_path / "data", venue)


def test_halted_for_an_operator(venue: Venue, tmp_path: Path, path: Path) -> None:
    """``--recover halt``: reconciled and HALTED; nothing but Cancels leaves."""
    kill_trading(venue, tmp_path, path)
    left = {order["orderId"] for order in venue.look("open")}
    assert go_on(venue, tmp_path, path, "--recover", "halt", "--for", "3s")["recovered"]
    events = after_resume(tmp_path)
    states = [event.state for event in events if isinstance(event, TradingStateChanged)]
    assert [TradingState.HALTED] == states
    told = {int(event.venue_order_id) for event in events if isinstance(event, OrderReport | OrderFill)}
    assert set() == left - told
    assert [] == dispatched(events, RequestKind.NEW, RequestKind.REPLACE)
    faults = agreement.check(tmp_path / "data", venue)
    assert [] == [fault for fault in faults if "trading states" not in fault]


def test_another_configuration_is_another_session(venue: Venue, tmp_path: Path, path: Path) -> None:
    """The interrupted one stays as it is, to the byte; what it left open is cancelled by the new one."""
    kill_trading(venue, tmp_path, path)
    (old,) = sessions(tmp_path)
    journal = tmp_path / "data" / "sessions" / old / "journal"
    before = {file: file.read_bytes() for file in journal.rglob("data.mdb")}
    summary = go_on(venue, tmp_path, write(venue, tmp_path, half_spread_bps=2, tolerance_bps=1))
    assert (False, [old, summary["session"]]) == (summary["recovered"], sessions(tmp_path))
    assert before == {file: file.read_bytes() for file in journal.rglob("data.mdb")}
    assert [] == venue.look("open")


def test_killed_while_it_recovers(venue: Venue, tmp_path: Path, path: Path) -> None:
    """In the fold and right before its first commit: nothing is left of such an attempt, and the next one succeeds."""
    kill_trading(venue, tmp_path, path)
    count = len(records(tmp_path))
    for point in ("recovery.in_fold=kill@3", "recovery.before_segment=kill", "segment.in_make=kill"):
        kill_trading(venue, tmp_path, path, point=point)
        assert count == len(records(tmp_path))
    assert go_on(venue, tmp_path, path)["recovered"]
    assert [] == agreement.check(tmp_path / "data", venue)


def test_another_address_is_not_asked(venue: Venue, tmp_path: Path, path: Path) -> None:
    """Exit 2 and nothing is touched: what is open at the first address is unknown at another one."""
    kill_trading(venue, tmp_path, path)
    count = len(records(tmp_path))
    with start_node(tmp_path, path, {**venue.environment(), **NOWHERE}) as node:
        code, _ = node.finish()
        assert 2 == code, node.stderr()
        assert "at another address" in node.stderr()
    assert count == len(records(tmp_path))
    assert go_on(venue, tmp_path, path)["recovered"]


@pytest.mark.parametrize("down", [("VENUE_STREAM", "VENUE_WS_API"), ("VENUE_WS_API",)])
def test_a_venue_that_is_down(venue: Venue, tmp_path: Path, path: Path, down: tuple[str, ...]) -> None:
    """Exit 3 with a sentence, and the session goes on once the venue is there."""
    kill_trading(venue, tmp_path, path)
    (session,) = sessions(tmp_path)
    nowhere = {**venue.environment(), **{name: NOWHERE[name] for name in down}}
    with start_node(tmp_path, path, nowhere) as node:
        code, _ = node.finish()
        assert 3 == code, node.stderr()
        assert "cannot reach" in node.stderr()
        assert "Traceback" not in node.stderr()
    summary = go_on(venue, tmp_path, path)
    assert (session, True) == (summary["session"], summary["recovered"])
    assert [] == agreement.check(tmp_path / "data", venue)
