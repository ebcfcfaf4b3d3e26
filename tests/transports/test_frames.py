"""WebSocket frames from bytes: any cut of the stream gives the same messages; what breaks the protocol is an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.transports.frames import CLOSE_PROTOCOL_ERROR, CLOSE_TOO_BIG, FrameReader

LIMIT = 100_000


def frame(payload: bytes, first: int = 0x81) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes([first, size]) + payload
    if size < 1 << 16:
        return bytes([first, 126]) + size.to_bytes(2, "big") + payload
    return bytes([first, 127]) + size.to_bytes(8, "big") + payload


@given(
    sizes=st.lists(st.sampled_from([0, 1, 5, 125, 126, 127, 300, 65_535, 65_536, 70_000]), max_size=8),
    cuts=st.lists(st.integers(1, 5_000), min_size=1, max_size=50),
)
def test_any_cut_of_the_stream_gives_the_same_messages(sizes: list[int], cuts: list[int]) -> None:
    """Read in pieces of whatever size, in order, to the last byte."""
    payloads = [bytes([65 + index]) * size for index, size in enumerate(sizes)]
    stream = b"".join(frame(payload) for payload in payloads)
    reader = FrameReader(LIMIT)
    got: list[bytes] = []
    position, index = 0, 0
    while position < len(stream):
        step = cuts[index % len(cuts)]
        got += reader.feed(stream[position : position + step])
        position, index = position + step, index + 1
    assert got == payloads
    assert reader.error is None


def test_fragments_become_one_message_with_control_frames_between() -> None:
    """A ping inside a fragmented message is answered and does not tear it."""
    reader = FrameReader(LIMIT)
    stream = (
        frame(b"ab", 0x01) + frame(b"payload", 0x89) + frame(b"cd", 0x00) + frame(b"e", 0x80) + frame(b"f")
    )
    assert reader.feed(stream) == [b"abcde", b"f"]
    assert reader.ping == b"payload"


def test_a_close_frame_tells_its_code_and_reason() -> None:
    """Also one without a code."""
    reader = FrameReader(LIMIT)
    assert reader.feed(frame(b"x") + frame((1008).to_bytes(2, "big") + b"too fast", 0x88)) == [b"x"]
    assert reader.closed == "closed by the peer: 1008 too fast"
    reader.feed(frame(b"", 0x88))
    assert reader.closed == "closed by the peer without a reason"


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (bytes([0x81, 0x81]) + b"mask" + b"x", CLOSE_PROTOCOL_ERROR),
        (frame(b"x", 0xC1), CLOSE_PROTOCOL_ERROR),
        (frame(b"x", 0x83), CLOSE_PROTOCOL_ERROR),
        (frame(b"x", 0x8B), CLOSE_PROTOCOL_ERROR),
        (frame(b"x", 0x80), CLOSE_PROTOCOL_ERROR),
        (frame(b"x", 0x01) + frame(b"x", 0x01), CLOSE_PROTOCOL_ERROR),
        (frame(b"x", 0x09), CLOSE_PROTOCOL_ERROR),
        (frame(b"x" * 126, 0x89), CLOSE_PROTOCOL_ERROR),
        (bytes([0x81, 127]) + (1 << 62).to_bytes(8, "big"), CLOSE_TOO_BIG),
        (frame(b"x" * 60_000, 0x01) + frame(b"x" * 60_000, 0x00), CLOSE_TOO_BIG),
        (frame(b"", 0x01) + frame(b"", 0x00) * 60_000, CLOSE_TOO_BIG),
    ],
)
def test_what_breaks_the_protocol_or_a_limit(stream: bytes, code: int) -> None:
    """Masked, reserved bits, unknown opcodes, fragments out of place, too long: an error with its close code.

    Messages before it are good.
    """
    reader = FrameReader(LIMIT)
    assert reader.feed(frame(b"before") + stream) == [b"before"]
    assert reader.error is not None
    assert reader.error.code == code
