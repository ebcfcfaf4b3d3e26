"""What people type, made so that a kill goes out whatever it holds. Pure; any thread."""

from __future__ import annotations

from livestack.control.commands import NAME_CHARACTERS_MAX, REASON_CHARACTERS_MAX, is_request_id
from livestack.core.validation import encodable

NO_REASON = "no reason given"


def one_line(text: str) -> str:
    """``text`` with a blank for each character that nobody can see, and one blank for several."""
    return " ".join("".join(one if one.isprintable() else " " for one in encodable(text)).split())


def kill_reason(text: str) -> str:
    """A reason that the node takes."""
    return one_line(text)[:REASON_CHARACTERS_MAX].strip() or NO_REASON


def kill_name(text: str) -> str:
    """The name of a venue or instrument that the node takes; it kills everything for one that it does not know."""
    return one_line(text)[:NAME_CHARACTERS_MAX].strip()


def kill_request_id(text: str | None) -> str | None:
    """None, for a new one, where the node would not take ``text``."""
    return text if text is not None and is_request_id(text) else None
