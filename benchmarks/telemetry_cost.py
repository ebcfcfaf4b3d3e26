"""What telemetry costs: the Core's step and every Event, and an order's way, whatever becomes of the StatsD host.

    python benchmarks/telemetry_cost.py [--only steps|orders] [--events 200000] [--rounds 500] [--turns 3] [--json]

*steps*: the quotes and orders of core_throughput.py through the real harness, without a thread or a journal, measured
and not measured side by side: they take turns at every thousand Events, each with the same ones, and the median of
the differences counts. The figure is processor time of the thread. What is measured at the feed and at the recorder
is timed alone; ``event_ns`` is all of it for an Event that came, was stepped and was committed by itself.

*orders*: tick-to-order (see tick_to_order.py) of a whole node that sends its metrics to nobody (``none``), and to
hosts that read, cannot be resolved, lead nowhere, refuse, or flood it back; ``off`` measures nothing. ``elsewhere``
is ``none`` beside a process that floods somebody else: what is above it is the flood's work on the node, what is below
is its work on the machine. All in turns; the medians over the turns count, and the ratio is that to ``none``.
"""

from __future__ import annotations

import argparse
import gc
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, TextIO

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import tick_to_order  # noqa: E402
from benchmarks.core_session import INSTRUMENT, Session, Taker, quote_ticks  # noqa: E402
from livestack.actors.feed_measures import FeedMeasures  # noqa: E402
from livestack.actors.harness import HarnessActor  # noqa: E402
from livestack.actors.mailbox import HarnessMailbox, Mailbox  # noqa: E402
from livestack.actors.measures import Measures  # noqa: E402
from livestack.actors.progress import Progress  # noqa: E402
from livestack.actors.recorder_measures import RecorderMeasures  # noqa: E402
from livestack.core.events import InputEvent, IntentDispatched, QuoteTick, Recorded  # noqa: E402
from livestack.telemetry.instruments import Registry  # noqa: E402
from livestack.transports.clock import SystemClock  # noqa: E402

EVERY = 200
"""Quotes per order: as fast as it goes that is less than the Core would let a strategy order."""

BLOCK = 1_000
"""Events after which the other side has its turn."""

BATCHES = (1, 10, 100)
"""Events that a harness takes at once: as in a quiet market, in a busy one, and in a flood."""

PEERS = ("none", "off", "reading", "unresolvable", "black_hole", "refusing", "flooding", "elsewhere")


# -- steps ---------------------------------------------------------------------------------------------------------


class NoTimers:
    def at(self, deadline_ns: int, callback: Callable[[], None]) -> Callable[[], None]:
        """Nothing is ever due."""
        return lambda: None


class Side:
    """A harness with a running session behind it; its venue fills every order at once."""

    def __init__(self, is_measured: bool) -> None:
        self.session = Session(Taker(EVERY))
        self.clock = SystemClock()
        self.recorder = Mailbox()
        self.block_ns: list[float] = []
        self.steps_ns: list[int] = []
        self.harness = HarnessActor(
            mailbox=HarnessMailbox(),
            supervisor=Mailbox(),
            runtime=self.session.runtime,
            recorder=self.recorder,
            connectors={},
            clock=self.clock,
            timers=NoTimers(),
            control=Mailbox(),
            progress=Progress(self.session.seq - 1),
            uncommitted_max=sys.maxsize,
            measures=Measures(Registry(), self.clock) if is_measured else None,
        )

    def run(self, market: Sequence[QuoteTick], size: int) -> None:
        """One block, and the venue's answers."""
        spent_ns, count = 0, 0
        for first in range(0, len(market), size):
            now_ns = self.clock.now_ns()
            batch: list[InputEvent] = [
                msgspec.structs.replace(quote, recv_ns=now_ns) for quote in market[first : first + size]
            ]
            while batch:
                begun_ns = time.thread_time_ns()
                self.harness.on_batch(batch)
                spent_ns += time.thread_time_ns() - begun_ns
                count += len(batch)
                batch = self._answers(self._recorded())
        self.block_ns.append(spent_ns / count)

    def _recorded(self) -> list[Recorded]:
        taken: list[Recorded] = []
        while (envelope := self.recorder.take()) is not None:
            taken += [record for batch in envelope.message for record in batch.records]
        self.steps_ns += [after.ts - one.ts for one, after in pairwise(taken) if after.ts != one.ts]
        return taken

    def _answers(self, records: list[Recorded]) -> list[InputEvent]:
        self.session.ts = self.clock.now_ns()
        answers: list[InputEvent] = []
        for record in records:
            if type(record.event) is IntentDispatched:
                request = record.event.request
                answers += [self.session.accepted(request), self.session.fill(request)]
        return answers


def steps(events: int) -> dict[str, Any]:
    result: dict[str, Any] = {"batches": {str(size): compared(events, size) for size in BATCHES}}
    result["frame_ns"], result["commit_ns"] = frame_ns(events), commit_ns(events)
    result["event_ns"] = round(
        result["batches"]["1"]["more_ns"] + result["frame_ns"] + result["commit_ns"],
    )
    return result


def compared(events: int, size: int) -> dict[str, Any]:
    """Both sides with batches of ``size``, in turns."""
    off, on = Side(False), Side(True)
    market = quote_ticks(events)
    gc.collect()
    gc.freeze()
    for turn, first in enumerate(range(0, events, BLOCK)):
        for side in (off, on) if turn % 2 else (on, off):
            side.run(market[first : first + BLOCK], size)
    gc.unfreeze()
    for side in (off, on):
        side.session.check(events // EVERY)
    off_ns, more_ns = (
        statistics.median(off.block_ns),
        statistics.median(b - a for a, b in zip(off.block_ns, on.block_ns, strict=True)),
    )
    result: dict[str, Any] = {"off_ns": round(off_ns), "more_ns": round(more_ns)}
    if size > 1:  # between batches of one Event the host's loop would be measured
        p50_off, p50_on = statistics.median(off.steps_ns), statistics.median(on.steps_ns)
        result |= {"step_p50_ns": p50_off, "step_p50_more_percent": round(100 * (p50_on / p50_off - 1), 1)}
    return result


def frame_ns(count: int) -> int:
    """What is measured at a feed for a frame with one Event."""
    clock = SystemClock()
    measures = FeedMeasures(Measures(Registry(), clock), INSTRUMENT.partition(":")[0])
    events = list(quote_ticks(1))

    def frames(many: int) -> None:
        for number in range(many):
            if number % 100 == 0:  # or they would be late ones before long
                now_ns = clock.now_ns()
            measures.frame(150)
            measures.delivering(events, now_ns)

    return alone_ns(frames, count)


def commit_ns(count: int) -> int:
    """What is measured at the recorder for a commit, its two looks at the clock among it."""
    clock = SystemClock()
    measures = RecorderMeasures(Measures(Registry(), clock), Progress())

    def commits(many: int) -> None:
        for _ in range(many):
            begun_ns = clock.now_ns()
            measures.committed(clock.now_ns() - begun_ns, 1, 150)

    return alone_ns(commits, count)


def alone_ns(run: Callable[[int], None], count: int) -> int:
    """Processor time of one round of ``run``: the median of ten goes."""
    goes, many = [], max(count // 10, 1)
    for _ in range(10):
        begun_ns = time.thread_time_ns()
        run(many)
        goes.append((time.thread_time_ns() - begun_ns) / many)
    return round(statistics.median(goes))


# -- orders --------------------------------------------------------------------------------------------------------


def orders(peers: Sequence[str], rounds: int, turns: int) -> dict[str, Any]:
    runs: dict[str, list[dict[str, float]]] = {peer: [] for peer in peers}
    with tempfile.TemporaryDirectory() as name:
        for turn in range(turns):
            for peer in peers if turn % 2 else reversed(peers):
                directory = Path(name) / f"{peer}-{turn}"
                directory.mkdir()
                with telemetry_of(peer) as table:
                    runs[peer].append(
                        tick_to_order.measure_node(directory, "full", False, rounds, more=table)
                    )
    result: dict[str, Any] = {
        peer: {key: round(statistics.median(one[key] for one in found), 1) for key in found[0]}
        for peer, found in runs.items()
    }
    if "none" in result:
        base = result["none"].copy()
        for figures in result.values():
            figures |= {
                f"ratio_{share}": round(figures[f"{share}_us"] / base[f"{share}_us"], 3) for share in SHARES
            }
    for peer, found in runs.items():
        result[peer]["runs_p99_us"] = [one["p99_us"] for one in found]
    return result


SHARES = ("p50", "p99")


@contextmanager
def telemetry_of(peer: str) -> Iterator[str]:
    """The node's table for one kind of host, which is there meanwhile."""
    if peer == "none":
        yield ""
    elif peer == "off":
        yield "[telemetry]\nenabled = false\n"
    elif peer == "unresolvable":
        yield statsd("statsd.invalid:8125")
    elif peer == "black_hole":
        yield statsd("192.0.2.1:8125")  # an address that is nobody's (RFC 5737)
    elif peer == "refusing":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
        yield statsd(f"127.0.0.1:{port}")
    else:
        command = [sys.executable, "-m", "benchmarks.statsd_peer", peer]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                place = f"127.0.0.1:{int(process.stdout.readline())}"
                yield "" if peer == "elsewhere" else statsd(place)
            finally:
                process.terminate()


def statsd(place: str) -> str:
    return f'[telemetry]\nstatsd = "{place}"\n'


# -- tables --------------------------------------------------------------------------------------------------------


def show(results: dict[str, Any], out: TextIO) -> None:
    if found := results.get("steps"):
        print(f"{'Events at once':<16}{'ns/Event':>10}{'more':>7}{'step p50 ns':>13}{'more %':>8}", file=out)
        for size, one in found["batches"].items():
            p50, more = one.get("step_p50_ns", ""), one.get("step_p50_more_percent", "")
            print(f"{size:<16}{one['off_ns']:>10}{one['more_ns']:>7}{p50:>13}{more:>8}", file=out)
        print(
            f"a frame {found['frame_ns']} ns, a commit {found['commit_ns']} ns, "
            f"an Event all by itself {found['event_ns']} ns",
            file=out,
        )
    if found := results.get("orders"):
        print(f"\n{'StatsD host':<16}{'p50 us':>9}{'p90 us':>9}{'p99 us':>9}   to none", file=out)
        for peer, one in found.items():
            ratio = f"p50 {one['ratio_p50']} x   p99 {one['ratio_p99']} x" if "ratio_p50" in one else ""
            print(
                f"{peer:<16}{one['p50_us']:>9}{one['p90_us']:>9}{one['p99_us']:>9}   {ratio}",
                file=out,
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS)
    parser.add_argument("--only", choices=["steps", "orders"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    questions: dict[str, Callable[[], dict[str, Any]]] = {
        "steps": lambda: steps(options.events),
        "orders": lambda: orders(tuple(options.peers), options.rounds, options.turns),
    }
    results = {name: measure() for name, measure in questions.items() if options.only in (None, name)}
    show(results, sys.stderr if options.json else sys.stdout)
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
