"""A simulated venue in a process of its own, on a scaled clock, that is told what to do over standard input.

    python -m tests.campaigns.chaos_venue --seed 7 --pace 20 --origin NS --begun NS

The first line on standard output says where it is and with which keys. Then every line in is a question as JSON, and
every line out its answer: ``{"ask": "views"}``, ``{"ask": "mix", "seed": 3, "intensity": 100}``, ``{"ask": "clear"}``.
It ends with its standard input. :class:`ChaosVenue` is the other side.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from livestack.simulator.binance_spot.limits import LimitSizes
from livestack.simulator.binance_spot.signing import make_keys
from livestack.simulator.binance_spot.venue import BinanceSpotVenue, VenueSettings
from livestack.simulator.faults import random_mix
from livestack.simulator.server import VenueServer
from tests.campaigns.scaled_clock import ScaledClock
from tests.campaigns.venue_agreement import VenueViews
from tests.support import ROOT

RATE = 8
"""Market messages in a second of session time."""

LIFE_NS = 600_000_000_000
"""The venue ends a connection at ten minutes: planned renewals come before it."""

LINE_BYTES_MAX = 256 << 20
END_S = 30


class ChaosVenue:
    """The process, and its answers. ``with ChaosVenue(...) as venue``."""

    def __init__(self, directory: Path, seed: int, clock: ScaledClock) -> None:
        self._errors = (directory / "venue-stderr.txt").open("wb")
        arguments = {"seed": seed, "pace": clock.pace, "origin": clock.origin_ns, "begun": clock.begun_ns}
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.campaigns.chaos_venue",
                *(text for name, value in arguments.items() for text in (f"--{name}", str(value))),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        described = self._line()
        self.urls: dict[str, str] = described["urls"]
        self.keys: list[dict[str, str]] = described["keys"]
        self.symbols: list[str] = described["symbols"]

    def environment(self, kind: str) -> dict[str, str]:
        """What a node's configuration refers to."""
        key = next(one for one in self.keys if one["kind"] == kind)
        return {
            "VENUE_REST": self.urls["rest"],
            "VENUE_STREAM": self.urls["stream"],
            "VENUE_WS_API": self.urls["ws_api"],
            "VENUE_KEY": key["api_key"],
            "VENUE_SECRET": key["secret"],
        }

    def views(self) -> VenueViews:
        """Everything that it knows, of one moment."""
        return msgspec.convert(self._ask(ask="views"), VenueViews)

    def mix(self, seed: int, intensity: int) -> None:
        """Let a random mix of all faults begin."""
        self._ask(ask="mix", seed=seed, intensity=intensity)

    def clear(self) -> Counter[str]:
        """End every fault; how often each kind has happened so far."""
        return Counter(self._ask(ask="clear"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def _ask(self, **question: object) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ConnectionError("the venue's process has ended; see venue-stderr.txt")
        return json.loads(line)


async def serve(server: VenueServer, clock: ScaledClock) -> None:
    """Answer until standard input ends."""
    venue, loop = server.venue, asyncio.get_running_loop()
    await server.start()
    keys = [{"kind": key.kind, "api_key": key.api_key, "secret": key.secret} for key in venue.keys]
    _say({"urls": server.urls, "keys": keys, "symbols": venue.symbols})
    reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        _say(_answer(venue, json.loads(line), clock.now_ns()))
        failure = server.failure()
        if failure is not None:
            raise failure
    await server.stop()


def _answer(venue: BinanceSpotVenue, question: dict[str, Any], now_ns: int) -> Any:
    match question["ask"]:
        case "views":
            return json.loads(msgspec.json.encode(VenueViews.of(venue, now_ns)))
        case "mix":
            venue.inject(random_mix(random.Random(question["seed"]), question["intensity"]), now_ns)
        case "clear":
            venue.clear_faults()
    return dict(venue.fault_counts)


def _say(answer: Any) -> None:
    print(json.dumps(answer), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="The venue's side of the chaos campaign.")
    for name in ("seed", "pace", "origin", "begun"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    clock = ScaledClock(options.pace, options.origin, options.begun)
    settings = VenueSettings(
        symbols=2,
        rate=RATE,
        reports_first=options.seed % 2 == 0,
        connection_life_ns=LIFE_NS,
        fault_seed=options.seed,
        limits=LimitSizes(),
    )
    venue = BinanceSpotVenue(make_keys(options.seed), random.Random(options.seed), clock.now_ns(), settings)
    asyncio.run(serve(VenueServer(venue, clock=clock.now_ns, pace=options.pace), clock))


if __name__ == "__main__":
    main()
