"""Every protocol that settings may name has its package."""

from __future__ import annotations

from typing import get_args, get_type_hints

from livestack.node.adapters import ADAPTERS
from livestack.venue_settings import VenueSettings


def test_every_protocol_of_the_settings_is_there() -> None:
    """No more and no fewer."""
    assert set(get_args(get_type_hints(VenueSettings)["adapter"])) == set(ADAPTERS)
