"""The launcher: who starts after whom, what is said of an actor that does not, and never two on one mailbox."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from pykka._envelope import Envelope

from livestack.actors.base import NodeActor
from livestack.actors.mailbox import Mailbox
from livestack.actors.messages import ActorFailed
from livestack.exceptions import LivestackError
from livestack.node import launcher as module
from livestack.node.launcher import ThreadLauncher
from tests.actors.fakes import messages
from tests.control.support import until


class Noted(NodeActor):
    """Writes down its start and stop."""

    def __init__(self, name: str, mailbox: Mailbox, supervisor: Mailbox, notes: list[str]) -> None:
        super().__init__(name, mailbox, supervisor)
        self._notes = notes

    def on_start(self) -> None:
        self._notes.append(f"{self.name} starts")

    def on_stop(self) -> None:
        self._notes.append(f"{self.name} stops")

    def on_batch(self, batch: list[Any]) -> None:
        self._notes += batch


class Stillborn(NodeActor):
    """Dies in its first hook, of which Pykka tells nobody."""

    def __init__(self, mailbox: Mailbox, supervisor: Mailbox) -> None:
        super().__init__("stillborn", mailbox, supervisor)

    def on_start(self) -> None:
        raise RuntimeError("no")


class Mortal(NodeActor):
    """Dies of its first message."""

    def __init__(self, mailbox: Mailbox, supervisor: Mailbox) -> None:
        super().__init__("mortal", mailbox, supervisor)

    def on_batch(self, batch: list[Any]) -> None:
        raise RuntimeError("first message")


def test_actors_start_in_order_and_stop_in_reverse() -> None:
    """Each is running before the next begins; the last one started stops first; no thread is left."""
    notes: list[str] = []
    before = threading.active_count()
    launcher = ThreadLauncher()
    for name in ("recorder", "harness", "feed"):
        launcher.start(Noted, name=name, mailbox=Mailbox(), supervisor=Mailbox(), notes=notes)
    assert [] == launcher.stop_all()
    names = ["recorder", "harness", "feed"]
    assert [f"{n} starts" for n in names] + [f"{n} stops" for n in reversed(names)] == notes
    assert before == threading.active_count()


def test_an_actor_that_dies_at_its_start_is_noticed() -> None:
    """By its missing answer to the first ping: a sentence with its name."""
    with pytest.raises(LivestackError, match="Stillborn did not start"):
        ThreadLauncher().start(Stillborn, mailbox=Mailbox(), supervisor=Mailbox())


def test_an_actor_that_is_dead_already_stops_without_complaint() -> None:
    """A node that ends because an actor failed still stops the others."""
    notes: list[str] = []
    launcher = ThreadLauncher()
    mailbox, supervisor = Mailbox(), Mailbox()
    launcher.start(Noted, name="a", mailbox=Mailbox(), supervisor=Mailbox(), notes=notes)
    launcher.start(Mortal, mailbox=mailbox, supervisor=supervisor)
    mailbox.tell("anything")
    supervisor.get()
    assert [] == launcher.stop_all()
    assert ["a starts", "a stops"] == notes


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_actor_whose_thread_ended_unheard_is_found() -> None:
    """Though nothing refers to it any more: one that died and was told, or never started, is left alone."""

    threads: list[threading.Thread] = []

    class Broken(Mailbox):
        def get(self) -> Any:
            threads.append(threading.current_thread())
            envelope = super().get()
            if isinstance(envelope.message, list):
                raise SystemExit
            return envelope

    launcher, mailbox, supervisor = ThreadLauncher(), Broken(), Mailbox()
    number = launcher.start(Noted, name="a", mailbox=mailbox, supervisor=supervisor, notes=[])
    with pytest.raises(LivestackError):
        launcher.start(Stillborn, mailbox=Mailbox(), supervisor=supervisor)
    launcher.look_after()
    assert supervisor.empty()
    mailbox.tell("anything")

    def is_told() -> bool:
        launcher.look_after()
        return not supervisor.empty()

    until(is_told)
    launcher.look_after()
    assert [ActorFailed("a", "its thread ended", None, number)] == messages(supervisor)
    threads[0].join(30)  # with what Python says of its end, which is this test's alone


class Slow(NodeActor):
    """Takes its time for its first message; ``entered`` and ``leave`` are a test's hands on it."""

    def __init__(
        self, mailbox: Mailbox, supervisor: Mailbox, entered: threading.Event, leave: threading.Event
    ) -> None:
        super().__init__("slow", mailbox, supervisor)
        self._entered = entered
        self._leave = leave

    def on_batch(self, batch: list[Any]) -> None:
        self._entered.set()
        assert self._leave.wait(30)


class Eager(Mailbox):
    """Gives its messages before the ping, once that is there."""

    def __init__(self) -> None:
        super().__init__()
        self.pinged = threading.Event()

    def put(self, envelope: Envelope[Any]) -> None:
        super().put(envelope)
        self.pinged.set()

    def get(self) -> Envelope[Any]:
        assert self.pinged.wait(30)
        batch = self._take_messages()
        return Envelope(batch) if batch else super().get()


def test_an_actor_that_dies_before_its_ping_tells_why_and_is_gone() -> None:
    """The error has the cause; when it is raised the actor has ended, and what it told came before."""
    launcher, mailbox, supervisor = ThreadLauncher(), Eager(), Mailbox()
    mailbox.tell("poison")
    with pytest.raises(LivestackError, match="RuntimeError: first message at test_launcher"):
        launcher.start(Mortal, mailbox=mailbox, supervisor=supervisor)
    (failed,) = messages(supervisor)
    assert "mortal" == failed.actor
    assert [] == list(launcher.actors)


def test_an_actor_that_hangs_at_its_start_gets_no_companion(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stopped, and nobody else is started on its mailbox until it has ended; of its end nobody is told."""
    monkeypatch.setattr(module, "PING_TIMEOUT_S", 0.0)
    monkeypatch.setattr(module, "END_TIMEOUT_S", 0.0)
    launcher, mailbox, supervisor = ThreadLauncher(), Mailbox(), Mailbox()
    notes: list[str] = []
    entered, leave = threading.Event(), threading.Event()
    mailbox.tell("work")
    entering: dict[str, Any] = {"entered": entered, "leave": leave}
    with pytest.raises(LivestackError, match="Slow did not start"):
        launcher.start(Slow, mailbox=mailbox, supervisor=supervisor, **entering)
    (hanging,) = launcher.actors
    monkeypatch.setattr(module, "PING_TIMEOUT_S", 30.0)
    with pytest.raises(LivestackError, match="slow: the one before has not ended"):
        launcher.start(Noted, name="next", mailbox=mailbox, supervisor=supervisor, notes=notes)
    assert [] == notes
    leave.set()
    assert hanging.has_ended(30)
    number = launcher.start(Noted, name="next", mailbox=mailbox, supervisor=supervisor, notes=notes)
    assert number > hanging.number
    assert ["next"] == [one.name for one in launcher.actors]
    launcher.look_after()
    assert [] == messages(supervisor)
    assert [] == launcher.stop_all()


def test_the_dead_are_not_kept() -> None:
    """However often one fails: only the last of a mailbox is known, and each death was told."""
    launcher, mailbox, supervisor = ThreadLauncher(), Mailbox(), Mailbox()
    numbers = []
    for _ in range(5):
        numbers.append(launcher.start(Mortal, mailbox=mailbox, supervisor=supervisor))
        mailbox.tell("anything")
        (failed,) = supervisor.get().message
        assert numbers[-1] == failed.number
    assert sorted(numbers) == numbers
    assert [numbers[-1]] == [one.number for one in launcher.actors]
    assert [] == launcher.stop_all()
