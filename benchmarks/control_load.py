"""Does a flood on the control surface disturb trading? Tick to order beside a quiet and a flooded one, in turns.

    python benchmarks/control_load.py [--rounds 2000] [--turns 2] [--json]

The flood is a process of its own: 1 000 requests a second from a listed key over TCP with CURVE (the node's limit is 50 a
second), and beside them an unlisted key that tries to come in again and again, and bytes that are no ZeroMQ at all. The
goal: p99 at most 1.5 times the quiet one. Node, venue and flood share the machine's processors, and so does the figure.
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
from typing import Any
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


def measure_node(directory: Path, rounds: int, told: Counter[str] | None) -> dict[str, float]:
    """A node with its control surface on TCP; ``told``: beside a flood."""
    name = f"node-{len(list(directory.iterdir()))}"
    addresses = free_addresses(3)
    strategy = (ROOT / "benchmarks" / "tick_to_order.toml").read_text()
    text = CONFIGURATION.format(durability="full", follower="false", configuration=strategy)
    path = directory / f"{name}.toml"
    path.write_text(CONTROL.format(*addresses) + text)
    _, key_file = new_client(directory / name / "keys", "operator", Role.OPERATOR)
    node = [sys.executable, "-m", "livestack", "start", "-c", str(path), "--data-dir", name]
    if told is None:
        return measure(node, rounds, directory)
    with flooded(addresses[0], key_file, told):
        return measure(node, rounds, directory)


def run(rounds: int, turns: int) -> dict[str, Any]:
    """Quiet and flooded in turns; the medians of each, and their ratio."""
    quiet: list[dict[str, float]] = []
    flooded_: list[dict[str, float]] = []
    told: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        for _ in range(turns):
            quiet.append(measure_node(Path(name), rounds, None))
            flooded_.append(measure_node(Path(name), rounds, told))
    results: dict[str, Any] = {
        kind: {key: median(one[key] for one in turns_) for key in turns_[0]}
        for kind, turns_ in (("quiet", quiet), ("flooded", flooded_))
    }
    for share in ("p50", "p99"):
        key = f"{share}_us"
        results[f"ratio_{share}"] = round(results["flooded"][key] / results["quiet"][key], 2)
    return {**results, "goal": GOAL, "answers": dict(told), "turns": {"quiet": quiet, "flooded": flooded_}}


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
    print(f"{'control surface':<18}{'p50 us':>9}{'p90 us':>9}{'p99 us':>9}", file=out)
    for kind in ("quiet", "flooded"):
        row = results[kind]
        print(f"{kind:<18}{row['p50_us']:>9.1f}{row['p90_us']:>9.1f}{row['p99_us']:>9.1f}", file=out)
    print(f"p50 {results['ratio_p50']} x, p99 {results['ratio_p99']} x (goal {GOAL} x)", file=out)
    print(f"the node's answers: {results['answers']}", file=out)
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
