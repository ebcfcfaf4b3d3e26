"""Which order does somebody mean? Found in the journal by our Order ID, a client id, the venue's id or a position.

Reads the journal once, and only as far as it has to. Any one thread.
"""

from __future__ import annotations

from typing import Any

import msgspec

from livestack.core.events import Event, IntentDenied, OperatorCommand, Recorded
from livestack.exceptions import UsageError
from livestack.journal.reader import JournalReader
from livestack.journal.salvage import salvage


class Wanted(msgspec.Struct, frozen=True):
    """An order by its ``order_id``, or (0) one that is not ours by ``client_id``. ``seq``: only what happened there."""

    order_id: int
    client_id: str = ""
    seq: int = 0

    def is_about(self, record: Recorded) -> bool:
        """Whether ``record`` belongs to its story."""
        if self.seq:
            return record.seq == self.seq
        about = subject(record.event)
        if self.order_id and order_id_of(record.event) == self.order_id:
            return True
        return bool(self.client_id) and self.client_id in (
            getattr(about, "client_id", None),
            getattr(about, "target_client_id", None),
        )


def subject(event: Event) -> Any:
    """What carries an Event's order: a dispatch's request, a command's command, or the Event."""
    if isinstance(event, OperatorCommand):
        return event.command
    return getattr(event, "request", event)


def order_id_of(event: Event) -> int:
    """The Order ID that an Event is about; 0 for none."""
    return getattr(subject(event), "order_id", 0) or 0


def look_up(reader: JournalReader, text: str) -> Wanted:
    """The order that ``text`` names. ``UsageError`` with what to do where there is none."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    by_venue = foreign = None
    at_position = None
    for record in salvage(reader) if text else ():
        if not isinstance(record, Recorded):
            continue
        about = subject(record.event)
        order_id = order_id_of(record.event)
        if number and order_id == number:
            return Wanted(number)
        if number and record.seq == number and isinstance(record.event, IntentDenied):
            at_position = Wanted(order_id, seq=number)
        if text in (getattr(about, "client_id", None), getattr(about, "target_client_id", None)):
            if order_id:
                return Wanted(order_id, foreign.client_id if foreign else "")
            foreign = Wanted(0, text)
        elif by_venue is None and getattr(about, "venue_order_id", None) == text:
            by_venue = Wanted(order_id, "" if order_id else getattr(about, "client_id", ""))
            if not number and order_id:
                return by_venue
    found = foreign or by_venue or at_position
    if found is None:
        name = reader.header.session
        raise UsageError(
            f"no order {text or 'without a name'} in session {name}: give its Order ID, client id or venue order id, "
            f"or --seq with the position of an Event about it; livestack replay {name} --export - lists them, "
            f"livestack sessions the other sessions"
        )
    return found


def at_seq(reader: JournalReader, seq: int) -> Wanted:
    """The order that the Event at ``seq`` is about; of a denied Intent only that one."""
    record = next((one for one in salvage(reader, seq, seq) if isinstance(one, Recorded)), None)
    if record is None:
        raise UsageError(f"there is no readable Event at seq {seq} in session {reader.header.session}")
    order_id = order_id_of(record.event)
    if isinstance(record.event, IntentDenied):
        return Wanted(order_id, seq=seq)
    client_id = "" if order_id else getattr(subject(record.event), "client_id", "")
    if not order_id and not client_id:
        raise UsageError(
            f"the Event at seq {seq} is a {type(record.event).__name__}, which is about no order"
        )
    return Wanted(order_id, client_id)
