"""What can go wrong at a simulated venue: the kinds of faults, what each wants to know, and one rule about one of them.

Pure. Any thread. Times are nanoseconds, chances parts per million, so that the same seed decides the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from livestack.simulator.market import Random

MS: Final = 1_000_000
SECOND: Final = 1000 * MS
CERTAIN: Final = 1_000_000
"""Parts per million."""
DOUBLINGS_MAX: Final = 16  # of a heavy tail: one in 65 536 is that late
CONNECTIONS: Final = ("stream", "ws_api")
REQUESTS: Final = ("rest", "ws_api")
SIDES: Final = ("rest", "ws_api", "stream")


def below(random: Random, bound: int) -> int:
    """A number from 0 to ``bound`` - 1; 0 where there is no other."""
    return random.getrandbits(48) % bound if bound > 1 else 0


@dataclass(slots=True, frozen=True)
class Spread:
    """A distribution of durations: from ``least_ns`` to ``most_ns``, evenly, or with a heavy tail above its median.

    With ``tail`` the median is ``least_ns`` and each doubling of it is half as likely, up to ``most_ns``.
    """

    least_ns: int
    most_ns: int
    tail: bool = False

    def draw(self, random: Random) -> int:
        """One duration."""
        if self.most_ns <= self.least_ns:
            return self.least_ns
        if not self.tail:
            return self.least_ns + below(random, self.most_ns - self.least_ns + 1)
        bits, doublings = random.getrandbits(DOUBLINGS_MAX), 0
        while bits & 1:
            bits, doublings = bits >> 1, doublings + 1
        usual_ns = self.least_ns << doublings
        return min(usual_ns // 2 + below(random, usual_ns), self.most_ns)


Value = int | str | tuple[str, ...] | Spread


@dataclass(slots=True, frozen=True)
class Parameter:
    """One key of a kind. ``form``: duration, offset, number, text, flag, spread, answers; ``choices`` of a text."""

    form: str
    default: Value
    choices: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True)
class Kind:
    """One fault. ``occasion``: request, event, frame, message or moment; ``filters``: the lists that narrow it down."""

    occasion: str
    filters: tuple[str, ...]
    sides: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(slots=True, frozen=True, kw_only=True)
class Rule:
    """A kind, when it comes and to what. Made by ``faults.rule`` or read from a file; ``values`` has every parameter.

    ``occasion``: only the n-th one (0: each). ``after_ns`` and ``for_ns`` count from when the rule was put in,
    ``for_ns`` 0: without end. ``times`` 0: without limit. Empty filters let everything pass.
    """

    kind: str
    chance: int = CERTAIN
    occasion: int = 0
    after_ns: int = 0
    for_ns: int = 0
    times: int = 0
    every_ns: int = 0
    sides: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    values: Mapping[str, Value] = field(default_factory=dict)

    def number(self, name: str) -> int:
        value = self.values[name]
        assert isinstance(value, int), name
        return value

    def text(self, name: str) -> str:
        value = self.values[name]
        assert isinstance(value, str), name
        return value

    def draw(self, name: str, random: Random) -> int:
        """A duration out of a spread."""
        value = self.values[name]
        assert isinstance(value, Spread), name
        return value.draw(random)

    def pick(self, name: str, random: Random) -> str:
        """One of a list of answers."""
        value = self.values[name]
        assert isinstance(value, tuple), name
        return value[below(random, len(value))]


NEVER_EXECUTED: Final = ("cut", "silence", "500", "502", "503", "504", "-1000", "-1001", "-1008", "-1016")
PERHAPS_EXECUTED: Final = (*NEVER_EXECUTED, "-1006", "-1007")
ROWS: Final = ("cancelled_only", "placed_only", "neither", "orders_limited")
_REQUEST = ("sides", "methods", "symbols")
_MESSAGE = ("sides", "methods", "streams", "symbols", "events")


def _duration(nanoseconds: int) -> Parameter:
    return Parameter("duration", nanoseconds)


def _spread(least_ns: int, most_ns: int) -> Parameter:
    return Parameter("spread", Spread(least_ns, most_ns))


def _text(default: str, *choices: str) -> Parameter:
    return Parameter("text", default, choices)


def _number(default: int) -> Parameter:
    return Parameter("number", default)


def _flag(default: bool) -> Parameter:
    return Parameter("flag", int(default))


def _request(sides: tuple[str, ...] = REQUESTS, **parameters: Parameter) -> Kind:
    return Kind("request", _REQUEST, sides, parameters)


def _event(**parameters: Parameter) -> Kind:
    return Kind("event", ("events", "symbols"), (), parameters)


def _frame(**parameters: Parameter) -> Kind:
    return Kind("frame", ("streams", "symbols"), (), parameters)


def _message(sides: tuple[str, ...] = SIDES, **parameters: Parameter) -> Kind:
    return Kind("message", _MESSAGE, sides, parameters)


def _moment(filters: tuple[str, ...] = (), sides: tuple[str, ...] = (), **parameters: Parameter) -> Kind:
    return Kind("moment", filters, sides, parameters)


_LASTS = _duration(10 * SECOND)
_WHICH = _text("all", "all", "one")

KINDS: Final[Mapping[str, Kind]] = {
    "request_lost": _request(answer=Parameter("answers", ("cut",), NEVER_EXECUTED)),
    "response_lost": _request(answer=Parameter("answers", ("cut",), PERHAPS_EXECUTED)),
    "reject": _request(code=_number(0), message=_text("")),
    "rate_limited": _request(wait=_duration(5 * SECOND), ban=_duration(0)),
    "orders_limited": _request(wait=_duration(5 * SECOND)),
    "firewall": _request(),
    "fill_first": _request(part=_text("all", "all", "half")),
    "replace_half": _request(row=_text("cancelled_only", *ROWS)),
    "reports_first": _request(("ws_api",)),
    "stale_snapshot": _request(age=_duration(2 * SECOND)),
    "snapshot_leads": _request(delay=_spread(500 * MS, 500 * MS)),
    "answer_delayed": _request(delay=_spread(200 * MS, 200 * MS)),
    "answer_duplicated": _request(("ws_api",), delay=_spread(0, 0)),
    "latency": _message(way=_text("out", "in", "out", "both"), delay=_spread(20 * MS, 20 * MS)),
    "event_delayed": _event(delay=_spread(200 * MS, 200 * MS)),
    "event_held": _event(delay=_spread(200 * MS, 200 * MS)),
    "event_duplicated": _event(delay=_spread(0, 0)),
    "event_lost": _event(),
    "frame_dropped": _frame(),
    "frame_duplicated": _frame(delay=_spread(0, 0)),
    "frame_delayed": _frame(delay=_spread(200 * MS, 200 * MS)),
    "crossed_book": _frame(gap=_flag(False)),
    "disconnect": _message(at_byte=_number(-1)),
    "half_open": _message(CONNECTIONS, deaf=_flag(True)),
    "unknown_key": _message(),
    "unknown_value": _message(field=_text("")),
    "wrong_type": _message(field=_text("")),
    "lost_field": _message(field=_text("")),
    "cut": _moment(("sides",), CONNECTIONS, which=_WHICH),
    "mute": _moment(("sides",), CONNECTIONS, which=_WHICH, deaf=_flag(True)),
    "refused": _moment(("sides",), SIDES, lasts=_LASTS),
    "server_shutdown": _moment(("sides",), CONNECTIONS, delay=_spread(10 * SECOND, 10 * SECOND)),
    "maintenance": _moment(lasts=_LASTS),
    "clock_skew": _moment(offset=Parameter("offset", 0), drift=_number(0), lasts=_duration(0)),
    "wipe": _moment(),
    "symbol_status": _moment(("symbols",), status=_text("HALT"), lasts=_LASTS),
    "symbol_missing": _moment(("symbols",), lasts=_LASTS),
    "filters_changed": _moment(
        ("symbols",), tick=_number(1), step=_number(1), min_notional=_number(1), lasts=_duration(0)
    ),
    "external_order": _moment(("symbols",)),
    "external_cancel": _moment(("symbols",)),
    "external_trade": _moment(("symbols",)),
    "deposit": _moment(asset=_text("USDT"), amount=_text("1000")),
    "subscription_ended": _moment(),
    "key_revoked": _moment(lasts=_duration(0)),
}
