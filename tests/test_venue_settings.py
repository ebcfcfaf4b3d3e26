"""The venues table: what it can say, the variables and files that it refers to, and who gets which key."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import msgspec
import pytest

from livestack.core.validation import Faults
from livestack.exceptions import ConfigurationError
from livestack.venue_settings import (
    SECRET_BYTES_MAX,
    Secret,
    VenueSettings,
    check_name,
    check_venues,
    read_credentials,
    read_guard_credentials,
    read_toml,
)
from tests.test_settings import KEYS, MINIMAL, faults_of, load_text

GUARD_KEYS = {"GUARD_KEY": "the-guards-key", "GUARD_SECRET": "the-guards-secret"}
GUARDED = MINIMAL.replace(
    'secret_env = "SECRET"',
    'secret_env = "SECRET"\nguard_api_key_env = "GUARD_KEY"\nguard_secret_env = "GUARD_SECRET"',
)


def venue_of(directory: Path, text: str, environment: dict[str, str]) -> VenueSettings:
    return load_text(directory, text, environment)[0].venues["binance_spot"]


def venue_with(secret: str) -> str:
    return MINIMAL.replace('secret_env = "SECRET"', secret)


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
        ('secret_env = "SECRET"', "", "venues.binance_spot", "one of secret_env and secret_file"),
        (
            '"SECRET"',
            '"SECRET"\nsecret_file = "x"',
            "venues.binance_spot",
            "one of secret_env and secret_file",
        ),
        (
            'secret_env = "SECRET"',
            'secret_env = "SECRET"\nguard_api_key_env = "KEY"',
            "venues.binance_spot",
            "one of guard_secret_env and guard_secret_file with guard_api_key_env",
        ),
        (
            'secret_env = "SECRET"',
            'secret_env = "SECRET"\nguard_api_key_env = "KEY"\nguard_secret_env = "S"\nguard_secret_file = "f"',
            "venues.binance_spot",
            "one of guard_secret_env and guard_secret_file with guard_api_key_env",
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


# -- Secrets -------------------------------------------------------------------------------------------------------


def test_secret_of_the_environment(tmp_path: Path) -> None:
    """Key and secret come from the variables that the settings name."""
    settings, _ = load_text(tmp_path, MINIMAL)
    key = read_credentials("binance_spot", settings.venues["binance_spot"], KEYS)
    assert (key.api_key, key.kind, key.secret.reveal()) == ("the-api-key", "hmac", "the-secret")


def test_secret_of_a_file(tmp_path: Path) -> None:
    """A file of mode 0600 is read without the line's end."""
    secret = tmp_path / "secret"
    secret.write_text("from-a-file\n")
    secret.chmod(0o600)
    settings, _ = load_text(tmp_path, venue_with(f'secret_file = "{secret}"'))
    key = read_credentials("binance_spot", settings.venues["binance_spot"], KEYS)
    assert key.secret.reveal() == "from-a-file"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_secret_file_that_others_can_use(tmp_path: Path, mode: int) -> None:
    """Any right of group or others refuses the file and says what to do."""
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(mode)
    faults = faults_of(tmp_path, venue_with(f'secret_file = "{secret}"'))
    assert f"chmod 600 {secret}" in faults["venues.binance_spot.secret_file"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "it holds 0"), (b"x" * (SECRET_BYTES_MAX + 1), "bytes, it holds"), (b"\xff\xfe", "is not text")],
)
def test_secret_file_of_wrong_content(tmp_path: Path, content: bytes, sentence: str) -> None:
    """An empty, huge or binary file is the wrong file."""
    secret = tmp_path / "secret"
    secret.write_bytes(content)
    secret.chmod(0o600)
    faults = faults_of(tmp_path, venue_with(f'secret_file = "{secret}"'))
    assert sentence in faults["venues.binance_spot.secret_file"]


def test_secret_file_that_is_none(tmp_path: Path) -> None:
    """An absent file, or a directory, is told with its path."""
    for path in (tmp_path / "absent", tmp_path):
        faults = faults_of(tmp_path, venue_with(f'secret_file = "{path}"'))
        assert str(path) in faults["venues.binance_spot.secret_file"]


def test_credentials_that_are_gone(tmp_path: Path) -> None:
    """What was there at load and is gone later is told, both halves at once."""
    settings, _ = load_text(tmp_path, MINIMAL)
    with pytest.raises(ConfigurationError) as caught:
        read_credentials("binance_spot", settings.venues["binance_spot"], {"KEY": " "})
    assert [key for key, _ in caught.value.faults] == [
        "venues.binance_spot.api_key_env",
        "venues.binance_spot.secret_env",
    ]


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    """No text form of settings, key or secret holds the secret, and it cannot be copied by accident."""
    settings, _ = load_text(tmp_path, MINIMAL)
    key = read_credentials("binance_spot", settings.venues["binance_spot"], KEYS)
    for shown in (
        repr(settings),
        repr(key),
        str(key),
        f"{key.secret}",
        str(key.secret),
        repr([key.secret]),
    ):
        assert "the-secret" not in shown
    for copied in (pickle.dumps, copy.copy, copy.deepcopy, msgspec.json.encode):
        with pytest.raises(TypeError):
            copied(Secret("the-secret"))


# -- The guard's key -----------------------------------------------------------------------------------------------


def test_a_guard_without_a_key_uses_the_venues(tmp_path: Path) -> None:
    """Kind, key and secret."""
    venue = venue_of(tmp_path, MINIMAL, KEYS)
    key = read_guard_credentials("binance_spot", venue, KEYS)
    assert ("the-api-key", "hmac", "the-secret") == (key.api_key, key.kind, key.secret.reveal())


def test_a_guard_with_a_key_uses_that(tmp_path: Path) -> None:
    """And nobody else does."""
    environment = {**KEYS, **GUARD_KEYS}
    venue = venue_of(tmp_path, GUARDED, environment)
    key = read_guard_credentials("binance_spot", venue, environment)
    assert ("the-guards-key", "hmac", "the-guards-secret") == (key.api_key, key.kind, key.secret.reveal())
    assert "the-secret" == read_credentials("binance_spot", venue, environment).secret.reveal()


def test_a_guards_key_may_be_of_another_kind(tmp_path: Path) -> None:
    """From a file of mode 0600, as the venue's own."""
    secret = tmp_path / "guard.pem"
    secret.write_text("a-private-key\n")
    secret.chmod(0o600)
    text = GUARDED.replace(
        'guard_secret_env = "GUARD_SECRET"',
        f'guard_secret_file = "{secret}"\nguard_key_kind = "ed25519"',
    )
    environment = {**KEYS, **GUARD_KEYS}
    venue = venue_of(tmp_path, text, environment)
    key = read_guard_credentials("binance_spot", venue, environment)
    assert ("ed25519", "a-private-key") == (key.kind, key.secret.reveal())
    assert "hmac" == read_credentials("binance_spot", venue, environment).kind
    secret.chmod(0o640)
    faults = faults_of(tmp_path, text, environment)
    assert ["venues.binance_spot.guard_secret_file"] == list(faults)
    assert f"chmod 600 {secret}" in faults["venues.binance_spot.guard_secret_file"]


def test_a_node_misses_every_part_of_both_keys(tmp_path: Path) -> None:
    """It does not start with a guard that could do nothing: one fault for each variable."""
    assert {
        f"venues.binance_spot.{key}": f"refers to the environment variable {name}, which is not set"
        for key, name in [
            ("api_key_env", "KEY"),
            ("secret_env", "SECRET"),
            ("guard_api_key_env", "GUARD_KEY"),
            ("guard_secret_env", "GUARD_SECRET"),
        ]
    } == faults_of(tmp_path, GUARDED, {})
    assert ["venues.binance_spot.guard_secret_env"] == list(
        faults_of(tmp_path, GUARDED, {**KEYS, "GUARD_KEY": "k"})
    )


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


def test_a_guards_key_that_is_gone(tmp_path: Path) -> None:
    """What was there at load and is gone later is told under the guard's keys."""
    venue = venue_of(tmp_path, GUARDED, {**KEYS, **GUARD_KEYS})
    with pytest.raises(ConfigurationError) as caught:
        read_guard_credentials("binance_spot", venue, KEYS)
    assert ["venues.binance_spot.guard_api_key_env", "venues.binance_spot.guard_secret_env"] == [
        key for key, _ in caught.value.faults
    ]


def test_every_variable_with_a_secret_is_known(tmp_path: Path) -> None:
    """So that it can be kept from processes that have no use for it."""
    assert {"KEY", "SECRET"} == venue_of(tmp_path, MINIMAL, KEYS).secret_variables
    environment = {**KEYS, **GUARD_KEYS}
    assert set(environment) == venue_of(tmp_path, GUARDED, environment).secret_variables
