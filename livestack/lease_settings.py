"""The ``[lease]`` table of a session's file: how a node makes sure that it is alone at its accounts.

Pure; imports core only. The URL of the server is not here: it holds a password, so the file names the environment
variable that has it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from livestack.core.validation import Duration

GRACE_NS_MIN: Final = 3_000_000_000
"""A check a second, and one that fails by its time limit: less would take a slow answer for a loss."""

GRACE_NS_MAX: Final = 600_000_000_000
"""Ten minutes without proof of being alone are no grace any more."""


class LeaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the leases of accounts are kept, and how long a session goes on without proof that it still has them.

    ``directory`` is for the locks of this machine, the same for all of its nodes; None: the machine's own one.
    ``postgres_url_env`` names the environment variable with the URL of a PostgreSQL server; None: this machine alone.
    """

    directory: str | None = None
    postgres_url_env: str | None = None
    grace_ns: Duration = msgspec.field(default=10_000_000_000, name="grace")

    def __post_init__(self) -> None:
        if self.directory == "" or self.postgres_url_env == "":
            raise ValueError("directory and postgres_url_env must not be empty; leave them out instead")
        if not GRACE_NS_MIN <= self.grace_ns <= GRACE_NS_MAX:
            raise ValueError("grace must be from 3s to 10m")
