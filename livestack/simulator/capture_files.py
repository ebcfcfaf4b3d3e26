"""Reads a folder of captured traffic: the only part of playback that touches files. I/O; any thread."""

from __future__ import annotations

import gzip
from pathlib import Path

from livestack.exceptions import UsageError
from livestack.simulator.binance_spot.venue import Capture
from livestack.simulator.capture import CaptureError, parse_answers, parse_stream


def load_binance_capture(folder: Path) -> Capture:
    """The Binance capture in ``folder``; ``UsageError`` says what is missing or wrong."""
    try:
        info = parse_answers(_read(folder / "BINANCE.0"))
        depths = parse_answers(_read(folder / "BINANCE.http.0.0"))
        stream = parse_stream(_read(folder / "BINANCE.ws.1.0"))
    except CaptureError as error:
        raise UsageError(f"{folder} holds no capture that can be played: {error}") from error
    if not info or not depths:
        raise UsageError(
            f"{folder} holds no capture that can be played: exchangeInfo or snapshots are missing"
        )
    return Capture(info[0], [answer for answer in depths if "/depth?" in answer.url], stream)


def _read(path: Path) -> str:
    """A file of the capture, packed or not."""
    packed = path.with_name(path.name + ".gz")
    try:
        if packed.exists():
            return gzip.decompress(packed.read_bytes()).decode()
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"no capture in {path.parent}: {path.name} is not there") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
