"""The fold of the Event Stream into records: it agrees with the Core to the last unit, wherever it began."""

from __future__ import annotations

import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import run_state_machine_as_test

from livestack.core.events import InputEvent
from tests.campaigns.venue_agreement import VenueViews
from tests.core import streams
from tests.core.model_driver import Driver
from tests.core.test_fuzz import SEQUENCES, fuzz, running_again
from tests.core.test_model import Sessions
from tests.simulation.chaos import Chaos, quick_directory
from tests.storage.folding import Stream, check, check_part, rows, stream_of

SEEN: Counter[str] = Counter()
"""Records of the model's sessions, by table and by what they say."""


class Watched(Driver):
    """Its session's stream is kept from the first Event on."""

    stream: Stream | None = None
    _session: Any = None

    @property
    def session(self) -> Any:
        return self._session

    @session.setter
    def session(self, session: Any) -> None:
        self._session = session
        self.stream = Stream(session.runtime)

    def answer(self, pick: int, answer: str, wait_ns: int) -> None:
        """Mostly it was told before when it was written."""
        if pick and answer != "sent":
            waiting = [*self.model.inflight.values(), *self.model.unresolved.values()]
            self.session.feed(self.about_request("sent", waiting[pick % len(waiting)].request, pick))
        super().answer(pick, answer, wait_ns)

    def about_request(self, answer: str, request: Any, pick: int) -> Any:
        """With stamps, where it was sent."""
        said = super().about_request(answer, request, pick)
        if answer == "sent":
            return msgspec.structs.replace(said, gate_ns=self.session.ts, send_ns=self.session.ts + 5)
        return said


class Folded(Sessions):
    """Whatever the test of the Core against its model can think of, with all records checked in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.play: Watched = Watched()

    def teardown(self) -> None:
        if self.play.stream is None:
            return
        for one in check(self.play.stream):
            told: Any = one
            SEEN[" ".join(filter(None, [type(one).__name__, getattr(told, "stage", "")]))] += 1
            SEEN[
                " ".join([type(one).__name__, getattr(told, "event", ""), getattr(told, "outcome", "")])
            ] += 1


LONG = settings.get_current_profile_name() == "long"


def test_agrees_with_the_core_on_whatever_happens() -> None:
    """Sessions that make no sense: every law of the records holds, and each kind of record was among them."""
    SEEN.clear()
    run_state_machine_as_test(
        Folded,
        settings=settings(
            max_examples=settings.default.max_examples if LONG else 50,
            stateful_step_count=30,
            derandomize=not LONG,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert {} == {one: SEEN[one] for one in WANTED if not SEEN[one]}


WANTED = (
    "OrderRecord IntentDispatched ",
    "OrderRecord OrderAccepted ",
    "OrderRecord OrderFill ",
    "OrderRecord OrderCancelled ",
    "FillRecord",
    "PositionRecord OrderFill ",
    "PositionRecord AccountBaseline ",
    "DispatchRecord dispatched",
    "DispatchRecord sent",
    "DispatchRecord answered",
    "DenialRecord  denied",
    "DenialRecord  withdrawn",
    "BalanceRecord BalanceReport ",
    "BalanceRecord AccountBaseline ",
    "SessionRecord started ",
    "SessionRecord resumed ",
    "SessionRecord stopping ",
    "SessionRecord checkpoint ",
)
"""What occurs however the examples are drawn; the rest has cases of its own."""


@pytest.mark.parametrize("seed", range(10))
def test_agrees_with_the_core_on_a_restless_session(seed: int) -> None:
    """A strategy that wants something at every quote, and a venue of many moods."""
    fed = streams.stream(seed, 80)
    stream = stream_of(streams.rules(), streams.Counting(None), fed)
    assert check(stream)


@fuzz(60)
@given(SEQUENCES)
def test_any_event_can_be_recorded(sequence: list[tuple[InputEvent, int]]) -> None:
    """Whatever comes from outside: nothing raises, and each record comes back from its bytes."""
    running = running_again()
    running.runtime.state.control.memory = None
    stream = Stream(running.runtime, every=2)
    for event, wait_ns in sequence:
        running.feed(event, wait_ns)
    for one in check_part(stream):
        assert one == one.FromString(one.SerializeToString())


@pytest.mark.parametrize("seed", range(100, 104))
def test_agrees_with_the_venue_after_chaos(seed: int) -> None:
    """A whole node under every fault: the fills on record are the venue's own, to the last one."""
    with tempfile.TemporaryDirectory(dir=quick_directory()) as place:
        chaos = Chaos(seed, Path(place))
        stream = Stream(chaos.world.node.runtime, every=300, seed=seed)
        outcome = chaos.run()
        records = check(stream)
    assert [] == outcome.faults
    at_venue = {
        (f"binance_spot:{one['symbol']}", one["id"], "buy" if one["isBuyer"] else "sell"): (
            Decimal(one["price"]),
            Decimal(one["qty"]),
            Decimal(one["commission"]),
            one["commissionAsset"],
        )
        for one in VenueViews.of(chaos.venue, chaos.world.scheduler.now_ns()).own_fills
    }
    assert at_venue == {
        (one.trace.instrument, one.fill_id, one.side): (
            Decimal(one.price),
            Decimal(one.qty),
            Decimal(one.fee),
            one.fee_asset,
        )
        for one in rows(records, "fills")
    }
    assert at_venue
