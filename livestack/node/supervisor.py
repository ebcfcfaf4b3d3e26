"""The supervisor: a state machine over the life of a session, fed by messages, without a thread of its own.

    STARTING -> RUNNING -> STOPPING -> ENDING -> DONE
                   |          '-- second stop: gate closed, journal synced, exit 130
                   '-- fail-safe: kill-switch pulled, venues asked to cancel everything, exit 4

The process's main thread runs :meth:`run`; the simulation calls :meth:`handle` itself. What each state waits for is
bounded by a deadline that comes as a message too. Failure policy (live-stack.md section 8), by what an actor is called:

    feed, connector     another one a moment later; from the fourth failure in a minute on trading is HALTED and it is
                        tried every half a minute, until one lasts a minute
    control             another one a moment later; at the fourth failure in a minute the fail-safe
    telemetry           another one a moment later, from the fourth failure in a minute on every half a minute: nothing
                        else comes of it
    harness, recorder   the fail-safe: without them nothing may be sent
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

import msgspec
import structlog

from livestack.actors.gate import DispatchGate, Hold
from livestack.actors.kill_switch import KillSwitch
from livestack.actors.mailbox import HarnessMailbox, Mailbox
from livestack.actors.messages import (
    ActorFailed,
    ConnectorWanted,
    DeadlinePassed,
    Quiescent,
    SessionEnded,
    StopRequested,
    SupervisorMessage,
    Unreachable,
)
from livestack.core.events import Recorded, SessionStopped, SessionStopping
from livestack.core.incidents import ACTOR_FAILING
from livestack.exceptions import LivestackError
from livestack.transports.clock import Clock, Timers

EXIT_CLEAN = 0
EXIT_UNREACHABLE = 3
EXIT_FAIL_SAFE = 4
EXIT_SECOND_SIGNAL = 130
EXITS_IN_ORDER = (EXIT_CLEAN, EXIT_UNREACHABLE)

MASS_CANCEL_NS = 2_000_000_000
"""After a failure: how long the venues get to cancel everything before the process ends."""

SAME_SIGNAL_NS = 1_000_000_000
"""Signals so close are one: whoever stops a process group, and a wrapper that passes it on, send it twice."""

RESTARTABLE = frozenset({"feed", "connector", "control", "telemetry"})

RESTARTS_MAX = 3
"""Failures of one actor in :data:`RESTARTS_WITHIN_NS` that are taken for accidents."""

RESTARTS_WITHIN_NS = 60_000_000_000
RESTART_AGAIN_NS = 30_000_000_000
RESTART_NS = 100_000_000
"""Before the first restart; twice as long before each following one."""

AFTERMATH_NS = 250_000_000
"""After the last outcome: a venue says a moment later what it did to the balances, and that is part of the session."""

ENDING_NS = 10_000_000_000
"""How long the last commit may take before the end is forced: ten slow disk flushes of a second."""


ANSWER_NS = 5_000_000_000
"""What the Core says to a question is held back until it is durable; one that takes longer may never come."""


class Phase(IntEnum):
    STARTING = 1
    RUNNING = 2
    STOPPING = 3
    ENDING = 4
    FAILING = 5
    DONE = 6


class Stage(IntEnum):
    """Of an actor that may be replaced. Only the one that lives can fail, and only once."""

    LIVES = 1
    DUE = 2
    """It failed, or did not start; a timer runs until its successor's start."""
    ASKED = 3
    """The Core is asked what its successor begins with."""


class Life(msgspec.Struct):
    """What became of the actors of one name. ``number``: that of the last one that started; older ones' failures are
    known. ``failures``: in this run; ``recent``: when the latest were."""

    stage: Stage = Stage.LIVES
    number: int = 0
    failures: int = 0
    recent: list[int] = []
    is_failing: bool = False


class Supervisor:
    """Decides when and how the node ends. ``timeout_ns`` bounds the wait for outcomes of open orders at a stop.

    ``restart`` and ``start_connector`` give the number of the actor that they started. ``inherits``: something may be
    open at a venue from before. ``on_failing`` is called at a fail-safe, once.
    """

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        harness: HarnessMailbox,
        connectors: Mapping[str, Mailbox],
        gate: DispatchGate,
        kill_switch: KillSwitch,
        restart: Callable[[str], int],
        ask_for_connector: Callable[[str, int], None],
        start_connector: Callable[[ConnectorWanted], int],
        on_failing: Callable[[], None],
        clock: Clock,
        timers: Timers,
        timeout_ns: int,
        set_aside: Callable[[Recorded, str], None],
        resumed: bool = False,
        inherits: bool = False,
    ) -> None:
        self.mailbox = mailbox
        self.phase = Phase.STARTING
        self.exit_code = EXIT_CLEAN
        self.reason = ""
        self._signalled_ns: int | None = None
        self._harness = harness
        self._connectors = connectors
        self._gate = gate
        self._kill_switch = kill_switch
        self._restart = restart
        self._ask_for_connector = ask_for_connector
        self._start_connector = start_connector
        self._on_failing = on_failing
        self._lives: dict[str, Life] = {}
        self._clock = clock
        self._timers = timers
        self._timeout_ns = timeout_ns
        self._set_aside = set_aside
        self._resumed = resumed
        self._inherits = inherits
        self._quiescent = False
        self._last_new_ns = gate.last_new_ns()
        self._log = structlog.get_logger("supervisor")

    def run(self) -> int:
        """Handle messages until the node is to end; returns the exit code. Main thread."""
        while self.phase is not Phase.DONE:
            for message in self.mailbox.get().message:
                self.handle(message)
        return self.exit_code

    @property
    def leaves_nothing(self) -> bool:
        """Whether no order of ours can be open at a venue, but those that Configuration leaves there on purpose.

        True once the Core was seen quiescent while stopping, or where nothing was open before and nothing was sent.
        """
        return self._quiescent or not (self._inherits or self._gate.last_new_ns() > self._last_new_ns)

    def started(self) -> None:
        """Every actor answered its ping."""
        if self.phase is Phase.STARTING:
            self.phase = Phase.RUNNING

    def handle(self, message: SupervisorMessage | Any) -> None:
        """One message, one transition. What does not apply in the present phase is ignored."""
        match message:
            case StopRequested():
                self._stop(message)
            case Quiescent():
                self._quiescent = True
                if self.phase is Phase.STOPPING:
                    self._deadline_in(AFTERMATH_NS, "aftermath")
            case SessionEnded() if self.phase is Phase.ENDING:
                self.phase = Phase.DONE
            case Unreachable(address, cause) if self.phase in (Phase.STARTING, Phase.RUNNING) or (
                self._resumed and self.phase is Phase.STOPPING
            ):
                self._unreachable(f"cannot reach {address}: {cause}")
            case ActorFailed():
                self._actor_failed(message)
            case ConnectorWanted() if self.phase in (Phase.RUNNING, Phase.STOPPING):
                self._connector_wanted(message)
            case DeadlinePassed(name, failure):
                self._deadline(name, failure)

    def _stop(self, message: StopRequested) -> None:
        first_ns, now_ns = self._signalled_ns, self._clock.now_ns()
        if message.is_signal and first_ns is None:
            self._signalled_ns = now_ns
        elif message.is_signal and first_ns is not None and now_ns - first_ns < SAME_SIGNAL_NS:
            return
        hurries = message.is_signal and first_ns is not None
        if hurries and self.phase in (Phase.STOPPING, Phase.ENDING):
            self._gate.close(Hold.SHUTDOWN)
            self._finish(EXIT_SECOND_SIGNAL, "second signal: orders may be open at the venue")
        elif self.phase in (Phase.STARTING, Phase.RUNNING):
            self._begin_stop(message.by, message.reason)

    def _unreachable(self, reason: str) -> None:
        """A first connection could not be made. A resumed session is left as it is, to be resumed when it can."""
        if self._resumed:
            self._gate.close(Hold.SHUTDOWN)
            self._finish(EXIT_UNREACHABLE, reason)
        else:
            self.exit_code = EXIT_UNREACHABLE
            self._begin_stop("supervisor", reason)

    def _begin_stop(self, by: str, reason: str) -> None:
        """No New or Replace from here on; what is open is cancelled or left, by Configuration, and awaited."""
        self.phase = Phase.STOPPING
        self.reason = reason
        self._harness.tell_control((SessionStopping(by=by, reason=reason),))
        self._deadline_in(self._timeout_ns, "outcomes")

    def _end(self, reason: str) -> None:
        self.phase = Phase.ENDING
        self.reason = reason
        # Behind every execution Event that is here already: the stream does not end before what was received.
        self._harness.tell_execution((SessionStopped(reason=reason),))
        self._deadline_in(ENDING_NS, "last commit")

    def _actor_failed(self, message: ActorFailed) -> None:
        """Nothing comes of a death that is known: who wanted to start the actor told of it, or another one lives."""
        life = self._lives.setdefault(message.actor, Life())
        if life.stage is Stage.LIVES and message.number >= life.number:
            self._replace(message, life)

    def _replace(self, message: ActorFailed, life: Life) -> None:
        """Another one in its place, or the fail-safe."""
        self._log.error("actor_failed", actor=message.actor, error=message.error)
        kind = message.actor.partition(" ")[0]
        now_ns = self._clock.now_ns()
        recent = [at for at in life.recent if now_ns - at < RESTARTS_WITHIN_NS]
        life.failures += 1
        life.recent = [*recent, now_ns]
        too_often = len(recent) >= RESTARTS_MAX
        if kind not in RESTARTABLE or (too_often and kind == "control"):
            self._fail(message)
            return
        if self.phase not in (Phase.STARTING, Phase.RUNNING, Phase.STOPPING):
            return
        if too_often and not life.is_failing and kind != "telemetry":
            life.is_failing = True
            self._tell_incident(message.actor, message.error)
        life.stage = Stage.DUE
        self._deadline_in(
            RESTART_AGAIN_NS if too_often else RESTART_NS << len(recent), f"restart {message.actor}"
        )

    def _tell_incident(self, actor: str, error: str) -> None:
        self._harness.tell_control([ACTOR_FAILING.opened(actor, f"fails again and again: {error}")])

    def _restart_due(self, actor: str, life: Life) -> None:
        if life.stage is not Stage.DUE:
            return
        if actor.startswith("connector"):
            life.stage = Stage.ASKED
            self._ask(actor, life)
        else:
            self._revive(actor, life, lambda: self._restart(actor))

    def _ask(self, actor: str, life: Life) -> None:
        """Have the Core say what a connector begins with; again where no answer has come."""
        self._ask_for_connector(actor.partition(" ")[2], life.failures)
        self._deadline_in(ANSWER_NS, f"answer {actor}", life.failures)

    def _connector_wanted(self, message: ConnectorWanted) -> None:
        """The first answer to what was asked after the last failure: any other one is out of date."""
        actor = f"connector {message.venue}"
        life = self._lives.get(actor)
        if life is not None and life.stage is Stage.ASKED and life.failures == message.failure:
            self._revive(actor, life, lambda: self._start_connector(message))

    def _revive(self, actor: str, life: Life, start: Callable[[], int]) -> None:
        """Start another ``actor``. One that does not start has failed again."""
        try:
            life.number = start()
        except Exception as error:  # noqa: BLE001 - whatever keeps one actor from starting, the node goes on
            text = str(error) if isinstance(error, LivestackError) else f"{type(error).__name__}: {error}"
            self._replace(ActorFailed(actor, text), life)
            return
        life.stage = Stage.LIVES
        self._log.warning("actor_restarted", actor=actor)
        self._deadline_in(RESTARTS_WITHIN_NS, f"lasted {actor}", life.failures)

    def _lasted(self, actor: str, life: Life) -> None:
        """It has been without a failure for a minute: what was before is over."""
        life.recent = []
        if life.is_failing:
            life.is_failing = False
            self._harness.tell_control([ACTOR_FAILING.closed(actor, "it runs again")])

    def fail_safe(self, cause: str) -> None:
        """Nothing may leave any more, and the node ends. Supervisor's thread."""
        self._fail(ActorFailed("node", cause))

    def _fail(self, message: ActorFailed) -> None:
        """The fail-safe: nothing leaves any more, venues are asked to cancel, the input in hand is set aside."""
        self._gate.close(Hold.FAIL_SAFE)
        if self.phase in (Phase.FAILING, Phase.DONE):
            return
        self.phase = Phase.FAILING
        self._on_failing()
        self.reason = f"{message.actor} failed: {message.error}"
        self._kill_switch.engage("fail_safe", "supervisor", self.reason)
        self._deadline_in(MASS_CANCEL_NS, "mass cancel")
        if message.poison is not None:
            self._keep(message.poison, message.error)

    def _keep(self, poison: Recorded, error: str) -> None:
        """Set the input aside; the fail-safe goes on whether that works or not."""
        try:
            self._set_aside(poison, error)
        except Exception as failure:  # noqa: BLE001 - a full disk, or a value that does not encode
            self._log.error("poison_not_kept", seq=poison.seq, cause=str(failure))

    def _deadline(self, name: str, failure: int) -> None:
        match name, self.phase:
            case "outcomes", Phase.STOPPING:
                self._outcomes_missing()
            case "aftermath", Phase.STOPPING:
                self._end(self.reason)
            case "last commit", Phase.ENDING:
                self._finish(EXIT_FAIL_SAFE, "the last commit did not end in time")
            case "mass cancel", Phase.FAILING:
                self._finish(EXIT_FAIL_SAFE, self.reason)
            case _, Phase.STARTING | Phase.RUNNING | Phase.STOPPING:
                self._deadline_of_actor(name, failure)

    def _deadline_of_actor(self, name: str, failure: int) -> None:
        """Those that were set before its last failure are out of date; of restarts there is never but one."""
        task, _, actor = name.partition(" ")
        life = self._lives.get(actor)
        if life is None:
            return
        if task == "restart":
            self._restart_due(actor, life)
        elif failure != life.failures:
            return
        elif task == "answer" and life.stage is Stage.ASKED:
            self._log.warning("no_answer_from_the_core", actor=actor)
            self._ask(actor, life)
        elif task == "lasted" and life.stage is Stage.LIVES:
            self._lasted(actor, life)

    def _outcomes_missing(self) -> None:
        """Orders may be open. A resumed session stays as it is, for the next start to settle."""
        self._log.error("orders_may_be_open", venues=list(self._connectors))
        reason = f"{self.reason}; outcomes still open"
        if self._resumed:
            self._gate.close(Hold.SHUTDOWN)
            self._finish(self.exit_code or EXIT_FAIL_SAFE, f"{reason}: the next start goes on with it")
        else:
            self.exit_code = self.exit_code or EXIT_FAIL_SAFE
            self._end(reason)

    def _finish(self, exit_code: int, reason: str) -> None:
        self.exit_code = exit_code
        self.reason = reason
        self.phase = Phase.DONE

    def _deadline_in(self, wait_ns: int, name: str, failure: int = 0) -> None:
        passed = DeadlinePassed(name, failure)
        self._timers.at(self._clock.now_ns() + wait_ns, lambda: self.mailbox.tell(passed))
