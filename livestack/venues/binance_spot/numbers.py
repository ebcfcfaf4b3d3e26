"""Decimal strings of Binance to integers, exactly and fast; and symbols to what a URL may hold.

Pure; imports ``core`` only. Belongs to the thread of the adapter that reads with it.
"""

from __future__ import annotations

from livestack.core.types import DECIMALS_MAX, POWERS_OF_TEN, Amount, parse_decimal

VENUE_DECIMALS = 8
"""Binance prints nearly every number with eight decimals, and holds every asset in eight (venues.md 1.10)."""

REMEMBERED_MAX = 16_384
"""Texts that one reader remembers: a book's prices and its usual quantities. Above 1 MB a reader starts afresh."""

LENGTH_MAX = 40
"""Longest text read as a number: 2**63 with a point and 18 decimals has 21."""

INT64_MAX = 2**63 - 1
"""What the journal's encoding holds; no real price or quantity comes near it."""

_POINT, _FRACTION = -VENUE_DECIMALS - 1, -VENUE_DECIMALS


class DecimalReader(dict[str, int]):
    """``reader[text]`` is ``text`` as an integer in ``decimals``; ``ValueError`` for what is not exactly that.

    Negative numbers, signs, exponents and what passes 63 bits are errors. Answers are remembered: the same few
    thousand prices and sizes come again and again.
    """

    __slots__ = ("_divisor", "_remembered_max", "decimals")

    def __init__(self, decimals: int, remembered_max: int = REMEMBERED_MAX) -> None:
        super().__init__()
        self.decimals = decimals
        self._remembered_max = remembered_max
        self._divisor = POWERS_OF_TEN[VENUE_DECIMALS - decimals] if decimals <= VENUE_DECIMALS else 0

    def __missing__(self, text: str) -> int:
        value = self.parse(text)
        if len(self) >= self._remembered_max:
            self.clear()
        self[text] = value
        return value

    def parse(self, text: str) -> int:
        """The same without remembering it: for texts that come once."""
        digits = text.replace(".", "", 1)
        # The venue's usual print: eight decimals, and so few digits that the value is in range whatever they are.
        is_usual = (
            text[_POINT:_FRACTION] == "." and 8 < len(digits) < 19 and digits.isdigit() and digits.isascii()
        )
        if is_usual and self._divisor:
            value, rest = divmod(int(digits), self._divisor)
            if rest:
                raise ValueError(f"{text!r} has more than {self.decimals} decimals")
            return value
        return self._read(text)

    def _read(self, text: str) -> int:
        """Any other print, checked step by step."""
        if len(text) > LENGTH_MAX:
            raise ValueError(f"{text[:LENGTH_MAX]!r}... is too long for a number")
        value = parse_decimal(text, self.decimals)
        if not 0 <= value <= INT64_MAX or text.startswith("-"):
            raise ValueError(f"{text!r} is negative or out of range")
        return value


def read_amount(text: str) -> tuple[Amount, int]:
    """An amount of an asset and its decimals: eight, or as many as ``text`` really needs. ``ValueError`` otherwise."""
    if len(text) > LENGTH_MAX:
        raise ValueError(f"{text[:LENGTH_MAX]!r}... is too long for a number")
    decimals = min(max(significant_decimals(text), VENUE_DECIMALS), DECIMALS_MAX)
    return Amount.of(parse_decimal(text, decimals)), decimals


def significant_decimals(text: str) -> int:
    """How many decimals ``text`` has without its trailing zeros: 4 for ``0.00010000``."""
    return len(text.partition(".")[2].rstrip("0"))


def floor_decimal(text: str, decimals: int) -> int:
    """``text >= 0`` in ``decimals``, what lies below them cut off. For upper limits only."""
    whole, _, fraction = text.partition(".")
    return parse_decimal(f"{whole}.{fraction[:decimals]}" if fraction[:decimals] else whole, decimals)


def ceil_decimal(text: str, decimals: int) -> int:
    """``text >= 0`` in ``decimals``, rounded up. For lower limits only."""
    return floor_decimal(text, decimals) + (significant_decimals(text) > decimals)


def percent_encoded(symbol: str) -> str:
    """A symbol for a URL: UTF-8, because symbols are not ASCII everywhere (venues.md 1.1)."""
    return "".join(
        chr(byte) if chr(byte).isalnum() and byte < 128 else f"%{byte:02X}" for byte in symbol.encode()
    )
