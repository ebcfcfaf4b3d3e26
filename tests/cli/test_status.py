"""``livestack status``: everything at a glance, and a health check."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from livestack.wire import control_pb2 as wire
from tests.cli.support import Shell
from tests.control.fake_node import STATUS, FakeNode

KEYS = {
    "session", "phase", "trading_state", "kill_switch", "config_version", "seq", "age_ms", "feeds", "venues",
    "incidents",
}  # fmt: skip


def changed(node: FakeNode, change: Callable[[wire.Status], object]) -> None:
    """Let ``node`` be in another state."""
    status = wire.Status()
    status.CopyFrom(STATUS)
    change(status)
    node.say = lambda _lane, request: wire.Reply(
        request_id=request.request_id, outcome=wire.DONE, status=status
    )


def test_tools_get_every_field(shell: Shell, node: FakeNode) -> None:
    """Numbers as numbers, times as RFC 3339."""
    done = shell("status", "--json")
    assert 0 == done.code
    assert KEYS < done.json.keys()
    assert 1234 == done.json["seq"]
    assert "2026-01-02T03:04:05.000000000Z" == done.json["started_at"]
    assert "live" == done.json["feeds"][0]["status"]
    assert "60000.10" == done.json["feeds"][0]["instruments"][0]["bid"]


def test_people_get_a_page(shell: Shell, node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 80 columns, with what matters first."""
    monkeypatch.setattr("livestack.cli.showing.terminal_width", lambda: 80)
    text = shell("status").out
    assert 80 >= max(map(len, text.splitlines()))
    for part in (
        "20260102-030405-demo of node demo",
        "active",
        "not engaged",
        "live",
        "60000.1",
        "seq 1,234",
    ):
        assert part in text


def test_a_node_that_is_well(shell: Shell, node: FakeNode) -> None:
    """Exit code 0, and tools are told so."""
    done = shell("status", "--check", "--json")
    assert (0, True, []) == (done.code, done.json["healthy"], done.json["problems"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda one: setattr(one, "phase", "stopping"), "the node is stopping, not running"),
        (lambda one: setattr(one, "trading_state", "halted"), "trading is halted"),
        (lambda one: setattr(one.venues[0], "status", "connecting"), "venue binance_spot is connecting"),
        (lambda one: setattr(one.feeds[0], "status", "degraded"), "the feed of binance_spot is degraded"),
        (lambda one: setattr(one, "guard", "lost"), "the guard is lost"),
        (lambda one: setattr(one, "age_ms", 10_001), "what is shown is 10.0 s old"),
        (
            lambda one: one.kill_switch.append(wire.KillScope(reason="enough")),
            "the kill-switch is engaged for everything: enough",
        ),
        (
            lambda one: one.incidents.append(wire.Incident(name="stall", grade="critical", detail="1 s")),
            "critical: stall 1 s",
        ),
    ],
)
def test_a_node_that_is_not(
    shell: Shell, node: FakeNode, change: Callable[[wire.Status], object], sentence: str
) -> None:
    """Exit code 8 and why; without --check it is only shown."""
    changed(node, change)
    done = shell("status", "--check")
    assert 8 == done.code
    assert sentence in done.err
    assert 0 == shell("status").code


def test_reducing_and_warnings_are_well(shell: Shell, node: FakeNode) -> None:
    """An operator's choice and what needs nobody at once."""

    def change(one: wire.Status) -> None:
        one.trading_state = "reducing"
        one.incidents.append(wire.Incident(name="clock", grade="warning"))

    changed(node, change)
    assert 0 == shell("status", "--check").code


def test_sinks_of_records_are_shown(shell: Shell, node: FakeNode) -> None:
    """Where they are and how far; tools get every field."""
    one = wire.Sink(
        name="local",
        address="Delta Lake in /r",
        through=1_230,
        behind=4,
        lag_ms=250,
        state="ok",
        dead_letters=2,
    )
    changed(node, lambda status: status.sinks.append(one))
    text = shell("status").out
    assert ["local", "ok", "1,230", "4"] == next(
        line for line in text.splitlines() if line.startswith("local")
    ).split()[:4]
    assert "Delta Lake in /r" in text
    assert {
        "name": "local",
        "address": "Delta Lake in /r",
        "through": 1230,
        "behind": 4,
        "lag_ms": 250,
        "state": "ok",
        "error": "",
        "dead_letters": 2,
    } == shell("status", "--json").json["sinks"][0]


@pytest.mark.parametrize(
    ("state", "incident", "problems"),
    [
        ("ok", "", []),
        ("starting", "", []),
        ("down", "", []),
        ("down", "ship_lag", ["the sink pg is 5,000 Events and 31.0 s behind: no route"]),
        ("behind", "ship_lag", ["the sink pg is 5,000 Events and 31.0 s behind: no route"]),
        ("refused", "", ["the sink pg refuses: no route"]),
        ("refused", "ship_refused", ["critical: ship_refused pg a password"]),
    ],
)
def test_a_sink_that_is_late_or_refuses_is_not_well(
    shell: Shell, node: FakeNode, state: str, incident: str, problems: list[str]
) -> None:
    """One that is away for a moment is; each trouble is told once."""

    def change(status: wire.Status) -> None:
        status.sinks.add(name="pg", state=state, error="no route", behind=5_000, lag_ms=31_000)
        if incident:
            grade = "warning" if incident == "ship_lag" else "critical"
            status.incidents.add(name=incident, scope="pg", grade=grade, detail="a password")

    changed(node, change)
    done = shell("status", "--check", "--json")
    assert (8 if problems else 0, problems) == (done.code, done.json["problems"])


def test_a_part_that_is_halted_is_not_well(shell: Shell, node: FakeNode) -> None:
    """Nothing new leaves there, whatever the rest does: why is said, and said once."""

    def change(one: wire.Status) -> None:
        one.trading.add(scope="binance_spot:BTCUSDT", value="halted", why="anomaly: bad_fill: 0 at 1")
        one.trading.add(scope="binance_spot:ETHUSDT", value="halted")
        one.trading.add(scope="binance_spot:BNBUSDT", value="reducing", why="anna: drill")
        one.incidents.add(name="trading_halted", scope="binance_spot:BTCUSDT", grade="critical")
        one.incidents.add(name="trading_halted", scope="gone", grade="critical")

    changed(node, change)
    done = shell("status", "--check", "--json")
    assert 8 == done.code
    assert [
        "trading is halted for binance_spot:BTCUSDT, by anomaly: bad_fill: 0 at 1",
        "trading is halted for binance_spot:ETHUSDT, from before this run",
        "critical: trading_halted gone",
    ] == done.json["problems"]
    assert "binance_spot:BNBUSDT reducing, by anna: drill" in shell("status").out


def test_a_feed_that_is_silent(shell: Shell, node: FakeNode) -> None:
    """It is not well while orders may leave; one instrument of several may be quiet."""

    def change(one: wire.Status, state: str = "active", more: int = -1) -> None:
        one.feeds[0].instruments[0].age_ms = 10_001
        one.feeds[0].instruments.add(age_ms=more)
        one.trading_state = state

    changed(node, change)
    assert "the last message of the feed of binance_spot is 10.0 s old" in shell("status", "--check").err
    assert 0 == shell("status", "--check", "--age-max", "20s").code
    changed(node, lambda one: change(one, more=5))
    assert 0 == shell("status", "--check").code
    changed(node, lambda one: change(one, "reducing"))
    assert 0 == shell("status", "--check").code
    changed(node, lambda one: setattr(one.feeds[0].instruments[0], "age_ms", -1))
    assert "the feed of binance_spot has sent nothing yet" in shell("status", "--check").err


def test_what_is_not_yet_is_said_so(shell: Shell, node: FakeNode) -> None:
    """A node that stands by has no session, and its strategy is not disabled."""
    node.say = lambda _lane, request: wire.Reply(
        request_id=request.request_id,
        outcome=wire.DONE,
        status=wire.Status(node="demo", phase="standby", trading_state="halted"),
    )
    text = shell("status").out
    assert "not yet of node demo" in text
    for name in ("since", "trading", "strategy", "orders", "so far", "configuration", "guard", "as of"):
        assert ["not", "yet"] == next(line for line in text.splitlines() if line.startswith(name)).split()[
            -2:
        ]
    assert "disabled" not in text
    assert 8 == shell("status", "--check").code


def test_how_old_it_may_be_is_an_option(shell: Shell, node: FakeNode) -> None:
    """As a duration."""
    assert 8 == shell("status", "--check", "--age-max", "100ms").code


def test_what_keeps_orders_back_is_shown(shell: Shell, node: FakeNode) -> None:
    """Kill-switch, holds, narrower trading states and incidents, whatever their text holds."""

    def change(one: wire.Status) -> None:
        one.kill_switch.append(
            wire.KillScope(scope="binance_spot", trigger="operator", by="anna", reason="[red]odd")
        )
        one.holds.append(wire.Hold(name="kill", venue="binance_spot"))
        one.trading.append(wire.Scoped(scope="binance_spot:BTCUSDT", value="halted"))
        one.incidents.append(
            wire.Incident(
                name="venue_down",
                scope="binance_spot",
                grade="critical",
                detail="[odd] words",
                age_ms=12_345,
                meaning="It is not there.",
                look_at="The network.",
            )
        )
        one.incidents.append(wire.Incident(name="kill", grade="critical", age_ms=99_000))
        one.incidents.append(wire.Incident(name="ship_lag", scope="pg", grade="warning", age_ms=500_000))

    changed(node, change)
    text = shell("status").out
    shown = [line.rstrip() for line in text.partition("Incidents\n")[2].splitlines()]
    assert [
        "critical  kill, for 1 min",
        "critical  venue_down binance_spot, for 12.3 s: [odd] words",
    ] == shown[:2]
    assert ["It is not there.", "Look at: The network."] == [line.strip() for line in shown[2:4]]
    assert shown[4].startswith("warning   ship_lag pg, for ")
    assert "ENGAGED for binance_spot (operator by anna): [red]odd" in text
    assert "held           kill binance_spot" in text
    assert "binance_spot:BTCUSDT halted" in text
    assert "venue_down" in text
