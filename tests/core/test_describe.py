"""Events as plain values: every type has one, and it is JSON."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given

from livestack.core.describe import describe_event, describe_record
from livestack.core.events import AccountBaseline, InputEvent, Recorded
from livestack.core.types import Origin
from tests.core import support
from tests.core.test_fuzz import ANY_EVENT, fuzz


@fuzz(200)
@given(ANY_EVENT)
def test_every_event_is_a_json_object_with_its_name(event: InputEvent) -> None:
    """Its fields by name, none left out, and nothing that JSON cannot say."""
    shown: dict[str, Any] = json.loads(msgspec.json.encode(describe_event(event)))
    assert type(event).__name__ == shown["event"]
    assert [*event.__struct_fields__] == [*shown][1:]


def test_a_record_is_envelope_and_event_in_one() -> None:
    """Position, time and origin first; amounts exact, as texts; enumerations by name."""
    event = support.baseline()
    shown = describe_record(Recorded(7, 8, Origin.INPUT, event))
    assert (7, 8, "INPUT", "AccountBaseline") == (
        shown["seq"], shown["ts"], shown["origin"], shown["event"],
    )  # fmt: skip
    assert isinstance(event, AccountBaseline)
    held = shown["balances"][0]
    assert ("USDT", 8, str(10**17), "0") == (held["asset"], held["decimals"], held["free"], held["locked"])
    assert "BUY" == (describe_event(support.fill(1, 2, 3)) or {})["side"]


def test_no_event_is_nothing() -> None:
    """Where a place has none."""
    assert describe_event(None) is None
