"""The page of a report as a whole."""

from __future__ import annotations

from decimal import Decimal
from html.parser import HTMLParser

import pytest

from livestack.research.report import Findings
from livestack.research.report_page import NOTHING_LOADED, page
from tests.research.report_records import INSTRUMENTS, START_NS, Maker, busy, head
from tests.research.report_records import SESSION as NAME

EVIL = "</title></style><script>alert(1)</script><img src=x onerror='alert(2)'>\" onload=\"alert(3)"
LOADING = ("src", "href", "xlink:href", "action", "data", "srcset", "poster")
SMALL = 600_000


class Reader(HTMLParser):
    """What a browser would see."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def of(records: object, *notes: str) -> Reader:
    return Reader(page(Findings.of(records), "made by hand", notes))  # type: ignore[arg-type]


def is_inert(seen: Reader) -> bool:
    """Whether it loads nothing and runs nothing, and says so to the browser."""
    names = {name for name, _ in seen.attributes}
    loads = names & set(LOADING) or {name for name in names if name.startswith("on")}
    return not loads and "script" not in seen.tags and ("content", NOTHING_LOADED) in seen.attributes


def test_a_whole_session() -> None:
    """Head, key figures, a picture and a table of each part; it loads nothing and is small."""
    seen = of(busy(500))
    assert is_inert(seen)
    assert NAME in seen.text
    assert "stopped in order: asked to" in seen.text
    assert ["P&L after fees", "Volume", "Fees paid", "Intents denied"] == [
        one for one in ("P&L after fees", "Volume", "Fees paid", "Intents denied") if one in seen.text
    ]
    assert (7, 6) == (seen.tags.count("svg"), seen.tags.count("table"))
    assert "5d" * 32 in seen.text
    assert "c0" * 32 in seen.text
    assert " without balances, from seq 1 to " in seen.text
    assert SMALL > len(page(Findings.of(busy(500)), ""))


def test_light_dark_and_paper() -> None:
    """By the reader's own setting; paper is never dark."""
    html = page(Findings.of(busy(5)), "").decode()
    assert "@media screen and (prefers-color-scheme:dark)" in html
    assert "@media print" in html


def hostile() -> list[object]:
    """Every text that others write holds markup."""
    maker = Maker(EVIL)
    instrument = f"venue:{EVIL}"
    records = [
        maker.session_record("started", wall_ns=START_NS),
        maker.dispatch(instrument, 1, "dispatched", EVIL, decision_bid="1", decision_ask="2"),
        maker.dispatch(instrument, 1, "answered", EVIL, send_ns=1, answered_ns=5, reason=EVIL),
        maker.fill(instrument, 1, EVIL, Decimal(2), liquidity=EVIL, fee_asset=EVIL),
        maker.position(instrument, qty="1", fees="{}", quote_asset=EVIL, realised="1", average_price="3"),
        maker.denial(EVIL, detail=EVIL),
        maker.denial(EVIL, "withdrawn"),
        maker.control("OperatorCommand", instrument, actor=EVIL, reason=EVIL, state=EVIL),
        maker.control(EVIL, instrument, actor=EVIL, reason=EVIL, state=EVIL),
        maker.control("TradingStateChanged", actor=EVIL, reason=EVIL, state=EVIL),
        maker.control("IncidentOpened", detail='{"scope":"<script>"}', reason=EVIL, state=EVIL, grade=EVIL),
        maker.session_record("stopped", reason=EVIL),
    ]
    for record in records:
        for name in ("node", "strategy", "strategy_digest", "configuration_digest"):
            setattr(record.trace, name, EVIL)
    return list(records)


def test_texts_of_others_are_text() -> None:
    """Markup of a venue, an operator or a session's name is shown as it is, and is no markup of the page."""
    usual, seen = of(busy(50)), of(hostile(), EVIL)
    assert is_inert(seen)
    assert set() == set(seen.tags) - set(usual.tags) - {"circle"}
    assert {name for name, _ in seen.attributes} <= {name for name, _ in usual.attributes} | {"cx", "cy", "r"}
    assert "<script>alert(1)</script>" in seen.text


@pytest.mark.parametrize("number", [0, 7, 31, 0x7F, 0x202E, 0xFFFF])
def test_characters_that_have_no_place_in_a_page(number: int) -> None:
    """Control characters of a text do not break it."""
    maker = Maker()
    seen = of([*head(maker), maker.control("CommandRefused", reason=f"before{chr(number)}after")])
    assert "before" in seen.text
    assert "after" in seen.text


def test_no_records() -> None:
    """A page that says so."""
    seen = of([])
    assert "no records" in seen.text
    assert 0 == seen.tags.count("svg")


def test_a_session_without_fills() -> None:
    """Every part says that there is nothing."""
    maker = Maker()
    seen = of(head(maker))
    told = ("No position changed", "There was no fill", "No request was dispatched", "Risk denied nothing")
    assert [] == [one for one in told if one not in seen.text]
    assert "not stopped: running, or interrupted" in seen.text
    assert 1 == seen.tags.count("svg")


def test_fills_without_any_quote() -> None:
    """Are told to have none, without a picture of slippage."""
    maker = Maker()
    seen = of(
        [*head(maker), maker.fill(INSTRUMENTS[0], 9, "buy", Decimal(5)), maker.position(INSTRUMENTS[0])]
    )
    assert "Of 1 fills no such quote is known" in seen.text


def test_notes_are_at_the_top() -> None:
    """What the reader has to know of the records."""
    assert "records are missing" in of(busy(2), "12 records are missing").text


def test_a_long_session_makes_no_long_page() -> None:
    """Some hundred kilobytes, as of any session."""
    assert SMALL > len(page(Findings.of(busy(12_000)), ""))
