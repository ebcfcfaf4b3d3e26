"""What a node does about its sinks: incidents that hold nothing back, what it tells them, and how it ends with them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from livestack.control.view import SinkView
from livestack.core.events import Event, IncidentClosed, IncidentOpened
from livestack.core.incidents import SHIP_LAG, SHIP_REFUSED
from livestack.node import shipping as module
from livestack.node.children import shipper_environment
from livestack.node.shipper import Instructions
from livestack.node.shipping import OnSink, Shipping
from livestack.node.sink_check import CheckedSink
from livestack.node.supervisor import EXIT_SECOND_SIGNAL
from livestack.records_settings import RecordsSettings, SinkSettings
from livestack.settings import Settings
from livestack.storage.place import SinkPlace
from livestack.transports.clock import SystemClock
from tests.actors.fakes import FakeTimers
from tests.node.test_children import _Least
from tests.node.test_following import ToldHarness
from tests.node.test_following import settings as node_settings
from tests.research.sessions import ENVIRONMENT

SECOND_NS = 1_000_000_000
URL = "postgresql://someone:very-secret@db/records"
LATE_S = 60


class FakeNode:
    """As much of a node as its sinks concern."""

    def __init__(self, incidents: dict[str, str] | None = None, committed: int = 0) -> None:
        self.harness = ToldHarness()
        control = SimpleNamespace(incidents=incidents or {})
        self.runtime = SimpleNamespace(state=SimpleNamespace(control=control))
        self.surface = SimpleNamespace(board=SimpleNamespace(sinks=tuple))
        self.progress = SimpleNamespace(committed=committed)
        self.supervisor = SimpleNamespace(exit_code=0)


def sink(name: str) -> CheckedSink:
    return CheckedSink(SinkPlace(name=name, url=URL), f"a place called {name}")


def chosen(directory: Path, stop_ns: int = LATE_S * SECOND_NS) -> Settings:
    records = RecordsSettings(sinks={"pg": SinkSettings(url_env="RECORDS_URL")}, stop_timeout_ns=stop_ns)
    return msgspec.structs.replace(node_settings(directory), records=records)


def shipping(
    directory: Path,
    node: FakeNode,
    *names: str,
    code: str = "",
    monkeypatch: pytest.MonkeyPatch,
    stop_ns: int = LATE_S * SECOND_NS,
) -> Shipping:
    """With ``code`` as what each sink's process does."""
    monkeypatch.setattr(module, "shipper_command", lambda *_: [sys.executable, "-c", code])
    seams: Any = SimpleNamespace(clock=SystemClock(), timers=FakeTimers(), random=_Least())
    whole: Any = node
    sinks = [sink(name) for name in names]
    return Shipping(chosen(directory, stop_ns), sinks, directory / "sessions", "s", whole, seams, ENVIRONMENT)


@pytest.mark.parametrize(
    ("tell", "event"),
    [
        (lambda on: on.on_late("it is too slow"), SHIP_LAG.opened("pg", "it is too slow")),
        (lambda on: on.on_caught_up(), SHIP_LAG.closed("pg", "it has caught up")),
        (lambda on: on.on_refused("no rights\udc80"), SHIP_REFUSED.opened("pg", "no rights\\udc80")),
        (lambda on: on.on_accepted(), SHIP_REFUSED.closed("pg", "it works again")),
    ],
)
def test_a_sinks_troubles_are_incidents(tell: Callable[[OnSink], None], event: Event) -> None:
    """By the sink's name. None is of a grade that halts."""
    told: list[Event] = []
    tell(OnSink("pg", told.extend))
    assert [event] == told


def test_dead_letters_are_one_incident(tmp_path: Path) -> None:
    """Told anew with ten times as many: thousands of them do not flood the Event Stream."""
    told: list[Event] = []
    on = OnSink("pg", told.extend)
    for count in range(1, 1_001):
        on.on_dead_letter(count, f"fills, seq {count}")
    assert [
        "1 record is in dead_letters; the last one: fills, seq 1",
        "10 records are in dead_letters; the last one: fills, seq 10",
        "100 records are in dead_letters; the last one: fills, seq 100",
        "1,000 records are in dead_letters; the last one: fills, seq 1000",
    ] == [one.detail for one in told if isinstance(one, IncidentOpened)]
    assert {("dead_letter", "pg", "critical")} == {(one.name, one.scope, one.grade) for one in told}  # type: ignore[union-attr]


def test_incidents_of_an_earlier_run_are_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters are told again, as they are there; everything else of sinks shows anew; others' are not ours."""
    names = "ship_lag pg", "ship_refused gone", "dead_letter pg", "dead_letter gone", "stall harness"
    open_then = dict.fromkeys(names, "")
    node = FakeNode(open_then)
    made = shipping(tmp_path, node, "pg", monkeypatch=monkeypatch)
    made.start()
    made.tell_stop()
    made.stop()
    opened = [(one.name, one.scope) for one in node.harness.told if isinstance(one, IncidentOpened)]
    closed = [(one.name, one.scope) for one in node.harness.told if isinstance(one, IncidentClosed)]
    assert [("dead_letter", "pg")] == opened
    assert [("ship_lag", "pg"), ("ship_refused", "gone"), ("dead_letter", "gone")] == closed


def test_a_sinks_process_is_told_where_on_its_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL with its password is there and nowhere else."""
    said = tmp_path / "said"
    code = (
        "import json, os, sys; line = sys.stdin.readline();"
        f"open({str(said)!r}, 'w').write(json.dumps([line, sys.argv, dict(os.environ)]));"
        "sys.stdin.readline()"
    )
    made = shipping(tmp_path, FakeNode(), "pg", code=code, monkeypatch=monkeypatch)
    made.start()
    made.tell_stop()
    made.stop()
    line, arguments, environment = json.loads(said.read_text())
    assert sink("pg").place == msgspec.json.decode(line, type=Instructions).place
    assert "very-secret" not in json.dumps([arguments, environment])


def test_a_sinks_process_gets_no_keys_of_venues(tmp_path: Path) -> None:
    """Nor any URL with a password; what storage libraries look up stays."""
    environment = {
        **ENVIRONMENT,
        "RECORDS_URL": URL,
        "AWS_SECRET_ACCESS_KEY": "needed",
        "PGPASSFILE": "needed",
        "PATH": "needed",
    }
    given = shipper_environment(environment, chosen(tmp_path))
    assert {"VENUE_KEY", "VENUE_SECRET", "RECORDS_URL"}.isdisjoint(given)
    assert {"AWS_SECRET_ACCESS_KEY", "PGPASSFILE", "PATH", "PYTHONPATH"} <= given.keys()


def test_operators_see_the_sinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the moment that there is a session."""
    node = FakeNode()
    shipping(tmp_path, node, "local", "pg", monkeypatch=monkeypatch)
    seen: tuple[SinkView, ...] = node.surface.board.sinks()
    assert [("local", "starting"), ("pg", "starting")] == [(one.name, one.state) for one in seen]


def test_what_is_left_is_shipped_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them at once; then there is nothing to say."""
    made = shipping(
        tmp_path, FakeNode(), "a", "b", code="import sys; sys.stdin.read(0)", monkeypatch=monkeypatch
    )
    made.start()
    with capture_logs() as logs:
        made.tell_stop()
        made.stop()
    assert [] == [entry for entry in logs if entry["event"] == "records_wait"]


@pytest.mark.parametrize("hurried", ["time", "second signal", "exit"])
def test_what_is_left_after_all_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: str
) -> None:
    """How many Events, and what ships them. It ends when the time is over, or when somebody is in a hurry."""
    node = FakeNode(committed=50)
    code = (
        'import sys; print(\'{"report":"shipped","seq":9,"through":8,"ts":1,"behind":3,"rows":1,"refused":0,'
        "\"rows_per_s\":0}', flush=True); [None for _ in iter(sys.stdin.readline, '')]"
    )
    stop_ns = 0 if hurried == "time" else LATE_S * SECOND_NS
    made = shipping(tmp_path, node, "pg", code=code, monkeypatch=monkeypatch, stop_ns=stop_ns)
    made.start()
    while not made.view()[0].through:
        pass
    with capture_logs() as logs:
        made.tell_stop()
        if hurried == "second signal":
            made.hurry()
        elif hurried == "exit":
            node.supervisor.exit_code = EXIT_SECOND_SIGNAL
        made.stop()
    (told,) = [entry for entry in logs if entry["event"] == "records_wait"]
    assert ("pg", 42, "warning") == (told["sink"], told["events"], told["log_level"])
    assert told["next"].startswith("livestack records ship s")
    assert ("stop_timeout" if hurried == "time" else "second signal") in told["cause"]


def test_without_sinks_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``enabled = false``."""
    node = FakeNode()
    made = shipping(tmp_path, node, monkeypatch=monkeypatch)
    made.start()
    made.tell_stop()
    made.stop()
    assert ((), []) == (made.view(), node.harness.told)
