"""What the Core was told of a feed: how it stands as a whole, and each instrument of it.

Pure. Belongs to the market-data adapter's thread. The Core takes a status of the whole feed for that of every
instrument, so each one that stands otherwise is told right behind it.
"""

from __future__ import annotations

from collections.abc import Iterable

from livestack.core.events import Event, FeedStatusChanged
from livestack.core.types import ConnectionStatus
from livestack.venues.binance_spot.market_events import MarketInstrument
from livestack.venues.session import SessionState, Signal

REASON_MAX = 120

_LIVE = ConnectionStatus.LIVE


class Standing:
    """``events`` collects everything that the adapter emits, in order."""

    def __init__(self, venue: str, instruments: Iterable[MarketInstrument]) -> None:
        self.events: list[Event] = []
        self._venue = venue
        self._instruments = tuple(instruments)
        self._session = SessionState()

    @property
    def whole(self) -> ConnectionStatus:
        return self._session.status

    def opened(self, reason: str, now_ns: int) -> None:
        """The first connection is there: every instrument is to be synchronised."""
        self._session.take(Signal.OPENED)
        self._all(ConnectionStatus.SYNCHRONISING, reason, now_ns)

    def doubt(self, reason: str, now_ns: int) -> None:
        """Nothing that was told before may be believed."""
        self._session.take(Signal.DOUBT)
        self._all(self._session.status, reason, now_ns)

    def closed(self, reason: str, now_ns: int) -> None:
        """Nothing comes any more."""
        self._session.take(Signal.CLOSED)
        self._all(ConnectionStatus.DISCONNECTED, reason, now_ns)

    def live(self, one: MarketInstrument, reason: str, now_ns: int) -> None:
        """``one`` is current. The feed as a whole is with its first one."""
        one.status = _LIVE
        if self._session.status is not _LIVE:
            self._session.take(Signal.OPENED)
            self._session.take(Signal.SYNCHRONISED)
            self._tell("", _LIVE, "subscribed", now_ns)
            for other in self._instruments:
                if other.status is not _LIVE:
                    self._tell(other.name, other.status, "waiting for its data", now_ns)
        self._tell(one.name, _LIVE, reason, now_ns)

    def lost(self, one: MarketInstrument, status: ConnectionStatus, reason: str, now_ns: int) -> None:
        """``one`` is not current any more."""
        if one.status is not status:
            one.status = status
            self._tell(one.name, status, reason, now_ns)

    def _all(self, status: ConnectionStatus, reason: str, now_ns: int) -> None:
        for one in self._instruments:
            one.status = status
        self._tell("", status, reason, now_ns)

    def _tell(self, name: str, status: ConnectionStatus, reason: str, now_ns: int) -> None:
        self.events.append(
            FeedStatusChanged(
                recv_ns=now_ns, venue=self._venue, instrument=name, status=status, reason=reason[:REASON_MAX]
            )
        )
