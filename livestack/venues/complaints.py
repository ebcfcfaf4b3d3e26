"""The count and the list of what an adapter could not use.

Pure; imports the adapter contract only. Belongs to the adapter's thread.
"""

from __future__ import annotations

import re
from typing import Final

from livestack.venues.adapter import FRAME_HEAD_BYTES, Complaint

COMPLAINTS_MAX = 64
"""Kept between two calls of ``take``: a flood of bad frames is counted in full and logged in part."""

_SIGNATURE: Final = r"""(?ix) ( signature (?: = | %3D )            # in a query
                              | signature \\* ["'] \s* : \s* \\* ["'] )  # in an object, perhaps quoted once more
                        [^&"'\\\s]* (?: \\/ [^&"'\\\s]* )*"""
_IN_TEXT: Final = re.compile(_SIGNATURE)
_IN_FRAME: Final = re.compile(_SIGNATURE.encode())


class Complaints:
    """``faults`` counts every kind for ever; ``secrets``, and whatever a request was signed with, are blotted out of
    what is kept of a frame."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self.faults: dict[str, int] = {}
        self._secrets = tuple(secret.encode() for secret in secrets if secret)
        self._kept: list[Complaint] = []

    def add(self, kind: str, detail: str, frame: bytes = b"") -> None:
        """Count one fault and keep the head of its frame."""
        self.faults[kind] = self.faults.get(kind, 0) + 1
        if len(self._kept) >= COMPLAINTS_MAX:
            return
        # Blotted before the cut, so that no half of a secret stays at the edge.
        head = frame[: FRAME_HEAD_BYTES * 4]
        for secret in self._secrets:
            head = head.replace(secret, b"***")
            detail = detail.replace(secret.decode(), "***")
        head = _IN_FRAME.sub(rb"\1***", head)
        detail = _IN_TEXT.sub(r"\1***", detail)
        self._kept.append(Complaint(kind, detail[:FRAME_HEAD_BYTES], head[:FRAME_HEAD_BYTES]))

    def take(self) -> list[Complaint]:
        kept, self._kept = self._kept, []
        return kept
