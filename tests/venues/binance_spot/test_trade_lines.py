"""One line of trades: by id, each once, and every one that is missing is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from livestack.core.events import Event, TradeTick
from livestack.core.types import Side
from livestack.venues.binance_spot.trade_lines import REWIND_NS, TradeLine


def tick(trade_id: int, event_ns: int = 0) -> TradeTick:
    return TradeTick(
        recv_ns=0, instrument="v:S", event_ns=event_ns, trade_id=trade_id, price=1, qty=1, aggressor=Side.BUY
    )


def ids(events: list[Event]) -> list[int]:
    return [event.trade_id for event in events if isinstance(event, TradeTick)]


@given(
    brought=st.lists(st.tuples(st.integers(1, 30), st.sampled_from(["old", "new", "asked"])), max_size=60),
    is_resumed=st.booleans(),
)
def test_whoever_brings_them_each_is_told_once_and_all_that_are_missing_are_counted(
    brought: list[tuple[int, str]], is_resumed: bool
) -> None:
    """Trade 5 was told. Two connections and answers bring any others in any order, early ones of one of them."""
    line, events, missed = TradeLine(), [], 0
    line.take(tick(5), False, events)
    if is_resumed:
        line.resume()
    for number, source in brought:
        last_id, was_resumed = line.last_id, line.is_resumed
        if source == "asked":
            missed += line.fill(tick(number), events)
        else:
            line.take(tick(number), source == "new", events)
            if not was_resumed and source == "old" and number > last_id + 1:
                missed += number - last_id - 1  # the venue itself left them out
                missed -= sum(last_id < one < number for one in ids(events))
    missed += line.flush(events)
    told = ids(events)
    assert told == sorted(set(told))
    assert told[-1] - told[0] + 1 == len(told) + missed
    assert (line.ahead, line.is_resumed) == ([], False)


def test_what_waits_is_in_order_whichever_connection_brought_it() -> None:
    """The old one behind the new one, and the same by both."""
    line, events = TradeLine(), []
    line.take(tick(5), False, events)
    line.resume()
    for number in (22, 20, 21, 22, 24, 20):
        line.take(tick(number), number > 21, events)
    assert [one.trade_id for one in line.ahead] == [20, 21, 22, 24]
    assert line.flush(events) == 14 + 1
    assert ids(events) == [5, 20, 21, 22, 24]


def test_what_waits_is_not_lost_behind_an_answer_that_goes_further() -> None:
    """The answer begins behind what waits."""
    line, events = TradeLine(), []
    line.take(tick(5), False, events)
    line.resume()
    line.take(tick(8), False, events)
    assert [line.fill(tick(number), events) for number in (10, 11)] == [2 + 1, 0]
    assert ids(events) == [5, 8, 10, 11]


def test_a_lower_id_is_a_beginning_only_if_it_is_clearly_later() -> None:
    """Late frames are not; nor is anything while the stream goes on."""
    line, events = TradeLine(), []
    line.take(tick(500, REWIND_NS), False, events)
    line.take(tick(1, 9 * REWIND_NS), False, events)
    line.resume()
    line.take(tick(499, 2 * REWIND_NS), False, events)
    assert ids(events) == [500]
    line.take(tick(1, 2 * REWIND_NS + 1), False, events)
    assert (ids(events), line.last_id) == ([500, 1], 1)


def test_a_successor_that_is_gone_leaves_what_the_stream_itself_brought() -> None:
    """What it was ahead by comes again; what waits behind an interruption does not."""
    for is_resumed, left in ((False, 0), (True, 1)):
        line, events = TradeLine(), []
        line.take(tick(5), False, events)
        line.is_resumed = is_resumed
        line.take(tick(8), True, events)
        line.disown()
        assert len(line.ahead) == left
