"""``[telemetry]``: defaults, where metrics may go, how they may be called, and what is refused with its sentence."""

from __future__ import annotations

import pytest

from livestack.core.validation import Faults, convert
from livestack.settings import NodeSettings
from livestack.telemetry_settings import PREFIX_MAX, TelemetrySettings


def test_defaults_are_those_of_the_documents() -> None:
    """Measured each second, sent nowhere, packets that fit an Ethernet frame."""
    settings = TelemetrySettings()
    assert convert({}, TelemetrySettings, "telemetry", []) == settings
    assert (True, "", "plain", 1_000_000_000, 1_432) == (
        settings.enabled, settings.statsd, settings.naming, settings.interval_ns, settings.datagram,
    )  # fmt: skip
    assert None is settings.place
    assert "livestack.desk.20260101T000000Z-abcd" == settings.filled_prefix("desk", "20260101T000000Z-abcd")


@pytest.mark.parametrize(
    ("statsd", "place"),
    [
        ("127.0.0.1:8125", ("127.0.0.1", 8125)),
        ("localhost:1", ("localhost", 1)),
        ("statsd.example.com.:65535", ("statsd.example.com.", 65535)),
        ("metrics_1:8125", ("metrics_1", 8125)),
        ("[::1]:8125", ("::1", 8125)),
        ("[fe80::1%eth0]:8125", ("fe80::1%eth0", 8125)),
    ],
)
def test_where_metrics_may_go(statsd: str, place: tuple[str, int]) -> None:
    """A name or an address of either kind; that it cannot be found is no reason not to start."""
    assert place == TelemetrySettings(statsd=statsd).place


@pytest.mark.parametrize(
    "statsd",
    [
        ":8125", "host", "host:", "host:0", "host:65536", "host:x", "host:-1", "host:٨١٢٥", "::1:8125", "[::1]", "[]:1",
        "udp://host:8125", "host:8125/", "a b:8125", "host..x:8125", "-host:8125", "hôte:8125", "[::g]:8125",
        "256.1.1.1:8125", "1.2.3:8125", "a" * 64 + ":8125", "x." * 130 + "y:8125", "host:8125\n",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_is_refused(statsd: str) -> None:
    """At the start, with what would be right."""
    faults: Faults = []
    assert None is convert({"statsd": statsd}, TelemetrySettings, "telemetry", faults)
    ((key, sentence),) = faults
    assert "telemetry" == key
    assert (
        "statsd must be HOST:PORT with a port from 1 to 65535" in sentence
        or "host of statsd must be" in sentence
    )


@pytest.mark.parametrize(
    "prefix", ["x", "a.b.c", "{node}", "{session}.{node}", "a-b_c.{node}", "n" * PREFIX_MAX]
)
def test_what_names_may_begin_with(prefix: str) -> None:
    """Any parts, with or without the names."""
    assert prefix == TelemetrySettings(prefix=prefix).prefix


@pytest.mark.parametrize(
    "prefix",
    [
        "", ".", "a..b", "a.", ".a", "a b", "a:b", "a|b", "préfixe", "{node", "node}", "{}", "{0}", "{host}",
        "{node.x}", "{node!r}", "{node:>9}", "{node:>99999999999}", "{node[0]}", "{{node}}", "n" * (PREFIX_MAX + 1),
        "{node}." * 4 + "{session}",
    ],
)  # fmt: skip
def test_a_prefix_that_statsd_or_graphite_would_misread_is_refused(prefix: str) -> None:
    """Other characters, empty parts, names that are not known, and what is too long with the longest names."""
    faults: Faults = []
    assert None is convert({"prefix": prefix}, TelemetrySettings, "telemetry", faults)
    ((key, sentence),) = faults
    assert "telemetry" == key
    assert "prefix must be parts of" in sentence


@pytest.mark.parametrize(
    ("table", "key", "sentence"),
    [
        ({"interval": "99ms"}, "telemetry", "interval must be from 100ms to 60s"),
        ({"interval": "61s"}, "telemetry", "interval must be from 100ms to 60s"),
        ({"interval": 1}, "telemetry.interval", "duration"),
        ({"datagram": 255}, "telemetry.datagram", "256"),
        ({"datagram": 65_508}, "telemetry.datagram", "65507"),
        ({"naming": "graphite"}, "telemetry.naming", "plain"),
        ({"enabled": "yes"}, "telemetry.enabled", "true or false"),
        ({"statds": "host:8125"}, "telemetry.statds", "statsd"),
    ],
)
def test_what_cannot_be_is_refused_with_its_key(table: dict[str, object], key: str, sentence: str) -> None:
    """One sentence each, which says what would be right."""
    faults: Faults = []
    assert None is convert(table, TelemetrySettings, "telemetry", faults)
    assert [key] == [where for where, _ in faults]
    assert sentence in faults[0][1]


@pytest.mark.parametrize("name", ["knoten-ä", "a.b", "a b", "x" * 33, "a:b", ""])
def test_a_node_whose_name_could_not_be_in_a_metric_is_refused(name: str) -> None:
    """It is part of every series: ASCII, no dots, 32 characters."""
    faults: Faults = []
    assert None is convert({"name": name}, NodeSettings, "node", faults)
    assert "is not a name" in faults[0][1]
