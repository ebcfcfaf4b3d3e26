"""WebSocket frames from bytes (RFC 6455, client side), without I/O: many frames cost one read of the socket.

Imports exceptions only. Runs on a connection's reader thread. ``websocket-client`` makes the handshake and the frames
that we send; its reader takes two or more calls of the socket for each frame, which this one replaces.
"""

from __future__ import annotations

from livestack.exceptions import TransportError

CLOSE_PROTOCOL_ERROR = 1002
CLOSE_TOO_BIG = 1009

CONTROL_BYTES_MAX = 125  # RFC 6455, section 5.5

_FINAL_TEXT = 0x81
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


class FrameError(TransportError):
    """The peer broke the protocol or a limit; ``code`` is the close code that tells it so."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence

    def __str__(self) -> str:
        return f"{self.sentence} ({self.code})"


class FrameReader:
    """Bytes in, whole messages out. ``message_bytes_max`` bounds a message, all its fragments together."""

    def __init__(self, message_bytes_max: int) -> None:
        self._message_bytes_max = message_bytes_max
        self._chunks: list[bytes] = []
        self._held = 0
        self._needed = 2
        self._fragments: list[bytes] | None = None
        self._fragments_size = 0
        self.ping: bytes | None = None
        """Payload of the newest ping not answered yet; answering the newest is enough (section 5.5.3)."""
        self.closed: str | None = None
        """What the peer's close frame said."""
        self.error: FrameError | None = None
        """Set where the peer broke the protocol: messages before it are good, nothing comes after it."""

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was read; returns the messages that are complete now, in order."""
        if self._chunks:
            self._chunks.append(data)
            self._held += len(data)
            if self._held < self._needed:
                return []
            data = b"".join(self._chunks)
            self._chunks = []
        messages: list[bytes] = []
        try:
            position = self._split(data, messages)
        except FrameError as error:
            self.error = error
            return messages
        if position < len(data):
            rest = data[position:]
            self._chunks = [rest]
            self._held = len(rest)
        return messages

    def _split(self, data: bytes, messages: list[bytes]) -> int:
        """Append whole messages; returns where the first incomplete frame begins."""
        position, end = 0, len(data)
        limit = self._message_bytes_max
        while end - position >= 2:
            first = data[position]
            length = data[position + 1]
            start = position + 2
            if length >= 126:
                if length > 127:
                    raise FrameError(CLOSE_PROTOCOL_ERROR, "a server must not mask")
                start += 2 if length == 126 else 8
                if start > end:
                    self._needed = start - position
                    return position
                length = int.from_bytes(data[position + 2 : start], "big")
            if length > limit:
                raise FrameError(CLOSE_TOO_BIG, f"frame of {length} bytes, at most {limit} are taken")
            stop = start + length
            if stop > end:
                self._needed = stop - position
                return position
            if first == _FINAL_TEXT and self._fragments is None:
                messages.append(data[start:stop])
            else:
                self._other(first, data[start:stop], messages)
            position = stop
        self._needed = 2
        return position

    def _other(self, first: int, payload: bytes, messages: list[bytes]) -> None:
        """Everything but an unfragmented text message."""
        final, opcode = bool(first & 0x80), first & 0x0F
        if first & 0x70:
            raise FrameError(CLOSE_PROTOCOL_ERROR, "reserved bits are set and no extension was agreed on")
        if opcode >= _CLOSE:
            self._control(opcode, final, payload)
        elif opcode in (_TEXT, _BINARY, _CONTINUATION):
            self._fragment(opcode, final, payload, messages)
        else:
            raise FrameError(CLOSE_PROTOCOL_ERROR, f"unknown opcode {opcode:#x}")

    def _control(self, opcode: int, final: bool, payload: bytes) -> None:
        if not final or len(payload) > CONTROL_BYTES_MAX:
            raise FrameError(CLOSE_PROTOCOL_ERROR, "a control frame is fragmented or too long")
        if opcode == _PING:
            self.ping = payload
        elif opcode == _CLOSE:
            self.closed = _close_reason(payload)
        elif opcode != _PONG:
            raise FrameError(CLOSE_PROTOCOL_ERROR, f"unknown opcode {opcode:#x}")

    def _fragment(self, opcode: int, final: bool, payload: bytes, messages: list[bytes]) -> None:
        if (opcode == _CONTINUATION) is (self._fragments is None):
            raise FrameError(CLOSE_PROTOCOL_ERROR, "a fragment is out of place")
        fragments = self._fragments if self._fragments is not None else []
        fragments.append(payload)
        self._fragments_size += len(payload) + 2  # the header too: empty fragments must not go on for ever
        if self._fragments_size > self._message_bytes_max:
            raise FrameError(CLOSE_TOO_BIG, f"message of more than {self._message_bytes_max} bytes")
        if final:
            messages.append(b"".join(fragments))
            self._fragments, self._fragments_size = None, 0
        else:
            self._fragments = fragments


def _close_reason(payload: bytes) -> str:
    if len(payload) < 2:
        return "closed by the peer without a reason"
    code = int.from_bytes(payload[:2], "big")
    return f"closed by the peer: {code} {payload[2:].decode('utf-8', 'replace')}".rstrip()
