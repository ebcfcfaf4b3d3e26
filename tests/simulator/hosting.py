"""A simulated venue as a server of its own, in a thread of its own, that remembers what it answered."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from livestack.simulator.binance_spot import ApiKey, BinanceSpotVenue, VenueSettings, make_keys
from livestack.simulator.binance_spot.limits import LimitSizes
from livestack.simulator.server import VenueServer

SEED = 7
FREE = LimitSizes(10**9, 10**9, 10**9, 10**9)
START_S_MAX = 10
WAIT_S_MAX = 20


class RecordingVenue(BinanceSpotVenue):
    """Keeps REST answers and frames as they went out, so that a client's reading of them can be compared."""

    def __init__(self, settings: VenueSettings) -> None:
        super().__init__(make_keys(SEED), random.Random(SEED), time.time_ns(), settings)
        self._moved = threading.Condition()
        self.answers: list[Any] = []
        self.frames: list[Any] = []

    def rest(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, now_ns: int
    ) -> tuple[int, dict[str, str], bytes]:
        answer = super().rest(method, path, query, headers, body, now_ns)
        self.answers.append(json.loads(answer[2]))
        return answer

    def drain(self) -> list[tuple[int, str]]:
        frames = super().drain()
        self.frames.extend(json.loads(text) for _, text in frames)
        with self._moved:
            self._moved.notify_all()
        return frames

    def until(self, enough: Callable[[], bool]) -> None:
        """Wait, from another thread, for something that comes with the venue's time."""
        with self._moved:
            assert self._moved.wait_for(enough, WAIT_S_MAX)

    def traded(self, symbol: str) -> int:
        """How many public trades there were of it."""
        return self.exchange.listings[symbol].feed.history.trades

    def key(self, kind: str) -> ApiKey:
        return next(key for key in self.keys if key.kind == kind)


class Hosted:
    """A venue and where it is reached."""

    def __init__(self, venue: RecordingVenue, urls: dict[str, str]) -> None:
        self.venue = venue
        self.urls = urls

    def raw(self) -> Any:
        """The last REST answer as it was sent."""
        return self.venue.answers[-1]

    def raw_answer(self, request_id: str) -> dict[str, Any]:
        """The WebSocket API's answer to this request as it was sent."""
        return next(frame for frame in reversed(self.venue.frames) if _id(frame) == request_id)

    def raw_stream(self, stream: str) -> list[Any]:
        """Everything that was sent of a market stream, combined form."""
        return [
            frame["data"]
            for frame in list(self.venue.frames)
            if isinstance(frame, dict) and frame.get("stream") == stream
        ]

    def raw_events(self, kind: str) -> list[dict[str, Any]]:
        """User events of one kind as they were sent."""
        return [
            frame["event"]
            for frame in list(self.venue.frames)
            if isinstance(frame, dict) and frame.get("event", {}).get("e") == kind
        ]


def _id(frame: Any) -> Any:
    return frame.get("id") if isinstance(frame, dict) else None


@contextmanager
def hosted(settings: VenueSettings) -> Iterator[Hosted]:
    """Serve a venue on a free local port until the block ends."""
    venue = RecordingVenue(settings)
    server = VenueServer(venue)
    ready, done = threading.Event(), threading.Event()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        stop = asyncio.Event()
        await server.start()
        loops.append((asyncio.get_running_loop(), stop))
        ready.set()
        await stop.wait()
        await server.stop()

    def run() -> None:
        try:
            asyncio.run(serve())
        finally:
            ready.set()
            done.set()

    thread = threading.Thread(target=run, name="simulated venue", daemon=True)
    thread.start()
    assert ready.wait(START_S_MAX)
    assert loops, "the venue did not start"
    try:
        yield Hosted(venue, server.urls)
    finally:
        loop, stop = loops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(START_S_MAX)
        assert done.is_set()
