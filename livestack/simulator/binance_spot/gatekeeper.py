"""Who may ask what, how often: request weight, bans, keys, signatures and the clock (venues.md 1.4).

Pure. Runs on the venue's thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from livestack.simulator.binance_spot import errors
from livestack.simulator.binance_spot.errors import VenueError
from livestack.simulator.binance_spot.limits import SECOND_NS, Limits
from livestack.simulator.binance_spot.numbers import NumberFormatError, PrecisionError, parse8
from livestack.simulator.binance_spot.signing import ApiKey

RECV_WINDOW_MS_DEFAULT = 5000
RECV_WINDOW_MS_MAX = 60_000
RECV_WINDOW_DECIMALS_MAX = 3
AHEAD_MS_MAX = 1000
MICROSECONDS_FROM = 10**15  # a timestamp this large is in microseconds
IGNORED_REFUSALS_MAX = 10  # then the address is banned ...
BAN_NS = 120 * SECOND_NS  # ... for the shortest time that the venue names
GRACE_NS = SECOND_NS  # what was under way when the venue said so is not held against a client


@dataclass(slots=True, frozen=True)
class Silence:
    """An order to ask nothing: true times from and until, the end as told, and what disobedience brings."""

    since_ns: int = 0
    until_ns: int = 0
    told_ns: int = 0
    ban_ns: int = 0
    banned: bool = False


def _banned(now_ns: int, until_ns: int) -> VenueError:
    until_ms = until_ns // 1_000_000
    text = (
        f"Way too much request weight used; IP banned until {until_ms}."
        " Please use WebSocket Streams for live updates to avoid bans."
    )
    return VenueError(418, -1003, text, {"serverTime": now_ns // 1_000_000, "retryAfter": until_ms})


class Gatekeeper:
    """Stands before every request. All clients of a simulated venue share one address and one account."""

    def __init__(self, keys: Iterable[ApiKey], limits: Limits) -> None:
        self._keys = {key.api_key: key for key in keys}
        self._limits = limits
        self._refused = 0
        self._banned_until_ns = 0
        self._silence = Silence()
        self.skew_ns = 0
        """How far the venue's clock is ahead of true time."""
        self.revoked = False
        """No key is good any more."""

    def decree_silence(self, wait_ns: int, ban_ns: int, now_ns: int) -> VenueError:
        """Refuse for ``wait_ns``, with a ban of ``ban_ns`` whoever asks in spite of it; returns the first refusal."""
        self._silence = Silence(
            now_ns - self.skew_ns, now_ns - self.skew_ns + wait_ns, now_ns + wait_ns, ban_ns
        )
        return self._too_much(now_ns, now_ns + wait_ns)

    def forget_decrees(self) -> None:
        self._silence = Silence()
        self.revoked = False

    def charge(self, weight: int, now_ns: int) -> None:
        """Count a request's weight, or refuse it: 429, and 418 for those who do not listen."""
        limits = self._limits
        limits.raw.add(1, now_ns)
        self._keep_silence(now_ns)
        if now_ns < self._banned_until_ns:
            limits.violations["418"] += 1
            raise _banned(now_ns, self._banned_until_ns)
        for window, amount in ((limits.weight, weight), (limits.raw, 0)):
            if window.at(now_ns) + amount > window.limit:
                self._refused += 1
                limits.violations["429"] += 1
                if self._refused > IGNORED_REFUSALS_MAX:
                    self._banned_until_ns, self._refused = now_ns + BAN_NS, 0
                raise self._too_much(now_ns, window.ends_ns())
        limits.weight.add(weight, now_ns)

    def _keep_silence(self, now_ns: int) -> None:
        """Refuse while a decree holds. Too early is who comes before its end by the venue's clock and by true time."""
        silence, true_ns = self._silence, now_ns - self.skew_ns
        if true_ns >= silence.until_ns:
            return
        if true_ns > silence.since_ns + GRACE_NS and now_ns < silence.told_ns:
            self._limits.violations["backoff"] += 1
            if silence.ban_ns and not silence.banned:
                until_ns = now_ns + silence.ban_ns
                self._silence = Silence(
                    true_ns, true_ns + silence.ban_ns, until_ns, silence.ban_ns, banned=True
                )
        if self._silence.banned:
            raise _banned(now_ns, self._silence.told_ns)
        raise self._too_much(now_ns, max(silence.told_ns, now_ns))

    def _too_much(self, now_ns: int, until_ns: int) -> VenueError:
        text = (
            f"Too much request weight used; current limit is {self._limits.weight.limit} request weight per 1 MINUTE."
            " Please use WebSocket Streams for live updates to avoid polling the API."
        )
        data = {"serverTime": now_ns // 1_000_000, "retryAfter": until_ns // 1_000_000}
        return VenueError(429, -1003, text, data)

    def refund(self, weight: int, now_ns: int) -> None:
        self._limits.weight.add(-weight, now_ns)

    def key(self, api_key: str | None) -> ApiKey:
        """The key of that name, or the venue's complaint."""
        if not api_key or not api_key.isalnum():
            raise VenueError(401, -2014, "API-key format invalid.")
        key = self._keys.get(api_key)
        if key is None or self.revoked:
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
        text = params.get("recvWindow", str(RECV_WINDOW_MS_DEFAULT))
        try:
            window = parse8(text)
        except (NumberFormatError, PrecisionError):
            window = -1
        if window < 0 or len(text.partition(".")[2]) > RECV_WINDOW_DECIMALS_MAX:
            raise errors.illegal_characters("recvWindow", r"^[0-9]{1,5}(\.[0-9]{1,3})?$")
        if window > RECV_WINDOW_MS_MAX * 10**8:
            raise VenueError(400, -1131, "recvWindow must be less than 60000")
        if stamp_ns >= now_ns + AHEAD_MS_MAX * 1_000_000:
            text = "Timestamp for this request was 1000ms ahead of the server's time."
            raise VenueError(400, -1021, text)
        server_ns = now_ns if stamp >= MICROSECONDS_FROM else now_ns // 1_000_000 * 1_000_000
        if (server_ns - stamp_ns) * 100 > window:
            raise VenueError(400, -1021, "Timestamp for this request is outside of the recvWindow.")
