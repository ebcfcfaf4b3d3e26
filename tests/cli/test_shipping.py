"""Shipping by hand: what it waits for, what it gives up, and what it says in the end."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from livestack.actors.shipment_mark import alone
from livestack.cli import shipping
from livestack.cli.shipping import FAILURES_MAX, HandShipper, Shipped
from livestack.exceptions import HeldError, JournalFormatError, RecoveryError
from livestack.journal.segment import segments_of
from livestack.storage.cursor import Mark, name_of_address, read_marks, write_mark
from livestack.storage.place import SinkPlace
from livestack.transports.clock import SystemClock
from tests.actors.shipping import Writing, expected, session, stored
from tests.storage.fake_sink import REFUSED, UNAVAILABLE, FakeSink, Store

SECOND_NS = 1_000_000_000


class Hand:
    """A hand shipper into a store in memory."""

    def __init__(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch, wait_ns: int = 60 * SECOND_NS
    ) -> None:
        self.store = Store()
        self.place = SinkPlace(name="local", url=f"delta+file://{directory}/records")
        self.sessions = directory / "sessions"
        self.stopped = threading.Event()
        monkeypatch.setattr(
            shipping, "make_sink", lambda place, _: FakeSink(self.store, address=place.address)
        )
        self.shipper = HandShipper(self.sessions, self.place, SystemClock(), self.stopped, wait_ns)

    def ship(self, name: str = "s", running: bool = False) -> Shipped:
        return self.shipper.ship(name, running)


@pytest.fixture(name="hand")
def _hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hand]:
    hand = Hand(tmp_path, monkeypatch)
    yield hand
    hand.shipper.close()


@pytest.fixture(scope="module", name="writing")
def _writing() -> Iterator[Writing]:
    process = Writing()
    yield process
    process.end()


def count(records: dict[str, dict[tuple[int, int], bytes]]) -> int:
    return sum(map(len, records.values()))


def test_everything_is_shipped_and_counted(hand: Hand, tmp_path: Path) -> None:
    """Once: a second time there is nothing to do."""
    whole = stored(tmp_path)
    wanted = expected(tmp_path, whole)
    told = hand.ship()
    assert (0, "", 0) == (told.exit, told.error, told.pending)
    assert (count(wanted), len(whole.records)) == (told.shipped, told.through)
    assert wanted == hand.store.records("s")
    assert 0 == hand.ship().shipped


def test_refused_records_are_not_counted_as_shipped(hand: Hand, tmp_path: Path) -> None:
    """They are counted for themselves."""
    whole = stored(tmp_path)
    hand.store.refuses = lambda record: record.trace.seq < 20  # type: ignore[attr-defined]
    told = hand.ship()
    assert (0, len(hand.store.dead["s"])) == (told.exit, told.refused)
    assert count(expected(tmp_path, whole)) == told.shipped + told.refused


def test_of_a_running_session_what_is_there_is_shipped(hand: Hand, tmp_path: Path, writing: Writing) -> None:
    """To the last commit, flushed first; that it goes on is not said to be its end."""
    last = writing.begin(tmp_path, durability="relaxed").commit(20)
    told = hand.ship(running=True)
    assert (0, last, 0) == (told.exit, told.through, told.pending)
    assert expected(tmp_path, writing.whole, upto=last) == hand.store.records("s")
    writing.close()


def test_a_sink_that_never_answers_is_given_up(hand: Hand, tmp_path: Path) -> None:
    """At once, for the other sessions without another attempt, and it is said how much is left."""
    whole, other = stored(tmp_path), stored(tmp_path, session(2, 60), "t")
    hand.store.faults.append(UNAVAILABLE)
    told = hand.ship()
    assert (3, len(whole.records)) == (told.exit, told.pending)
    assert "it does not answer" in told.error
    again = hand.ship("t")
    assert (3, told.error, len(other.records)) == (again.exit, again.error, again.pending)
    assert 1 == hand.store.opened


def test_a_sink_that_answered_once_is_tried_again(hand: Hand, tmp_path: Path) -> None:
    """Some times."""
    whole = stored(tmp_path)
    hand.store.faults.extend(["", "", *([UNAVAILABLE] * (FAILURES_MAX - 1))])
    assert 0 == hand.ship().exit
    assert expected(tmp_path, whole) == hand.store.records("s")


def test_but_not_for_ever(hand: Hand, tmp_path: Path) -> None:
    """The error is the sink's."""
    stored(tmp_path)
    hand.store.faults.extend(["", "", *([UNAVAILABLE] * 20)])
    assert 3 == hand.ship().exit
    assert FAILURES_MAX == hand.store.opened


def test_a_refusal_is_final(hand: Hand, tmp_path: Path) -> None:
    """Somebody has to change something first."""
    stored(tmp_path)
    hand.store.faults.extend(["", "", REFUSED])
    told = hand.ship()
    assert 2 == told.exit
    assert "it says no" in told.error


def test_a_damaged_journal_is_told(hand: Hand, tmp_path: Path) -> None:
    """With the exit code of damage."""
    stored(tmp_path)
    for path in (tmp_path / "sessions" / "s" / "journal").glob("*/data.mdb"):
        path.write_bytes(b"\xff" * 65_536)
    told = hand.ship()
    assert 6 == told.exit
    assert "is damaged" in told.error


def test_another_shipper_is_waited_for(
    hand: Hand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Until its mark says that it has what was there."""
    whole = stored(tmp_path)
    mark = Mark(name="local", address=hand.place.address, through=len(whole.records))
    with alone(hand.sessions, "s", "local", hand.place.address):
        write_mark(hand.sessions, "s", mark)
        told = hand.ship()
    assert (0, 0, 0, len(whole.records)) == (told.exit, told.shipped, told.pending, told.through)
    assert f"process {os.getpid()} ships to it; waiting until" in capsys.readouterr().err
    assert 0 == hand.store.opened


def test_another_shipper_of_the_same_place_is_waited_for_under_its_name(hand: Hand, tmp_path: Path) -> None:
    """A URL by hand, where the session's file has a name for the place: one lock, one mark."""
    whole, address = stored(tmp_path), hand.place.address
    hand.place = SinkPlace(name=name_of_address(address), url=hand.place.url)
    by_hand = HandShipper(hand.sessions, hand.place, SystemClock(), hand.stopped, 60 * SECOND_NS)
    mark = Mark(name="lake", address=address, through=len(whole.records))
    with alone(hand.sessions, "s", "lake", address):
        write_mark(hand.sessions, "s", mark)
        write_mark(hand.sessions, "s", Mark(name="b", address="elsewhere", wall_ns=1))
        told = by_hand.ship("s", False)
    assert (0, "lake", len(whole.records)) == (told.exit, told.sink, told.through)
    by_hand.ship("s", False)
    by_hand.close()
    assert {"b", "lake"} == set(read_marks(hand.sessions, "s"))


def test_a_fault_of_the_journal_has_the_exit_code_of_its_error(hand: Hand, tmp_path: Path) -> None:
    """The sink's codes are the sink's: whoever reads them must not look there."""
    stored(tmp_path)
    shutil.rmtree(segments_of(hand.sessions, "s")[0])
    assert RecoveryError.exit_code == hand.ship().exit
    stored(tmp_path, name="t")
    data = segments_of(hand.sessions, "t")[0] / "data.mdb"
    data.unlink()
    data.mkdir()
    told = hand.ship("t")
    assert JournalFormatError.exit_code == told.exit
    assert "cannot be read: Is a directory" in told.error
    stored(tmp_path, name="u")
    (hand.sessions / "u" / "shipped").write_text("in the way")
    told = hand.ship("u")
    assert HeldError.exit_code == told.exit
    assert "session u: " in told.error
    assert "File exists" in told.error


def test_one_that_ends_meanwhile_is_taken_over_from(hand: Hand, tmp_path: Path) -> None:
    """What it had not shipped is shipped then."""
    whole = stored(tmp_path)
    other = alone(hand.sessions, "s", "local", hand.place.address)
    other.__enter__()
    ending = threading.Timer(0.2, other.__exit__, (None, None, None))
    ending.start()
    assert 0 == hand.ship().exit
    ending.join()
    assert expected(tmp_path, whole) == hand.store.records("s")


def test_one_that_takes_too_long_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how much is left."""
    whole = stored(tmp_path)
    hand = Hand(tmp_path, monkeypatch, wait_ns=1)
    with alone(hand.sessions, "s", "local", hand.place.address):
        told = hand.ship()
    assert 5 == told.exit
    assert f"process {os.getpid()} ships to it" in told.error
    assert len(whole.records) >= told.pending


def test_somebody_who_does_not_want_to_wait(hand: Hand, tmp_path: Path) -> None:
    """What was shipped until then stays shipped."""
    stored(tmp_path)
    hand.stopped.set()
    told = hand.ship()
    assert 130 == told.exit
    assert told.pending > 0
    hand.stopped.clear()
    assert 0 == hand.ship().exit


def test_it_follows_a_session_to_its_end(hand: Hand, tmp_path: Path, writing: Writing) -> None:
    """While its node is there; then what is left is shipped, and nothing is waited for."""
    writing.begin(tmp_path).commit(10)
    looks = iter([True, False])

    def is_running() -> bool:
        alive = next(looks)
        if alive:
            writing.commit(20)
        else:
            writing.close()
        return alive

    told = hand.shipper.ship("s", True, is_running)
    assert (0, "", 0) == (told.exit, told.error, told.pending)
    assert expected(tmp_path, writing.whole) == hand.store.records("s")


def test_who_follows_ends_in_order(hand: Hand, tmp_path: Path, writing: Writing) -> None:
    """With the first signal: what is there is shipped."""
    last = writing.begin(tmp_path).commit(10)
    hand.stopped.set()
    told = hand.shipper.ship("s", True, lambda: True)
    assert (0, last) == (told.exit, told.through)
    writing.close()


def test_a_follower_does_not_wait_for_another_one(hand: Hand, tmp_path: Path) -> None:
    """It would wait for as long as the session runs."""
    stored(tmp_path)
    with alone(hand.sessions, "s", "local", hand.place.address):
        told = hand.shipper.ship("s", True, lambda: True)
    assert 5 == told.exit
