"""The arrangement: for every size nothing overlaps, nothing leaves the screen, and what matters has room."""

from __future__ import annotations

from itertools import combinations

import pytest

from livestack.cli.top_arrange import OVERVIEWS, VIEWS, Need, Place, arrange, column_widths, shared

WANTED = {need.name: 3 + 4 * need.rank for needs in OVERVIEWS[1] for need in needs}


def overlap(one: Place, other: Place) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("is_stale", [False, True])
def test_every_size(view: str, is_stale: bool) -> None:
    """From very small to very large."""
    for width in (20, 40, 80, 119, 120, 160, 189, 190, 200, 400):
        for height in (12, 24, 25, 40, 50, 100):
            places = arrange(view, width, height, 2, is_stale, WANTED)
            assert not any(overlap(*pair) for pair in combinations(places.values(), 2)), (width, height)
            for place in places.values():
                assert 0 <= place.x < place.x + place.width <= width
                assert 0 <= place.y < place.y + place.height <= height
            assert is_stale == ("banner" in places)


def test_eighty_by_twenty_four() -> None:
    """State, what to look at, venues with feeds, orders, positions and the last Events, each with two rows at least."""
    places = arrange("overview", 80, 24, 3, False, WANTED)
    assert {"head", "incidents", "venues", "orders", "positions", "events", "foot"} <= places.keys()
    assert all(places[name].height >= 4 for name in ("orders", "positions", "events"))


def test_a_large_screen_shows_everything() -> None:
    """Two columns, or three; every panel of the overview is there."""
    for width, height in ((160, 60), (200, 50)):
        places = arrange("overview", width, height, 1, False, dict.fromkeys(WANTED, 6))
        missing = WANTED.keys() - places.keys()
        assert set() == missing, (width, height)


def test_a_page_of_one_panel_takes_all() -> None:
    """From below what is always there to the keys."""
    assert Place(0, 5, 80, 18) == arrange("orders", 80, 24, 2, False, {"orders": 1_000})["orders"]
    assert Place(0, 3, 80, 20) == arrange("incidents", 80, 24, 2, False, {})["all_incidents"]
    assert Place(0, 5, 80, 18) == arrange("latency", 80, 24, 2, False, {"latency": 4})["latency"]


def test_room_is_shared_by_rank() -> None:
    """The least of each first; who does not fit is left out; then everybody gets on alike, no further than wanted."""
    needs = (Need("a", 2, 4), Need("b", 0, 3), Need("c", 1, 3))
    assert {"b": 3, "c": 3} == shared(needs, 6, {"a": 9, "b": 9, "c": 9})
    assert {"b": 5, "c": 4} == shared(needs[1:], 9, {"b": 9, "c": 9})
    assert {"a": 4, "b": 3, "c": 1} == shared(needs, 30, {"a": 4, "b": 3, "c": 1})
    assert {"b": 3, "c": 7} == shared(needs[1:], 10, {"b": 3, "c": 3}, is_last_greedy=True)


@pytest.mark.parametrize("width", [80, 120, 160, 190, 333])
def test_columns_fill_the_width(width: int) -> None:
    """With a gap between them."""
    widths = column_widths(width)
    assert width == sum(widths) + 2 * (len(widths) - 1)
