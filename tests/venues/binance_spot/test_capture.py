"""The market-data adapter on real traffic: every book equals the bookTicker oracle, every gap is noticed."""

from __future__ import annotations

import json

from livestack.core.events import BookDelta
from livestack.core.types import ConnectionStatus
from tests.venues.binance_spot.capture import (
    COMPARISONS,
    SYMBOLS,
    VENUE,
    Bench,
    Oracle,
    frames,
    needs_capture,
    parsed,
    snapshots,
)

pytestmark = needs_capture


def test_every_best_price_equals_the_book_ticker() -> None:
    """After every applied diff best bid and ask, price and quantity, are what bookTicker says: 159 of 159."""
    # The snapshots came after the first diffs; a diff kept until then is compared when it is applied.
    bench, oracle = Bench(), Oracle()
    bench.connect()
    seen = len(bench.events)
    for frame in frames():
        bench.play(frame)
        oracle.note(bench.events[seen:], bench.books)
        seen = len(bench.events)
    assert (oracle.compared, oracle.equal) == (COMPARISONS, COMPARISONS)
    assert all(bench.is_live(symbol) for symbol in SYMBOLS)
    assert bench.feed is ConnectionStatus.LIVE
    assert bench.adapter.faults == {}
    assert bench.fetched == sorted(bench.fetched, key=bench.fetched.index)
    assert len(bench.fetched) == len(SYMBOLS)


def test_snapshots_that_come_late_meet_kept_diffs() -> None:
    """Held back until twenty frames are in, the snapshots are continued by the diffs kept meanwhile."""
    count = 0
    bench = Bench(lambda symbol: snapshots()[symbol] if count >= 20 else None)
    bench.connect()
    for frame in frames():
        count += 1
        bench.play(frame)
    assert all(bench.is_live(symbol) for symbol in SYMBOLS)
    straight = Bench().connect()
    for frame in frames():
        straight.play(frame)
    assert {name: book.__lower__() for name, book in bench.books.items()} == {
        name: book.__lower__() for name, book in straight.books.items()
    }


def test_dropping_any_diff_that_has_a_successor_is_noticed() -> None:
    """One applied diff left out: that book is invalid at the next one, resynchronised, and right in the end."""
    complete = Bench().connect()
    for frame in frames():
        complete.play(frame)
    applied = {
        (event.instrument, event.last_update_id) for event in complete.events if isinstance(event, BookDelta)
    }
    droppable = [
        index
        for index, frame in enumerate(frames())
        if (data := parsed(frame)["data"]).get("e") == "depthUpdate"
        and (f"{VENUE}:{data['s']}", data["u"]) in applied
        and _has_successor(index, data["s"])
    ]
    assert len(droppable) > 100
    for index in droppable:
        _drop(index, complete)


def _has_successor(index: int, symbol: str) -> bool:
    return any(
        (data := parsed(frame)["data"]).get("e") == "depthUpdate" and data["s"] == symbol
        for frame in frames()[index + 1 :]
    )


def _drop(index: int, complete: Bench) -> None:
    symbol = parsed(frames()[index])["data"]["s"]
    played = 0

    def serve(asked: str) -> bytes:
        # A resynchronising client gets the book as it is at that moment, the dropped diff included.
        return _book_at(asked, played) if asked in synchronised else snapshots()[asked]

    synchronised: set[str] = set()
    bench = Bench(serve).connect()
    synchronised.update(SYMBOLS)
    for played, frame in enumerate(frames()):
        if played != index:
            bench.play(frame)
    bench.tick(3)
    assert bench.adapter.faults == {"book_lost": 1}
    assert bench.fetched.count(symbol) == 2
    assert bench.is_live(symbol)
    name = f"{VENUE}:{symbol}"
    assert bench.books[name].__lower__() == complete.books[name].__lower__()


def _book_at(symbol: str, count: int) -> bytes:
    """The depth answer after frame ``count``, made by another reader than the adapter."""
    document = json.loads(snapshots()[symbol])
    sides = {"b": dict(map(tuple, document["bids"])), "a": dict(map(tuple, document["asks"]))}
    last = document["lastUpdateId"]
    for frame in frames()[: count + 1]:
        data = parsed(frame)["data"]
        if data.get("e") != "depthUpdate" or data["s"] != symbol or data["u"] <= last:
            continue
        last = data["u"]
        for side, levels in sides.items():
            for price, qty in data[side]:
                levels.pop(price, None)
                if float(qty):
                    levels[price] = qty
    return json.dumps(
        {
            "lastUpdateId": last,
            "bids": sorted(sides["b"].items(), key=lambda level: -float(level[0])),
            "asks": sorted(sides["a"].items(), key=lambda level: float(level[0])),
        }
    ).encode()


def test_a_snapshot_older_than_the_stream_is_fetched_again() -> None:
    """``lastUpdateId`` below the first ``U``: rule 3 says fetch again, and nothing is LIVE until a fresh one comes."""
    stale = json.loads(snapshots()["NKNUSDT"])
    stale["lastUpdateId"] -= 1_000
    served = 0

    def serve(symbol: str) -> bytes:
        nonlocal served
        if symbol != "NKNUSDT":
            return snapshots()[symbol]
        served += 1
        return json.dumps(stale).encode() if served <= 3 else snapshots()[symbol]

    bench = Bench(serve).connect()
    for frame in frames():
        bench.play(frame)
        bench.tick()
        if served <= 3:
            assert not bench.is_live("NKNUSDT")
    assert served == 4
    assert bench.is_live("NKNUSDT")
