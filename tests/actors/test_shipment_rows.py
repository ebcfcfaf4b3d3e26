"""Records that wait: when they are due, what is confirmed without them, what is left of them after a failure."""

from __future__ import annotations

from livestack.actors.shipment_rows import NEVER_NS, WaitingRows
from livestack.storage.sink import Position
from livestack.wire import records_pb2 as wire


def order(seq: int) -> wire.OrderRecord:
    return wire.OrderRecord(trace=wire.Trace(session="s", seq=seq))


def fill(seq: int) -> wire.FillRecord:
    return wire.FillRecord(trace=wire.Trace(session="s", seq=seq))


def waiting() -> WaitingRows:
    """Two orders of the commits behind 10 and 20, a fill of the one behind 20."""
    rows = WaitingRows({"orders": 500})
    rows.add(order(12), 10, 1_000, now_ns=100)
    rows.add(order(25), 20, 2_000, now_ns=200)
    rows.add(fill(26), 20, 2_000, now_ns=200)
    return rows


def test_a_table_is_due_by_its_oldest_record() -> None:
    """And one that has no delay at once; with nothing there nothing is ever due."""
    rows = waiting()
    assert (200, {"fills"}) == (rows.due_ns(), rows.due(599))
    assert {"fills", "orders"} == rows.due(600) == rows.tables()
    assert (NEVER_NS, set()) == (WaitingRows({}).due_ns(), WaitingRows({}).due(NEVER_NS - 1))


def test_what_waits_holds_back_what_is_confirmed() -> None:
    """To the end of the commit before its first record; what is in the batch does not."""
    rows = waiting()
    assert (10, 1_000) == (rows.through(30), rows.through_ts(3_000))
    batch = rows.batch("s", {"orders"}, 30)
    assert (30, 20, ["orders"]) == (batch.upto, batch.through, list(batch.rows))
    assert 30 == rows.batch("s", rows.tables(), 30).through


def test_a_confirmed_batch_is_out() -> None:
    """And only that; until then everything stays."""
    rows = waiting()
    batch = rows.batch("s", {"orders"}, 30)
    assert 3 == rows.count
    rows.confirm(batch)
    assert (1, {"fills"}) == (rows.count, rows.tables())
    assert (20, 2_000) == (rows.through(30), rows.through_ts(3_000))
    rows.clear()
    assert (0, 30, 3_000) == (rows.count, rows.through(30), rows.through_ts(3_000))


def test_what_a_sink_has_is_forgotten() -> None:
    """By table, or of all tables; what comes later stays."""
    rows = waiting()
    rows.trim(Position(0, {"orders": 12, "fills": 26}))
    assert (1, {"orders"}) == (rows.count, rows.tables())
    assert [25] == [one.trace.seq for one in rows.batch("s", {"orders"}, 30).rows["orders"]]  # type: ignore[attr-defined]
    rows.trim(Position(25))
    assert 0 == rows.count
