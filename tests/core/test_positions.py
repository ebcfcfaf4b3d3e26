"""Position arithmetic: nothing is ever lost, whatever the fills."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from livestack.core.positions import Position
from livestack.core.types import Side

FILLS = st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 10**9), st.integers(1, 10**12)), max_size=40)


@given(FILLS)
def test_money_is_conserved(fills: list[tuple[Side, int, int]]) -> None:
    """Cash received minus paid equals realised result minus what the open quantity cost (plus, for a short)."""
    position, cash = Position(), 0
    for side, qty, price in fills:
        position.trade(side, qty, price)
        cash += qty * price if side is Side.SELL else -qty * price
        sign = 1 if position.qty >= 0 else -1
        assert cash == position.realised - sign * position.cost
        assert position.bought_qty - position.sold_qty == position.qty
        assert position.cost >= 0
        assert position.cost == 0 or position.qty != 0


def test_partial_close_releases_its_share() -> None:
    """``cost * closed // quantity`` goes, the rest stays, and the last close takes it all."""
    position = Position()
    position.trade(Side.BUY, 3, 100)
    position.trade(Side.BUY, 4, 101)
    position.trade(Side.SELL, 2, 110)
    assert (5, 704 - 201, 220 - 201) == (position.qty, position.cost, position.realised)
    position.trade(Side.SELL, 7, 110)
    assert (-2, 220, 19 + 550 - 503) == (position.qty, position.cost, position.realised)


@given(FILLS, st.lists(st.integers(-(10**12), 10**12), max_size=40))
def test_base_fees_lower_inventory(fills: list[tuple[Side, int, int]], fees: list[int]) -> None:
    """Inventory is what was traded less the whole units of base fees, whose rest is kept."""
    position = Position()
    for index, (side, qty, price) in enumerate(fills):
        position.trade(side, qty, price)
        if index < len(fees):
            position.charge("BTC", 8, fees[index], "BTC", 3)
    total = sum(fees[: len(fills)])
    assert position.bought_qty - position.sold_qty - total // 10**5 == position.qty
    assert total == (position.fees["BTC"].amount if position.fees else 0)


def test_fees_of_other_assets_are_lines_of_their_own() -> None:
    """A fee in quote or a third asset leaves inventory alone; scales are brought together exactly."""
    position = Position()
    position.trade(Side.BUY, 10, 100)
    position.charge("BNB", 2, 5, "BTC", 3)
    position.charge("BNB", 4, -7, "BTC", 3)
    assert (10, 4, 493) == (position.qty, position.fees["BNB"].decimals, position.fees["BNB"].amount)
    assert (493, 5, 49300, 0) == (
        position.fee_in("BNB", 4),
        position.fee_in("BNB", 2),
        position.fee_in("BNB", 6),
        position.fee_in("BTC", 3),
    )


def test_unrealised_is_at_the_touch() -> None:
    """A long is worth the bid, a short the ask; without a price nothing is made up."""
    long, short = Position(), Position()
    long.trade(Side.BUY, 10, 100)
    short.trade(Side.SELL, 10, 100)
    assert (-10, -20, 0, 0) == (
        long.unrealised(99, 101),
        short.unrealised(99, 102),
        long.unrealised(0, 0),
        short.unrealised(0, 0),
    )
