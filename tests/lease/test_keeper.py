"""When a lease counts as lost, and when not any more: with locks that do as they are told, on time set by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from livestack.exceptions import HeldError, UnreachableError
from livestack.lease.keeper import CHECK_EVERY_NS, Holding, Keeper
from tests.lease.support import HandTime

GRACE_NS = 10_000_000_000

SILENT = UnreachableError("PostgreSQL at h, port 1", "no answer in time")
TAKEN = HeldError("account main at venue v", "it is held by node other")


class FakeLock:
    """Fails with ``error``; while it is asked, ``meanwhile`` happens."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.asked = 0
        self.meanwhile: Callable[[], None] = lambda: None

    def hold(self) -> None:
        self.asked += 1
        self.meanwhile()
        if self.error is not None:
            raise self.error


class Kept:
    """A keeper of one lock, and what it told."""

    def __init__(self) -> None:
        self.time = HandTime()
        self.lock = FakeLock()
        self.told: list[str] = []
        self.keeper = Keeper(
            [self.lock],
            clock=self.time,
            timers=self.time,
            grace_ns=GRACE_NS,
            on_lost=lambda: self.told.append("lost"),
            on_regained=lambda: self.told.append("regained"),
        )

    def check(self, error: Exception | None = None) -> None:
        self.lock.error = error
        self.keeper.check()


def test_proofs_put_the_loss_off() -> None:
    """As long as every check succeeds within the grace nothing is told."""
    kept = Kept()
    for _ in range(5):
        kept.time.advance(GRACE_NS - 1)
        kept.check()
    assert [] == kept.told
    assert Holding.HELD is kept.keeper.holding


@pytest.mark.parametrize("error", [SILENT, PermissionError(13, "Permission denied")])
def test_lost_after_the_grace_and_regained(error: Exception) -> None:
    """Told once a grace passed since the last proof, not before; told again when there is proof again."""
    kept = Kept()
    kept.check()
    kept.time.advance(GRACE_NS - 1)
    kept.check(error)
    assert [] == kept.told
    kept.time.advance(1)
    kept.check(error)
    kept.time.advance(GRACE_NS)
    assert ["lost"] == kept.told
    assert Holding.LOST is kept.keeper.holding
    kept.check()
    assert ["lost", "regained"] == kept.told
    kept.time.advance(GRACE_NS)
    assert ["lost", "regained", "lost"] == kept.told


def test_grace_counts_from_the_begin_of_the_check() -> None:
    """An answer proves that the lease was there when it was asked for, not when the answer came."""
    kept = Kept()
    kept.lock.meanwhile = lambda: kept.time.advance(GRACE_NS - 1)
    kept.check()
    assert [] == kept.told
    kept.time.advance(1)
    assert ["lost"] == kept.told


def test_a_check_that_hangs_is_no_proof() -> None:
    """The loss is told in time while a check is still waiting; its late answer is too old to regain the lease."""
    kept = Kept()
    kept.lock.meanwhile = lambda: kept.time.advance(GRACE_NS)
    kept.check()
    assert ["lost"] == kept.told
    kept.lock.meanwhile = lambda: None
    kept.check()
    assert ["lost", "regained"] == kept.told


def test_another_holder_ends_it() -> None:
    """What another node took is lost at once, and stays lost also when that node is gone."""
    kept = Kept()
    kept.check(TAKEN)
    assert ["lost"] == kept.told
    assert Holding.TAKEN is kept.keeper.holding
    kept.time.advance(GRACE_NS)
    assert ["lost"] == kept.told


def test_another_holder_after_the_loss_is_told_once() -> None:
    """What is lost already is not lost again."""
    kept = Kept()
    kept.time.advance(GRACE_NS)
    kept.check(TAKEN)
    assert ["lost"] == kept.told
    assert Holding.TAKEN is kept.keeper.holding


def test_thread_checks_at_once_and_every_second() -> None:
    """The thread looks when it starts and whenever its timer goes off, and leaves no timer behind when it stops."""
    kept = Kept()
    kept.keeper.start()
    kept.time.wait_for(2)  # the end of the grace and the next check
    assert 1 == kept.lock.asked
    looked = threading.Event()
    kept.lock.meanwhile = looked.set
    kept.time.advance(CHECK_EVERY_NS)
    assert looked.wait(60)
    kept.time.wait_for(2)
    assert 2 == kept.lock.asked
    assert kept.keeper.stop()
    kept.time.wait_for(0)
    assert [] == kept.told


def test_thread_ends_where_another_node_has_it() -> None:
    """Nothing is left to be checked then."""
    kept = Kept()
    kept.lock.error = TAKEN
    kept.keeper.start()
    kept.time.wait_for(1)
    assert kept.keeper.stop()
    assert ["lost"] == kept.told
    assert 1 == kept.lock.asked


def test_nothing_is_told_after_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that hangs is left behind, is said to be, and tells nothing any more."""
    monkeypatch.setattr("livestack.lease.keeper.STOP_TIMEOUT_S", 0)
    kept = Kept()
    inside, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        inside.set()
        assert go_on.wait(60)

    kept.lock.meanwhile, kept.lock.error = hang, TAKEN
    kept.keeper.start()
    assert inside.wait(60)
    assert not kept.keeper.stop()
    go_on.set()
    monkeypatch.setattr("livestack.lease.keeper.STOP_TIMEOUT_S", 60)
    assert kept.keeper.stop()
    assert [] == kept.told
    kept.time.wait_for(0)
