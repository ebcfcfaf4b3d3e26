"""A backtest: the live session's Core against a history and a simulated venue, on the history's time.

Theory of operation. Everything that can happen next has a time. What is earliest happens first; at equal times the
order is always: the history goes on, market data reaches the node, requests reach the venue, its answers reach the
node, a deadline that the Core asked for is answered, the equity is looked at. No clock decides anything and nothing is
waited for: a session's time is its history's. Each of the three ways (requests, answers, market data) takes one
constant time, so each is a queue in order of arrival. Without feed latency a market Event is at the venue and at the
node in one go.

The session's Events are those of a live one: ``SessionStarted``, the instruments, the account's baseline, the venue
LIVE, then the history with its feed states; at the end ``SessionStopping``, the outcomes of open orders while the
market stands still, ``SessionStopped``. What only a wire has (``RequestSent``, the venue's rate counters) is not there.
Constant memory. Runs on the caller's thread.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from livestack.core.configuration import Configuration
from livestack.core.events import (
    AccountBaseline,
    InputEvent,
    OrderFill,
    SessionStarted,
    SessionStopped,
    SessionStopping,
    VenueStatusChanged,
)
from livestack.core.rates import NEVER
from livestack.core.runtime import SEMANTICS_VERSION, CoreRuntime, Step
from livestack.core.types import ConnectionStatus, OrderRequest, PositionBaseline, make_epoch, parse_decimal
from livestack.exceptions import UsageError
from livestack.journal.format import source_digest
from livestack.research.equity import Equity
from livestack.research.exchange import Exchange
from livestack.research.funds import FeeSchedule, Funds
from livestack.research.history import History, one_venue
from livestack.research.runtime import Question, ResearchRuntime
from livestack.settings import Settings
from livestack.simulator.book import QueueModel
from livestack.strategies.loading import load_strategy, strategy_source
from livestack.summary import Ending, SessionSummary, rfc3339, summarise

SAMPLE_NS: Final = 1_000_000_000
"""Between two looks at the equity, besides those after fills."""

EXIT_OPEN: Final = 4
"""Orders may be open at the end, as ``livestack start`` has it."""

DEFAULT_BALANCE: Final = 100_000_000
"""Of every asset, where neither the file nor the history says what the account holds: the simulated venue's own."""

AMOUNT_DECIMALS: Final = 18


class BacktestSummary(SessionSummary, frozen=True):
    """The keys of ``livestack backtest --json``: those of a session, and what only research looks at.

    By quote asset, as exact decimal strings; ``balances`` (free and locked) by asset. ``events_per_s`` alone differs
    from run to run.
    """

    unrealised_pnl: dict[str, str]
    max_drawdown: dict[str, str]
    balances: dict[str, str]
    events_per_s: int


class Backtest:
    """One run over ``history``. ``duration_ns``: how much of it, 0 for all."""

    def __init__(
        self, settings: Settings, configuration: Configuration, history: History, duration_ns: int = 0
    ) -> None:
        self._settings = settings
        self._configuration = configuration
        self._history = history
        self._venue, self._venue_settings = one_venue(settings)
        research = settings.backtest
        self._order_latency_ns = research.order_latency_ns
        self._feed_latency_ns = research.feed_latency_ns
        strategy = load_strategy(configuration.strategy.path, configuration.strategy.parameters)
        self.runtime = ResearchRuntime(CoreRuntime(configuration, strategy))
        self.exchange = Exchange(
            self._venue,
            history.instruments,
            Funds(self._venue_settings.account, self._balances(), FeeSchedule.of(research)),
            QueueModel(research.queue),
            research.response_latency_ns,
        )
        self.exchange.markets = history.open(self.exchange.engines, self._feed_latency_ns)
        self.equity = Equity(self.runtime.state)
        self.start_ns = history.start_ns
        self.end_ns = history.start_ns + duration_ns if duration_ns else NEVER
        shortened = duration_ns and self.end_ns <= history.end_ns
        self._reason = "the time given by --for is over" if shortened else "the history is over"
        self._answers = self.exchange.replies.answers
        self._requests: deque[tuple[int, OrderRequest | Question]] = deque()
        self._feed: deque[tuple[int, InputEvent]] = deque()
        self._next_sample = self.start_ns
        self._wake_ns = NEVER
        self._due = NEVER
        self._progress: Callable[[int], None] = lambda ts: None

    def run(self, progress: Callable[[int], None] = lambda ts: None) -> BacktestSummary:
        """From the first Event to the summary; ``progress`` hears of session times passed."""
        began_ns = time.perf_counter_ns()
        self._progress = progress
        self._open()
        self._play()
        exit_code, reason = self._close()
        elapsed_ns = max(time.perf_counter_ns() - began_ns, 1)
        ending = Ending(
            exit=exit_code,
            reason=reason,
            counts=self.runtime.counts,
            denials=self.runtime.denials,
            notices=self.runtime.notices,
            last_seq=self.runtime.seq,
            started_ns=self.start_ns,
            stopped_ns=self.runtime.ts,
        )
        summary = summarise(self.runtime.state, ending)
        return BacktestSummary(
            **msgspec.structs.asdict(summary),
            unrealised_pnl=self.equity.unrealised(),
            max_drawdown=self.equity.drawdowns(),
            balances=self.exchange.funds.told(),
            events_per_s=self.runtime.seq * 1_000_000_000 // elapsed_ns,
        )

    # -- the beginning and the end ---------------------------------------------------------------------------------

    def _open(self) -> None:
        ts, configuration = self.start_ns, self._configuration
        path = configuration.strategy.path
        stamp = rfc3339(ts)[:19].replace("-", "").replace(":", "")
        first = SessionStarted(
            session=f"backtest-{stamp}Z",
            node=self._settings.node.name,
            epoch=make_epoch(ts // 1_000_000_000, 0),
            strategy=path,
            strategy_digest=source_digest(strategy_source(path)),
            configuration_version=configuration.version,
            configuration_digest=configuration.digest(),
            semantics_version=SEMANTICS_VERSION,
            wall_ns=ts,
        )
        known: AccountBaseline | None = self._history.baseline
        positions: tuple[PositionBaseline, ...] = ()
        if known is not None and not self._settings.backtest.balances:
            names = {one.instrument for one in self._history.instruments}
            positions = tuple(one for one in known.positions if one.instrument in names)
        live = VenueStatusChanged(
            recv_ns=ts, venue=self._venue, status=ConnectionStatus.LIVE, reason="reconciled"
        )
        baseline = self.exchange.baseline(ts, self._venue_settings.account, positions)
        for event in (first, *self._history.instruments, *baseline, live):
            self._to_node(ts, event)
        self._schedule()

    def _play(self) -> None:
        """The history, and between its items whatever is due before them."""
        take, feed, answers = self.exchange.take, self.runtime.feed, self._answers
        latency_ns, end_ns = self._feed_latency_ns, self.end_ns
        items = 0
        for ts, item in self._history.items():
            if ts > end_ns:
                break
            if ts > self._due:
                self._catch_up(ts)
            items += 1
            published = take(ts, item)
            if latency_ns or self._feed:
                self._publish(ts, published)
                continue
            for event in published:
                step = feed(ts, event)
                if step.dispatches or step.obligations_changed:
                    self._follow(step)
            if answers and answers[0][0] < self._due:
                self._due = answers[0][0]
        if not items:
            raise UsageError("the history holds no market data")

    def _close(self) -> tuple[int, str]:
        """Stop in order; the exit code and the reason that are told."""
        ts = max(self.runtime.ts, min(self.end_ns, self._history.end_ns))
        self._catch_up(ts + 1)
        self._to_node(ts, SessionStopping(by="backtest", reason=self._reason))
        deadline_ns = ts + self._settings.shutdown.timeout_ns
        self._next_sample = NEVER
        self._schedule()
        while not self._is_quiet() and self._due <= deadline_ns:
            self._catch_up(self._due + 1)
        exit_code, reason = 0, self._reason
        if not self.runtime.state.execution.is_quiescent():
            exit_code, reason = EXIT_OPEN, f"{self._reason}; outcomes still open"
        self._to_node(self.runtime.ts, SessionStopped(reason=reason))
        self.equity.sample()
        return exit_code, reason

    def _is_quiet(self) -> bool:
        on_their_way = self._requests or self._answers or self._feed
        return not on_their_way and self.runtime.state.execution.is_quiescent()

    # -- what is due -----------------------------------------------------------------------------------------------

    def _catch_up(self, before_ns: int) -> None:
        """Let everything happen whose time is before ``before_ns``, in order (see the module's head)."""
        while self._due < before_ns:
            ts = self._due
            if self._feed and self._feed[0][0] == ts:
                self._to_node(ts, self._feed.popleft()[1])
            elif self._requests and self._requests[0][0] == ts:
                request = self._requests.popleft()[1]
                self._publish(ts, self.exchange.request(ts, request))
            elif self._answers and self._answers[0][0] == ts:
                self._to_node(ts, self._answers.popleft()[1])
            elif self._wake_ns == ts:
                self._wake()
            else:
                self._sample(before_ns)
            self._schedule()

    def _schedule(self) -> None:
        """When the next thing besides the history is due; never before the present."""
        due = min(self._wake_ns, self._next_sample)
        for queue in (self._feed, self._requests, self._answers):
            if queue and queue[0][0] < due:
                due = queue[0][0]
        self._due = due

    def _to_node(self, ts: int, event: InputEvent) -> None:
        step = self.runtime.feed(ts, event)
        if step.dispatches or step.obligations_changed:
            self._follow(step)
        if type(event) is OrderFill:
            self.equity.sample()

    def _publish(self, ts: int, events: Sequence[InputEvent]) -> None:
        """Market data on its way to the node."""
        for event in events:
            self._feed.append((ts + self._feed_latency_ns, event))
        if events or self._answers:
            self._schedule()

    def _follow(self, step: Step) -> None:
        """Send what the Core dispatched, ask what it wants to know, note when it wants to be woken."""
        arrival_ns = self.runtime.ts + self._order_latency_ns
        for request in step.dispatches:
            self._requests.append((arrival_ns, request))
        if step.obligations_changed:
            for question in self.runtime.questions():
                self._requests.append((arrival_ns, question))
            self._note_wake()
        self._schedule()

    def _wake(self) -> None:
        wake = self.runtime.next_wake()
        if wake is not None:
            step = self.runtime.wake(wake)
            if step.dispatches or step.obligations_changed:
                self._follow(step)
        self._note_wake()

    def _note_wake(self) -> None:
        wake = self.runtime.next_wake()
        self._wake_ns = NEVER if wake is None else max(wake.deadline_ns, self.runtime.ts)

    def _sample(self, before_ns: int) -> None:
        """Once per second in which something happens: between two items nothing changes."""
        self.equity.sample()
        self._progress(self._next_sample)
        self._next_sample = -(-before_ns // SAMPLE_NS) * SAMPLE_NS

    # -- balances --------------------------------------------------------------------------------------------------

    def _balances(self) -> dict[str, int]:
        """The file's, else the history's own, else plenty of everything; in 10**-18."""
        assets = dict.fromkeys(asset for one in self._history.instruments for asset in (one.base, one.quote))
        written = self._settings.backtest.balances
        if written:
            unknown = [asset for asset in written if asset not in assets]
            if unknown:
                raise UsageError(
                    f"backtest.balances names {', '.join(unknown)}; the instruments have {', '.join(assets)}"
                )
            return {asset: parse_decimal(written.get(asset, "0"), AMOUNT_DECIMALS) for asset in assets}
        if self._history.baseline is not None:
            told = {one.asset: one for one in self._history.baseline.balances}
            return {
                asset: (told[asset].free.value + told[asset].locked.value)
                * 10 ** (AMOUNT_DECIMALS - told[asset].decimals)
                for asset in assets
                if asset in told
            }
        return dict.fromkeys(assets, DEFAULT_BALANCE * 10**AMOUNT_DECIMALS)
