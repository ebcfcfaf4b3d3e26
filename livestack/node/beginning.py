"""How a run begins: with a new session, or with the one that the last run left unfinished.

Main thread, before any actor starts. A session goes on only under the Configuration and the strategy source that it was
started with; under others it stays as it is, and a new one takes what it finds at the venue for an earlier session's.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Literal

import msgspec
import structlog

import livestack
from livestack.core.configuration import Configuration
from livestack.core.events import (
    IncidentOpened,
    InputEvent,
    OperatorCommand,
    SessionResumed,
    SessionStarted,
    SetTradingState,
)
from livestack.core.incidents import GUARD_ACTED, SESSION_NOT_RESUMED, named
from livestack.core.runtime import SEMANTICS_VERSION, CoreRuntime
from livestack.core.state import ControlState
from livestack.core.strategy import Strategy
from livestack.core.types import SessionPhase, TradingState, make_epoch
from livestack.exceptions import (
    JournalDamagedError,
    JournalError,
    OtherSessionError,
    RecoveryError,
    UsageError,
)
from livestack.journal.clean import is_clean, is_stopped
from livestack.journal.directory import DataDirectory
from livestack.journal.format import FORMAT_VERSION, SegmentHeader, source_digest
from livestack.journal.quarantine import abandon, is_abandoned, set_aside
from livestack.journal.reader import JournalReader
from livestack.journal.segment import segments_of
from livestack.journal.sessions import session_names
from livestack.node.recovery import Recovered, recover
from livestack.settings import Settings
from livestack.strategies.loading import load_strategy, strategy_source

Recovery = Literal["resume", "halt"]
"""What to do with an unfinished session: go on as configured, or go on HALTED."""


STANDING = "it was open when the session was interrupted: livestack timeline has its first telling"


class Abandoned(msgspec.Struct, frozen=True):
    """An unfinished session that does not go on, and why. ``grave``: nobody knows what it did at its end."""

    session: str
    cause: str
    grave: bool


class Beginning(msgspec.Struct, frozen=True):
    """``events`` come first in this run's stream, ``header`` is that of its first segment."""

    header: SegmentHeader
    events: tuple[InputEvent, ...]
    runtime: CoreRuntime
    recovered: Recovered | None = None


def unfinished(
    directory: DataDirectory,
    configuration: Configuration,
    accounts: tuple[str, ...] = (),
    progress: Callable[[int, int], None] = lambda seq, last_seq: None,
) -> Recovered | Abandoned | None:
    """The newest session brought back, if it did not stop in order; why not, if it cannot be; None if it is over.

    It goes on with the ``accounts`` that it began with: what another one knows nothing of may be open at the first.

    A damaged segment goes into quarantine. ``UsageError`` for a session of other accounts, ``JournalFormatError`` for a
    journal that is not ours, or newer: then nothing is touched.
    """
    sessions = directory.sessions
    # A node that died before its first segment was there left a name and nothing else.
    begun = [
        name
        for name in session_names(sessions)
        if segments_of(sessions, name) or is_abandoned(sessions, name)
    ]
    if not begun or is_abandoned(sessions, begun[-1]):
        return None
    session = begun[-1]
    log = structlog.get_logger("recovery").bind(session=session)
    source = source_digest(strategy_source(configuration.strategy.path))
    try:
        if _is_over(sessions, session):
            return None
        recovered = recover(sessions, session, configuration, source, _strategy, accounts, progress)
    except JournalDamagedError as error:
        abandon(sessions, session, str(error))
        place = set_aside(Path(error.path), str(error))
        log.error("journal_damaged", cause=str(error), quarantine=str(place))
        return Abandoned(session, f"{error}; it is in {place}", grave=True)
    except OtherSessionError as error:
        log.warning("session_not_resumed", cause=str(error))
        return Abandoned(session, str(error), grave=False)
    except RecoveryError as error:
        abandon(sessions, session, str(error))
        log.error("session_not_resumed", cause=str(error))
        return Abandoned(session, str(error), grave=True)
    if recovered is None or recovered.runtime.state.control.phase is SessionPhase.STOPPED:
        return None
    log.info(
        "session_recovered",
        last_seq=recovered.last_seq,
        snapshot_seq=recovered.snapshot_seq,
        events=recovered.events,
        ms=recovered.elapsed_ns // 1_000_000,
    )
    return recovered


def _is_over(sessions: Path, session: str) -> bool:
    """Whether nothing needs to be recovered: it stopped in order and is as it was then, or it never got anywhere."""
    segments = segments_of(sessions, session)
    if not segments:
        return True
    if not is_clean(segments[-1]):
        return False
    try:
        with JournalReader([segments[-1]], live=True) as reader:
            return is_stopped(reader.newest())
    except JournalError:
        return False  # it has changed all the same: then it is looked at closely


def refuse_to_lose(recovered: Recovered, instruments: Collection[str]) -> None:
    """``UsageError`` where the session has an open order or a position in none of this run's ``instruments``."""
    execution = recovered.runtime.state.execution
    wanted = {order.instrument for order in execution.orders.values()}
    wanted |= {name for name, position in execution.positions.items() if position.qty}
    if missing := sorted(wanted - set(instruments)):
        raise UsageError(
            f"session {recovered.header.session} has open orders or a position in {', '.join(missing)}: "
            "keep it in the settings' venues and symbols until it is stopped in order"
        )


def begin_again(
    recovered: Recovered,
    recovery: Recovery,
    wall_ns: int,
    source: random.Random,
    accepted: bool = False,
    settings: Settings | None = None,
) -> Beginning:
    """Go on behind the last durable Event, under a fresh epoch, in a segment of its own.

    ``accepted``: an operator has seen what the session was HALTED for. ``settings`` of this run, as far as a header
    tells them; None: as before.
    """
    first = SessionResumed(epoch=_epoch(wall_ns, source), wall_ns=wall_ns)
    header = msgspec.structs.replace(
        recovered.header,
        format_version=FORMAT_VERSION,
        first_seq=recovered.last_seq + 1,
        previous_chain=recovered.chain,
        package_version=livestack.__version__,
    )
    if settings is not None:
        names, durability = _account_names(settings), settings.journal.durability
        header = msgspec.structs.replace(header, account_names=names, durability=durability)
    events: tuple[InputEvent, ...] = (first,)
    incidents = recovered.runtime.state.control.incidents
    waits = any(name.startswith(SESSION_NOT_RESUMED.name) for name in incidents)
    if accepted and waits:
        events = (*events, _trading(first, TradingState.ACTIVE, "operator", "started with --accept"))
    events = (*events, *_standing(recovered.runtime.state.control, accepted))
    if recovery == "halt":
        events = (*events, _trading(first, TradingState.HALTED, "recovery", "started with --recover halt"))
    return Beginning(header, events, recovered.runtime, recovered)


def _standing(control: ControlState, accepted: bool) -> list[IncidentOpened]:
    """Incidents that only an operator ends: the resumed session would forget them, and nothing would tell them anew."""
    wanted = {SESSION_NOT_RESUMED: not accepted, GUARD_ACTED: bool(control.kill)}
    return [
        incident.opened(scope, STANDING)
        for incident, scope in map(named, control.incidents)
        if incident is not None and wanted.get(incident)
    ]


def begin_anew(
    settings: Settings,
    configuration: Configuration,
    session: str,
    wall_ns: int,
    source: random.Random,
    abandoned: Abandoned | None = None,
    recovery: Recovery = "resume",
    accounts: tuple[str, ...] = (),
) -> Beginning:
    """A new session: its first Event and its journal's header say the same.

    Behind an ``abandoned`` one of which nobody knows the end it begins HALTED, for an operator to look and accept.
    """
    header = SegmentHeader.of_session(
        session=session,
        node=settings.node.name,
        strategy_path=configuration.strategy.path,
        strategy_source=strategy_source(configuration.strategy.path),
        configuration=configuration,
        semantics_version=SEMANTICS_VERSION,
        package_version=livestack.__version__,
        accounts=accounts,
        account_names=_account_names(settings),
        durability=settings.journal.durability,
    )
    first = SessionStarted(
        session=session,
        node=settings.node.name,
        epoch=_epoch(wall_ns, source),
        strategy=configuration.strategy.path,
        strategy_digest=header.strategy_digest,
        configuration_version=header.configuration_version,
        configuration_digest=header.configuration_digest,
        semantics_version=SEMANTICS_VERSION,
        wall_ns=wall_ns,
    )
    events: tuple[InputEvent, ...] = (first,)
    if abandoned is not None and (abandoned.grave or recovery == "halt"):
        why = f"session {abandoned.session} was not resumed"
        incident = SESSION_NOT_RESUMED.opened(abandoned.session, abandoned.cause)
        events = (first, _trading(first, TradingState.HALTED, "recovery", why), incident)
    return Beginning(header, events, CoreRuntime(configuration, _strategy(configuration)))


def _account_names(settings: Settings) -> dict[str, str]:
    return {venue: one.account for venue, one in settings.venues.items()}


def _trading(
    first: SessionStarted | SessionResumed, state: TradingState, who: str, why: str
) -> OperatorCommand:
    """A command of this start: the Core would answer one of an earlier start, and do nothing."""
    return OperatorCommand(
        request_id=f"start-{first.epoch}-{state.name.lower()}",
        command=SetTradingState(state),
        who=who,
        why=why,
        base_version=0,
    )


def _strategy(configuration: Configuration) -> Strategy:
    return load_strategy(configuration.strategy.path, configuration.strategy.parameters)


def _epoch(wall_ns: int, source: random.Random) -> str:
    return make_epoch(wall_ns // 1_000_000_000, source.randrange(1 << 62))
