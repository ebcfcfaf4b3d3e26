"""Settings and Configuration from one file: what is accepted, and how everything that is wrong is told at once."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from livestack.core.configuration import Configuration
from livestack.exceptions import ConfigurationError
from livestack.settings import Settings, inspect, load
from livestack.venue_settings import VenueSettings

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
        '[jurnal]\ndurability = "full"\n[log]\nlevel = "loud"\ncolour = "x"\n[harness]\nbatch_max = 0\n'
        "[risk.defaults]\nmax_order_qty = 1.5\n[venues.other]\n"
        'adapter = "binance_spot"\nrest_url = "ftp://x"\nstream_url = "ws://far.example"\nws_api_url = "${API}"\n'
        'symbols = ["A"]\nkey_kind = "hmac"\napi_key_env = "NONE"\nsecret_env = "SECRET"\n'
    )
    faults = faults_of(tmp_path, text)
    assert "did you mean journal?" in faults["jurnal"]
    assert faults["venues.binance_spot.key_kind"] == 'must be "hmac" or "ed25519", not "rsa"'
    assert '"debug"' in faults["log.level"]
    assert "known: level, format" in faults["log.colour"]
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


def test_sinks_refer_to_what_is_there(tmp_path: Path) -> None:
    """The variable and the secret of every sink are looked up at once; of records that are switched off none is."""
    loose = tmp_path / "secret.toml"
    loose.write_text('password = "x"')
    loose.chmod(0o644)
    sinks = f"""[records.sinks.server]
url_env = "NOWHERE"
secret_file = "{loose}"
[records.sinks.bucket]
url = "s3://bucket"
secret_file = "{tmp_path / "none"}"
"""
    faults = faults_of(tmp_path, MINIMAL + sinks)
    assert 3 == len(faults)
    assert "variable NOWHERE, which is not set" in faults["records.sinks.server.url_env"]
    assert f"chmod 600 {loose}" in faults["records.sinks.server.secret_file"]
    assert "cannot be read" in faults["records.sinks.bucket.secret_file"]
    load_text(tmp_path, MINIMAL + "[records]\nenabled = false\n" + sinks)
    path = tmp_path / "node.toml"
    path.write_text(MINIMAL + sinks)
    settings, _ = inspect(path)
    assert ["bucket", "server"] == sorted(settings.records.sinks)


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
            settings.records,
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
