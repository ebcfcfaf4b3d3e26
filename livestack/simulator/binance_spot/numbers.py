"""The venue's numbers: every price, quantity and amount is an integer of 10**-8, written with eight decimals.

Pure. Any thread.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

DECIMALS: Final = 8
SCALE: Final = 10**DECIMALS
CACHED_TEXTS = 1 << 16  # prices and round quantities repeat; a few MB at most
INTEGER_DIGITS_MAX = 15  # more before the point than any real amount has; keeps numbers sane


class NumberFormatError(Exception):
    """Not a plain non-negative decimal number."""


class PrecisionError(Exception):
    """More decimals than the venue knows."""


@lru_cache(CACHED_TEXTS)
def text8(value: int) -> str:
    """``text8(12345678) == "0.12345678"``; negative values keep their sign in front."""
    if value < 0:
        return "-" + text8(-value)
    return f"{value // SCALE}.{value % SCALE:08d}"


def parse8(text: str) -> int:
    """A non-negative decimal text as an integer of 10**-8, exactly."""
    whole, point, fraction = text.partition(".")
    if (
        not (whole + fraction).isascii()
        or not (whole + fraction).isdigit()
        or len(whole) > INTEGER_DIGITS_MAX
    ):
        raise NumberFormatError(text)
    if point and not whole:
        raise NumberFormatError(text)
    if len(fraction) > DECIMALS:
        if fraction[DECIMALS:].strip("0"):
            raise PrecisionError(text)
        fraction = fraction[:DECIMALS]
    return int(whole or "0") * SCALE + int(fraction.ljust(DECIMALS, "0"))
