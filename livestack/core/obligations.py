"""Control Scheduling Obligations: what the Core asks of its host. Not Events (core-runtime.md section 9).

Pure. The host answers a :class:`WakeAt` with a ``ControlTime`` Event at or after its deadline, the others by asking
the venue; the answers come back as Execution Events. One obligation per ``scope``.
"""

from __future__ import annotations

import msgspec

from livestack.core.types import RequestKind


class WakeAt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Append ``ControlTime(scope, deadline_ns)`` once ``ts`` has reached ``deadline_ns``."""

    scope: str
    deadline_ns: int
    reason: str


class QueryOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Ask the venue about one order whose fate is unknown. ``client_id`` is the id of its unresolved New or Replace
    (``kind``: of which of them; whoever sent it may be gone), or the one that it has.

    ``venue_order_id`` is empty where the venue has never told one; a cancel at the venue may have renamed the order.
    """

    scope: str
    venue: str
    instrument: str
    order_id: int
    client_id: str
    venue_order_id: str = ""
    kind: RequestKind = RequestKind.NEW


class QueryOpenOrders(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    scope: str
    venue: str


class QueryFills(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Ask for every fill of ``instrument`` after fill id ``after``."""

    scope: str
    venue: str
    instrument: str
    after: int


class CancelAllAtVenue(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Have the venue cancel everything of ours on ``instrument`` ('' all)."""

    scope: str
    venue: str
    instrument: str


Obligation = WakeAt | QueryOrder | QueryOpenOrders | QueryFills | CancelAllAtVenue
