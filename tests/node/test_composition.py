"""The composition: who starts after whom, and what is said of an actor that does not."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from livestack.actors.base import NodeActor
from livestack.actors.mailbox import Mailbox
from livestack.actors.messages import ActorFailed
from livestack.exceptions import LivestackError
from livestack.node.composition import ThreadLauncher
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

    class Broken(Mailbox):
        def get(self) -> Any:
            envelope = super().get()
            if isinstance(envelope.message, list):
                raise SystemExit
            return envelope

    launcher, mailbox, supervisor = ThreadLauncher(), Broken(), Mailbox()
    launcher.start(Noted, name="a", mailbox=mailbox, supervisor=supervisor, notes=[])
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
    assert [ActorFailed("a", "its thread ended")] == messages(supervisor)
    for thread in threading.enumerate():
        if thread.name.startswith("Noted-"):
            thread.join(30)
