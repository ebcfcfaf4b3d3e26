"""What ``livestack top`` knows of its node: the newest of everything that came, how old it is, and the last minute.

One thread, the screen's. It takes what its :class:`Inbox` has gathered from other threads. ``now_s`` is always seconds
of a clock that only goes forward.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from livestack.cli.top_happenings import Happenings
from livestack.exceptions import LivestackError
from livestack.wire import control_pb2 as wire

LATE_S = 3.0
"""Without an answer for so long what is shown is said to be old."""

STUCK_MS = 10_000
"""An answer that is older than this tells of a node that makes no progress: beyond the slowest ``publish_every``."""

MINUTE = 60
WAITING_MAX = 2_000
"""Events that wait for a screen which does not keep up; older ones are counted, not shown."""

RATE_OVER_S = 5.0


class News(NamedTuple):
    """One answer, when it came."""

    content: wire.Status | wire.Orders | wire.Positions | wire.Fills | wire.Risk | wire.Metrics
    at_s: float


class Mail(NamedTuple):
    """What gathered since the last time. ``trouble``: why there is no answer, '' where there is; None: as it was."""

    news: tuple[News, ...]
    events: tuple[wire.Publication, ...]
    lost: int
    trouble: str | None
    metrics_trouble: str | None
    denied: LivestackError | None


class Inbox:
    """Bounded: only the newest answer of each kind waits. Any thread may put something in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._news: dict[type, News] = {}
        self._events: deque[wire.Publication] = deque(maxlen=WAITING_MAX)
        self._lost = 0
        self._trouble: str | None = None
        self._metrics_trouble: str | None = None
        self._denied: LivestackError | None = None

    def put(self, news: News) -> None:
        with self._lock:
            self._news[type(news.content)] = news
            if isinstance(news.content, wire.Metrics):
                self._metrics_trouble = ""

    def put_event(self, publication: wire.Publication) -> None:
        with self._lock:
            self._lost += len(self._events) == WAITING_MAX
            self._events.append(publication)

    def put_trouble(self, sentence: str) -> None:
        """Why nothing is answered; empty: it is."""
        with self._lock:
            self._trouble = sentence

    def put_metrics_trouble(self, sentence: str) -> None:
        with self._lock:
            self._metrics_trouble = sentence

    def put_denied(self, error: LivestackError) -> None:
        """The node is there, and does not let us in."""
        with self._lock:
            self._denied = error
            self._trouble = str(error)

    def take(self) -> Mail:
        with self._lock:
            mail = Mail(
                tuple(self._news.values()),
                tuple(self._events),
                self._lost,
                self._trouble,
                self._metrics_trouble,
                self._denied,
            )
            self._news.clear()
            self._events.clear()
            self._lost = 0
            self._trouble = self._metrics_trouble = self._denied = None
        return mail


class Staleness(NamedTuple):
    """What is shown is ``age_s`` old, because of ``what``; ``why`` in the node's or the network's words."""

    what: str
    age_s: float | None
    why: str


class Counted(NamedTuple):
    """Counters of a status, when it came."""

    at_s: float
    key: tuple[str, int]
    values: dict[str, int]


class Picture:
    """``version`` grows whenever something has come in."""

    def __init__(self, now_s: float) -> None:
        self.status = wire.Status()
        self.orders: wire.Orders | None = None
        self.positions: wire.Positions | None = None
        self.fills: wire.Fills | None = None
        self.risk: wire.Risk | None = None
        self.metrics: dict[str, list[wire.Metric]] = {}
        self.metrics_trouble = "not answered yet"
        self.trouble = ""
        self.denied: LivestackError | None = None
        self.happenings = Happenings()
        self.version = 0
        self.last_minute: dict[str, deque[float | None]] = {}
        self._began_s = now_s
        self._at_s: dict[str, float] = {}
        self._counted: deque[Counted] = deque()

    # -- What comes in ---------------------------------------------------------------------------------------------

    def take(self, mail: Mail) -> None:
        """What came since the last time."""
        self.version += 1
        for news in mail.news:
            self._take(news)
        if mail.events or mail.lost:
            self.happenings.take(mail.events, mail.lost, self.decimals())
        if mail.trouble is not None:
            self.trouble = mail.trouble
        if mail.metrics_trouble is not None:
            self.metrics_trouble = mail.metrics_trouble
            if mail.metrics_trouble:
                self.metrics = {}
        self.denied = mail.denied or self.denied

    def _take(self, news: News) -> None:
        content, at_s = news
        match content:
            case wire.Status():
                self._take_status(content, at_s)
                self._at_s["status"] = at_s
            case wire.Orders():
                self.orders = content
                self._at_s["orders"] = at_s
            case wire.Positions():
                self.positions = content
                self._at_s["positions"] = at_s
            case wire.Fills():
                self.fills = content
                self._at_s["fills"] = at_s
            case wire.Risk():
                self.risk = content
                self._at_s["risk"] = at_s
            case wire.Metrics():
                self.metrics = {}
                for one in content.metrics:
                    self.metrics.setdefault(one.metric, []).append(one)
                self._at_s["metrics"] = at_s

    def _take_status(self, status: wire.Status, at_s: float) -> None:
        before, self.status = self.status, status
        if (status.session, status.started_at_ns) != (before.session, before.started_at_ns):
            self._counted.clear()
            if before.seq:
                self.orders = self.positions = self.fills = self.risk = None
                self.metrics = {}
                self.last_minute.clear()
            if before.session and status.session:
                self.happenings.begin(status.session)
        key = status.session, status.started_at_ns
        values = {
            "events": status.events,
            "dispatches": status.dispatches,
            "fills": status.fills,
            "denied": status.denied,
        }
        self._counted.append(Counted(at_s, key, values))
        while at_s - self._counted[0].at_s > 2 * RATE_OVER_S:
            self._counted.popleft()

    # -- How old it is ---------------------------------------------------------------------------------------------

    def age_ms(self, now_s: float, what: str = "status") -> int | None:
        """How old ``what`` is, as the node told it and by what has passed since; None: it never came."""
        at_s = self._at_s.get(what)
        if at_s is None:
            return None
        told: dict[str, wire.Status | wire.Orders | wire.Positions | wire.Fills | wire.Risk | None] = {
            "status": self.status,
            "orders": self.orders,
            "positions": self.positions,
            "fills": self.fills,
            "risk": self.risk,
        }
        content = told.get(what)
        return (content.age_ms if content is not None else 0) + self.passed_ms(now_s, what)

    def passed_ms(self, now_s: float, what: str = "status") -> int:
        """Since ``what`` came."""
        return max(int((now_s - self._at_s.get(what, now_s)) * 1_000), 0)

    def staleness(self, now_s: float) -> Staleness | None:
        """Whether what is shown can still be relied on."""
        heard_s = max(self._at_s.values(), default=None)
        if heard_s is None:
            waited_s = now_s - self._began_s
            if self.trouble or waited_s > LATE_S:
                return Staleness("NO NODE ANSWERS", None, self.trouble or "it is being looked for")
            return None
        age_ms = self.age_ms(now_s) or 0
        if now_s - heard_s > LATE_S:
            why = self.trouble or "nothing came since"
            return Staleness("THE NODE DOES NOT ANSWER", age_ms / 1_000, why)
        if age_ms > STUCK_MS and self.status.seq:
            why = "it answers, and makes no progress: a stuck step, disk or machine"
            return Staleness("THE NODE STANDS STILL", age_ms / 1_000, why)
        if self.passed_ms(now_s) / 1_000 > LATE_S:
            return Staleness("THE NODE ANSWERS IN PART", age_ms / 1_000, self.trouble or "no status came")
        return None

    # -- Figures ---------------------------------------------------------------------------------------------------

    def decimals(self) -> dict[str, tuple[int, int]]:
        """Instrument -> digits behind the point of prices and quantities, as far as answers tell them."""
        prices: dict[str, int] = {}
        quantities: dict[str, int] = {}
        for feed in self.status.feeds:
            for one in feed.instruments:
                text = one.bid or one.ask or one.last
                if text:
                    prices[one.instrument] = _fraction(text)
        rows: Sequence[wire.Order | wire.Position | wire.Fill] = (
            *(self.orders.orders if self.orders is not None else ()),
            *(self.positions.positions if self.positions is not None else ()),
            *(self.fills.fills if self.fills is not None else ()),
        )
        for row in rows:
            quantities[row.instrument] = _fraction(row.qty)
            if isinstance(row, wire.Order | wire.Fill):
                prices.setdefault(row.instrument, _fraction(row.price))
        return {one: (prices[one], quantities.get(one, -1)) for one in prices}

    def counted_per_second(self, name: str) -> float | None:
        """Of a counter of the status, over the last seconds; None: not known yet."""
        if len(self._counted) < 2:
            return None
        last = self._counted[-1]
        within = [one for one in self._counted if last.at_s - one.at_s <= RATE_OVER_S]
        first = within[0]
        passed_s = last.at_s - first.at_s
        if passed_s <= 0:
            return None
        return max(last.values[name] - first.values[name], 0) / passed_s

    def per_second(self, metric: str, *labels: str) -> float | None:
        """The sum of ``metric``'s series, those with the first labels ``labels``; None: there is none."""
        series = self.series(metric, *labels)
        return sum(one.per_second for one in series) if series else None

    def value(self, metric: str, *labels: str) -> int | None:
        """The sum of a gauge's or counter's series, whole units of it."""
        series = self.series(metric, *labels)
        return sum(one.value // 10**one.decimals for one in series) if series else None

    def series(self, metric: str, *labels: str) -> list[wire.Metric]:
        found = self.metrics.get(metric, [])
        return [one for one in found if tuple(one.labels[: len(labels)]) == labels]

    def second(self, now_s: float) -> None:
        """Once a second: what the small plots show of it."""
        is_old = self.staleness(now_s) is not None
        values: dict[str, float | None] = {
            name: self.counted_per_second(name) for name in ("events", "dispatches", "fills", "denied")
        }
        for found in self.metrics.values():
            for one in found:
                if one.type == "timing":
                    values[f"{one.name}/p99"] = float(one.p99) if one.per_second else None
                if one.type != "gauge":
                    values[one.name] = one.per_second
        for name in self.last_minute.keys() | values.keys():
            value = None if is_old else values.get(name)
            self.last_minute.setdefault(name, deque(maxlen=MINUTE)).append(value)

    def minute(self, name: str) -> Sequence[float | None]:
        """The last seconds of a series, oldest first."""
        return self.last_minute.get(name, ())


def _fraction(text: str) -> int:
    return len(text.partition(".")[2])
