"""A real node whose StatsD host is not there: it trades, counts what is lost, says so once, and ends at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from livestack.wire import control_pb2 as wire
from tests.live import operated
from tests.support import Venue


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with Venue(tmp_path_factory.mktemp("venue"), *operated.VENUE_ARGUMENTS) as running:
        yield running


@pytest.mark.parametrize(
    ("statsd", "reason"), [("nobody.invalid:8125", "unresolved"), ("127.0.0.1:9", "refused")]
)
def test_a_host_that_is_not_there_costs_figures_alone(
    tmp_path: Path, venue: Venue, statsd: str, reason: str
) -> None:
    """Nothing that cannot be sent keeps anything back, and ``livestack metrics`` tells of it."""
    path = operated.write(tmp_path, venue)
    path.write_text(f'{path.read_text()}\n[telemetry]\nstatsd = "{statsd}"\ninterval = "100ms"\n')
    with operated.start(tmp_path, path, venue) as node, operated.client(tmp_path) as control:
        operated.until_trading(venue, node)

        def lost() -> wire.Metric | None:
            found = {one.name: one for one in control.metrics().metrics}
            return found.get(f"telemetry.{reason}.lost")

        first = operated.until_refused_no_more(node, lost).value
        operated.until_refused_no_more(node, lambda: getattr(lost(), "value", 0) > first)
        node.signal()
        code, _ = node.finish()
    assert (0, 1) == (code, node.stderr().count("metrics_lost")), node.stderr()
