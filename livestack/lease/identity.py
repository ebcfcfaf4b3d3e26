"""Whose lease it is: an account by its fingerprint, and the node that holds it in words.

The fingerprint stands for the account wherever others can read it. It is a digest of what tells accounts apart, so that
nobody learns the API key from a lock's name, and equal for everyone who would trade the same account. Pure but for the
process's own identity; any thread.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import socket
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, Self
from urllib.parse import urlsplit

import msgspec

from livestack.exceptions import UsageError
from livestack.venue_settings import VenueSettings

APPLICATION_NAME_MAX = 63
"""PostgreSQL cuts longer names off."""

_DEFAULT_PORT = {"http": 80, "https": 443}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_TEXT_MAX = 200  # of one field of a lock's content, which anybody may have written


class Account(msgspec.Struct, frozen=True):
    """One account at one venue of a session; ``fingerprint`` is the same in every session that would trade it."""

    venue: str
    name: str
    fingerprint: bytes

    def __str__(self) -> str:
        return f"account {self.name} at venue {self.venue}"

    @property
    def file_name(self) -> str:
        """Of its lock on this machine."""
        return f"livestack-{self.fingerprint.hex()}.lock"

    @property
    def advisory_key(self) -> int:
        """Of its lock in PostgreSQL, whose keys are signed and of 64 bits."""
        return int.from_bytes(self.fingerprint[:8], "big", signed=True)


def account_of(venue: str, settings: VenueSettings, api_key: str) -> Account:
    """The account that ``api_key`` opens at ``venue``. How its address is spelt makes no other account of it."""
    url = urlsplit(settings.rest_url)
    host = (url.hostname or "").rstrip(".")
    if host in _LOOPBACK:
        host = "localhost"
    port = url.port or _DEFAULT_PORT[url.scheme]
    identity = msgspec.json.encode([settings.adapter, host, port, api_key])
    digest = hashlib.blake2b(identity, digest_size=16, person=b"livestack lease")
    return Account(venue, settings.account, digest.digest())


def in_order(accounts: Iterable[Account]) -> tuple[Account, ...]:
    """``accounts`` in the order in which everybody takes them, so that one of two nodes gets all.

    ``UsageError`` where two venues of the session are one account.
    """
    ordered = tuple(sorted(accounts, key=lambda account: account.fingerprint))
    for one, other in itertools.pairwise(ordered):
        if one.fingerprint == other.fingerprint:
            first, second = sorted((one.venue, other.venue))
            raise UsageError(
                f"venues.{first} and venues.{second} are one account, with one address and API key: name it once"
            )
    return ordered


class WallClock(Protocol):
    def wall_ns(self) -> int: ...


class Holder(msgspec.Struct, frozen=True):
    """The node that holds a lease, for whoever wants it too. ``since`` is UTC in ISO format."""

    node: str
    process: int
    host: str
    data_dir: str
    since: str

    @classmethod
    def here(cls, node: str, data_dir: Path, clock: WallClock) -> Self:
        """This process, from now on."""
        since = datetime.fromtimestamp(clock.wall_ns() // 1_000_000_000, UTC)
        return cls(
            node, os.getpid(), socket.gethostname(), str(data_dir.absolute()), f"{since:%Y-%m-%dT%H:%M:%SZ}"
        )

    def __str__(self) -> str:
        node, host, data_dir, since = map(printable, (self.node, self.host, self.data_dir, self.since))
        return f"node {node} (process {self.process} on {host}, data in {data_dir}, since {since})"

    @property
    def application_name(self) -> str:
        """The same for PostgreSQL's list of sessions, as far as there is room."""
        return f"livestack {self.node} (process {self.process} on {self.host})"[:APPLICATION_NAME_MAX]


def printable(text: str) -> str:
    """``text`` of unknown origin, fit for one line of a terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:_TEXT_MAX])
