"""A node for ``livestack top`` that stands still, a clock that a test moves, and the screen as text.

``python -m tests.cli.top_support`` writes what the tests compare with (``tests/cli/snapshots``) and the picture of the
documentation anew: look at the difference before you keep it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from textual.pilot import Pilot

from livestack.cli.top_app import Top
from livestack.cli.top_picture import Inbox, News
from livestack.cli.top_source import KillState
from livestack.wire import control_pb2 as wire

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOTS = Path(__file__).parent / "snapshots"
FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)
"""From somewhere else; a picture loads nothing."""

PICTURE = ROOT / "docs" / "pictures" / "top.svg"

VENUE = "binance_spot"
BTC, ETH, UMLAUT = f"{VENUE}:BTCUSDT", f"{VENUE}:ETHUSDT", f"{VENUE}:ÄÖÜ币USDT"
STARTED_NS = 1_767_323_045_000_000_000
MS = 1_000_000

Result = TypeVar("Result")


def status(**changes: Any) -> wire.Status:
    """A node that is well but for one warning."""
    found = wire.Status(
        session="20260102T030405Z-d3e0", node="demo", phase="running", trading_state="active", config_version=3,
        config_digest="ab" * 32, seq=48_211, age_ms=120, strategy_enabled=True, open_orders=4, unknown_orders=1,
        started_at_ns=STARTED_NS, guard="watching", events=48_211, dispatches=310, fills=42, denied=1_204,
        feeds=[wire.Feed(venue=VENUE, status="live", instruments=[
            wire.FeedInstrument(instrument=BTC, status="live", book_valid=True, bid="60000.10", ask="60000.20",
                                last="60000.10", age_ms=12),
            wire.FeedInstrument(instrument=ETH, status="live", book_valid=True, bid="3010.55", ask="3010.60",
                                last="3010.60", age_ms=350),
            wire.FeedInstrument(instrument=UMLAUT, status="synchronising", book_valid=False, age_ms=-1),
        ])],
        venues=[wire.Venue(venue=VENUE, status="live", open_orders=4, unknown_orders=1, clock_offset_us=-2_250,
                           balances=[wire.Balance(asset="USDT", free="99874.55", locked="1200.00"),
                                     wire.Balance(asset="BTC", free="1.00420000", locked="0.01000000")])],
        incidents=[
            wire.Incident(name="book_invalid", scope=UMLAUT, grade="warning", detail="no snapshot came", age_ms=42_000,
                          meaning="An instrument's book has not been valid for a while, though its feed is there.",
                          look_at="livestack feeds; the log tells why each synchronisation failed."),
            wire.Incident(name="unknown_outcome", scope=VENUE, grade="critical", detail="order 17, sent 12 s ago",
                          age_ms=12_300,
                          meaning="What became of an order request is not known for longer than the venue takes.",
                          look_at="livestack orders, then livestack why ORDER."),
        ],
        sinks=[wire.Sink(name="local", state="ok", through=48_100, behind=111, lag_ms=900),
               wire.Sink(name="archive", state="down", behind=9_120, lag_ms=61_000, error="connection refused")],
    )  # fmt: skip
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def order(number: int, **changes: Any) -> wire.Order:
    shown = wire.Order(
        order_id=number, client_id=f"demo-{number}", venue=VENUE, instrument=BTC, side="buy", type="limit",
        status="accepted", price="59990.10000000", qty="0.01000000", filled_qty="0.00000000",
    )  # fmt: skip
    for name, value in changes.items():
        setattr(shown, name, value)
    return shown


def orders() -> wire.Orders:
    return wire.Orders(
        age_ms=5,
        total=4,
        orders=[
            order(17, instrument=ETH, side="sell", status="submitted", price="3011.20000000", unknown=True),
            order(21, filled_qty="0.00420000", status="partially_filled"),
            order(22, side="sell", price="60010.00000000", cancelling=True),
            order(
                0,
                venue_order_id="8812",
                instrument=UMLAUT,
                price="1.00004000",
                qty="7000",
                external=True,
                type="",
            ),
        ],
    )


def positions() -> wire.Positions:
    return wire.Positions(
        age_ms=5,
        positions=[
            wire.Position(instrument=BTC, qty="0.00420000", average_price="59990.10000000", realised_pnl="12.50",
                          unrealised_pnl="0.042", currency="USDT", fees=[wire.Amount(asset="BTC", amount="0.0000042")]),
            wire.Position(instrument=ETH, qty="-0.50000000", average_price="3012.00000000", realised_pnl="-3.25",
                          unrealised_pnl="0.70", currency="USDT"),
        ],
    )  # fmt: skip


def fills() -> wire.Fills:
    return wire.Fills(
        age_ms=5,
        fills=[
            wire.Fill(seq=900 + place, ts_ns=STARTED_NS + place * 250 * MS, order_id=place, venue=VENUE, instrument=BTC,
                      side="buy", price=f"5999{place}.10000000", qty="0.00140000", fee="0.00000140", fee_asset="BTC",
                      liquidity="maker", fill_id=str(place))
            for place in range(3)
        ],
    )  # fmt: skip


def risk() -> wire.Risk:
    return wire.Risk(
        age_ms=5,
        limits=[
            wire.RiskLimit(
                rule="max_position", limit="0.06", denied=4, last_detail="0.061 would be above 0.06"
            ),
            wire.RiskLimit(rule="price_collar_bps", limit="100"),
            wire.RiskLimit(rule="max_position", scope=ETH, limit="2", denied=4, last_detail="as above"),
            wire.RiskLimit(rule="rate", denied=1_200, last_detail="50 orders in 10 s"),
        ],
    )


def counter(metric: str, per_second: float, *labels: str, value: int = 1_000) -> wire.Metric:
    return _metric(metric, "counter", labels, value=value, per_second=per_second)


def gauge(metric: str, value: int, *labels: str) -> wire.Metric:
    return _metric(metric, "gauge", labels, value=value)


def timing(metric: str, p50_us: int, p99_us: int, *labels: str) -> wire.Metric:
    return _metric(metric, "timing", labels, value=5_000, per_second=12.5, p50=p50_us * 1_000,
                   p90=(p50_us + p99_us) * 500, p99=p99_us * 1_000, most=p99_us * 2_000)  # fmt: skip


def _metric(metric: str, kind: str, labels: tuple[str, ...], **values: Any) -> wire.Metric:
    group, _, rest = metric.partition(".")
    name = ".".join((group, *labels, rest))
    return wire.Metric(name=name, metric=metric, labels=labels, type=kind, **values)


def metrics(wave: int = 0) -> wire.Metrics:
    """``wave``: 0 to 10, how busy it is."""
    return wire.Metrics(
        age_ms=5,
        metrics=[
            counter("runtime.events", 900.0 + 90 * wave, "market"), counter("runtime.events", 40.5 + wave, "execution"),
            counter("runtime.events", 12.0 + 3 * wave, "derived"), counter("feed.messages", 880.0 + 80 * wave, VENUE),
            timing("feed.lag", 1_800, 9_000 + 900 * wave, VENUE), timing("feed.decode", 45, 210 + 9 * wave, VENUE),
            timing("order.tick_to_order", 1_550, 3_700 + 300 * wave, VENUE),
            timing("order.ack", 6_200, 21_000 + 2_000 * wave, VENUE),
            timing("runtime.step", 38, 160 + 20 * wave), timing("runtime.strategy", 11, 60 + 8 * wave),
            timing("journal.commit", 700, 2_900 + 100 * wave), counter("journal.bytes", 310_000.0),
            gauge("runtime.uncommitted", 14), gauge("journal.free", 53_687_091_200), gauge("runtime.queued", 0),
            gauge("runtime.inbox", 3, "market"), gauge("runtime.inbox", 0, "execution"),
            gauge("venue.rate_left", 62, VENUE, "orders-10s"), counter("process.cpu", 412.0),
            gauge("process.rss", 148_897_792), gauge("process.threads", 31), gauge("process.files", 64),
            timing("process.gc_pause", 300, 1_900, "2"), timing("process.switch", 40, 5_100 + 1_200 * (wave % 4)),
        ],
    )  # fmt: skip


def event(kind: str, seconds: int, **fields: Any) -> wire.Publication:
    record = wire.EventRecord(origin="derived", type=kind, json=json.dumps({"event": kind, **fields}))
    return wire.Publication(seq=1, ts_ns=STARTED_NS + seconds * 1_000 * MS, event=record)


def happened() -> list[wire.Publication]:
    denied = {
        "rule": "rate",
        "intent": "NEW",
        "instrument": BTC,
        "order_id": 9,
        "detail": "50 orders in 10 s",
    }
    return [
        event("SessionStarted", 0, session="20260102T030405Z-d3e0", node="demo"),
        event("OrderAccepted", 1, order_id=21, instrument=BTC, venue=VENUE),
        event("OrderFill", 2, order_id=21, instrument=BTC, side="BUY", price=6_000_010, qty=420_000, fee="42",
              fee_asset="BTC", fee_decimals=7, liquidity="MAKER"),
        *(event("IntentDenied", 3, **denied) for _ in range(12)),
        event("IncidentOpened", 4, name="unknown_outcome", grade="critical", scope=VENUE, detail="order 17"),
        event("OperatorCommand", 5, who="anna", why="news", command={"state": "REDUCING"}),
    ]  # fmt: skip


class FakeKilling:
    """``state`` and ``lines`` are what a test says."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.state: KillState = "asking"
        self.lines: tuple[str, ...] = ()
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True


class FakeSource:
    """Nothing comes but what a test puts in; ``kills`` are those that were asked for."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.kills: list[FakeKilling] = []
        self.is_running = False

    def start(self) -> None:
        self.is_running = True

    def stop(self) -> None:
        self.is_running = False

    def kill(self, reason: str) -> FakeKilling:
        self.kills.append(FakeKilling(reason))
        return self.kills[-1]


class Watched:
    """``livestack top`` at work, driven by hand."""

    def __init__(self, app: Top, source: FakeSource, pilot: Pilot[Any], clock: list[float]) -> None:
        self.app = app
        self.source = source
        self.pilot = pilot
        self._clock = clock

    def tell(self, *contents: Any) -> None:
        """The node answers so, now."""
        for content in contents:
            self.source.inbox.put(News(content, self._clock[0]))

    def tell_everything(self) -> None:
        self.tell(status(), orders(), positions(), fills(), risk(), metrics())

    async def pass_time(self, seconds: float) -> None:
        self._clock[0] += seconds
        await self.settle()

    def skip_time(self, seconds: float) -> None:
        """As :meth:`pass_time`, and nobody looks."""
        self._clock[0] += seconds
        self.app.picture.take(self.source.inbox.take())
        self.app.picture.second(self._clock[0])

    async def settle(self) -> None:
        """Let everything that came be shown."""
        self.app.tick()
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    def text(self) -> str:
        """What is on the screen."""
        strips = self.app.screen._compositor.render_strips()
        lines = ["".join(segment.text for segment in strip).rstrip() for strip in strips]
        return "\n".join(lines) + "\n"


@asynccontextmanager
async def watching(width: int = 80, height: int = 24) -> AsyncIterator[Watched]:
    clock = [1_000.0]
    source = FakeSource()
    app = Top(source, lambda: clock[0], is_driven=True)
    async with app.run_test(size=(width, height)) as pilot:
        yield Watched(app, source, pilot, clock)


def driven(test: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    return asyncio.run(test())


async def a_minute(screen: Watched) -> None:
    """A node that is settled, and has been looked at for a minute."""
    for second in range(61):
        left = 60 - second
        screen.tell(
            status(events=48_211 - 700 * left - 37 * (left % 7), dispatches=310 - left // 2, fills=42 - left // 9,
                   denied=1_204 - (20 * left if left < 12 else 240)),
            metrics((second * 7) % 11 if second % 5 else second % 3),
        )  # fmt: skip
        screen.skip_time(1.0)
    for one in happened():
        screen.source.inbox.put_event(one)
    screen.tell_everything()
    await screen.settle()


Scene = Callable[[Watched], Awaitable[None]]


async def overview(screen: Watched) -> None:
    await a_minute(screen)


async def silent(screen: Watched) -> None:
    await a_minute(screen)
    screen.source.inbox.put_trouble("it is there and does not answer within 5 s (ipc:///data/run/control)")
    await screen.pass_time(83.0)


async def kill(screen: Watched) -> None:
    await a_minute(screen)
    await screen.press("K")
    await screen.press(*"news", "enter", *"kil", "enter")


async def incidents(screen: Watched) -> None:
    await a_minute(screen)
    await screen.press("2")


async def speed(screen: Watched) -> None:
    await a_minute(screen)
    await screen.press("9")


SCENES: dict[str, tuple[int, int, Scene]] = {
    "overview_80x24": (80, 24, overview),
    "overview_160x48": (160, 48, overview),
    "silent_80x24": (80, 24, silent),
    "kill_80x24": (80, 24, kill),
    "incidents_80x24": (80, 24, incidents),
    "speed_80x24": (80, 24, speed),
}
"""What is compared with a file."""


async def scene(name: str) -> tuple[str, str]:
    """Its text, and its picture."""
    width, height, play = SCENES[name]
    async with watching(width, height) as screen:
        await play(screen)
        return screen.text(), screen.app.export_screenshot()


def main() -> None:
    global UMLAUT  # noqa: PLW0603 - a picture has to be right with the fonts of any reader
    for name in SCENES:
        text, _ = asyncio.run(scene(name))
        (SNAPSHOTS / f"{name}.txt").write_text(text, encoding="utf-8")
    UMLAUT = f"{VENUE}:SOLUSDT"
    _, picture = asyncio.run(scene("overview_160x48"))
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(FONTS.sub("", picture), encoding="utf-8")


if __name__ == "__main__":
    main()
