"""From a kill command to a closed gate: a quiet node, a busy one, one whose strategy never returns, and the guard.

    python benchmarks/kill_switch.py [--rounds 1000] [--guard-rounds 20] [--json]

``received``: from the moment the node has the request in its hands to the moment at which no New and no Replace can be
written any more. ``sent``: from the client's send, so with the socket and the threads' hand-over. Both clocks are the
machine's. The guard's row is from SIGSTOP of the node to the venue's own "nothing is open", with a limit of 500 ms.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.tick_to_order import figures  # noqa: E402
from livestack.client import ControlClient  # noqa: E402
from livestack.exceptions import LivestackError  # noqa: E402
from tests.live.configuration import UNLIMITED  # noqa: E402
from tests.support import Process, Venue  # noqa: E402

RATES = {"idle": 1, "load": 2_000, "stuck": 200}
"""Market messages a second."""

LIMIT_S = 60.0
STRATEGIES = {
    "idle": '[strategy]\npath = "livestack.strategies.market_maker:MarketMaker"\n[strategy.parameters]\nqty = "0.01"\n'
    'inventory_max = "0.05"\n',
    "load": '[strategy]\npath = "tests.campaigns.storm:Storm"\n[strategy.parameters]\nqty = "0.001"\n',
    "stuck": '[strategy]\npath = "benchmarks.stuck:Stuck"\n',
}
RATE_LIMITS = """
[[execution.venue.binance_spot.rate_limits]]
kind = "ORDERS"
interval = "100ms"
limit = 1000
guard_band = "1ms"
"""
SETTINGS = """
[node]
name = "bench"
[log]
level = "error"
[follower]
enabled = false
[records]
enabled = false
[control]
rate = 10000
[watchdog]
strategy_stall = "100ms"
[guard]
enabled = {guard}
limit = "500ms"
[venues.binance_spot]
adapter = "binance_spot"
rest_url = "${{VENUE_REST}}"
stream_url = "${{VENUE_STREAM}}"
ws_api_url = "${{VENUE_WS_API}}"
account = "{account}"
symbols = ["BTCUSDT"]
streams = ["bookTicker"]
key_kind = "hmac"
api_key_env = "VENUE_KEY"
secret_env = "VENUE_SECRET"
"""


class Bench:
    """A venue and a node in a directory of their own. The node's own times are in ``received.json`` at its end."""

    def __init__(self, directory: Path, condition: str, guard: bool = False) -> None:
        self.directory = directory
        self.venue = Venue(
            directory, "--rate", str(RATES[condition]), "--allowance", "1000", "--symbols", "1"
        )
        path = directory / "bench.toml"
        settings = SETTINGS.format(guard="true" if guard else "false", account=directory.name)
        path.write_text(
            settings + STRATEGIES[condition] + UNLIMITED.partition("[[execution")[0] + RATE_LIMITS
        )
        self.data = directory / "data"
        arguments = ["start", "-c", str(path), "--data-dir", str(self.data)]
        environment = {**self.venue.environment(), "LIVESTACK_BENCH_TIMES": str(directory / "received.json")}
        self.node = BenchNode(arguments, directory, environment)

    def stop(self) -> None:
        """In order if it can; a second signal, that is not taken for the first, hurries it."""
        self.node.signal()
        if not self.node.ended(2.0):
            self.node.signal()
        self.node.finish(2 * LIMIT_S)

    def close(self) -> None:
        self.node.kill()
        self.venue.kill()


class BenchNode(Process):
    """``livestack`` as ever, with a stop-watch at the kill lane (:mod:`benchmarks.timed_node`)."""

    module = "benchmarks.timed_node"


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit("the node did not get there")
        time.sleep(0.002)


def is_up(client: ControlClient) -> bool:
    try:
        return any(one.status == "live" for one in client.status().venues)
    except LivestackError:
        return False


def measure(condition: str, rounds: int, directory: Path) -> dict[str, dict[str, float]]:
    """``rounds`` kills, each after a reset where the Core can take one."""
    directory.mkdir()
    bench = Bench(directory, condition)
    sent: list[int] = []
    try:
        with ControlClient.of_data_dir(bench.data, limit_s=LIMIT_S) as client:
            wait_until(lambda: is_up(client))
            if condition != "idle":
                wait_until(lambda: bench.venue.look("seen") > 0)
            if condition == "stuck":
                wait_until(lambda: any(one.name == "stall" for one in client.status().holds))
            for _ in range(rounds):
                if condition == "load":
                    seen = bench.venue.look("seen")
                    wait_until(lambda seen=seen: bench.venue.look("seen") > seen)  # type: ignore[misc]
                began_ns = time.time_ns()
                reply = client.kill("benchmark")
                # One that was engaged before says since when: then the way back is counted too.
                closed_ns = time.time_ns() if condition == "stuck" else reply.killed.gate_closed_at_ns
                sent.append(closed_ns - began_ns)
                if condition != "stuck":
                    client.kill_reset("benchmark", accept_unknown=True)
        bench.stop()
        received = json.loads((directory / "received.json").read_text())
    finally:
        bench.close()
    return {"received": figures(received[-rounds:]), "sent": figures(sent)}


def measure_guard(rounds: int, directory: Path) -> dict[str, float]:
    """From SIGSTOP until the venue has nothing open."""
    return figures([_guarded(directory / f"guard-{number}") for number in range(rounds)])


def _guarded(directory: Path) -> int:
    directory.mkdir()
    bench = Bench(directory, "load", guard=True)
    try:
        wait_until(lambda: len(bench.venue.look("open")) > 2)
        bench.node.signal(signal.SIGSTOP)
        began_ns = time.monotonic_ns()
        wait_until(lambda: not bench.venue.look("open"))
        took_ns = time.monotonic_ns() - began_ns
        assert bench.node.ended(LIMIT_S), "the guard did not end the node"
        return took_ns
    finally:
        bench.close()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=1_000)
    parser.add_argument("--guard-rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="livestack-bench-") as name:
        for condition in RATES:
            result[condition] = measure(condition, options.rounds, Path(name) / condition)
        if options.guard_rounds:
            result["guard"] = measure_guard(options.guard_rounds, Path(name))
    received = {name: one["received"]["p99_us"] for name, one in result.items() if name != "guard"}  # type: ignore[index]
    goals = {"idle": 1_000.0, "load": 1_000.0, "stuck": 5_000.0}
    result["goals_us"] = goals | {"guard": 1_000_000.0}
    result["met"] = {name: received[name] <= goals[name] for name in received}
    print(json.dumps(result) if options.json else _table(result))
    return 0


def _table(result: dict[str, object]) -> str:
    rows = [
        f"{'':10}{'received -> closed':>28}{'sent -> closed':>28}",
        f"{'us':10}" + f"{'p50':>14}{'p99':>14}" * 2,
    ]
    for name in RATES:
        one: dict[str, dict[str, float]] = result[name]  # type: ignore[assignment]
        cells = [one[row][share] for row in ("received", "sent") for share in ("p50_us", "p99_us")]
        rows.append(f"{name:10}" + "".join(f"{cell:14,.1f}" for cell in cells))
    if "guard" in result:
        guard: dict[str, float] = result["guard"]  # type: ignore[assignment]
        rows.append(
            f"guard: SIGSTOP to nothing open, ms: p50 {guard['p50_us'] / 1e3:,.0f}, p99 {guard['p99_us'] / 1e3:,.0f}"
        )
    rows.append(f"goals (p99, us, from received): {result['goals_us']}; met: {result['met']}")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
