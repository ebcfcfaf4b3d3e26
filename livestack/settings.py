"""Settings: what a node needs besides its Configuration: paths, endpoints, sizes, and where its secrets are kept.

One TOML file holds both; :func:`load` reads it and tells every fault of both at once. Settings cannot change State
and are no part of a session's identity; what can is :class:`livestack.core.configuration.Configuration`. Secrets are
never in the file: it names the environment variable, or the file, that holds them, and :func:`read_credentials` reads
them into a type that no log or ``repr`` shows. Imports core and strategies; reads files; main thread, before anything
starts.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn
from urllib.parse import urlsplit

import msgspec

from livestack.backtest_settings import BacktestSettings
from livestack.control_settings import ControlSettings, GuardSettings, WatchdogSettings
from livestack.core.configuration import Configuration
from livestack.core.validation import Duration, Faults, convert, join_key
from livestack.exceptions import ConfigurationError
from livestack.follower_settings import FollowerSettings
from livestack.journal_settings import JournalSettings
from livestack.lease_settings import LeaseSettings
from livestack.strategies.loading import load_strategy

SECRET_BYTES_MAX = 16 * 1024
"""The longest PEM private key in use is a fifth of this; more is the wrong file."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")  # is part of paths, metric names and lock names
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECOND_NS = 1_000_000_000


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f'"{name}" is not a name: 1 to 32 of letters, digits, - and _, a letter or digit first'
        )


def _check_range(name: str, value_ns: int, most_ns: int, most: str) -> None:
    if not 1_000_000 <= value_ns <= most_ns:
        raise ValueError(f"{name} must be from 1ms to {most}")


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``name`` tells this node from others in journals, logs and metrics."""

    name: str = "livestack"

    def __post_init__(self) -> None:
        _check_name(self.name)


class HarnessSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds, in Events: one batch, the market lane before a feed is told to stop, and what awaits its commit."""

    batch_max: Annotated[int, msgspec.Meta(ge=1, le=65_536)] = 1_024
    market_lane_max: Annotated[int, msgspec.Meta(ge=1_024, le=16_777_216)] = 65_536
    uncommitted_max: Annotated[int, msgspec.Meta(ge=1_024, le=16_777_216)] = 50_000


class DispatchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``max_dispatch_age``: older requests are not sent; ``send_timeout``: a peer that does not read is cut off."""

    age_ns_max: Duration = msgspec.field(default=_SECOND_NS, name="max_dispatch_age")
    send_timeout_ns: Duration = msgspec.field(default=_SECOND_NS, name="send_timeout")

    def __post_init__(self) -> None:
        _check_range("max_dispatch_age", self.age_ns_max, 10 * _SECOND_NS, "10s")
        _check_range("send_timeout", self.send_timeout_ns, 10 * _SECOND_NS, "10s")


class ShutdownSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``timeout``: how long a stopping session waits for the outcomes of its open orders; more than a venue's settling
    time, after which it is known that a request of unknown fate is not there."""

    timeout_ns: Duration = msgspec.field(default=30 * _SECOND_NS, name="timeout")

    def __post_init__(self) -> None:
        _check_range("timeout", self.timeout_ns, 600 * _SECOND_NS, "10m")


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What goes to stderr, and for whom: ``console`` for people, ``json`` for machines."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class VenueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One venue: its protocol, addresses, account, what to trade and watch, and where its API key is to be found.

    URLs without a slash at the end. Exactly one of ``secret_env`` and ``secret_file`` holds the secret: the shared
    secret of an ``hmac`` key, or the PKCS#8 PEM private key of an ``ed25519`` one.
    """

    adapter: Literal["binance_spot"]
    rest_url: str
    stream_url: str
    ws_api_url: str
    account: str = "main"
    symbols: tuple[str, ...]
    streams: tuple[Literal["depth", "bookTicker", "trade", "aggTrade"], ...] = (
        "depth",
        "bookTicker",
        "aggTrade",
    )
    key_kind: Literal["hmac", "ed25519"]
    api_key_env: str
    secret_env: str | None = None
    secret_file: str | None = None

    def __post_init__(self) -> None:
        _check_name(self.account)
        if not self.symbols or len(set(self.symbols)) < len(self.symbols):
            raise ValueError("symbols must name at least one symbol, and none twice")
        if not self.streams or len(set(self.streams)) < len(self.streams):
            raise ValueError("streams must name at least one stream, and none twice")
        if (self.secret_env is None) == (self.secret_file is None):
            raise ValueError("must have one of secret_env and secret_file")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of the file that is not Configuration. ``venues`` by the names that Configuration uses for them."""

    node: NodeSettings = NodeSettings()
    data_dir: str = "livestack-data"
    journal: JournalSettings = JournalSettings()
    harness: HarnessSettings = HarnessSettings()
    dispatch: DispatchSettings = DispatchSettings()
    shutdown: ShutdownSettings = ShutdownSettings()
    log: LogSettings = LogSettings()
    follower: FollowerSettings = FollowerSettings()
    lease: LeaseSettings = LeaseSettings()
    control: ControlSettings = ControlSettings()
    watchdog: WatchdogSettings = WatchdogSettings()
    guard: GuardSettings = GuardSettings()
    venues: dict[str, VenueSettings]
    backtest: BacktestSettings = BacktestSettings()


class Secret:
    """Text that is shown to nobody: every text form of it is a row of stars, and it cannot be pickled."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself, for whoever signs with it."""
        return self._text

    def __repr__(self) -> str:
        return "********"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not to be pickled or copied")


class VenueKey(msgspec.Struct, frozen=True):
    """An API key as it was found at start; ``kind`` is the ``key_kind`` of its settings."""

    api_key: str
    kind: str
    secret: Secret


def load(path: Path, environment: Mapping[str, str]) -> tuple[Settings, Configuration]:
    """Settings and Configuration of the TOML file at ``path``, with everything they refer to checked.

    In texts of the ``venues`` table ``${NAME}`` stands for that variable of ``environment``. ``ConfigurationError``
    holds every fault: not readable, not TOML, unknown or missing keys, wrong types and ranges, names that do not
    fit together, a strategy or parameters of it that cannot be, and variables or files of secrets that are missing or
    readable for others.
    """
    data = _read(path)
    faults: Faults = []
    if "venues" in data:
        data["venues"] = _expand(data["venues"], "venues", environment, faults)
    whole: Any = convert(data, _File, "", faults)
    _check_venues(data.get("venues"), environment, faults)
    if whole is None:
        raise ConfigurationError(faults, str(path))
    settings, configuration = _part(whole, Settings), _part(whole, Configuration)
    if settings.lease.postgres_url_env:
        _variable("lease.postgres_url_env", settings.lease.postgres_url_env, environment, faults)
    _check_names(settings, configuration, faults)
    _check_strategy(configuration, faults)
    if faults:
        raise ConfigurationError(faults, str(path))
    return settings, configuration


def inspect(path: Path) -> tuple[Settings, Configuration]:
    """The same file for looking at it, not for running it: no variable, secret or strategy that it names is looked up.

    ``${NAME}`` stays as it is. ``ConfigurationError`` holds every fault of the texts themselves.
    """
    faults: Faults = []
    whole: Any = convert(_read(path), _File, "", faults)
    if whole is None:
        raise ConfigurationError(faults, str(path))
    settings, configuration = _part(whole, Settings), _part(whole, Configuration)
    _check_names(settings, configuration, faults)
    if faults:
        raise ConfigurationError(faults, str(path))
    return settings, configuration


def read_credentials(name: str, settings: VenueSettings, environment: Mapping[str, str]) -> VenueKey:
    """The API key of venue ``name``; ``ConfigurationError`` says what is missing."""
    faults: Faults = []
    key = _find_key(join_key("venues", name), settings, environment, faults)
    if key is None:
        raise ConfigurationError(faults, f"credentials of {name}")
    return key


def _fields_of(*types: type[msgspec.Struct]) -> list[tuple[str, Any] | tuple[str, Any, Any]]:
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for field in (field for type_ in types for field in msgspec.structs.fields(type_)):
        if field.required:
            fields.append((field.name, field.type))
        else:
            fields.append((field.name, field.type, _default(field)))
    return fields


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default is msgspec.NODEFAULT:
        return msgspec.field(default_factory=field.default_factory)
    return field.default


# Both schemas as one, so that faults come in file order and a misspelt table is compared with the names of both.
_File = msgspec.defstruct("_File", _fields_of(Settings, Configuration), kw_only=True)


def _part(whole: object, type_: type[Any]) -> Any:
    return type_(**{field.name: getattr(whole, field.name) for field in msgspec.structs.fields(type_)})


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        fault = f"is not UTF-8 text: byte {error.start} cannot be"
    except tomllib.TOMLDecodeError as error:
        fault = f"is not TOML: {error}"
    raise ConfigurationError([("", fault)], str(path))


def _expand(data: object, key: str, environment: Mapping[str, str], faults: Faults) -> object:
    """``data`` with ``${NAME}`` replaced in every text; a name that is not set is a fault of its key."""
    if isinstance(data, dict):
        return {name: _expand(item, join_key(key, name), environment, faults) for name, item in data.items()}
    if isinstance(data, list):
        return [_expand(item, f"{key}[{index}]", environment, faults) for index, item in enumerate(data)]
    if not isinstance(data, str):
        return data
    for name in _VARIABLE.findall(data):
        if name not in environment:
            faults.append((key, f"refers to the environment variable {name}, which is not set"))
    return _VARIABLE.sub(lambda match: environment.get(match[1], match[0]), data)


def _check_venues(data: object, environment: Mapping[str, str], faults: Faults) -> None:
    """What a schema cannot say, of every venue that is right by itself, whatever else is wrong in the file."""
    if not isinstance(data, dict):
        return
    if not data:
        faults.append(("venues", "must name at least one venue"))
    for name, table in data.items():
        key = join_key("venues", name)
        if not _NAME.fullmatch(name):
            faults.append(
                (key, "is not a name: 1 to 32 of letters, digits, - and _, a letter or digit first")
            )
        venue = convert(table, VenueSettings, key, [])
        if venue is not None:
            _check_url(f"{key}.rest_url", venue.rest_url, "http", faults)
            _check_url(f"{key}.stream_url", venue.stream_url, "ws", faults)
            _check_url(f"{key}.ws_api_url", venue.ws_api_url, "ws", faults)
            _find_key(key, venue, environment, faults)


def _check_url(key: str, url: str, scheme: str, faults: Faults) -> None:
    """``scheme`` is the plain one, allowed on this machine alone; its encrypted form ends in s."""
    if _VARIABLE.search(url):
        return  # told already
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # reading the port checks it
    except ValueError as error:
        faults.append((key, f'"{url}" is not a URL: {error}'))
        return
    if (
        parts.scheme not in (scheme, scheme + "s")
        or not host
        or parts.query
        or parts.fragment
        or url.endswith("/")
    ):
        faults.append(
            (key, f'must be {scheme}s://HOST[:PORT][/PATH] without a slash at the end, not "{url}"')
        )
    elif parts.username is not None:
        faults.append((key, "must not hold a user name or password"))
    elif parts.scheme == scheme and host not in _LOOPBACK:
        faults.append((key, f"must be {scheme}s:// for {host}: unencrypted is for this machine only"))


def _find_key(
    key: str, venue: VenueSettings, environment: Mapping[str, str], faults: Faults
) -> VenueKey | None:
    before = len(faults)
    api_key = _variable(f"{key}.api_key_env", venue.api_key_env, environment, faults)
    if venue.secret_file is not None:
        secret = _secret_file(f"{key}.secret_file", Path(venue.secret_file).expanduser(), faults)
    else:
        secret = _variable(f"{key}.secret_env", venue.secret_env or "", environment, faults)
    return VenueKey(api_key, venue.key_kind, Secret(secret)) if len(faults) == before else None


def _variable(key: str, name: str, environment: Mapping[str, str], faults: Faults) -> str:
    value = environment.get(name, "").strip()
    if not value:
        faults.append((key, f"refers to the environment variable {name}, which is not set"))
    return value


def _secret_file(key: str, path: Path, faults: Faults) -> str:
    """The text of ``path``, if it is a file of at most SECRET_BYTES_MAX that nobody but its owner can read."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                faults.append((key, f"{path} is not a file"))
            elif status.st_mode & 0o077:
                faults.append((key, f"{path} can be used by others; make it yours alone: chmod 600 {path}"))
            elif not 0 < status.st_size <= SECRET_BYTES_MAX:
                faults.append(
                    (key, f"{path} must hold 1 to {SECRET_BYTES_MAX} bytes, it holds {status.st_size}")
                )
            else:
                return file.read().decode("utf-8").strip()
    except OSError as error:
        faults.append((key, f"{path} cannot be read: {error.strerror}"))
    except UnicodeDecodeError:
        faults.append((key, f"{path} is not text"))
    return ""


def _check_strategy(configuration: Configuration, faults: Faults) -> None:
    try:
        load_strategy(configuration.strategy.path, configuration.strategy.parameters)
    except ConfigurationError as error:
        faults.extend(error.faults)


def _check_names(settings: Settings, configuration: Configuration, faults: Faults) -> None:
    """Venues and instruments that the Configuration speaks of must be there: a misspelt limit would limit nothing."""
    venues = list(settings.venues)
    instruments = [f"{name}:{symbol}" for name, venue in settings.venues.items() for symbol in venue.symbols]
    _check_known("decisions.instruments", configuration.decisions.instruments, instruments, faults)
    _check_known("risk.venue", configuration.risk.venue, venues, faults)
    _check_known("risk.instrument", configuration.risk.instrument, instruments, faults)
    _check_known("execution.venue", configuration.execution.venue, venues, faults)


def _check_known(key: str, names: Iterable[str], known: list[str], faults: Faults) -> None:
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            guess = f"did you mean {close[0]}?" if close else f"there are {', '.join(known) or 'none'}"
            faults.append((join_key(key, name), f"is not in the venues table; {guess}"))
