"""The proof after a kill: flat is what a venue says to a question asked late enough, and nothing less."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import msgspec
import pytest

from livestack.actors.desk import Board
from livestack.actors.gate import DispatchGate
from livestack.actors.messages import Engagement
from livestack.control.view import View, view_of
from livestack.core.events import InputEvent, KillReceipt
from livestack.node.guard_report import VenueReport
from livestack.node.quiescence import Quiescence
from livestack.transports.base import HttpRequest, HttpResponse, HttpTransport
from livestack.venues.adapter import OpenOrder, Setback
from tests.control.support import LIMIT_S, until
from tests.core.support import Bench as CoreBench

SYMBOLS = {"v": {"v:A": "A", "v:B": "B"}, "w": {"w:A": "A"}}


class Ticking:
    """A clock that is later at each look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.ns = 2_000_000_000_000

    def now_ns(self) -> int:
        with self._lock:
            self.ns += 1
            return self.ns

    def wall_ns(self) -> int:
        return self.now_ns()


class Account:
    """One venue. ``setback``: it does not answer. A round waits at ``gate`` after it has asked."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.setback: Setback | None = None
        self.stuck: set[str] = set()
        self.cancelled: list[str] = []
        self.asked = 0
        self.closed = 0
        self.failure: Exception | None = None


class FakeSweep:
    """What :class:`Sweep` is to the proof: rounds and a report."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.report = VenueReport()

    def round(self, symbols: Sequence[str]) -> Setback | None:
        account = self._account
        account.asked += 1
        if account.setback is not None:
            return account.setback
        account.cancelled += symbols
        account.open = [one for one in account.open if one not in symbols or one in account.stuck]
        found = tuple(OpenOrder(one, "BUY", "1.5", "2", "0", "c", "7") for one in account.open)
        self.report = msgspec.structs.replace(self.report, open=found, flat=not found)
        return None


class FakeHttp:
    def __init__(self, account: Account) -> None:
        self.account = account

    def submit(self, request: HttpRequest, reply: Callable[[HttpResponse], None]) -> None:
        """Nothing is sent here."""

    def close(self) -> None:
        self.account.closed += 1


class Bench:
    def __init__(self) -> None:
        self.clock = Ticking()
        self.accounts = {"v": Account(), "w": Account()}
        self.told: list[InputEvent] = []
        self.board = Board("demo", 0, self.clock, DispatchGate(["v", "w"]))

        def maker(account: Account) -> Callable[[HttpTransport], FakeSweep]:
            return lambda http: FakeSweep(account)

        self.proof = Quiescence(
            board=self.board,
            tell=self.told.extend,
            sweeps={venue: maker(one) for venue, one in self.accounts.items()},  # type: ignore[misc]
            http=lambda name: FakeHttp(self.accounts[name.rpartition(" ")[2]]),
            symbols=SYMBOLS,
            clock=self.clock,
        )
        self.number = 0
        self.engaged: list[Engagement] = []

    def kill(self, venue: str = "", instrument: str = "") -> Engagement:
        self.number += 1
        at_ns = self.clock.now_ns()
        one = Engagement(
            self.number, "operator", "anna", "r", venue, instrument, at_ns, at_ns, at_ns - 1, True
        )
        self.engaged.append(one)
        self.proof.follow(self.engaged)
        return one

    def view(self, unknown: bool = False) -> View:
        """State as it is now; with an order of the core's only venue, in flight, where something is ``unknown``."""
        core = CoreBench().start()
        core.buy()
        view = view_of(core.state, 9, self.clock.now_ns())
        placed = [msgspec.structs.replace(one, venue="v", instrument="v:A") for one in view.orders]
        if not unknown:
            return msgspec.structs.replace(view, orders=(), orders_total=0, unknown=())
        return msgspec.structs.replace(view, orders=tuple(placed), orders_total=len(placed))

    def is_flat(self) -> bool:
        self.proof.tick()
        return self.board.receipt.flat

    def answered(self, rounds: int = 1) -> None:
        """Every venue has been asked so often, and not one less."""
        until(lambda: all(work.rounds >= rounds for work in self.proof._venues.values()))

    def again(self) -> None:
        """One more round of each venue, begun and ended from now on, without waiting for its time."""
        for work in self.proof._venues.values():
            before = work.rounds
            work.again.set()
            until(lambda work=work, before=before: work.rounds > before + 1 or bool(work.again.set()))

    def receipts(self) -> list[KillReceipt]:
        return [one for one in self.told if isinstance(one, KillReceipt)]


def proofs() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("proof ")]


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.proof.end()
    for thread in proofs():
        thread.join(LIMIT_S)
    assert [] == proofs()
    assert all(account.closed for account in bench.accounts.values() if account.asked)


def test_flat_needs_an_answer_asked_for_after_the_last_request_was_settled(bench: Bench) -> None:
    """ "Nothing is open" while a request is in flight proves nothing: it may arrive behind the answer."""
    bench.kill()
    bench.answered()
    assert not bench.is_flat()
    bench.proof.seen(bench.view(unknown=True))
    bench.again()
    assert not bench.is_flat()
    assert [1] == [one.order_id for one in bench.board.receipt.unknown_orders]
    bench.proof.seen(bench.view())
    until(bench.is_flat)
    receipt = bench.board.receipt
    assert (True, True, True) == (receipt.engaged, receipt.durable, receipt.flat)
    assert [("v", True, 0), ("w", True, 0)] == [
        (one.venue, one.answered, len(one.open_orders)) for one in receipt.venues
    ]
    assert [False, True] == [one.flat for one in bench.receipts()]


def test_a_view_from_before_the_kill_says_nothing(bench: Bench) -> None:
    """What was dispatched since is not in it."""
    before = bench.view()
    bench.kill()
    bench.proof.seen(before)
    bench.again()
    assert not bench.is_flat()
    assert ["the Core has not said yet what is unknown"] == [one.detail for one in bench.receipts()]


def test_a_venue_that_does_not_answer_is_named_with_its_reason(bench: Bench) -> None:
    """Nothing is proven and nothing recorded until it does."""
    bench.accounts["w"].setback = Setback("no answer: refused")
    bench.kill()
    bench.proof.seen(bench.view())
    bench.again()
    assert not bench.is_flat()
    v, w = bench.board.receipt.venues
    assert (True, "", False, "no answer: refused") == (v.answered, v.trouble, w.answered, w.trouble)
    assert [] == bench.receipts()
    bench.accounts["w"].setback = None
    bench.again()
    until(bench.is_flat)
    assert [True] == [one.flat for one in bench.receipts()]


def test_an_order_that_does_not_go_is_cancelled_and_listed_until_it_does(bench: Bench) -> None:
    """The receipt shows it as the venue has it."""
    account = bench.accounts["v"]
    account.open, account.stuck = ["B"], {"B"}
    bench.kill()
    bench.proof.seen(bench.view())
    bench.again()
    assert not bench.is_flat()
    (shown,) = bench.board.receipt.venues[0].open_orders
    assert ("v:B", "buy", "1.5", "2") == (shown.instrument, shown.side, shown.price, shown.qty)
    assert account.cancelled.count("B") > account.cancelled.count("A")
    account.stuck = set()
    bench.again()
    until(bench.is_flat)


def test_of_an_instrument_only_its_own_orders_count_and_are_cancelled(bench: Bench) -> None:
    """The rest of the account is left alone, and the other venue not even asked."""
    account = bench.accounts["v"]
    account.open = ["A", "B"]
    bench.kill(instrument="v:A")
    bench.proof.seen(bench.view())
    until(bench.is_flat)
    assert (["B"], {"A"}, 0) == (account.open, set(account.cancelled), bench.accounts["w"].asked)
    assert ["v"] == [one.venue for one in bench.board.receipt.venues]
    assert ["v:A"] == [one.scope for one in bench.board.receipt.scopes]


def test_an_unknown_order_of_another_instrument_does_not_count(bench: Bench) -> None:
    """It is not under the kill-switch."""
    bench.kill(instrument="v:B")
    bench.proof.seen(bench.view(unknown=True))
    until(bench.is_flat)


@pytest.mark.parametrize(
    ("venue", "instrument", "asked"),
    [
        ("", "", ["v", "w"]),
        ("w", "", ["w"]),
        ("w", "w:A", ["w"]),
        ("nobody", "", ["v", "w"]),
        ("", "v:MISSPELT", ["v", "w"]),
    ],
)
def test_a_scope_that_nobody_knows_is_everything(
    bench: Bench, venue: str, instrument: str, asked: list[str]
) -> None:
    """As for the gate."""
    bench.kill(venue, instrument)
    assert asked == [one.venue for one in bench.board.receipt.venues]


def test_a_second_kill_is_proven_together_with_the_first(bench: Bench) -> None:
    """Anew, and for both: an answer from before it does not count."""
    bench.kill(instrument="v:A")
    bench.proof.seen(bench.view())
    until(bench.is_flat)
    bench.kill(venue="w")
    assert not bench.board.receipt.flat
    assert ["v:A", "w"] == [one.scope for one in bench.board.receipt.scopes]
    assert ["v", "w"] == [one.venue for one in bench.board.receipt.venues]
    bench.proof.seen(bench.view())
    until(bench.is_flat)
    assert [True, True] == [one.flat for one in bench.receipts() if one.flat]


def test_what_is_proven_stays_proven(bench: Bench) -> None:
    """A Cancel that is in flight behind the proof leaves nothing open: the gate has been closed all the time."""
    bench.kill()
    bench.proof.seen(bench.view())
    until(bench.is_flat)
    bench.proof.seen(bench.view(unknown=True))
    assert bench.is_flat()
    assert 1 == sum(one.flat for one in bench.receipts())


def test_the_end_stops_its_threads_and_clears_the_board(bench: Bench) -> None:
    """A reset, or the end of the session; connections are closed."""
    bench.accounts["v"].setback = Setback("no answer")
    bench.kill()
    bench.answered()
    threads = proofs()
    assert 2 == len(threads)
    bench.proof.end()
    for thread in threads:
        thread.join(LIMIT_S)
    assert [] == proofs()
    assert not bench.board.receipt.engaged
    bench.proof.tick()
    bench.proof.seen(bench.view())
    assert not bench.board.receipt.engaged


def test_the_record_has_the_times_of_gate_and_last_order(bench: Bench) -> None:
    """In session time."""
    one = bench.kill(venue="v")
    bench.answered()
    bench.proof.tick()
    (receipt,) = bench.receipts()
    assert (one.closed_ns, one.closed_ns - 1, 0) == (
        receipt.gate_closed_ns, receipt.last_new_ns, receipt.open_orders,
    )  # fmt: skip
    assert one.last_new_at_ns == bench.board.receipt.last_new_sent_at_ns


def test_an_open_order_of_ours_is_not_flat_whatever_the_venue_says(bench: Bench) -> None:
    """Its answer may be older than the order, or come from behind it: State has to know that it is gone."""
    bench.kill()
    view = bench.view(unknown=True)
    known = tuple(msgspec.structs.replace(one, status="accepted") for one in view.orders)
    bench.proof.seen(msgspec.structs.replace(view, orders=known, unknown=()))
    bench.answered(2)
    assert not bench.is_flat()
    bench.proof.seen(bench.view())
    until(bench.is_flat)


def test_a_view_that_is_cut_off_proves_nothing(bench: Bench) -> None:
    """Orders that it does not list may be open."""
    bench.kill()
    bench.proof.seen(msgspec.structs.replace(bench.view(), orders_total=1))
    bench.answered(2)
    assert not bench.is_flat()


def test_orders_known_to_be_open_are_listed_while_the_venue_is_silent(bench: Bench) -> None:
    """Whoever reads the receipt has to see what may be there."""
    bench.accounts["v"].setback = Setback("no answer")
    bench.kill()
    bench.proof.seen(bench.view(unknown=True))
    silent = next(one for one in bench.board.receipt.venues if one.venue == "v")
    assert (False, 1) == (silent.answered, len(silent.known_open_orders))


def test_what_is_pulled_again_and_again_is_not_asked_again_and_again(bench: Bench) -> None:
    """Proven again after a while only: the venue counts."""
    bench.kill()
    bench.proof.seen(bench.view())
    until(bench.is_flat)
    asked = bench.accounts["v"].asked
    for _ in range(50):
        bench.proof.follow(bench.engaged)
    assert asked == bench.accounts["v"].asked
    assert bench.is_flat()
