"""What an API key may do, looked at before anything starts with it. Main thread.

A key that may withdraw is worth more to a thief than to us. In doubt there is no start: a venue that tells what a key
may do, and does not answer that now, is one that cannot be reached; one that tells nobody is taken as it is.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from livestack.exceptions import UnreachableError, UsageError
from livestack.venue_settings import VenueSettings
from livestack.venues.adapter import Credentials, Fetch, Fetched, Permissions, Setback, VenueModule

Ask = Callable[[Fetch], Fetched]

log = structlog.get_logger("livestack.node")


def check_key(
    venue: str,
    settings: VenueSettings,
    module: VenueModule,
    credentials: Credentials,
    ask: Ask,
    wall_ns: Callable[[], int],
) -> None:
    """``UsageError`` where the key of ``venue`` may do too much, or too little; ``UnreachableError`` where it is not
    known what it may do. ``wall_ns``: this machine's time."""
    key = f"venues.{venue}.api_key_env"
    try:
        told = _ask(module, credentials, ask, wall_ns)
    except ValueError as error:
        raise UsageError(f"{key}: the key cannot be used: {error}") from None
    if told is None:
        log.info("rights_of_key_unknown", venue=venue, cause="the venue does not tell what a key may do")
    elif isinstance(told, Permissions):
        _judge(venue, key, told, settings.allow_withdrawal_key)
    elif told.is_refused:
        raise UsageError(f"{key}: the venue refuses this API key: {told.text}")
    else:
        wait = f"; ask again in {-(-told.wait_ns // 1_000_000_000)} s" if told.wait_ns else ""
        raise UnreachableError(
            f"venue {venue} at {settings.rest_url}",
            f"it does not tell what the API key may do: {told.text}{wait}",
        )


def _ask(
    module: VenueModule, credentials: Credentials, ask: Ask, wall_ns: Callable[[], int]
) -> Permissions | Setback | None:
    """The venue's own time is used once it has refused ours."""
    told = module.read_permissions(ask(module.permissions_fetch(credentials, wall_ns() // 1_000_000)))
    if isinstance(told, Setback) and told.is_clock:
        resort = module.last_resort(credentials)
        wall_ms = resort.read_time(ask(resort.time()))
        if isinstance(wall_ms, Setback):
            return wall_ms
        told = module.read_permissions(ask(module.permissions_fetch(credentials, wall_ms)))
    return told


def _judge(venue: str, key: str, may: Permissions, allow_withdrawal: bool) -> None:
    rights = [name for name, has in (("withdraw", may.may_withdraw), ("transfer", may.may_transfer)) if has]
    if rights and not allow_withdrawal:
        raise UsageError(
            f"{key}: this API key may {' and '.join(rights)} what the account holds, which trading does not need; take "
            f"that right from it at the venue, or set venues.{venue}.allow_withdrawal_key = true"
        )
    if not (may.may_trade and may.may_read):
        raise UsageError(
            f"{key}: this API key may not {'trade' if may.may_read else 'read the account'}; give it that right at the "
            "venue"
        )
    if rights:
        log.warning(
            "key_may_withdraw",
            venue=venue,
            rights=rights,
            cause="allow_withdrawal_key lets it; trading needs no such right",
        )
    if not may.is_bound:
        log.warning(
            "key_is_not_bound",
            venue=venue,
            cause="the key works from every network address; bind it to this machine's at the venue",
        )
