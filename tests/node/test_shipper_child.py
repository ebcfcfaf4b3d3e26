"""The node's side of a sink's shipper: what it hears, when the sink is late or refuses, how it ends."""

from __future__ import annotations

import queue
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from livestack.node.shipper import Refused, Report, ShippedUpTo, Trouble
from livestack.node.shipper_child import ShipperChild, _decoder, shipper_command
from livestack.transports.backoff import Backoff
from tests.actors.fakes import FakeClock
from tests.node.test_children import WAIT_S, AskedTimers, _Least

SECOND_NS = 1_000_000_000
LAG_NS = 30 * SECOND_NS

SHIPPED = (
    'print(\'{"report":"shipped","seq":%d,"through":%d,"ts":%d,"behind":%d,"rows":%d,"refused":0,"rows_per_s":0}\','
    " flush=True);"
)
TROUBLE = 'print(\'{"report":"error","text":"%s","refused":%s}\', flush=True);'
REFUSED = (
    'print(\'{"report":"refused","table":"fills","seq":7,"ordinal":1,"error":"too long"}\', flush=True);'
)
WAIT = "told = sys.stdin.readline();"
BEGIN = "import sys; sys.stdin.readline();"


class Heard:
    """Keeps what it is told, in order."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()

    def on_late(self, reason: str) -> None:
        self._calls.put(("late", reason))

    def on_caught_up(self) -> None:
        self._calls.put(("caught up",))

    def on_refused(self, reason: str) -> None:
        self._calls.put(("refused", reason))

    def on_accepted(self) -> None:
        self._calls.put(("accepted",))

    def on_dead_letter(self, count: int, text: str) -> None:
        self._calls.put(("dead letter", count, text))

    def next(self) -> tuple[Any, ...]:
        """The next call, once it comes."""
        return self._calls.get(timeout=WAIT_S)

    def nothing(self) -> bool:
        return self._calls.empty()


class Bench:
    """A ShipperChild whose process is a line of Python; it is told ``go`` first."""

    def __init__(self) -> None:
        self.heard = Heard()
        self.clock = FakeClock()
        self.timers = AskedTimers()
        self.child: ShipperChild

    def start(self, code: str, command: list[str] | None = None) -> ShipperChild:
        self.child = ShipperChild(
            command or [sys.executable, "-c", BEGIN + code],
            "local",
            "a place",
            self.heard,
            clock=self.clock,
            timers=self.timers,
            backoff=Backoff(_Least()),
            lag_max_ns=LAG_NS,
            first_line=b"go\n",
        )
        self.child.start()
        self.look_ns, self.look = self.timers.next()
        return self.child

    def heard_all(self) -> None:
        """What the process said so far is taken in, marked by a refused record that it says last."""
        while "dead letter" != self.heard.next()[0]:
            pass


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.child.await_end(0)


def test_how_far_it_is_can_be_seen(bench: Bench) -> None:
    """Where nothing is missing it has everything that was looked at, and is as old as what it said last."""
    child = bench.start(SHIPPED % (9, 9, 0, 0, 3) + REFUSED + WAIT)
    assert ("starting", 0) == (child.view().state, child.view().through)
    bench.heard_all()
    bench.clock.time_ns += 2 * SECOND_NS
    seen = child.view()
    assert ("ok", 9, 0, 2 * SECOND_NS, "", 1) == (
        seen.state, seen.through, seen.behind, seen.lag_ns, seen.error, seen.dead_letters,
    )  # fmt: skip
    assert ("local", "a place") == (seen.name, seen.address)


def test_what_it_has_is_as_old_as_it_says_while_events_are_missing(bench: Bench) -> None:
    """Session time of the last Event up to which nothing waits, never older than its start."""
    later_ns = bench.clock.now_ns() + 5 * SECOND_NS
    child = bench.start(SHIPPED % (9, 5, 1, 4, 3) + SHIPPED % (9, 6, later_ns, 3, 4) + REFUSED + WAIT)
    bench.heard_all()
    bench.clock.time_ns = later_ns + SECOND_NS
    seen = child.view()
    assert (6, 3, SECOND_NS) == (seen.through, seen.behind, seen.lag_ns)


def test_one_that_never_answers_is_late(bench: Bench) -> None:
    """Told once; every look before only asks for the next one."""
    bench.start(REFUSED + WAIT + SHIPPED % (9, 9, 0, 0, 1) + WAIT)
    bench.heard_all()
    assert bench.clock.now_ns() + LAG_NS == bench.look_ns
    bench.clock.time_ns = bench.look_ns - 1
    bench.look()
    _, look = bench.timers.next()
    assert bench.heard.nothing()
    bench.clock.time_ns += 1
    look()
    assert ("late", "it has nothing behind seq 0 of the last 30 s: it says nothing") == bench.heard.next()
    assert "behind" == bench.child.view().state


def test_one_that_has_caught_up_is_told_of(bench: Bench) -> None:
    """Once, and the next look is asked for."""
    child = bench.start(TROUBLE % ("no route", "false") + REFUSED + WAIT + SHIPPED % (9, 9, 0, 0, 1) + WAIT)
    bench.heard_all()
    bench.clock.time_ns = bench.look_ns
    bench.look()
    assert "no route" in bench.heard.next()[1]
    assert ("down", "no route", 1) == (child.view().state, child.view().error, child.view().errors)
    process = child._greeted
    assert process is not None
    assert process.stdin is not None
    process.stdin.write(b"go on\n")
    process.stdin.flush()
    assert ("caught up",) == bench.heard.next()
    assert bench.clock.now_ns() + LAG_NS == bench.timers.next()[0]
    assert ("ok", "") == (child.view().state, child.view().error)


def test_a_sink_that_refuses_is_told_of_once(bench: Bench) -> None:
    """Until it has kept something; that it answers, or is away for a while, is not that."""
    child = bench.start(
        SHIPPED % (9, 5, 0, 4, 3)
        + TROUBLE % ("password", "true")
        + TROUBLE % ("another password", "true")
        + SHIPPED % (9, 5, 0, 4, 3)
        + TROUBLE % ("no route", "false")
        + REFUSED
        + WAIT
        + SHIPPED % (9, 6, 0, 3, 4)
        + WAIT
    )
    assert ("refused", "password") == bench.heard.next()
    assert "dead letter" == bench.heard.next()[0]
    assert ("refused", "no route") == (child.view().state, child.view().error)
    process = child._greeted
    assert process is not None
    assert process.stdin is not None
    process.stdin.write(b"go on\n")
    process.stdin.flush()
    assert ("accepted",) == bench.heard.next()
    assert ("ok", "") == (child.view().state, child.view().error)


def test_every_dead_letter_is_counted(bench: Bench) -> None:
    """With the table, the position and the sink's words."""
    bench.start(REFUSED + REFUSED + WAIT)
    assert ("dead letter", 1, "fills, seq 7, ordinal 1: too long") == bench.heard.next()
    assert 2 == bench.heard.next()[1]


def test_it_is_started_again_when_it_dies(bench: Bench) -> None:
    """Whatever its exit code is, as the session goes on; the cause is shown meanwhile."""
    child = bench.start("exit(0)")
    _, again = bench.timers.next()
    assert ("down", "it ended with exit code 0") == (child.view().state, child.view().error)
    again()
    bench.timers.next()
    assert 2 == child.starts


def test_at_the_end_it_ships_what_is_left(bench: Bench) -> None:
    """It is told, and only exit code 0 means that it has."""
    child = bench.start(REFUSED + WAIT + SHIPPED % (9, 9, 0, 0, 1) + "exit(told != 'stop\\n')")
    bench.heard_all()
    child.tell_stop()
    assert child.await_end(WAIT_S)
    assert (True, 9) == (child.has_all, child.view().through)


def test_one_that_cannot_ship_what_is_left_has_not(bench: Bench) -> None:
    """Its exit code says so; nobody starts another one."""
    child = bench.start(REFUSED + WAIT + "exit(6)")
    bench.heard_all()
    child.tell_stop()
    assert child.await_end(WAIT_S)
    assert (False, 1) == (child.has_all, child.starts)


def test_one_that_is_dead_when_the_end_comes_is_started_for_what_is_left(
    bench: Bench, tmp_path: Path
) -> None:
    """At once, and told behind its instructions."""
    been = tmp_path / "been"
    child = bench.start(
        f"import os; first = not os.path.exists({str(been)!r}); open({str(been)!r}, 'w').close();"
        "exit(9 if first else sys.stdin.readline() != 'stop\\n')"
    )
    bench.timers.next()  # asked for when it is to be started again; nobody fires it
    child.tell_stop()
    assert child.await_end(WAIT_S)
    assert (True, 2) == (child.has_all, child.starts)


def test_one_that_does_not_end_is_ended(bench: Bench) -> None:
    """What it has not got is left."""
    child = bench.start(REFUSED + "sys.stdin.readline(); sys.stdin.readline()")
    bench.heard_all()
    child.tell_stop()
    assert not child.await_end(0)
    assert (False, None) == (child.has_all, child.pid)


def test_a_machine_that_starts_none_holds_no_end_up(bench: Bench) -> None:
    """It is tried again while the session runs, and not at its end."""
    child = bench.start("", command=["/nowhere/python"])
    bench.timers.next()
    assert "cannot be started" in child.view().error
    child.tell_stop()
    assert child.await_end(WAIT_S)
    assert not child.has_all


@pytest.mark.parametrize(
    "report",
    [
        ShippedUpTo(seq=1, through=2, ts=3, behind=4, rows=5, refused=6, rows_per_s=7),
        Trouble("no route", refused=True),
        Refused("fills", 1, 2, "too long"),
    ],
)
def test_every_report_of_a_shipper_can_be_read(report: Report) -> None:
    """By its field names: nothing that the node looks at is called otherwise there."""
    line = msgspec.json.encode(report)
    said, plain = msgspec.to_builtins(_decoder.decode(line)), msgspec.json.decode(line)
    plain.pop("rows_per_s", None)  # for people
    assert plain == {name: said[name] for name in plain}
    assert said["report"] in ("shipped", "error", "refused")


def test_lines_that_are_no_reports_are_passed_over(bench: Bench) -> None:
    """A library may print what it likes."""
    bench.start("print('hello'); print('{\"report\":\"odd\"}');" + REFUSED + WAIT)
    bench.heard_all()


def test_the_command_names_no_sink(tmp_path: Path) -> None:
    """Its URL may hold a password; the data directory and the session are no secret."""
    command = shipper_command(tmp_path, "20260101T000000Z-aaaa")
    assert ["-m", "livestack", "records", "ship", "20260101T000000Z-aaaa", "--child"] == command[1:7]
    assert ["--data-dir", str(tmp_path)] == command[7:]
