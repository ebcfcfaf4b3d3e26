"""What a report keeps of values that have no end: curves, distributions and samples of bounded size; exact sums.

Pure: integers and exact decimals. Any one thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Final, Generic, TypeVar

import msgspec

Item = TypeVar("Item")

EXACT: Final = Context(prec=300, Emax=10_000, Emin=-10_000, traps=[Inexact, InvalidOperation])
"""Sums and products of any amounts that a session can have; anything that would have to be rounded is an error."""

ROUGH: Final = Context(prec=300, Emax=10_000, Emin=-10_000)
"""The same for what is only looked at."""

BUCKETS_MAX: Final = 400
"""Of a curve: a plot is some hundred points wide, and of each bucket first, last, lowest and highest value are kept."""

SAMPLE_MAX: Final = 240

DIGITS: Final = 10
"""Bits of a value that a distribution keeps besides the leading one: an error below one in 1024."""


def plus(left: Decimal, right: Decimal) -> Decimal:
    return EXACT.add(left, right)


def minus(left: Decimal, right: Decimal) -> Decimal:
    return EXACT.subtract(left, right)


def times(left: Decimal, right: Decimal) -> Decimal:
    return EXACT.multiply(left, right)


def plain(value: Decimal) -> str:
    """An amount for people: no exponent, no zeros at the end, thousands apart."""
    text = f"{value:,f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def narrow(value: Decimal) -> str:
    """An amount in a narrow column: ten digits and at most eight decimals; of tiny ones four that mean something."""
    shown = value.adjusted() if value else 0
    places = max(2, min(8, 9 - shown)) if shown >= 0 else max(8, 3 - shown)
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent <= places:
        return plain(value)
    return plain(value.quantize(Decimal(1).scaleb(-places), context=ROUGH))


def rounded(value: Decimal) -> str:
    """An amount at a glance: two decimals, of small ones four digits that mean something."""
    shown = value.adjusted() if value else 0
    places = 2 if shown >= 0 else min(3 - shown, 18)
    return plain(value.quantize(Decimal(1).scaleb(-places), context=ROUGH))


Point = tuple[int, Decimal]
"""Nanoseconds, and the value from then on."""


class Bucket(msgspec.Struct):
    """The points of a stretch of time."""

    first: Point
    last: Point
    low: Point
    high: Point

    def take(self, other: Bucket) -> None:
        """``other`` comes later."""
        self.last = other.last
        if other.low[1] < self.low[1]:
            self.low = other.low
        if other.high[1] > self.high[1]:
            self.high = other.high


class Curve:
    """A value over time. Beyond :data:`BUCKETS_MAX` stretches of time two become one: no peak and no end is lost."""

    def __init__(self) -> None:
        self._buckets: dict[int, Bucket] = {}
        self._width = 1
        self._start = 0

    def add(self, ts: int, value: Decimal) -> None:
        if not self._buckets:
            self._start = ts
        while (ts - self._start) // self._width >= BUCKETS_MAX:
            self._halve()
        point = (ts, value)
        self._put((ts - self._start) // self._width, Bucket(point, point, point, point))

    def points(self) -> list[Point]:
        """In order of time; of several at the same time the last one is what holds."""
        found: list[Point] = []
        for bucket in self._buckets.values():
            extremes = sorted({bucket.low, bucket.high} - {bucket.first, bucket.last})
            found.append(bucket.first)
            found += extremes
            if extremes or bucket.last != bucket.first:
                found.append(bucket.last)
        return found

    def _halve(self) -> None:
        self._width *= 2
        before, self._buckets = self._buckets, {}
        for number, bucket in before.items():
            self._put(number // 2, bucket)

    def _put(self, number: int, bucket: Bucket) -> None:
        known = self._buckets.get(number)
        if known is None:
            self._buckets[number] = bucket
        else:
            known.take(bucket)


class Distribution:
    """How often which integer came: ``count``, ``total``, ``low`` and ``high`` exact, the rest to one part in 1024."""

    def __init__(self) -> None:
        self.count = 0
        self.total = 0
        self.low = 0
        self.high = 0
        self._counts: dict[int, int] = {}

    def add(self, value: int) -> None:
        self.low = value if not self.count else min(self.low, value)
        self.high = value if not self.count else max(self.high, value)
        self.count += 1
        self.total += value
        shift = max(abs(value).bit_length() - DIGITS - 1, 0)
        kept = abs(value) >> shift << shift
        kept = kept if value >= 0 else -kept
        self._counts[kept] = self._counts.get(kept, 0) + 1

    def take(self, other: Distribution) -> None:
        """All of ``other`` too."""
        if other.count:
            self.low = min(self.low, other.low) if self.count else other.low
            self.high = max(self.high, other.high) if self.count else other.high
        self.count += other.count
        self.total += other.total
        for value, count in other:
            self._counts[value] = self._counts.get(value, 0) + count

    def percentile(self, percent: int) -> int:
        """The value that ``percent`` of a hundred are not above; 0 where there is none."""
        wanted = max(-(-self.count * percent // 100), 1)
        seen = 0
        for value, count in self:
            seen += count
            if seen >= wanted:
                return min(max(value, self.low), self.high)
        return 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Values in ascending order, with how often they came."""
        yield from sorted(self._counts.items())


class Sample(Generic[Item]):
    """Things of which every one is kept at first; beyond :data:`SAMPLE_MAX` every second one, and so on."""

    def __init__(self) -> None:
        self.kept: list[Item] = []
        self.count = 0
        self._every = 1

    def add(self, item: Item) -> None:
        self.count += 1
        if self.count % self._every:
            return
        self.kept.append(item)
        if len(self.kept) >= SAMPLE_MAX:
            self.kept = self.kept[1::2]
            self._every *= 2
