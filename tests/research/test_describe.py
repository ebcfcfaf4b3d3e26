"""Events and State in words and plain values."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
from hypothesis import given

from livestack.core.describe import describe_event, describe_record
from livestack.core.events import Event, Recorded
from livestack.core.runtime import CoreRuntime
from livestack.core.types import Origin
from livestack.research.describe import describe_state
from livestack.strategies.loading import load_strategy
from tests.journal import strategies
from tests.research.sessions import BTCUSDT, opening, quotes, rules


@given(strategies.event())
def test_every_event_is_json_with_its_names(event: Event) -> None:
    """Its type's name, its fields' names, and nothing that JSON has not."""
    found = json.loads(msgspec.json.encode(describe_event(event)))
    assert type(event).__name__ == found.pop("event")
    assert set(event.__struct_fields__) == set(found)


def test_nothing_is_nothing() -> None:
    """One side of a difference may be empty."""
    assert describe_event(None) is None


def test_a_record_has_its_envelope() -> None:
    """Position, time and origin beside the Event's fields."""
    found = describe_record(Recorded(7, 70, Origin.INPUT, BTCUSDT))
    assert (7, 70, "INPUT", "InstrumentDefined", "TRADING") == tuple(
        found[name] for name in ("seq", "ts", "origin", "event", "status")
    )


def test_state_is_told_in_decimals(tmp_path: Path) -> None:
    """Best prices, balances, and what is open."""
    configuration = rules(tmp_path)
    runtime = CoreRuntime(
        configuration, load_strategy(configuration.strategy.path, configuration.strategy.parameters)
    )
    assert 0 == describe_state(runtime.state)["seq"]
    seq = 1
    for event in [*opening("s"), *quotes(3)]:
        seq += 1 + len(runtime.step(seq, seq, event).derived)
    found = json.loads(msgspec.json.encode(describe_state(runtime.state)))
    assert "50100.00" == found["instruments"]["binance_spot:BTCUSDT"]["bid"]
    assert "100000000.00000000" == found["balances"]["binance_spot"]["BTC"]["free"]
    assert 2 == len(found["open_orders"])
