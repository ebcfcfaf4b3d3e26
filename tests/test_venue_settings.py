"""The venues table: what it can say, the variables and files that it refers to, and who gets which key."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from livestack.core.validation import Faults
from livestack.settings import load
from livestack.venue_settings import (
    VenueSettings,
    check_name,
    check_venues,
    read_toml,
)
from tests.test_settings import COMPLETE, KEYS, MINIMAL, ROOT, faults_of, load_text

GUARD_KEYS = {"GUARD_KEY": "the-guards-key", "GUARD_SECRET": "the-guards-secret"}
GUARDED = MINIMAL.replace(
    'secret_env = "SECRET"',
    'secret_env = "SECRET"\nguard_api_key_env = "GUARD_KEY"\nguard_secret_env = "GUARD_SECRET"',
)


def venue_of(directory: Path, text: str, environment: dict[str, str]) -> VenueSettings:
    return load_text(directory, text, environment)[0].venues["binance_spot"]


@pytest.mark.parametrize(
    ("before", "after", "key", "sentence"),
    [
        (
            '"https://venue.example"',
            '"https://venue.example/"',
            "venues.binance_spot.rest_url",
            "slash at the end",
        ),
        (
            '"https://venue.example"',
            '"https://u:p@venue.example"',
            "venues.binance_spot.rest_url",
            "user name",
        ),
        (
            '"https://venue.example"',
            '"https://venue.example:x"',
            "venues.binance_spot.rest_url",
            "is not a URL",
        ),
        ('"https://venue.example"', '"http://venue.example"', "venues.binance_spot.rest_url", "unencrypted"),
        ('["BTCUSDT"]', "[]", "venues.binance_spot", "at least one symbol"),
        ('["BTCUSDT"]', '["BTCUSDT", "BTCUSDT"]', "venues.binance_spot", "none twice"),
        ('"hmac"', '"hmac"\nstreams = ["depth", "depth"]', "venues.binance_spot", "streams"),
        ('"hmac"', '"hmac"\naccount = ""', "venues.binance_spot", "is not a name"),
        (
            'secret_env = "SECRET"',
            "",
            "venues.binance_spot",
            "one of secret_env, secret_file and secret_keyring",
        ),
        (
            '"SECRET"',
            '"SECRET"\nsecret_file = "x"',
            "venues.binance_spot",
            "one of secret_env, secret_file and secret_keyring",
        ),
        (
            'secret_env = "SECRET"',
            'secret_env = "SECRET"\nguard_api_key_env = "KEY"',
            "venues.binance_spot",
            "one of guard_secret_env, guard_secret_file and guard_secret_keyring with guard_api_key_env",
        ),
        (
            'secret_env = "SECRET"',
            'secret_env = "SECRET"\nguard_api_key_env = "KEY"\nguard_secret_env = "S"\nguard_secret_file = "f"',
            "venues.binance_spot",
            "one of guard_secret_env, guard_secret_file and guard_secret_keyring with guard_api_key_env",
        ),
        (
            'secret_env = "SECRET"',
            'secret_env = "SECRET"\nguard_secret_env = "S"',
            "venues.binance_spot",
            "need guard_api_key_env",
        ),
        (
            'secret_env = "SECRET"',
            'secret_env = "SECRET"\nguard_key_kind = "ed25519"',
            "venues.binance_spot",
            "need guard_api_key_env",
        ),
        ("[venues.binance_spot]", '[venues."a b"]', 'venues."a b"', "is not a name"),
    ],
)
def test_one_fault_of_a_venue(tmp_path: Path, before: str, after: str, key: str, sentence: str) -> None:
    """What a venue's table cannot say is told with what would be right."""
    faults = faults_of(tmp_path, MINIMAL.replace(before, after))
    assert list(faults) == [key]
    assert sentence in faults[key]


@pytest.mark.parametrize(
    ("key", "outside", "range_"),
    [
        ("poll_every", ("249ms", "61s"), "250ms to 1m"),
        ("poll_after", ("999ms", "61m"), "1s to 1h"),
        ("renew_after", ("59s", "24h"), "1m to 1439m"),
        ("rest_after", ("999ms", "61m"), "1s to 1h"),
        ("reconcile_every", ("9s", "61m"), "10s to 1h"),
        ("clock_skew_max", ("499ms", "61s"), "500ms to 1m"),
        ("instruments_every", ("9s", "61m"), "10s to 1h"),
    ],
)
def test_a_time_out_of_its_range(tmp_path: Path, key: str, outside: tuple[str, str], range_: str) -> None:
    """Is refused on both sides with the range."""
    for value in outside:
        faults = faults_of(tmp_path, MINIMAL.replace('"hmac"', f'"hmac"\n{key} = "{value}"'))
        assert f"must be from {range_}" in faults[f"venues.binance_spot.{key}"]


def test_every_time_out_of_its_range_is_told(tmp_path: Path) -> None:
    """At once, each with its key."""
    wrong = {"poll_every": "1h", "rest_after": "2h", "clock_skew_max": "1ms"}
    lines = "".join(f'\n{key} = "{value}"' for key, value in wrong.items())
    faults = faults_of(tmp_path, MINIMAL.replace('"hmac"', f'"hmac"{lines}'))
    assert [f"venues.binance_spot.{key}" for key in wrong] == list(faults)


def test_the_same_trades_are_not_asked_for_twice(tmp_path: Path) -> None:
    """``trade`` and ``aggTrade`` tell them in two ways, each with ids of its own."""
    faults = faults_of(tmp_path, MINIMAL.replace('"hmac"', '"hmac"\nstreams = ["trade", "aggTrade"]'))
    assert "tell the same trades" in faults["venues.binance_spot"]


def test_the_shown_values_are_the_defaults(tmp_path: Path) -> None:
    """etc/livestack.toml's venue and one that says none of it are the same in all that has a default."""
    shown = load(ROOT / "etc" / "livestack.toml", COMPLETE)[0].venues["binance_spot"]
    bare = venue_of(tmp_path, MINIMAL, KEYS)
    fields = [field.name for field in msgspec.structs.fields(VenueSettings) if not field.required]
    fields.remove("secret_env")
    assert {name: getattr(bare, name) for name in fields} == {name: getattr(shown, name) for name in fields}


def test_levels_that_the_venue_does_not_have(tmp_path: Path) -> None:
    """Only those that have a weight of their own are offered."""
    faults = faults_of(tmp_path, MINIMAL.replace('"hmac"', '"hmac"\ndepth_levels = 20'))
    assert {"venues.binance_spot.depth_levels": "must be 100, 500, 1000 or 5000, not 20"} == faults


def test_no_venue(tmp_path: Path) -> None:
    """A node without a venue has nothing to do, and is told so."""
    text = "[venues]\n" + MINIMAL[MINIMAL.index("[strategy]") :]
    assert faults_of(tmp_path, text) == {"venues": "must name at least one venue"}


def test_variables_in_venues_only(tmp_path: Path) -> None:
    """${NAME} is replaced inside the venues table and is plain text everywhere else."""
    text = 'data_dir = "${HOST}"\n' + MINIMAL.replace("https://venue.example", "https://${HOST}:${PORT}")
    settings, _ = load_text(tmp_path, text, {**KEYS, "HOST": "far.example", "PORT": "8443"})
    assert settings.venues["binance_spot"].rest_url == "https://far.example:8443"
    assert settings.data_dir == "${HOST}"


def test_unencrypted_on_this_machine(tmp_path: Path) -> None:
    """A simulated venue on loopback may be spoken to without TLS."""
    text = MINIMAL.replace("https://venue.example", "http://[::1]:80").replace(
        "wss://api.venue.example", "ws://localhost"
    )
    settings, _ = load_text(tmp_path, text)
    assert settings.venues["binance_spot"].ws_api_url == "ws://localhost/ws-api"


@pytest.mark.parametrize("name", ["", "a b", "-a", "ä", "a" * 33, "a.b", "../a"])
def test_what_is_no_name(name: str) -> None:
    """Names become parts of paths, metrics and locks."""
    check_name("a" * 32)
    check_name("9-a_B")
    with pytest.raises(ValueError, match="is not a name"):
        check_name(name)


def test_a_file_as_plain_data(tmp_path: Path) -> None:
    """Nothing in it is looked at."""
    path = tmp_path / "node.toml"
    path.write_text('[venues]\nx = "${Y}"\n')
    assert {"venues": {"x": "${Y}"}} == read_toml(path)


# -- Who needs which key -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "environment", "missing"),
    [
        (GUARDED, GUARD_KEYS, []),
        (GUARDED, KEYS, ["guard_api_key_env", "guard_secret_env"]),
        (MINIMAL, KEYS, []),
        (MINIMAL, {}, ["api_key_env", "secret_env"]),
    ],
)
def test_a_guard_misses_only_its_own_key(
    tmp_path: Path, text: str, environment: dict[str, str], missing: list[str]
) -> None:
    """Where it has one, the node's need not be on the machine."""
    path = tmp_path / "node.toml"
    path.write_text(text)
    faults: Faults = []
    check_venues(read_toml(path)["venues"], environment, faults, for_guard=True)
    assert [f"venues.binance_spot.{key}" for key in missing] == [key for key, _ in faults]


def test_every_variable_with_a_secret_is_known(tmp_path: Path) -> None:
    """So that it can be kept from processes that have no use for it."""
    assert {"KEY", "SECRET"} == venue_of(tmp_path, MINIMAL, KEYS).secret_variables
    environment = {**KEYS, **GUARD_KEYS}
    assert set(environment) == venue_of(tmp_path, GUARDED, environment).secret_variables
