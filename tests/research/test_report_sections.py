"""The tables of a report."""

from __future__ import annotations

from decimal import Decimal
from xml.etree.ElementTree import Element

from livestack.research.report import Findings
from livestack.research.report_sections import INSTRUMENTS_SHOWN, moment, sections
from tests.research.report_records import INSTRUMENTS, START_NS, Maker, busy, head

BTC, ETH = INSTRUMENTS


def tables(found: Findings) -> list[list[list[str]]]:
    """Cells of every table, with the head as its first line."""
    drawn = sections(found, (found.first[1], found.last[1] + 1))
    return [
        [["".join(cell.itertext()) for cell in row] for row in one.iter("tr")]
        for part in drawn
        for one in part.iter("table")
    ]


def text(parts: list[Element]) -> str:
    return "\n".join("".join(part.itertext()) for part in parts)


def test_times() -> None:
    """Date and time of day to the millisecond; 0 is none."""
    assert ["2027-01-15 08:00:00.000", "unknown"] == [moment(START_NS), moment(0)]


def test_positions_have_short_numbers() -> None:
    """As the last record told them, in few enough digits for a page; where the pointer rests they are exact."""
    maker = Maker()
    position = maker.position(
        BTC,
        qty="-0.00000001",
        average_price="59994.123456789012",
        realised="12345.00000000000000012",
        quote_fees="0.1",
        marked_fees="0.0000000000000000010",
        unrealised="-3",
        bought_qty="1.5",
        sold_qty="1.50000001",
    )
    found = Findings.of([*head(maker), maker.fill(BTC, 1, "buy", Decimal(100)), position])
    row = tables(found)[0][1]
    expected = [
        *(BTC, "1", "1.5", "1.50000001", "-0.00000001", "59,994.12346"),
        *("12,345", "0.1", "12,344.9", "-3", "USDT"),
    ]
    assert expected == row
    exact = [
        *("59,994.123456789012", "12,345.00000000000000012"),
        *("0.100000000000000001", "12,344.900000000000000119"),
    ]
    drawn = sections(found, (found.first[1], found.last[1] + 1))
    assert exact == [title for part in drawn for cell in part.iter("td") if (title := cell.get("title"))]


def test_numbers_of_requests_and_denials() -> None:
    """Counts and percentiles by venue and kind; rules by how often, with what they said first."""
    found = Findings.of(busy(300))
    by_head = {one[0][0] + one[0][1]: one[1:] for one in tables(found)}
    requests = {row[1]: row for row in by_head["VenueRequest"]}
    assert ["binance_spot", "new", "300", "300", "0", "0"] == requests["new"][:6]
    assert ["binance_spot", "cancel", "100", "100", "0", "0"] == requests["cancel"][:6]
    assert "3.211 ms" == requests["new"][6]
    rules = by_head["RuleDenied"]
    assert ["max_position", "15", "0", "of order 3"] == rules[0]
    assert ["replaced", "0", "6", "nothing more"] == rules[-1]


def test_worst_fills_first() -> None:
    """With the quote that they are worse than."""
    found = Findings.of(busy(100))
    worst = next(one for one in tables(found) if "Slippage bp" in one[0])[1:]
    slippages = [Decimal(row[-1]) for row in worst]
    assert sorted(slippages, reverse=True) == slippages
    assert 20 == len(slippages)


def test_very_many_instruments() -> None:
    """Those of most fills are drawn, and the table has all."""
    maker, records = Maker(), []
    for number in range(30):
        instrument = f"v:S{number:02}"
        records += [maker.fill(instrument, 1, "buy", Decimal(1)) for _ in range(number)]
        records.append(maker.position(instrument, qty="1"))
    found = Findings.of(records)
    drawn = sections(found, (found.first[1], found.last[1] + 1))
    shown = [one.text for one in drawn if one.tag == "h3" and (one.text or "").startswith("v:")]
    assert [f"v:S{29 - number:02}" for number in range(INSTRUMENTS_SHOWN)] == shown
    assert 31 == len(tables(found)[0])
    assert "the table has all 30" in text(drawn)


def test_of_very_many_moments_it_says_what_is_left_out() -> None:
    """With their number."""
    maker = Maker()
    records = (maker.control("FeedStatusChanged", ETH, state="live") for _ in range(1_000))
    found = Findings.of([*head(maker), *records])
    assert "the first and the last 200 of 1,004" in text(sections(found, (found.first[1], found.last[1] + 1)))
