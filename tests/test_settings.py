"""Settings and Configuration from one file: what is accepted, and how everything that is wrong is told at once."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import msgspec
import pytest

from livestack.core.configuration import Configuration
from livestack.exceptions import ConfigurationError
from livestack.settings import (
    SECRET_BYTES_MAX,
    Secret,
    Settings,
    VenueSettings,
    inspect,
    load,
    read_credentials,
)

ROOT = Path(__file__).resolve().parent.parent

MINIMAL = """
[venues.binance_spot]
adapter = "binance_spot"
rest_url = "https://venue.example"
stream_url = "wss://stream.venue.example:9443"
ws_api_url = "wss://api.venue.example/ws-api"
symbols = ["BTCUSDT"]
key_kind = "hmac"
api_key_env = "KEY"
secret_env = "SECRET"
[strategy]
path = "livestack.strategies.market_maker:MarketMaker"
parameters = { qty = "0.001", inventory_max = "0.01" }
"""
KEYS = {"KEY": "the-api-key", "SECRET": "the-secret"}
DEMO = {
    "LIVESTACK_DEMO_REST": "http://127.0.0.1:8080",
    "LIVESTACK_DEMO_STREAM": "ws://127.0.0.1:8080",
    "LIVESTACK_DEMO_WS_API": "ws://127.0.0.1:8080",
    "LIVESTACK_DEMO_API_KEY": "demo-key",
    "LIVESTACK_DEMO_SECRET": "demo-secret",
}
COMPLETE = {"BINANCE_API_KEY": "a-key", "BINANCE_SECRET": "a-secret"}


def load_text(
    directory: Path, text: str, environment: dict[str, str] | None = None
) -> tuple[Settings, Configuration]:
    path = directory / "node.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, KEYS if environment is None else environment)


def faults_of(directory: Path, text: str, environment: dict[str, str] | None = None) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        load_text(directory, text, environment)
    return dict(caught.value.faults)


def keys_of(schema: type[msgspec.Struct]) -> set[str]:
    """Names of every key of ``schema`` and of the schemas inside it."""
    keys: set[str] = set()
    pending: list[object] = [schema]
    while pending:
        one = pending.pop()
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            keys |= {field.encode_name for field in msgspec.structs.fields(one)}
            pending += [field.type for field in msgspec.structs.fields(one)]
        else:
            pending += getattr(one, "__args__", ())
    return keys


def test_minimal_file(tmp_path: Path) -> None:
    """One venue and a strategy are enough; everything else has a default."""
    settings, configuration = load_text(tmp_path, MINIMAL)
    assert list(settings.venues) == ["binance_spot"]
    assert settings.venues["binance_spot"].symbols == ("BTCUSDT",)
    assert settings.journal.durability == "full"
    assert settings.data_dir == "livestack-data"
    assert configuration.strategy.path == "livestack.strategies.market_maker:MarketMaker"


def test_durations_become_nanoseconds(tmp_path: Path) -> None:
    """Durations are text in the file and nanoseconds in the program."""
    settings, _ = load_text(
        tmp_path, MINIMAL + '[dispatch]\nmax_dispatch_age = "250ms"\n[shutdown]\ntimeout = "1m"\n'
    )
    assert settings.dispatch.age_ns_max == 250_000_000
    assert settings.shutdown.timeout_ns == 60_000_000_000


def test_every_fault_at_once(tmp_path: Path) -> None:
    """Faults of both schemas, of the environment and of values are all in one error, with their keys."""
    text = MINIMAL.replace('key_kind = "hmac"', 'key_kind = "rsa"') + (
        '[jurnal]\ndurability = "full"\n[log]\nlevel = "loud"\nfile = "x"\n[harness]\nbatch_max = 0\n'
        "[risk.defaults]\nmax_order_qty = 1.5\n[venues.other]\n"
        'adapter = "binance_spot"\nrest_url = "ftp://x"\nstream_url = "ws://far.example"\nws_api_url = "${API}"\n'
        'symbols = ["A"]\nkey_kind = "hmac"\napi_key_env = "NONE"\nsecret_env = "SECRET"\n'
    )
    faults = faults_of(tmp_path, text)
    assert "did you mean journal?" in faults["jurnal"]
    assert faults["venues.binance_spot.key_kind"] == 'must be "hmac" or "ed25519", not "rsa"'
    assert '"debug"' in faults["log.level"]
    assert "known: level, format" in faults["log.file"]
    assert "1 to 65536" in faults["harness.batch_max"]
    assert "never exact" in faults["risk.defaults.max_order_qty"]
    assert "https://HOST" in faults["venues.other.rest_url"]
    assert "wss:// for far.example" in faults["venues.other.stream_url"]
    assert "variable API, which is not set" in faults["venues.other.ws_api_url"]
    assert "variable NONE, which is not set" in faults["venues.other.api_key_env"]
    assert len(faults) == 10


def test_the_error_names_file_and_count(tmp_path: Path) -> None:
    """The sentence begins with the file and says that nothing was started."""
    with pytest.raises(
        ConfigurationError, match=r"node\.toml: 1 fault, nothing was started\n  strategy: is missing"
    ):
        load_text(tmp_path, MINIMAL.partition("[strategy]")[0])


@pytest.mark.parametrize(
    ("line", "key", "sentence"),
    [
        ("data_dir = 3", "data_dir", "text in quotes"),
        ('[node]\nname = "a b"', "node", "is not a name"),
        ('[journal]\ndurability = "none"', "journal.durability", '"full" or "relaxed"'),
        ('[dispatch]\nmax_dispatch_age = "1h"', "dispatch", "max_dispatch_age must be from 1ms to 10s"),
        ("[dispatch]\nsend_timeout = 5", "dispatch.send_timeout", "duration"),
        ('[shutdown]\ntimeout = "0s"', "shutdown", "timeout must be from 1ms to 10m"),
        ("[harness]\nmarket_lane_max = true", "harness.market_lane_max", "an integer"),
        ('[risk.venue.kraken]\nmax_order_qty = "1"', "risk.venue.kraken", "there are binance_spot"),
        (
            '[risk.instrument."binance_spot:BTCUSD"]\nmax_order_qty = "1"',
            'risk.instrument."binance_spot:BTCUSD"',
            "did you mean binance_spot:BTCUSDT?",
        ),
        ('[decisions]\ninstruments = ["BTC"]', "decisions.instruments.BTC", "there are binance_spot:BTCUSDT"),
    ],
)
def test_one_fault(tmp_path: Path, line: str, key: str, sentence: str) -> None:
    """Each single fault is told under its key with what would be right."""
    text = line + "\n" + MINIMAL if not line.startswith("[") else MINIMAL + line + "\n"
    faults = faults_of(tmp_path, text)
    assert list(faults) == [key]
    assert sentence in faults[key]


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
        ("[venues.binance_spot]", '[venues."a b"]', 'venues."a b"', "is not a name"),
    ],
)
def test_one_fault_of_a_venue(tmp_path: Path, before: str, after: str, key: str, sentence: str) -> None:
    """What a venue's table cannot say is told with what would be right."""
    faults = faults_of(tmp_path, MINIMAL.replace(before, after))
    assert list(faults) == [key]
    assert sentence in faults[key]


@pytest.mark.parametrize(
    ("before", "after", "key", "sentence"),
    [
        ("market_maker:", "absent:", "strategy.path", "cannot be imported"),
        (":MarketMaker", ":Maker", "strategy.path", "no Strategy called Maker"),
        (":MarketMaker", "", "strategy.path", '"module:Class"'),
        ('qty = "0.001"', "qty = 1", "strategy.parameters.qty", "a decimal number in quotes"),
        ('qty = "0.001"', 'qtty = "1", qty = "1"', "strategy.parameters.qtty", "did you mean qty?"),
    ],
)
def test_one_fault_of_the_strategy(tmp_path: Path, before: str, after: str, key: str, sentence: str) -> None:
    """A strategy that is not there, and parameters that it does not know, are refused with the rest of the file."""
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


def test_not_toml(tmp_path: Path) -> None:
    """A syntax error is told with line and column."""
    assert "line 2, column" in faults_of(tmp_path, 'a = "b"\nc =\n')[""]


def test_not_text(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are a fault, not a traceback."""
    path = tmp_path / "node.toml"
    path.write_bytes(b'a = "\xff"')
    with pytest.raises(ConfigurationError, match="not UTF-8 text: byte 5"):
        load(path, {})


def test_not_there(tmp_path: Path) -> None:
    """A file that cannot be read is a fault with the system's reason."""
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load(tmp_path / "absent.toml", {})
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load(tmp_path, {})


# -- Secrets -------------------------------------------------------------------------------------------------------


def venue_with(secret: str) -> str:
    return MINIMAL.replace('secret_env = "SECRET"', secret)


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


# -- The files that are shipped ------------------------------------------------------------------------------------


def test_the_complete_file_is_valid() -> None:
    """etc/livestack.toml can be used as it is, once the key's variables are set."""
    settings, _ = load(ROOT / "etc" / "livestack.toml", COMPLETE)
    assert settings.venues["binance_spot"].adapter == "binance_spot"


@pytest.mark.parametrize("schema", [Settings, VenueSettings, Configuration])
def test_the_complete_file_shows_every_key(schema: type[msgspec.Struct]) -> None:
    """No key of the schemas is missing from etc/livestack.toml, as a line of its own or behind a comment sign."""
    shown = set()
    for line in (ROOT / "etc" / "livestack.toml").read_text().splitlines():
        text = line.removeprefix("# ")
        if text.startswith("["):
            shown |= set(text.strip("[]").split("."))
        elif " = " in text:
            shown.add(text.partition(" = ")[0])
    assert set() == keys_of(schema) - shown


def test_the_complete_file_shows_the_defaults() -> None:
    """Where etc/livestack.toml says 'Default: X', X is what the schema has."""
    settings, configuration = load(ROOT / "etc" / "livestack.toml", COMPLETE)
    sections: list[tuple[msgspec.Struct, type[msgspec.Struct]]] = [
        (part, type(part))
        for part in (
            settings.node, settings.journal, settings.harness, settings.dispatch, settings.shutdown, settings.log,
            configuration.decisions, configuration.recovery, configuration.kill,
        )
    ]  # fmt: skip
    for part, type_ in sections:
        assert part == type_()


def test_the_demo_file_is_valid() -> None:
    """etc/demo.toml needs nothing but the variables that scripts/demo sets."""
    settings, configuration = load(ROOT / "etc" / "demo.toml", DEMO)
    assert settings.venues["binance_spot"].symbols == ("BTCUSDT", "ETHUSDT")
    assert configuration.execution.venue["binance_spot"].rate_limits


def test_a_file_can_be_looked_at_without_what_it_refers_to(tmp_path: Path) -> None:
    """The same Settings and Configuration, with variables left as names; its own faults are faults all the same."""
    path = tmp_path / "node.toml"
    path.write_text(MINIMAL, encoding="utf-8")
    assert load(path, KEYS) == inspect(path)
    settings, _ = inspect(ROOT / "etc" / "demo.toml")
    assert "${LIVESTACK_DEMO_REST}" == settings.venues["binance_spot"].rest_url
    path.write_text(MINIMAL + "[risk.venue.other]\ntrade = true\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="is not in the venues table"):
        inspect(path)
