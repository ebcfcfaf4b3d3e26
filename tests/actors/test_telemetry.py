"""The telemetry actor: one reading an interval, shown and sent; what fails costs figures, and is counted."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from structlog.testing import capture_logs

from livestack.actors.desk import Board
from livestack.actors.gate import DispatchGate
from livestack.actors.mailbox import Mailbox
from livestack.actors.messages import Tick
from livestack.actors.telemetry import SLICE, Emission, TelemetryActor
from livestack.telemetry import catalogue
from livestack.telemetry.instruments import Reading, Registry
from livestack.telemetry.statsd import plain_naming
from livestack.wire import control_pb2 as pb
from tests.actors.fakes import FakeClock, FakeSender, FakeTimers, messages

SECOND_NS = 1_000_000_000


class Bench:
    """An actor that is not started, with a clock and timers set by hand, and a sender that remembers."""

    def __init__(self, *, loses: str = "", datagram: int = 1_432, sends: bool = True) -> None:
        self.clock = FakeClock()
        self.timers = FakeTimers()
        self.registry = Registry()
        self.board = Board("n", 0, self.clock, DispatchGate(["v"]))
        self.senders: list[FakeSender] = []
        self.loses = loses
        self.emission = Emission(plain_naming("p"), datagram, self._sender if sends else None, "desk:8125")
        self.mailbox = Mailbox()
        self.ways_given = 0
        self.actor = self.make()

    def _sender(self) -> FakeSender:
        self.senders.append(FakeSender(self.loses))
        return self.senders[-1]

    def make(self) -> TelemetryActor:
        return TelemetryActor(
            mailbox=self.mailbox,
            supervisor=Mailbox(),
            registry=self.registry,
            emission=self.emission,
            board=self.board,
            interval_ns=SECOND_NS,
            clock=self.clock,
            timers=self.timers,
            give_way=self._give_way,
        )

    def _give_way(self) -> None:
        self.ways_given += 1

    def read(self, seconds: float = 1) -> list[str]:
        """Let an interval pass; what was sent in it."""
        before = len(self.senders[-1].lines()) if self.senders else 0
        self.clock.time_ns += int(seconds * SECOND_NS)
        self.timers.fire()
        self.actor.on_receive(messages(self.mailbox))
        return self.senders[-1].lines()[before:] if self.senders else []

    def shown(self, name: str) -> pb.Metric:
        assert self.board.metrics is not None
        return next(one for one in self.board.metrics.metrics if one.name == name)

    def counted(self, name: str) -> int:
        return next(
            one.value for one in self.registry.read() if ".".join((one.metric.name, *one.labels)) == name
        )


def test_each_interval_is_read_shown_and_sent_once() -> None:
    """However many ticks have gathered; the next one is due at the next whole interval."""
    bench = Bench()
    bench.registry.probe("one", lambda: [Reading(catalogue.RUNTIME_SEQ, value=bench.clock.time_ns)])
    bench.actor.on_start()
    started_ns = bench.clock.time_ns
    assert "p.runtime.seq:2000000000|g" in bench.read()
    assert (2 * SECOND_NS, 2 * SECOND_NS) == (
        bench.board.metrics and bench.board.metrics.read_ns,
        bench.shown("runtime.seq").value,
    )
    bench.mailbox.tell(Tick())
    assert 1 == len([line for line in bench.read(3.5) if "runtime.seq" in line])
    assert [started_ns + 5 * SECOND_NS] == [deadline_ns for deadline_ns, _ in bench.timers.pending]


def test_what_it_sent_is_in_its_own_figures() -> None:
    """Datagrams, bytes and the time that it took, one reading later."""
    bench = Bench()
    bench.actor.on_start()
    bench.read()
    sent = tuple(bench.senders[-1].sent)
    assert (len(sent), sum(len(one.payload) for one in sent)) == (
        bench.counted("telemetry.sent"), bench.counted("telemetry.bytes"),
    )  # fmt: skip
    lines = bench.read()
    assert f"p.telemetry.sent:{len(sent)}|c" in lines
    assert "p.telemetry.read:0|ms" in lines


def test_without_a_place_to_send_to_everything_is_shown_all_the_same() -> None:
    """No socket, no loss."""
    bench = Bench(sends=False)
    bench.registry.counter(catalogue.JOURNAL_RECORDS).value = 5
    bench.actor.on_start()
    bench.read()
    assert 5 == bench.shown("journal.records").value
    assert {} == bench.registry.counters(catalogue.TELEMETRY_LOST).values


@pytest.mark.parametrize("reason", ["unresolved", "refused", "full", "unreachable", "error"])
def test_what_is_lost_is_counted_by_reason_and_told_once(reason: str) -> None:
    """A line when it begins and a line when it is over, not one a second."""
    bench = Bench(loses=reason)
    with capture_logs() as logs:
        bench.actor.on_start()
        bench.read()
        bench.read()
        lost = bench.counted(f"telemetry.lost.{reason}")
        bench.senders[-1].loses = ""
        bench.read()
        bench.read()
    assert lost >= 4
    assert lost == bench.counted(f"telemetry.lost.{reason}") == bench.shown(f"telemetry.{reason}.lost").value
    assert ["metrics_lost", "metrics_arrive_again"] == [one["event"] for one in logs]
    assert ["desk:8125"] * 2 == [one["statsd"] for one in logs]


def test_a_line_that_fits_no_datagram_is_lost_and_no_other() -> None:
    """Counted as too long; what is shown has it."""
    bench = Bench(datagram=80)
    bench.registry.counters(catalogue.VENUE_FAULTS, "v" * 60).add("k" * 60)
    bench.registry.counter(catalogue.JOURNAL_RECORDS)
    bench.actor.on_start()
    lines = bench.read()
    assert 1 == bench.counted("telemetry.lost.too_long")
    assert "p.journal.records:0|c" in lines
    assert all("faults" not in line for line in lines)
    assert 1 == bench.shown(f"venue.{'v' * 60}.{'k' * 60}.faults").value


def test_a_probe_that_fails_is_left_out_counted_and_told_once() -> None:
    """Everything else is read, for as long as it goes on; it comes back by itself."""
    is_broken = True

    def probe() -> Iterable[Reading]:
        if is_broken:
            raise OSError("gone")
        return [Reading(catalogue.RUNTIME_SEQ, value=7)]

    bench = Bench()
    bench.registry.probe("fails", probe)
    bench.registry.counter(catalogue.JOURNAL_RECORDS)
    with capture_logs() as logs:
        bench.actor.on_start()
        assert "p.journal.records:0|c" in bench.read()
        bench.read()
        is_broken = False
        assert "p.runtime.seq:7|g" in bench.read()
    assert 2 == bench.counted("telemetry.lost.probe")
    assert [("probe_failed", "fails", "OSError: gone")] == [
        (one["event"], one.get("probe"), one.get("error")) for one in logs
    ]


def test_the_last_seconds_are_sent_at_the_end() -> None:
    """A reading of its own, then nothing is left open or pending."""
    bench = Bench()
    counter = bench.registry.counter(catalogue.JOURNAL_RECORDS)
    bench.actor.on_start()
    bench.read()
    counter.value += 9
    bench.actor.on_stop()
    assert "p.journal.records:9|c" in bench.senders[-1].lines()
    assert (True, []) == (bench.senders[-1].is_closed, bench.timers.pending)


def test_another_actor_goes_on_where_the_one_before_had_got_to() -> None:
    """Nothing is counted twice, and the failed one's socket is closed."""
    bench = Bench()
    counter = bench.registry.counter(catalogue.JOURNAL_RECORDS)
    bench.actor.on_start()
    counter.value = 5
    assert "p.journal.records:5|c" in bench.read()
    bench.actor.on_failure(RuntimeError, RuntimeError("x"), None)
    assert (True, []) == (bench.senders[-1].is_closed, bench.timers.pending)
    bench.actor = bench.make()
    bench.actor.on_start()
    counter.value = 7
    assert "p.journal.records:2|c" in bench.read()


def test_other_threads_get_the_interpreter_between_few_series() -> None:
    """A reading of hundreds of series is dealt with in slices."""
    bench = Bench()
    counters = bench.registry.counters(catalogue.RUNTIME_ANOMALIES)
    for number in range(5 * SLICE):
        counters.add(str(number))
    bench.actor.on_start()
    bench.read()
    assert bench.ways_given >= 2 * 5
