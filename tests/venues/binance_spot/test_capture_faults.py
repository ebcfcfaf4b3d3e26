"""The market-data adapter on real traffic that is disturbed: frames lost and repeated, connections cut at any moment.

Whenever a book says that it is LIVE it equals the bookTicker oracle; a book that lost a frame says so and comes back.
"""

from __future__ import annotations

import functools
import json
import random

import pytest

from livestack.core.events import BookDelta, QuoteTick
from livestack.core.types import Side, parse_decimal
from tests.venues.binance_spot.capture import (
    COMPARISONS,
    SYMBOLS,
    VENUE,
    Bench,
    frames,
    instruments,
    needs_capture,
    parsed,
    snapshots,
)

pytestmark = needs_capture

SEEDS = range(100)
LOST, REPEATED, CUT = 0.02, 0.03, 0.006
OUTAGE_MAX = 12
"""Frames that pass while there is no connection, at most."""

Best = tuple[int, int, int, int]
Point = tuple[str, int]
"""An instrument's name and an update id of its book."""


@functools.cache
def oracle() -> dict[Point, Best]:
    """What bookTicker says of each book at each of the 159 update ids that have both, by the undisturbed stream."""
    bench, found, seen = Bench(), dict[Point, Best](), 0
    bench.connect()
    quotes: dict[str, list[QuoteTick]] = {}
    for frame in frames():
        bench.play(frame)
        new, seen = bench.events[seen:], len(bench.events)
        for event in new:
            if isinstance(event, QuoteTick):
                quotes.setdefault(event.instrument, []).append(event)
        for event in new:
            if not isinstance(event, BookDelta):
                continue
            known = [one for one in quotes.get(event.instrument, []) if one.update_id <= event.last_update_id]
            if known:
                last = known[-1]
                best = (last.bid, last.bid_qty, last.ask, last.ask_qty)
                found[event.instrument, event.last_update_id] = best
    return found


@functools.cache
def diffs(symbol: str) -> tuple[tuple[int, int, str, str], ...]:
    """Of each diff of ``symbol``: the number of its frame, its last update id, its bids and asks as JSON."""
    found = []
    for number, frame in enumerate(frames()):
        data = parsed(frame)["data"]
        if data.get("e") == "depthUpdate" and data["s"] == symbol:
            found.append((number, data["u"], json.dumps(data["b"]), json.dumps(data["a"])))
    return tuple(found)


@functools.cache
def answers(symbol: str) -> tuple[bytes, ...]:
    """The venue's depth answers: before the first diff, after it, after the second, ..."""
    document = json.loads(snapshots()[symbol])
    last, sides = document["lastUpdateId"], [dict(map(tuple, document[side])) for side in ("bids", "asks")]
    found = [snapshots()[symbol]]
    for _, update_id, bids, asks in diffs(symbol):
        if update_id > last:
            last = update_id
            for levels, changed in zip(sides, (bids, asks), strict=True):
                for price, qty in json.loads(changed):
                    levels.pop(price, None)
                    if float(qty):
                        levels[price] = qty
        ordered = [
            sorted(levels.items(), key=lambda level: float(level[0]) * sign)
            for levels, sign in zip(sides, (-1, 1), strict=True)
        ]
        found.append(json.dumps({"lastUpdateId": last, "bids": ordered[0], "asks": ordered[1]}).encode())
    return tuple(found)


@functools.cache
def levels_at(symbol: str, update_id: int) -> list[list[tuple[int, int]]]:
    """Bids and asks of the venue's book at ``update_id``, in the instrument's scale."""
    rules = next(one for one in instruments() if one.instrument == f"{VENUE}:{symbol}")
    document = next(
        document for body in answers(symbol) if (document := json.loads(body))["lastUpdateId"] == update_id
    )
    return [
        [
            (parse_decimal(price, rules.price_decimals), parse_decimal(qty, rules.qty_decimals))
            for price, qty in document[side]
        ]
        for side in ("bids", "asks")
    ]


class Disturbed:
    """One run of the capture under a seed. ``compared`` are the points met on a LIVE book, ``resynced`` those of them
    that came behind a resynchronisation."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.bench = Bench(self._depth)
        self.played = -1
        self.compared: set[Point] = set()
        self.resynced: set[Point] = set()
        self.wrong: list[str] = []
        self.lost: set[int] = set()
        self.outage = 0
        self.link = 0

    def run(self) -> Disturbed:
        """Everything, and time at the end in which every book comes back."""
        self.bench.connect()
        for self.played, frame in enumerate(frames()):
            self._frame(frame)
            self._compare()
        if self.outage:
            self._connect()
        for _ in range(280):  # more than a minute: snapshots may have to wait for the budget's next window
            self.bench.tick()
            self._compare()
        return self

    def _frame(self, frame: bytes) -> None:
        fate = self.random.random()
        if self.outage:
            self.outage -= 1
            self.lost.add(self.played)
            if not self.outage:
                self._connect()
        elif fate < LOST:
            self.lost.add(self.played)
        elif fate < LOST + REPEATED:
            self.bench.play(frame, self.link)
            self.bench.play(frame, self.link)
        elif fate < LOST + REPEATED + CUT:
            self.bench.disconnect(self.link)
            self.lost.add(self.played)
            self.outage = self.random.randint(1, OUTAGE_MAX)
        else:
            self.bench.play(frame, self.link)
        if self.random.random() < 0.02:
            self.bench.tick()

    def _connect(self) -> None:
        self.link += 1
        self.bench.connect(self.link)

    def _compare(self) -> None:
        for symbol in SYMBOLS:
            name = f"{VENUE}:{symbol}"
            book = self.bench.books[name]
            if not self.bench.is_live(symbol):
                continue
            point = (name, book.last_update_id)
            expected = oracle().get(point)
            got = (book.best_bid, book.best_bid_qty, book.best_ask, book.best_ask_qty)
            if expected is None or point in self.compared:
                continue
            self.compared.add(point)
            if expected != got:
                self.wrong.append(f"frame {self.played}, {point}: {got}, not {expected}")
            if self.bench.fetched.count(symbol) > 1:
                self.resynced.add(point)

    def _depth(self, symbol: str) -> bytes:
        """The book as it is at the venue at this moment."""
        count = sum(number <= self.played for number, *_ in diffs(symbol))
        return answers(symbol)[count]


@functools.cache
def disturbed(seed: int) -> Disturbed:
    return Disturbed(seed).run()


def test_the_oracle_has_every_comparison() -> None:
    """159 update ids at which both a book and a bookTicker are known."""
    assert COMPARISONS == len(oracle())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_book_that_says_it_is_live_is_right(seed: int) -> None:
    """Under any disturbance: at every point that is met, and at the end every book is what the venue has."""
    run = disturbed(seed)
    assert [] == run.wrong
    assert all(run.bench.is_live(symbol) for symbol in SYMBOLS)
    for symbol in SYMBOLS:
        book = run.bench.book(symbol)
        heard = [update_id for number, update_id, *_ in diffs(symbol) if number not in run.lost]
        assert max(heard) <= book.last_update_id
        assert levels_at(symbol, book.last_update_id) == [list(book.levels(side)) for side in Side]


def test_every_comparison_holds_after_a_resynchronisation() -> None:
    """All 159 points are met by some run on a book that had been lost before, and each is equal there."""
    met = {point for seed in SEEDS for point in disturbed(seed).resynced}
    assert (COMPARISONS, set()) == (len(met), set(oracle()) - met)
