"""The parts of a report: for each question a sentence, a picture, and beneath it the numbers. Pure. Any one thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import Element

from livestack.research.report import Findings
from livestack.research.report_drawing import Child, element
from livestack.research.report_histograms import (
    ROWS_MAX,
    RULES_SHOWN,
    denial_plot,
    latency_plot,
    slippage_plot,
)
from livestack.research.report_measures import SAMPLE_MAX, Distribution, narrow, plain
from livestack.research.report_plots import Ends, position_plot, profit_plot, timeline_plot
from livestack.research.report_timeline import MOMENTS_MAX
from livestack.research.wording import duration
from livestack.summary import rfc3339

INSTRUMENTS_SHOWN: Final = 12
"""Positions that are drawn, those of most fills; the table has all."""

Cell = str | tuple[str, str] | tuple[str, str, str]
"""A text; or a text and its class; or these, and what is shown where the pointer rests."""


def sections(findings: Findings, ends: Ends) -> list[Element]:
    """All of them, in order."""
    return [
        *_profit(findings, ends),
        *_positions(findings, ends),
        *_fills(findings),
        *_answers(findings),
        *_denials(findings),
        *_happened(findings, ends),
    ]


def moment(ts: int) -> str:
    """Date and time of day to the millisecond."""
    return rfc3339(ts).replace("T", " ").replace("Z", "") if ts else "unknown"


def _section(title: str, said: str, *children: Child) -> list[Element]:
    """A heading, a sentence that says how to read it, and what it shows."""
    shown = [child for child in children if isinstance(child, Element)]
    return [element("h2", title), element("p", said), *shown]


def _figure(drawn: Element) -> Element:
    return element("figure", drawn)


def _table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Element:
    """Columns whose title begins with ``>`` hold numbers, those with ``!`` long texts."""
    styles = {">": "number", "!": "long"}
    titles = [(title.lstrip(">!"), styles.get(title[:1], "")) for title in head]
    body = element("tbody")
    for row in rows:
        line = element("tr")
        for cell, (_, style) in zip(row, titles, strict=True):
            text, own, *title = cell if isinstance(cell, tuple) else (cell, style)
            line.append(_styled("td", text, own, *title))
        body.append(line)
    top = element("tr", *(_styled("th", title, style) for title, style in titles))
    return element("div", element("table", element("thead", top), body), class_="wide")


def _styled(tag: str, text: str, style: str, title: str = "") -> Element:
    attributes = {"class_": style, "title": title}
    return element(tag, text, **{name: value for name, value in attributes.items() if value})


def _narrow(value: Decimal) -> Cell:
    """A number that leaves room for others; the exact one where the pointer rests, if it is another."""
    shown, exact = narrow(value), plain(value)
    return (shown, "number") if shown == exact else (shown, "number", exact)


def _profit(findings: Findings, ends: Ends) -> list[Element]:
    if not findings.results:
        return _section("Profit and loss", "No position changed in this session.")
    said = (
        "Realised; after fees (those in the quote asset, and those in third assets at their marks when they were "
        "paid); and with what is unrealised, at the best prices known when a position last changed."
    )
    shown: list[Element] = []
    for asset, result in sorted(findings.results.items()):
        shown += [element("h3", f"in {asset}"), _figure(profit_plot(asset, result, ends))]
    return _section("Profit and loss", said, *shown)


def _positions(findings: Findings, ends: Ends) -> list[Element]:
    if not findings.holdings:
        return []
    ordered = sorted(findings.holdings.items(), key=lambda each: (-each[1].marks.count, each[0]))
    shown: list[Element] = []
    for instrument, holding in ordered[:INSTRUMENTS_SHOWN]:
        shown += [element("h3", instrument), _figure(position_plot(instrument, holding, ends))]
    rows = [
        (
            instrument,
            f"{holding.marks.count:,}",
            _narrow(holding.bought),
            _narrow(holding.sold),
            _narrow(holding.qty),
            _narrow(Decimal(holding.average_price)) if holding.average_price else "flat",
            _narrow(holding.realised),
            _narrow(holding.fees_in_quote),
            _narrow(holding.net),
            _narrow(holding.unrealised),
            holding.quote_asset,
        )
        for instrument, holding in sorted(findings.holdings.items())
    ]
    head = (
        *("Instrument", ">Fills", ">Bought", ">Sold", ">Position", ">Average price"),
        *(">Realised", ">Fees in quote", ">After fees", ">Unrealised", "Quote asset"),
    )
    said = "The quantity held. A full triangle is a buy, an empty one a sale, at the position after it."
    if any(holding.marks.count > SAMPLE_MAX for holding in findings.holdings.values()):
        said += " Of very many fills not every one is marked."
    if len(ordered) > INSTRUMENTS_SHOWN:
        said += f" Drawn are the {INSTRUMENTS_SHOWN} instruments with most fills; the table has all {len(ordered)}."
    return _section("Positions", said, *shown, _table(head, rows))


def _fills(findings: Findings) -> list[Element]:
    if not findings.fills:
        return _section("Fills", "There was no fill in this session.")
    by_liquidity: dict[str, Distribution] = {}
    rows: list[Sequence[Cell]] = []
    for (instrument, liquidity), one in sorted(findings.fills.items()):
        by_liquidity.setdefault(liquidity, Distribution()).take(one.slippage)
        known = one.slippage.count
        rows.append(
            (
                instrument,
                liquidity,
                f"{one.count:,}",
                plain(one.notional),
                *(
                    _basis_points(one.slippage.percentile(percent)) if known else ""
                    for percent in (10, 50, 90)
                ),
                _basis_points(one.slippage.high) if known else "",
                plain(one.cost) if known else "",
                findings.holding(instrument).quote_asset,
            )
        )
    head = (
        *("Instrument", "Liquidity", ">Fills", ">Volume"),
        *(">p10 bp", ">Median bp", ">p90 bp", ">Worst bp", ">Cost against quote", "Quote asset"),
    )
    said = (
        "Slippage is the price of a fill against the quote that the strategy saw when its order was decided: a buy "
        "against the ask, a sale against the bid, in basis points (hundredths of a percent). Above 0 is worse than "
        "that quote; a maker that earns the spread is below it."
    )
    if findings.without_quote:
        said += f" Of {findings.without_quote:,} fills no such quote is known."
    shown: list[Element] = []
    if any(one.count for one in by_liquidity.values()):
        shown = [_figure(slippage_plot(by_liquidity))]
    shown.append(_table(head, rows))
    if findings.worst:
        shown += [
            element("h3", f"The {len(findings.worst)} fills that were worst against the quote"),
            _worst(findings),
        ]
    return _section("Fills and slippage", said, *shown)


def _worst(findings: Findings) -> Element:
    head = (
        *(">Seq", "Time", "Instrument", ">Order", "Side", "Liquidity"),
        *(">Price", ">Quote", ">Quantity", ">Slippage bp"),
    )
    return _table(
        head,
        [
            (
                str(one.seq),
                moment(one.ts),
                one.instrument,
                str(one.order_id),
                one.side,
                one.liquidity,
                plain(Decimal(one.price)),
                plain(Decimal(one.quote)),
                plain(Decimal(one.qty)),
                _basis_points(one.slippage),
            )
            for one in sorted(findings.worst, reverse=True)
        ],
    )


def _basis_points(thousandths: int) -> str:
    return plain(Decimal(thousandths).scaleb(-3))


def _answers(findings: Findings) -> list[Element]:
    if not findings.answers:
        return _section("Time to acknowledgement", "No request was dispatched in this session.")
    known = {name: one.latency for name, one in sorted(findings.answers.items()) if one.latency.count}
    rows = [
        (
            venue,
            kind,
            f"{one.dispatched:,}",
            f"{one.latency.count:,}",
            f"{one.overtaken:,}",
            f"{one.failed:,}",
            *(
                duration(one.latency.percentile(percent)) if one.latency.count else ""
                for percent in (50, 90, 99)
            ),
            duration(one.latency.high) if one.latency.count else "",
        )
        for (venue, kind), one in sorted(findings.answers.items())
    ]
    head = (
        *("Venue", "Request", ">Dispatched", ">Answered", ">Overtaken by a fill", ">Not sent"),
        *(">p50", ">p90", ">p99", ">Longest"),
    )
    said = "From the last byte of a request written to the arrival of the venue's answer."
    drawn = dict(list(known.items())[:ROWS_MAX])
    shown = [_figure(latency_plot(drawn))] if drawn else []
    return _section("Time to acknowledgement", said, *shown, _table(head, rows))


def _denials(findings: Findings) -> list[Element]:
    if not findings.denials:
        return _section("Denials", "Risk denied nothing, and no Intent was withdrawn.")
    ordered = sorted(
        findings.denials.items(), key=lambda each: (-each[1].denied - each[1].withdrawn, each[0])
    )
    rows = [
        (rule, f"{one.denied:,}", f"{one.withdrawn:,}", one.first or "nothing more") for rule, one in ordered
    ]
    said = "Intents that did not become a request: denied by a rule of Risk, or withdrawn from the queue (outlined)."
    if len(ordered) > RULES_SHOWN:
        said += f" Drawn are the {RULES_SHOWN} that came most often."
    head = ("Rule", ">Denied", ">Withdrawn", "!What it said first")
    return _section("Denials by rule", said, _figure(denial_plot(findings.denials)), _table(head, rows))


def _happened(findings: Findings, ends: Ends) -> list[Element]:
    timeline = findings.timeline
    if not timeline.count:
        return _section("Incidents and control", "Nothing is recorded besides trading.")
    said = (
        "Commands, states, connections and incidents. A circle is usual, a triangle a warning, a square is bad; a bar "
        "is as long as an incident was open."
    )
    moments = timeline.moments()
    left_out = timeline.count - len(moments)
    if left_out:
        said += f" The table has the first and the last {MOMENTS_MAX} of {timeline.count:,}."
    rows = [
        (
            str(one.seq),
            moment(one.ts),
            one.lane,
            (one.grade, one.grade),
            one.event,
            one.scope,
            one.text,
        )
        for one in moments
    ]
    head = (">Seq", "Time", "About", "Grade", "Event", "Scope", "!What")
    return _section("Incidents and control", said, _figure(timeline_plot(timeline, ends)), _table(head, rows))
