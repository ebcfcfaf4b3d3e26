"""A connector's own holds at the gate: nothing passes before its venue is LIVE, nor on a clock that is off.

Imports the gate. Belongs to the connector's thread; only ``shut`` is called on others.
"""

from __future__ import annotations

from collections.abc import Callable

from livestack.actors.gate import DispatchGate, Hold


class VenueHolds:
    """``venue_down`` stands whenever the adapter is not LIVE, ``clock`` while the times are not to be trusted.

    ``shut`` breaks the venue's connections for a closer that does not want to wait.
    """

    def __init__(self, gate: DispatchGate, venue: str, shut: Callable[[], None]) -> None:
        self._gate = gate
        self._venue = venue
        self._was_live = False
        self._is_clock_good = True
        gate.close(Hold.VENUE_DOWN, venue)
        gate.open(Hold.CLOCK, venue)  # a predecessor's, because of its clock, is void
        gate.on_impatience(venue, shut)

    def down(self) -> None:
        """Whatever the adapter says."""
        self._gate.close(Hold.VENUE_DOWN, self._venue)

    def follow(self, is_live: bool, is_clock_good: bool) -> bool:
        """Put and lift what has changed; whether the venue has become LIVE just now."""
        has_come = is_live and not self._was_live
        if has_come:
            self._gate.open(Hold.VENUE_DOWN, self._venue)
        elif self._was_live and not is_live:
            self.down()
        self._was_live = is_live
        if is_clock_good is not self._is_clock_good:
            self._is_clock_good = is_clock_good
            turn = self._gate.open if is_clock_good else self._gate.close
            turn(Hold.CLOCK, self._venue)
        return has_come
