"""Where records go: from the ``[records]`` settings, or from a URL, to a sink that can be opened.

A :class:`SinkPlace` may hold a password and is told to a child process; every text made of it holds none. Files of
secrets are looked at when places are made, so that a wrong one is told at once, and read anew whenever a sink connects.
Imports settings and, only when one is made, the sink's own library. Reads files; any one thread.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from livestack.core.validation import Faults, unknown_key
from livestack.credentials import read_secret_file
from livestack.exceptions import ConfigurationError, SinkError, SinkRefusedError, UsageError
from livestack.records_settings import DEFAULT_SINK, RecordsSettings, SinkSettings
from livestack.storage.sink import Sink
from livestack.storage.urls import DELTA_FILE, DELTA_S3, POSTGRESQL, Location, locate

_SECRETS = {
    DELTA_S3: ("access_key_id", "secret_access_key", "session_token"),
    POSTGRESQL: ("password",),
}
"""What a file of secrets may hold, by kind of storage."""

_S3_VARIABLES = {
    "access_key_id": "AWS_ACCESS_KEY_ID",
    "secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "session_token": "AWS_SESSION_TOKEN",
}


class SinkPlace(msgspec.Struct, frozen=True, kw_only=True):
    """One place of storage. ``url`` may hold a password. ``key``: who named the URL, for sentences about it."""

    name: str
    url: str
    secret_file: str | None = None
    key: str = ""

    def __repr__(self) -> str:
        return f"SinkPlace(name={self.name!r}, address={self.address!r})"

    def __rich_repr__(self) -> Any:
        yield "name", self.name
        yield "address", self.address

    @property
    def address(self) -> str:
        """The place for people, without secrets."""
        return locate(self.url).address


def default_url(data_dir: Path) -> str:
    """Of the tables below the data directory."""
    return f"{DELTA_FILE}://{quote(str(data_dir.expanduser().absolute() / 'records'))}"


def place_of_url(url: str, name: str, key: str = "--sink", secret_file: str | None = None) -> SinkPlace:
    """The place that ``url`` names; ``UsageError``: what is wrong with it."""
    try:
        locate(url)
    except ValueError as error:
        raise UsageError(f"{key}: the URL {error}") from None
    return SinkPlace(name=name, url=url, secret_file=secret_file, key=key)


def sink_places(settings: RecordsSettings, data_dir: Path, environment: Mapping[str, str]) -> list[SinkPlace]:
    """Every place that ``settings`` name, or the default one; whether records are shipped at all is not looked at.

    ``ConfigurationError`` holds every fault of all of them.
    """
    faults: Faults = []
    places: dict[str, SinkPlace] = {}
    for name, sink in (settings.sinks or {DEFAULT_SINK: SinkSettings()}).items():
        key = f"records.sinks.{name}"
        place = _place(name, key, sink, data_dir, environment, faults)
        if place is None:
            continue
        if place.address in places:
            faults.append(
                (key, f"is the same place as records.sinks.{places[place.address].name}; one is enough")
            )
        places.setdefault(place.address, place)
    if faults:
        raise ConfigurationError(faults, "records")
    return list(places.values())


def _place(
    name: str,
    key: str,
    sink: SinkSettings,
    data_dir: Path,
    environment: Mapping[str, str],
    faults: Faults,
) -> SinkPlace | None:
    """The place of ``sink``; None where something was added to ``faults``."""
    before = len(faults)
    where, url, named = f"{key}.url", sink.url or default_url(data_dir), "the URL"
    if sink.url_env is not None:
        where, url = f"{key}.url_env", environment.get(sink.url_env, "").strip()
        named = f"the URL in the environment variable {sink.url_env}"
        if not url:
            faults.append((where, f"refers to the environment variable {sink.url_env}, which is not set"))
            return None
    try:
        location = locate(url)
    except ValueError as error:
        faults.append((where, f"{named} {error}"))
        return None
    if sink.url is not None and location.has_password:
        faults.append(
            (where, "the URL holds a password; put it into a secret_file, or the whole URL into url_env")
        )
    if sink.secret_file is not None:
        _secrets_of(f"{key}.secret_file", location.kind, sink.secret_file, faults)
    elif location.kind == DELTA_S3:
        _s3_keys({}, environment, where, faults)
    if len(faults) > before:
        return None
    return SinkPlace(name=name, url=url, secret_file=sink.secret_file, key=where)


def _secrets_of(key: str, kind: str, path: str, faults: Faults) -> dict[str, str]:
    """What the file of secrets holds; {} where something was added to ``faults``."""
    if kind not in _SECRETS:
        faults.append((key, "is of no use: a directory needs no secrets; leave it out"))
        return {}
    before = len(faults)
    text = read_secret_file(key, Path(path).expanduser(), faults)
    if len(faults) > before:
        return {}
    try:
        table = tomllib.loads(text.reveal())
    except tomllib.TOMLDecodeError:
        lines = " and ".join(f'{name} = "..."' for name in _SECRETS[kind])
        faults.append((key, f"{path} is not TOML; it must have lines such as {lines}"))
        return {}
    faults.extend(_faults_of_secrets(key, kind, path, table))
    return table if len(faults) == before else {}


def _faults_of_secrets(key: str, kind: str, path: str, table: dict[str, Any]) -> Faults:
    known, faults = _SECRETS[kind], Faults()
    for name, value in table.items():
        if name not in known:
            faults.append((key, f'{path}: "{name[:40]}" {unknown_key(name, list(known))}'))
        elif not isinstance(value, str) or not value:
            faults.append((key, f"{path}: {name} must be text in quotes, and not empty"))
    missing = [name for name in known if name not in table and name != "session_token"]
    if missing and not faults:
        faults.append((key, f"{path}: {' and '.join(missing)} is missing"))
    return faults


def make_sink(
    place: SinkPlace, environment: Mapping[str, str], now_ns: Callable[[], int] = time.monotonic_ns
) -> Sink:
    """The sink at ``place``, not connected yet. ``now_ns``: a clock that does not go back."""
    location = locate(place.url)
    if location.kind == POSTGRESQL:
        from livestack.storage.postgresql import PostgresqlSink  # noqa: PLC0415 - libraries on use

        return PostgresqlSink(location.address, lambda: _conninfo(place, location))
    from livestack.storage.delta import DeltaSink  # noqa: PLC0415 - libraries on use

    return DeltaSink(location.address, location.root, lambda: _options(place, location, environment), now_ns)


def check_place(place: SinkPlace, environment: Mapping[str, str]) -> SinkError | None:
    """What keeps records from being kept at ``place``; None: nothing. Changes nothing there."""
    sink = make_sink(place, environment)
    try:
        sink.check()
    except SinkError as error:
        return error
    finally:
        sink.close()
    return None


def _secrets(place: SinkPlace, location: Location) -> dict[str, str]:
    """What the file of secrets says now. ``SinkRefusedError`` where it does not."""
    if place.secret_file is None:
        return {}
    faults: Faults = []
    secrets = _secrets_of("secret_file", location.kind, place.secret_file, faults)
    _refuse(location, faults)
    return secrets


def _refuse(location: Location, faults: Faults) -> None:
    if faults:
        raise SinkRefusedError(location.address, "; ".join(f"{key}: {sentence}" for key, sentence in faults))


def _conninfo(place: SinkPlace, location: Location) -> str:
    """What libpq is given: the password is in it."""
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415 - only who has such a sink loads libpq

    return make_conninfo("", **{**location.parts, **_secrets(place, location)})


def _options(place: SinkPlace, location: Location, environment: Mapping[str, str]) -> dict[str, str]:
    """What object storage is given, by the names of its variables; nothing for a directory."""
    if location.kind != DELTA_S3:
        return {}
    faults: Faults = []
    keys = _s3_keys(_secrets(place, location), environment, place.key or place.name, faults)
    _refuse(location, faults)
    endpoint = location.endpoint or environment.get("AWS_ENDPOINT_URL_S3", "")
    endpoint = endpoint or environment.get("AWS_ENDPOINT_URL", "")
    region = location.region or environment.get("AWS_REGION", "")
    options = {"AWS_REGION": region or environment.get("AWS_DEFAULT_REGION", "") or "us-east-1", **keys}
    if endpoint:
        options["AWS_ENDPOINT_URL"] = endpoint
    return options


def _s3_keys(
    secrets: Mapping[str, str], environment: Mapping[str, str], key: str, faults: Faults
) -> dict[str, str]:
    """The keys of S3 by the names of their variables: those of the file, else the environment's.

    None at all is right where the machine itself has a role.
    """
    found = {variable: secrets.get(name, "") for name, variable in _S3_VARIABLES.items()}
    if not secrets:
        found = {variable: environment.get(variable, "").strip() for variable in _S3_VARIABLES.values()}
    one, other = found["AWS_ACCESS_KEY_ID"], found["AWS_SECRET_ACCESS_KEY"]
    if bool(one) != bool(other):
        missing = "AWS_SECRET_ACCESS_KEY" if one else "AWS_ACCESS_KEY_ID"
        faults.append((key, f"needs the environment variable {missing} too, which is not set"))
    return {variable: value for variable, value in found.items() if value} if one and other else {}
