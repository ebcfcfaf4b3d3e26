"""One venue cleared: what is asked in which order, what each answer leads to, when it is flat, when it is proven."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from livestack.node.guard_report import VenueReport
from livestack.node.sweep import PROOF_INTERVAL_NS, Sweep
from livestack.transports.backoff import Backoff
from livestack.transports.base import HttpRequest, HttpResponse
from livestack.venues.adapter import Credentials, Setback
from livestack.venues.binance_spot.last_resort import BinanceLastResort
from tests.actors.fakes import FakeClock

SECOND_NS = 1_000_000_000
SERVER_MS = 5_000_000
ORDER = {"symbol": "ETHUSDT", "orderId": 7, "clientOrderId": "c", "side": "BUY"}
NOTHING = (400, {"code": -2011, "msg": "Unknown order sent."})


class Account:
    """A venue's REST answers: what is open by symbol, and a script of answers that come before the true ones."""

    def __init__(self, clock: FakeClock) -> None:
        self.open: dict[str, int] = {}
        self.script: list[tuple[int, Any]] = []
        self.headers: tuple[tuple[str, str], ...] = ()
        self.asked: list[str] = []
        self.closed = False
        self._clock = clock

    def submit(self, request: HttpRequest, reply: Callable[[HttpResponse], None]) -> None:
        path, _, query = request.url.partition("/api/v3/")[2].partition("?")
        parameters = dict(part.split("=") for part in query.split("&") if part)
        symbol = parameters.get("symbol", "")
        self.asked.append(f"{request.method} {path} {symbol}".strip())
        self.timestamp = int(parameters.get("timestamp", 0))
        status, content = self.script.pop(0) if self.script else self._answer(request.method, path, symbol)
        now_ns = self._clock.now_ns()
        if not status:
            reply(HttpResponse(0, (), b"", f"{content}: {request.url}", now_ns, now_ns))
            return
        reply(HttpResponse(status, self.headers, json.dumps(content).encode(), "", now_ns, now_ns))

    def close(self) -> None:
        self.closed = True

    def _answer(self, method: str, path: str, symbol: str) -> tuple[int, Any]:
        if path == "time":
            return 200, {"serverTime": SERVER_MS}
        if method == "GET":
            return 200, [{**ORDER, "symbol": name} for name, count in self.open.items() for _ in range(count)]
        count = self.open.pop(symbol, 0)
        return (200, [{**ORDER, "symbol": symbol}] * count) if count else NOTHING


class Least:
    def randrange(self, start: int, stop: int, /) -> int:
        return stop - 1


class Bench:
    def __init__(self, *symbols: str) -> None:
        self.clock = FakeClock()
        self.account = Account(self.clock)
        self.pauses: list[int] = []
        self.told: list[VenueReport] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.sweep = Sweep(
            "v",
            BinanceLastResort(Credentials("k", "hmac", "s")),
            self.account,
            "http://venue",
            symbols or ("BTCUSDT",),
            clock=self.clock,
            backoff=Backoff(Least(), first_ns=SECOND_NS, cap_ns=8 * SECOND_NS),
            pause=self.pause,
            changed=lambda venue, report: self.told.append(report),
        )

    def pause(self, wait_ns: int) -> bool:
        self.pauses.append(wait_ns)
        self.clock.time_ns += wait_ns
        self.meanwhile()
        return False

    def run(self, settled_ns: int = 0, within_ns: int = 3_600 * SECOND_NS, **options: Any) -> VenueReport:
        return self.sweep.run(settled_ns, self.clock.now_ns() + within_ns, **options)


def test_cancels_what_is_configured_before_it_asks() -> None:
    """Time, one cancel a symbol, then everything of the account; the venue's time is in the signed requests."""
    bench = Bench("BTCUSDT", "ETHUSDT")
    bench.account.open = {"ETHUSDT": 2}
    report = bench.run()
    assert [
        "GET time",
        "DELETE openOrders ETHUSDT",
        "DELETE openOrders BTCUSDT",
        "GET openOrders",
    ] == bench.account.asked
    assert (True, False, 2, 1, ()) == (
        report.flat, report.proven, report.cancelled, report.attempts, report.open,
    )  # fmt: skip
    assert SERVER_MS == bench.account.timestamp
    assert [] == bench.pauses


def test_what_else_is_open_goes_too() -> None:
    """A symbol that nobody configured: the account is the node's, and it is to be flat."""
    bench = Bench()
    bench.account.open = {"XRPUSDT": 1}
    report = bench.run()
    assert ["DELETE openOrders XRPUSDT", "GET openOrders"] == bench.account.asked[3:]
    assert (True, 1, 2) == (report.flat, report.cancelled, report.attempts)
    assert ["XRPUSDT"] == [order.symbol for order in bench.told[0].open or ()]


def test_flat_is_looked_at_until_it_is_proven() -> None:
    """What arrives late is cancelled; the proof is an answer to a question asked after the settling time."""
    bench = Bench()
    began_ns = bench.clock.now_ns()

    def arrive() -> None:
        if len(bench.pauses) == 2:
            bench.account.open = {"BTCUSDT": 1}

    bench.meanwhile = arrive
    report = bench.run(settled_ns=began_ns + 7 * SECOND_NS)
    assert (True, True, 1) == (report.flat, report.proven, report.cancelled)
    assert bench.clock.now_ns() >= began_ns + 7 * SECOND_NS
    assert {PROOF_INTERVAL_NS} == set(bench.pauses[:2])


def test_a_venue_that_is_down_is_asked_again_later_and_later() -> None:
    """No symbol waits behind another's silence, and what was known is not known any more."""
    bench = Bench("A", "B")
    bench.account.script = [(0, "Connection refused")] * 6
    report = bench.run()
    assert [SECOND_NS, 2 * SECOND_NS, 4 * SECOND_NS] == bench.pauses
    assert ["DELETE openOrders B", "DELETE openOrders A", "DELETE openOrders B"] == bench.account.asked[1:6:2]
    assert report.flat
    assert not bench.told[0].flat
    assert "no answer: Connection refused: http://venue/api/v3/openOrders?..." == bench.told[0].cause


def test_it_ends_at_its_deadline() -> None:
    """With what it knows: nothing."""
    bench = Bench()
    bench.account.script = [(503, {})] * 1_000
    report = bench.run(within_ns=60 * SECOND_NS)
    assert (False, None, "HTTP status 503: no reason given") == (report.flat, report.open, report.cause)
    assert 61 * SECOND_NS == bench.clock.now_ns()


def test_a_venue_that_wants_silence_gets_it() -> None:
    """Not one request more, and the next attempt after what it said."""
    bench = Bench("A", "B", "C")
    bench.account.headers = (("retry-after", "30"),)
    bench.account.script = [(429, {"code": -1003, "msg": "m"})]
    report = bench.run()
    assert ["GET time", "GET time"] == bench.account.asked[:2]
    assert [30 * SECOND_NS] == bench.pauses
    assert report.flat


def test_a_cancel_that_is_refused_does_not_hold_up_the_others() -> None:
    """Its reason is told as long as something is open."""
    bench = Bench("A", "B")
    bench.account.open = {"A": 1, "B": 1}
    bench.account.script = [(200, {"serverTime": 1}), (400, {"code": -1013, "msg": "halted"})]
    report = bench.run()
    assert ["DELETE openOrders B", "DELETE openOrders A", "GET openOrders"] == bench.account.asked[1:4]
    assert "HTTP status 400: halted (-1013)" == bench.told[0].cause
    assert (True, "") == (report.flat, report.cause)


def test_a_wrong_clock_is_measured_again() -> None:
    """The venue says so, and its time is asked for anew."""
    bench = Bench()
    bench.account.script = [(200, {"serverTime": 1}), (400, {"code": -1021, "msg": "m"})]
    assert bench.run().flat
    assert 2 == bench.account.asked.count("GET time")
    assert SERVER_MS == bench.account.timestamp


def test_a_refused_key_ends_an_impatient_sweep_only() -> None:
    """A person can do something about it at once; a guard goes on, as somebody may repair it."""
    refused = [(401, {"code": -2015, "msg": "m"})] * 2
    bench = Bench()
    bench.account.script = [(200, {"serverTime": 1}), *refused]
    report = bench.run(patient=False)
    assert (False, "HTTP status 401: m (-2015)") == (report.flat, report.cause)
    bench = Bench()
    bench.account.script = [(200, {"serverTime": 1}), *refused]
    assert bench.run().flat


def test_looking_changes_nothing() -> None:
    """It asks for open orders, or says why there is no answer."""
    bench = Bench()
    bench.account.open = {"BTCUSDT": 1}
    answer = bench.sweep.look()
    assert not isinstance(answer, Setback)
    assert ["BTCUSDT"] == [order.symbol for order in answer]
    bench.account.script = [(0, "broken")]
    assert isinstance(bench.sweep.look(), Setback)
    assert [] == [asked for asked in bench.account.asked if asked.startswith("DELETE")]
    bench.sweep.close()
    assert bench.account.closed
