"""A node in which something floods the log: ``python -m tests.live.flooding start ...``, as ``livestack``.

With every step the harness's own thread says many lines of one kind, and some long ones of many kinds.
"""

from __future__ import annotations

import itertools

import structlog

from livestack.cli.main import main
from livestack.failpoints import arm

LINES_A_STEP = 10
KINDS = 30
WIDE_A_STEP = 1
TEXT = "x" * 1_500


def flood() -> None:
    for _ in range(LINES_A_STEP):
        _log.warning("flooded", n=next(_numbers))
    for _ in range(WIDE_A_STEP):
        number = next(_wide_numbers)
        _log.warning(f"wide_{number % KINDS}", n=number // KINDS, text=TEXT)


_log = structlog.get_logger("flood")
_numbers, _wide_numbers = itertools.count(1), itertools.count(KINDS)

if __name__ == "__main__":
    arm("harness.after_step", flood)
    main()
