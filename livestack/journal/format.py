"""What is in a segment: the header, a record's frame, the hash chain. No I/O here, and no knowledge of LMDB's API.

A segment is one LMDB environment with three named databases:

``meta``     ``header`` -> MessagePack of :class:`SegmentHeader`
``events``   ``seq`` (8 bytes, big-endian) -> frame: CRC-32 (4 bytes) of the rest, then MessagePack of ``Recorded``
``chain``    last ``seq`` of a commit -> BLAKE2b-128 over the previous link and every frame of the commit; for the
             first commit of a segment the previous link is one over the link before the segment and its header

The frame carries ``seq`` inside ``Recorded``, so a value under a wrong key is found as well. Fields are only ever
appended to any of these structs; a header with a newer ``format_version`` is refused.
"""

from __future__ import annotations

import hashlib
import zlib

import msgspec

from livestack.core.configuration import Configuration
from livestack.core.events import Recorded
from livestack.exceptions import JournalDamagedError, JournalFormatError

FORMAT_VERSION = 2
"""1: the chain did not cover the headers."""
CHAIN_SIZE = 16
CHAIN_START = bytes(CHAIN_SIZE)
"""What the first commit of a session extends."""

META, EVENTS, CHAIN = b"meta", b"events", b"chain"
HEADER_KEY = b"header"
CRC_SIZE = 4


class SegmentHeader(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that replay needs besides the records, and who wrote them."""

    format_version: int
    session: str
    node: str
    first_seq: int
    previous_chain: bytes
    strategy_path: str
    strategy_source: str
    strategy_digest: str
    configuration_version: int
    configuration_digest: str
    configuration: str
    semantics_version: int
    package_version: str
    accounts: tuple[str, ...] = ()
    """Fingerprints of the accounts that the session trades; none: not recorded."""
    account_names: dict[str, str] = {}
    """What the settings call the account at each venue; none: not recorded."""
    durability: str = ""
    """What a power loss may take of this segment, as the settings say it; '' not recorded."""

    @classmethod
    def of_session(
        cls,
        *,
        session: str,
        node: str,
        strategy_path: str,
        strategy_source: str,
        configuration: Configuration,
        semantics_version: int,
        package_version: str,
        accounts: tuple[str, ...] = (),
        account_names: dict[str, str] | None = None,
        durability: str = "",
    ) -> SegmentHeader:
        """The header of a session's first segment."""
        return cls(
            format_version=FORMAT_VERSION,
            session=session,
            node=node,
            first_seq=1,
            previous_chain=CHAIN_START,
            strategy_path=strategy_path,
            strategy_source=strategy_source,
            strategy_digest=source_digest(strategy_source),
            configuration_version=configuration.version,
            configuration_digest=configuration.digest(),
            configuration=msgspec.json.encode(configuration.plain()).decode(),
            semantics_version=semantics_version,
            package_version=package_version,
            accounts=accounts,
            account_names=account_names or {},
            durability=durability,
        )


class _HeaderVersion(msgspec.Struct):
    format_version: int


_encoder = msgspec.msgpack.Encoder()
_header_decoder = msgspec.msgpack.Decoder(SegmentHeader)
_version_decoder = msgspec.msgpack.Decoder(_HeaderVersion)
_record_decoder = msgspec.msgpack.Decoder(Recorded)


def source_digest(source: str) -> str:
    """Identity of a strategy's source text."""
    return hashlib.blake2b(source.encode(), digest_size=16).hexdigest()


def key_of(seq: int) -> bytes:
    return seq.to_bytes(8, "big")


def seq_of(key: bytes) -> int:
    return int.from_bytes(key, "big")


def encode_header(header: SegmentHeader) -> bytes:
    return _encoder.encode(header)


def decode_header(data: bytes | None, path: str) -> SegmentHeader:
    """``JournalFormatError`` for what is not ours or newer than this program."""
    try:
        version = _version_decoder.decode(data or b"").format_version
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise JournalFormatError(f"{path} is not a livestack journal segment") from None
    if version > FORMAT_VERSION:
        raise JournalFormatError(
            f"{path} has journal format {version}, this program reads up to {FORMAT_VERSION}: use a newer livestack"
        )
    try:
        return _header_decoder.decode(data or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise JournalDamagedError(path, 0, f"header: {error}") from None


def encode_record(record: Recorded) -> bytes:
    """A record's frame."""
    body = _encoder.encode(record)
    return zlib.crc32(body).to_bytes(CRC_SIZE, "big") + body


def decode_record(seq: int, frame: bytes, path: str) -> Recorded:
    """The record that must be ``seq``; ``JournalDamagedError`` for anything but what was written."""
    body = frame[CRC_SIZE:]
    if zlib.crc32(body).to_bytes(CRC_SIZE, "big") != frame[:CRC_SIZE]:
        raise JournalDamagedError(path, seq, "checksum does not match")
    try:
        record = _record_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise JournalDamagedError(path, seq, f"does not decode: {error}") from None
    if record.seq != seq:
        raise JournalDamagedError(path, seq, f"holds the record of seq {record.seq}")
    return record


def extend_chain(previous: bytes, frames: list[bytes]) -> bytes:
    """The link of a commit that holds ``frames``."""
    link = hashlib.blake2b(previous, digest_size=CHAIN_SIZE)
    for frame in frames:
        link.update(frame)
    return link.digest()


def start_chain(header: SegmentHeader, data: bytes) -> bytes:
    """What the first commit of a segment extends. ``data``: the header as it is stored."""
    return extend_chain(header.previous_chain, [data]) if header.format_version > 1 else header.previous_chain
