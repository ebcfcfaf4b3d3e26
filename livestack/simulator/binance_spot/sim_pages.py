"""The pages by which a test, or anybody at a shell, steers a simulated venue while it runs: ``/sim/faults`` and others.

Pure. Runs on the venue's thread. Nothing of the real venue's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from livestack.exceptions import ConfigurationError
from livestack.simulator.binance_spot.errors import VenueError
from livestack.simulator.binance_spot.rest import Answer
from livestack.simulator.fault_kinds import Rule
from livestack.simulator.faults import read_rules

JSON = {"Content-Type": "application/json"}


class Steered(Protocol):
    """The venue, towards these pages."""

    def inject(self, rules: Sequence[Rule]) -> None: ...

    def clear_faults(self) -> None: ...

    @property
    def active_faults(self) -> list[Rule]: ...

    @property
    def fault_counts(self) -> dict[str, int]: ...

    @property
    def violations(self) -> dict[str, int]: ...

    @property
    def busiest(self) -> dict[str, int]: ...

    def wipe(self) -> None: ...

    def set_status(self, symbol: str, status: str) -> None: ...


class _Status(msgspec.Struct):
    symbol: str
    status: str


def sim_page(venue: Steered, method: str, path: str, body: str) -> Answer | None:
    """The answer of a page that steers; None where it is none of these. Bad input answers 400 with a sentence."""
    try:
        match (method, path):
            case ("GET", "/sim/faults"):
                return _ok(_faults(venue))
            case ("POST", "/sim/faults"):
                venue.inject(read_rules(body))
                return _ok(_faults(venue))
            case ("DELETE", "/sim/faults"):
                venue.clear_faults()
                return _ok(_faults(venue))
            case ("POST", "/sim/wipe"):
                venue.wipe()
                return _ok({})
            case ("POST", "/sim/symbol"):
                wanted = msgspec.json.decode(body, type=_Status)
                venue.set_status(wanted.symbol, wanted.status)
                return _ok({})
            case ("GET", "/sim/violations"):
                return _ok({"violations": venue.violations, "busiest": venue.busiest})
            case _:
                return None
    except (ConfigurationError, msgspec.MsgspecError) as error:
        return 400, JSON, msgspec.json.encode({"msg": str(error)})
    except VenueError as error:
        return 400, JSON, msgspec.json.encode({"msg": error.message})


def _faults(venue: Steered) -> dict[str, Any]:
    return {"active": [described(rule) for rule in venue.active_faults], "counts": venue.fault_counts}


def described(rule: Rule) -> dict[str, Any]:
    """A rule for people: times in nanoseconds, the chance in parts per million, nothing that is not set."""
    plain = msgspec.to_builtins(rule)
    return {key: value for key, value in plain.items() if value}


def _ok(content: Any) -> Answer:
    return 200, JSON, msgspec.json.encode(content)
