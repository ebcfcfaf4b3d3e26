"""One order against one Configuration: which rule denies it. For the tests of limits and filters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from livestack.core import events
from livestack.core.configuration import Configuration
from livestack.core.intents import New
from livestack.core.types import Side
from tests.core import support
from tests.core.support import INSTRUMENT, UNLIMITED, VENUE, WIDE_RATE, Bench

ORDER: dict[str, Any] = {"side": Side.BUY, "qty": 10, "price": 9_990}


def scoped(**scopes: dict[str, Any]) -> Configuration:
    """``defaults`` over everything unlimited, and what is given for ``venue`` and ``instrument`` alone."""
    defaults = {
        key: value for key, value in (UNLIMITED | scopes.get("defaults", {})).items() if value is not None
    }
    risk: dict[str, Any] = {"defaults": defaults}
    if "venue" in scopes:
        risk["venue"] = {VENUE: scopes["venue"]}
    if "instrument" in scopes:
        risk["instrument"] = {INSTRUMENT: scopes["instrument"]}
    execution = {"venue": {VENUE: {"rate_limits": [WIDE_RATE]}}}
    return Configuration.from_plain({"strategy": {"path": "x:Y"}, "risk": risk, "execution": execution})


def ordered(bench: Bench, **terms: Any) -> str:
    """The rule that denies an order, or 'allowed'."""
    before = len(bench.derived)
    bench.runtime._view.wake_at("order", bench.ts)
    intent = New(order_id=bench.new_id(), instrument=INSTRUMENT, **(ORDER | terms))
    assert isinstance(bench.strategy, support.Scripted)
    bench.strategy.script.append(lambda view: [intent])
    bench.feed(events.ControlTime(scope="strategy order", deadline_ns=bench.ts))
    denials = [one for one in bench.derived[before:] if isinstance(one, events.IntentDenied)]
    return denials[0].rule if denials else "allowed"


def after(prepare: Callable[[Bench], object], **terms: Any) -> Callable[[Bench], str]:
    """An order of ``terms`` once ``prepare`` has been done."""

    def probe(bench: Bench) -> str:
        prepare(bench)
        return ordered(bench, **terms)

    return probe


def nothing(bench: Bench) -> None:
    """Leave the bench as it is."""


def one_before(bench: Bench) -> None:
    assert "allowed" == ordered(bench)


def book(bench: Bench) -> None:
    """Fifty on each side at 100.00 and 100.10."""
    bench.feed(
        events.BookSnapshot(
            recv_ns=bench.ts,
            instrument=INSTRUMENT,
            event_ns=0,
            last_update_id=1,
            bids=((10_000, 50),),
            asks=((10_010, 50),),
        )
    )
