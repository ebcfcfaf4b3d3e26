"""Clear a venue of everything open with nothing but a key: cancel, ask, and again until the venue says that it is flat.

One thread per venue, its own connection, nothing of the node's. First what the configuration names is cancelled, at the
price of one cheap request each, so that nothing waits for an answer that might not come; then the whole account is
asked for, and whatever shows is cancelled by its symbol. *Flat* is the venue's own answer. It is *proven* by another
one that was asked for when nothing that a dead sender left on its way can arrive any more. Every request may be
repeated.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence

import msgspec
import structlog

from livestack.node.guard_report import VenueReport
from livestack.transports.backoff import Backoff
from livestack.transports.base import HttpRequest, HttpResponse, HttpTransport
from livestack.transports.clock import Clock
from livestack.venues.adapter import Fetch, Fetched, LastResort, OpenOrder, Setback

PROOF_INTERVAL_NS = 2_000_000_000
"""Between two looks at a venue that is flat and not yet proven so: one look weighs 80 of 6 000 a minute."""

ANSWER_TIMEOUT_S = 60.0
"""The transport gives up long before."""

FIRST_RETRY_NS = 100_000_000
RETRY_NS_MAX = 10_000_000_000
"""Bounds of the wait after a first and a later failure: a venue that comes back is asked within ten seconds."""

TIMEOUTS_S = (2.0, 5.0)
TOTAL_TIMEOUT_S = 10.0
"""To connect, to wait for a byte, to wait for all: shorter than a session's, as everything may be repeated."""

Pause = Callable[[int], bool]
"""Wait so many nanoseconds; True: somebody wants the sweep to end."""


class Sweep:
    """One venue's. ``changed`` gets the report whenever it says something new. All of it on one thread."""

    def __init__(
        self,
        venue: str,
        resort: LastResort,
        http: HttpTransport,
        rest_url: str,
        symbols: Sequence[str],
        *,
        clock: Clock,
        backoff: Backoff,
        pause: Pause,
        changed: Callable[[str, VenueReport], None],
    ) -> None:
        self.venue = venue
        self.report = VenueReport()
        self._resort = resort
        self._http = http
        self._rest_url = rest_url
        self._symbols = tuple(symbols)
        self._clock = clock
        self._backoff = backoff
        self._pause = pause
        self._changed = changed
        self._ahead_ms: int | None = None
        self._log = structlog.get_logger("guard").bind(venue=venue)

    def run(self, settled_ns: int, deadline_ns: int, *, patient: bool = True) -> VenueReport:
        """Until the venue was flat at ``settled_ns`` or later, or it is ``deadline_ns``, in the clock's time.

        ``patient``: go on where the venue refuses the key, which somebody may repair.
        """
        symbols: Sequence[str] = self._symbols
        while True:
            began_ns = self._clock.now_ns()
            setback = self.round(symbols)
            if setback is None and self.report.flat:
                if began_ns >= settled_ns:
                    self._tell(proven=settled_ns > 0)
                    return self.report
                self._backoff.reset()
            elif setback is None:
                symbols = _symbols_of(self.report)
            elif setback.is_refused and not patient:
                return self.report
            now_ns = self._clock.now_ns()
            if now_ns >= deadline_ns or self._pause(min(self._wait_ns(setback), deadline_ns - now_ns)):
                return self.report

    @property
    def settling_ns(self) -> int:
        """What its dead node sent last has arrived after this long, or will not."""
        return self._resort.settling_ns

    def look(self) -> tuple[OpenOrder, ...] | Setback:
        """Ask what is open, and cancel nothing."""
        failed = self._measure_clock()
        return failed if failed is not None else self._ask()

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def _wait_ns(self, setback: Setback | None) -> int:
        """A venue that wants to be left alone is left alone; the next attempt comes after that."""
        if setback is not None:
            return max(setback.wait_ns, self._backoff.next_ns())
        return PROOF_INTERVAL_NS if self.report.flat else self._backoff.next_ns()

    def round(self, symbols: Sequence[str]) -> Setback | None:
        """Cancel ``symbols``, then ask what is open; the setback that ended it. One symbol's refusal does not."""
        attempts, cancelled = self.report.attempts + 1, self.report.cancelled
        failed = self._measure_clock()
        if failed is not None and failed.wait_ns:
            return self._failed(failed, attempts, cancelled)
        first = attempts % len(symbols) if symbols else 0  # no symbol stays behind one that gets no answer
        for symbol in (*symbols[first:], *symbols[:first]):
            fetched = self._perform(self._resort.cancel_all(symbol, self._wall_ms()))
            done = self._resort.read_cancelled(fetched)
            if isinstance(done, int):
                cancelled += done
                continue
            failed = done
            if not fetched.status or done.wait_ns or done.is_clock:
                return self._failed(done, attempts, cancelled)
        answer = self._ask()
        if isinstance(answer, Setback):
            return self._failed(answer, attempts, cancelled)
        self._tell(
            flat=not answer,
            flat_ns=(self.report.flat_ns or self._clock.wall_ns()) if not answer else 0,
            attempts=attempts,
            cancelled=cancelled,
            open=answer,
            cause=failed.text if failed is not None and answer else "",
        )
        return None

    def _ask(self) -> tuple[OpenOrder, ...] | Setback:
        return self._resort.read_open_orders(self._perform(self._resort.open_orders(self._wall_ms())))

    def _failed(self, setback: Setback, attempts: int, cancelled: int) -> Setback:
        """What was known of the venue is not known any more; nor its clock, if that is what it complains of."""
        if setback.is_clock:
            self._ahead_ms = None
        self._tell(flat=False, attempts=attempts, cancelled=cancelled, cause=setback.text)
        return setback

    def _measure_clock(self) -> Setback | None:
        """By how much the venue's clock is ahead of ours, once; without its answer ours must do."""
        if self._ahead_ms is not None:
            return None
        answer = self._perform(self._resort.time())
        server_ms = self._resort.read_time(answer)
        if isinstance(server_ms, Setback):
            return server_ms
        # The middle of the way there and back: the venue refuses what is a second ahead of it.
        flight_ms = (answer.recv_ns - answer.begun_ns) // 2_000_000
        self._ahead_ms = server_ms + flight_ms - self._clock.wall_ns() // 1_000_000
        return None

    def _wall_ms(self) -> int:
        return self._clock.wall_ns() // 1_000_000 + (self._ahead_ms or 0)

    def _perform(self, fetch: Fetch) -> Fetched:
        url = f"{self._rest_url}{fetch.path}" + (f"?{fetch.query}" if fetch.query else "")
        answers: queue.SimpleQueue[HttpResponse] = queue.SimpleQueue()
        began_ns = self._clock.now_ns()
        self._http.submit(HttpRequest(fetch.method, url, fetch.headers), answers.put)
        try:
            answer = answers.get(timeout=ANSWER_TIMEOUT_S)
        except queue.Empty:
            answer = HttpResponse(0, (), b"", "no answer in time", began_ns, self._clock.now_ns())
        return Fetched(
            fetch.fetch_id,
            answer.status,
            answer.headers,
            answer.body,
            _without(answer.error, fetch.query),
            answer.begun_ns,
            answer.recv_ns,
        )

    def _tell(self, **changes: object) -> None:
        before, self.report = self.report, msgspec.structs.replace(self.report, **changes)
        tell = self._log.info if self.report.flat else self._log.warning
        tell(
            "venue_swept",
            attempt=self.report.attempts,
            cancelled=self.report.cancelled,
            open=None if self.report.open is None else len(self.report.open),
            flat=self.report.flat,
            proven=self.report.proven,
            cause=self.report.cause,
        )
        if _facts(before) != _facts(self.report):
            self._changed(self.venue, self.report)


def _symbols_of(report: VenueReport) -> list[str]:
    return sorted({order.symbol for order in report.open or ()})


def _facts(report: VenueReport) -> VenueReport:
    """Without what changes with each attempt and tells nobody anything."""
    return msgspec.structs.replace(report, attempts=0, flat_ns=0)


def _without(text: str, query: str) -> str:
    """What a library says of a failure may hold the request's query, and that a signature."""
    return text.replace(query, "...") if query else text
