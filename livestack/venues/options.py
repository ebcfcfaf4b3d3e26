"""What of a venue's settings its adapters need. Pure; made once by the composition."""

from __future__ import annotations

import msgspec

_SECOND_NS = 1_000_000_000


class VenueOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Everything but addresses and keys. ``_ns`` are nanoseconds of session time.

    ``streams``: of ``depth bookTicker trade aggTrade``. ``depth_levels``: levels a side of a book snapshot.
    ``is_polled``: market data comes over REST alone, every ``poll_every_ns``; otherwise so once the stream is down for
    ``poll_after_ns``. ``renew_after_ns``: age at which a connection is replaced, before the venue cuts it.
    ``rest_after_ns``: with ``rest_orders``, how long the WebSocket API may be down before order entry goes over REST.
    ``reconcile_every_ns``: the periodic check of orders, fills and balances; ``instruments_every_ns``: of the
    instruments' rules. ``clock_skew_max_ns``: trading halts where our wall clock and the venue's differ by more.
    """

    streams: tuple[str, ...] = ("depth", "bookTicker", "aggTrade")
    depth_levels: int = 5_000
    is_polled: bool = False
    poll_every_ns: int = _SECOND_NS
    poll_after_ns: int = 5 * _SECOND_NS
    renew_after_ns: int = 23 * 3_600 * _SECOND_NS
    rest_orders: bool = True
    rest_after_ns: int = 5 * _SECOND_NS
    reconcile_every_ns: int = 60 * _SECOND_NS
    instruments_every_ns: int = 60 * _SECOND_NS
    clock_skew_max_ns: int = 2 * _SECOND_NS
