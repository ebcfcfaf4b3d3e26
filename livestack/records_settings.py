"""The ``[records]`` table of a session's file: where execution records go, and how far they may be behind.

Pure; imports core only. A URL with a password is not here: the file names the environment variable that has it.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from livestack.core.validation import Duration

_SECOND_NS: Final = 1_000_000_000

LAG_MAX_NS_MIN: Final = 10 * _SECOND_NS
"""Delta Lake has some tables wait for some seconds, so that their files do not become too many."""

DEFAULT_SINK: Final = "local"
"""Where no sink is named there is this one: Delta Lake tables in ``DATA_DIR/records``."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


class SinkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One place of storage: ``url``, or ``url_env``, the environment variable that holds it; neither: the default one.

    ``secret_file``: a file that only its owner can read, in TOML: ``password`` for PostgreSQL, ``access_key_id``,
    ``secret_access_key`` and ``session_token`` for S3. It is read anew with each connection.
    """

    url: str | None = None
    url_env: str | None = None
    secret_file: str | None = None

    def __post_init__(self) -> None:
        if "" in (self.url, self.url_env, self.secret_file):
            raise ValueError("url, url_env and secret_file must not be empty; leave them out instead")
        if self.url is not None and self.url_env is not None:
            raise ValueError("url and url_env exclude each other: the URL stands here, or in the environment")


def _default_sinks() -> dict[str, SinkSettings]:
    return {DEFAULT_SINK: SinkSettings()}


class RecordsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``enabled``: whether records are shipped; without, no segment waits for them either.

    ``lag_max``: a sink that is further behind than this opens an incident. ``stop_timeout``: how long a stopping node
    waits for its sinks. ``start_without``: begin a new session even if a sink cannot be reached.
    """

    enabled: bool = True
    sinks: dict[str, SinkSettings] = msgspec.field(default_factory=_default_sinks)
    lag_max_ns: Duration = msgspec.field(default=30 * _SECOND_NS, name="lag_max")
    stop_timeout_ns: Duration = msgspec.field(default=10 * _SECOND_NS, name="stop_timeout")
    start_without: bool = False

    def __post_init__(self) -> None:
        for name in self.sinks:
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"sinks.{name}: a name has up to 32 of a-z, 0-9, _ and -, and begins with no sign"
                )
        if not LAG_MAX_NS_MIN <= self.lag_max_ns <= 24 * 3_600 * _SECOND_NS:
            raise ValueError("lag_max must be from 10s to 24h")
        if not 0 <= self.stop_timeout_ns <= 600 * _SECOND_NS:
            raise ValueError("stop_timeout must be from 0s to 10m")

    @property
    def in_use(self) -> dict[str, SinkSettings]:
        """The sinks that have to have everything; where none is named, the default one."""
        return (self.sinks or _default_sinks()) if self.enabled else {}
