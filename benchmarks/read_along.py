"""A process that reads a journal while it is written, as a shipper would: every record, a moment behind the writer.

    python -m benchmarks.read_along DATA_DIR

Prints one line when it has read something for the first time. Ends when its stdin closes.
"""

from __future__ import annotations

import select
import sys
from pathlib import Path

from benchmarks.journalled import SESSION
from livestack.journal.reader import JournalReader

POLL_S = 0.05
"""As the follower's."""


def main(data_dir: Path) -> None:
    with JournalReader.open(data_dir / "sessions", SESSION, live=True) as reader:
        last_seq = 0
        while not select.select([sys.stdin], [], [], POLL_S)[0]:
            first = not last_seq
            reader.refresh()
            for record in reader.records(last_seq + 1):
                last_seq = record.seq
            if first and last_seq:
                print(last_seq, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
