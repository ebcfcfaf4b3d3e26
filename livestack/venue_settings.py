"""The ``venues`` table of a node's file: addresses, what to trade, and where the API keys are kept.

Secrets are never in the file: it names the environment variables, or the files, that hold them, and
:func:`read_credentials` reads them into a type that no log or ``repr`` shows. All that a guard needs to know of a file
is here, so that nothing else of it, and nothing that decides, is loaded in an emergency. Imports core; reads files;
main thread, before anything starts.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn
from urllib.parse import urlsplit

import msgspec

from livestack.core.validation import Faults, convert, join_key
from livestack.exceptions import ConfigurationError

SECRET_BYTES_MAX = 16 * 1024
"""The longest PEM private key in use is a fifth of this; more is the wrong file."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")  # is part of paths, metric names and lock names
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def check_name(name: str) -> None:
    """``ValueError`` where ``name`` cannot be the name of a node, a venue or an account."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f'"{name}" is not a name: 1 to 32 of letters, digits, - and _, a letter or digit first'
        )


class VenueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One venue: its protocol, addresses, account, what to trade and watch, and where its API key is to be found.

    URLs without a slash at the end. Exactly one of ``secret_env`` and ``secret_file`` holds the secret: the shared
    secret of an ``hmac`` key, or the PKCS#8 PEM private key of an ``ed25519`` one. The same with ``guard_`` before it
    is another key of the same account, for the guard alone; without it the guard uses the venue's own. Its kind is
    ``key_kind`` unless ``guard_key_kind`` says otherwise.
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
    guard_key_kind: Literal["hmac", "ed25519"] | None = None
    guard_api_key_env: str | None = None
    guard_secret_env: str | None = None
    guard_secret_file: str | None = None

    def __post_init__(self) -> None:
        check_name(self.account)
        if not self.symbols or len(set(self.symbols)) < len(self.symbols):
            raise ValueError("symbols must name at least one symbol, and none twice")
        if not self.streams or len(set(self.streams)) < len(self.streams):
            raise ValueError("streams must name at least one stream, and none twice")
        if (self.secret_env is None) == (self.secret_file is None):
            raise ValueError("must have one of secret_env and secret_file")
        self._check_guard_key()

    def _check_guard_key(self) -> None:
        if self.guard_api_key_env is None:
            if (self.guard_key_kind, self.guard_secret_env, self.guard_secret_file) != (None, None, None):
                raise ValueError(
                    "guard_key_kind, guard_secret_env and guard_secret_file need guard_api_key_env"
                )
        elif (self.guard_secret_env is None) == (self.guard_secret_file is None):
            raise ValueError("must have one of guard_secret_env and guard_secret_file with guard_api_key_env")

    @property
    def secret_variables(self) -> frozenset[str]:
        """The environment variables that hold a part of a key, its own or the guard's."""
        names = (self.api_key_env, self.secret_env, self.guard_api_key_env, self.guard_secret_env)
        return frozenset(name for name in names if name is not None)


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
    """An API key as it was found at start; ``kind`` is ``hmac`` or ``ed25519``."""

    api_key: str
    kind: str
    secret: Secret


def read_credentials(name: str, settings: VenueSettings, environment: Mapping[str, str]) -> VenueKey:
    """The API key of venue ``name``; ``ConfigurationError`` says what is missing."""
    return _credentials(name, _own_place(settings), environment)


def read_guard_credentials(name: str, settings: VenueSettings, environment: Mapping[str, str]) -> VenueKey:
    """The API key with which a guard speaks to venue ``name``; ``ConfigurationError`` says what is missing.

    For the guard's process and ``livestack guard`` only: nothing that can send an order has a use for it.
    """
    return _credentials(name, _guard_place(settings), environment)


def read_toml(path: Path) -> dict[str, Any]:
    """The TOML file at ``path`` as plain data; ``ConfigurationError`` where it cannot be read or is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        fault = f"is not UTF-8 text: byte {error.start} cannot be"
    except tomllib.TOMLDecodeError as error:
        fault = f"is not TOML: {error}"
    raise ConfigurationError([("", fault)], str(path))


def expand_variables(data: object, key: str, environment: Mapping[str, str], faults: Faults) -> object:
    """``data`` with ``${NAME}`` replaced in every text; a name that is not set is a fault of its key."""
    if isinstance(data, dict):
        return {
            name: expand_variables(item, join_key(key, name), environment, faults)
            for name, item in data.items()
        }
    if isinstance(data, list):
        return [
            expand_variables(item, f"{key}[{index}]", environment, faults) for index, item in enumerate(data)
        ]
    if not isinstance(data, str):
        return data
    for name in _VARIABLE.findall(data):
        if name not in environment:
            faults.append((key, f"refers to the environment variable {name}, which is not set"))
    return _VARIABLE.sub(lambda match: environment.get(match[1], match[0]), data)


def check_venues(
    data: object, environment: Mapping[str, str], faults: Faults, *, for_guard: bool = False
) -> None:
    """What a schema cannot say, of every venue that is right by itself, whatever else is wrong in the file.

    ``data`` is the ``venues`` table with its variables replaced. Every key that it names must be there; ``for_guard``:
    only those that a guard uses.
    """
    if not isinstance(data, dict):
        return
    if not data:
        faults.append(("venues", "must name at least one venue"))
    for name, table in data.items():
        key = join_key("venues", name)
        try:
            check_name(name)
        except ValueError:
            faults.append(
                (key, "is not a name: 1 to 32 of letters, digits, - and _, a letter or digit first")
            )
        venue = convert(table, VenueSettings, key, [])
        if venue is not None:
            _check_url(f"{key}.rest_url", venue.rest_url, "http", faults)
            _check_url(f"{key}.stream_url", venue.stream_url, "ws", faults)
            _check_url(f"{key}.ws_api_url", venue.ws_api_url, "ws", faults)
            if not for_guard:
                _find_key(key, _own_place(venue), environment, faults)
            if for_guard or venue.guard_api_key_env is not None:
                _find_key(key, _guard_place(venue), environment, faults)


def read_variable(key: str, name: str, environment: Mapping[str, str], faults: Faults) -> str:
    """The variable ``name``, without space around it; where it is not set, ``''`` and a fault of ``key``."""
    value = environment.get(name, "").strip()
    if not value:
        faults.append((key, f"refers to the environment variable {name}, which is not set"))
    return value


class _KeyPlace(NamedTuple):
    """Where one API key is kept; ``prefix`` begins the names of its fields."""

    prefix: str
    kind: str
    api_key_env: str
    secret_env: str | None
    secret_file: str | None


def _own_place(venue: VenueSettings) -> _KeyPlace:
    return _KeyPlace("", venue.key_kind, venue.api_key_env, venue.secret_env, venue.secret_file)


def _guard_place(venue: VenueSettings) -> _KeyPlace:
    """The venue's own where its guard has none."""
    if venue.guard_api_key_env is None:
        return _own_place(venue)
    kind = venue.guard_key_kind or venue.key_kind
    return _KeyPlace("guard_", kind, venue.guard_api_key_env, venue.guard_secret_env, venue.guard_secret_file)


def _credentials(name: str, place: _KeyPlace, environment: Mapping[str, str]) -> VenueKey:
    faults: Faults = []
    key = _find_key(join_key("venues", name), place, environment, faults)
    if key is None:
        raise ConfigurationError(faults, f"credentials of {name}")
    return key


def _find_key(key: str, place: _KeyPlace, environment: Mapping[str, str], faults: Faults) -> VenueKey | None:
    before = len(faults)
    field = f"{key}.{place.prefix}"
    api_key = read_variable(f"{field}api_key_env", place.api_key_env, environment, faults)
    if place.secret_file is not None:
        secret = _secret_file(f"{field}secret_file", Path(place.secret_file).expanduser(), faults)
    else:
        secret = read_variable(f"{field}secret_env", place.secret_env or "", environment, faults)
    return VenueKey(api_key, place.kind, Secret(secret)) if len(faults) == before else None


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
