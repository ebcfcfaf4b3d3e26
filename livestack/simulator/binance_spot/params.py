"""Request parameters as texts, read with the venue's own complaints (venues.md 1.4, error codes).

Pure. Runs on the venue's thread. Both front ends hand over texts: what a signature was made of.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import msgspec

from livestack.simulator.binance_spot import errors
from livestack.simulator.binance_spot.errors import VenueError
from livestack.simulator.binance_spot.numbers import NumberFormatError, PrecisionError, parse8

CLIENT_ID = re.compile(r"[a-zA-Z0-9-_]{1,36}")
CLIENT_ID_LEGAL = "^[a-zA-Z0-9-_]{1,36}$"
INTEGER_LEGAL = r"^[0-9]{1,20}$"
DECIMAL_LEGAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
MICROSECONDS_FROM = 10**15  # a moment this large is in microseconds
PARAMETERS_MAX = 64  # more than any request has
EVERYWHERE = frozenset({"apiKey", "signature", "timestamp", "recvWindow", "returnRateLimits"})


class Params:
    """The parameters of one request."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values

    def check_known(self, known: Collection[str]) -> None:
        """-1104 where something was sent that nobody reads."""
        sent = [name for name in self.values if name not in EVERYWHERE]
        read = [name for name in sent if name in known]
        if len(read) != len(sent):
            text = f"Not all sent parameters were read; read '{len(read)}' parameter(s) but was sent '{len(sent)}'."
            raise VenueError(400, -1104, text)

    def has(self, name: str) -> bool:
        return bool(self.values.get(name))

    def optional(self, name: str) -> str | None:
        value = self.values.get(name)
        if value == "":
            raise VenueError(400, -1105, f"Parameter '{name}' was empty.")
        return value

    def text(self, name: str) -> str:
        value = self.optional(name)
        if value is None:
            raise errors.mandatory(name)
        return value

    def integer(self, name: str) -> int | None:
        value = self.optional(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) <= 20):
            raise errors.illegal_characters(name, INTEGER_LEGAL)
        return int(value)

    def time(self, name: str) -> int | None:
        """A moment in milliseconds; sent in those or in microseconds."""
        value = self.integer(name)
        return value // 1000 if value is not None and value >= MICROSECONDS_FROM else value

    def limit(self, default: int, largest: int) -> int:
        """``limit``: what is above the largest is cut down to it."""
        value = self.integer("limit")
        if value == 0:
            raise VenueError(400, -1130, "Data sent for parameter 'limit' is not valid.")
        return min(default if value is None else value, largest)

    def decimal(self, name: str) -> int:
        """A decimal as an integer of 10**-8; 0 where it was not sent."""
        value = self.optional(name)
        if value is None:
            return 0
        try:
            return parse8(value)
        except NumberFormatError:
            raise errors.illegal_characters(name, DECIMAL_LEGAL) from None
        except PrecisionError:
            raise errors.too_precise(name) from None

    def client_id(self, name: str) -> str | None:
        value = self.optional(name)
        if value is not None and not CLIENT_ID.fullmatch(value):
            raise errors.illegal_characters(name, CLIENT_ID_LEGAL)
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self.optional(name)
        if value is None:
            return default
        if value.lower() not in ("true", "false"):
            raise errors.illegal_characters(name, "true|false")
        return value.lower() == "true"

    def symbols(self) -> list[str] | None:
        """``symbol``, or ``symbols`` as a JSON array; None: all."""
        one, many = self.optional("symbol"), self.optional("symbols")
        if one is not None and many is not None:
            raise VenueError(400, -1128, "Combination of optional parameters invalid.")
        return [one] if one is not None else self.names("symbols")

    def names(self, name: str) -> list[str] | None:
        """A JSON array of different names, or a single one; None where it was not sent."""
        value = self.optional(name)
        if value is None:
            return None
        if name != "symbols" and not value.startswith("["):
            return [value]
        try:
            names = msgspec.json.decode(value, type=list[str])
        except msgspec.DecodeError:
            raise errors.illegal_characters(name, r'^\["[^"]+"(,"[^"]+")*\]$') from None
        if len(set(names)) != len(names):
            raise VenueError(400, -1151, "Symbol is present multiple times in the list.")
        return names
