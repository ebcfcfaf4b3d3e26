"""What an API key may do, asked of the venue itself: ``GET /sapi/v1/account/apiRestrictions``. Pure; any thread.

Only the venue proper has that path; its test network answers 404, as it does for everything below ``/sapi``.
"""

from __future__ import annotations

import msgspec

from livestack.venues.adapter import Credentials, Fetch, Fetched, Permissions, Setback
from livestack.venues.binance_spot.last_resort import setback_of
from livestack.venues.binance_spot.numbers import percent_encoded
from livestack.venues.binance_spot.requests import RECV_WINDOW_MS
from livestack.venues.binance_spot.signing import make_signer

NOT_TOLD = 404


class _ApiRestrictions(msgspec.Struct, frozen=True, rename="camel"):
    """Of transfers an answer need not speak; a right that is not denied is taken as given."""

    enable_reading: bool
    enable_withdrawals: bool
    enable_spot_and_margin_trading: bool
    ip_restrict: bool
    enable_internal_transfer: bool = True
    permits_universal_transfer: bool = True


_decode = msgspec.json.Decoder(_ApiRestrictions).decode  # made once, at import: see private_messages


def permissions_fetch(credentials: Credentials, wall_ms: int) -> Fetch:
    """Ask what ``credentials`` may do; ``ValueError`` where they cannot sign."""
    query = f"recvWindow={RECV_WINDOW_MS}&timestamp={wall_ms}"
    signature = percent_encoded(make_signer(credentials).sign(query))
    return Fetch(
        0,
        "GET",
        "/sapi/v1/account/apiRestrictions",
        f"{query}&signature={signature}",
        (("X-MBX-APIKEY", credentials.api_key),),
        "permissions of the key",
    )


def read_permissions(answer: Fetched) -> Permissions | Setback | None:
    """What the key may do; None where this venue has no such question."""
    if answer.status == NOT_TOLD:
        return None
    if answer.status != 200:
        return setback_of(answer)
    try:
        told = _decode(answer.body)
    except (msgspec.MsgspecError, ValueError) as error:
        return Setback(f"the answer cannot be read: {error}")
    return Permissions(
        may_read=told.enable_reading,
        may_trade=told.enable_spot_and_margin_trading,
        may_withdraw=told.enable_withdrawals,
        may_transfer=told.enable_internal_transfer or told.permits_universal_transfer,
        is_bound=told.ip_restrict,
    )
