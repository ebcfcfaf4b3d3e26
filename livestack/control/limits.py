"""How many requests a key may send, and how many a socket takes in. Pure: the time is passed in. Server's thread."""

from __future__ import annotations

from collections import OrderedDict

_SECOND_NS = 1_000_000_000

SOURCES_MAX = 1_000
"""Keys and local connections whose rate is remembered; one that was forgotten starts afresh."""


class Bucket:
    """``rate`` tokens a second, and so many at once at most; full at first."""

    def __init__(self, rate: int, now_ns: int) -> None:
        self._rate = rate
        self._full_ns = _SECOND_NS
        self._token_ns = _SECOND_NS // rate
        self._filled_ns = self._full_ns  # tokens, as the time that it takes for them to come
        self._at_ns = now_ns

    def take(self, now_ns: int) -> bool:
        """One token, if there is one."""
        self._fill(now_ns)
        if self._filled_ns < self._token_ns:
            return False
        self._filled_ns -= self._token_ns
        return True

    def wait_ns(self, now_ns: int) -> int:
        """Until there is a token; 0: there is one."""
        self._fill(now_ns)
        return max(self._token_ns - self._filled_ns, 0)

    def _fill(self, now_ns: int) -> None:
        self._filled_ns = min(self._full_ns, self._filled_ns + max(now_ns - self._at_ns, 0))
        self._at_ns = now_ns


class Limits:
    """A bucket for each source: a key, or a connection to the local socket."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._buckets: OrderedDict[bytes, Bucket] = OrderedDict()

    def take(self, source: bytes, now_ns: int) -> bool:
        bucket = self._buckets.get(source)
        if bucket is None:
            bucket = self._buckets[source] = Bucket(self.rate, now_ns)
            if len(self._buckets) > SOURCES_MAX:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(source)
        return bucket.take(now_ns)
