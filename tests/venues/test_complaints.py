"""Counting and keeping what could not be used."""

from __future__ import annotations

from livestack.venues.adapter import FRAME_HEAD_BYTES
from livestack.venues.complaints import COMPLAINTS_MAX, Complaints


def test_a_flood_is_counted_in_full_and_kept_in_part() -> None:
    """``faults`` has them all, the list a bounded number; ``take`` empties it."""
    complaints = Complaints()
    for _ in range(1_000):
        complaints.add("bad", "sentence", b"x" * 10_000)
    assert complaints.faults == {"bad": 1_000}
    kept = complaints.take()
    assert len(kept) == COMPLAINTS_MAX
    assert {len(one.frame_head) for one in kept} == {FRAME_HEAD_BYTES}
    assert complaints.take() == []


def test_secrets_are_blotted_out_also_at_the_edge_of_the_head() -> None:
    """Neither in the frame's head nor in the sentence, not even half of one."""
    complaints = Complaints(("THE-API-KEY",))
    complaints.add("bad", "about THE-API-KEY", b"x" * (FRAME_HEAD_BYTES - 4) + b"THE-API-KEY")
    (one,) = complaints.take()
    assert "THE" not in one.detail
    assert b"THE" not in one.frame_head
