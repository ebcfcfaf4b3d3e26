"""Does a flood on the control surface disturb trading? Tick to order beside a quiet and a flooded one, in turns.

    python benchmarks/control_load.py [--rounds 2000] [--turns 2] [--json]

The flood is a process of its own: 1 000 requests a second from a listed key over TCP with CURVE (the limit is 50 a
second), and beside them an unlisted key that tries to come in again and again, and bytes that are no ZeroMQ at all. The
goal: p99 at most 1.5 times the quiet one. Node, venue and flood share the machine's processors: "flood elsewhere" is
the same flood on another node beside the measured one, so it shows what the processors alone make of it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import zmq

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.tick_to_order import CONFIGURATION, measure  # noqa: E402
from livestack.control.commands import Role  # noqa: E402
from livestack.control.keys import load_client_keys, new_client  # noqa: E402
from livestack.wire import control_pb2  # noqa: E402

REQUESTS_PER_S = 1_000
BURSTS_PER_S = 100
GARBAGE_PER_S = 20
"""Connections of an unlisted key, and as many of something that speaks no ZeroMQ."""

GOAL = 1.5
CONTROL = '[control]\nlisten = "{0}"\nlisten_kill = "{1}"\nlisten_publish = "{2}"\n'


class Flood:
    """Sends until SIGTERM; then prints what became of it as one JSON object."""

    def __init__(self, address: str, key_file: Path) -> None:
        self._address = address
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        public, secret, self._server = load_client_keys(key_file)
        self._listed = self._connect(public, secret)
        self._strangers: list[zmq.Socket[bytes]] = []
        self._told: Counter[str] = Counter()
        self._over = False

    def _connect(self, public: bytes, secret: bytes) -> zmq.Socket[bytes]:
        made = self._context.socket(zmq.DEALER)
        made.linger = 0
        made.curve_publickey, made.curve_secretkey, made.curve_serverkey = public, secret, self._server
        made.connect(self._address)
        return made

    def run(self) -> Counter[str]:
        signal.signal(signal.SIGTERM, self._end)
        due, burst = time.monotonic(), 0
        while not self._over:
            for number in range(REQUESTS_PER_S // BURSTS_PER_S):
                self._ask(f"flood-{burst}-{number}")
            if burst % (BURSTS_PER_S // GARBAGE_PER_S) == 0:
                self._intrude()
            self._hear()
            burst += 1
            due = max(due + 1 / BURSTS_PER_S, time.monotonic() - 1)
            time.sleep(max(due - time.monotonic(), 0))
        return self._told

    def _end(self, _number: int, _frame: object) -> None:
        self._over = True

    def _ask(self, request_id: str) -> None:
        request = control_pb2.Request(protocol=1, request_id=request_id, issued_at_ns=time.time_ns())
        request.status.SetInParent()
        try:
            self._listed.send(request.SerializeToString(), zmq.NOBLOCK)
        except zmq.Again:
            self._told["not sent"] += 1

    def _intrude(self) -> None:
        """Somebody with a key that is not on the list, and somebody who does not speak the language."""
        self._strangers.append(self._connect(*zmq.curve_keypair()))
        if len(self._strangers) > GARBAGE_PER_S:
            self._strangers.pop(0).close(0)
        place = urlsplit(self._address)
        try:
            with socket.create_connection((place.hostname or "", place.port or 0), timeout=1) as raw:
                raw.sendall(os.urandom(1_000))
            self._told["garbage"] += 1
        except OSError:
            self._told["garbage refused"] += 1

    def _hear(self) -> None:
        while self._listed.poll(0):
            reply = control_pb2.Reply.FromString(self._listed.recv())
            self._told[control_pb2.ErrorCode.Name(reply.code).lower()] += 1


@contextmanager
def flooded(address: str, key_file: Path, told: Counter[str]) -> Iterator[None]:
    """Beside the block; what the node answered is added to ``told``."""
    command = [sys.executable, "-m", "benchmarks.control_load", "--flood", address, str(key_file)]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE
    ) as flood:
        try:
            yield
        finally:
            flood.terminate()
            output, _ = flood.communicate()
    told.update(json.loads(output))


def free_addresses(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"tcp://127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


class Place(NamedTuple):
    """A node that is to run: its start command, where it listens, and an operator's key."""

    command: list[str]
    address: str
    key_file: Path


def prepare(directory: Path) -> Place:
    """A configuration with the control surface on TCP, and a data directory with keys."""
    name = f"node-{len(list(directory.glob('*.toml')))}"
    addresses = free_addresses(3)
    strategy = (ROOT / "benchmarks" / "tick_to_order.toml").read_text()
    text = CONFIGURATION.format(durability="full", follower="false", records="false", configuration=strategy)
    path = directory / f"{name}.toml"
    path.write_text(CONTROL.format(*addresses) + text)
    _, key_file = new_client(directory / name / "keys", "operator", Role.OPERATOR)
    command = [
        sys.executable,
        "-m",
        "livestack",
        "start",
        "-c",
        str(path),
        "--data-dir",
        str(directory / name),
    ]
    return Place(command, addresses[0], key_file)


@contextmanager
def standing_by(place: Place, directory: Path) -> Iterator[None]:
    """A node that does nothing but answer."""
    nowhere = {
        "VENUE_REST": "http://127.0.0.1:9",
        "VENUE_STREAM": "ws://127.0.0.1:9",
        "VENUE_WS_API": "ws://127.0.0.1:9",
        "VENUE_KEY": "k",
        "VENUE_SECRET": "s",
    }
    with subprocess.Popen(
        [*place.command, "--standby"],
        cwd=directory,
        env={**os.environ, **nowhere, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    ) as node:
        try:
            yield
        finally:
            node.terminate()


def measure_all(directory: Path, rounds: int, told: Counter[str]) -> dict[str, dict[str, float]]:
    """One turn of each kind."""
    kinds = {"quiet": measure(prepare(directory).command, rounds, directory)}
    other = prepare(directory)
    with standing_by(other, directory), flooded(other.address, other.key_file, Counter()):
        kinds["flood elsewhere"] = measure(prepare(directory).command, rounds, directory)
    node = prepare(directory)
    with flooded(node.address, node.key_file, told):
        kinds["flooded"] = measure(node.command, rounds, directory)
    return kinds


def run(rounds: int, turns: int) -> dict[str, Any]:
    """Every kind in turns; the medians of each, and the ratios to the quiet one."""
    told: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        measured = [measure_all(Path(name), rounds, told) for _ in range(turns)]
    results: dict[str, Any] = {"goal": GOAL, "answers": dict(told), "turns": measured}
    for kind in measured[0]:
        table = results[kind] = {
            key: round(median(turn[kind][key] for turn in measured), 1) for key in measured[0][kind]
        }
        for share in ("p50", "p99"):
            table[f"ratio_{share}"] = round(table[f"{share}_us"] / results["quiet"][f"{share}_us"], 2)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--flood", nargs=2, metavar=("ADDRESS", "KEY_FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.flood:
        print(json.dumps(Flood(options.flood[0], Path(options.flood[1])).run()))
        return
    results = run(options.rounds, options.turns)
    out = sys.stderr if options.json else sys.stdout
    print(f"{'control surface':<18}{'p50 us':>9}{'p90 us':>9}{'p99 us':>9}   over the quiet one", file=out)
    for kind in ("quiet", "flood elsewhere", "flooded"):
        row = results[kind]
        figures = "".join(f"{row[f'{share}_us']:>9.1f}" for share in ("p50", "p90", "p99"))
        print(f"{kind:<18}{figures}   p50 {row['ratio_p50']} x   p99 {row['ratio_p99']} x", file=out)
    alone = results["flooded"]["p99_us"] / results["flood elsewhere"]["p99_us"]
    print(f"goal: p99 {GOAL} x; over a flood elsewhere it is {alone:.2f} x", file=out)
    print(f"the node's answers: {results['answers']}", file=out)
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
