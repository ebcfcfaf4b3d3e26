"""Venue chaos: a real node against a venue that does everything wrong at random, an hour of session time in minutes.

    python -m tests.campaigns.venue_chaos [--seed 7] [--for 1h] [--scale 15] [--seeds 1] [--json]

The node is the real composition: actors on threads, sockets, timers, a journal on disk. The venue is a process of its
own. The clocks of both go ``--scale`` times faster than the machine's, so that day-long rhythms (planned reconnects,
bans, windows of limits, periodic checks) pass in minutes. Phases with a random mix of all faults, then quiet ones
without any, by the seed. In the end the faults are off, both sides settle, and own orders, fills, positions and
balances must equal the venue's; no order twice, no limit broken, nothing unknown left, and the replay is identical.
Exit 0 only if all of that holds.
"""

from __future__ import annotations

import argparse
import json
import queue
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from livestack.actors.mailbox import Told
from livestack.actors.messages import StopRequested
from livestack.core.events import OperatorCommand, SetStrategyEnabled
from livestack.core.runtime import CoreRuntime
from livestack.core.validation import parse_duration
from livestack.exceptions import LivestackError
from livestack.node.composition import Node
from tests.campaigns.chaos_tally import Tally, heard
from tests.campaigns.chaos_venue import ChaosVenue
from tests.campaigns.scaled_clock import ScaledClock
from tests.campaigns.scaled_node import run_scaled
from tests.campaigns.venue_agreement import Story, check_end, differences, not_trading
from tests.live import configuration
from tests.simulation.chaos import STRATEGY

SECOND_NS = 1_000_000_000
SCALE = 15
PEACE_S = 20
"""How long it trades before the first fault, in session time like all times here."""

STORM_S = (60, 240)
QUIET_S = (30, 90)
INTENSITIES = (50, 100, 100, 200)
SETTLE_S = 600
"""By then both sides must have settled after the last fault: bans, settling times and periodic checks fit in it."""

LOOK_S = 5
ANSWER_S = 30.0
"""Of the machine's time: a look at State that takes longer is a fault."""

SHOWN = 20

RULES = """
[execution]
terminal_orders_max = 1000000
terminal_order_age = "24h"
[shutdown]
timeout = "120s"
"""
VENUE_KEYS = """renew_after = "8m"
depth_levels = 100
reconcile_every = "60s"
clock_skew_max = "5s"
"""


class Outcome(msgspec.Struct):
    """What one or more seeds did, and what was wrong."""

    sessions: int = 0
    session_s: int = 0
    seconds: float = 0.0
    counts: Counter[str] = msgspec.field(default_factory=Counter)
    injected: Counter[str] = msgspec.field(default_factory=Counter)
    faults: list[str] = []

    def add(self, other: Outcome) -> None:
        self.sessions += other.sessions
        self.session_s += other.session_s
        self.seconds = round(self.seconds + other.seconds, 1)
        self.counts.update(other.counts)
        self.injected.update(other.injected)
        self.faults += other.faults


class Run:
    """One seed: a venue, a node, and what is done to them. ``passed`` is told how much session time has gone by."""

    def __init__(
        self, seed: int, duration_ns: int, scale: int, directory: Path, passed: Callable[[int], None]
    ) -> None:
        self.outcome = Outcome(sessions=1)
        self._seed = seed
        self._duration_ns = duration_ns
        self._directory = directory
        self._passed = passed
        self._random = random.Random(seed)
        self._clock = ScaledClock(scale)
        self._begun_ns = self._clock.now_ns()
        self._venue: ChaosVenue
        self._ended = threading.Event()

    def run(self) -> Outcome:
        """From the venue's start to the last comparison. Main thread."""
        began = time.monotonic()
        with ChaosVenue(self._directory, self._seed, self._clock) as self._venue:
            path, kind = self._configuration()
            environment = self._venue.environment(kind)
            data = self._directory / "data"
            log = self._directory / "log.txt"
            with heard(log, self.outcome.counts, "connection_renewed", "send_outcome_unknown"):
                summary = run_scaled(path, environment, data, self._clock, self._watching)
            if summary.exit:
                self.outcome.faults.append(f"exit code {summary.exit}")
            story, views = Story(summary.session), self._venue.views()
            found = check_end(data / "sessions", story, views)
            self.outcome.faults += [f"after the stop: {fault}" for fault in found]
            self.outcome.counts.update(Tally.of(data / "sessions", story.session).counts)
            self.outcome.counts.update(
                requests=len(views.requests), orders=len(views.own_orders), fills=len(views.own_fills)
            )
        self.outcome.session_s = (self._clock.now_ns() - self._begun_ns) // SECOND_NS
        self.outcome.seconds = round(time.monotonic() - began, 1)
        self.outcome.faults = [f"seed {self._seed}: {fault}" for fault in self.outcome.faults]
        return self.outcome

    def _configuration(self) -> tuple[Path, str]:
        kind = self._random.choice(("hmac", "ed25519"))
        path = configuration.write(
            self._directory,
            self._venue.symbols,
            STRATEGY.format(pause_ms=self._random.choice((300, 500, 800)), seed=self._seed),
            durability="relaxed",
            key_kind=kind,
            rules=configuration.UNLIMITED + RULES,
        )
        text = path.read_text().replace("streams = ", f"{VENUE_KEYS}streams = ", 1)
        text = text.replace('strategy_stall = "30s"', 'strategy_stall = "60s"')
        text = text.replace("[lease]", '[lease]\ngrace = "10m"')
        path.write_text(text)
        return path, kind

    @contextmanager
    def _watching(self, node: Node) -> Iterator[None]:
        """The one who steers has a thread of its own for as long as the session runs."""
        thread = threading.Thread(target=self._steer, args=(node,), name="chaos", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join(ANSWER_S)

    def _steer(self, node: Node) -> None:
        try:
            self._phases(node)
        except (LivestackError, OSError, queue.Empty) as error:
            self.outcome.faults.append(f"steering failed: {type(error).__name__}: {error}")
        finally:
            node.supervisor.mailbox.tell(StopRequested("test", "the campaign is over"))

    def _phases(self, node: Node) -> None:
        """Faults come and go; then none are left, and both sides have to agree."""
        faults = self.outcome.faults
        faults += [f"at the start: {fault}" for fault in self._until(lambda: self._not_trading(node))]
        end_ns = self._clock.now_ns() + self._duration_ns
        self._pass(PEACE_S, end_ns)
        while self._clock.now_ns() < end_ns and not self._ended.is_set():
            self._venue.mix(self._random.getrandbits(32), self._random.choice(INTENSITIES))
            self._pass(self._random.uniform(*STORM_S), end_ns)
            self.outcome.injected = self._venue.clear()
            self._pass(self._random.uniform(*QUIET_S), end_ns)
        self.outcome.injected = self._venue.clear()
        faults += [f"not live: {fault}" for fault in self._until(lambda: self._not_trading(node))]
        command = SetStrategyEnabled(False)
        asked = OperatorCommand(request_id="", command=command, who="test", why="quiet", base_version=0)
        node.harness.tell_control((asked,))
        faults += [f"before the stop: {fault}" for fault in self._until(lambda: self._differences(node))]

    def _pass(self, seconds: float, end_ns: int) -> None:
        """Let session time pass, and tell of it."""
        until_ns = min(self._clock.now_ns() + int(seconds * SECOND_NS), end_ns)
        while (left_ns := until_ns - self._clock.now_ns()) > 0:
            if self._clock.pass_ns(min(left_ns, LOOK_S * SECOND_NS), self._ended):
                return
            self._passed(self._clock.now_ns() - self._begun_ns)

    def _until(self, look: Callable[[], list[str]]) -> list[str]:
        """Ask until there is nothing to say; what is said in the end."""
        end_ns = self._clock.now_ns() + SETTLE_S * SECOND_NS
        found = look()
        while found and self._clock.now_ns() < end_ns:
            if self._clock.pass_ns(LOOK_S * SECOND_NS, self._ended):
                return ["the session has ended by itself"]
            found = look()
        return found

    def _look(self, node: Node, look: Callable[[CoreRuntime], list[str]]) -> list[str]:
        """What ``look`` says on the harness thread, where State stands still."""
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

        class Listener:
            def tell(self, message: object) -> None:
                answers.put(message)

        node.harness.tell_look(lambda runtime: Told(Listener(), look(runtime)))
        return list(answers.get(timeout=ANSWER_S))

    def _not_trading(self, node: Node) -> list[str]:
        return self._look(node, lambda runtime: not_trading(runtime.state))

    def _differences(self, node: Node) -> list[str]:
        views = self._venue.views()

        def look(runtime: CoreRuntime) -> list[str]:
            return differences(runtime.state, Story.of_state(runtime.state), views)

        return self._look(node, look)


def campaign(seeds: range, duration_ns: int, scale: int, directory: Path) -> Outcome:
    """One seed after the other, until one finds something."""
    total, console = Outcome(), Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        for seed in seeds:
            bar = progress.add_task(f"seed {seed}", total=duration_ns // SECOND_NS)
            place = directory / str(seed)
            place.mkdir(parents=True)
            one = Run(
                seed,
                duration_ns,
                scale,
                place,
                lambda ns, bar=bar: progress.update(bar, completed=ns // SECOND_NS),
            ).run()
            total.add(one)
            if one.faults:
                break
            shutil.rmtree(place)
    return total


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--for", dest="duration", default="1h", help="session time of each seed")
    parser.add_argument("--scale", type=int, default=SCALE, help="how many times faster the clocks go")
    parser.add_argument("--seeds", type=int, default=1, help="how many, from --seed on")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="livestack-chaos-"))
    seeds = range(options.seed, options.seed + options.seeds)
    total = campaign(seeds, parse_duration(options.duration), options.scale, directory)
    for fault in total.faults[:SHOWN]:
        print(f"FAULT {fault}", file=sys.stderr)
    passed = not total.faults
    if options.json:
        print(json.dumps({**msgspec.to_builtins(total), "passed": passed}))
    else:
        print(_line(total))
    if passed:
        shutil.rmtree(directory)
    else:
        again = f"python -m tests.campaigns.venue_chaos --for {options.duration} --scale {options.scale}"
        print(f"journal and logs: {directory}; again: {again} --seed SEED", file=sys.stderr)
    return 0 if passed else 1


def _line(total: Outcome) -> str:
    counts, verdict = total.counts, "passed" if not total.faults else f"FAILED: {len(total.faults)} faults"
    faults = ", ".join(f"{kind} {count}" for kind, count in sorted(total.injected.items()))
    said = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
    return (
        f"{total.sessions} sessions, {total.session_s} s of session time in {total.seconds} s: {said}; "
        f"faults: {faults}: {verdict}"
    )


if __name__ == "__main__":
    sys.exit(main())
