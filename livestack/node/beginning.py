"""How a run begins: with a new session, or with the one that the last run left unfinished.

Main thread, before any actor starts. A session goes on only under the Configuration and the strategy source that it was
started with; under others it stays as it is, and a new one takes what it finds at the venue for an earlier session's.
"""

from __future__ import annotations

import random
from typing import Literal

import msgspec
import structlog

import livestack
from livestack.core.configuration import Configuration
from livestack.core.events import (
    InputEvent,
    OperatorCommand,
    SessionResumed,
    SessionStarted,
    SetTradingState,
)
from livestack.core.runtime import SEMANTICS_VERSION, CoreRuntime
from livestack.core.strategy import Strategy
from livestack.core.types import TradingState, make_epoch
from livestack.journal.directory import DataDirectory
from livestack.journal.format import SegmentHeader, source_digest
from livestack.journal.sessions import list_sessions
from livestack.node.recovery import Recovered, recover
from livestack.settings import Settings
from livestack.strategies.loading import load_strategy, strategy_source

Recovery = Literal["resume", "halt"]
"""What to do with an unfinished session: go on as configured, or go on HALTED."""


class Beginning(msgspec.Struct, frozen=True):
    """``events`` come first in this run's stream, ``header`` is that of its first segment."""

    header: SegmentHeader
    events: tuple[InputEvent, ...]
    runtime: CoreRuntime
    recovered: Recovered | None = None


def unfinished(directory: DataDirectory, configuration: Configuration) -> Recovered | None:
    """The newest session brought back, if it did not stop in order and may go on.

    What :func:`~livestack.node.recovery.recover` raises where its journal cannot be believed.
    """
    sessions = list_sessions(directory)
    if not sessions or sessions[-1].state == "stopped" or sessions[-1].last_seq == 0:
        return None
    log, session = structlog.get_logger("recovery"), sessions[-1].session
    source = source_digest(strategy_source(configuration.strategy.path))
    recovered = recover(directory.sessions, session, configuration, source, _strategy)
    if recovered is None:
        log.warning("session_not_resumed", session=session, cause="another configuration or strategy")
        return None
    log.info(
        "session_recovered",
        session=session,
        last_seq=recovered.last_seq,
        events=recovered.events,
        ms=recovered.elapsed_ns // 1_000_000,
    )
    return recovered


def begin_again(recovered: Recovered, recovery: Recovery, wall_ns: int, source: random.Random) -> Beginning:
    """Go on behind the last durable Event, under a fresh epoch, in a segment of its own."""
    first = SessionResumed(epoch=_epoch(wall_ns, source), wall_ns=wall_ns)
    halt = OperatorCommand(
        request_id="recover-halt",
        command=SetTradingState(TradingState.HALTED),
        who="recovery",
        why="started with --recover halt",
        base_version=0,
    )
    header = msgspec.structs.replace(
        recovered.header,
        first_seq=recovered.last_seq + 1,
        previous_chain=recovered.chain,
        package_version=livestack.__version__,
    )
    return Beginning(header, (first, halt) if recovery == "halt" else (first,), recovered.runtime, recovered)


def begin_anew(
    settings: Settings, configuration: Configuration, session: str, wall_ns: int, source: random.Random
) -> Beginning:
    """A new session: its first Event and its journal's header say the same."""
    header = SegmentHeader.of_session(
        session=session,
        node=settings.node.name,
        strategy_path=configuration.strategy.path,
        strategy_source=strategy_source(configuration.strategy.path),
        configuration=configuration,
        semantics_version=SEMANTICS_VERSION,
        package_version=livestack.__version__,
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
    return Beginning(header, (first,), CoreRuntime(configuration, _strategy(configuration)))


def _strategy(configuration: Configuration) -> Strategy:
    return load_strategy(configuration.strategy.path, configuration.strategy.parameters)


def _epoch(wall_ns: int, source: random.Random) -> str:
    return make_epoch(wall_ns // 1_000_000_000, source.randrange(1 << 62))
