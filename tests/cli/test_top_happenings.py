"""The last Events: short sentences, repetitions folded, never too many."""

from __future__ import annotations

import pytest

from livestack.cli.top_happenings import KEPT, Happenings, happening
from livestack.wire import control_pb2 as wire
from tests.cli.top_support import BTC, ETH, event, happened

DECIMALS = {BTC: (2, 8)}


def texts(found: Happenings) -> list[str]:
    return [one.text for one in found.lines]


def test_a_settled_session() -> None:
    """Denials of one rule are one line with their number; a fill has price and quantity in decimals."""
    found = Happenings()
    found.take(happened(), 0, DECIMALS)
    assert 12 == next(one.times for one in found.lines if one.kind == "IntentDenied")
    assert f"order 21 {BTC} buy 0.0042 at 60000.1 maker, fee 0.0000042 BTC" in texts(found)
    assert 6 == len(found.lines)


def test_two_that_alternate_are_folded_both() -> None:
    """The same is looked for a few lines back; what came between stays where it was."""
    found = Happenings()
    for place in range(50):
        denied = event("IntentDenied", place, rule="rate", intent="NEW", instrument=(BTC, ETH)[place % 2])
        found.take([denied], 0, {})
    found.take([event("OrderAccepted", 51, order_id=1, instrument=BTC)], 0, {})
    assert [25, 25, 1] == [one.times for one in found.lines]


def test_what_is_not_denied_is_never_folded() -> None:
    """Two fills that look alike are two."""
    found = Happenings()
    found.take([event("OrderAccepted", 1, order_id=1, instrument=BTC)] * 2, 0, {})
    assert 2 == len(found.lines)


def test_there_are_never_too_many() -> None:
    """Memory is bounded, and what was missed is said."""
    found = Happenings()
    found.take([event("OrderAccepted", 1, order_id=n, instrument=BTC) for n in range(3 * KEPT)], 7, {})
    assert KEPT == len(found.lines)
    found.take([], 7, {})
    assert texts(found)[-1].startswith("7 Events came faster")


def test_another_session_is_marked() -> None:
    """So that nobody takes its Events for those of the one before."""
    found = Happenings()
    found.begin("s2")
    assert ["from here on session s2"] == texts(found)


@pytest.mark.parametrize(
    ("publication", "sentence", "style"),
    [
        (
            event("IntentDispatched", 1, request={"kind": "REPLACE", "order_id": 3, "instrument": BTC, "side": "SELL",
                                                  "qty": 10**8, "price": 123}),
            f"replace order 3 {BTC} sell 1 at 1.23", "",
        ),
        (event("OrderReplaced", 1, order_id=3, instrument=ETH, qty=5, price=7), f"order 3 {ETH} ", ""),
        (event("OrderRejected", 1, order_id=3, instrument=BTC, code=-2010, reason="no funds"),
         f"order 3 {BTC} -2010 no funds", "warn"),
        (event("OrderCancelled", 1, order_id=3, instrument=BTC, reason="cancelled"), f"order 3 {BTC} cancelled", ""),
        (event("IncidentOpened", 1, name="stall", grade="warning", detail="1 s"), "warning stall 1 s", "warn"),
        (event("KillReceipt", 1, flat=True, open_orders=0, unknown_orders=2), "flat: 0 open, 2 of unknown fate", ""),
        (event("TradingStateChanged", 1, state="HALTED", by="anna", reason="", recv_ns=5), "state HALTED, by anna", ""),
        (event("SomethingNew", 1, patch={"a": [1]}, text="ä"), 'patch {"a": [1]}, text ä', ""),
        (event("OrderFill", 1, fee="x", qty="y"), "  ", ""),
        (wire.Publication(event=wire.EventRecord(type="Odd", json="{")), "", ""),
        (wire.Publication(event=wire.EventRecord(type="Odd", json="[1]")), "", ""),
    ],
)  # fmt: skip
def test_sentences(publication: wire.Publication, sentence: str, style: str) -> None:
    """Also for Events of a newer node, and for what cannot be read; numbers without known decimals are left out."""
    one = happening(publication, DECIMALS)
    assert (sentence, style) == (one.text, one.style)


def test_routine_is_left_out() -> None:
    """What the host reports all the time."""
    found = Happenings()
    found.take([event("BalanceReport", 1), event("RequestSent", 1)], 0, {})
    assert [] == texts(found)
