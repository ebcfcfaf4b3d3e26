"""The Queue: admitted Intents that did not go out yet, at most one effective command per Order ID.

Pure. A substate of Execution State. ``DOMINANCE`` says what an admitted command does to the pending one for the same
Order ID (core-runtime.md section 6). Harness thread.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Final

import msgspec

from livestack.core.intents import Cancel, Intent, New, Replace
from livestack.core.types import RequestKind, RequestSource


class Form(IntEnum):
    """What is pending for an Order ID, as dominance sees it."""

    NONE = 0
    NEW = 1
    AMENDED_NEW = 2
    """A New that took over a Replace's terms: goes out as a New, ranks as a Replace."""
    REPLACE = 3
    CANCEL = 4


class Dominance(Enum):
    """Which command is effective afterwards."""

    INCOMING = 1
    PENDING = 2
    MERGED = 3
    """The pending New, with the incoming Replace's terms."""
    NEITHER = 4
    """Nothing is left to send: both close."""


_NEW, _REPLACE, _CANCEL = RequestKind.NEW, RequestKind.REPLACE, RequestKind.CANCEL

DOMINANCE: Final[dict[Form, dict[RequestKind, Dominance]]] = {
    Form.NONE: {_NEW: Dominance.INCOMING, _REPLACE: Dominance.INCOMING, _CANCEL: Dominance.INCOMING},
    Form.NEW: {_NEW: Dominance.INCOMING, _REPLACE: Dominance.MERGED, _CANCEL: Dominance.NEITHER},
    Form.AMENDED_NEW: {_NEW: Dominance.PENDING, _REPLACE: Dominance.MERGED, _CANCEL: Dominance.NEITHER},
    Form.REPLACE: {_NEW: Dominance.PENDING, _REPLACE: Dominance.INCOMING, _CANCEL: Dominance.INCOMING},
    Form.CANCEL: {_NEW: Dominance.PENDING, _REPLACE: Dominance.PENDING, _CANCEL: Dominance.INCOMING},
}


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """One effective command. ``number`` is admission order; ``terms`` are a New's, ``qty``/``price`` a Replace's;
    ``bid`` and ``ask`` the best prices when Risk allowed it, 0 for a Cancel."""

    kind: RequestKind
    form: Form
    order_id: int
    venue: str
    instrument: str
    source: RequestSource
    number: int
    admitted_ts: int
    terms: New | None = None
    qty: int = 0
    price: int = 0
    worst_qty: int = 0
    bid: int = 0
    ask: int = 0


class Queue(msgspec.Struct, kw_only=True):
    """Pending commands by Order ID; ``superseded`` counts Intents that another one made pointless."""

    pending: dict[int, Pending] = {}
    admitted: int = 0
    superseded: int = 0

    def admit(
        self,
        intent: Intent,
        venue: str,
        instrument: str,
        source: RequestSource,
        ts: int,
        worst_qty: int,
        bid: int = 0,
        ask: int = 0,
    ) -> Dominance:
        """Put an allowed Intent in, under dominance. The caller tombstones the id on ``NEITHER``."""
        before = self.pending.get(intent.order_id)
        kind = kind_of(intent)
        dominance = DOMINANCE[before.form if before else Form.NONE][kind]
        self.admitted += 1
        if before is not None:
            self.superseded += 2 if dominance is Dominance.NEITHER else 1
            if dominance is Dominance.PENDING:
                return dominance
            del self.pending[intent.order_id]
            if dominance is Dominance.NEITHER:
                return dominance
        number = self.admitted
        form = _FORM[kind]
        terms = intent if isinstance(intent, New) else None
        qty, price = (intent.qty, intent.price) if isinstance(intent, Replace) else (0, 0)
        if dominance is Dominance.MERGED and before is not None and before.terms is not None:
            kind, form = RequestKind.NEW, Form.AMENDED_NEW
            terms = msgspec.structs.replace(before.terms, qty=qty, price=price)
            qty = price = 0
        self.pending[intent.order_id] = Pending(
            kind=kind,
            form=form,
            order_id=intent.order_id,
            venue=venue,
            instrument=instrument,
            source=source,
            number=number,
            admitted_ts=ts,
            terms=terms,
            qty=qty,
            price=price,
            worst_qty=worst_qty,
            bid=bid,
            ask=ask,
        )
        return dominance


_FORM = {_NEW: Form.NEW, _REPLACE: Form.REPLACE, _CANCEL: Form.CANCEL}


def kind_of(intent: Intent) -> RequestKind:
    """The request that an Intent asks for."""
    if isinstance(intent, New):
        return RequestKind.NEW
    return RequestKind.CANCEL if isinstance(intent, Cancel) else RequestKind.REPLACE
