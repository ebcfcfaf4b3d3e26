"""What the Core is told of a feed: as a whole, and of each instrument that stands otherwise."""

from __future__ import annotations

from livestack.core.events import FeedStatusChanged
from livestack.core.types import ConnectionStatus
from livestack.venues.binance_spot.market_events import MarketInstrument, Readers
from livestack.venues.binance_spot.standing import REASON_MAX, Standing
from tests.venues.binance_spot.capture import SYMBOLS, VENUE, instruments, needs_capture

pytestmark = needs_capture

DOWN, SYNCHRONISING, LIVE = (
    ConnectionStatus.DISCONNECTED,
    ConnectionStatus.SYNCHRONISING,
    ConnectionStatus.LIVE,
)


def made() -> tuple[Standing, list[MarketInstrument]]:
    listed = [MarketInstrument(one, Readers()) for one in instruments()]
    return Standing(VENUE, listed), listed


def told(standing: Standing) -> list[tuple[str, ConnectionStatus]]:
    events, standing.events = standing.events, []
    return [
        (one.instrument.removeprefix(f"{VENUE}:"), one.status)
        for one in events
        if isinstance(one, FeedStatusChanged)
    ]


def test_the_whole_is_live_with_its_first_instrument() -> None:
    """The others are told behind it, because the Core took it for theirs; later ones are told alone."""
    standing, (first, second, *_) = made()
    standing.opened("connected", 1)
    assert told(standing) == [("", SYNCHRONISING)]
    standing.live(first, "book synchronised", 2)
    others = [(symbol, SYNCHRONISING) for symbol in SYMBOLS[1:]]
    assert told(standing) == [("", LIVE), *others, (SYMBOLS[0], LIVE)]
    standing.live(second, "book synchronised", 3)
    assert told(standing) == [(SYMBOLS[1], LIVE)]


def test_an_instrument_that_is_live_without_any_connection_makes_the_whole_live() -> None:
    """Polled; the others stay as they were."""
    standing, (first, *_) = made()
    standing.live(first, "polled over REST", 1)
    assert told(standing) == [("", LIVE), *[(symbol, DOWN) for symbol in SYMBOLS[1:]], (SYMBOLS[0], LIVE)]


def test_nothing_is_told_twice() -> None:
    """An instrument that stands so already is not told again; the whole leaves the others alone."""
    standing, (first, second, *_) = made()
    standing.opened("connected", 1)
    standing.live(first, "", 2)
    standing.live(second, "", 2)
    told(standing)
    for _ in range(2):
        standing.lost(first, SYNCHRONISING, "gap", 3)
    assert told(standing) == [(SYMBOLS[0], SYNCHRONISING)]
    assert standing.whole is LIVE


def test_the_end_and_a_doubt_are_everybodys() -> None:
    """One Event; each instrument stands so from then on."""
    standing, listed = made()
    standing.opened("connected", 1)
    standing.live(listed[0], "", 2)
    told(standing)
    standing.doubt("events were lost", 3)
    assert (told(standing), standing.whole) == ([("", SYNCHRONISING)], SYNCHRONISING)
    standing.closed("cut", 4)
    assert told(standing) == [("", DOWN)]
    assert {one.status for one in listed} == {DOWN}


def test_a_reason_is_short() -> None:
    """It may hold what a venue sent."""
    standing, _ = made()
    standing.closed("x" * 1_000, 1)
    (event,) = standing.events
    assert isinstance(event, FeedStatusChanged)
    assert len(event.reason) == REASON_MAX
