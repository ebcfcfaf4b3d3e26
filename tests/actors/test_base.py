"""What all actors share: a batch per call, an answered ping, and a death that somebody hears of."""

from __future__ import annotations

import threading
from typing import Any

import pykka
import pytest

from livestack.actors.base import NodeActor, Ping
from livestack.actors.mailbox import Mailbox
from livestack.actors.messages import ActorFailed
from tests.actors.fakes import messages
from tests.control.support import until


class Echo(NodeActor):
    """Keeps what it is told; dies of the message "die"."""

    def __init__(self, mailbox: Mailbox, supervisor: Mailbox, heard: list[Any]) -> None:
        super().__init__("echo", mailbox, supervisor)
        self.heard = heard

    def on_batch(self, batch: list[Any]) -> None:
        self.heard += batch
        if "die" in batch:
            raise RuntimeError("told to")


def test_a_started_actor_answers_and_takes_messages_in_order() -> None:
    """A ping means that its loop runs; messages told before a stop are handled before the next ping."""
    heard: list[Any] = []
    mailbox = Mailbox()
    reference = Echo.start(mailbox, Mailbox(), heard)
    assert "echo" == reference.ask(Ping(), timeout=30)
    for number in range(100):
        mailbox.tell(number)
    while len(heard) < 100:
        reference.ask(Ping(), timeout=30)
    reference.stop(timeout=30)
    assert list(range(100)) == heard


def test_a_death_is_told_with_its_place() -> None:
    """The supervisor hears the actor's name, the error and the line; the actor is dead."""
    mailbox, supervisor = Mailbox(), Mailbox()
    reference = Echo.start(mailbox, supervisor, [])
    mailbox.tell("die")
    (failed,) = supervisor.get().message
    assert isinstance(failed, ActorFailed)
    assert "echo" == failed.actor
    assert failed.error.startswith("RuntimeError: told to at test_base.py:")
    reference.actor_stopped.wait(30)
    with pytest.raises(pykka.ActorDeadError):
        reference.ask(Ping(), timeout=30)


def test_a_stop_does_not_wait_for_the_backlog() -> None:
    """However much is waiting, a stop comes first."""
    mailbox, supervisor = Mailbox(batch_max=1), Mailbox()
    heard: list[Any] = []
    for number in range(1000):
        mailbox.tell(number)
    actor = Echo(mailbox, supervisor, heard)
    actor.stop()
    envelope = mailbox.take()
    assert envelope is not None
    assert type(envelope.message).__name__ == "_ActorStop"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_exit_in_a_handler_is_the_failure_of_one(error: type[BaseException]) -> None:
    """Pykka would stop every actor of the process: here the others go on, and the supervisor hears of it."""

    class Leaver(Echo):
        def on_batch(self, batch: list[Any]) -> None:
            raise error("out of here")

    supervisor, mailbox = Mailbox(), Mailbox()
    other = Echo.start(Mailbox(), Mailbox(), [])
    reference = Leaver.start(mailbox, supervisor, [])
    mailbox.tell("anything")
    (failed,) = supervisor.get().message
    assert f"RuntimeError: {error.__name__} in echo" in failed.error
    reference.actor_stopped.wait(30)
    assert "echo" == other.ask(Ping(), timeout=30)
    other.stop(timeout=30)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ended_unheard_is_told_of_once() -> None:
    """Something outside every handler ended it; whoever looks has it told, and only the first time."""

    threads: list[threading.Thread] = []

    class Broken(Mailbox):
        def get(self) -> Any:
            threads.append(threading.current_thread())
            raise SystemExit

    supervisor = Mailbox()
    reference = Echo.start(Broken(), supervisor, [])
    actor = reference._actor_weakref()
    assert actor is not None
    until(actor.is_dead)
    assert [ActorFailed("echo", "its thread ended", None, actor.number)] == messages(supervisor)
    assert not actor.is_dead()
    assert [] == messages(supervisor)
    threads[0].join(30)  # with what Python says of its end, which is this test's alone


def test_an_actor_that_lives_is_not_dead() -> None:
    """Nor is one whose death was told, however often somebody looks."""
    supervisor, mailbox = Mailbox(), Mailbox()
    reference = Echo.start(mailbox, supervisor, [])
    actor = reference._actor_weakref()
    assert actor is not None
    assert not actor.is_dead()
    mailbox.tell("die")
    assert 1 == len(supervisor.get().message)
    assert actor.has_ended(30)
    assert not actor.is_dead()
    assert [] == messages(supervisor)


def test_a_death_is_not_told_before_its_cause_is_known() -> None:
    """Between the error and ``on_failure`` Pykka calls it stopped: the watchdog leaves the telling to it."""
    looked: list[bool] = []

    class Slow(Echo):
        def on_failure(self, *error: Any) -> None:
            looked.append(self.is_dead())
            super().on_failure(*error)

    supervisor, mailbox = Mailbox(), Mailbox()
    Slow.start(mailbox, supervisor, [])
    mailbox.tell("die")
    (failed,) = supervisor.get().message
    assert ([False], True) == (looked, failed.error.startswith("RuntimeError: told to"))


def test_what_was_not_handled_waits_for_the_next_one() -> None:
    """Messages behind the batch that it died of stay in the mailbox; who pinged it is answered."""
    supervisor, mailbox = Mailbox(), Mailbox(batch_max=1)
    heard: list[Any] = []
    reference = Echo.start(mailbox, supervisor, [])
    reference.ask(Ping(), timeout=30)
    mailbox.tell("die")
    mailbox.tell("later")
    supervisor.get()
    reference.actor_stopped.wait(30)
    following = Echo.start(mailbox, supervisor, heard)
    until(lambda: heard == ["later"])
    following.stop(timeout=30)


def test_one_whose_start_failed_ends_without_a_word() -> None:
    """Who wanted to start it has told of that: neither its death nor its end is told again."""
    supervisor, mailbox = Mailbox(), Mailbox()
    reference = Echo.start(mailbox, supervisor, [])
    actor = reference._actor_weakref()
    assert actor is not None
    actor.retire()
    mailbox.tell("die")
    assert actor.has_ended(30)
    assert not actor.is_dead()
    assert [] == messages(supervisor)
    assert actor.death.startswith("RuntimeError: told to at test_base.py:")


def test_later_actors_have_higher_numbers() -> None:
    """So that a death that is told late is not taken for that of the one in its place."""
    first, second = Echo(Mailbox(), Mailbox(), []), Echo(Mailbox(), Mailbox(), [])
    assert first.number < second.number
