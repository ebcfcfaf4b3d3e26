"""``livestack metrics`` of a running node, and ``livestack metrics list`` without one."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from livestack.cli.main import cli, main
from livestack.telemetry.catalogue import METRICS
from livestack.wire import control_pb2 as wire
from tests.cli.support import Shell
from tests.control.fake_node import FakeNode

COUNTER = wire.Metric(
    name="feed.sim.bytes", metric="feed.bytes", labels=["sim"], type="counter", unit="bytes", value=1_234_567,
    per_second=98_765.43,
)  # fmt: skip
MONEY = wire.Metric(
    name="position.sim_A.realised", metric="position.realised", labels=["sim_A"], type="gauge", unit="quote units",
    value=-1_234_567, decimals=4,
)  # fmt: skip
TIMES = wire.Metric(
    name="runtime.step", metric="runtime.step", type="timing", unit="ms", value=4_711, per_second=12.34, p50=15_000,
    p90=1_250_000, p99=20_000_400, most=1_500_000_000,
)  # fmt: skip
SIZES = wire.Metric(
    name="journal.batch", metric="journal.batch", type="timing", unit="records", value=9, per_second=1.0, p50=2,
    p90=1_500, p99=1_501, most=1_502,
)  # fmt: skip
IDLE = wire.Metric(
    name="order.sim.ack", metric="order.ack", labels=["sim"], type="timing", unit="ms", value=7
)


def tell(node: FakeNode, *found: wire.Metric) -> None:
    metrics = wire.Metrics(age_ms=5, metrics=found)
    node.say = lambda _lane, request: wire.Reply(
        request_id=request.request_id, outcome=wire.DONE, metrics=metrics
    )


def rows(text: str) -> dict[str, list[str]]:
    """The words of each line by the first of them."""
    return {words[0]: words[1:] for line in text.splitlines() if (words := line.split())}


def test_values_have_their_decimals(shell: Shell, node: FakeNode) -> None:
    """Money to its last digit; a counter with how much of it came in a second, a gauge without."""
    tell(node, MONEY, COUNTER)
    shown = rows(shell("metrics").out)
    assert ["1,234,567", "bytes", "98,765.4"] == shown["feed.sim.bytes"]
    assert ["-123.4567", "quote", "units"] == shown["position.sim_A.realised"]


@pytest.mark.parametrize(
    ("value", "decimals", "unit", "shown"),
    [
        (-5, 2, "quote units", "-0.05"), (0, 16, "quote units", "0"), (3_000_140_000, 5, "quote units", "30,001.4"),
        (63_692_999, 6, "ms", "63.692"), (960, 1, "percent", "96"), (-12_394_745, 3, "us", "-12,394.745"),
    ],
)  # fmt: skip
def test_numbers_are_for_the_eye(
    shell: Shell, node: FakeNode, value: int, decimals: int, unit: str, shown: str
) -> None:
    """No zeros at the end, times to the microsecond, the sign also where nothing is in front of the point."""
    tell(node, wire.Metric(name="a.b", type="gauge", unit=unit, value=value, decimals=decimals))
    assert shown == rows(shell("metrics").out)["a.b"][0]


def test_times_are_milliseconds(shell: Shell, node: FakeNode) -> None:
    """To the microsecond; sizes are whole numbers; what did not happen lately has no percentiles."""
    tell(node, TIMES, SIZES, IDLE)
    shown = rows(shell("metrics").out)
    assert ["12.3", "0.015", "1.250", "20.000", "1,500.000", "ms"] == shown["runtime.step"]
    assert ["1.0", "2", "1,500", "1,501", "1,502", "records"] == shown["journal.batch"]
    assert ["0.0", "-", "-", "-", "-", "ms"] == shown["order.sim.ack"]


def test_both_tables_fit_a_terminal(shell: Shell, node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 80 columns; names stay whole."""
    monkeypatch.setattr("livestack.cli.showing.terminal_width", lambda: 80)
    tell(node, COUNTER, MONEY, TIMES, SIZES)
    lines = shell("metrics").out.splitlines()
    assert 80 >= max(map(len, lines))
    assert {"feed.sim.bytes", "position.sim_A.realised", "runtime.step"} <= {
        line.split()[0] for line in lines if line
    }


def test_tools_get_integers(shell: Shell, node: FakeNode) -> None:
    """Exact ones, with what it takes to read them."""
    tell(node, MONEY, TIMES)
    money, times = shell("metrics", "--json").json
    assert (-1_234_567, 4, ["sim_A"]) == (money["value"], money["decimals"], money["labels"])
    assert (15_000, 1_500_000_000, "timing") == (times["p50"], times["most"], times["type"])


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """A command without any data directory."""
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    assert 0 == ended.value.code
    return capsys.readouterr().out


def test_the_catalogue_needs_no_node(capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each metric; in a pipe all of it in one line."""
    lines = {line.split()[0]: line for line in run(capsys, "metrics", "list").splitlines()[2:]}
    assert [metric.name for metric in METRICS] == list(lines)
    for metric in METRICS:
        said = (metric.kind.value, metric.unit, ", ".join(metric.labels), metric.meaning, metric.alert)
        assert all(part in lines[metric.name] for part in said)


def test_the_catalogue_for_tools(capsys: pytest.CaptureFixture[str]) -> None:
    """Every part of it by name."""
    listed = json.loads(run(capsys, "metrics", "list", "--json"))
    assert [metric.name for metric in METRICS] == [one["name"] for one in listed]
    assert {"name", "type", "unit", "labels", "source", "meaning", "alert"} == set(listed[0])
    assert ["venue"] == listed[0]["labels"]


def test_the_catalogue_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """80 columns; type, unit and labels in front of the meaning, the alert behind it."""
    for module in ("showing", "metrics"):
        monkeypatch.setattr(f"livestack.cli.{module}.terminal_width", lambda: 80)
    text = run(capsys, "metrics", "list")
    assert 80 >= max(map(len, text.splitlines()))
    assert "counter, messages by venue" in text
    assert "alert: none for 10 s" in text


def test_options_go_behind_list(shell: Shell) -> None:
    """One in front of it would be lost."""
    done = shell("metrics", "--json", "list")
    assert 2 == done.code


def test_shells_complete_it() -> None:
    """``livestack metrics <TAB>`` offers ``list``."""
    variables = {
        "_LIVESTACK_COMPLETE": "bash_complete",
        "COMP_WORDS": "livestack metrics ",
        "COMP_CWORD": "2",
    }
    done = CliRunner(env=variables).invoke(cli, prog_name="livestack")
    assert "plain,list" in done.output
