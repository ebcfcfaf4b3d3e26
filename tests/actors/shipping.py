"""Journals full of records, and shippers to a sink in memory."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

from livestack.actors.shipment import ROWS_MAX, Did, Shipment
from livestack.actors.shipment_fold import begin_fold
from livestack.actors.shipment_sink import SinkConnection
from livestack.core.events import CheckpointRequested, Recorded, SessionStopped, SessionStopping
from livestack.core.runtime import SEMANTICS_VERSION, CoreRuntime
from livestack.core.types import Origin
from livestack.journal.format import SegmentHeader
from livestack.journal.snapshots import SNAPSHOT_VERSION, Snapshot, write_snapshot
from livestack.journal.writer import JournalWriter
from livestack.storage.tables import TABLE_OF
from livestack.transports.backoff import Backoff
from tests.actors.fakes import FakeClock
from tests.core import streams
from tests.storage.fake_sink import FakeSink, Store
from tests.support import ROOT

SECOND_NS = 1_000_000_000
NAME = "store"


class Session(NamedTuple):
    """A stream and the snapshots that were taken of it, by position; ``steps`` are the ends of whole steps."""

    records: list[Recorded]
    steps: list[int]
    snapshots: dict[int, tuple[str, bytes]]


@cache
def session(seed: int = 1, length: int = 60, stops: bool = True) -> Session:
    """Orders of all fates, answered by a venue of many moods."""
    fed = streams.stream(seed, length)
    runtime = CoreRuntime(streams.rules(), streams.Counting(None))
    records: list[Recorded] = []
    steps: list[int] = []
    snapshots: dict[int, tuple[str, bytes]] = {}
    ts = fed[-1][0]
    closing = [
        CheckpointRequested(by="test"),
        SessionStopping(by="test", reason=""),
        SessionStopped(reason=""),
    ]
    for at, event in [*fed, *((ts, event) for event in (closing if stops else ()))]:
        seq = len(records) + 1
        derived = runtime.step(seq, at, event).derived
        records.append(Recorded(seq, at, Origin.INPUT, event))
        records += [Recorded(place, at, Origin.DERIVED, one) for place, one in enumerate(derived, seq + 1)]
        steps.append(len(records))
        if len(steps) % 20 == 0:
            snapshots[len(records)] = (runtime.state.digest(), runtime.state.snapshot())
    return Session(records, steps, snapshots)


def header(name: str = "s", durability: str = "full") -> SegmentHeader:
    return SegmentHeader.of_session(
        session=name,
        node="n1",
        strategy_path="tests.core.streams:Counting",
        strategy_source="",
        configuration=streams.rules(),
        semantics_version=SEMANTICS_VERSION,
        package_version="0",
        durability=durability,
    )


def keep_snapshots(directory: Path, whole: Session, name: str = "s") -> None:
    """Those of the session, beside its journal."""
    for seq, (digest, state) in whole.snapshots.items():
        write_snapshot(
            directory / "sessions",
            Snapshot(
                version=SNAPSHOT_VERSION,
                session=name,
                seq=seq,
                ts=whole.records[seq - 1].ts,
                semantics_version=SEMANTICS_VERSION,
                strategy_digest=header(name).strategy_digest,
                digest=digest,
                state=state,
            ),
        )


class Growing:
    """A journal below ``directory`` that a test writes, some steps in each commit."""

    def __init__(
        self, directory: Path, whole: Session | None = None, name: str = "s", durability: str = "full"
    ) -> None:
        self.whole = whole if whole is not None else session()
        self.writer = JournalWriter.create(directory / "sessions", header(name, durability), "relaxed")
        self._steps = 0

    @property
    def left(self) -> int:
        """Steps that are not written yet."""
        return len(self.whole.steps) - self._steps

    def commit(self, steps: int = 1) -> int:
        """So many more steps in one commit; the last position."""
        last = min(self._steps + steps, len(self.whole.steps))
        if last > self._steps:
            begin = self.whole.steps[self._steps - 1] if self._steps else 0
            self.writer.commit(self.whole.records[begin : self.whole.steps[last - 1]])
            self._steps = last
        return self.writer.last_seq

    def close(self) -> None:
        """All that is left, some steps a commit; then the session is over."""
        while self.left:
            self.commit(12)
        self.writer.close()


class Writing:
    """The writer of a :class:`Growing` in a process of its own: a journal may be open once in a process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from tests.actors.shipping import write; write()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def begin(
        self,
        directory: Path,
        kind: tuple[int, int, bool] = (1, 60, True),
        name: str = "s",
        durability: str = "full",
    ) -> Writing:
        """A new journal; what was written before must be closed. ``kind``: what :func:`session` is called with."""
        self.whole = session(*kind)
        self._ask("begin", str(directory), list(kind), name, durability)
        return self

    def commit(self, steps: int = 1) -> int:
        return self._ask("commit", steps)

    def rotate(self) -> int:
        return self._ask("rotate")

    def close(self) -> int:
        return self._ask("close")

    def end(self) -> None:
        self._process.communicate()

    def _ask(self, *words: object) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        self.last_seq, self.left = json.loads(self._process.stdout.readline())
        return self.last_seq


def write() -> None:
    """What the other process does."""
    growing: Growing | None = None
    for line in sys.stdin:
        what, *values = json.loads(line)
        if what == "begin":
            directory, kind, name, durability = values
            growing = Growing(Path(directory), session(*kind), name, durability)
        assert growing is not None
        match what:
            case "commit":
                growing.commit(*values)
            case "rotate":
                growing.writer.rotate()
            case "close":
                growing.close()
        print(json.dumps([growing.writer.last_seq, growing.left]), flush=True)


def stored(directory: Path, whole: Session | None = None, name: str = "s") -> Session:
    """A whole journal on disk, in three segments."""
    growing = Growing(directory, whole, name)
    third = len(growing.whole.steps) // 3
    for _ in range(2):
        for _ in range(third // 3):
            growing.commit(3)
        growing.writer.rotate()
    growing.close()
    return growing.whole


def expected(
    directory: Path, whole: Session, name: str = "s", upto: int = 1 << 62
) -> dict[str, dict[tuple[int, int], bytes]]:
    """What a sink is to have of the session, from one fold over all of it."""
    _, take = begin_fold(directory / "nothing", header(name), 0)
    found: dict[str, dict[tuple[int, int], bytes]] = {}
    for recorded in whole.records:
        for record in take(recorded) if recorded.seq <= upto else ():
            trace = record.trace  # type: ignore[attr-defined]
            found.setdefault(TABLE_OF[type(record)], {})[trace.seq, trace.ordinal] = (
                record.SerializeToString()
            )
    return found


class Shipper:
    """One process's shipment of session ``name`` into ``store``, on a clock that a test moves."""

    def __init__(
        self,
        directory: Path,
        store: Store,
        clock: FakeClock | None = None,
        *,
        live: bool = False,
        name: str = "s",
        rows_max: int = ROWS_MAX,
        delays_ns: dict[str, int] | None = None,
    ) -> None:
        self.clock = clock or FakeClock()
        self.sink = FakeSink(store, delays_ns, slow=lambda: self.wait(20 * SECOND_NS))
        self.connection = SinkConnection(self.sink, self.clock, Backoff(random.Random(1)))
        self.shipment = Shipment(
            directory / "sessions", name, self.connection, NAME, self.clock, live=live, rows_max=rows_max
        )
        if not live:
            self.shipment.finish()

    def wait(self, ns: int) -> None:
        self.clock.time_ns += ns

    def run(self, steps: int = 10_000) -> Did:
        """Step after step until nothing can be done at once."""
        for _ in range(steps):
            did = self.shipment.advance()
            if did in (Did.OVER, Did.DAMAGED):
                self.shipment.close()  # a journal may be open once in a process
            if did is not Did.MORE:
                return did
        raise AssertionError("it does not come to an end")

    def until_over(self) -> Did:
        """To the end, with as much time as it takes."""
        for _ in range(1_000):
            did = self.run()
            if did is not Did.WAITS:
                return did
            self.wait(max(self.shipment.wakes_ns - self.clock.time_ns, 1))
        raise AssertionError("it waits for ever")

    def close(self) -> None:
        self.shipment.close()
        self.connection.close()
