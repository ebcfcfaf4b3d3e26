"""A captured market as a history: its frames go through the venue's own adapter, as they would live.

The adapter's questions are answered out of the capture: subscriptions at once, a book's snapshot when the capture had
it. Pure but for the capture's files. Runs on the caller's thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from livestack.core.events import AccountBaseline, Event
from livestack.exceptions import UsageError
from livestack.research.market import Item, Markets, RecordedMarkets
from livestack.simulator.capture import CapturedAnswer
from livestack.simulator.capture_files import load_binance_capture
from livestack.simulator.matching import MatchingEngine
from livestack.venue_settings import VenueSettings
from livestack.venues.adapter import Fetch, Fetched, HostRequest
from livestack.venues.binance_spot import BinanceSpot
from livestack.venues.options import VenueOptions

TICK_NS: Final = 250_000_000
"""How often a feed looks at the time (``MarketDataAdapter.tick``)."""

STREAM_NAME_MAX = 100
"""A frame of the combined stream begins with its name."""


class _Message(msgspec.Struct):
    """What the adapter says over its connection."""

    id: int
    method: str
    params: list[str] = []


_decode_message = msgspec.json.Decoder(_Message).decode


def is_capture(path: Path) -> bool:
    """Whether ``path`` is a directory in the captured format."""
    return any((path / name).is_file() for name in ("BINANCE.ws.1.0", "BINANCE.ws.1.0.gz"))


class CaptureHistory:
    """The symbols of ``settings`` as the capture in ``folder`` has them; ``UsageError`` where it does not."""

    def __init__(self, venue: str, settings: VenueSettings, folder: Path) -> None:
        capture = load_binance_capture(folder)
        self._stream = capture.stream
        self._depths: dict[str, deque[CapturedAnswer]] = {}
        for answer in capture.depths:
            symbol = answer.url.partition("symbol=")[2].partition("&")[0]
            self._depths.setdefault(symbol, deque()).append(answer)
        missing = [symbol for symbol in settings.symbols if symbol not in self._depths]
        if missing:
            raise UsageError(
                f"the capture {folder} does not hold {', '.join(missing)}, which the venues table names; "
                f"it holds {', '.join(self._depths)}"
            )
        if not capture.stream.messages:
            raise UsageError(f"the capture {folder} holds no market data")
        module = BinanceSpot(VenueOptions(streams=settings.streams))
        info = capture.exchange_info
        try:
            found = module.parse_instruments(
                venue, settings.symbols, _fetched(0, info.body, capture.stream.opened_ns)
            )
        except ValueError as error:
            raise UsageError(f"the capture {folder}: {error}") from error
        self.instruments = tuple(found)
        self.baseline: AccountBaseline | None = None
        self.start_ns = capture.stream.opened_ns
        self.end_ns = capture.stream.messages[-1].recv_ns
        self._adapter = module.market_data(venue, self.instruments)
        self._wanted = {
            f"{symbol.lower()}@{stream}" for symbol in settings.symbols for stream in settings.streams
        }
        self._waiting: list[Fetch] = []
        self._subscribed: list[str] = []

    def open(self, engines: Mapping[str, MatchingEngine], feed_latency_ns: int) -> Markets:
        return RecordedMarkets(engines)

    def items(self) -> Iterator[tuple[int, Item]]:
        adapter, now_ns = self._adapter, self.start_ns
        adapter.connected(now_ns)
        yield from self._settle(now_ns)
        next_tick_ns = now_ns + TICK_NS
        for message in self._stream.messages:
            while next_tick_ns <= message.recv_ns:
                adapter.tick(next_tick_ns)
                yield from self._settle(next_tick_ns)
                next_tick_ns += TICK_NS
            now_ns = max(now_ns, message.recv_ns)
            if self._is_wanted(message.text):
                adapter.receive(message.text.encode(), now_ns)
                yield from self._settle(now_ns)

    def close(self) -> None:
        """Nothing is open."""

    def _is_wanted(self, text: str) -> bool:
        """Whether we would have subscribed to this frame's stream."""
        name = text[:STREAM_NAME_MAX].partition('"stream":"')[2].partition('"')[0]
        symbol, _, kind = name.partition("@")
        return f"{symbol}@{kind.partition('@')[0]}" in self._wanted

    def _settle(self, now_ns: int) -> Iterator[tuple[int, Item]]:
        """Take the adapter's Events and answer its questions until it has none that can be answered now."""
        served = True
        while served:
            for event in self._adapter.events():
                yield now_ns, _market(event)
            for item in self._adapter.outgoing():
                if isinstance(item, HostRequest):
                    self._reply(item.text, now_ns)
                elif isinstance(item, Fetch):
                    self._waiting.append(item)
            served = self._serve(now_ns)
        for event in self._adapter.events():
            yield now_ns, _market(event)
        self._adapter.complaints()

    def _reply(self, text: str, now_ns: int) -> None:
        """The capture's connection has every stream that it was asked for, and lasts as long as the capture."""
        asked = _decode_message(text)
        self._subscribed.extend(asked.params)
        result = self._subscribed if asked.method == "LIST_SUBSCRIPTIONS" else None
        reply = msgspec.json.encode({"result": result, "id": asked.id})
        self._adapter.receive(reply, now_ns)

    def _serve(self, now_ns: int) -> bool:
        """Answer the first snapshot request whose answer had come by now. The last one answers all later ones."""
        for fetch in self._waiting:
            symbol = fetch.query.partition("symbol=")[2].partition("&")[0]
            answers = self._depths[symbol]
            if answers[0].recv_ns <= now_ns:
                self._waiting.remove(fetch)
                answer = answers.popleft() if len(answers) > 1 else answers[0]
                self._adapter.fetched(_fetched(fetch.fetch_id, answer.body, now_ns))
                return True
        return False


def _market(event: Event) -> Item:
    """A market-data adapter makes INPUT Events only."""
    return event  # type: ignore[return-value]


def _fetched(fetch_id: int, body: str, now_ns: int) -> Fetched:
    return Fetched(fetch_id, 200, (), body.encode(), "", now_ns, now_ns)
