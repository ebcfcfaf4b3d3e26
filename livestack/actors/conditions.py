"""Conditions that become incidents when they last: seen in each view, opened late enough and closed late enough.

Pure; called on the control actor's thread with every view. A condition opens its incident once it has held for its
``wait`` altogether, and is over once it has not held for its ``steady``; shorter pauses do not start anything anew. So
a reconnect of a second is nothing, and a burst of them is one incident at most. What is open is what the view says: a
control actor that was started anew goes on with it, and what was open at a crash shows anew in the resumed session.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from livestack.actors.gate import Hold, Standing
from livestack.control.view import KillView, View
from livestack.core.events import IncidentClosed, IncidentOpened
from livestack.core.incidents import (
    BOOK_INVALID,
    FEED_DOWN,
    GUARD_LOST,
    KILL,
    LEASE_LOST,
    TRADING_HALTED,
    UNKNOWN_OUTCOME,
    VENUE_DOWN,
    Incident,
)
from livestack.core.types import TradingState

DOWN_NS: Final = 10_000_000_000
"""How long order entry or a feed may be away altogether: after five seconds plain requests stand in for either."""

STARTUP_NS: Final = 30_000_000_000
"""The same until a venue is live for the first time in this run: definitions, snapshots and reconciliation."""

INVALID_NS: Final = 10_000_000_000
"""For one instrument's book: a fresh snapshot may have to wait for the request budget."""

UNKNOWN_NS: Final = 5_000_000_000
"""For the outcome of a request, from when it was overdue: the venue is asked at once, and asked again."""

STEADY_NS: Final = 5_000_000_000
"""How long it must be well again for an incident to be over, and for what was before it not to count any more."""

SEEN_NS: Final = 1_000_000_000
"""Between two views so much counts as it was at the first one: what was not looked at is not known."""

_ENDS: Final = frozenset({"stopping", "stopped"})
"""Phases in which connections are closed on purpose."""

_WHILE_RUNNING: Final = frozenset({VENUE_DOWN, FEED_DOWN, BOOK_INVALID})

_AT_ONCE: Final = frozenset({KILL, LEASE_LOST, TRADING_HALTED})
"""Somebody decided that they are over; nothing of it flaps."""


class Present(msgspec.Struct, frozen=True):
    """A condition that holds now; ``wait_ns``: for how long it has to, to be an incident."""

    incident: Incident
    scope: str
    detail: str
    wait_ns: int = 0


class _Track(msgspec.Struct):
    """``held_ns``: how long it has held altogether until ``at_ns``; ``holds`` or not since ``at_ns``, in time seen."""

    at_ns: int
    holds: bool
    held_ns: int = 0


class Conditions:
    """One for each control actor. ``seen_ns``: between two views no more of time counts, see :data:`SEEN_NS`."""

    def __init__(self, seen_ns: int = SEEN_NS) -> None:
        self._seen_max_ns = seen_ns
        self._looked_ns = -1
        self._seen_ns = 0
        """Time that was seen, altogether: everything here is measured in it."""
        self._tracks: dict[tuple[Incident, str], _Track] = {}
        self._told: dict[tuple[Incident, str], bool] = {}
        """What was told last of it, until a view shows it: True is open."""
        self._unknown: dict[int, int] = {}
        """Since when an order's outcome is unknown, in time seen."""
        self._lived: set[tuple[Incident, str]] = set()
        """What of a venue was live in this run."""

    def look(
        self, view: View, now_ns: int, guard: str, holds: Collection[Standing]
    ) -> list[IncidentOpened | IncidentClosed]:
        """What is to be told. ``now_ns`` never goes back; ``guard`` as on the board, ``holds`` the gate's."""
        shown = {(_OURS[one.name], one.scope) for one in view.incidents if one.name in _OURS}
        self._told = {key: is_open for key, is_open in self._told.items() if is_open is not (key in shown)}
        now_ns = self._time_seen(now_ns)
        present = {(one.incident, one.scope): one for one in self._present(view, now_ns, guard, holds)}
        told: list[IncidentOpened | IncidentClosed] = []
        ends = view.phase in _ENDS
        for key, one in present.items():
            is_told = self._is_open(key, shown) or (ends and one.incident in _WHILE_RUNNING)
            if self._lasts(key, one, now_ns) and not is_told:
                self._told[key] = True
                told.append(one.incident.opened(one.scope, one.detail))
        unjudged = self._unjudged(view)
        for key in [*self._tracks, *(shown - self._tracks.keys())]:
            if key in unjudged and key in self._tracks:
                self._tracks[key].at_ns = now_ns  # none of this time counts, for neither
            if key in present or key in unjudged:
                continue
            if self._is_over(key, now_ns) and self._is_open(key, shown):
                incident, scope = key
                self._told[key] = False
                told.append(incident.closed(scope, _OVER[incident]))
        return told

    def _time_seen(self, now_ns: int) -> int:
        """How much time was seen until now, altogether."""
        passed_ns = now_ns - self._looked_ns if self._looked_ns >= 0 else 0
        self._looked_ns = now_ns
        self._seen_ns += min(passed_ns, self._seen_max_ns)
        return self._seen_ns

    @staticmethod
    def _unjudged(view: View) -> set[tuple[Incident, str]]:
        """While a whole feed is away nobody knows anything of its books."""
        fed = _fed(view)
        return {(BOOK_INVALID, one.instrument) for one in view.instruments if one.venue not in fed}

    def _is_open(self, key: tuple[Incident, str], shown: Collection[tuple[Incident, str]]) -> bool:
        return self._told.get(key, key in shown)

    def _lasts(self, key: tuple[Incident, str], one: Present, now_ns: int) -> bool:
        """Whether it has held for long enough."""
        track = self._tracks.setdefault(key, _Track(now_ns, True))
        if track.holds:
            track.held_ns += now_ns - track.at_ns
        track.at_ns, track.holds = now_ns, True
        return track.held_ns >= one.wait_ns

    def _is_over(self, key: tuple[Incident, str], now_ns: int) -> bool:
        """Whether it has not held for long enough; what was before is forgotten then."""
        track = self._tracks.setdefault(key, _Track(now_ns, False))
        if track.holds:
            track.at_ns, track.holds = now_ns, False
        if key[0] not in _AT_ONCE and now_ns - track.at_ns < STEADY_NS:
            return False
        del self._tracks[key]
        return True

    # -- What holds now ------------------------------------------------------------------------------------------

    def _present(self, view: View, now_ns: int, guard: str, holds: Collection[Standing]) -> Iterator[Present]:
        yield from (Present(KILL, one.scope, _by(one)) for one in view.kill)
        yield from _halted(view)
        if any(one.hold is Hold.LEASE for one in holds):
            yield Present(LEASE_LOST, "lease", "there is no proof any more that the account is only ours")
        if guard == "lost":
            yield Present(GUARD_LOST, "guard", "nobody watches this node, and no new order leaves meanwhile")
        yield from self._venues(view)
        yield from self._unknown_orders(view, now_ns)

    def _venues(self, view: View) -> Iterator[Present]:
        fed = _fed(view)
        for one in view.venues:
            if one.status != "live":
                yield self._away(VENUE_DOWN, one.venue, f"order entry is {one.status}")
            else:
                self._lived.add((VENUE_DOWN, one.venue))
            if one.venue in fed:
                self._lived.add((FEED_DOWN, one.venue))
            elif one.feed_status != "live":
                yield self._away(FEED_DOWN, one.venue, f"the feed is {one.feed_status}")
            else:
                yield self._away(FEED_DOWN, one.venue, "no instrument of it is live")
        for market in view.instruments:
            if market.venue not in fed:
                continue
            if market.status != "live":
                detail = f"its market data is {market.status}"
            elif not market.book_valid:
                detail = "its book is not valid"
            else:
                self._lived.add((BOOK_INVALID, market.instrument))
                continue
            yield self._away(BOOK_INVALID, market.instrument, detail, INVALID_NS)

    def _away(self, incident: Incident, scope: str, detail: str, wait_ns: int = DOWN_NS) -> Present:
        has_lived = (incident, scope) in self._lived
        return Present(incident, scope, detail, wait_ns if has_lived else STARTUP_NS)

    def _unknown_orders(self, view: View, now_ns: int) -> Iterator[Present]:
        """By venue, those that are unknown for too long: others come and go meanwhile."""
        if not self._unknown and not any(one.unknown_orders for one in view.venues):
            return
        unknown = [one for one in view.orders if one.unknown]
        self._unknown = {one.order_id: self._unknown.get(one.order_id, now_ns) for one in unknown}
        late: dict[str, list[int]] = {}
        for one in unknown:
            has_lived = (VENUE_DOWN, one.venue) in self._lived
            if now_ns - self._unknown[one.order_id] >= (UNKNOWN_NS if has_lived else STARTUP_NS):
                late.setdefault(one.venue, []).append(one.order_id)
        for venue, orders in late.items():
            more = f" and {len(orders) - 1:,} more" if len(orders) > 1 else ""
            yield Present(UNKNOWN_OUTCOME, venue, f"nobody knows what became of order {orders[0]}{more}")


def _fed(view: View) -> set[str]:
    """Venues of which any instrument is current."""
    live = {one.venue for one in view.venues if one.feed_status == "live"}
    return {one.venue for one in view.instruments if one.status == "live" and one.venue in live}


def _halted(view: View) -> Iterator[Present]:
    """What is HALTED though nobody asked for it in this run."""
    whys = {scope: (why, is_asked) for scope, why, is_asked in view.trading_whys}
    for scope, state in view.trading:
        why, is_asked = whys.get(scope, ("it was before this run", False))
        if state is TradingState.HALTED and not is_asked:
            yield Present(TRADING_HALTED, scope, why)


def _by(kill: KillView) -> str:
    who = f" by {kill.by}" if kill.by else ""
    return f"{kill.trigger}{who}: {kill.reason}" if kill.reason else f"{kill.trigger}{who}"


_OVER: Final = {
    KILL: "it was reset",
    TRADING_HALTED: "an operator has set the trading state",
    LEASE_LOST: "the lease is proven to be ours again",
    GUARD_LOST: "another guard watches",
    VENUE_DOWN: "order entry is live again",
    FEED_DOWN: "the feed is live again",
    BOOK_INVALID: "its book is valid again",
    UNKNOWN_OUTCOME: "what became of every order is known",
}

_OURS: Final = {incident.name: incident for incident in _OVER}
