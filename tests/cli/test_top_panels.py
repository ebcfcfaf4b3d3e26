"""The panels about trading: what they say of odd, old, many and missing things."""

from __future__ import annotations

from livestack.cli.top_lines import width_of
from livestack.cli.top_panels import events, fills, market, orders, positions, venues
from livestack.cli.top_picture import Picture
from livestack.wire import control_pb2 as wire
from tests.cli import top_support
from tests.cli.test_top_state import picture_of, styles_of, text_of
from tests.cli.top_support import BTC, ETH, order, status

PANELS = (venues, market, orders, positions, fills, events)


def test_before_the_first_answer() -> None:
    """Nothing is said to be none that only is not known."""
    assert {"not answered yet"} == {one(Picture(0.0), 0.0, 80).note for one in (orders, positions, fills)}


def test_a_venue_with_its_feed() -> None:
    """States, age of the newest message as time goes on, figures of the metrics, clock in milliseconds."""
    text = text_of(venues(picture_of(status(), top_support.metrics()), 2.0, 120))
    for part in ("live", "2.0 s", "1.80 ms", "880", "-2.2 ms", "!! 1", "62 %"):
        assert part in text


def test_books_that_are_not_valid() -> None:
    """Said with a mark; prices that there are none of are no zeros."""
    block = market(picture_of(status()), 0.0, 80)
    assert ("bad", "warn") == (styles_of(block)["!! not valid"], styles_of(block)["! synchronising"])
    assert " 0" not in text_of(block).splitlines()[3].replace(" 0.0 s", "")


def test_orders_say_what_is_odd() -> None:
    """Unknown, cancelling, not ours."""
    block = orders(picture_of(status(), top_support.orders()), 0.0, 80)
    for part in ("!! submitted, unknown", "accepted, cancelling", "! accepted, not ours", "8812"):
        assert part in text_of(block)
    assert "4" == block.note


def test_thousands_of_orders() -> None:
    """Lines are made when they are seen; those that the node does not list are counted."""
    many = wire.Orders(orders=[order(number) for number in range(1, 1_001)], total=7_500)
    block = orders(picture_of(status(), many), 10.0, 80)
    assert (1_000, "7,500, 10.0 s old, 6,500 not listed") == (block.rows, block.note)
    assert block.line(999)[0][0].strip() == "1000"


def test_sums_are_exact() -> None:
    """To the last digit, however large; a sum with a part that is not known is not known."""
    rich = wire.Positions(positions=[
        wire.Position(instrument=BTC, qty="1", realised_pnl="123456789012345678901234567890.12345",
                      unrealised_pnl="0.1", currency="USDT"),
        wire.Position(instrument=ETH, qty="-2", realised_pnl="-123456789012345678901234567890.1", unrealised_pnl="",
                      currency="USDT"),
    ])  # fmt: skip
    lines = text_of(positions(picture_of(status(), rich), 0.0, 160)).splitlines()
    assert ["sum", "+0.0234", "-", "-", "66021.3", "USDT"] == lines[1].split()
    assert "+123456789012345678901234567890.1234" in lines[2]
    assert "6021.2" in lines[3]


def test_amounts_that_are_too_small_to_round() -> None:
    """Are shown with all their digits, not as nothing; what a foreign node may say is no error."""
    odd = wire.Positions(positions=[
        wire.Position(instrument=BTC, qty="5e-3", realised_pnl="-0.00000012", unrealised_pnl="0", currency="BTC"),
        wire.Position(instrument=ETH, qty="x", realised_pnl="?", currency="BTC"),
    ])  # fmt: skip
    text = text_of(positions(picture_of(status(), odd), 0.0, 160))
    assert "-0.00000012" in text


def test_fills_newest_first() -> None:
    """With their number in all."""
    block = fills(picture_of(status(), top_support.fills()), 0.0, 80)
    assert "newest first, 42 in all" == block.note
    assert text_of(block).splitlines()[1].startswith("03:04:05.500")


def test_a_fee_is_never_without_its_currency() -> None:
    """Nor a currency without its fee: it would read as that of the quantity. Where there is no room both are gone."""
    narrow, wide = (
        text_of(fills(picture_of(status(), top_support.fills()), 0.0, width)) for width in (60, 120)
    )
    assert "0.0000014 BTC " in wide
    assert "BTC " not in narrow.replace("BTCUSDT", "")


def test_every_width() -> None:
    """Each line is exactly as wide as the panel, with long, non-ASCII and control characters in every text."""
    long = "х" * 300 + "\x1b[31m币" * 50
    wild = status(node=long, session=long, trading_state=long, guard=long)
    wild.venues[0].venue = wild.feeds[0].venue = long
    wild.feeds[0].instruments[0].instrument = f"{long}:{long}"
    strange = wire.Orders(
        orders=[order(2**63, instrument=long, status=long, price="9" * 60, side=long)], total=1
    )
    picture = picture_of(wild, strange, top_support.positions(), top_support.fills())
    picture.happenings.begin(long)
    for width in (10, 40, 80, 200):
        for panel in PANELS:
            block = panel(picture, 1.0, width)
            lines = [*([block.head] if block.head else []), *map(block.line, range(block.rows))]
            assert {width} >= {width_of(line) for line in lines}, panel.__name__
            assert "\x1b" not in text_of(block)
