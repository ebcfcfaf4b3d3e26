"""Replay: identical, or the first position that differs; and never a claim that does not hold."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from livestack.core.events import IntentDispatched, Recorded
from livestack.core.types import Origin
from livestack.journal.format import CHAIN, key_of
from livestack.journal.reader import JournalReader
from livestack.research.replay import Replay, replay
from livestack.strategies.loading import strategy_source
from tests.journal.test_reader import change
from tests.research.sessions import CLOSING, header, opening, quotes, record, rules, store


@pytest.fixture
def stream(tmp_path: Path) -> list[Recorded]:
    """A session in which the market maker quotes and is stopped."""
    records = record(rules(tmp_path), [*opening("s"), *quotes(200), *CLOSING])
    assert any(isinstance(one.event, IntentDispatched) for one in records)
    return records


def open_session(directory: Path, records: list[Recorded], **changes: object) -> JournalReader:
    store(directory, header("s", rules(directory), **changes), records)
    return JournalReader.open(directory / "sessions", "s")


def test_an_untouched_session_is_identical(tmp_path: Path, stream: list[Recorded]) -> None:
    """Every DERIVED Event and Checkpoint digest comes out again."""
    with open_session(tmp_path, stream) as reader:
        result = replay(reader)
    assert (True, True, True, None) == (
        result.identical,
        result.complete,
        result.chain_ok,
        result.first_difference,
    )
    assert (len(stream), sum(one.origin is Origin.DERIVED for one in stream)) == (
        result.events,
        result.derived,
    )


def test_twice_gives_the_same_digest(tmp_path: Path, stream: list[Recorded]) -> None:
    """Replay is a function of the journal."""
    with open_session(tmp_path, stream) as reader:
        assert replay(reader).digest == replay(reader).digest


def test_a_changed_decision_is_named(tmp_path: Path, stream: list[Recorded]) -> None:
    """The position of the first DERIVED Event that does not come out, with both sides."""
    index = next(i for i, one in enumerate(stream) if isinstance(one.event, IntentDispatched))
    event = stream[index].event
    assert isinstance(event, IntentDispatched)
    changed = msgspec.structs.replace(event.request, price=event.request.price + 1)
    forged = IntentDispatched(request=changed, admitted_ts=event.admitted_ts)
    stream[index] = msgspec.structs.replace(stream[index], event=forged)
    with open_session(tmp_path, stream) as reader:
        result = replay(reader)
    assert not result.identical
    assert result.first_difference is not None
    assert (index + 1, forged, event) == (
        result.first_difference.seq,
        result.first_difference.journalled,
        result.first_difference.replayed,
    )


def test_a_decision_that_is_missing_is_named(tmp_path: Path, stream: list[Recorded]) -> None:
    """The Core derives what the journal does not have."""
    index = next(i for i, one in enumerate(stream) if isinstance(one.event, IntentDispatched))
    del stream[index]
    shifted = [msgspec.structs.replace(one, seq=number) for number, one in enumerate(stream, 1)]
    with open_session(tmp_path, shifted) as reader:
        result = replay(reader)
    assert result.first_difference is not None
    assert index + 1 == result.first_difference.seq


def test_other_semantics_are_not_comparable_and_not_a_difference(
    tmp_path: Path, stream: list[Recorded]
) -> None:
    """It says so and claims nothing."""
    with open_session(tmp_path, stream, semantics_version=0) as reader:
        result = replay(reader)
    assert (False, False) == (result.comparable, result.identical)


def test_a_part_is_not_called_complete(tmp_path: Path, stream: list[Recorded]) -> None:
    """State at a position can be looked at."""
    with open_session(tmp_path, stream) as reader:
        running = Replay(reader)
        result = running.run(to_seq=20)
    assert (20, False, True) == (result.events, result.complete, result.identical)
    assert running.state.control.seq <= 20


def test_the_archived_strategy_decides_when_the_installed_one_changed(
    tmp_path: Path, stream: list[Recorded]
) -> None:
    """The journal's own source is run if it is not the installed one."""
    path = "livestack.strategies.market_maker:MarketMaker"
    with open_session(
        tmp_path, stream, strategy_source=strategy_source(path) + "\n# changed since\n"
    ) as reader:
        assert replay(reader).identical


def test_a_difference_is_not_called_complete(tmp_path: Path, stream: list[Recorded]) -> None:
    """What comes behind it was not looked at."""
    index = next(i for i, one in enumerate(stream) if one.origin is Origin.DERIVED)
    del stream[index]
    shifted = [msgspec.structs.replace(one, seq=number) for number, one in enumerate(stream, 1)]
    with open_session(tmp_path, shifted) as reader:
        assert not replay(reader).complete


def test_other_semantics_that_decide_otherwise_are_no_difference(
    tmp_path: Path, stream: list[Recorded]
) -> None:
    """A decision that does not come out under another Core proves nothing."""
    index = next(i for i, one in enumerate(stream) if one.origin is Origin.DERIVED)
    del stream[index]
    shifted = [msgspec.structs.replace(one, seq=number) for number, one in enumerate(stream, 1)]
    with open_session(tmp_path, shifted, semantics_version=0) as reader:
        result = replay(reader)
    assert (False, False, None) == (result.comparable, result.identical, result.first_difference)


def test_the_chain_of_a_part_is_really_looked_at(tmp_path: Path, stream: list[Recorded]) -> None:
    """A link changed inside the part is found; one behind it is not claimed about."""
    open_session(tmp_path, stream).close()
    change(tmp_path / "sessions", CHAIN, key_of(30), bytes(16))
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        assert (True, False) == (replay(reader, to_seq=20).chain_ok, replay(reader, to_seq=30).chain_ok)


def test_an_empty_journal_is_replayed_to_nothing(tmp_path: Path) -> None:
    """A node that died before its first commit decided nothing, and did so identically."""
    with open_session(tmp_path, []) as reader:
        result = replay(reader)
    assert (0, True, True) == (result.events, result.identical, result.chain_ok)
