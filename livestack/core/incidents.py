"""The catalogue of incidents: every condition that is opened and closed by name, and what an operator does about it.

Incidents are the host's: whoever finds one tells an ``IncidentOpened``, and an ``IncidentClosed`` once it is over. The
Core only knows their grades (``halting`` ones keep trading HALTED while they are open). Every incident is made by
:meth:`Incident.opened` of an entry of this page, so that there is none without a meaning. Pure.
"""

from __future__ import annotations

from typing import Final

import msgspec

from livestack.core.control_events import HALTING, VENUE_HALTING, IncidentClosed, IncidentOpened

WARNING: Final = "warning"
CRITICAL: Final = "critical"


class Incident(msgspec.Struct, frozen=True):
    """``scope``: what kind of thing it is about. ``meaning``, ``look_at``, ``over``: sentences for an operator: what
    it is, what to look at and do, and when it closes."""

    name: str
    grade: str
    scope: str
    meaning: str
    look_at: str
    over: str

    def opened(self, scope: str, detail: str) -> IncidentOpened:
        """The Event that opens it for ``scope``, or tells anew that it is open."""
        return IncidentOpened(name=self.name, scope=scope, grade=self.grade, detail=detail)

    def closed(self, scope: str, detail: str) -> IncidentClosed:
        """The Event that closes it for ``scope``."""
        return IncidentClosed(name=self.name, scope=scope, detail=detail)


# -- Trading ---------------------------------------------------------------------------------------------------------

KILL = Incident(
    "kill",
    CRITICAL,
    "a venue or an instrument; empty: everything",
    "The kill-switch is engaged: no new order leaves.",
    "livestack kill receipt: what is proven to be left. Find out why it was pulled, then livestack kill reset.",
    "The kill-switch is reset.",
)
TRADING_HALTED = Incident(
    "trading_halted",
    CRITICAL,
    "a venue or an instrument; empty: everything",
    "A limit, or something that contradicts what is known, HALTED trading; or it was before this run. Cancels leave.",
    "livestack timeline says why; compare with the venue, then livestack trading enable for that scope.",
    "An operator sets the trading state there.",
)
UNKNOWN_OUTCOME = Incident(
    "unknown_outcome",
    CRITICAL,
    "venue",
    "What became of an order request has not been known for 5 s after it was overdue; the order counts as open.",
    "livestack orders, then livestack why ORDER_ID; compare with the venue's own list of open orders.",
    "What became of every order has been known in time for 5 s.",
)
RECONCILIATION_DIFFERENCE = Incident(
    "reconciliation_difference",
    WARNING,
    "venue",
    "The venue's orders, fills or balances were not what the session had recorded; what the venue says was taken over.",
    "The detail names them. Did somebody else trade on the account? livestack positions, livestack venues.",
    "The next look at the account finds no difference.",
)
SESSION_NOT_RESUMED = Incident(
    "session_not_resumed",
    CRITICAL,
    "the earlier session",
    "An earlier session ended without a stop, and could not be taken up again: its orders may be open.",
    "livestack journal check SESSION and the venue's open orders; then livestack trading enable, or start --accept.",
    "An operator enables trading for everything.",
)

# -- Venues and feeds ------------------------------------------------------------------------------------------------

VENUE_DOWN = Incident(
    "venue_down",
    CRITICAL,
    "venue",
    "Order entry has not been live for 10 s altogether: nothing new is sent there.",
    "livestack venues and the connector's lines in the log; the venue's status page; the network.",
    "Order entry has been live, and so reconciled, for 5 s.",
)
FEED_DOWN = Incident(
    "feed_down",
    CRITICAL,
    "venue",
    "For 10 s altogether no market data of the venue counted as current; silence alone counts after 20 s of it.",
    "livestack feeds and the feed's lines in the log; the venue's status page; the network.",
    "Some instrument of the venue has been live for 5 s.",
)
BOOK_INVALID = Incident(
    "book_invalid",
    WARNING,
    "instrument",
    "An instrument's book has not been current for 10 s altogether, though its venue's feed is there.",
    "livestack feeds; the feed's lines in the log tell why each synchronisation failed.",
    "It has been current for 5 s.",
)
FEED_POLLED = Incident(
    "feed_polled",
    WARNING,
    "venue",
    "Market data is polled over plain requests, as streams do not come; or polls do not come through either.",
    "Can this machine reach the venue's stream address? A proxy or firewall that lets only requests pass?",
    "Every stream is back; where a venue is only polled, polls come through again.",
)
ORDERS_OVER_REST = Incident(
    "orders_over_rest",
    WARNING,
    "venue",
    "Orders go over plain requests, as the order entry connection does not come up; slower, and fills are asked for.",
    "Can this machine reach the venue's order entry address? The connector's lines in the log say how it fails.",
    "The connection is back and reconciled.",
)
CLOCK_SKEW = Incident(
    "clock_skew",
    VENUE_HALTING,
    "venue",
    "Our clock and the venue's differ by more than clock_skew_max of the venue: trading is halted there.",
    "chronyc tracking or timedatectl on this machine; the venue's status page.",
    "They differ by less than half of that.",
)

# -- The node --------------------------------------------------------------------------------------------------------

STALL = Incident(
    "stall",
    HALTING,
    "harness",
    "One step of the Core has not returned in watchdog.strategy_stall, usually the strategy: trading is halted.",
    "stacks.txt in the session's directory shows where it is.",
    "The step returns, and the detail says how long it took; the guard ends a node that does not get on.",
)
JOURNAL_STUCK = Incident(
    "journal_stuck",
    HALTING,
    "journal",
    "A commit has not returned for 2 s: the disk hangs. Nothing is sent meanwhile.",
    "dmesg, iostat and what else writes to that disk; stacks.txt in the session's directory.",
    "The commit returns; the guard ends a node that does not get on.",
)
CONNECTOR_STUCK = Incident(
    "connector_stuck",
    HALTING,
    "venue",
    "A venue's connector has not come back from one batch for 5 s; the kill-switch clears the venue without it.",
    "stacks.txt in the session's directory; does the venue read what we write?",
    "It comes back.",
)
FEED_STUCK = Incident(
    "feed_stuck",
    CRITICAL,
    "venue",
    "The actor that keeps a feed connected has not come back for 5 s: connections that break are not made anew.",
    "stacks.txt in the session's directory.",
    "It comes back.",
)
CONTROL_STUCK = Incident(
    "control_stuck",
    CRITICAL,
    "control",
    "The control actor has not come back for 20 s: commands wait, and what is shown gets old. kill works, as always.",
    "stacks.txt in the session's directory.",
    "It comes back.",
)
ACTOR_FAILING = Incident(
    "actor_failing",
    HALTING,
    "feed or connector, and its venue",
    "An actor failed four times in a minute; it is started anew every half minute, and trading is halted.",
    "The log has the error of each failure: a mistake in livestack, or a venue's answer that nobody expected.",
    "It has run for a minute without a failure.",
)
LEASE_LOST = Incident(
    "lease_lost",
    CRITICAL,
    "lease",
    "For lease.grace there was no proof that the lease on the account is ours: nothing new is sent.",
    "Is another node running with this account? Can this machine reach the lease's database?",
    "It is proven to be ours again; where another node took it, never in this session: stop this node.",
)
GUARD_LOST = Incident(
    "guard_lost",
    CRITICAL,
    "guard",
    "The guard process is gone: if the node hangs now, nobody cancels its orders. No new order leaves meanwhile.",
    "The log says how it ended; the machine's memory and processor time.",
    "Another guard has watched for 5 s.",
)
GUARD_ACTED = Incident(
    "guard_acted",
    CRITICAL,
    "guard",
    "The guard found that the last run of this node hung or was gone, and had the venues cancel everything.",
    "livestack guard status; the log, and stacks.txt of that session.",
    "The kill-switch is reset.",
)

# -- Records ---------------------------------------------------------------------------------------------------------

JOURNAL_ROOM = Incident(
    "journal_room",
    HALTING,
    "journal",
    "The journal's disk has less than journal.headroom free: trading is halted, what happens is still recorded.",
    "df; make room, or shorten journal.retain for later.",
    "There is room again, for the ballast too.",
)
JOURNAL_WRITE = Incident(
    "journal_write",
    CRITICAL,
    "journal",
    "The disk refused a commit; it was written into a fresh segment, and its orders were not sent.",
    "dmesg and the disk's health: a commit that is refused in the fresh segment too ends the node.",
    "A later segment is sealed at its size or age, and the next one begun.",
)
REPLAY_DIFFERS = Incident(
    "replay_differs",
    HALTING,
    "follower",
    "The follower computed something else from the same Events: a strategy that is not deterministic, or bad memory.",
    "livestack replay SESSION names the first difference.",
    "It is open until the session ends.",
)
FOLLOWER_AWAY = Incident(
    "follower_away",
    WARNING,
    "follower",
    "The process that checks the journal and takes snapshots is further behind than follower.away_after, or away.",
    "The log says how it ended; processor time of the machine.",
    "It has caught up.",
)
SHIP_LAG = Incident(
    "ship_lag",
    WARNING,
    "sink",
    "A place of execution records is further behind than records.lag_max. Everything is in the journal.",
    "livestack status shows what the sink says; is the storage reachable and fast enough?",
    "It has caught up.",
)
SHIP_REFUSED = Incident(
    "ship_refused",
    CRITICAL,
    "sink",
    "A place of execution records does not take them, and will not by itself: a right, a password, a table.",
    "livestack status shows what the sink says; repair it there, or in its secret_file. livestack doctor tries it.",
    "It works again.",
)
DEAD_LETTER = Incident(
    "dead_letter",
    CRITICAL,
    "sink",
    "A place of execution records will never take some records; they are in its table dead_letters.",
    "livestack records show SESSION dead_letters says why.",
    "It is open until the session ends.",
)

INCIDENTS: Final[tuple[Incident, ...]] = tuple(
    one for one in list(vars().values()) if isinstance(one, Incident)
)
"""All of them, in this page's order."""

BY_NAME: Final[dict[str, Incident]] = {incident.name: incident for incident in INCIDENTS}


def named(key: str) -> tuple[Incident | None, str]:
    """The incident and scope that State keeps as ``key``; None: a name that this page does not have."""
    name, _, scope = key.partition(" ")
    return BY_NAME.get(name), scope
