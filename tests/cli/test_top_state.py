"""What is always on the screen: how the node is, and what to look at first."""

from __future__ import annotations

from typing import Any

from livestack.cli.top_lines import Block
from livestack.cli.top_picture import Inbox, News, Picture
from livestack.cli.top_state import all_incidents, head, incidents
from livestack.wire import control_pb2 as wire
from tests.cli.top_support import BTC, status


def picture_of(*contents: Any) -> Picture:
    inbox, picture = Inbox(), Picture(0.0)
    for content in contents:
        inbox.put(News(content, 0.0))
    picture.take(inbox.take())
    return picture


def text_of(block: Block) -> str:
    lines = [] if block.head is None else [block.head]
    lines += [block.line(number) for number in range(block.rows)]
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def styles_of(block: Block) -> dict[str, str]:
    lines = [] if block.head is None else [block.head]
    lines += [block.line(number) for number in range(block.rows)]
    return {text.strip(): style for line in lines for text, style in line if text.strip()}


def test_three_lines() -> None:
    """Node and session, every state that stops orders, counters."""
    text = text_of(head(picture_of(status()), 0.5, 80))
    for part in ("demo", "20260102T030405Z-d3e0", "running", "trading ACTIVE", "kill off", "holds none",
                 "guard watching", "strategy on", "as of 0.6 s ago", "seq 48,211", "denied 1,204"):  # fmt: skip
        assert part in text
    assert 80 >= max(map(len, text.splitlines()))


def test_bad_states_are_seen() -> None:
    """Each with its mark, and the kill-switch the loudest."""
    bad = status(trading_state="halted", guard="lost", strategy_enabled=False, phase="stopping")
    bad.kill_switch.add(scope="", trigger="operator", by="anna", reason="news")
    bad.holds.add(name="kill")
    bad.holds.add(name="lease", venue="binance_spot")
    shown = styles_of(head(picture_of(bad), 0.0, 200))
    assert {"!! HALTED": "bad", "!! lost": "bad", "! OFF": "warn", "! stopping": "warn", "ENGAGED": "loud",
            "! 2": "warn"}.items() <= shown.items()  # fmt: skip


def test_what_is_not_known_is_not_said_to_be_well() -> None:
    """Before the first answer there are no counters, and no word about incidents."""
    picture = Picture(0.0)
    assert "no node yet  no session\nnothing is known yet\n" == text_of(head(picture, 0.0, 80))
    assert "incidents are not known" == text_of(incidents(picture, 0.0, 80, 4))
    assert "no incidents" == text_of(incidents(picture_of(wire.Status(phase="running")), 0.0, 80, 4))


def test_the_worst_first() -> None:
    """With what to look at as far as there is room."""
    lines = text_of(incidents(picture_of(status()), 2.0, 120, 4)).splitlines()
    assert lines[0].startswith("!! critical unknown_outcome binance_spot  14.3 s  order 17")
    assert "   look at: livestack orders, then livestack why ORDER." == lines[1]
    assert lines[2].startswith("! warning book_invalid")
    assert 4 == len(lines)
    assert 3 == len(text_of(incidents(picture_of(status()), 2.0, 120, 3)).splitlines())


def test_more_than_there_is_room_for() -> None:
    """Their number is said, and where they are."""
    many = status()
    for number in range(20):
        many.incidents.add(name=f"n{number}", grade="halting", detail="x" * 500, age_ms=number)
    lines = text_of(incidents(picture_of(many), 0.0, 80, 3)).splitlines()
    assert (3, "   20 more: press 2") == (len(lines), lines[-1])
    assert lines[0].startswith("!! halting n0")


def test_everything_that_holds_orders_is_to_be_looked_at() -> None:
    """The kill-switch, also of a node that makes no incident of it; what is halted for a part; other holds."""
    held = status()
    del held.incidents[:]
    held.kill_switch.add(scope=BTC, trigger="operator", by="anna", reason="bad\nnews")
    held.trading.add(scope=BTC, value="halted", why="operator anna: odd\nprices")
    held.holds.add(name="kill", instrument=BTC)
    held.holds.add(name="lease")
    text = text_of(incidents(picture_of(held), 0.0, 120, 6))
    assert f"!! KILL-SWITCH {BTC} (operator by anna): bad news" in text
    assert f"! trading halted for {BTC}, by operator anna: odd prices" in text
    assert "! held: lease everything" in text
    held.incidents.add(name="kill", grade="critical", scope=BTC)
    assert "KILL-SWITCH" not in text_of(incidents(picture_of(held), 0.0, 120, 6))


def test_the_page_of_incidents() -> None:
    """Each with all that is known of it, folded."""
    text = text_of(all_incidents(picture_of(status()), 0.0, 60))
    for part in (
        "detail   order 17, sent 12 s ago",
        "meaning  What became",
        "look at  livestack feeds; the log",
    ):
        assert part in text
    assert 60 >= max(map(len, text.splitlines()))
    assert "none" == all_incidents(picture_of(wire.Status(phase="running")), 0.0, 60).note
