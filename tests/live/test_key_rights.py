"""Which API keys a real node starts with, and where it finds their secrets: the venue itself says what they may do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import operated
from tests.live.kept_keyring import FILE, KeptKeyring
from tests.support import Venue, start_node

KEEPER = {"PYTHON_KEYRING_BACKEND": f"{KeptKeyring.__module__}.{KeptKeyring.__name__}"}


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with Venue(tmp_path_factory.mktemp("venue"), "--seed", "37", *operated.VENUE_ARGUMENTS) as running:
        yield running


def environment(venue: Venue, name: str) -> dict[str, str]:
    """With the venue's key called ``name``."""
    key = next(key for key in venue.keys if key["name"] == name)
    return {**venue.environment(), "VENUE_KEY": key["api_key"], "VENUE_SECRET": key["secret"]}


def refused(directory: Path, path: Path, environment: dict[str, str]) -> str:
    """What is said by a node that does not start: one sentence, exit code 2, and no session."""
    with start_node(directory, path, environment) as node:
        code, output = node.finish()
    assert (2, "") == (code, output), node.stderr()
    assert "Traceback" not in node.stderr()
    assert not list((directory / "data").glob("sessions/*/journal"))
    return node.stderr()


def test_a_key_that_may_withdraw(venue: Venue, tmp_path: Path) -> None:
    """Refused with what to do; taken where the configuration says so, with a warning."""
    path = operated.write(tmp_path, venue, operated.RESTLESS)
    keys = environment(venue, "withdrawing")
    told = refused(tmp_path, path, keys)
    assert "venues.binance_spot.api_key_env: this API key may withdraw and transfer" in told
    assert "venues.binance_spot.allow_withdrawal_key = true" in told
    allowed = 'secret_env = "VENUE_SECRET"\nallow_withdrawal_key = true'
    path.write_text(path.read_text().replace('secret_env = "VENUE_SECRET"', allowed))
    with start_node(tmp_path, path, keys) as node:
        operated.until_trading(venue, node)
        node.signal()
        code, _ = node.finish()
    assert 0 == code, node.stderr()
    assert "key_may_withdraw" in node.stderr()


def test_a_key_to_trade_with(venue: Venue, tmp_path: Path) -> None:
    """Is taken; one that does not sign as it should is refused in the venue's own words."""
    path = operated.write(tmp_path, venue, operated.RESTLESS)
    with start_node(tmp_path, path, environment(venue, "hmac"), "--for", "1s") as node:
        code, _ = node.finish()
    assert 0 == code, node.stderr()
    assert "key_may_withdraw" not in node.stderr()
    (tmp_path / "other").mkdir()
    told = refused(tmp_path / "other", path, {**environment(venue, "hmac"), "VENUE_SECRET": "another"})
    assert "the venue refuses this API key" in told
    assert "-1022" in told


def test_a_secret_of_the_keyring(venue: Venue, tmp_path: Path) -> None:
    """Locked: refused. Unlocked: the node trades with it, and its guard finds it too."""
    path = operated.write(tmp_path, venue, operated.RESTLESS)
    text = path.read_text().replace('secret_env = "VENUE_SECRET"', 'secret_keyring = "livestack/main"')
    path.write_text('[guard]\nenabled = true\nlimit = "30s"\n' + text)
    keys = {**venue.environment(), **KEEPER, FILE: str(tmp_path / "keyring.json")}
    secret = keys.pop("VENUE_SECRET")
    assert "venues.binance_spot.secret_keyring: names a keyring that is locked" in refused(
        tmp_path, path, keys
    )
    (tmp_path / "keyring.json").write_text(json.dumps({"livestack main": secret}))
    with start_node(tmp_path, path, keys) as node:
        operated.until_trading(venue, node)
        node.signal()
        code, _ = node.finish()
    assert 0 == code, node.stderr()
