"""What steers a session: its phases, operators, connections, incidents, deadlines.

Pure. What holds for all Events is said in :mod:`livestack.core.events`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from livestack.core.types import ConnectionStatus, TradingState

# -- Control: payloads of OperatorCommand --------------------------------------------------------------------------


class SetTradingState(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """For everything, one venue or one instrument; ACTIVE lifts what was set for anything narrower too."""

    state: TradingState
    venue: str = ""
    instrument: str = ""


class CancelOrder(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    order_id: int


class CancelAll(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """Cancel every open order in scope."""

    venue: str
    instrument: str


class SetStrategyEnabled(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    enabled: bool


class SetConfiguration(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """``patch`` is ``(dotted key, JSON value)`` pairs, applied as a whole or not at all."""

    patch: tuple[tuple[str, str], ...]


class EngageKillSwitch(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=6):
    """A record of who asked; the host, whose gate was closed before, appends ``KillSwitchEngaged`` behind it."""

    venue: str = ""
    instrument: str = ""


class ResetKillSwitch(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=7):
    """Every scope of it. ``accept_unknown``: though the fate of orders is not known."""

    accept_unknown: bool = False


class StopSession(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=8):
    """A record of who asked; the host ends the session."""


class StartSession(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=9):
    """A record of who asked; the host was standing by."""


class TakeCheckpoint(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=10):
    """The digest of State, now."""


class RollBackConfiguration(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=11):
    """The content of an earlier ``version`` as the next one."""

    version: int


Command = (
    SetTradingState
    | CancelOrder
    | CancelAll
    | SetStrategyEnabled
    | SetConfiguration
    | EngageKillSwitch
    | ResetKillSwitch
    | StopSession
    | StartSession
    | TakeCheckpoint
    | RollBackConfiguration
)

# -- Control (INPUT) -----------------------------------------------------------------------------------------------


class SessionStarted(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=60):
    """First Event of a session. ``wall_ns`` is the wall clock for people; nothing is decided on it."""

    session: str
    node: str
    epoch: str
    strategy: str
    strategy_digest: str
    configuration_version: int
    configuration_digest: str
    semantics_version: int
    wall_ns: int


class SessionResumed(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=61):
    """The same session after a crash, under a new ``epoch`` (core-runtime.md section 14)."""

    epoch: str
    wall_ns: int


class SessionStopping(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=62):
    by: str
    reason: str


class SessionStopped(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=63):
    reason: str


class OperatorCommand(msgspec.Struct, frozen=True, array_like=True, kw_only=True, tag=64):
    """``who`` asks once: the same ``request_id`` again gets the same answer and changes nothing; '' is no id.

    ``base_version``: the Configuration that a change was made against; 0: whichever is active. ``origin``: the address
    that it came from, for the record ('' in older journals).
    """

    request_id: str
    command: Command
    who: str
    why: str
    base_version: int
    origin: str = ""


class KillSwitchEngaged(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=65):
    """A scope that is no venue or instrument of the session is everything."""

    trigger: str
    by: str
    reason: str
    venue: str = ""
    instrument: str = ""


class FeedStatusChanged(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=67):
    """A feed's, or one of its books', connection state; anything but LIVE makes the books in scope invalid."""

    recv_ns: int
    venue: str
    instrument: str
    status: ConnectionStatus
    reason: str


class VenueStatusChanged(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=68):
    """The order-entry connection of a venue. LIVE only after reconciliation."""

    recv_ns: int
    venue: str
    status: ConnectionStatus
    reason: str


class VenueClock(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=69):
    """``offset_ns`` = venue's clock minus this Event's ``ts``; ``error_ns`` bounds it."""

    venue: str
    offset_ns: int
    error_ns: int


HALTING: Final = "halting"
"""The grade of an incident that halts trading while it is open: it lifts by itself and overrules no operator."""

VENUE_HALTING: Final = "venue-halting"
"""The same at one venue, which is the incident's scope."""


class IncidentOpened(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=70):
    """A named condition of the host's. ``grade``: ``warning``, ``critical``, ``halting`` or ``venue-halting``."""

    name: str
    scope: str
    grade: str
    detail: str


class IncidentClosed(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=71):
    name: str
    scope: str
    detail: str


class ControlTime(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=72):
    """The host's answer to ``WakeAt(scope, deadline_ns)``. Late, early or twice: still only an Event."""

    scope: str
    deadline_ns: int


class CheckpointRequested(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=73):
    by: str


class KillReceipt(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=74):
    """What was found out after a kill; a record that changes nothing. ``flat``: nothing is open, nothing unknown.

    ``gate_closed_ns`` and ``last_new_ns`` are stamps of the host's monotonic clock (0: no New or Replace was sent),
    ``rounds`` how often the venues were asked, ``open_orders`` and ``unknown_orders`` are counts.
    """

    flat: bool
    gate_closed_ns: int
    last_new_ns: int
    rounds: int
    open_orders: int
    unknown_orders: int
    detail: str


# -- Control (DERIVED) ---------------------------------------------------------------------------------------------


class CommandApplied(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=80):
    request_id: str


class CommandRefused(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=81):
    request_id: str
    reason: str


class TradingStateChanged(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=82):
    """``venue`` and ``instrument`` narrow the scope; ``by`` is a command's sender or a monitor's name."""

    state: TradingState
    by: str
    reason: str
    venue: str = ""
    instrument: str = ""


class ConfigurationChanged(msgspec.Struct, frozen=True, array_like=True, kw_only=True, tag=83):
    version: int
    digest: str
    patch: tuple[tuple[str, str], ...]


class StrategyFailed(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=84):
    """An exception in the Strategy: its type and place. Never its text, which may hold anything."""

    hook: str
    error: str


class StrategyDisabled(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=85):
    by: str
    reason: str


class StrategyEnabled(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=86):
    by: str
    reason: str


class Checkpoint(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=87):
    digest: str


class KillSwitchReset(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=66):
    """Every scope of the kill-switch is over, by an operator's command (journals of semantics 3 and older: INPUT)."""

    by: str
    reason: str
    accept_unknown: bool = False
