"""What all actors share: a batch per call, an answered ping, and a death that somebody hears of."""

from __future__ import annotations

from typing import Any

import pykka
import pytest

from livestack.actors.base import NodeActor, Ping
from livestack.actors.mailbox import Mailbox
from livestack.actors.messages import ActorFailed


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
