"""Where a backtest's Events come from, and the first kind of it: a session's journal.

A history has its instruments and goes on, in order of time, with what happened to them. Runs on the caller's thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

import msgspec

from livestack.core.events import (
    AccountBaseline,
    BookDelta,
    BookSnapshot,
    FeedStatusChanged,
    InstrumentDefined,
    QuoteTick,
    Recorded,
    TradeTick,
)
from livestack.exceptions import UsageError
from livestack.journal.directory import DataDirectory
from livestack.journal.reader import JournalReader
from livestack.journal.sessions import resolve
from livestack.research.capture import CaptureHistory, is_capture
from livestack.research.market import Item, Markets, RecordedMarkets
from livestack.research.synthetic import SyntheticHistory
from livestack.settings import Settings
from livestack.simulator.matching import MatchingEngine
from livestack.venue_settings import VenueSettings

MARKET_DATA: Final = frozenset({BookSnapshot, BookDelta, QuoteTick, TradeTick})
SYNTHETIC: Final = "synthetic"


class History(Protocol):
    """``start_ns``, ``end_ns``: times of the first and (about) the last item; ``baseline``: the account as it was."""

    instruments: tuple[InstrumentDefined, ...]
    baseline: AccountBaseline | None
    start_ns: int
    end_ns: int

    def open(self, engines: Mapping[str, MatchingEngine], feed_latency_ns: int) -> Markets:
        """The public side of the venue that this history plays on; called once, before the first item."""

    def items(self) -> Iterator[tuple[int, Item]]:
        """What happens, with its time in nanoseconds. The next item is asked for when the last one has happened."""

    def close(self) -> None: ...


class Wanted(msgspec.Struct, frozen=True):
    """What the command line asked for. ``duration_ns`` 0: all of it."""

    events: str
    data_dir: Path
    duration_ns: int = 0
    seed: int = 7


def open_history(wanted: Wanted, settings: Settings) -> History:
    """The history that ``wanted.events`` names; ``UsageError`` says what would be right."""
    venue, venue_settings = one_venue(settings)
    if wanted.events == SYNTHETIC:
        if not wanted.duration_ns:
            raise UsageError("a synthetic market has no end of its own: say how long, for example --for 2h")
        return SyntheticHistory(venue, venue_settings, wanted.seed, wanted.duration_ns)
    path = Path(wanted.events)
    if is_capture(path):
        return CaptureHistory(venue, venue_settings, path)
    if (path / "journal").is_dir():
        path = path.resolve()
        return JournalHistory(
            JournalReader.open(path.parent, path.name, live=False), venue, venue_settings.symbols
        )
    if path.exists():
        raise UsageError(
            f"{path} is neither a capture (BINANCE.ws.1.0 ...) nor a session's directory (journal/ ...)"
        )
    directory = DataDirectory(wanted.data_dir)
    try:
        name, live = resolve(directory, wanted.events)
    except UsageError as error:
        raise UsageError(f"{wanted.events} is no directory, and {error}") from None
    return JournalHistory(JournalReader.open(directory.sessions, name, live), venue, venue_settings.symbols)


def one_venue(settings: Settings) -> tuple[str, VenueSettings]:
    """The file's venue; a backtest has one account at one venue."""
    if len(settings.venues) > 1:
        names = ", ".join(settings.venues)
        raise UsageError(f"a backtest plays one venue; the venues table names {names}")
    return next(iter(settings.venues.items()))


class JournalHistory:
    """The market data of a recorded session; ``symbols`` of ``venue`` are taken, the others left out."""

    def __init__(self, reader: JournalReader, venue: str, symbols: tuple[str, ...]) -> None:
        self._reader = reader
        self._venue = venue
        wanted = [f"{venue}:{symbol}" for symbol in symbols]
        found: dict[str, InstrumentDefined] = {}
        self.baseline: AccountBaseline | None = None
        self.start_ns = 0
        for record in reader.records(reader.header.first_seq):
            event = record.event
            if isinstance(event, InstrumentDefined) and event.instrument in wanted:
                found.setdefault(event.instrument, event)
            elif isinstance(event, AccountBaseline) and event.venue == venue:
                self.baseline = self.baseline or event
            elif type(event) in MARKET_DATA:
                self.start_ns = self.start_ns or record.ts
            if self.start_ns and self.baseline and len(found) == len(wanted):
                break
        name = reader.header.session
        if not self.start_ns:
            raise UsageError(f"session {name} holds no market data")
        missing = [instrument for instrument in wanted if instrument not in found]
        if missing:
            raise UsageError(
                f"session {name} does not hold {', '.join(missing)}, which the venues table names"
            )
        self.instruments = tuple(found[instrument] for instrument in wanted)
        self.start_ns = self._first_status(reader) or self.start_ns
        self.end_ns = self._last_ts(reader)

    def open(self, engines: Mapping[str, MatchingEngine], feed_latency_ns: int) -> Markets:
        return RecordedMarkets(engines)

    def items(self) -> Iterator[tuple[int, Item]]:
        names = {one.instrument for one in self.instruments}
        for record in self._reader.records(self._reader.header.first_seq):
            event = record.event
            kind = type(event)
            if kind in MARKET_DATA:
                if event.instrument in names:  # type: ignore[union-attr]
                    yield record.ts, event  # type: ignore[misc]
            elif kind is FeedStatusChanged and self._covers(event, names):
                yield record.ts, event  # type: ignore[misc]

    def close(self) -> None:
        self._reader.close()

    def _covers(self, event: object, names: set[str]) -> bool:
        assert isinstance(event, FeedStatusChanged)
        return event.venue == self._venue and (not event.instrument or event.instrument in names)

    def _first_status(self, reader: JournalReader) -> int:
        """Feeds say that they connect before they bring data."""
        for record in reader.records(reader.header.first_seq):
            if type(record.event) is FeedStatusChanged or type(record.event) in MARKET_DATA:
                return record.ts
        return 0

    def _last_ts(self, reader: JournalReader) -> int:
        last: Recorded | None = next(reader.records(reader.last_seq()), None)
        return last.ts if last is not None else self.start_ns
