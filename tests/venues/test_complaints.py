"""Counting and keeping what could not be used."""

from __future__ import annotations

import pytest

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


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("GET /a?b=1&signature=dead%2BBEEF%3D&c=2 failed", "GET /a?b=1&signature=***&c=2 failed"),
        ("url: '/a?signature=de+ad/BE=='", "url: '/a?signature=***'"),
        ("a?Signature=x y", "a?Signature=*** y"),
        ("next=%2Fa%3Fsignature%3Ddead", "next=%2Fa%3Fsignature%3D***"),
        ('{"params":{"signature":"de/ad+B=","b":1}}', '{"params":{"signature":"***","b":1}}'),
        ('{"signature" : "de\\/ad"}', '{"signature" : "***"}'),
        ('"{\\"signature\\":\\"dead\\"}"', '"{\\"signature\\":\\"***\\"}"'),
        ("{'signature': 'dead'}", "{'signature': '***'}"),
        ("signature for this request is not valid", "signature for this request is not valid"),
    ],
)
def test_what_a_request_was_signed_with_is_blotted_out(said: str, kept: str) -> None:
    """However it is written, in the sentence and in the frame; the rest can be read."""
    complaints = Complaints()
    complaints.add("bad", said, said.encode())
    (one,) = complaints.take()
    assert (kept, kept.encode()) == (one.detail, one.frame_head)


def test_half_a_signature_at_the_edge_is_one_too() -> None:
    """It is cut out before the frame is cut."""
    complaints = Complaints()
    complaints.add("bad", "", b"x" * (FRAME_HEAD_BYTES - 14) + b"signature=SECRET")
    (one,) = complaints.take()
    assert b"SEC" not in one.frame_head
