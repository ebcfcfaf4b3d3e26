"""The summary of a session: exact sums over instruments of different scales, counts by kind, times as text."""

from __future__ import annotations

import msgspec
import pytest

from livestack.core.book import Book
from livestack.core.events import (
    Checkpoint,
    IntentDispatched,
    OrderAccepted,
    OrderFill,
    QuoteTick,
    SessionStarted,
    StrategyDisabled,
    StrategyFailed,
    TradingStateChanged,
)
from livestack.core.positions import FeeTotal, Position
from livestack.core.state import InstrumentMarket, State
from livestack.core.strategy import NoMemory
from livestack.core.types import TradingState
from livestack.settings import inspect
from livestack.summary import Ending, note, rfc3339, summarise, totals
from tests.research.sessions import BTCUSDT, INSTRUMENT
from tests.support import ROOT


def test_profit_and_fees_are_summed_exactly() -> None:
    """1.0000001 of an instrument with 2 + 5 decimals and 0.00002 of one with 1 + 4: in the finer scale."""
    state = State.initial(inspect(ROOT / "etc" / "demo.toml")[1], NoMemory())
    coarse = msgspec.structs.replace(BTCUSDT, instrument="v:S", price_decimals=1, qty_decimals=4)
    for definition, realised, fees in (
        (BTCUSDT, 10_000_001, {"USDT": FeeTotal(2, 5)}),
        (coarse, 2, {"USDT": FeeTotal(8, 1), "BNB": FeeTotal(1, 7)}),
    ):
        state.market.instruments[definition.instrument] = InstrumentMarket(definition=definition, book=Book())
        state.execution.positions[definition.instrument] = Position(realised=realised, fees=fees)
    state.execution.session_fills = 2  # of 3 Events: one was told twice
    ending = Ending(
        exit=0,
        reason="over",
        counts={SessionStarted: 1, QuoteTick: 5, OrderAccepted: 2, OrderFill: 3, IntentDispatched: 2},
        denials={"rule": (4, "why")},
        notices={"trading became HALTED by max_session_loss: lost": 1},
        last_seq=13,
        started_ns=0,
        stopped_ns=1_000_000_000,
    )
    summary = summarise(state, ending)
    assert {"USDT": "1.0000201"} == summary.realised_pnl
    assert {"USDT": "0.05000001", "BNB": "0.7"} == summary.fees
    assert [INSTRUMENT, "v:S"] == [one.instrument for one in summary.positions]
    assert (13, 5, 5, 2) == (summary.events, summary.market_events, summary.execution_events, summary.fills)
    assert (4, "why") == (summary.denials["rule"].count, summary.denials["rule"].first)
    assert "1970-01-01T00:00:01.000Z" == summary.stopped


def test_totals_are_in_the_finest_scale() -> None:
    """0.1 and 0.01 make 0.11; nothing is rounded."""
    assert {"A": "0.11", "B": "-3"} == totals({"A": [(1, 1), (1, 2)], "B": [(-3, 0)]})


@pytest.mark.parametrize(
    ("wall_ns", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (1_700_000_000_123_999_999, "2023-11-14T22:13:20.123Z")],
)
def test_times_are_utc_with_milliseconds(wall_ns: int, text: str) -> None:
    """RFC 3339, cut and not rounded."""
    assert text == rfc3339(wall_ns)


def test_what_an_operator_has_to_know_is_noted_once() -> None:
    """A failing strategy with its place, a monitor's halt; the same again is counted, the rest is no notice."""
    notices: dict[str, int] = {}
    failed = StrategyFailed(hook="on_event", error="KeyError")
    halted = TradingStateChanged(state=TradingState.HALTED, by="max_session_loss", reason="lost 6 of 5")
    for event in (
        failed,
        failed,
        halted,
        StrategyDisabled(by="core", reason="on_event failed"),
        Checkpoint(digest=""),
    ):
        note(notices, event, "mine.py:7")
    assert {
        "the strategy failed: KeyError in on_event at mine.py:7": 2,
        "trading became HALTED by max_session_loss: lost 6 of 5": 1,
        "the strategy was disabled by core: on_event failed": 1,
    } == notices
