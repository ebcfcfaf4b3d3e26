"""A node and its guard: a hold while it is lost, let go after an orderly end, left behind after any other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from livestack.actors.desk import Board
from livestack.actors.gate import DispatchGate, Hold
from livestack.exceptions import UnreachableError
from livestack.node import guarding
from livestack.node.guarding import guarded
from livestack.node.shared_progress import Phase
from tests.actors.fakes import FakeClock, FakeTimers


class FakeChild:
    """What the node does to its guard, in order."""

    last: FakeChild
    trouble = ""

    def __init__(
        self,
        data_dir: Path,
        settings: Any,
        *,
        on_lost: Callable[[str], None],
        on_regained: Callable[[], None],
        **_: Any,
    ) -> None:
        self.on_lost, self.on_regained = on_lost, on_regained
        self.calls: list[Any] = []
        self.progress = self
        FakeChild.last = self

    def start(self) -> None:
        if self.trouble:
            raise UnreachableError("the guard", self.trouble)
        self.calls.append("start")

    def beat(self) -> None:
        self.calls.append("beat")

    def phase(self, phase: Phase, session: str) -> None:
        self.calls.append((phase, session))

    def stop(self) -> None:
        self.calls.append("stop")

    def leave(self) -> None:
        self.calls.append("leave")


class Bench:
    def __init__(self, directory: Path) -> None:
        self.gate = DispatchGate(["v"])
        self.board = Board("demo", 0, FakeClock(), self.gate)
        self.service: Any = SimpleNamespace(surface=SimpleNamespace(gate=self.gate), board=self.board)
        self.seams: Any = SimpleNamespace(clock=FakeClock(), timers=FakeTimers(), random=None)
        self.settings: Any = SimpleNamespace(data_dir=str(directory))

    def guarded(self, wanted: bool = True) -> Any:
        return guarded(self.settings, {}, self.seams, self.service, wanted=wanted)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(guarding, "GuardChild", FakeChild)
    monkeypatch.setattr(FakeChild, "trouble", "")
    return Bench(tmp_path)


def test_a_node_that_wants_no_guard_has_none(bench: Bench) -> None:
    """Everything it would be told is nobody's."""
    with bench.guarded(wanted=False) as guard:
        guard.beat()
        guard.runs("s")
        guard.ends(in_order=False)
    assert "off" == bench.board.guard


def test_it_watches_from_before_the_session_to_its_orderly_end(bench: Bench) -> None:
    """Started, told of the session, kept awake, let go once."""
    with bench.guarded() as guard:
        assert "watching" == bench.board.guard
        guard.runs("s-1")
        guard.beat()
        guard.ends(in_order=True)
        guard.beat()
    assert ["start", (Phase.RUNNING, "s-1"), "beat", "stop"] == FakeChild.last.calls


def test_a_node_that_never_ran_lets_it_go(bench: Bench) -> None:
    """Nothing was opened, so nothing is left behind."""
    with suppress(RuntimeError), bench.guarded():
        raise RuntimeError("the venue is not reachable")
    assert ["start", "stop"] == FakeChild.last.calls


@pytest.mark.parametrize("told", [True, False])
def test_after_any_other_end_it_stays_to_clear_up(bench: Bench, told: bool) -> None:
    """The fail-safe, or an error that nobody foresaw."""
    with suppress(RuntimeError), bench.guarded() as guard:
        guard.runs("s")
        if told:
            guard.ends(in_order=False)
        raise RuntimeError("bug")
    assert ["start", (Phase.RUNNING, "s"), "leave"] == FakeChild.last.calls


def test_while_it_is_lost_nothing_new_leaves(bench: Bench) -> None:
    """A hold of its own, lifted when another one watches; operators see it."""
    with bench.guarded():
        FakeChild.last.on_lost("it died")
        assert ([Hold.GUARD], "lost") == ([one.hold for one in bench.gate.standing()], bench.board.guard)
        bench.gate.close(Hold.KILL)
        FakeChild.last.on_regained()
        assert ([Hold.KILL], "watching") == ([one.hold for one in bench.gate.standing()], bench.board.guard)


def test_one_that_does_not_start_ends_the_node(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything was opened."""
    monkeypatch.setattr(FakeChild, "trouble", "no key")
    with pytest.raises(UnreachableError, match="no key"), bench.guarded():
        pass
    assert [] == FakeChild.last.calls


def test_letting_it_go_twice_is_letting_it_go(bench: Bench) -> None:
    """Whoever comes second finds none."""
    with bench.guarded() as guard:
        guard.close()
        guard.close()
    assert ["start", "stop"] == FakeChild.last.calls
