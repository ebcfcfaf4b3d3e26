"""The connections of a feed: which has which streams, which is about to take over from which, which is dead.

Pure. Belongs to the market-data adapter's thread. A *slot* is a share of the symbols with all their streams. Its link
is the connection that it lives by; a successor is the connection that is subscribed beside it until everything over it
is confirmed and verified, and only then the old one is closed (make before break).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from livestack.venues.adapter import CloseLink, HostRequest, Renew
from livestack.venues.binance_spot.market_events import MarketInstrument
from livestack.venues.binance_spot.subscriptions import Subscriptions

SILENCE_NS = 30_000_000_000
"""No data for so long: the venue is asked for its list of subscriptions, to see whether it is there."""

PROBE_NS = 10_000_000_000
"""No answer to that for so long: half-open, whatever the transport sees."""

SUCCESSION_NS = 60_000_000_000
"""A successor that is not complete by then is closed, and another one is tried later."""

JOIN_NS = 2_000_000_000
"""A successor that has everything waits no longer than this for the old link to bring trades that are still missing."""

RENEW_RETRY_NS = 5_000_000_000
RENEW_RETRY_NS_MAX = 120_000_000_000
"""A successor that does not come is asked for again after the first of these, then twice as long up to the second."""

JITTERS = 64
JITTER_SHARE = 20
"""Links are renewed up to one part in so many earlier than they have to, each by its own step of so many."""


class Link:
    """One open connection."""

    __slots__ = (
        "data_ns",
        "heard_ns",
        "is_early",
        "joining_ns",
        "leave_reason",
        "number",
        "opened_ns",
        "probed_ns",
        "slot",
        "subscriptions",
        "unheard",
    )

    def __init__(self, number: int, slot: Slot, now_ns: int) -> None:
        self.number = number
        self.slot = slot
        self.opened_ns = now_ns
        self.data_ns = -1
        self.heard_ns = now_ns
        self.probed_ns = -1
        self.is_early = False
        """Whether it is a successor, and may be ahead of the link before it."""
        self.joining_ns = -1
        """Since when nothing but trades keeps it from taking over."""
        self.leave_reason = ""
        """Why it is to be replaced, whatever its age."""
        self.subscriptions = Subscriptions(slot.streams, number)
        self.unheard = self.subscriptions.unheard

    def is_dead(self, now_ns: int) -> bool:
        """Whether nobody answers; asks where it has been silent for long."""
        heard_ns = max(self.heard_ns, self.data_ns)
        if now_ns - heard_ns <= SILENCE_NS:
            self.probed_ns = -1
        elif self.probed_ns <= heard_ns:
            self.probed_ns = now_ns
            self.subscriptions.ask_list()
        elif now_ns - self.probed_ns > PROBE_NS:
            return True
        return False


class Slot:
    """``streams``: their names on the wire. ``down_ns``: since when nothing comes, -1 while something does."""

    def __init__(self, number: int, instruments: Sequence[MarketInstrument], streams: Sequence[str]) -> None:
        self.number = number
        self.instruments = tuple(instruments)
        self.streams = tuple(streams)
        self.link: Link | None = None
        self.successor: Link | None = None
        self.down_ns = -1
        self.down_reason = "not connected yet"
        self.renew_ns = -1
        self.renewals = 0

    def delivers(self, stream: str) -> bool:
        """Whether the stream is known to be there."""
        return self.link is not None and self.link.subscriptions.delivers(stream)


class Change(msgspec.Struct):
    """What a connection's coming or going means: ``began`` has to be synchronised anew, ``ended`` has none left."""

    began: Slot | None = None
    ended: Slot | None = None
    abandoned: Slot | None = None


class Links:
    """Every connection of the feed. ``renew_after_ns``: age at which one is replaced."""

    def __init__(self, slots: Sequence[Slot], renew_after_ns: int) -> None:
        self.slots = tuple(slots)
        self._renew_after_ns = renew_after_ns
        self.by_number: dict[int, Link] = {}

    @property
    def is_up(self) -> bool:
        return any(slot.link is not None for slot in self.slots)

    def connected(self, number: int, slot_number: int, now_ns: int) -> tuple[Change, list[CloseLink]]:
        """A fresh start, or a successor."""
        slot = self.slots[slot_number]
        link = self.by_number[number] = Link(number, slot, now_ns)
        if slot.link is None or slot.link.number == number:
            slot.link = link
            if slot.down_ns < 0:
                slot.down_ns = now_ns
            return Change(began=slot), []
        closed = []
        if slot.successor is not None:
            closed.append(self._drop(slot.successor, "another successor came"))
        link.is_early = True
        slot.successor = link
        return Change(abandoned=slot if closed else None), closed

    def disconnected(self, number: int, reason: str, now_ns: int) -> Change:
        """A link is gone. One that was told to close is nobody's any more."""
        link = self.by_number.pop(number, None)
        if link is None:
            return Change()
        slot = link.slot
        if link is slot.successor:
            slot.successor = None
            return Change(abandoned=slot)
        if slot.down_ns < 0:
            slot.down_ns = now_ns
        slot.down_reason = reason
        slot.link, slot.successor = slot.successor, None
        _forget_renewal(slot)
        if slot.link is None:
            return Change(ended=slot)
        slot.link.is_early = False
        return Change(began=slot)

    def renew(self, link: Link, reason: str) -> None:
        """``link`` is to be replaced at once; a successor, once it has taken over."""
        link.leave_reason = link.leave_reason or reason

    def due(self, now_ns: int) -> list[HostRequest | Renew | CloseLink]:
        """Messages, connections to make and connections to close."""
        out: list[HostRequest | Renew | CloseLink] = []
        for slot in self.slots:
            link, successor = slot.link, slot.successor
            if link is None:
                continue
            if link.data_ns >= 0 or link.subscriptions.is_listed:
                slot.down_ns = -1
            for one in (link, successor):
                if one is not None and one.number in self.by_number:
                    if one.is_dead(now_ns):
                        out.append(CloseLink(one.number, "the venue does not answer"))
                        one.heard_ns = now_ns  # once; the host tells when it is gone
                    out.extend(one.subscriptions.due(now_ns))
            if successor is None:
                out.extend(self._renewal(slot, link, now_ns))
        return out

    def successions(self, now_ns: int) -> tuple[list[Slot], list[Slot], list[CloseLink]]:
        """Slots whose successor has taken over now, those whose successor is given up, and what is to be closed."""
        done, given_up, closes = [], [], []
        for slot in self.slots:
            link, successor = slot.link, slot.successor
            if link is None or successor is None:
                continue
            if _is_complete(slot, link, successor) and _is_joined(slot, successor, now_ns):
                closes.append(self._drop(link, "another connection has taken its place"))
                successor.is_early = False
                slot.link, slot.successor = successor, None
                _forget_renewal(slot)
                done.append(slot)
            elif now_ns - successor.opened_ns > SUCCESSION_NS:
                closes.append(self._drop(successor, "it did not become complete in time"))
                slot.successor = None
                given_up.append(slot)
        return done, given_up, closes

    def _renewal(self, slot: Slot, link: Link, now_ns: int) -> list[Renew]:
        reason = link.leave_reason
        if not reason:
            early_ns = self._renew_after_ns // JITTER_SHARE * (link.number % JITTERS) // JITTERS
            if now_ns - link.opened_ns < self._renew_after_ns - early_ns:
                return []
            reason = "it is old"
        if now_ns < slot.renew_ns:
            return []
        slot.renew_ns = now_ns + min(RENEW_RETRY_NS << min(slot.renewals, 20), RENEW_RETRY_NS_MAX)
        slot.renewals += 1
        return [Renew(link.number, reason)]

    def _drop(self, link: Link, reason: str) -> CloseLink:
        del self.by_number[link.number]
        return CloseLink(link.number, reason)


def _is_complete(slot: Slot, link: Link, successor: Link) -> bool:
    """Whether the successor has all that ``link`` has, and is not ahead of it with any book."""
    mine, other = successor.subscriptions, link.subscriptions
    return (
        mine.is_confirmed
        and all(mine.delivers(name) or not other.delivers(name) for name in slot.streams)
        and all(one.book.is_joined for one in slot.instruments)
    )


def _is_joined(slot: Slot, successor: Link, now_ns: int) -> bool:
    """Whether the successor is not ahead with any trade, or has waited long enough: the rest can be asked for."""
    if successor.joining_ns < 0:
        successor.joining_ns = now_ns
    if now_ns - successor.joining_ns > JOIN_NS:
        return True
    return not any(one.trades.ahead or one.aggregates.ahead for one in slot.instruments)


def _forget_renewal(slot: Slot) -> None:
    slot.renew_ns, slot.renewals = -1, 0
