"""The venue's own error answers: HTTP status, code and exact text (venues.md 1.4).

Pure. Any thread.
"""

from __future__ import annotations

from typing import Any


class VenueError(Exception):
    """An answer that is an error. ``status`` is the HTTP (and WebSocket API) status, ``data`` what comes with it."""

    def __init__(self, status: int, code: int, message: str, data: dict[str, Any] | None = None) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message
        self.data = data

    def body(self) -> dict[str, Any]:
        """The error as both front ends write it."""
        body: dict[str, Any] = {"code": self.code, "msg": self.message}
        if self.data is not None:
            body["data"] = self.data
        return body


UNKNOWN_ORDER = "Unknown order sent."
DUPLICATE_ORDER = "Duplicate order sent."
INSUFFICIENT_BALANCE = "Account has insufficient balance for requested action."
WOULD_MATCH = "Order would immediately match and take."
WOULD_TRIGGER = "Order would trigger immediately."
MARKET_CLOSED = "Market is closed."
NOT_CANCELLED_RESTRICTIONS = "Order was not canceled due to cancel restrictions."
AMEND_INCREASE = "Order amend (quantity increase) is not supported."
AMEND_NO_CHANGE = "The requested action would change no state; rejecting"
AMEND_NOT_SUPPORTED = "Order amend is not supported for this symbol."
STP_NOT_ALLOWED = "This symbol does not allow the specified self-trade prevention mode."


def mandatory(name: str) -> VenueError:
    return VenueError(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal_characters(name: str, legal: str) -> VenueError:
    return VenueError(
        400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    )


def not_required(name: str) -> VenueError:
    return VenueError(400, -1106, f"Parameter '{name}' sent when not required.")


def too_precise(name: str) -> VenueError:
    return VenueError(400, -1111, f"Parameter '{name}' has too much precision.")


def invalid_symbol() -> VenueError:
    return VenueError(400, -1121, "Invalid symbol.")


def filter_failure(name: str) -> VenueError:
    return VenueError(400, -1013, f"Filter failure: {name}")


def rejected(message: str) -> VenueError:
    """A new order that the engine refuses."""
    return VenueError(400, -2010, message)


def cancel_rejected(message: str) -> VenueError:
    return VenueError(400, -2011, message)


def amend_rejected(message: str) -> VenueError:
    return VenueError(400, -2038, message)
