"""Text that must not be seen: no log, ``repr``, message or file gets it by accident. Pure; any thread."""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """Text that is shown to nobody: every text form of it is a row of stars, and it cannot be pickled or encoded.

    Whoever needs it calls :meth:`reveal` where it is used, and keeps it in no variable: a traceback may show those.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself, for whoever signs with it."""
        return self._text

    def __repr__(self) -> str:
        return "********"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not to be pickled or copied")
