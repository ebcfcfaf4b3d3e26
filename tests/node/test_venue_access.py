"""A configuration's venues without the rest of it: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from livestack.exceptions import ConfigurationError
from livestack.node.venue_access import load_venues, make_sweeps
from livestack.transports.clock import SystemClock
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.research.sessions import ENVIRONMENT


def write(directory: Path) -> Path:
    return configuration.write(directory, ["BTCUSDT"], market_maker("BTCUSDT"))


def test_only_the_venues_count(tmp_path: Path) -> None:
    """Variables are filled in; a strategy that is gone and a wrong limit hold nobody up in an emergency."""
    path = write(tmp_path)
    text = (
        path.read_text()
        .replace("livestack.strategies", "nowhere")
        .replace("[risk.defaults]", "[risk.x]\ny = 1")
    )
    path.write_text('data_dir = "there"\n' + text)
    data_dir, venues = load_venues(path, ENVIRONMENT)
    assert "there" == data_dir
    assert (("BTCUSDT",), ENVIRONMENT["VENUE_REST"]) == (
        venues["binance_spot"].symbols, venues["binance_spot"].rest_url,
    )  # fmt: skip


def test_the_directory_has_its_default(tmp_path: Path) -> None:
    """As for every other command."""
    assert "livestack-data" == load_venues(write(tmp_path), ENVIRONMENT)[0]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("${VENUE_REST}", "http://venue.example", "must be https://"),
        ("${VENUE_REST}", "${NOWHERE}", "NOWHERE, which is not set"),
        ('"VENUE_KEY"', '"NO_KEY"', "NO_KEY, which is not set"),
        ('adapter = "binance_spot"', 'adapter = "other"', "adapter"),
    ],
)
def test_a_venue_that_cannot_be_used_is_refused(tmp_path: Path, old: str, new: str, fault: str) -> None:
    """With the key and what would be right."""
    path = write(tmp_path)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ConfigurationError, match=fault):
        load_venues(path, ENVIRONMENT)


def test_every_venue_has_a_sweep_of_its_own(tmp_path: Path) -> None:
    """With its own connection."""
    _, venues = load_venues(write(tmp_path), ENVIRONMENT)
    sweeps = make_sweeps(venues, ENVIRONMENT, SystemClock(), lambda _: True, lambda *_: None)
    assert ["binance_spot"] == [sweep.venue for sweep in sweeps]
    for sweep in sweeps:
        sweep.close()


def test_the_guards_key_is_enough(tmp_path: Path) -> None:
    """Where a venue has one, the node's need not be on the machine; without it the venue cannot be reached."""
    path = write(tmp_path)
    guard = 'guard_api_key_env = "GUARD_KEY"\nguard_secret_env = "GUARD_SECRET"\n'
    path.write_text(
        path.read_text().replace('secret_env = "VENUE_SECRET"\n', 'secret_env = "VENUE_SECRET"\n' + guard)
    )
    mine = {"GUARD_KEY": "k", "GUARD_SECRET": "s"}
    without = {name: text for name, text in ENVIRONMENT.items() if name not in ("VENUE_KEY", "VENUE_SECRET")}
    _, venues = load_venues(path, {**without, **mine})
    for sweep in make_sweeps(venues, {**without, **mine}, SystemClock(), lambda _: True, lambda *_: None):
        sweep.close()
    with pytest.raises(ConfigurationError, match="GUARD_KEY, which is not set"):
        load_venues(path, ENVIRONMENT)
    with pytest.raises(ConfigurationError, match="GUARD_KEY, which is not set"):
        make_sweeps(venues, ENVIRONMENT, SystemClock(), lambda _: True, lambda *_: None)
