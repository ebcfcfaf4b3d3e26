"""What a server that refuses a connection wants: to hear nothing for a while, from anybody of this node.

Imports transports and venues. Runs on the thread of the actor that connects; the budget has a lock of its own.
"""

from __future__ import annotations

from typing import Final

from livestack.transports.base import Refusal
from livestack.venues.budget import RequestBudget

TOO_OFTEN: Final = 429
BANNED: Final = 418

SILENCE_NS: Final = 60_000_000_000
"""Where it does not say for how long: the window in which requests are counted."""

SILENCE_NS_MAX: Final = 3 * 24 * 3_600 * 1_000_000_000
"""No ban is longer (venues.md 1.2); a longer one is a mistake, and would end trading for good."""


def heed(refusal: Refusal | None, budget: RequestBudget, now_ns: int) -> None:
    """Have everybody be silent where that is what was said."""
    if refusal is None or refusal.status not in (TOO_OFTEN, BANNED):
        return
    wait_ns = refusal.retry_after_s * 1_000_000_000 if refusal.retry_after_s >= 0 else SILENCE_NS
    budget.silence(now_ns + min(wait_ns, SILENCE_NS_MAX), is_ban=refusal.status == BANNED)
