"""One side of a book: levels in order, the queue among the market's quantity. Whole sequences: ``test_matching``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.simulator.book import BookSide
from livestack.simulator.orders import BUY, SELL, Order, OrderType


def resting(side: BookSide, price: int, qty: int) -> Order:
    """An order of ours that now stands last at ``price``."""
    number = BUY if side.sign < 0 else SELL
    order = Order(
        order_id=1,
        account="a",
        symbol="X",
        client_id="",
        side=number,
        type=OrderType.LIMIT,
        price=price,
        qty=qty,
    )
    side.add_order(order)
    return order


@given(
    st.sampled_from([BUY, SELL]),
    st.lists(
        st.tuples(
            st.sampled_from(["market", "order", "front", "back", "remove"]),
            st.integers(1, 6),
            st.integers(1, 9),
        ),
        max_size=40,
    ),
)
def test_side_equals_lists_of_pieces(side: int, operations: list[tuple[str, int, int]]) -> None:
    """Keys are sorted without gaps or empty levels, quantities and places those of a plain list per price."""
    book = BookSide(side)
    pieces: dict[int, list[Order | None]] = {}  # one None per unit of the market's quantity
    for kind, price, qty in operations:
        queue = pieces.setdefault(price, [])
        units = [index for index, piece in enumerate(queue) if piece is None]
        ours = [piece for piece in queue if piece is not None]
        if kind == "market":
            book.add_market(price, qty)
            queue += [None] * qty
        elif kind == "order":
            queue.append(resting(book, price, qty))
        elif kind == "remove" and ours:
            book.remove_order(ours[qty % len(ours)])
            queue.remove(ours[qty % len(ours)])
            assert not ours[qty % len(ours)].resting
        elif kind in ("front", "back") and units:
            taken = min(qty, len(units))
            book.remove_market(price, taken, front=kind == "front")
            for index in sorted(units[:taken] if kind == "front" else units[-taken:], reverse=True):
                del queue[index]
        held = {
            at: sum(1 if piece is None else piece.remaining for piece in queue)
            for at, queue in pieces.items()
            if queue
        }
        expected = sorted(held.items(), reverse=side == BUY)
        assert expected == book.levels(99)
        assert expected[:2] == book.levels(2)
        assert (expected[0][0] if expected else None) == book.best()
        assert [at * (1 if side == SELL else -1) for at, _ in expected] == book.keys
        for queue in pieces.values():
            for index, piece in enumerate(queue):
                if piece is not None:
                    assert (queue[:index].count(None), True) == (piece.ahead, piece.resting)


@pytest.mark.parametrize("side", [BUY, SELL])
def test_empty_side(side: int) -> None:
    """An empty side has no best price, no levels and no quantity anywhere."""
    book = BookSide(side)
    assert (None, [], 0) == (book.best(), book.levels(5), book.quantity(100))


def test_market_cancels_leave_from_the_back() -> None:
    """What the market takes away never brings an order forward while something stands behind it."""
    book = BookSide(SELL)
    book.add_market(10, 5)
    order = resting(book, 10, 1)
    book.add_market(10, 3)
    book.remove_market(10, 3, front=False)
    assert 5 == order.ahead
    book.remove_market(10, 2, front=False)
    assert 3 == order.ahead
    book.remove_market(10, 3, front=False)
    assert (0, [(10, 1)]) == (order.ahead, book.levels(5))
