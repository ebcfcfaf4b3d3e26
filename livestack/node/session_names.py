"""What a new session is called. Pure; main thread."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

_SESSION_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}")


def newest_of(names: Iterable[str]) -> str:
    """The newest session name among them; empty: there is none."""
    return max(filter(_SESSION_ID.fullmatch, names), default="")


def new_session_id(wall_ns: int, newest: str) -> str:
    """Start time in UTC, its fraction in four hexadecimal digits; behind ``newest`` whatever the clock says."""
    seconds, fraction_ns = divmod(wall_ns, 1_000_000_000)
    session = _session_id(seconds, (fraction_ns << 16) // 1_000_000_000)
    if session > newest:
        return session
    stamp, _, fraction = newest.partition("-")
    seconds = int(datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp())
    return _session_id(*divmod((seconds << 16) + int(fraction, 16) + 1, 1 << 16))


def _session_id(seconds: int, fraction: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dT%H%M%SZ}-{fraction:04x}"
