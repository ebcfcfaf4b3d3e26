"""The order book against a naive model, and what makes it invalid."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from livestack.core.book import Book
from livestack.core.canonical import pack, unpack
from livestack.core.types import Side

BIDS = st.lists(st.tuples(st.integers(1, 99), st.integers(0, 9)), max_size=8).map(tuple)
ASKS = st.lists(st.tuples(st.integers(100, 199), st.integers(0, 9)), max_size=8).map(tuple)


@given(BIDS, ASKS, st.lists(st.tuples(BIDS, ASKS), max_size=12))
def test_book_equals_a_naive_one(
    bids: tuple[tuple[int, int], ...],
    asks: tuple[tuple[int, int], ...],
    changes: list[tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]],
) -> None:
    """After any changes levels, their order and the best prices are those of two plain dicts."""
    book = Book()
    assert "" == book.replace(0, bids, asks)
    naive_bids = {price: qty for price, qty in bids if qty}
    naive_asks = {price: qty for price, qty in asks if qty}
    for changed_bids, changed_asks in changes:
        assert "" == book.change(0, 0, changed_bids, changed_asks)
        naive_bids.update(changed_bids)
        naive_asks.update(changed_asks)
        naive_bids = {price: qty for price, qty in naive_bids.items() if qty}
        naive_asks = {price: qty for price, qty in naive_asks.items() if qty}
        assert sorted(naive_bids.items(), reverse=True) == list(book.levels(Side.BUY))
        assert sorted(naive_asks.items()) == list(book.levels(Side.SELL))
        best_bid, best_ask = max(naive_bids, default=0), min(naive_asks, default=0)
        assert (best_bid, best_ask) == (book.best_bid, book.best_ask)
        assert naive_bids.get(best_bid, 0) == book.best_bid_qty
        assert naive_asks.get(best_ask, 0) == book.best_ask_qty
        assert list(book.levels(Side.SELL, 2)) == sorted(naive_asks.items())[:2]
    again = unpack(pack(book), Book)
    assert pack(book) == pack(again)
    assert book.bid_keys == again.bid_keys


def test_canonical_form_forgets_the_order_of_arrival() -> None:
    """Two books with the same levels are the same State, however they came to them."""
    one, other = Book(), Book()
    one.replace(3, ((9, 1), (8, 1)), ())
    other.replace(3, ((8, 1), (9, 1)), ())
    assert pack(one) == pack(other)


def test_gap_is_found() -> None:
    """A missing update invalidates and empties the book; one that is older than the snapshot changes nothing."""
    book = Book()
    book.replace(10, ((99, 1),), ((101, 1),))
    assert "" == book.change(5, 10, ((99, 7),), ())
    assert 1 == book.best_bid_qty
    assert "" == book.change(9, 12, ((99, 2),), ())
    assert "gap" in book.change(14, 15, (), ())
    assert (False, 0, []) == (book.valid, book.best_bid, book.bid_keys)
    assert "invalid book" in book.change(15, 16, ((99, 1),), ())


def test_impossible_levels_invalidate() -> None:
    """Crossed sides, negative quantities and non-positive prices are never believed."""
    for bids, asks in (
        (((101, 1),), ()),
        (((99, -1),), ()),
        ((), ((101, -1),)),
        (((0, 1),), ()),
        ((), ((-5, 1),)),
        ((), ((0, 1),)),
    ):
        book = Book()
        book.replace(1, ((99, 1),), ((101, 1),))
        assert "" != book.change(2, 2, bids, asks)
        assert not book.valid
        assert "" != Book().replace(1, bids or ((105, 1),), asks or ((101, 1),))
