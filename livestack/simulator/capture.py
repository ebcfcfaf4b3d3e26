"""Reader for captured venue traffic in the Cryptofeed project's file format (venues.md section 3).

Pure: texts in, records out; whoever does I/O reads the files. Times are integer nanoseconds since 1970, taken from
the text digit by digit.
"""

from __future__ import annotations

from dataclasses import dataclass


class CaptureError(Exception):
    """The text is not a capture in this format."""


@dataclass(slots=True, frozen=True)
class CapturedMessage:
    """One frame that the venue sent."""

    recv_ns: int
    text: str


@dataclass(slots=True, frozen=True)
class CapturedAnswer:
    """One REST call and what came back."""

    recv_ns: int
    url: str
    body: str


@dataclass(slots=True, frozen=True)
class CapturedStream:
    """One WebSocket connection: where to, when opened, what was received."""

    url: str
    opened_ns: int
    messages: tuple[CapturedMessage, ...]


def parse_time(text: str) -> int:
    """Unix seconds with a fraction as nanoseconds: no float comes near it."""
    whole, _, fraction = text.strip().partition(".")
    if not whole.isdigit() or (fraction and not fraction.isdigit()):
        raise CaptureError(f"{text[:40]!r} is not a time in unix seconds")
    return int(whole) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))


def parse_answers(text: str) -> list[CapturedAnswer]:
    """Lines ``URL -> TIME: BODY``; the last line of some files (``configuration: ...``) and empty ones are left out."""
    answers = []
    for line in text.splitlines():
        if " -> " not in line:
            continue
        url, _, rest = line.partition(" -> ")
        time, _, body = rest.partition(": ")
        answers.append(CapturedAnswer(parse_time(time), url, body))
    return answers


def parse_stream(text: str) -> CapturedStream:
    """A first line ``URL <-> TIME``, then ``TIME: FRAME`` per received frame; frames that were sent are left out."""
    lines = text.splitlines()
    url, arrow, opened = lines[0].partition(" <-> ") if lines else ("", "", "")
    if not arrow:
        raise CaptureError("the first line does not look like 'URL <-> TIME'")
    messages = []
    for line in lines[1:]:
        time, separator, frame = line.partition(": ")
        if separator and " <- " not in time:
            messages.append(CapturedMessage(parse_time(time), frame))
    return CapturedStream(url, parse_time(opened), tuple(messages))
