"""``[telemetry]`` and ``[log]`` of a session's file. Pure; imports core only."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from string import Formatter
from typing import Annotated, Final, Literal

import msgspec

from livestack.core.validation import Duration

_SECOND_NS: Final = 1_000_000_000

_ADDRESS: Final = re.compile(r"(?P<host>[^:\[\]]+|\[[^\[\]]+\]):(?P<port>[0-9]{1,5})")
_HOST: Final = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?"
)
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")

PREFIX_MAX: Final = 120
"""Bytes of a prefix once its names are filled in: storages limit a path, and its last part is ours."""

_NAMES: Final = frozenset({"node", "session"})
_NODE_MAX: Final = 32
_SESSION_MAX: Final = 21
"""Characters of the longest names."""


class TelemetrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """``enabled``: measure at all; without, ``livestack metrics`` and ``top`` have less to show.

    ``statsd``: ``HOST:PORT`` that metrics are sent to over UDP, empty: none. ``naming``: ``plain`` puts labels into the
    name, ``tagged`` behind it as DogStatsD does. ``prefix``: in front of every plain name, ``{node}`` and ``{session}``
    filled in; tagged series have those as tags, and the prefix up to the first of them. ``interval``: between two
    readings. ``datagram``: bytes of the largest one.
    """

    enabled: bool = True
    statsd: str = ""
    naming: Literal["plain", "tagged"] = "plain"
    prefix: str = "livestack.{node}.{session}"
    interval_ns: Duration = msgspec.field(default=_SECOND_NS, name="interval")
    datagram: Annotated[int, msgspec.Meta(ge=256, le=65_507)] = 1_432

    def __post_init__(self) -> None:
        if self.statsd:
            place = _ADDRESS.fullmatch(self.statsd)
            if place is None or not 1 <= int(place["port"]) <= 65_535:
                raise ValueError(f'statsd must be HOST:PORT with a port from 1 to 65535, not "{self.statsd}"')
            if not _is_host(place["host"]):
                raise ValueError(
                    "the host of statsd must be a name of ASCII letters, an IPv4 address or an [IPv6 address], "
                    f'not "{place["host"]}"'
                )
        if not _SECOND_NS // 10 <= self.interval_ns <= 60 * _SECOND_NS:
            raise ValueError("interval must be from 100ms to 60s")
        self._check_prefix()

    def _check_prefix(self) -> None:
        try:
            fields = [part for part in Formatter().parse(self.prefix) if part[1] is not None]
        except ValueError:
            fields = [("", "", None, None)]
        is_known = all(name in _NAMES and not form and not turned for _, name, form, turned in fields)
        filled = self.filled_prefix("n" * _NODE_MAX, "s" * _SESSION_MAX) if is_known else ""
        if not _PREFIX.fullmatch(filled) or len(filled) > PREFIX_MAX:
            raise ValueError(
                "prefix must be parts of A-Z, a-z, 0-9, _ and - with dots between, {node} and {session} among them "
                f"if wanted, and {PREFIX_MAX} bytes at most with the longest names"
            )

    def filled_prefix(self, node: str, session: str) -> str:
        """The prefix of one session's plain names."""
        return self.prefix.format(node=node, session=session)

    @property
    def place(self) -> tuple[str, int] | None:
        """Host and port that metrics are sent to; None: nowhere."""
        found = _ADDRESS.fullmatch(self.statsd)
        return (found["host"].strip("[]"), int(found["port"])) if found else None


def _is_host(host: str) -> bool:
    """Whether it could be found; whether it is, a node does not depend on."""
    try:
        if host.startswith("["):
            IPv6Address(host.strip("[]"))
        elif host.rstrip(".").rpartition(".")[2].isdecimal():
            IPv4Address(host)
        else:
            return _HOST.fullmatch(host) is not None
    except ValueError:
        return False
    return True


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is logged, and for whom: ``console`` for people, ``json`` for machines; to stderr.

    ``file``: written there instead, in JSON whatever ``format`` says, relative to the data directory; at ``file_bytes``
    it is renamed and begun anew, and ``files`` old ones stay. ``repeat_max``: lines of one kind in ten seconds, beyond
    which they are counted and not written.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"
    file: str = ""
    file_bytes: Annotated[int, msgspec.Meta(ge=65_536, le=1 << 34)] = 64 << 20
    files: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5
    repeat_max: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 20

    def __post_init__(self) -> None:
        name = Path(self.file).name
        if self.file and (not self.file.isprintable() or not name or self.file.endswith("/") or name == ".."):
            raise ValueError(
                f"file must be a path of printable characters that ends with a name, not {self.file!r}"
            )
