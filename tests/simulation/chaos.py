"""Chaos in one thread: a whole node with a restless strategy against a venue that does everything wrong at random.

One seed is one run: the market, every delay, which faults come when, and what the strategy asks for. After the faults
there is quiet time until both sides have settled, and then everything that can be compared is compared.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from pathlib import Path

import msgspec

from livestack.core.events import OperatorCommand, SetStrategyEnabled
from livestack.journal.reader import JournalReader
from livestack.settings import load
from livestack.simulator.binance_spot.signing import make_keys
from livestack.simulator.binance_spot.venue import BinanceSpotVenue, VenueSettings
from livestack.simulator.faults import random_mix
from tests.campaigns.venue_agreement import (
    Story,
    VenueViews,
    check_end,
    differences,
    not_trading,
)
from tests.live import configuration
from tests.simulation.scheduler import START_NS
from tests.simulation.world import World

SYMBOL = "BTCUSDT"
ENVIRONMENT = {
    "VENUE_REST": "http://127.0.0.1:1",
    "VENUE_STREAM": "ws://127.0.0.1:1",
    "VENUE_WS_API": "ws://127.0.0.1:1/ws-api/v3",
    "VENUE_KEY": "simulated",
    "VENUE_SECRET": "simulated",
}
STRATEGY = """
[strategy]
path = "tests.simulation.busy:Busy"
[strategy.parameters]
qty = "0.001"
pause = "{pause_ms}ms"
seed = {seed}
"""
RULES = """
[execution]
terminal_orders_max = 100000
[shutdown]
timeout = "90s"
"""
VENUE_KEYS = """
reconcile_every = "15s"
instruments_every = "15s"
renew_after = "1m"
depth_levels = 100
"""

RATE = 6
"""Market messages a second: the market is the smaller part of what happens."""

CHAOS_S = (12.0, 30.0)
"""Session time under faults, least and most."""

LONG_SHARE = 12
"""One seed of so many runs so long that connections are renewed."""

LONG_S = 100.0
LIFE_NS = 80_000_000_000
"""The venue ends a connection at this age: planned renewals come before it."""

QUIET_S = 240.0
"""By then both sides must have settled: a ban, a request's settling time and a periodic check fit in it."""

LOOK_S = 0.5
QUICK_BYTES_MIN = 2 << 30


class Outcome(msgspec.Struct):
    """What one seed did, and what was wrong."""

    seed: int
    faults: list[str] = []
    counts: Counter[str] = msgspec.field(default_factory=Counter)
    injected: Counter[str] = msgspec.field(default_factory=Counter)


class Chaos:
    """One seed. ``intensity`` of the faults in percent; ``seconds`` under them, 0: as the seed has it."""

    def __init__(
        self,
        seed: int,
        directory: Path,
        intensity: int = 100,
        kinds: tuple[str, ...] = (),
        seconds: float = 0.0,
    ) -> None:
        self.outcome = Outcome(seed)
        self.random = random.Random(seed)
        by_seed = LONG_S if seed % LONG_SHARE == 0 else self.random.uniform(*CHAOS_S)
        self.seconds = seconds or by_seed
        rate_key = "streams = "
        path = configuration.write(
            directory,
            [SYMBOL],
            STRATEGY.format(seed=seed, pause_ms=self.random.choice((150, 250, 400))),
            durability="relaxed",
            key_kind=self.random.choice(("hmac", "ed25519")),
            rules=configuration.UNLIMITED + RULES,
        )
        path.write_text(path.read_text().replace(rate_key, VENUE_KEYS.lstrip() + rate_key, 1))
        settings, rules = load(path, ENVIRONMENT)
        self.venue = BinanceSpotVenue(
            make_keys(seed),
            random.Random(seed),
            START_NS,
            VenueSettings(
                symbols=1,
                rate=RATE,
                reports_first=self.random.random() < 0.5,
                connection_life_ns=LIFE_NS,
                fault_seed=seed,
            ),
        )
        self.world = World(seed, directory, settings, rules, self.venue)
        self.mix = random_mix(self.random, intensity, *([kinds] if kinds else []))
        self.story = Story(self.world.session)
        self._dispatched = 0

    def run(self) -> Outcome:
        """Start in peace, chaos, quiet, comparison, an ordered stop, and the whole comparison again."""
        world, faults = self.world, self.outcome.faults
        world.run(1.5)
        self.venue.inject(self.mix, world.scheduler.now_ns())
        world.run(self.seconds)
        self.venue.clear_faults()
        faults += [f"not live: {fault}" for fault in self._until(self._not_live)]
        self._dispatched = self._learned().kinds["IntentDispatched"]
        if not faults:
            faults += self._until(self._does_not_trade)
        self._command(SetStrategyEnabled(False))
        faults += [f"before the stop: {fault}" for fault in self._until(self._differences)]
        self._stop()
        self._count()
        return self.outcome

    def _until(self, look: object) -> list[str]:
        """Let time pass until ``look()`` has nothing to say; what it says in the end."""
        found: list[str] = []
        for _ in range(int(QUIET_S / LOOK_S)):
            self.world.run(LOOK_S)
            found = look()  # type: ignore[operator]
            if not found:
                break
        return found

    def _not_live(self) -> list[str]:
        return not_trading(self.world.node.runtime.state)

    def _does_not_trade(self) -> list[str]:
        return ["it is live and does not trade"][
            self._learned().kinds["IntentDispatched"] > self._dispatched :
        ]

    def _differences(self) -> list[str]:
        state = self.world.node.runtime.state
        return differences(state, self._learned(), self._views())

    def _views(self) -> VenueViews:
        return VenueViews.of(self.venue, self.world.scheduler.now_ns())

    def _learned(self) -> Story:
        committed = self.world.writer.committed
        self.story.take(committed)
        committed.clear()
        return self.story

    def _command(self, command: SetStrategyEnabled) -> None:
        asked = OperatorCommand(request_id="", command=command, who="test", why="quiet time", base_version=0)
        self.world.node.harness.tell_control((asked,))

    def _stop(self) -> None:
        world, faults = self.world, self.outcome.faults
        code = world.stop()
        if code:
            faults.append(f"exit code {code}: {world.node.supervisor.reason}")
        faults += [f"the actor {name} failed" for name in world.launcher.failed]
        faults += [
            f"after the stop: {fault}" for fault in check_end(world.sessions, self.story, self._views())
        ]
        with JournalReader.open(world.sessions, world.session) as reader:
            if not reader.last_seq():
                faults.append("the journal is empty")

    def _count(self) -> None:
        counts, views = self.outcome.counts, self._views()
        counts["requests"] = len(views.requests)
        counts["orders"] = len(views.own_orders)
        counts["fills"] = len(views.own_fills)
        counts["events"] = self.story.last_seq
        counts["session_s"] = (self.world.scheduler.now_ns() - START_NS) // 1_000_000_000
        self.outcome.injected.update(self.venue.fault_counts)


def run_seed(
    seed: int, directory: Path, intensity: int = 100, kinds: tuple[str, ...] = (), seconds: float = 0.0
) -> Outcome:
    """One run in ``directory``."""
    return Chaos(seed, directory, intensity, kinds, seconds).run()


def quick_directory() -> str | None:
    """Where a directory of files costs no disk: most of a run is waiting for one. None: wherever is usual."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > QUICK_BYTES_MIN:
        return str(memory)
    return None


def command(seed: int, *options: str) -> str:
    """What a person types to see this seed again."""
    return " ".join(["python -m tests.campaigns.chaos_simulation --seeds 1 --from", str(seed), *options])
