"""Whole backtests: the same every time, every unit accounted for, everything in order of its time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

from livestack.backtest_settings import BacktestSettings
from livestack.core.events import (
    AccountBaseline,
    BookSnapshot,
    FeedStatusChanged,
    InputEvent,
    InstrumentDefined,
    OrderFill,
    QuoteTick,
)
from livestack.core.runtime import Step
from livestack.core.types import ConnectionStatus, SessionPhase, Side, parse_decimal
from livestack.exceptions import UsageError
from livestack.research.backtest import Backtest, BacktestSummary
from livestack.research.history import Wanted, open_history
from livestack.research.market import Item, Markets, RecordedMarkets
from livestack.settings import inspect
from livestack.simulator.matching import MatchingEngine
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.research.sessions import BTCUSDT, INSTRUMENT
from tests.support import ROOT

SECOND_NS = 1_000_000_000
BEGIN_NS = 1_700_000_000 * SECOND_NS
COMMAND = "backtest -c etc/demo.toml --events synthetic --for 20s --json"


class FixedHistory:
    """A history of a few Events."""

    def __init__(self, items: list[tuple[int, InputEvent]]) -> None:
        self.instruments: tuple[InstrumentDefined, ...] = (BTCUSDT,)
        self.baseline: AccountBaseline | None = None
        self.start_ns = items[0][0] if items else BEGIN_NS
        self.end_ns = items[-1][0] if items else BEGIN_NS
        self._items = items

    def open(self, engines: Mapping[str, MatchingEngine], feed_latency_ns: int) -> Markets:
        return RecordedMarkets(engines)

    def items(self) -> Iterator[tuple[int, Item]]:
        yield from self._items

    def close(self) -> None: ...


def quote(number: int, bid: int = 6_000_000) -> tuple[int, InputEvent]:
    """Second ``number``: a spread of ten around ``bid`` + 5."""
    ts = BEGIN_NS + number * SECOND_NS
    event = QuoteTick(
        recv_ns=ts,
        instrument=INSTRUMENT,
        event_ns=0,
        update_id=number + 1,
        bid=bid,
        bid_qty=10**9,
        ask=bid + 10_000,
        ask_qty=10**9,
    )
    return ts, event


LIVE = FeedStatusChanged(
    recv_ns=BEGIN_NS, venue="binance_spot", instrument="", status=ConnectionStatus.LIVE, reason=""
)


def fixed(directory: Path, count: int, **settings: object) -> Backtest:
    """A still market of ``count`` seconds, quoted by the market maker."""
    path = configuration.write(directory, ["BTCUSDT"], market_maker("BTCUSDT"))
    file, rules = inspect(path)
    file = msgspec.structs.replace(file, backtest=BacktestSettings(**settings))  # type: ignore[arg-type]
    return Backtest(file, rules, FixedHistory([(BEGIN_NS, LIVE), *(quote(one) for one in range(count))]))


def synthetic(seed: int = 7, seconds: int = 60, **changes: object) -> tuple[Backtest, BacktestSummary]:
    """The demo's configuration on the synthetic market."""
    settings, rules = inspect(ROOT / "etc" / "demo.toml")
    research = msgspec.structs.replace(settings.backtest, **changes)
    settings = msgspec.structs.replace(settings, backtest=research)
    history = open_history(Wanted("synthetic", Path(), seconds * SECOND_NS, seed), settings)
    backtest = Backtest(settings, rules, history, seconds * SECOND_NS)
    return backtest, backtest.run()


def watch(backtest: Backtest) -> list[tuple[int, InputEvent]]:
    """Every INPUT that the Core gets, with its time."""
    seen: list[tuple[int, InputEvent]] = []
    feed = backtest.runtime.feed

    def feed_and_note(ts: int, event: InputEvent) -> Step:
        step = feed(ts, event)
        seen.append((backtest.runtime.ts, event))
        return step

    backtest.runtime.feed = feed_and_note  # type: ignore[method-assign]
    return seen


def test_the_session_is_like_a_live_one(tmp_path: Path) -> None:
    """Started, instruments, reconciliation, baseline, venue LIVE, feed; at the end stopping, outcomes, stopped."""
    backtest = fixed(tmp_path, 3)
    seen = watch(backtest)
    summary = backtest.run()
    names = [type(event).__name__ for _, event in seen]
    assert [
        "SessionStarted",
        "InstrumentDefined",
        "FillsReconciled",
        "AccountBaseline",
        "VenueStatusChanged",
        "FeedStatusChanged",
        "QuoteTick",
        "OrderAccepted",
        "BalanceReport",
        "OrderAccepted",
        "BalanceReport",
    ] == names[:11]
    cancelled = ["OrderCancelled", "BalanceReport"] * 2
    assert ["SessionStopping", *cancelled, "SessionStopped"] == names[-6:]
    assert (0, "the history is over", SessionPhase.STOPPED) == (
        summary.exit,
        summary.reason,
        backtest.runtime.state.control.phase,
    )
    assert [] == backtest.exchange.open_orders
    assert (summary.last_seq, summary.digest) == (summary.events, backtest.runtime.state.digest())


def test_latencies_add_up(tmp_path: Path) -> None:
    """A quote is seen 1 ms after it was, the order it causes is at the venue 2 ms later, the answer here after 4 ms."""
    milli = 1_000_000
    backtest = fixed(
        tmp_path,
        2,
        feed_latency_ns=milli,
        order_latency_ns=2 * milli,
        response_latency_ns=4 * milli,
    )
    seen = watch(backtest)
    backtest.run()
    first_quote = next(ts for ts, event in seen if isinstance(event, QuoteTick))
    accepted = next((ts, event) for ts, event in seen if type(event).__name__ == "OrderAccepted")
    assert BEGIN_NS + milli == first_quote
    assert BEGIN_NS + 7 * milli == accepted[0]
    assert BEGIN_NS + 3 * milli == accepted[1].event_ns  # type: ignore[union-attr]
    times = [ts for ts, _ in seen]
    assert times == sorted(times)


@pytest.mark.parametrize("queue", ["fifo", "front", "back"])
@pytest.mark.parametrize("source", ["received", "quote"])
def test_every_unit_is_accounted_for(queue: str, source: str) -> None:
    """Position = sum of fills, and the account's money = what it began with, plus trades, less fees: to 10**-18."""
    balances = {"BTC": "2", "ETH": "30", "USDT": "200000"}
    settings, rules = inspect(ROOT / "etc" / "demo.toml")
    research = BacktestSettings(
        queue=queue,  # type: ignore[arg-type]
        fee_asset=source,  # type: ignore[arg-type]
        maker_fee_bps="-0.123457",
        taker_fee_bps="7.654321",
        balances=balances,
    )
    settings = msgspec.structs.replace(settings, backtest=research)
    history = open_history(Wanted("synthetic", Path(), 60 * SECOND_NS, 5), settings)
    backtest = Backtest(settings, rules, history)
    seen = watch(backtest)
    summary = backtest.run()
    held = {asset: parse_decimal(amount, 18) for asset, amount in balances.items()}
    net: dict[str, int] = {}
    fees: dict[str, int] = {}
    definitions = {one.instrument: one for one in history.instruments}
    for _, fill in seen:
        if isinstance(fill, OrderFill):
            one = definitions[fill.instrument]
            sign = 1 if fill.side is Side.BUY else -1
            net[fill.instrument] = net.get(fill.instrument, 0) + sign * fill.qty
            held[one.base] += sign * fill.qty * 10 ** (18 - one.qty_decimals)
            held[one.quote] -= (
                sign * fill.qty * fill.price * 10 ** (18 - one.price_decimals - one.qty_decimals)
            )
            fee = fill.fee.value * 10 ** (18 - fill.fee_decimals)
            held[fill.fee_asset] -= fee
            fees[fill.fee_asset] = fees.get(fill.fee_asset, 0) + fee
    assert summary.fills > 0
    assert held == {asset: parse_decimal(amount, 18) for asset, amount in summary.balances.items()}
    assert fees == {asset: parse_decimal(amount, 18) for asset, amount in summary.fees.items()}
    for instrument, position in backtest.runtime.state.execution.positions.items():
        assert net[instrument] == position.bought_qty - position.sold_qty
        if source == "quote":
            assert net[instrument] == position.qty
    reported = backtest.runtime.state.execution.balances["binance_spot"]
    assert held == {name: one.free * 10 ** (18 - one.decimals) for name, one in reported.items()}
    assert all(one.locked == 0 for one in reported.values())


def test_the_same_inputs_give_the_same_digest() -> None:
    """Twice the same; another seed, queue or latency decides otherwise."""
    digests = [
        synthetic()[1].digest,
        synthetic()[1].digest,
        synthetic(seed=8)[1].digest,
        synthetic(queue="front")[1].digest,
        synthetic(order_latency_ns=0)[1].digest,
    ]
    assert digests[0] == digests[1]
    assert 4 == len(set(digests))


def test_the_same_digest_with_any_hash_seed() -> None:
    """In two processes with different PYTHONHASHSEEDs."""
    digests = set()
    for seed in ("1", "54321"):
        run = subprocess.run(
            [sys.executable, "-m", "livestack", *COMMAND.split()],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr
        digests.add(json.loads(run.stdout)["digest"])
    assert 1 == len(digests)


def test_our_orders_take_part_in_a_synthetic_market() -> None:
    """What the market maker rests can be seen: the feed's best price is ours at times."""
    backtest, summary = synthetic(seconds=30)
    assert summary.fills > 0
    assert summary.market_events > 1_000
    assert summary.denied == 0
    assert backtest.equity.curves["USDT"].points


def test_requests_without_an_answer_in_time_are_asked_about(tmp_path: Path) -> None:
    """An answer takes 30 s, a request is unresolved after 10 s, while no data comes: woken, and asked, at that time."""
    settings, rules = inspect(configuration.write(tmp_path, ["BTCUSDT"], market_maker("BTCUSDT")))
    settings = msgspec.structs.replace(
        settings, backtest=BacktestSettings(response_latency_ns=30 * SECOND_NS)
    )
    backtest = Backtest(settings, rules, FixedHistory([(BEGIN_NS, LIVE), quote(0), quote(120, 6_100_000)]))
    seen = watch(backtest)
    summary = backtest.run()
    names = [type(event).__name__ for _, event in seen]
    assert names.index("ControlTime") < names.index("OrderAccepted") < names.index("OrderReport")
    assert BEGIN_NS + 10 * SECOND_NS == seen[names.index("ControlTime")][0]
    assert (4, "the history is over; outcomes still open") == (summary.exit, summary.reason)
    assert "AnomalyDetected" not in {kind.__name__ for kind in backtest.runtime.counts}


def test_the_account_may_be_too_small(tmp_path: Path) -> None:
    """Balances of the file: what they do not cover is rejected by the venue."""
    backtest = fixed(tmp_path, 3, balances={"USDT": "10"})
    seen = watch(backtest)
    backtest.run()
    assert "OrderRejected" in {type(event).__name__ for _, event in seen}


def test_balances_of_unknown_assets_are_refused(tmp_path: Path) -> None:
    """A misspelt asset would be an empty account."""
    with pytest.raises(UsageError, match=r"backtest.balances names BTX; the instruments have BTC, USDT"):
        fixed(tmp_path, 3, balances={"BTX": "10"})


def test_the_journals_own_account_is_taken(tmp_path: Path) -> None:
    """Free and locked of the assets that are traded, in the history's own decimals."""
    settings, rules = inspect(configuration.write(tmp_path, ["BTCUSDT"], market_maker("BTCUSDT")))
    history = FixedHistory([(BEGIN_NS, LIVE), quote(0)])
    from_journal = Backtest(settings, rules, history)
    assert 100_000_000 * 10**18 == from_journal.exchange.funds.held("BTC")
    told = from_journal.exchange.baseline(0, "test", ())[-1]
    assert isinstance(told, AccountBaseline)
    history.baseline = msgspec.structs.replace(told, balances=told.balances[:1])
    assert 0 == Backtest(settings, rules, history).exchange.funds.held("USDT")


def test_an_empty_history_is_refused(tmp_path: Path) -> None:
    """There is nothing that could have happened."""
    settings, rules = inspect(configuration.write(tmp_path, ["BTCUSDT"], market_maker("BTCUSDT")))
    with pytest.raises(UsageError, match="holds no market data"):
        Backtest(settings, rules, FixedHistory([])).run()


def test_only_a_part_of_the_history(tmp_path: Path) -> None:
    """Two of ten seconds; more than there is plays all of it, and the reason says which."""
    settings, rules = inspect(configuration.write(tmp_path, ["BTCUSDT"], market_maker("BTCUSDT")))
    items = [(BEGIN_NS, LIVE), *(quote(one) for one in range(10))]
    part = Backtest(settings, rules, FixedHistory(items), 2 * SECOND_NS)
    summary = part.run()
    assert (3, "the time given by --for is over") == (part.runtime.counts[QuoteTick], summary.reason)
    whole = Backtest(settings, rules, FixedHistory(items), 20 * SECOND_NS)
    assert ("the history is over", 10) == (whole.run().reason, whole.runtime.counts[QuoteTick])


def test_progress_is_told_in_session_time(tmp_path: Path) -> None:
    """Once per second of it."""
    heard: list[int] = []
    fixed(tmp_path, 5).run(heard.append)
    assert heard == sorted(heard)
    assert BEGIN_NS + SECOND_NS in heard


def test_what_a_book_needs_is_only_its_history(tmp_path: Path) -> None:
    """A snapshot of the record stands in the engine as it is in the Core's book."""
    ts = BEGIN_NS
    snapshot = BookSnapshot(
        recv_ns=ts,
        instrument=INSTRUMENT,
        event_ns=0,
        last_update_id=1,
        bids=((5_990_000, 5),),
        asks=((6_010_000, 7),),
    )
    settings, rules = inspect(configuration.write(tmp_path, ["BTCUSDT"], market_maker("BTCUSDT")))
    backtest = Backtest(settings, rules, FixedHistory([(ts, LIVE), (ts, snapshot)]))
    backtest.run()
    engine = backtest.exchange.engines[INSTRUMENT]
    book = backtest.runtime.state.market.instruments[INSTRUMENT].book
    assert [list(book.levels(Side.BUY)), list(book.levels(Side.SELL))] == [
        side.levels(9) for side in engine.sides
    ]
