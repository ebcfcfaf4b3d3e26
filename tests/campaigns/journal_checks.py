"""What a journal's reader and the node's recovery make of a directory: run in a child, for liblmdb may end the process.

    python -m tests.campaigns.journal_checks PLAN

answers questions on standard input (see :mod:`tests.campaigns.children`) about journals that were written after the
:class:`~tests.campaigns.journal_plan.Plan` in the file ``PLAN``.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from livestack.core.configuration import Configuration
from livestack.exceptions import JournalDamagedError, JournalError, JournalFormatError, LivestackError
from livestack.journal.check import check_journal
from livestack.journal.directory import DataDirectory
from livestack.journal.format import CHAIN, encode_header, encode_record
from livestack.journal.reader import SEQ_MAX, JournalReader, _copy
from livestack.journal.sessions import list_sessions
from livestack.journal.writer import JournalWriter
from livestack.node.beginning import Abandoned, unfinished
from livestack.node.recovery import open_whole
from tests.campaigns import children
from tests.campaigns.journal_plan import Plan, load

RECORDS_AFTER = 3
"""Records written behind a recovered journal, to see that it goes on."""


class Checks:
    """The answers, each a plain object: ``raised`` is a traceback, ``refused`` a sentence of ours."""

    def __init__(self, plan: Plan) -> None:
        self._header = plan.header
        self._session = plan.header.session
        self._configuration = Configuration.from_plain(msgspec.json.decode(plan.header.configuration), "plan")
        self._records = plan.records

    def answer(self, what: str, directory: str) -> dict[str, Any]:
        """``what`` is the name of a question, ``directory`` a data directory."""
        question: Callable[[Path], dict[str, Any]] = {
            "after_loss": self.after_loss,
            "fold_after_loss": self.fold_after_loss,
            "after_injection": self.after_injection,
        }[what]
        try:
            return question(Path(directory))
        except LivestackError as error:
            return {"refused": f"{type(error).__name__}: {error}"}
        except BaseException:  # noqa: BLE001 - whatever it was, it is the answer
            return {"raised": traceback.format_exc()}

    def after_loss(self, directory: Path) -> dict[str, Any]:
        """``present``: records that the recovered journal holds, each as planned; then it is gone on with.

        ``wrong`` names what is not as it must be.
        """
        sessions = DataDirectory(directory).sessions
        list_sessions(DataDirectory(directory))
        reader = open_whole(sessions, self._session)
        if reader is None:
            return {"present": 0}
        with reader:
            verified = reader.verify_chain()
            last_seq, chain = reader.tail()
            records = list(reader.records())
            newest = reader.last_seq()
        if records != self._records[: len(records)]:
            return {"wrong": "records are not those that were written"}
        if {len(records)} != {verified, last_seq, newest}:
            return {"wrong": f"{len(records)} records, verified {verified}, tail {last_seq}, newest {newest}"}
        return {"present": last_seq, "wrong": self._gone_on(sessions, last_seq, chain)}

    def fold_after_loss(self, directory: Path) -> dict[str, Any]:
        """The same; the Core is brought back before, and must have seen all that is there."""
        with DataDirectory(directory).acquire() as data:
            recovered = unfinished(data, self._configuration)
        if isinstance(recovered, Abandoned):
            return {"wrong": f"not resumed: {recovered.cause}"}
        result = self.after_loss(directory)
        present = result.get("present")
        if recovered is None and present not in {0, len(self._records)}:
            return {"wrong": f"taken for over with {present} records"}
        if recovered is not None and present != recovered.last_seq:
            return {"wrong": f"recovered up to {recovered.last_seq} of {present}"}
        return result

    def _gone_on(self, sessions: Path, last_seq: int, chain: bytes) -> str:
        """Write behind what is there, as a resumed session does; what is wrong with that."""
        header = msgspec.structs.replace(self._header, first_seq=last_seq + 1, previous_chain=chain)
        writer = JournalWriter.create(sessions, header, "relaxed")
        seqs = range(last_seq + 1, last_seq + 1 + RECORDS_AFTER)
        writer.commit([msgspec.structs.replace(self._records[0], seq=seq) for seq in seqs])
        writer.close()
        with JournalReader.open(sessions, self._session) as reader:
            expected, verified = last_seq + RECORDS_AFTER, reader.verify_chain()
        return "" if expected == verified else f"gone on with: {verified} records instead of {expected}"

    def after_injection(self, directory: Path) -> dict[str, Any]:
        """``found``: the reader's error, with ``seq``; otherwise ``content``, a digest of everything.

        ``damaged``: sentences of the journal check; ``unclean``: what another way of reading raised that is no refusal.
        """
        sessions = DataDirectory(directory).sessions
        result: dict[str, Any] = {"damaged": []}
        try:
            with JournalReader.open(sessions, self._session) as reader:
                reader.verify_chain()
                result["content"] = _digest(reader)
        except JournalDamagedError as error:
            result["found"] = {"sentence": str(error), "seq": error.seq}
        except JournalFormatError as error:
            result["found"] = {"sentence": str(error), "seq": 0}
        try:
            result["damaged"] = list(map(str, check_journal(sessions, self._session).damaged))
        except JournalFormatError as error:
            result["damaged"] = [str(error)]
        for read in (self._read_all, self._read_tail, self._list):
            try:
                read(directory)
            except JournalError:
                continue
            except Exception:  # noqa: BLE001 - whatever it was, it is the answer
                result["unclean"] = traceback.format_exc()
        return result

    def _read_all(self, directory: Path) -> None:
        with JournalReader.open(DataDirectory(directory).sessions, self._session) as reader:
            for _ in reader.records():
                pass

    def _read_tail(self, directory: Path) -> None:
        with JournalReader.open(DataDirectory(directory).sessions, self._session) as reader:
            reader.last_seq()
            reader.tail()

    def _list(self, directory: Path) -> None:
        list_sessions(DataDirectory(directory))


def _digest(reader: JournalReader) -> str:
    """Everything that a journal says: headers, records and the links of the chain."""
    digest = hashlib.blake2b(digest_size=16)
    for segment in reader.segments:
        digest.update(encode_header(reader._header(segment)))
        with reader._environment(segment) as environment:
            for key, link in _copy(environment, CHAIN, 0, SEQ_MAX):
                digest.update(key + link)
    for record in reader.records():
        digest.update(encode_record(record))
    return digest.hexdigest()


def main() -> None:
    children.serve(Checks(load(Path(sys.argv[1]))).answer)


if __name__ == "__main__":
    main()
