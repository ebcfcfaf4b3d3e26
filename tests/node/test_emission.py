"""Where a session's metrics go and what they are called, as its settings say."""

from __future__ import annotations

import msgspec
import pytest

from livestack.node.emission import emission_of
from livestack.settings import NodeSettings, Settings
from livestack.telemetry import catalogue
from livestack.telemetry.instruments import Reading
from livestack.telemetry_settings import TelemetrySettings
from tests.actors.fakes import FakeSender

PLAIN = Settings(node=NodeSettings(name="desk"), venues={})
READING = Reading(catalogue.FEED_MESSAGES, ("sim",), 3)


def settings(**telemetry: object) -> Settings:
    return msgspec.structs.replace(PLAIN, telemetry=TelemetrySettings(**telemetry))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("telemetry", "line"),
    [
        ({}, "livestack.desk.s1.feed.sim.messages:3|c"),
        ({"prefix": "live"}, "live.feed.sim.messages:3|c"),
        ({"prefix": "a.{session}.b"}, "a.s1.b.feed.sim.messages:3|c"),
        ({"naming": "tagged"}, "livestack.feed.messages:3|c|#node:desk,session:s1,venue:sim"),
        ({"naming": "tagged", "prefix": "x.y"}, "x.y.feed.messages:3|c|#node:desk,session:s1,venue:sim"),
        ({"naming": "tagged", "prefix": "{node}"}, "feed.messages:3|c|#node:desk,session:s1,venue:sim"),
    ],
)
def test_names(telemetry: dict[str, object], line: str) -> None:
    """Plain ones below the prefix; tagged ones below what of it is the same for all nodes."""
    emission = emission_of(settings(**telemetry), "s1", lambda host, port: FakeSender())
    assert [line] == emission.encoder.encode([READING])


def test_where_to() -> None:
    """To the host and port of the settings, with a sender of its own for each actor; without them nowhere."""
    asked: list[tuple[str, int]] = []

    def make(host: str, port: int) -> FakeSender:
        asked.append((host, port))
        return FakeSender()

    emission = emission_of(settings(statsd="[::1]:9125", datagram=512), "s1", make)
    assert emission.sender is not None
    assert emission.sender() is not emission.sender()
    assert ([("::1", 9125)] * 2, 512) == (asked, emission.datagram)
    assert None is emission_of(PLAIN, "s1", make).sender
