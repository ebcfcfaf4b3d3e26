"""The shipper: its own session first, earlier ones when there is time, and nothing hidden of what goes wrong."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livestack.actors.mailbox import Mailbox
from livestack.actors.shipment_mark import Trouble, alone
from livestack.actors.shipment_sink import SinkConnection
from livestack.actors.shipper import (
    REPORT_NS,
    Refused,
    Report,
    RestShipped,
    ShippedUpTo,
    ShipperActor,
    ShipTheRest,
    Step,
)
from livestack.storage.cursor import read_marks
from livestack.storage.sink import Position
from livestack.transports.backoff import Backoff
from tests.actors.fakes import FakeClock, FakeTimers, messages
from tests.actors.shipping import NAME, SECOND_NS, Writing, expected, session, stored
from tests.storage.fake_sink import ADDRESS, REFUSED, UNAVAILABLE, FakeSink, Store


@pytest.fixture(scope="module", name="writing")
def _writing() -> Iterator[Writing]:
    process = Writing()
    yield process
    process.end()


class Bench:
    """A shipper of session ``live`` that a test steps."""

    def __init__(self, directory: Path, store: Store, rows_max: int = 50) -> None:
        self.clock, self.timers = FakeClock(), FakeTimers()
        self.mailbox, self.supervisor = Mailbox(), Mailbox()
        self.said: list[Report] = []
        self.actor = ShipperActor(
            mailbox=self.mailbox,
            supervisor=self.supervisor,
            sessions=directory / "sessions",
            session="live",
            name=NAME,
            connection=SinkConnection(FakeSink(store), self.clock, Backoff(random.Random(1))),
            clock=self.clock,
            timers=self.timers,
            report=self.said.append,
            rows_max=rows_max,
        )
        self.actor.on_start()

    def work(self) -> None:
        """Until it waits for a timer."""
        while waiting := messages(self.mailbox):
            self.actor.on_receive(waiting)

    def later(self, ns: int) -> None:
        self.clock.time_ns += ns
        self.timers.fire()
        self.work()

    def stop(self) -> None:
        self.mailbox.tell(ShipTheRest())
        self.work()

    def shipped(self) -> list[ShippedUpTo]:
        return [one for one in self.said if isinstance(one, ShippedUpTo)]

    def troubles(self) -> list[Trouble]:
        return [one for one in self.said if isinstance(one, Trouble)]


@pytest.fixture(name="bench")
def _bench(tmp_path: Path, writing: Writing) -> Iterator[tuple[Bench, Store, Writing]]:
    writing.begin(tmp_path, name="live").commit(10)
    store = Store()
    bench = Bench(tmp_path, store)
    yield bench, store, writing
    bench.actor.on_stop()
    writing.close()


def test_it_ships_what_is_there_and_what_comes(bench: tuple[Bench, Store, Writing], tmp_path: Path) -> None:
    """A tenth of a second after the commit at the latest; in between it sleeps."""
    shipper, store, writing = bench
    shipper.work()
    assert expected(tmp_path, writing.whole, "live", writing.last_seq) == store.records("live")
    assert 1 == len(shipper.timers.pending)
    assert shipper.clock.time_ns + 100_000_000 == shipper.timers.pending[0][0]
    last = writing.commit(20)
    shipper.later(100_000_000)
    assert expected(tmp_path, writing.whole, "live", last) == store.records("live")


def test_it_says_where_it_is_once_a_second(bench: tuple[Bench, Store, Writing]) -> None:
    """Also when nothing happens: the node takes silence for death."""
    shipper, _, writing = bench
    shipper.work()
    for _ in range(20):
        shipper.later(REPORT_NS // 4)
    told = shipper.shipped()
    assert 6 == len(told)
    at = writing.whole.records[writing.last_seq - 1].ts
    assert (writing.last_seq, at, 0) == (told[-1].seq, told[-1].ts, told[-1].behind)
    assert told[-1].rows > 0
    assert 0 == told[-1].rows_per_s


def test_the_rest_is_shipped_when_the_node_says_so(
    bench: tuple[Bench, Store, Writing], tmp_path: Path
) -> None:
    """All that was written until then; the supervisor hears when it is over, and nothing is done behind it."""
    shipper, store, writing = bench
    shipper.work()
    writing.close()
    shipper.stop()
    assert [RestShipped(damaged=False)] == messages(shipper.supervisor)
    assert expected(tmp_path, writing.whole, "live") == store.records("live")
    assert read_marks(tmp_path / "sessions", "live")[NAME].ended
    assert 0 == shipper.shipped()[-1].behind
    shipper.mailbox.tell(Step())
    shipper.work()
    assert [] == messages(shipper.supervisor)


def test_a_node_that_ends_waits_for_no_back_off(bench: tuple[Bench, Store, Writing], tmp_path: Path) -> None:
    """It has some seconds: the sink is tried at once, and again and again."""
    shipper, store, writing = bench
    store.faults.extend([UNAVAILABLE] * 3)
    shipper.work()
    assert ["fake://store: it does not answer"] == [one.text for one in shipper.troubles()]
    writing.close()
    shipper.stop()
    for _ in range(50):
        shipper.later(100_000_000)
    assert [RestShipped(damaged=False)] == messages(shipper.supervisor)
    assert expected(tmp_path, writing.whole, "live") == store.records("live")


def test_trouble_is_told_when_it_is_another_one(bench: tuple[Bench, Store, Writing]) -> None:
    """Not with each attempt, and no position goes with it; the next position says that it is over."""
    shipper, store, _ = bench
    store.faults.extend([UNAVAILABLE, UNAVAILABLE, REFUSED])
    shipper.work()
    for _ in range(30):
        shipper.later(SECOND_NS)
    kinds = [type(one) for one in shipper.said]
    assert [Trouble, Trouble] == kinds[:2]
    assert {ShippedUpTo} == set(kinds[2:])
    assert [False, True] == [one.refused for one in shipper.troubles()]


def test_each_refused_record_is_told(tmp_path: Path, writing: Writing) -> None:
    """Once, with what the sink said."""
    writing.begin(tmp_path, name="live").commit(30)
    store = Store(refuses=lambda record: record.trace.seq == 20)  # type: ignore[attr-defined]
    shipper = Bench(tmp_path, store)
    shipper.work()
    shipper.later(REPORT_NS)
    refused = [one for one in shipper.said if isinstance(one, Refused)]
    assert {20} == {one.seq for one in refused}
    assert len(store.dead["live"]) == len(refused) == shipper.shipped()[-1].refused
    assert {"it is not liked"} == {one.error for one in refused}
    shipper.actor.on_stop()
    writing.close()


def test_earlier_sessions_are_drained_behind_the_live_one(tmp_path: Path, writing: Writing) -> None:
    """The oldest first, a step at a time: what the live session has is never behind it."""
    old = {name: stored(tmp_path, session(seed, 60), name) for seed, name in ((4, "a"), (5, "b"))}
    writing.begin(tmp_path, name="live").commit(10)
    store = Store()
    shipper = Bench(tmp_path, store, rows_max=20)
    seen: set[str] = set()
    last = writing.last_seq
    while waiting := messages(shipper.mailbox):
        shipper.actor.on_receive(waiting)
        seen |= set(store.records("b")) and {"b"}
        if store.records("a") and not store.records("b") and last == writing.last_seq:
            last = writing.commit(5)
    assert expected(tmp_path, writing.whole, "live", last) == store.records("live")
    for name, whole in old.items():
        assert expected(tmp_path, whole, name) == store.records(name)
        assert read_marks(tmp_path / "sessions", name)[NAME].ended
    order = [batch.session for batch in store.batches]
    behind = order[order.index("a") :]
    assert "live" in behind[: behind.index("b")]
    rows = sum(len(rows) for name in ("a", "b", "live") for rows in store.records(name).values())
    shipper.later(REPORT_NS)
    assert rows == shipper.shipped()[-1].rows
    shipper.actor.on_stop()
    writing.close()


def test_what_is_marked_as_over_is_asked_for_once(tmp_path: Path, writing: Writing) -> None:
    """Its journal is not opened, and what the live session writes meanwhile does not wait for hundreds of answers."""
    names = [f"a{number}" for number in range(5)]
    for name in names:
        stored(tmp_path, name=name)
    store = Store()
    writing.begin(tmp_path, name="live").commit(5)
    first = Bench(tmp_path, store)
    first.work()
    first.actor.on_stop()
    for path in tmp_path.glob("sessions/a*/journal/*/data.mdb"):
        path.write_bytes(b"\xff" * 65_536)
    asked: list[str] = []
    position = store.position
    store.position = lambda session: (asked.append(session), position(session))[1]  # type: ignore[method-assign]
    second = Bench(tmp_path, store)
    last = 0
    while waiting := messages(second.mailbox):
        second.actor.on_receive(waiting)
        if asked == ["live", "a0"] and not last:
            last = writing.commit(5)
    second.later(SECOND_NS)
    second.actor.on_stop()
    assert names == [name for name in asked if name in names]
    assert asked.index("a4") > asked.index("live", 1)  # of each batch: the fake looks where it is
    assert last == position("live").tables["orders"]
    assert [] == second.troubles()
    writing.close()


@pytest.mark.parametrize("fault", [UNAVAILABLE, REFUSED])
def test_a_storage_that_was_put_back_gets_what_it_lost(tmp_path: Path, writing: Writing, fault: str) -> None:
    """Also where it fails when it is asked; where a name stands for another place, everything is shipped there."""
    whole = stored(tmp_path, name="a")
    store = Store()
    writing.begin(tmp_path, name="live").commit(5)
    first = Bench(tmp_path, store)
    first.work()
    first.actor.on_stop()
    store.positions.pop("a")
    store.kept.pop("a")
    second = Bench(tmp_path, store)
    sink: Any = second.actor._connection.sink
    position, faults = sink.position, iter([fault])

    def fails_once(name: str) -> Position:
        if name == "a":
            store.faults.extend(faults)
        answer: Position = position(name)
        return answer

    sink.position = fails_once
    second.work()
    assert [False] == [one.refused for one in second.troubles()]
    for _ in range(30):
        second.later(SECOND_NS)
    second.actor.on_stop()
    assert expected(tmp_path, whole, "a") == store.records("a")
    assert read_marks(tmp_path / "sessions", "a")[NAME].ended
    assert 1 == len(second.troubles())
    store.positions.pop("a")
    store.kept.pop("a")
    third = Bench(tmp_path, store)
    sink = third.actor._connection.sink
    assert ADDRESS == sink.address
    sink.address = "fake://elsewhere"
    third.work()
    third.actor.on_stop()
    assert expected(tmp_path, whole, "a") == store.records("a")
    writing.close()


def test_a_damaged_earlier_session_is_told_and_left(tmp_path: Path, writing: Writing) -> None:
    """What stands before the damage is shipped, the next session follows, and the node need not be alarmed."""
    stored(tmp_path, name="a")
    whole = stored(tmp_path, name="b")
    for path in (tmp_path / "sessions" / "a" / "journal").glob("*/data.mdb"):
        path.write_bytes(b"\xff" * 65_536)
    writing.begin(tmp_path, name="live").commit(5)
    store = Store()
    shipper = Bench(tmp_path, store)
    shipper.work()
    shipper.later(REPORT_NS)
    assert [False] == [one.refused for one in shipper.troubles()]
    assert "is damaged" in shipper.troubles()[0].text
    assert expected(tmp_path, whole, "b") == store.records("b")
    assert 0 == shipper.shipped()[-1].behind
    shipper.actor.on_stop()
    writing.close()


def test_a_sink_that_has_more_of_an_earlier_session_than_there_is(tmp_path: Path, writing: Writing) -> None:
    """It is told, and the others are shipped."""
    stored(tmp_path, name="a")
    store = Store()
    store.positions["a"] = Position(1_000_000)
    writing.begin(tmp_path, name="live").commit(5)
    shipper = Bench(tmp_path, store)
    shipper.work()
    assert ["a"] == [one.text.split("session ")[1].split()[0] for one in shipper.troubles()]
    assert [] == [batch for batch in store.batches if batch.session == "a"]
    shipper.actor.on_stop()
    writing.close()


def test_it_waits_while_another_process_ships(bench: tuple[Bench, Store, Writing], tmp_path: Path) -> None:
    """They take turns, and it says for whom it waits."""
    shipper, store, _ = bench
    with alone(tmp_path / "sessions", "live", NAME, ADDRESS):
        shipper.work()
        shipper.later(SECOND_NS)
        assert [] == store.batches
    assert "ships to it" in shipper.troubles()[0].text
    shipper.later(SECOND_NS)
    assert store.batches
    assert 1 == len(shipper.troubles())


def test_what_another_process_drains_is_left_to_it(tmp_path: Path, writing: Writing) -> None:
    """An earlier session that somebody ships by hand is not waited for."""
    stored(tmp_path, name="a")
    writing.begin(tmp_path, name="live").commit(5)
    store = Store()
    shipper = Bench(tmp_path, store)
    with alone(tmp_path / "sessions", "a", NAME, ADDRESS):
        shipper.work()
    assert {} == store.records("a")
    assert [] == shipper.troubles()
    shipper.actor.on_stop()
    writing.close()


def test_a_fault_of_ours_ends_it(bench: tuple[Bench, Store, Writing]) -> None:
    """Whoever started it hears of that; it is not taken for a sink that is away."""
    shipper, store, _ = bench
    store.position = lambda session: 1 / 0  # type: ignore[assignment, method-assign, return-value]
    with pytest.raises(ZeroDivisionError):
        shipper.work()
