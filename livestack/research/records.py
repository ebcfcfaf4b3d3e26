"""A session's execution records, made again from its journal: what storage is compared with.

They are the same to the last byte wherever the fold begins, so they can be made from the oldest position that is left.
Memory does not depend on the journal's length. Runs on the caller's thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from livestack.actors.shipment_fold import BeginFold, begin_fold, begin_oldest
from livestack.exceptions import JournalDamagedError
from livestack.journal.reader import JournalReader
from livestack.journal.segment import first_seq_of
from livestack.storage.tables import Record


class Derivation:
    """The records of ``session``, from the oldest position from which they can be made.

    ``live``: its writer may be running; then it ends with what is there. ``from_seq``: where the fold begins,
    ``last_seq``: what was passed, ``damage``: what ended it early. ``RecoveryError`` where there is no
    such position, because what is left of the journal begins behind every usable snapshot.
    """

    def __init__(
        self, sessions: Path, session: str, live: bool = False, begin: BeginFold = begin_fold
    ) -> None:
        self.damage: JournalDamagedError | None = None
        self._reader = JournalReader.open(sessions, session, live)
        try:
            self.end_seq = self._end()
            before, self._take = begin_oldest(sessions, self._reader.header, begin)
        except BaseException:
            self.close()
            raise
        self.from_seq = before + 1
        self.last_seq = before
        self._borders = {first_seq_of(segment): segment for segment in self._reader.segments}

    def _end(self) -> int:
        """The newest position, for a bar's end; 0 where it cannot be told before reading."""
        try:
            return self._reader.last_seq()
        except JournalDamagedError:
            return 0

    def __iter__(self) -> Iterator[tuple[int, list[Record]]]:
        """Each position, and the records of the Event there: mostly none."""
        try:
            self._enter_part_of(self.from_seq)
            for recorded in self._reader.records(self.from_seq):
                if recorded.seq in self._borders:
                    self._enter_part_of(recorded.seq)
                records = self._take(recorded)
                self.last_seq = recorded.seq
                yield recorded.seq, records
        except JournalDamagedError as error:
            self.damage = error

    def _enter_part_of(self, seq: int) -> None:
        """Records are made under the header of their segment: a resumed session may have another one."""
        first = max((one for one in self._borders if one <= seq), default=min(self._borders))
        self._take.enter(self._reader.header_of(self._borders[first]))

    def close(self) -> None:
        """Idempotent."""
        self._reader.close()

    def __enter__(self) -> Derivation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def derived_records(sessions: Path, session: str, live: bool = False) -> Iterator[tuple[int, list[Record]]]:
    """Positions of ``session`` that have records, with them. ``JournalDamagedError`` where it cannot be read on."""
    with Derivation(sessions, session, live) as derivation:
        for seq, records in derivation:
            if records:
                yield seq, records
        if derivation.damage is not None:
            raise derivation.damage
