"""The ``venues`` table of a node's file: addresses, what to trade, and where the API keys are kept.

Secrets are never in the file: it names the places that hold them, which :mod:`livestack.credentials` reads. All that
a guard needs to know of a file is here, so that nothing else of it, and nothing that decides, is loaded in an
emergency. Imports core; reads files; main thread, before anything starts.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from livestack.core.validation import Duration, Faults, convert, join_key
from livestack.credentials import KeyPlace, find_key
from livestack.exceptions import ConfigurationError

_SECOND_NS = 1_000_000_000
_MINUTE_NS = 60 * _SECOND_NS
_HOUR_NS = 60 * _MINUTE_NS
_RANGES = {
    "poll_every_ns": (_SECOND_NS // 4, _MINUTE_NS, "250ms to 1m"),
    "poll_after_ns": (_SECOND_NS, _HOUR_NS, "1s to 1h"),
    "renew_after_ns": (_MINUTE_NS, 24 * _HOUR_NS - _MINUTE_NS, "1m to 1439m (23 hours 59 minutes)"),
    "rest_after_ns": (_SECOND_NS, _HOUR_NS, "1s to 1h"),
    "reconcile_every_ns": (10 * _SECOND_NS, _HOUR_NS, "10s to 1h"),
    "clock_skew_max_ns": (_SECOND_NS // 2, _MINUTE_NS, "500ms to 1m"),
    "instruments_every_ns": (10 * _SECOND_NS, _HOUR_NS, "10s to 1h"),
}

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")  # is part of paths, metric names and lock names
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _given(*places: str | None) -> int:
    return sum(place is not None for place in places)


def check_name(name: str) -> None:
    """``ValueError`` where ``name`` cannot be the name of a node, a venue or an account."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f'"{name}" is not a name: 1 to 32 of letters, digits, - and _, a letter or digit first'
        )


class VenueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One venue: its protocol, addresses, account, what to trade and watch, and where its API key is to be found.

    URLs without a slash at the end. Exactly one of ``secret_env``, ``secret_file`` and ``secret_keyring`` (an entry
    ``SERVICE/NAME``) holds the secret: the shared secret of an ``hmac`` key, or the PKCS#8 PEM private key of an
    ``ed25519`` one. The same with ``guard_`` before it is another key of the same account, for the guard alone; without
    it the guard uses the venue's own. Its kind is ``key_kind`` unless ``guard_key_kind`` says otherwise.
    A key that may withdraw is refused without ``allow_withdrawal_key``.

    ``market_data``: from the stream, or polled over REST every ``poll_every``; so it is, too, once the stream has been
    down for ``poll_after``. ``depth_levels``: a side of a book's snapshot. ``renew_after``: age of a connection at
    which another one takes its place. ``rest_orders``: whether orders go over REST once the WebSocket API has been down
    for ``rest_after``. ``reconcile_every`` and ``instruments_every``: how often the account and the instruments are
    compared with the venue's. ``clock_skew_max``: with a clock further from the venue's trading halts.
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
    secret_keyring: str | None = None
    guard_key_kind: Literal["hmac", "ed25519"] | None = None
    guard_api_key_env: str | None = None
    guard_secret_env: str | None = None
    guard_secret_file: str | None = None
    guard_secret_keyring: str | None = None
    allow_withdrawal_key: bool = False
    market_data: Literal["stream", "poll"] = "stream"
    depth_levels: Literal[100, 500, 1000, 5000] = 5000
    poll_every_ns: Duration = msgspec.field(default=_SECOND_NS, name="poll_every")
    poll_after_ns: Duration = msgspec.field(default=5 * _SECOND_NS, name="poll_after")
    renew_after_ns: Duration = msgspec.field(default=23 * _HOUR_NS, name="renew_after")
    rest_orders: bool = True
    rest_after_ns: Duration = msgspec.field(default=5 * _SECOND_NS, name="rest_after")
    reconcile_every_ns: Duration = msgspec.field(default=60 * _SECOND_NS, name="reconcile_every")
    clock_skew_max_ns: Duration = msgspec.field(default=2 * _SECOND_NS, name="clock_skew_max")
    instruments_every_ns: Duration = msgspec.field(default=60 * _SECOND_NS, name="instruments_every")

    def __post_init__(self) -> None:
        check_name(self.account)
        if not self.symbols or len(set(self.symbols)) < len(self.symbols):
            raise ValueError("symbols must name at least one symbol, and none twice")
        if not self.streams or len(set(self.streams)) < len(self.streams):
            raise ValueError("streams must name at least one stream, and none twice")
        if {"trade", "aggTrade"} <= set(self.streams):
            raise ValueError("streams must not name both trade and aggTrade: they tell the same trades")
        if _given(self.secret_env, self.secret_file, self.secret_keyring) != 1:
            raise ValueError("must have one of secret_env, secret_file and secret_keyring")
        self._check_guard_key()

    def _check_guard_key(self) -> None:
        secrets = _given(self.guard_secret_env, self.guard_secret_file, self.guard_secret_keyring)
        if self.guard_api_key_env is None:
            if secrets or self.guard_key_kind is not None:
                raise ValueError("guard_key_kind and guard_secret_* need guard_api_key_env")
        elif secrets != 1:
            raise ValueError(
                "must have one of guard_secret_env, guard_secret_file and guard_secret_keyring "
                "with guard_api_key_env"
            )

    @property
    def key_place(self) -> KeyPlace:
        """Where the venue's key is kept."""
        return KeyPlace(
            "", self.key_kind, self.api_key_env, self.secret_env, self.secret_file, self.secret_keyring
        )

    @property
    def guard_key_place(self) -> KeyPlace:
        """Where the key is kept with which a guard speaks to the venue: the venue's own where its guard has none.

        For the guard's process and ``livestack guard`` only: nothing that can send an order has a use for it.
        """
        if self.guard_api_key_env is None:
            return self.key_place
        return KeyPlace(
            "guard_",
            self.guard_key_kind or self.key_kind,
            self.guard_api_key_env,
            self.guard_secret_env,
            self.guard_secret_file,
            self.guard_secret_keyring,
        )

    @property
    def secret_variables(self) -> frozenset[str]:
        """The environment variables that hold a part of a key, its own or the guard's."""
        names = (self.api_key_env, self.secret_env, self.guard_api_key_env, self.guard_secret_env)
        return frozenset(name for name in names if name is not None)


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
            _check_ranges(key, venue, faults)
            _check_url(f"{key}.rest_url", venue.rest_url, "http", faults)
            _check_url(f"{key}.stream_url", venue.stream_url, "ws", faults)
            _check_url(f"{key}.ws_api_url", venue.ws_api_url, "ws", faults)
            if not for_guard:
                find_key(key, venue.key_place, environment, faults)
            if for_guard or venue.guard_api_key_env is not None:
                find_key(key, venue.guard_key_place, environment, faults)


def _check_ranges(key: str, venue: VenueSettings, faults: Faults) -> None:
    for field, (least_ns, most_ns, range_) in _RANGES.items():
        if not least_ns <= getattr(venue, field) <= most_ns:
            faults.append((f"{key}.{field.removesuffix('_ns')}", f"must be from {range_}"))


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
