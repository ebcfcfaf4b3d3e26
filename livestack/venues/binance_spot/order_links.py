"""The sockets of order entry: which is in use, which follows it, which only waits for its last answers.

Pure; belongs to the order-entry adapter's thread. Make before break: a successor has its own log-on and private stream
before anything depends on it, and its predecessor is closed once nothing is pending over it any more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from livestack.venues.adapter import CloseLink, Renew
from livestack.venues.binance_spot.calls import Calls, Pending
from livestack.venues.binance_spot.handshake import UNTOLD, Done, Greeting, Handshake, Step
from livestack.venues.binance_spot.messages import Id, Message
from livestack.venues.binance_spot.private_messages import Reply
from livestack.venues.budget import Purpose

RETIRE_NS: Final = 15_000_000_000
"""How long a predecessor is kept for answers: longer than the venue gives its own engine (-1007)."""

RENEW_AGAIN_NS: Final = 30_000_000_000
"""A successor that did not come, or was of no use, is asked for again after this."""

HALF_OPEN: Final = 2
"""So many questions in a row without an answer, and a connection is given up."""

WATCH_NS: Final = 60_000_000_000
"""How often the venue is asked whether our private stream is still subscribed to: 2 of 6 000 a minute."""


class _Subscription(Message):
    subscription: Id = msgspec.field(name="subscriptionId")


_read_subscriptions = msgspec.json.Decoder(list[_Subscription]).decode


class Link:
    """One connection. ``retired_ns``: since when its successor is in use, -1: it has none."""

    __slots__ = (
        "number",
        "overdue",
        "overdue_ns",
        "renew_ns",
        "retired_ns",
        "subscription",
        "successor",
        "watch_ns",
    )

    def __init__(self, number: int, renew_ns: int, watch_ns: int) -> None:
        self.number = number
        self.renew_ns = renew_ns
        self.watch_ns = watch_ns
        self.retired_ns = -1
        self.overdue = 0
        self.overdue_ns = 0
        self.subscription = UNTOLD
        self.successor: Handshake | None = None
        """Its greeting, while another path is in use."""


class Links:
    """``greeted(link)``: a successor is ready to take over. ``unsubscribed()``: the link in use hears no events."""

    def __init__(
        self,
        calls: Calls,
        greeting: Greeting,
        renew_after_ns: int,
        greeted: Callable[[Link], None],
        complain: Callable[[str, bool], None],
        unsubscribed: Callable[[], None],
    ) -> None:
        self._calls = calls
        self._greeting = greeting
        self._renew_after_ns = renew_after_ns
        self._greeted = greeted
        self._complain = complain
        self._unsubscribed = unsubscribed
        self._links: dict[int, Link] = {}
        self._closing: set[int] = set()

    def opened(self, number: int) -> Link:
        now_ns = self._calls.now_ns
        link = self._links[number] = Link(number, now_ns + self._renew_after_ns, now_ns + WATCH_NS)
        return link

    def closed(self, number: int) -> Link | None:
        """The connection is gone; None where it is not known."""
        link = self._links.pop(number, None)
        self._closing.discard(number)
        if link is not None and link.successor is not None:
            link.successor.abandon()
        return link

    def get(self, number: int) -> Link | None:
        return self._links.get(number)

    @property
    def are_many(self) -> bool:
        return len(self._links) > 1

    @property
    def in_waiting(self) -> Link | None:
        """The successor that is being prepared."""
        return next((link for link in self._links.values() if link.successor is not None), None)

    @property
    def of_use(self) -> list[Link]:
        """Those that are open and not on their way out."""
        return [
            link for link in self._links.values() if link.retired_ns < 0 and link.number not in self._closing
        ]

    def prepare(self, link: Link, reconciliation: Callable[[], list[Step]] = list) -> None:
        """Greet ``link`` while another path is in use; with ``reconciliation`` do that too, over it."""
        if link.successor is not None:
            link.successor.abandon()

        def ended(reason: str, is_refused: bool) -> None:
            if reason:
                self._complain(reason, is_refused)
            else:
                link.successor = None
                self._greeted(link)

        link.successor = Handshake(self._calls, ended)
        link.successor.begin(
            lambda: [
                *self._greeting.steps(link.number, self.subscribed(link)),
                *(partial(self._over, link.number, step) for step in reconciliation()),
            ]
        )

    def _over(self, number: int, step: Step, done: Done) -> None:
        with self._calls.over(number):
            step(done)

    def subscribed(self, link: Link) -> Callable[[int], None]:
        """Takes the number of the subscription on ``link``."""

        def take(number: int) -> None:
            link.subscription = number

        return take

    def retire(self, number: int) -> None:
        """Another path is in use: ``number`` is closed once nothing is pending over it."""
        link = self._links.get(number)
        if link is not None and link.retired_ns < 0:
            link.retired_ns = self._calls.now_ns

    def renew(self, number: int, reason: str) -> None:
        """Have another connection made beside ``number``, unless that is under way."""
        link = self._links.get(number)
        if link is None or link.retired_ns >= 0 or self.in_waiting is not None:
            return
        link.renew_ns = self._calls.now_ns + RENEW_AGAIN_NS
        self._calls.outgoing.append(Renew(number, reason))

    def going(self, number: int) -> None:
        """The venue shuts down ``number``: look for a successor at once."""
        link = self._links.get(number)
        if link is not None and link.successor is None:
            link.renew_ns = self._calls.now_ns
            self.renew(number, "the venue is shutting it down")

    def close(self, number: int, reason: str) -> None:
        if number in self._links and number not in self._closing:
            self._closing.add(number)
            self._calls.outgoing.append(CloseLink(number, reason))

    def heard(self, number: int) -> None:
        """An answer came over ``number``."""
        link = self._links.get(number)
        if link is not None:
            link.overdue = 0

    def overdue(self, pending: Pending) -> None:
        """A question got no answer: ask another one at once, so that a half-open connection is found out.

        Those that were asked before the last one was missed say nothing new.
        """
        link = self._links.get(pending.path)
        if link is None or link.number in self._closing or pending.begun_ns < link.overdue_ns:
            return
        link.overdue += 1
        link.overdue_ns = self._calls.now_ns
        if link.overdue >= HALF_OPEN:
            self.close(link.number, "it gives no answers")
        else:
            self._greeting.time(lambda reply: None, link.number)

    def tick(self) -> None:
        now_ns = self._calls.now_ns
        for link in list(self._links.values()):
            if link.successor is not None:
                link.successor.tick()
            elif link.retired_ns >= 0:
                if not self._calls.has_pending(link.number) or now_ns - link.retired_ns >= RETIRE_NS:
                    self.close(link.number, "its successor is in use")
            elif now_ns >= link.renew_ns:
                self.renew(link.number, "it is old")

    def watch(self, number: int) -> None:
        """Now and then, of the link in use: whether the venue still has our subscription."""
        link = self._links.get(number)
        if link is None or self._calls.now_ns < link.watch_ns:
            return
        link.watch_ns = self._calls.now_ns + WATCH_NS

        def answered(reply: Reply) -> None:
            if not reply.is_ok or link.retired_ns >= 0:
                return
            try:
                there = [one.subscription for one in _read_subscriptions(reply.result)]
            except (msgspec.MsgspecError, ValueError):
                return
            if link.subscription not in there and not (there and link.subscription == UNTOLD):
                self._unsubscribed()

        self._calls.ask("session.subscriptions", {}, answered, "plain", Purpose.UPKEEP, number)
