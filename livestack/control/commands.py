"""The table of commands: what each is called, who may give it, what it needs. Pure.

One row for every field of ``Request.command``; a test holds that. Names are those of the audit and of ``four_eyes``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import msgspec

from livestack.wire import control_pb2

PROTOCOL = 1
REASON_CHARACTERS_MAX = 500
NAME_CHARACTERS_MAX = 200
SETTINGS_MAX = 100
KEY_CHARACTERS_MAX = 300
VALUE_CHARACTERS_MAX = 2_000
FILLS_MAX = 10_000
NUMBER_MAX = 2**63 - 1
"""Numbers of orders and versions are stored as signed 64 bits."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What could move a reader's cursor, break a line of the audit, or turn it around."""

REQUEST_ID_RULE = "1 to 64 of the characters A-Z a-z 0-9 - _"


class Role(IntEnum):
    """What a key may do; each may also do what those below may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


class Sender(msgspec.Struct, frozen=True):
    """Who sent a request. ``confirmed_by``: the second key, where a command needs one, and where that one is."""

    name: str
    role: Role
    address: str
    confirmed_by: str = ""
    confirmed_at: str = ""

    @property
    def by(self) -> str:
        """For the record: ``anna``, or ``anna, confirmed by ben``."""
        return f"{self.name}, confirmed by {self.confirmed_by}" if self.confirmed_by else self.name

    @property
    def origin(self) -> str:
        """For the record: ``10.0.0.7``, or ``10.0.0.7, confirmed from ipc``."""
        return f"{self.address}, confirmed from {self.confirmed_at}" if self.confirmed_by else self.address


Check = Callable[[Any], str]
"""Says what is wrong with a command's fields, or nothing."""


class Command(msgspec.Struct, frozen=True):
    """``role``: the lowest that may give it. ``changes``: it changes something, so it needs a reason and is recorded.
    ``expires``: an old one is refused."""

    name: str
    role: Role
    changes: bool
    check: Check
    expires: bool = True


def is_request_id(text: str) -> bool:
    return _REQUEST_ID.fullmatch(text) is not None


def command_of(request: control_pb2.Request) -> Command | None:
    """The row of ``request``; None: it has no command."""
    field = request.WhichOneof("command")
    return None if field is None else COMMANDS[field]


def fault(request: control_pb2.Request, command: Command) -> str:
    """What is wrong with the fields of ``request``, as a sentence; empty: nothing."""
    if request.expected_version > NUMBER_MAX:
        return f"expected_version has to be at most {NUMBER_MAX}"
    if _CONTROL.search(request.reason):
        return "the reason has to be one line without control characters"
    return command.check(getattr(request, request.WhichOneof("command") or ""))


def four_eyes_name(request: control_pb2.Request, command: Command) -> str:
    """What ``four_eyes`` calls it: trading and strategy have a name of their own when they are enabled.

    What the state of trading is now is not known here, and REDUCING lets orders leave where it was HALTED: so all but
    HALTED is taken for more.
    """
    if command.name == "trading" and request.trading.state != control_pb2.HALTED:
        return "trading.enable"
    if command.name == "strategy" and request.strategy.enabled:
        return "strategy.enable"
    return command.name


def _nothing(_command: object) -> str:
    return ""


def _fills(command: control_pb2.GetFills) -> str:
    return "" if command.last <= FILLS_MAX else f"last has to be at most {FILLS_MAX}"


def _version(command: control_pb2.GetConfiguration) -> str:
    return "" if command.version <= NUMBER_MAX else f"version has to be at most {NUMBER_MAX}"


def _earlier_version(command: control_pb2.RollBackConfiguration) -> str:
    return "" if 1 <= command.version <= NUMBER_MAX else f"version has to be from 1 to {NUMBER_MAX}"


def _trading(command: control_pb2.SetTradingState) -> str:
    states = (control_pb2.ACTIVE, control_pb2.REDUCING, control_pb2.HALTED)
    return "" if command.state in states else "state has to be ACTIVE, REDUCING or HALTED"


def _scope(command: control_pb2.Kill | control_pb2.CancelAll) -> str:
    for name, text in (("venue", command.venue), ("instrument", command.instrument)):
        if len(text) > NAME_CHARACTERS_MAX or not text.isprintable():
            return f"{name} has to be a name of at most {NAME_CHARACTERS_MAX} printable characters, or empty"
    return ""


def _order(command: control_pb2.CancelOrder) -> str:
    return "" if 1 <= command.order_id <= NUMBER_MAX else f"order_id has to be from 1 to {NUMBER_MAX}"


def _settings(command: control_pb2.SetConfiguration) -> str:
    if not 1 <= len(command.settings) <= SETTINGS_MAX:
        return f"there have to be 1 to {SETTINGS_MAX} settings, not {len(command.settings)}"
    keys = set()
    for number, setting in enumerate(command.settings, 1):
        if not 1 <= len(setting.key) <= KEY_CHARACTERS_MAX or not setting.key.isprintable():
            return f"the key of setting {number} has to have 1 to {KEY_CHARACTERS_MAX} printable characters"
        if not 1 <= len(setting.json_value) <= VALUE_CHARACTERS_MAX:
            return f"the JSON value of {setting.key} has to have 1 to {VALUE_CHARACTERS_MAX} characters"
        if setting.key in keys:
            return f"{setting.key} is set twice"
        keys.add(setting.key)
    return ""


def _confirm(command: control_pb2.Confirm) -> str:
    return (
        "" if is_request_id(command.request_id) else f"the confirmed request_id has to be {REQUEST_ID_RULE}"
    )


def _query(name: str, check: Check = _nothing) -> Command:
    return Command(name, Role.VIEWER, changes=False, check=check)


def _operator(name: str, check: Check = _nothing, *, expires: bool = True) -> Command:
    return Command(name, Role.OPERATOR, changes=True, check=check, expires=expires)


def _admin(name: str, check: Check = _nothing) -> Command:
    return Command(name, Role.ADMIN, changes=True, check=check)


COMMANDS: dict[str, Command] = {
    "ping": _query("ping"),
    "status": _query("status"),
    "orders": _query("orders"),
    "positions": _query("positions"),
    "fills": _query("fills", _fills),
    "feeds": _query("feeds"),
    "venues": _query("venues"),
    "risk": _query("risk"),
    "configuration": _query("config.get", _version),
    "metrics": _query("metrics"),
    "kill_receipt": _query("kill.receipt"),
    "session_start": _admin("session.start"),
    "session_stop": _admin("session.stop"),
    "trading": _operator("trading", _trading),
    "kill": _operator("kill", _scope, expires=False),
    "kill_reset": _admin("kill.reset"),
    "cancel": _operator("cancel", _order),
    "cancel_all": _operator("cancel.all", _scope),
    "strategy": _operator("strategy"),
    "configuration_set": _admin("config.set", _settings),
    "configuration_roll_back": _admin("config.roll_back", _earlier_version),
    "checkpoint": _operator("checkpoint"),
    # Who may confirm is who may give the confirmed command: looked up when it is known which one that is.
    "confirm": _operator("confirm", _confirm),
}
"""Field of ``Request.command`` -> its row."""
