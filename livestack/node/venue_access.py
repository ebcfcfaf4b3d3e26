"""The way to a configuration's venues for a guard, which needs nothing else of it: no strategy, no limits, no journal.

In an emergency the rest of the file may be wrong, or be written for another version. Where a venue has a key for its
guard, that one is used, and the node's need not be there. Reads files; main thread.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

from livestack.core.validation import Faults, convert
from livestack.credentials import read_credentials
from livestack.exceptions import ConfigurationError
from livestack.node.adapters import ADAPTERS
from livestack.node.guard_report import VenueReport
from livestack.node.sweep import FIRST_RETRY_NS, RETRY_NS_MAX, TIMEOUTS_S, TOTAL_TIMEOUT_S, Pause, Sweep
from livestack.transports.backoff import Backoff
from livestack.transports.clock import Clock
from livestack.transports.http import RequestsTransport
from livestack.venue_settings import (
    VenueSettings,
    check_venues,
    expand_variables,
    read_toml,
)
from livestack.venues.adapter import Credentials

DEFAULT_DATA_DIR = "livestack-data"


def load_venues(path: Path, environment: Mapping[str, str]) -> tuple[str, dict[str, VenueSettings]]:
    """The data directory and the venues of the TOML file at ``path``; of the file nothing else is looked at.

    ``ConfigurationError`` holds every fault of its venues, their addresses and the keys of their guards.
    """
    data, faults = read_toml(path), Faults()
    table = expand_variables(data.get("venues", {}), "venues", environment, faults)
    check_venues(table, environment, faults, for_guard=True)
    venues = convert(table, dict[str, VenueSettings], "venues", [])
    if venues is None:
        convert(table, dict[str, VenueSettings], "venues", faults)
    if venues is None or faults:
        raise ConfigurationError(faults, str(path))
    return str(data.get("data_dir", DEFAULT_DATA_DIR)), venues


def make_sweeps(
    venues: Mapping[str, VenueSettings],
    environment: Mapping[str, str],
    clock: Clock,
    pause: Pause,
    changed: Callable[[str, VenueReport], None],
) -> list[Sweep]:
    """One for each venue, with the guard's key and connections of its own.

    ``ConfigurationError``, ``ValueError``: a key that is not there or cannot be used.
    """
    sweeps = []
    for venue, settings in venues.items():
        key = read_credentials(venue, settings.guard_key_place, environment)
        resort = ADAPTERS[settings.adapter](settings).last_resort(
            Credentials(key.api_key, key.kind, key.secret.reveal())
        )
        http = RequestsTransport(
            clock, name=f"{venue} sweep", timeouts_s=TIMEOUTS_S, total_timeout_s=TOTAL_TIMEOUT_S
        )
        backoff = Backoff(random.SystemRandom(), first_ns=FIRST_RETRY_NS, cap_ns=RETRY_NS_MAX)
        sweeps.append(
            Sweep(
                venue,
                resort,
                http,
                settings.rest_url,
                settings.symbols,
                clock=clock,
                backoff=backoff,
                pause=pause,
                changed=changed,
            )
        )
    return sweeps
