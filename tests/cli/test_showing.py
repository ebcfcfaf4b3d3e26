"""Values of messages for people and tools."""

from __future__ import annotations

import pytest

from livestack.cli.showing import age, moment, number, plain, show_table, utc
from livestack.wire import control_pb2 as wire


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(-1, "-"), (250, "250 ms"), (12_345, "12.3 s"), (300_000, "5 min")]
)
def test_ages_are_short(milliseconds: int, text: str) -> None:
    """One unit."""
    assert text == age(milliseconds)


def test_moments_are_exact() -> None:
    """Two that differ by a nanosecond do not look the same; none is null."""
    assert "1970-01-01T00:00:01.000000002Z" == utc(1_000_000_002)
    assert utc(0) is None


def test_decimals_are_as_they_are() -> None:
    """Without zeros at the end; nothing is a dash."""
    assert ("0.05", "-") == (number("0.0500"), number(""))


def test_a_message_is_an_object_with_every_field() -> None:
    """Also those that were not set, and messages within messages."""
    found = plain(wire.KillReceipt(venues=[wire.VenueAnswer(venue="v", answered_at_ns=1)]))
    assert not found["flat"]
    assert found["gate_closed_at"] is None
    assert "1970-01-01T00:00:00.000000001Z" == found["venues"][0]["answered_at"]
    assert [] == found["venues"][0]["open_orders"]


def test_moments_for_people_have_their_day() -> None:
    """A proof is read later; nothing for none."""
    assert ("1970-01-01 00:00:01.500 UTC", "") == (moment(1_500_000_000), moment(0))


COLUMNS = ("!instrument", "note", ">price", "?more", "?>last")
ROW = ("v:" + "I" * 30, "two words", "1" * 30, "m" * 20, "9" * 10)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 80 columns."""
    monkeypatch.setattr("livestack.cli.showing.terminal_width", lambda: 80)


@pytest.mark.usefixtures("terminal")
def test_names_and_numbers_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """What may go goes, the last first; text is folded between words; one venue is said in the title."""
    show_table("Orders", COLUMNS, [ROW])
    text = capsys.readouterr().out
    assert "Orders (v)" == text.splitlines()[0].strip()
    assert 80 >= max(map(len, text.splitlines()))
    for part in ("I" * 30, "1" * 30, "two", "words"):
        assert part in text
    assert "last" not in text
    assert "v:" not in text


@pytest.mark.usefixtures("terminal")
def test_a_table_that_cannot_be_narrower_is_wider(capsys: pytest.CaptureFixture[str]) -> None:
    """Better than half a number."""
    show_table("Orders", ("!instrument", ">price"), [("v:" + "I" * 60, "1" * 60), ("w:J", "2")])
    text = capsys.readouterr().out
    assert "v:" + "I" * 60 + "  " + "1" * 60 in text
    assert "w:J" in text


def test_in_a_pipe_nothing_is_folded(capsys: pytest.CaptureFixture[str]) -> None:
    """A row is a line, with all its columns."""
    show_table("Notes", ("!instrument", "note", "?more"), [("v:I", "a " * 200 + "end", "m")])
    assert 3 == len(capsys.readouterr().out.splitlines())
