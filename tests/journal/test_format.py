"""Frames, headers and the chain: what was written comes back, anything else is found."""

from __future__ import annotations

import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.core.configuration import Configuration
from livestack.core.events import Recorded, SessionStopped
from livestack.core.types import Origin
from livestack.exceptions import JournalDamagedError, JournalFormatError
from livestack.journal.format import (
    CHAIN_START,
    FORMAT_VERSION,
    SegmentHeader,
    decode_header,
    decode_record,
    encode_header,
    encode_record,
    extend_chain,
    key_of,
    seq_of,
)
from tests.journal.strategies import event

RECORD = Recorded(7, 1, Origin.INPUT, SessionStopped(reason="over"))
HEADER = SegmentHeader.of_session(
    session="s",
    node="n",
    strategy_path="m:C",
    strategy_source="source",
    configuration=Configuration.from_plain({"strategy": {"path": "m:C"}}),
    semantics_version=1,
    package_version="0",
)


@given(event(), st.integers(1, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_every_event_comes_back(one: object, seq: int, ts: int) -> None:
    """Any Event of any type, through its frame and back, is equal."""
    record = Recorded(seq, ts, Origin.INPUT, one)  # type: ignore[arg-type]
    assert record == decode_record(seq, encode_record(record), "segment")


@given(st.data())
def test_any_changed_byte_is_found(data: st.DataObject) -> None:
    """One flipped bit anywhere in a frame: an error that names segment and position, never another record."""
    frame = bytearray(encode_record(RECORD))
    index = data.draw(st.integers(0, len(frame) - 1))
    frame[index] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(JournalDamagedError) as damaged:
        decode_record(7, bytes(frame), "segment")
    assert ("segment", 7) == (damaged.value.path, damaged.value.seq)


def test_a_record_under_a_wrong_key_is_found() -> None:
    """A sound frame at another position is not what was written there."""
    with pytest.raises(JournalDamagedError, match="holds the record of seq 7"):
        decode_record(8, encode_record(RECORD), "segment")


def test_a_frame_that_is_not_ours_is_found() -> None:
    """A right checksum over something that is no record."""
    body = msgspec.msgpack.encode(["not", "a", "record"])
    with pytest.raises(JournalDamagedError, match="does not decode"):
        decode_record(1, zlib.crc32(body).to_bytes(4, "big") + body, "segment")


def test_the_header_comes_back() -> None:
    """Configuration text, strategy source and digests included."""
    assert HEADER == decode_header(encode_header(HEADER), "segment")
    assert (
        Configuration.from_plain(msgspec.json.decode(HEADER.configuration)).digest()
        == HEADER.configuration_digest
    )


def test_a_newer_format_is_refused_with_a_sentence() -> None:
    """It names both versions and says what to do."""
    newer = encode_header(msgspec.structs.replace(HEADER, format_version=FORMAT_VERSION + 1))
    with pytest.raises(JournalFormatError, match="use a newer livestack"):
        decode_header(newer, "segment")


@pytest.mark.parametrize("data", [None, b"", b"garbage", msgspec.msgpack.encode({"format_version": "x"})])
def test_what_is_no_header_is_refused(data: bytes | None) -> None:
    """A foreign file is said to be foreign."""
    with pytest.raises(JournalFormatError, match="not a livestack journal"):
        decode_header(data, "segment")


def test_the_chain_depends_on_every_frame_and_on_the_past() -> None:
    """Another frame, another order or another past: another link."""
    a, b = b"frame a", b"frame b"
    links = {
        extend_chain(CHAIN_START, [a, b]),
        extend_chain(CHAIN_START, [b, a]),
        extend_chain(CHAIN_START, [a]),
        extend_chain(extend_chain(CHAIN_START, [a]), [b]),
    }
    assert 4 == len(links)


@given(st.integers(0, 2**64 - 1))
def test_keys_sort_like_positions(seq: int) -> None:
    """Big-endian: byte order is number order."""
    assert seq == seq_of(key_of(seq))
    assert key_of(seq) <= key_of(min(seq + 1, 2**64 - 1))
