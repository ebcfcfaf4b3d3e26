"""Kill race: the kill-switch against two connectors that send as fast as they can. Nothing may leave behind it.

    python -m tests.campaigns.kill_race [--kills 10000] [--restarts 50] [--seed 7] [--stretch 250]
        [--json]

A node with two venues runs in this process, so that a spy below the transport sees every frame that is written; the
kill comes over the control socket like any other. Each round waits a random moment, kills, takes the proof, sees that
both venues have been told nothing more until the reset, resets, and waits until it trades again. Every other stretch
has a failpoint armed between the gate's check and the write, which sleeps there. Then rounds with a process of its own
that is killed with SIGKILL right behind the acknowledgement and started again. Exit 0 only if no New and no Replace was
written after the gate was closed, the venues know no order that the spy did not see, and every proof came.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from livestack.client import ControlClient
from livestack.exceptions import LivestackError
from livestack.failpoints import arm, disarm_all
from livestack.node.app import Process, run
from livestack.node.composition import Node
from livestack.settings import load
from livestack.telemetry import logs
from tests.campaigns.socket_spy import ORDER_METHODS, SocketSpy
from tests.live import configuration
from tests.support import Venue, start_node

STRETCH = 250
"""Kills of one session; then a new one with new venues, and the failpoint armed or not."""

VENUE_RATE = 400
MOMENT_S = 0.02
"""The kill falls somewhere in so long a time after trading has begun."""

IN_GATE_S = 0.002
"""How long the failpoint sleeps at most, with the gate's check behind it and the write before it."""

NEVER = threading.Event()
"""Nobody sets it: waiting for it is a moment that passes."""

LIMIT_S = 60.0
"""For everything that is waited for: trading, a proof, a start. Machines are shared."""

RULES = configuration.UNLIMITED.partition("[[execution")[0]


class Outcome(msgspec.Struct):
    """Sums of a campaign, and what was wrong."""

    kills: int = 0
    armed: int = 0
    restarts: int = 0
    in_flight: int = 0
    written: int = 0
    seconds: float = 0.0
    slowest_proof_ms: int = 0
    faults: list[str] = []

    @property
    def passed(self) -> bool:
        return not self.faults


def write_configuration(directory: Path, venues: Mapping[str, Venue]) -> tuple[Path, dict[str, str]]:
    """A node with all of ``venues``; the file and the environment that it refers to."""
    text = f"""
[node]
name = "race"
[log]
level = "error"
[lease]
directory = "{directory}"
[follower]
enabled = false
[records]
enabled = false
[journal]
durability = "relaxed"
[watchdog]
strategy_stall = "30s"
[control]
publish_every = "50ms"
rate = 10000
[strategy]
path = "tests.campaigns.storm:Storm"
[strategy.parameters]
qty = "0.001"
{RULES}
"""
    environment = {}
    for name, venue in venues.items():
        for variable, value in venue.environment().items():
            environment[f"{name.upper()}_{variable}"] = value
        text += f"""
[venues.{name}]
adapter = "binance_spot"
rest_url = "${{{name.upper()}_VENUE_REST}}"
stream_url = "${{{name.upper()}_VENUE_STREAM}}"
ws_api_url = "${{{name.upper()}_VENUE_WS_API}}"
account = "{name}"
symbols = ["BTCUSDT", "ETHUSDT"]
streams = ["bookTicker"]
key_kind = "hmac"
api_key_env = "{name.upper()}_VENUE_KEY"
secret_env = "{name.upper()}_VENUE_SECRET"
[[execution.venue.{name}.rate_limits]]
kind = "ORDERS"
interval = "100ms"
limit = 1000
guard_band = "1ms"
"""
    path = directory / "race.toml"
    path.write_text(text)
    return path, environment


@contextmanager
def two_venues(directory: Path, seed: int) -> Iterator[dict[str, Venue]]:
    with ExitStack() as stack:
        venues = {}
        for number, name in enumerate(("one", "two")):
            place = directory / name
            place.mkdir(parents=True)
            arguments = ("--seed", str(seed + number), "--rate", str(VENUE_RATE), "--allowance", "1000")
            venues[name] = stack.enter_context(Venue(place, *arguments))
        yield venues


def wait_until(what: str, true: Callable[[], bool], pause_s: float = 0.002) -> None:
    """``LivestackError`` names ``what`` never came."""
    deadline = time.monotonic() + LIMIT_S
    while not true():
        if time.monotonic() > deadline:
            raise LivestackError(f"{what} did not come within {LIMIT_S:.0f} s")
        NEVER.wait(pause_s)


class Stretch:
    """Some rounds against one node of this process. Runs on a thread beside it."""

    def __init__(
        self,
        outcome: Outcome,
        spy: SocketSpy,
        venues: Mapping[str, Venue],
        data: Path,
        source: random.Random,
        kills: int,
        passed: Callable[[], None],
    ) -> None:
        self._outcome = outcome
        self._spy = spy
        self._venues = venues
        self._data = data
        self._random = source
        self._kills = kills
        self._passed = passed

    def run(self) -> None:
        try:
            with ControlClient.of_data_dir(self._data, limit_s=LIMIT_S) as client:
                for _ in range(self._kills):
                    self._round(client)
                    self._passed()
                    if self._outcome.faults:
                        break
                client.session_stop("the race is over")
        except Exception as error:  # noqa: BLE001 - whatever it was, the campaign has failed, and says of what
            self._outcome.faults.append(f"{type(error).__name__}: {error}")
            os.kill(os.getpid(), 15)

    def _round(self, client: ControlClient) -> None:
        before = self._spy.count()
        wait_until("an order", lambda: self._spy.count() > before)
        NEVER.wait(self._random.uniform(0, MOMENT_S))
        reply = client.kill("race")
        closed_ns, count = reply.killed.gate_closed_at_ns, self._spy.count()
        if not reply.killed.durable:
            self._outcome.faults.append("a kill was not durable")
        began = time.monotonic()
        receipts: list[int] = []

        def is_flat() -> bool:
            receipt = client.kill_receipt()
            receipts.append(len(receipt.unknown_orders))
            return receipt.engaged and receipt.flat

        wait_until("the proof", is_flat)
        self._outcome.slowest_proof_ms = max(
            self._outcome.slowest_proof_ms, int((time.monotonic() - began) * 1000)
        )
        self._outcome.in_flight += max(receipts) > 0
        seen = {name: venue.look("seen") for name, venue in self._venues.items()}
        still_open = {name: len(venue.look("open")) for name, venue in self._venues.items()}
        self._check(closed_ns, count, still_open)
        after = {name: venue.look("seen") for name, venue in self._venues.items()}
        if after != seen:
            self._outcome.faults.append(f"behind the proof the venues were told more: {seen}, {after}")
        client.kill_reset("again")
        self._outcome.kills += 1

    def _check(self, closed_ns: int, count: int, still_open: Mapping[str, int]) -> None:
        late = [one for one in self._spy.written[-200:] if one.ended_ns > closed_ns]
        if late or self._spy.count() != count:
            self._outcome.faults.append(f"written after the gate was closed at {closed_ns}: {late}")
        if any(still_open.values()):
            self._outcome.faults.append(f"flat was proven, and the venues have open orders: {still_open}")


def stretch(
    outcome: Outcome, spy: SocketSpy, directory: Path, seed: int, kills: int, passed: Callable[[], None]
) -> None:
    """One session of this process and ``kills`` rounds against it."""
    source, is_armed = random.Random(seed), bool(seed % 2)
    spy.written.clear()
    with two_venues(directory, seed) as venues:
        path, environment = write_configuration(directory, venues)
        settings, rules = load(path, environment)
        settings = msgspec.structs.replace(settings, data_dir=str(directory / "data"))
        process = Process(settings=settings, configuration=rules, environment=environment)
        driver = Stretch(outcome, spy, venues, directory / "data", source, kills, passed)
        done = outcome.kills

        @contextmanager
        def watching(node: Node) -> Iterator[None]:
            if is_armed:
                arm("connector.in_gate", lambda: NEVER.wait(source.uniform(0, IN_GATE_S)))
            thread = threading.Thread(target=driver.run, name="race")
            thread.start()
            try:
                yield
            finally:
                thread.join()
                disarm_all()

        summary = run(process, watching)
        if summary.exit:
            outcome.faults.append(f"the node ended with {summary.exit}: {summary.reason}")
        outcome.armed += (outcome.kills - done) * is_armed
        outcome.written += spy.count()
        check_venues(outcome, spy, venues)


def check_venues(outcome: Outcome, spy: SocketSpy, venues: Mapping[str, Venue]) -> None:
    """The venues' own logs: every order in them was seen leaving this process."""
    left = Counter(one.client_id for one in spy.written)
    for name, venue in venues.items():
        for request in venue.look("orders"):
            if request["kind"] not in ORDER_METHODS:
                continue
            client_id = request["client_id"]
            if left[client_id] < 1:
                outcome.faults.append(f"venue {name} knows {client_id}, which nobody saw leaving")
            left[client_id] -= 1


def restart(outcome: Outcome, directory: Path, seed: int, restarts: int, passed: Callable[[], None]) -> None:
    """A node of its own is killed with SIGKILL right behind the acknowledgement, and comes back killed."""
    source = random.Random(seed)
    with two_venues(directory, seed) as venues:
        path, environment = write_configuration(directory, venues)
        for _ in range(restarts):
            with start_node(directory, path, environment) as node:
                _more_orders(venues)
                NEVER.wait(source.uniform(0, MOMENT_S))
                with ControlClient.of_data_dir(directory / "data", limit_s=LIMIT_S) as client:
                    client.kill("race")
                node.kill()
            with start_node(directory, path, environment) as node:
                _is_still_killed(outcome, directory, venues, node.running)
                node.signal()
                code, _ = node.finish(LIMIT_S * 2)
                if code:
                    outcome.faults.append(f"exit code {code}: {node.stderr()[-500:]}")
            outcome.restarts += 1
            passed()
            if outcome.faults:
                return


def _more_orders(venues: Mapping[str, Venue]) -> None:
    seen = _told(venues)
    wait_until("an order", lambda: _told(venues) > seen, 0.02)


def _told(venues: Mapping[str, Venue]) -> int:
    """New and Replace that the venues have seen."""
    return sum(request["kind"] != "cancel" for venue in venues.values() for request in venue.look("orders"))


def _is_still_killed(
    outcome: Outcome, directory: Path, venues: Mapping[str, Venue], running: Callable[[], bool]
) -> None:
    with ControlClient.of_data_dir(directory / "data", limit_s=LIMIT_S) as client:

        def is_up() -> bool:
            """Live again at both: what its dead predecessor had written has been read by them before that."""
            try:
                venues = client.status().venues
            except LivestackError:
                return not running()
            return (bool(venues) and all(one.status == "live" for one in venues)) or not running()

        wait_until("the node", is_up, 0.05)
        seen = _told(venues)
        if not client.status().kill_switch:
            outcome.faults.append("a restarted node has forgotten that it is killed")
        feeds = client.status().events
        wait_until("market data", lambda: client.status().events > feeds + 50, 0.02)
        if _told(venues) != seen:
            outcome.faults.append("a restarted node that is killed has sent orders")
        client.kill_reset("it came back killed", accept_unknown=True)
        _more_orders(venues)


def campaign(kills: int, restarts: int, seed: int, size_max: int, directory: Path) -> Outcome:
    """All stretches of so many kills at most, then the restarts."""
    outcome, began = Outcome(), time.monotonic()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress, SocketSpy() as spy:
        bar = progress.add_task("killed", total=kills)
        for number in range(-(-kills // size_max)):
            size = min(size_max, kills - number * size_max)
            place = directory / f"stretch-{number}"
            stretch(outcome, spy, place, seed + number, size, lambda: progress.advance(bar))
            if outcome.faults:
                break
            shutil.rmtree(place)
        bar = progress.add_task("restarted", total=restarts)
        if restarts and not outcome.faults:
            try:
                restart(outcome, directory / "restarts", seed, restarts, lambda: progress.advance(bar))
            except LivestackError as error:
                outcome.faults.append(f"{type(error).__name__}: {error}")
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=10_000)
    parser.add_argument("--restarts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--stretch", type=int, default=STRETCH, help="kills of one session")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logs.configure("error", json=False)
    directory = Path(tempfile.mkdtemp(prefix="livestack-race-"))
    outcome = campaign(options.kills, options.restarts, options.seed, options.stretch, directory)
    for fault in outcome.faults[:20]:
        print(f"FAULT {fault}", file=sys.stderr)
    totals = {**msgspec.to_builtins(outcome), "faults": len(outcome.faults), "passed": outcome.passed}
    print(json.dumps(totals) if options.json else _line(outcome))
    if outcome.passed:
        shutil.rmtree(directory)
    else:
        print(f"journals and logs: {directory}", file=sys.stderr)
    return 0 if outcome.passed else 1


def _line(outcome: Outcome) -> str:
    verdict = "passed" if outcome.passed else f"FAILED: {len(outcome.faults)} faults"
    return (
        f"{outcome.kills} kills ({outcome.armed} with the failpoint armed, {outcome.in_flight} with requests in "
        "flight), "
        f"{outcome.restarts} restarts, {outcome.written} orders and replacements written, slowest proof "
        f"{outcome.slowest_proof_ms} ms, {outcome.seconds} s: {verdict}"
    )


if __name__ == "__main__":
    sys.exit(main())
