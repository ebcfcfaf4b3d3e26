"""The node as a process: what it refuses before it begins, and what it says of a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from livestack.exceptions import UsageError
from livestack.node.adapters import ADAPTERS
from livestack.node.app import refuse_real_venues_unless_live
from livestack.settings import load
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.research.sessions import ENVIRONMENT


def settings_and_rules(directory: Path, **changes: str):
    path = configuration.write(directory, ["BTCUSDT"], market_maker("BTCUSDT"))
    return load(path, {**ENVIRONMENT, **changes})


def test_a_real_venue_needs_live(tmp_path: Path) -> None:
    """The sentence names the venue, its host and the option; with the option it is allowed."""
    settings, _ = settings_and_rules(tmp_path, VENUE_WS_API="wss://venue.example/ws-api/v3")
    with pytest.raises(UsageError, match=r"binance_spot is at venue\.example.*--live"):
        refuse_real_venues_unless_live(settings, live=False)
    refuse_real_venues_unless_live(settings, live=True)


def test_a_venue_on_this_machine_is_paper(tmp_path: Path) -> None:
    """Loopback addresses need nothing."""
    refuse_real_venues_unless_live(settings_and_rules(tmp_path)[0], live=False)


def test_every_adapter_of_the_settings_can_be_made(tmp_path: Path) -> None:
    """The registry and the settings' list of adapters do not drift apart."""
    settings, _ = settings_and_rules(tmp_path)
    for venue_settings in settings.venues.values():
        module = ADAPTERS[venue_settings.adapter](venue_settings)
        assert module.instruments_fetch(("BTCUSDT",)).path.startswith("/")
