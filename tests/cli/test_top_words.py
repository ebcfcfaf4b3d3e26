"""Words and numbers of ``livestack top``."""

from __future__ import annotations

import pytest

from livestack.cli.top_picture import Inbox, News, Picture
from livestack.cli.top_words import duration, instrument, old, seconds, state
from livestack.wire import control_pb2 as wire
from tests.cli.top_support import orders, status


@pytest.mark.parametrize(
    ("word", "shown"),
    [("live", ("live", "good")), ("degraded", ("! degraded", "warn")), ("halted", ("!! halted", "bad")),
     ("brand_new", ("brand_new", "")), ("", ("-", ""))],
)  # fmt: skip
def test_a_state_is_a_mark_and_a_colour(word: str, shown: tuple[str, str]) -> None:
    """Whoever sees no colours sees the mark."""
    assert shown == state(word)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (None, "-"),
        (-1, "-"),
        (0, "0.0 s"),
        (950, "0.9 s"),
        (59_999, "59.9 s"),
        (60_000, "1 min"),
        (36_000_000, "10 h"),
    ],
)
def test_ages_are_coarse(milliseconds: int | None, text: str) -> None:
    """So that they do not flicker."""
    assert text == seconds(milliseconds)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(900, "0 us"), (850_000, "850 us"), (1_250_000, "1.25 ms"), (2_500_000_000, "2.50 s")],
)
def test_durations(nanoseconds: int, text: str) -> None:
    """In the unit in which they are read."""
    assert text == duration(nanoseconds)


def test_instruments_of_one_venue_are_short() -> None:
    """Of several venues each says which."""
    inbox, picture = Inbox(), Picture(0.0)
    inbox.put(News(status(), 0.0))
    inbox.put(News(orders(), 0.0))
    picture.take(inbox.take())
    assert "BTCUSDT" == instrument(picture, "binance_spot:BTCUSDT")
    picture.status.venues.append(wire.Venue(venue="kraken_spot"))
    assert "binance_spot:BTCUSDT" == instrument(picture, "binance_spot:BTCUSDT")
    assert ("", ", 7.0 s old") == (old(picture, 1.0, "orders"), old(picture, 7.0, "orders"))
