"""Settings of the control surface and of who watches the node. Pure; read by :mod:`livestack.settings`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from livestack.core.validation import Duration

_SECOND_NS = 1_000_000_000
_TCP = re.compile(r"tcp://[^\s/:]+:\d{1,5}|tcp://\[[0-9A-Fa-f:]+\]:\d{1,5}")

FourEyes = Literal[
    "kill.reset", "config.set", "config.roll_back", "trading.enable", "strategy.enable", "session.stop", "session.start"
]  # fmt: skip


def _check_range(name: str, value_ns: int, least_ns: int, most_ns: int, range_: str) -> None:
    if not least_ns <= value_ns <= most_ns:
        raise ValueError(f"{name} must be from {range_}")


class ControlSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Sockets in the data directory are always there; ``listen``, ``listen_kill`` and ``listen_publish`` add
    ``tcp://HOST:PORT`` (all or none; with CURVE, so they need keys).

    ``publish_every``: how often what operators are shown is renewed. ``rate``: requests a second that one key may
    send, ``kill`` not counted. ``four_eyes``: commands that a second key has to confirm ``confirm_within`` so long;
    without ``listen`` there is no second key, because all who use the sockets in the data directory are one sender.
    ``dead_man``: a running session of which no operator was heard for so long is killed; absent: it may run alone.
    """

    listen: str = ""
    listen_kill: str = ""
    listen_publish: str = ""
    publish_every_ns: Duration = msgspec.field(default=_SECOND_NS // 4, name="publish_every")
    rate: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 50
    four_eyes: tuple[FourEyes, ...] = ()
    confirm_within_ns: Duration = msgspec.field(default=60 * _SECOND_NS, name="confirm_within")
    dead_man_ns: Duration | None = msgspec.field(default=None, name="dead_man")

    def __post_init__(self) -> None:
        _check_range("publish_every", self.publish_every_ns, _SECOND_NS // 20, 10 * _SECOND_NS, "50ms to 10s")
        _check_range("confirm_within", self.confirm_within_ns, _SECOND_NS, 3_600 * _SECOND_NS, "1s to 1h")
        if self.dead_man_ns is not None:
            _check_range("dead_man", self.dead_man_ns, 5 * _SECOND_NS, 24 * 3_600 * _SECOND_NS, "5s to 24h")
        addresses = (self.listen, self.listen_kill, self.listen_publish)
        for address in filter(None, addresses):
            if not _TCP.fullmatch(address):
                raise ValueError(f'listen addresses must be tcp://HOST:PORT, not "{address}"')
        if any(addresses) and not all(addresses):
            raise ValueError("listen, listen_kill and listen_publish go together")
        if self.four_eyes and not self.listen:
            raise ValueError("four_eyes needs listen: without it nobody has a second key to confirm with")


class WatchdogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``strategy_stall``: a step that takes longer closes the gate until it returns."""

    stall_ns: Duration = msgspec.field(default=_SECOND_NS, name="strategy_stall")

    def __post_init__(self) -> None:
        _check_range("strategy_stall", self.stall_ns, 50_000_000, 60 * _SECOND_NS, "50ms to 60s")


class GuardSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The guard: a process that ends a node which makes no progress for ``limit``, and cancels its orders.

    Always there with ``--live``.
    """

    enabled: bool = False
    limit_ns: Duration = msgspec.field(default=5 * _SECOND_NS, name="limit")

    def __post_init__(self) -> None:
        _check_range("limit", self.limit_ns, _SECOND_NS // 5, 300 * _SECOND_NS, "200ms to 5m")
