"""The node's side of its guard: it is there before the node connects anywhere, and missed at once when it is gone.

The node hands it the page that its pulse is written to. A guard that died, or says nothing, is *lost*: the node learns
of it (a hold on the gate, until another one watches) and starts the next. The guard is in a session of its own, so that
nothing which ends the node's process group ends it, and writes its log where the node writes its own.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from livestack.exceptions import UnreachableError
from livestack.node.child_process import ChildProcess, child_environment
from livestack.node.children import OF_STORAGE, url_variables
from livestack.node.guard import Instructions, Ready, Report, Trouble, Watching
from livestack.node.shared_progress import Phase, ProgressWriter
from livestack.settings import Settings
from livestack.transports.backoff import Backoff
from livestack.transports.clock import Clock, Timers

READY_TIMEOUT_S = 30.0
"""An interpreter and its libraries, on a slow and busy machine."""

STOP_TIMEOUT_S = 5.0
"""It only has to look at the page once more."""

SILENT_NS = 5_000_000_000
"""A guard says something twice a second; one that was silent for so long is stopped or stuck."""

LATE_NS = 1_000_000_000
"""A look that comes so much too late says that the node slept, and nothing of the guard."""

_report_decoder = msgspec.json.Decoder(Report)


class GuardChild(ChildProcess):
    """The guard of this process. :meth:`start`, :meth:`stop` and :meth:`leave` on the node's main thread.

    ``on_lost`` gets a sentence, ``on_regained`` follows when another guard watches; both on the child's thread or the
    timers'. ``progress`` is the page to beat on.
    """

    name = "guard"
    stderr = None
    new_session = True

    def __init__(
        self,
        data_dir: Path,
        settings: Settings,
        *,
        clock: Clock,
        timers: Timers,
        backoff: Backoff,
        environment: Mapping[str, str],
        on_lost: Callable[[str], None],
        on_regained: Callable[[], None],
    ) -> None:
        self.progress = ProgressWriter()
        instructions = Instructions(
            data_dir=str(data_dir.absolute()),
            limit_ns=settings.guard.limit_ns,
            venues=settings.venues,
            node=settings.node.name,
            log=settings.log,
        )
        super().__init__(
            guard_command(self.progress.fd),
            clock=clock,
            timers=timers,
            backoff=backoff,
            environment=guard_environment(environment, settings),
            inherited=(self.progress.fd,),
            first_line=msgspec.json.encode(instructions) + b"\n",
        )
        self._on_lost = on_lost
        self._on_regained = on_regained
        self._settled = threading.Event()
        self._was_ready = False
        self._lost = False
        self._due_ns = 0

    def start(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Start it and wait until it watches. ``UnreachableError`` says why it does not; then none is running."""
        self._thread.start()
        is_ready = False
        try:
            is_ready = self._settled.wait(timeout_s) and self._was_ready
        finally:
            if not is_ready:  # or interrupted: a node that never was must not be avenged
                self.progress.stopped()
                cause = self._trouble or f"it is not ready after {timeout_s:.0f} s"
                super().stop(0.0)
        if not is_ready:
            raise UnreachableError("the guard", cause)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """The node has stopped in order: nobody needs to look after it. Whether the guard ended by itself."""
        self.progress.stopped()
        return super().stop(timeout_s)

    def leave(self) -> None:
        """The node ends, and not in order: the guard stays, and acts when the process is gone."""
        self.progress.phase(Phase.LEAVING)
        with self._lock:
            self._over = True
        self._forget_look()
        self._wake.set()

    def _hear(self, line: bytes) -> None:
        try:
            report: Report = _report_decoder.decode(line)
        except msgspec.MsgspecError:
            self._say(line)
            return
        match report:
            case Ready():
                self._watches()
            case Watching():
                self._backoff.reset()
            case Trouble(text):
                self._trouble = text
                self._log.error("guard_trouble", cause=text)
        if self._was_ready:
            self._look_again()

    def _watches(self) -> None:
        with self._lock:
            self._was_ready = True
            was_lost, self._lost = self._lost, False
            self._trouble = ""
        self._settled.set()
        if was_lost:
            self._log.warning("guard_back")
            self._on_regained()

    def _is_final(self, code: int) -> bool:
        """One that never was ready has said why, and would say it again."""
        if not self._was_ready:
            self._trouble = self._trouble or f"it ended with exit code {code}"
            self._settled.set()
        return not self._was_ready

    def _ended(self, cause: str) -> None:
        if not self._was_ready:  # it could not even be started
            with self._lock:
                self._over = True
            self._settled.set()
            return
        self._lose(cause)

    def _lose(self, cause: str) -> None:
        with self._lock:
            if self._lost or self._over:
                return
            self._lost = True
        self._log.error("guard_lost", cause=cause)
        self._on_lost(f"nobody guards this node: {cause}")

    def _look_again(self) -> None:
        self._forget_look()
        self._due_ns = self._clock.now_ns() + SILENT_NS
        self._forget_look = self._timers.at(self._due_ns, self._look)

    def _look(self) -> None:
        """Nothing was heard for too long: that one is no guard. Unless it was this process that did not listen."""
        now_ns, process = self._clock.now_ns(), self._process
        if self._over or now_ns < self._due_ns:
            return
        if now_ns - self._due_ns > LATE_NS or process is None:
            self._look_again()
            return
        self._trouble = f"it said nothing for {SILENT_NS // 1_000_000_000} s"
        self._lose(self._trouble)
        process.kill()


def guard_environment(environment: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """``environment`` with the keys that the guard speaks to venues with, and with nothing that only others need: the
    other keys, the URLs of the lease's server and of sinks, and what libraries of storage look up by themselves.

    The rest stays: proxies, certificates and keyrings are found by variables of many names.
    """
    places = [venue.guard_key_place for venue in settings.venues.values()]
    own = {name for place in places for name in (place.api_key_env, place.secret_env)}
    others = {name for venue in settings.venues.values() for name in venue.secret_variables}
    others |= url_variables(settings) | {name for name in environment if name.startswith(OF_STORAGE)}
    return child_environment(environment, without=others - own)


def guard_command(progress_fd: int) -> list[str]:
    """The command line of a guard that inherits the page as ``progress_fd``."""
    return [sys.executable, "-m", "livestack", "guard", "run", "--progress-fd", str(progress_fd)]
