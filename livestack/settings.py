"""Settings: what a node needs besides its Configuration: paths, endpoints, sizes, and where its secrets are kept.

One TOML file holds both; :func:`load` reads it and tells every fault of both at once. Settings cannot change State
and are no part of a session's identity; what can is :class:`livestack.core.configuration.Configuration`. Venues are
:mod:`livestack.venue_settings`, their API keys :mod:`livestack.credentials`. Imports core and strategies; reads files;
main thread, before anything starts.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from livestack.backtest_settings import BacktestSettings
from livestack.control_settings import ControlSettings, GuardSettings, WatchdogSettings
from livestack.core.configuration import Configuration
from livestack.core.validation import Duration, Faults, convert, join_key
from livestack.credentials import read_secret_file, read_variable
from livestack.exceptions import ConfigurationError
from livestack.follower_settings import FollowerSettings
from livestack.journal_settings import JournalSettings
from livestack.lease_settings import LeaseSettings
from livestack.records_settings import RecordsSettings
from livestack.strategies.loading import load_strategy
from livestack.telemetry_settings import LogSettings, TelemetrySettings
from livestack.venue_settings import (
    VenueSettings,
    check_name,
    check_venues,
    expand_variables,
    read_toml,
)

_SECOND_NS = 1_000_000_000


def _check_range(name: str, value_ns: int, most_ns: int, most: str) -> None:
    if not 1_000_000 <= value_ns <= most_ns:
        raise ValueError(f"{name} must be from 1ms to {most}")


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``name`` tells this node from others in journals, logs and metrics."""

    name: str = "livestack"

    def __post_init__(self) -> None:
        check_name(self.name)


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


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of the file that is not Configuration. ``venues`` by the names that Configuration uses for them."""

    node: NodeSettings = NodeSettings()
    data_dir: str = "livestack-data"
    journal: JournalSettings = JournalSettings()
    harness: HarnessSettings = HarnessSettings()
    dispatch: DispatchSettings = DispatchSettings()
    shutdown: ShutdownSettings = ShutdownSettings()
    log: LogSettings = LogSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    follower: FollowerSettings = FollowerSettings()
    lease: LeaseSettings = LeaseSettings()
    records: RecordsSettings = RecordsSettings()
    control: ControlSettings = ControlSettings()
    watchdog: WatchdogSettings = WatchdogSettings()
    guard: GuardSettings = GuardSettings()
    venues: dict[str, VenueSettings]
    backtest: BacktestSettings = BacktestSettings()


def load(path: Path, environment: Mapping[str, str]) -> tuple[Settings, Configuration]:
    """Settings and Configuration of the TOML file at ``path``, with everything they refer to checked.

    In texts of the ``venues`` table ``${NAME}`` stands for that variable of ``environment``. ``ConfigurationError``
    holds every fault: not readable, not TOML, unknown or missing keys, wrong types and ranges, names that do not
    fit together, a strategy or parameters of it that cannot be, and variables or files of secrets that are missing or
    readable for others.
    """
    data = read_toml(path)
    faults: Faults = []
    if "venues" in data:
        data["venues"] = expand_variables(data["venues"], "venues", environment, faults)
    whole: Any = convert(data, _File, "", faults)
    check_venues(data.get("venues"), environment, faults)
    if whole is None:
        raise ConfigurationError(faults, str(path))
    settings, configuration = _part(whole, Settings), _part(whole, Configuration)
    if settings.lease.postgres_url_env:
        read_variable("lease.postgres_url_env", settings.lease.postgres_url_env, environment, faults)
    _check_sinks(settings.records, environment, faults)
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
    whole: Any = convert(read_toml(path), _File, "", faults)
    if whole is None:
        raise ConfigurationError(faults, str(path))
    settings, configuration = _part(whole, Settings), _part(whole, Configuration)
    _check_names(settings, configuration, faults)
    if faults:
        raise ConfigurationError(faults, str(path))
    return settings, configuration


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


def _check_sinks(records: RecordsSettings, environment: Mapping[str, str], faults: Faults) -> None:
    """The variables and files that sinks in use name; what is in them is for :mod:`livestack.storage` to judge."""
    for name, sink in records.in_use.items():
        key = join_key("records.sinks", name)
        if sink.url_env is not None:
            read_variable(join_key(key, "url_env"), sink.url_env, environment, faults)
        if sink.secret_file is not None:
            read_secret_file(join_key(key, "secret_file"), Path(sink.secret_file).expanduser(), faults)


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
