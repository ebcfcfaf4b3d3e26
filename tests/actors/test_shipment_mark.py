"""What a shipment leaves beside the journal: a mark that is never too far, a lock that dies with its holder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from livestack.actors.shipment_mark import ShippingMark, alone
from livestack.exceptions import HeldError
from livestack.storage.cursor import Mark, read_marks


@pytest.fixture(name="sessions")
def _sessions(tmp_path: Path) -> Path:
    (tmp_path / "s").mkdir()
    return tmp_path


def marked(sessions: Path) -> Mark | None:
    return read_marks(sessions, "s").get("sink")


def test_it_is_written_when_it_says_something_new(sessions: Path) -> None:
    """Not for a later hour alone; that a session ended is something new, and stays."""
    mark = ShippingMark(sessions, "s", "sink", "there")
    mark.keep(5, wall_ns=1)
    mark.keep(5, wall_ns=2)
    assert Mark(name="sink", address="there", through=5, wall_ns=1) == marked(sessions)
    mark.keep(5, wall_ns=3, ended=True)
    mark.keep(5, wall_ns=4)
    assert Mark(name="sink", address="there", through=5, ended=True, wall_ns=3) == marked(sessions)
    mark.keep(4, wall_ns=5)
    assert Mark(name="sink", address="there", through=4, wall_ns=5) == marked(sessions)
    mark.keep(4, wall_ns=6, link="ab")
    mark.keep(4, wall_ns=7)
    assert Mark(name="sink", address="there", through=4, wall_ns=6, link="ab") == marked(sessions)


def test_it_goes_on_from_the_one_that_is_there(sessions: Path) -> None:
    """Of another address it says nothing."""
    ShippingMark(sessions, "s", "sink", "there").keep(5, wall_ns=1, ended=True)
    ShippingMark(sessions, "s", "sink", "there").keep(5, wall_ns=2)
    assert Mark(name="sink", address="there", through=5, ended=True, wall_ns=1) == marked(sessions)
    ShippingMark(sessions, "s", "sink", "elsewhere").keep(5, wall_ns=3)
    assert Mark(name="sink", address="elsewhere", through=5, wall_ns=3) == marked(sessions)


def test_a_disk_that_refuses_is_trouble_until_it_does_not(sessions: Path) -> None:
    """A sentence, and the next mark is tried again."""
    (sessions / "s" / "shipped").write_text("in the way")
    mark = ShippingMark(sessions, "s", "sink", "there")
    mark.keep(5, wall_ns=1)
    assert mark.trouble is not None
    assert "how far there is cannot be noted beside session s: File exists" == mark.trouble.text
    (sessions / "s" / "shipped").unlink()
    mark.keep(5, wall_ns=2)
    assert mark.trouble is None


def test_one_process_ships_to_a_sink(sessions: Path) -> None:
    """Under whatever name; the other one hears which one. Another sink is free, and so is this one afterwards."""
    with alone(sessions, "s", "sink", "there"):
        with (
            pytest.raises(
                HeldError, match=f"sink same of session s is not usable: process {os.getpid()} ships to it"
            ),
            alone(sessions, "s", "same", "there"),
        ):
            pass
        with alone(sessions, "s", "sink", "elsewhere"):
            pass
    with alone(sessions, "s", "sink", "there"):
        pass
