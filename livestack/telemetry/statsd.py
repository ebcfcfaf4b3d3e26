"""StatsD: readings as lines, lines as datagrams. Pure; imports core and its own package.

A counter goes out as what it grew by since the last reading, a gauge as exact decimal text, a timing as a sample of
what came since the last reading. Nothing that is written here depends on anything but readings and settings.

How a label becomes part of a name, or a tag's value:

- letters, digits, ``_`` and ``-`` stay; ``:``, ``.``, ``/`` and a blank become ``_``; an empty label is ``_``
- any other character becomes ``_`` too, and a label that has one, or is longer than 64 bytes then, is cut to 57 and
  has ``_`` and six digits of its hash behind it: ``ÄTH`` is always the same, and never what ``ÖTH`` is
- where two labels of one kind would still be the same (``a:b`` and ``a_b``), the later one has its hash behind it
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from livestack.core.types import format_decimal
from livestack.telemetry.catalogue import Kind, Metric
from livestack.telemetry.instruments import Distribution, Reading

PART_MAX: Final = 64
"""Bytes of a label in a name: storages make a file or directory of each, and those have 255."""

SAMPLES_MAX: Final = 20
"""Values of one timing that are sent for one reading: what a percentile needs, and no flood."""

WHOLE_EVERY: Final = 60
"""Every so many readings counters that did not grow are sent too: a server that was restarted knows of them again."""

_SEPARATORS: Final = re.compile(r"[:./ ]")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]")
_RATE_PLACES: Final = 12


class Naming(msgspec.Struct, frozen=True):
    """``prefix``: in front of every name, with its dot. ``tags``: behind every line (``k:v,k:v``); None: plain."""

    prefix: str
    tags: str | None = None


def plain_naming(prefix: str) -> Naming:
    """``<prefix>.feed.sim.messages``; ``prefix`` with its names filled in."""
    return Naming(f"{prefix}.")


def tagged_naming(template: str, node: str, session: str) -> Naming:
    """``livestack.feed.messages:1|c|#node:n,session:s,venue:sim``: of the prefix what is before the first name."""
    literal, brace, _ = template.partition("{")
    if brace:
        literal = literal.rpartition(".")[0]
    return Naming(f"{literal}." if literal else "", f"node:{written(node)},session:{written(session)}")


def written(label: str) -> str:
    """``label`` as part of a name, by the first two rules above."""
    joined = _SEPARATORS.sub("_", label)
    safe = _UNSAFE.sub("_", joined)
    if safe != joined or len(safe) > PART_MAX:
        return _hashed(safe, label)
    return safe or "_"


def _hashed(safe: str, label: str) -> str:
    digest = blake2b(label.encode("utf-8", "surrogatepass"), digest_size=3).hexdigest()
    return f"{safe[: PART_MAX - 7]}_{digest}"


class Names:
    """Labels as they are written; it remembers them, so that no two of one kind are written the same."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, str], str] = {}
        self._taken: set[tuple[str, str]] = set()

    def of(self, metric: Metric, labels: Sequence[str]) -> tuple[str, ...]:
        return tuple(self._one(kind, label) for kind, label in zip(metric.labels, labels, strict=True))

    def _one(self, kind: str, label: str) -> str:
        known = self._written.get((kind, label))
        if known is not None:
            return known
        text = written(label)
        if (kind, text) in self._taken:
            text = _hashed(text, label)
        self._taken.add((kind, text))
        self._written[kind, label] = text
        return text


class Encoder:
    """Readings as lines: one for the life of a node, as it remembers what was sent. One thread at a time."""

    def __init__(self, naming: Naming, names: Names) -> None:
        self._naming = naming
        self._names = names
        self._series: dict[tuple[str, tuple[str, ...]], tuple[str, str]] = {}
        self._totals: dict[tuple[str, tuple[str, ...]], int] = {}
        self._distributions: dict[tuple[str, tuple[str, ...]], Distribution] = {}
        self._readings = 0

    def encode(self, readings: Iterable[Reading]) -> list[str]:
        """One text for each value; a text of two lines must not be torn apart."""
        is_whole = self._readings % WHOLE_EVERY == 0
        self._readings += 1
        out: list[str] = []
        for reading in readings:
            match reading.metric.kind:
                case Kind.COUNTER:
                    self._count(reading, is_whole, out)
                case Kind.GAUGE:
                    self._gauge(reading, out)
                case Kind.TIMING:
                    self._time(reading, out)
        return out

    def _count(self, reading: Reading, is_whole: bool, out: list[str]) -> None:
        """One that fell began anew."""
        key = reading.metric.name, reading.labels
        before = self._totals.get(key)
        self._totals[key] = reading.value
        grown = reading.value - (before or 0)
        if grown < 0:
            grown = max(reading.value, 0)
        if grown or is_whole or before is None:
            name, tags = self._of(reading)
            out.append(f"{name}:{decimal_text(grown, reading.decimals)}|c{tags}")

    def _gauge(self, reading: Reading, out: list[str]) -> None:
        """A sign is a change to StatsD: a negative value is one from 0."""
        name, tags = self._of(reading)
        line = f"{name}:{decimal_text(reading.value, reading.decimals)}|g{tags}"
        out.append(f"{name}:0|g{tags}\n{line}" if reading.value < 0 else line)

    def _time(self, reading: Reading, out: list[str]) -> None:
        now = reading.distribution
        if now is None:
            return
        key = reading.metric.name, reading.labels
        before = self._distributions.get(key)
        self._distributions[key] = now
        if before is not None and before.counts == now.counts:
            return
        name, tags = self._of(reading)
        decimals = 6 if reading.metric.unit == "ms" else 0
        for value, rate in samples(now.since(before)):
            out.append(f"{name}:{decimal_text(value, decimals)}|ms{rate}{tags}")

    def _of(self, reading: Reading) -> tuple[str, str]:
        """What stands before and behind a value of this series."""
        key = reading.metric.name, reading.labels
        known = self._series.get(key)
        if known is None:
            labels, naming = self._names.of(reading.metric, reading.labels), self._naming
            if naming.tags is None:
                known = f"{naming.prefix}{reading.metric.series(labels)}", ""
            else:
                pairs = zip(reading.metric.labels, labels, strict=True)
                tags = ",".join((naming.tags, *(f"{kind}:{label}" for kind, label in pairs)))
                known = f"{naming.prefix}{reading.metric.name}", f"|#{tags}"
            self._series[key] = known
        return known


def samples(held: Distribution) -> list[tuple[int, str]]:
    """(value, its sample rate as text): all of a few, or evenly spaced ones with the largest as it was. Counted with
    their rates they are as many as there were. Of a histogram that began anew nothing is known to be new."""
    count = held.count
    if count <= 0:
        return []
    if count <= SAMPLES_MAX:
        values = held.at(*((rank + 0.5) / count for rank in range(count)))
        return [(value, "") for value in (*values[:-1], max(values[-1], held.most))]
    others = SAMPLES_MAX - 1
    share = (count - 1) / count / others
    rate = f"|@{decimal_text(others * 10**_RATE_PLACES // (count - 1), _RATE_PLACES)}"
    values = held.at(*((rank + 0.5) * share for rank in range(others)))
    return [*((value, rate) for value in values), (held.most or held.at(1.0)[0], "")]


def decimal_text(value: int, decimals: int) -> str:
    """Exact, without zeros at the end."""
    if not decimals:
        return str(value)
    return format_decimal(value, decimals).rstrip("0").rstrip(".")


class Datagram(msgspec.Struct, frozen=True, gc=False):
    """``values``: how many are lost with it."""

    payload: bytes
    values: int


def pack(texts: Iterable[str], size: int) -> tuple[list[Datagram], int]:
    """Datagrams of at most ``size`` bytes, no text torn; and how many texts are longer by themselves."""
    out: list[Datagram] = []
    held: list[str] = []
    room = size
    too_long = 0
    for text in texts:
        if len(text) > size:
            too_long += 1
            continue
        if len(text) > room:
            out.append(_datagram(held))
            held, room = [], size
        held.append(text)
        room -= len(text) + 1
    if held:
        out.append(_datagram(held))
    return out, too_long


def _datagram(texts: list[str]) -> Datagram:
    return Datagram("\n".join(texts).encode("ascii"), len(texts))
