"""The workloads of core_throughput.py, each in a process of its own: runs one, prints its figures as one JSON line.

    python -m benchmarks.core_workloads orders --events 1000000 --every 100

Everything is made beforehand and out of the collector's sight; only the loop is timed. Imports the Core, its journal's
record format, and nothing of the host.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from benchmarks.core_session import INSTRUMENT, Idle, Session, Taker, quote_ticks
from benchmarks.market_data import INTERVAL_NS, MIDDLE, ORDER_QTY, START_NS, Depth
from livestack.core import events
from livestack.core.types import OrderRequest, Origin, Side
from livestack.journal.format import decode_record, encode_record

Figures = dict[str, Any]
LEVELS = 1_000
CHANGED = 10
SLICES = 10
WARM_UP = 20_000
"""Quotes before ``flatness`` counts: enough orders for State to hold all the closed ones that it keeps."""


def timed(run: Callable[[], None]) -> float:
    """CPU seconds of ``run``, with what was made before it frozen."""
    gc.collect()
    gc.freeze()
    begun = time.process_time()
    run()
    return time.process_time() - begun


def quotes(options: argparse.Namespace) -> Figures:
    """A strategy that is asked on every quote and wants nothing."""
    session, market = Session(Idle(None)), quote_ticks(options.events)
    seconds = timed(lambda: session.drive(market))
    session.check(0)
    return {"per_second": options.events / seconds}


def orders(options: argparse.Namespace) -> Figures:
    """One order per ``every`` quotes, beside ``resting`` ones. Quotes per second, with the venue's answers counted."""
    session = Session(Taker(options.every, options.resting, bool(options.hold)))
    session.drive(quote_ticks(options.resting))
    market = quote_ticks(options.events, options.resting + 1)
    seconds = timed(lambda: session.drive(market))
    session.check(options.events // options.every, options.resting)
    return {"per_second": options.events / seconds, "orders": options.events // options.every}


def trades(options: argparse.Namespace) -> Figures:
    session = Session(Idle(None))
    session.drive(quote_ticks(1))
    market = [
        events.TradeTick(
            recv_ns=START_NS + number * INTERVAL_NS,
            instrument=INSTRUMENT,
            event_ns=0,
            trade_id=number,
            price=MIDDLE + number % 1_000,
            qty=ORDER_QTY + number,
            aggressor=Side.BUY if number % 2 else Side.SELL,
        )
        for number in range(1, options.events + 1)
    ]
    seconds = timed(lambda: session.drive(market))
    session.check(0)
    return {"per_second": options.events / seconds}


def depth(options: argparse.Namespace) -> Figures:
    """Diffs of 10 levels on a book of 1 000 a side; the strategy is asked about each one."""
    session, market = Session(Idle(None)), depth_diffs(LEVELS, options.events)
    session.drive([next(market)])
    diffs = list(market)
    seconds = timed(lambda: session.drive(diffs))
    assert session.runtime.state.market.instruments[INSTRUMENT].book.valid
    return {"per_second": options.events / seconds}


def depth_diffs(levels: int, count: int) -> Iterator[events.BookSnapshot | events.BookDelta]:
    """A snapshot and ``count`` diffs that continue it."""
    book = Depth(levels)
    bids, asks = book.snapshot()
    yield events.BookSnapshot(
        recv_ns=START_NS, instrument=INSTRUMENT, event_ns=0, last_update_id=1, bids=bids, asks=asks
    )
    for number in range(2, count + 2):
        bids, asks = book.changes(CHANGED)
        yield events.BookDelta(
            recv_ns=START_NS + number * INTERVAL_NS,
            instrument=INSTRUMENT,
            event_ns=0,
            first_update_id=number,
            last_update_id=number,
            bids=bids,
            asks=asks,
        )


def decode(options: argparse.Namespace) -> Figures:
    """The baseline: quotes from their journal frames, checksum included, and nothing else."""
    frames = _frames(quote_ticks(options.events))

    def run() -> None:
        for seq, frame in enumerate(frames, 1):
            decode_record(seq, frame, "")

    return {"per_second": options.events / timed(run)}


def decode_depth(options: argparse.Namespace) -> Figures:
    """The same for diffs of 10 levels."""
    frames = _frames(list(depth_diffs(LEVELS, options.events))[1:])

    def run() -> None:
        for seq, frame in enumerate(frames, 1):
            decode_record(seq, frame, "")

    return {"per_second": options.events / timed(run)}


def _frames(market: list[Any]) -> list[bytes]:
    return [
        encode_record(events.Recorded(seq, one.recv_ns, Origin.INPUT, one))
        for seq, one in enumerate(market, 1)
    ]


def flatness(options: argparse.Namespace) -> Figures:
    """Quotes per second in each tenth of a run, one order per ``every`` quotes, after a warm-up."""
    warm_up = min(WARM_UP, options.events)
    session = Session(Taker(options.every))
    session.drive(quote_ticks(warm_up))
    market = quote_ticks(options.events, warm_up + 1)
    size = options.events // SLICES
    slices = [market[first : first + size] for first in range(0, size * SLICES, size)]
    seconds = []
    gc.collect()
    gc.freeze()
    for part in slices:
        begun = time.process_time()
        session.drive(part)
        seconds.append(time.process_time() - begun)
    session.check(warm_up // options.every + size * SLICES // options.every)
    return {
        "per_second": size * SLICES / sum(seconds),
        "first": size / seconds[0],
        "last": size / seconds[-1],
        "ratio": seconds[0] / seconds[-1],
    }


def cycle(options: argparse.Namespace) -> Figures:
    """Microseconds (median) of each Event of an order's life: decision and dispatch, acceptance, fill.

    Ten orders a second; the quotes between them are left out.
    """
    session = Session(Taker(1, options.resting))
    session.drive(quote_ticks(options.resting))
    spent: dict[str, list[int]] = {"decide": [], "accept": [], "fill": []}
    market = quote_ticks(options.events * 100, options.resting + 1)[::100]
    gc.collect()
    gc.freeze()
    for quote in market:
        session.ts = quote.recv_ns
        begun = time.perf_counter_ns()
        step = session.feed(quote)
        spent["decide"].append(time.perf_counter_ns() - begun)
        for name, event in _answers(session, step.dispatches[0]):
            begun = time.perf_counter_ns()
            session.feed(event)
            spent[name].append(time.perf_counter_ns() - begun)
    session.check(options.events, options.resting)
    return {f"{name}_us": statistics.median(times) / 1000 for name, times in spent.items()}


def _answers(session: Session, request: OrderRequest) -> Iterator[tuple[str, events.InputEvent]]:
    yield "accept", session.accepted(request)
    yield "fill", session.fill(request)


def level_size(options: argparse.Namespace) -> Figures:
    """Bytes that State keeps for one level of a book of ``levels`` a side: fresh, and after many diffs."""
    encoder, decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(events.Event)
    packed = [encoder.encode(one) for one in depth_diffs(options.levels, options.events)]

    def size(count: int) -> float:
        session = Session(Idle(None))
        kept = retained(lambda: session.drive(decoder.decode(one) for one in packed[:count]))
        book = session.runtime.state.market.instruments[INSTRUMENT].book
        return kept / sum(1 for side in Side for _ in book.levels(side))

    return {"fresh": size(1), "changed": size(len(packed))}


def order_size(options: argparse.Namespace) -> Figures:
    """Bytes that State keeps for each of so many open orders that the venue has accepted."""
    encoder, decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(events.Event)
    count = options.events
    packed = [encoder.encode(one) for one in quote_ticks(2 * count)]
    session = Session(Taker(10**9, 2 * count))

    def place(first: int) -> None:
        for one in packed[first : first + count]:
            session.drive((decoder.decode(one),))

    place(0)  # what the first orders bring along once (rate windows, ids not used yet) is there now
    size = retained(lambda: place(count))
    session.check(0, 2 * count)
    return {"bytes": size / count}


def retained(run: Callable[[], None]) -> int:
    """Bytes that ``run`` leaves behind. Events are made inside it, so that what State keeps of them is counted."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    run()
    gc.collect()
    size = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return size


WORKLOADS: dict[str, Callable[[argparse.Namespace], Figures]] = {
    "quotes": quotes,
    "orders": orders,
    "trades": trades,
    "depth": depth,
    "decode": decode,
    "decode_depth": decode_depth,
    "flatness": flatness,
    "cycle": cycle,
    "level_size": level_size,
    "order_size": order_size,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--resting", type=int, default=0)
    parser.add_argument("--hold", type=int, default=0, help="1: never flat again after the first order")
    parser.add_argument("--levels", type=int, default=LEVELS)
    options = parser.parse_args()
    print(json.dumps(WORKLOADS[options.workload](options)))


if __name__ == "__main__":
    main()
