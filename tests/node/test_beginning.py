"""How a run begins: anew, or with the session that was left unfinished, and never on what cannot be believed."""

from __future__ import annotations

import random
from pathlib import Path

import lmdb
import pytest

from livestack.core.events import (
    IncidentOpened,
    OperatorCommand,
    Recorded,
    SessionResumed,
    SessionStarted,
    SetTradingState,
)
from livestack.core.state import KillRecord
from livestack.core.types import TradingState, parse_client_id
from livestack.exceptions import JournalFormatError, UsageError
from livestack.journal.directory import DataDirectory
from livestack.journal.quarantine import accept, quarantined, unaccepted
from livestack.journal.segment import segments_of
from livestack.journal.writer import JournalWriter
from livestack.node.beginning import Abandoned, begin_again, begin_anew, refuse_to_lose, unfinished
from livestack.node.recovery import Recovered
from livestack.settings import load
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.research.sessions import (
    CLOSING,
    ENVIRONMENT,
    WALL_NS,
    header,
    opening,
    quotes,
    record,
    rules,
    store,
)

SESSION = "20260101T000000Z-0001"


def settings_and_rules(directory: Path):
    path = configuration.write(directory, ["BTCUSDT"], market_maker("BTCUSDT"))
    return load(path, ENVIRONMENT)


def interrupted(directory: Path, **changes: object) -> list[Recorded]:
    """A session that ended in the middle; its records."""
    records = record(rules(directory), [*opening(SESSION), *quotes(30)])
    store(directory, header(SESSION, rules(directory), **changes), records)
    return records


def look(directory: Path) -> Recovered | Abandoned | None:
    return unfinished(DataDirectory(directory), rules(directory))


def anew(directory: Path, before: Abandoned | None, recovery="resume") -> list[str]:
    """The types of the first Events of a new session."""
    settings, configuration_ = settings_and_rules(directory)
    beginning = begin_anew(settings, configuration_, "new", WALL_NS, random.Random(1), before, recovery)
    return [type(event).__name__ for event in beginning.events]


def test_header_and_first_event_say_the_same(tmp_path: Path) -> None:
    """Session, strategy and configuration are one identity; the epoch makes valid client ids."""
    settings, configuration_ = settings_and_rules(tmp_path)
    beginning = begin_anew(settings, configuration_, "s", WALL_NS, random.Random(1))
    (first,), head = beginning.events, beginning.header
    assert isinstance(first, SessionStarted)
    assert (first.session, first.strategy_digest, first.configuration_digest) == (
        head.session,
        head.strategy_digest,
        head.configuration_digest,
    )
    assert configuration_.digest() == head.configuration_digest
    assert "class MarketMaker" in head.strategy_source
    assert ({"binance_spot": "test"}, "full") == (head.account_names, head.durability)
    assert parse_client_id(f"{first.epoch}-1-1") is not None


def test_two_sessions_never_share_an_epoch(tmp_path: Path) -> None:
    """Not even begun in the same second: the random part differs."""
    settings, configuration_ = settings_and_rules(tmp_path)
    source = random.Random(1)
    epochs = {
        event.epoch
        for _ in range(50)
        for event in begin_anew(settings, configuration_, "s", WALL_NS, source).events
        if isinstance(event, SessionStarted)
    }
    assert 50 == len(epochs)


def test_an_empty_directory_has_nothing_unfinished(tmp_path: Path) -> None:
    """The first run of all."""
    DataDirectory(tmp_path / "data").acquire().release()
    assert unfinished(DataDirectory(tmp_path / "data"), rules(tmp_path)) is None


def test_a_session_that_stopped_is_over(tmp_path: Path) -> None:
    """With its mark of an orderly end, and without it: then it is replayed to find out."""
    store(tmp_path, header(SESSION, rules(tmp_path)), record(rules(tmp_path), [*opening(SESSION), *CLOSING]))
    assert look(tmp_path) is None
    (segment,) = segments_of(tmp_path / "sessions", SESSION)
    (segment / "clean").unlink()
    assert look(tmp_path) is None


def test_a_session_without_an_event_never_was(tmp_path: Path) -> None:
    """A node that died before its first commit leaves nothing to recover."""
    JournalWriter.create(tmp_path / "sessions", header(SESSION, rules(tmp_path)), "relaxed").close()
    assert look(tmp_path) is None


def test_a_name_without_a_segment_hides_no_session(tmp_path: Path) -> None:
    """A node that died before its first segment was there left a directory that sorts last: it is passed over."""
    interrupted(tmp_path)
    (tmp_path / "sessions" / "20260101T000000Z-ffff" / "journal" / "making-1").mkdir(parents=True)
    recovered = look(tmp_path)
    assert isinstance(recovered, Recovered)
    assert SESSION == recovered.header.session


def test_an_interrupted_session_goes_on_behind_its_last_event(tmp_path: Path) -> None:
    """Under a fresh epoch, in a segment that continues the chain, with the State of the last Event."""
    records = interrupted(tmp_path)
    recovered = look(tmp_path)
    assert isinstance(recovered, Recovered)
    beginning = begin_again(recovered, "resume", WALL_NS, random.Random(1))
    (first,) = beginning.events
    assert isinstance(first, SessionResumed)
    assert "AAAAAAAAA" != first.epoch
    assert (SESSION, len(records) + 1) == (beginning.header.session, beginning.header.first_seq)
    assert recovered.chain == beginning.header.previous_chain
    assert len(records) == beginning.runtime.state.control.seq
    JournalWriter.create(tmp_path / "sessions", beginning.header, "relaxed").close()


def test_a_resumed_session_says_what_this_run_is_set_to(tmp_path: Path) -> None:
    """A header of an older program did not; without settings it stays as it was."""
    interrupted(tmp_path)
    recovered = look(tmp_path)
    assert isinstance(recovered, Recovered)
    settings, _ = settings_and_rules(tmp_path)
    told = begin_again(recovered, "resume", WALL_NS, random.Random(1), settings=settings).header
    assert ({"binance_spot": "test"}, "full") == (told.account_names, told.durability)
    kept = begin_again(recovered, "resume", WALL_NS, random.Random(1)).header
    assert ({}, "") == (kept.account_names, kept.durability)


def test_an_instrument_with_open_orders_cannot_be_left_out(tmp_path: Path) -> None:
    """The settings are not part of the session; without its symbol nobody could ask about its orders."""
    interrupted(tmp_path)
    recovered = look(tmp_path)
    assert isinstance(recovered, Recovered)
    refuse_to_lose(recovered, ["binance_spot:BTCUSDT", "binance_spot:ETHUSDT"])
    with pytest.raises(UsageError, match=r"open orders or a position in binance_spot:BTCUSDT: keep it"):
        refuse_to_lose(recovered, ["binance_spot:ETHUSDT"])


def test_recover_halt_leaves_it_to_an_operator(tmp_path: Path) -> None:
    """The first thing after the resumption is HALTED."""
    interrupted(tmp_path)
    recovered = look(tmp_path)
    assert isinstance(recovered, Recovered)
    _, halt = begin_again(recovered, "halt", WALL_NS, random.Random(1)).events
    assert isinstance(halt, OperatorCommand)
    assert SetTradingState(TradingState.HALTED) == halt.command


@pytest.mark.parametrize(
    ("key", "accepted", "killed", "told"),
    [
        ("session_not_resumed 20260101-0", False, False, ["session_not_resumed 20260101-0"]),
        ("session_not_resumed 20260101-0", True, False, []),
        ("guard_acted guard", False, True, ["guard_acted guard"]),
        ("guard_acted guard", False, False, []),
        ("stall harness", False, True, []),
        ("odd", False, True, []),
    ],
)
def test_incidents_that_only_an_operator_ends_are_told_again(
    tmp_path: Path, key: str, accepted: bool, killed: bool, told: list[str]
) -> None:
    """The Core forgets all of them when it is resumed; whatever else still holds shows anew by itself."""
    interrupted(tmp_path)
    recovered = look(tmp_path)
    assert isinstance(recovered, Recovered)
    control = recovered.runtime.state.control
    control.incidents[key] = "critical"
    if killed:
        control.kill[""] = KillRecord(1, "guard", "", "")
    found = begin_again(recovered, "resume", WALL_NS, random.Random(1), accepted).events
    assert told == [f"{one.name} {one.scope}" for one in found if isinstance(one, IncidentOpened)]


def test_other_semantics_are_not_resumed(tmp_path: Path) -> None:
    """Nobody knows what the older program would have decided: a new session begins, HALTED."""
    interrupted(tmp_path, semantics_version=1)
    before = look(tmp_path)
    assert isinstance(before, Abandoned)
    assert before.grave
    assert "semantics" in before.cause
    assert ["SessionStarted", "OperatorCommand", "IncidentOpened"] == anew(tmp_path, before)


def test_another_strategy_is_not_resumed_either(tmp_path: Path) -> None:
    """It was changed on purpose: the new session trades, unless it was asked to halt."""
    interrupted(tmp_path, strategy_source="class Other: pass")
    before = look(tmp_path)
    assert isinstance(before, Abandoned)
    assert not before.grave
    assert ["SessionStarted"] == anew(tmp_path, before)
    assert ["SessionStarted", "OperatorCommand", "IncidentOpened"] == anew(tmp_path, before, "halt")


def test_another_account_is_not_asked_about_this_ones_orders(tmp_path: Path) -> None:
    """What another account, or another address, knows nothing of may be open at the first: refused."""
    interrupted(tmp_path, accounts=("aa", "bb"))
    data, configuration_ = DataDirectory(tmp_path), rules(tmp_path)
    with pytest.raises(UsageError, match="another account"):
        unfinished(data, configuration_, ("aa", "cc"))
    assert isinstance(unfinished(data, configuration_, ("aa", "bb")), Recovered)


def test_a_damaged_segment_goes_into_quarantine(tmp_path: Path) -> None:
    """The new session begins HALTED and says why; the damaged one is kept as it is."""
    interrupted(tmp_path)
    (segment,) = segments_of(tmp_path / "sessions", SESSION)
    with lmdb.open(str(segment), max_dbs=8, map_size=1 << 30) as environment:
        events = environment.open_db(b"events")
        with environment.begin(write=True) as transaction:
            transaction.put((7).to_bytes(8, "big"), b"not what was written", db=events)
    before = look(tmp_path)
    assert isinstance(before, Abandoned)
    assert before.grave
    assert "at seq 7 is damaged" in before.cause
    assert [] == segments_of(tmp_path / "sessions", SESSION)
    ((name, why),) = quarantined(tmp_path / "sessions", SESSION)
    assert name.endswith("1-1")
    assert "seq 7" in why
    settings, configuration_ = settings_and_rules(tmp_path)
    incident = begin_anew(settings, configuration_, "new", WALL_NS, random.Random(1), before).events[2]
    assert isinstance(incident, IncidentOpened)
    assert (SESSION, "critical") == (incident.scope, incident.grade)


@pytest.mark.parametrize("damaged", [0, 1, 2])
def test_a_damaged_session_is_never_taken_up_again(tmp_path: Path, damaged: int) -> None:
    """Whatever keeps the next run from beginning: the one after it does not take what is left for all there was."""
    records = record(rules(tmp_path), [*opening(SESSION), *quotes(30)])
    writer = JournalWriter.create(tmp_path / "sessions", header(SESSION, rules(tmp_path)), "relaxed")
    for first in range(0, len(records), 25):
        writer.commit(records[first : first + 25])
        writer.rotate()
    writer.close()
    segments = segments_of(tmp_path / "sessions", SESSION)
    with (segments[damaged] / "data.mdb").open("r+b") as file:
        file.truncate(5_000)
    before = look(tmp_path)
    assert isinstance(before, Abandoned)
    assert before.grave
    for _ in range(2):
        assert look(tmp_path) is None
        assert [SESSION] == list(unaccepted(tmp_path / "sessions"))
    assert accept(tmp_path / "sessions", SESSION)
    assert accept(tmp_path / "sessions", SESSION)  # the run that accepted it may not have come far
    assert not accept(tmp_path / "sessions", "another")
    assert look(tmp_path) is None
    assert {} == unaccepted(tmp_path / "sessions")
    assert 1 == len(quarantined(tmp_path / "sessions", SESSION))


def test_a_journal_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    """Refused with a sentence; not a byte is touched."""
    interrupted(tmp_path)
    (segment,) = segments_of(tmp_path / "sessions", SESSION)
    with lmdb.open(str(segment), max_dbs=8, map_size=1 << 30) as environment:
        meta = environment.open_db(b"meta")
        with environment.begin(write=True) as transaction:
            transaction.put(b"header", b"\x81\xaeformat_version\x63", db=meta)
    before = (segment / "data.mdb").read_bytes()
    with pytest.raises(JournalFormatError, match="newer livestack"):
        look(tmp_path)
    assert before == (segment / "data.mdb").read_bytes()
    assert [] == quarantined(tmp_path / "sessions", SESSION)
