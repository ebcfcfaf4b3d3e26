"""Receipts of the kill-switch for people who were not there."""

from __future__ import annotations

import pytest

from livestack.cli.receipts import is_proof_of, open_orders, show_receipt, summary
from livestack.wire import control_pb2 as wire
from tests.control.fake_node import KILLED, ORDER, receipt


def test_a_receipt_can_be_handed_over(capsys: pytest.CaptureFixture[str]) -> None:
    """Session, scope, who, why, days and times, each venue's answer, rounds."""
    found = receipt(flat=True)
    found.session = "20260102T030405Z-aaaa"
    found.scopes[0].by = "anna"
    show_receipt(found)
    text = capsys.readouterr().out
    for part in (
        "Kill receipt of session 20260102T030405Z-aaaa",
        "everything",
        "anna (operator)",
        "a test",
        "2026-01-02 03:04:07.000 UTC",
        "2026-01-02 03:04:06.999 UTC",
        "answered 2026-01-02 03:04:07.002 UTC: nothing is open",
        "flat: every venue has answered",
    ):
        assert part in text
    found.last_new_sent_at_ns = 0
    show_receipt(found)
    assert "none by this process" in capsys.readouterr().out


def test_what_was_known_of_a_silent_venue_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """It may be open still; nobody knows how many are."""
    silent = wire.VenueAnswer(venue="v", trouble="not connected", known_open_orders=[ORDER])
    found = wire.KillReceipt(engaged=True, venues=[silent])
    show_receipt(found)
    text = capsys.readouterr().out
    assert "no answer yet; 1 last known to be open; not connected" in text
    assert "Last known to be open" in text
    assert open_orders(found) is None


@pytest.mark.parametrize(
    ("scopes", "text"), [(["v:I"], " for v:I"), (["v:I", "w"], " for v:I, w"), (["v:I", ""], ""), ([], "")]
)
def test_a_proof_is_of_its_scope(scopes: list[str], text: str) -> None:
    """Nothing is added where it is everything."""
    found = wire.KillReceipt(flat=True, scopes=[wire.KillScope(scope=one) for one in scopes])
    assert summary(found).startswith(f"flat{text}: every venue has answered")
    found.flat = False
    assert summary(found).startswith(f"not flat{text}: no venue was asked yet")


def test_a_receipt_that_became_wider_proves_the_wider_kill() -> None:
    """Where every venue was asked behind it, and it covers it."""
    found = receipt(flat=True)
    assert is_proof_of(found, KILLED)
    found.gate_closed_at_ns -= 1_000
    assert is_proof_of(found, KILLED)
    found.scopes[0].scope = "v:I"
    assert not is_proof_of(found, KILLED)
    found.scopes[0].scope = ""
    found.venues[0].asked_at_ns = KILLED.gate_closed_at_ns - 1
    assert not is_proof_of(found, KILLED)
