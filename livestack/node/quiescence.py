"""The proof after a kill: each venue's own answer, over a connection of its own, until nothing is open or unknown.

Theory of operation. For each venue in scope one thread cancels and asks, by plain requests with the key alone
(:mod:`livestack.node.sweep`), so that a connector that is stuck holds nothing up. A venue's answer counts if it was
asked for after the gate was closed. It proves that nothing is left if, moreover, no request of ours was in flight or of
unknown fate, and none open as far as State knows, when it was asked for: that comes with each view. The receipt on the
board shows how far the proof is; it is recorded as ``KillReceipt`` when every venue has answered first, and when it is
flat.
Runs on: the control actor's thread; :meth:`_sweep` on a thread per venue.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from livestack.actors.desk import Board
from livestack.actors.messages import Engagement
from livestack.control import replies
from livestack.control.view import OrderView, View
from livestack.core.events import InputEvent, KillReceipt
from livestack.node.composition import Node, Seams, VenueParts
from livestack.node.kill_receipts import KillReceipts
from livestack.node.sweep import Sweep
from livestack.transports.backoff import Backoff
from livestack.transports.base import HttpTransport
from livestack.transports.clock import Clock
from livestack.venues.adapter import OpenOrder, Setback
from livestack.wire import control_pb2 as pb

WAIT_S = 0.25
"""After the first round that was not the last; twice as long after each following one."""

WAIT_S_MAX = 10.0


AGAIN_NS = 10_000_000_000
"""Between two proofs of the same: one weighs about 200 of the 6 000 that a venue gives a minute."""


class Asked(msgspec.Struct, frozen=True):
    """One round at one venue. Session times; ``open`` None: it did not answer, ``trouble`` says why."""

    asked_ns: int
    asked_at_ns: int
    answered_at_ns: int
    open: tuple[OpenOrder, ...] | None
    trouble: str


class _Venue:
    """One venue's thread and what it found. ``only``: the symbols in scope; none: all."""

    def __init__(
        self, sweep: Callable[[HttpTransport], Sweep], symbols: Sequence[str], only: frozenset[str]
    ) -> None:
        self.make_sweep = sweep
        self.symbols = tuple(symbols)
        self.only = only
        self.last: Asked | None = None
        self.asking_at_ns = 0
        self.rounds = 0
        self.over = False
        self.again = threading.Event()

    def note(self, asked: Asked) -> None:
        """What a round found, unless it was over meanwhile: its answer has been used as it was."""
        if not self.over:
            self.last = asked
            self.rounds += 1


class Quiescence:
    """``sweeps``: by venue what clears it, made anew for each proof; ``symbols``: by venue those of its instruments."""

    def __init__(
        self,
        *,
        board: Board,
        tell: Callable[[Sequence[InputEvent]], None],
        sweeps: Mapping[str, Callable[[HttpTransport], Sweep]],
        http: Callable[[str], HttpTransport],
        symbols: Mapping[str, Mapping[str, str]],
        clock: Clock,
        keep: Callable[[pb.KillReceipt], None] = lambda receipt: None,
        durable: Callable[[], bool] = lambda: True,
    ) -> None:
        self._keep = keep
        self._durable = durable
        self._kept = b""
        self._known: tuple[OrderView, ...] = ()
        self._board = board
        self._tell = tell
        self._sweeps = sweeps
        self._http = http
        self._symbols = symbols
        self._clock = clock
        self._venues: dict[str, _Venue] = {}
        self._engagements: list[Engagement] = []
        self._unknown: tuple[OrderView, ...] | None = None
        self._begun_ns = 0
        self._clear_ns = 0
        self._recorded: tuple[bool, bool] = (False, False)
        self._log = structlog.get_logger("kill_switch")

    @classmethod
    def of(
        cls, node: Node, venues: Mapping[str, VenueParts], seams: Seams, receipts: KillReceipts
    ) -> Quiescence:
        """The proof of a node's session; each venue's sweeps have a connection of their own."""

        def maker(venue: str, parts: VenueParts) -> Callable[[HttpTransport], Sweep]:
            resort = parts.module.last_resort(parts.credentials)
            return lambda http: Sweep(
                venue,
                resort,
                http,
                parts.settings.rest_url,
                parts.settings.symbols,
                clock=seams.clock,
                backoff=Backoff(seams.random),
                pause=lambda wait_ns: True,
                changed=lambda name, report: None,
            )

        return cls(
            board=node.surface.board,
            tell=node.harness.tell_control,
            http=seams.http,
            sweeps={venue: maker(venue, parts) for venue, parts in venues.items()},
            symbols={
                venue: {one.instrument: one.symbol for one in parts.instruments}
                for venue, parts in venues.items()
            },
            clock=seams.clock,
            keep=receipts.keep,
            durable=lambda: node.surface.kill_switch.is_durable,
        )

    def follow(self, engagements: Sequence[Engagement]) -> None:
        """Prove it for what is new among ``engagements``, together with the rest; with none it is over.

        What was pulled again though it is proven is proven again, but not more often than a venue bears.
        """
        now_ns = self._clock.now_ns()
        if not engagements:
            self.end()
            return
        is_new = {one.number for one in engagements} != {one.number for one in self._engagements}
        if not is_new and not (self._recorded[1] and now_ns - self._begun_ns >= AGAIN_NS):
            return
        self._stop()
        self._engagements, self._begun_ns = list(engagements), now_ns
        self._unknown, self._clear_ns, self._recorded = None, 0, (False, False)
        for venue, sweep in self._sweeps.items():
            only = self._scope(venue)
            if only is None:
                continue
            symbols = [one for one in self._symbols[venue].values() if not only or one in only]
            work = self._venues[venue] = _Venue(sweep, symbols, only)
            threading.Thread(
                target=self._sweep, args=(venue, work), name=f"proof {venue}", daemon=True
            ).start()
        self._show()

    def seen(self, view: View) -> None:
        """``view`` may say that nothing is open or in flight any more: then the next answer of a venue proves it."""
        if not self._venues or self._recorded[1] or view.ts <= self._engagements[-1].closed_ns:
            return  # what is proven once is proven: nothing has left since
        ours = [one for one in view.orders if not one.external and one.status != "pending"]
        self._known = tuple(one for one in ours if self._covers(one.venue, one.instrument))
        wanted = frozenset(view.unknown)
        self._unknown = tuple(one for one in self._known if one.order_id in wanted)
        listed = sum(one.status != "pending" for one in view.orders)
        is_whole = listed >= view.orders_total and wanted <= {one.order_id for one in ours}
        if self._known or not is_whole:
            self._clear_ns = 0
        elif not self._clear_ns:
            self._clear_ns = self._clock.now_ns()
            for work in self._venues.values():
                work.again.set()
        self._show()

    def tick(self) -> None:
        if self._venues:
            self._show()

    def end(self) -> None:
        self._stop()
        self._engagements = []
        self._board.receipt = pb.KillReceipt()

    def _stop(self) -> None:
        for work in self._venues.values():
            work.over = True
            work.again.set()
        self._venues = {}

    def _scope(self, venue: str) -> frozenset[str] | None:
        """The symbols of ``venue`` that are killed, none named: all of them; None: the venue is not concerned."""
        symbols = self._symbols[venue]
        only: set[str] = set()
        for one in self._engagements:
            if one.instrument in symbols:
                only.add(symbols[one.instrument])
            elif self._is_known(one.instrument):
                continue
            elif one.venue == venue or one.instrument or one.venue not in self._symbols:
                return frozenset()  # of a scope that nobody knows the kill-switch makes everything
        return frozenset(only) or None

    def _is_known(self, instrument: str) -> bool:
        return any(instrument in symbols for symbols in self._symbols.values())

    def _covers(self, venue: str, instrument: str) -> bool:
        work = self._venues.get(venue)
        return work is not None and (not work.only or self._symbols[venue].get(instrument) in work.only)

    # -- A venue's thread ----------------------------------------------------------------------------------------

    def _sweep(self, venue: str, work: _Venue) -> None:
        """Cancel and ask, again and again, until somebody says that it is over."""
        http, wait_s = self._http(f"proof {venue}"), WAIT_S
        sweep = work.make_sweep(http)
        symbols: Sequence[str] = work.symbols
        try:
            while not work.over:
                asked_ns, asked_at_ns = self._clock.now_ns(), self._clock.wall_ns()
                work.asking_at_ns = asked_at_ns
                setback = _round(sweep, symbols if self._board.kill_cancels() else ())
                found = None if setback is not None else self._in_scope(work, sweep.report.open or ())
                trouble = "" if setback is None else setback.text
                work.note(Asked(asked_ns, asked_at_ns, self._clock.wall_ns(), found, trouble))
                symbols = sorted({one.symbol for one in found}) if found is not None else work.symbols
                pause_s = max(wait_s, setback.wait_ns / 1e9 if setback is not None else 0.0)
                if work.again.wait(pause_s):
                    work.again.clear()
                wait_s = min(2 * wait_s, WAIT_S_MAX)
        finally:
            http.close()

    @staticmethod
    def _in_scope(work: _Venue, found: Sequence[OpenOrder]) -> tuple[OpenOrder, ...]:
        return tuple(one for one in found if not work.only or one.symbol in work.only)

    # -- The receipt ---------------------------------------------------------------------------------------------

    def _show(self) -> None:
        closed_ns = max(one.closed_ns for one in self._engagements)
        answered = all(self._has_answered(work, closed_ns) for work in self._venues.values())
        flat = self._recorded[1] or self._is_flat(closed_ns)
        receipt = pb.KillReceipt(
            engaged=True,
            session=self._board.view.session if self._board.view is not None else "",
            durable=self._durable(),
            flat=flat,
            gate_closed_at_ns=max(one.closed_at_ns for one in self._engagements),
            last_new_sent_at_ns=max(one.last_new_at_ns for one in self._engagements),
            venues=[self._answer(venue, work, closed_ns) for venue, work in self._venues.items()],
            unknown_orders=[replies.order(one) for one in self._unknown or ()],
            rounds=max((work.rounds for work in self._venues.values()), default=0),
            scopes=[
                pb.KillScope(scope=one.scope, trigger=one.trigger, by=one.by, reason=one.reason)
                for one in self._engagements
            ],
        )
        self._board.receipt = receipt
        content = receipt.SerializeToString()
        if content != self._kept:
            self._kept = content
            self._keep(receipt)
        if (answered, flat) != self._recorded and answered:
            self._recorded = (answered, flat)
            self._record(flat, closed_ns)
        if flat:
            for work in self._venues.values():
                work.over = True
                work.again.set()

    def _is_flat(self, closed_ns: int) -> bool:
        """Every venue answered "nothing" to a question asked when nothing was in flight any more."""
        return bool(self._clear_ns) and all(
            work.last is not None
            and work.last.open == ()
            and work.last.asked_ns >= max(self._clear_ns, closed_ns)
            for work in self._venues.values()
        )

    def _answer(self, venue: str, work: _Venue, closed_ns: int) -> pb.VenueAnswer:
        last = work.last
        answered = last is not None and last.open is not None and last.asked_ns >= closed_ns
        known = () if answered else (one for one in self._known if self._covers(one.venue, one.instrument))
        answer = pb.VenueAnswer(
            venue=venue,
            answered=answered,
            asked_at_ns=work.asking_at_ns,
            known_open_orders=[replies.order(one) for one in known if one.venue == venue],
        )
        if last is None:
            answer.trouble = "it has not answered yet" if work.asking_at_ns else "it was not asked yet"
            return answer
        answer.answered_at_ns = last.answered_at_ns if last.open is not None else 0
        answer.open_orders.extend(_order(venue, one) for one in last.open or ())
        answer.trouble = last.trouble
        return answer

    @staticmethod
    def _has_answered(work: _Venue, closed_ns: int) -> bool:
        return work.last is not None and work.last.open is not None and work.last.asked_ns >= closed_ns

    def _record(self, flat: bool, closed_ns: int) -> None:
        open_orders = sum(len(work.last.open or ()) for work in self._venues.values() if work.last)
        receipt = KillReceipt(
            flat=flat,
            gate_closed_ns=closed_ns,
            last_new_ns=max(one.last_new_ns for one in self._engagements),
            rounds=self._board.receipt.rounds,
            open_orders=open_orders,
            unknown_orders=len(self._unknown or ()),
            detail="" if self._unknown is not None else "the Core has not said yet what is unknown",
        )
        self._tell([receipt])
        self._log.warning("kill_receipt", flat=flat, open=open_orders, unknown=receipt.unknown_orders)


def _round(sweep: Sweep, symbols: Sequence[str]) -> Setback | None:
    """One round; one that fails of itself is a setback too: the venue is asked again, and the receipt says why."""
    try:
        return sweep.round(symbols)
    except Exception as error:  # noqa: BLE001 - a proof that ends without a word would look like one that goes on
        structlog.get_logger("kill_switch").error("proof_failed", error=f"{type(error).__name__}: {error}")
        return Setback(f"unexpected {type(error).__name__}")


def _order(venue: str, one: OpenOrder) -> pb.Order:
    return pb.Order(
        client_id=one.client_id,
        venue_order_id=one.venue_order_id,
        venue=venue,
        instrument=f"{venue}:{one.symbol}",
        side=one.side.lower(),
        status="accepted",
        price=one.price,
        qty=one.qty,
        filled_qty=one.filled,
    )
