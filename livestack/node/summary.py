"""A stopped node's summary. Main thread, after every actor has stopped."""

from __future__ import annotations

import msgspec

from livestack.node.composition import Node
from livestack.summary import Ending, SessionSummary
from livestack.summary import summarise as summarise_session


def summarise(node: Node, session: str, exit_code: int, started_ns: int, stopped_ns: int) -> SessionSummary:
    """Sum up a stopped node. ``started_ns`` and ``stopped_ns`` are wall-clock times."""
    ending = Ending(
        exit=exit_code,
        reason=node.supervisor.reason,
        counts=node.progress.counts,
        denials=node.progress.denials,
        notices=node.progress.notices,
        last_seq=node.progress.committed,
        started_ns=started_ns,
        stopped_ns=stopped_ns,
    )
    # A node that failed before its first Event has no session in State, but it has a name.
    return msgspec.structs.replace(summarise_session(node.runtime.state, ending), session=session)
