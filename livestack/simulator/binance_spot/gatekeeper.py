"""Who may ask what, how often: request weight, bans, keys, signatures and the clock (venues.md 1.4).

Pure. Runs on the venue's thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from livestack.simulator.binance_spot import errors
from livestack.simulator.binance_spot.errors import VenueError
from livestack.simulator.binance_spot.limits import SECOND_NS, Limits
from livestack.simulator.binance_spot.numbers import NumberFormatError, PrecisionError, parse8
from livestack.simulator.binance_spot.signing import ApiKey

RECV_WINDOW_MS_DEFAULT = 5000
RECV_WINDOW_MS_MAX = 60_000
AHEAD_MS_MAX = 1000
MICROSECONDS_FROM = 10**15  # a timestamp this large is in microseconds
IGNORED_REFUSALS_MAX = 10  # then the address is banned ...
BAN_NS = 120 * SECOND_NS  # ... for the shortest time that the venue names


class Gatekeeper:
    """Stands before every request. All clients of a simulated venue share one address and one account."""

    def __init__(self, keys: Iterable[ApiKey], limits: Limits) -> None:
        self._keys = {key.api_key: key for key in keys}
        self._limits = limits
        self._refused = 0
        self._banned_until_ns = 0

    def charge(self, weight: int, now_ns: int) -> None:
        """Count a request's weight, or refuse it: 429, and 418 for those who do not listen."""
        self._limits.raw.add(1, now_ns)
        window = self._limits.weight
        now_ms = now_ns // 1_000_000
        if now_ns < self._banned_until_ns:
            until_ms = self._banned_until_ns // 1_000_000
            text = (
                f"Way too much request weight used; IP banned until {until_ms}."
                " Please use WebSocket Streams for live updates to avoid bans."
            )
            raise VenueError(418, -1003, text, {"serverTime": now_ms, "retryAfter": until_ms})
        if window.at(now_ns) + weight > window.limit:
            self._refused += 1
            if self._refused > IGNORED_REFUSALS_MAX:
                self._banned_until_ns, self._refused = now_ns + BAN_NS, 0
            text = (
                f"Too much request weight used; current limit is {window.limit} request weight per 1 MINUTE."
                " Please use WebSocket Streams for live updates to avoid polling the API."
            )
            data = {"serverTime": now_ms, "retryAfter": window.ends_ns() // 1_000_000}
            raise VenueError(429, -1003, text, data)
        window.add(weight, now_ns)

    def refund(self, weight: int, now_ns: int) -> None:
        self._limits.weight.add(-weight, now_ns)

    def key(self, api_key: str | None) -> ApiKey:
        """The key of that name, or the venue's complaint."""
        if not api_key or not api_key.isalnum():
            raise VenueError(401, -2014, "API-key format invalid.")
        key = self._keys.get(api_key)
        if key is None:
            raise VenueError(401, -2015, "Invalid API-key, IP, or permissions for action.")
        return key

    def check_signature(self, key: ApiKey, payload: str, params: Mapping[str, str]) -> None:
        signature = params.get("signature")
        if not signature:
            raise errors.mandatory("signature")
        if not key.verifies(payload, signature):
            raise VenueError(400, -1022, "Signature for this request is not valid.")

    def check_time(self, params: Mapping[str, str], now_ns: int) -> None:
        """Accepted iff timestamp < server time + 1 s and server time - timestamp <= recvWindow."""
        text = params.get("timestamp", "")
        if not (text.isascii() and text.isdigit()):
            raise errors.mandatory("timestamp")
        stamp = int(text)
        stamp_ns = stamp * 1000 if stamp >= MICROSECONDS_FROM else stamp * 1_000_000
        try:
            window = parse8(params.get("recvWindow", str(RECV_WINDOW_MS_DEFAULT)))
        except (NumberFormatError, PrecisionError):
            raise errors.illegal_characters("recvWindow", r"^[0-9]{1,5}(\.[0-9]{1,3})?$") from None
        if window > RECV_WINDOW_MS_MAX * 10**8:
            raise VenueError(400, -1131, "recvWindow must be less than 60000")
        if stamp_ns >= now_ns + AHEAD_MS_MAX * 1_000_000:
            text = "Timestamp for this request was 1000ms ahead of the server's time."
            raise VenueError(400, -1021, text)
        server_ns = now_ns if stamp >= MICROSECONDS_FROM else now_ns // 1_000_000 * 1_000_000
        if (server_ns - stamp_ns) * 100 > window:
            raise VenueError(400, -1021, "Timestamp for this request is outside of the recvWindow.")
