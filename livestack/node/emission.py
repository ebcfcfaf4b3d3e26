"""What a session's metrics are called and where they go, of its settings. Main thread, before its actors start."""

from __future__ import annotations

from collections.abc import Callable

from livestack.actors.telemetry import Emission
from livestack.settings import Settings
from livestack.telemetry.sender import Sender
from livestack.telemetry.statsd import Naming, plain_naming, tagged_naming
from livestack.telemetry_settings import TelemetrySettings

Statsd = Callable[[str, int], Sender]
"""Makes what sends to a host and port."""


def emission_of(settings: Settings, session: str, statsd: Statsd) -> Emission:
    """For the life of the node."""
    telemetry, place = settings.telemetry, settings.telemetry.place
    sender = None if place is None else (lambda: statsd(*place))
    naming = naming_of(telemetry, settings.node.name, session)
    return Emission(naming, telemetry.datagram, sender, telemetry.statsd)


def naming_of(telemetry: TelemetrySettings, node: str, session: str) -> Naming:
    if telemetry.naming == "tagged":
        return tagged_naming(telemetry.prefix, node, session)
    return plain_naming(telemetry.filled_prefix(node, session))
