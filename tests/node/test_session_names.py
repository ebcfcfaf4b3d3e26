"""What a new session is called."""

from __future__ import annotations

from livestack.node.session_names import new_session_id, newest_of
from tests.research.sessions import WALL_NS


def test_session_ids_sort_by_age() -> None:
    """The newest is the last by name, also within one second and with a clock that was set back."""
    newest, ids = "", []
    for wall_ns in (WALL_NS, WALL_NS + 1_000_000, WALL_NS + 1_000_000, WALL_NS + 2 * 10**9, WALL_NS - 10**12):
        newest = new_session_id(wall_ns, newest)
        ids.append(newest)
    assert ids == sorted(set(ids))
    assert "20270115T080000Z-0000" == ids[0]
    assert "20270115T080003Z-0000" == new_session_id(WALL_NS, "20270115T080002Z-ffff")


def test_only_names_of_ours_count() -> None:
    """What somebody else put into the directory is no session."""
    assert "20270115T080000Z-0000" == newest_of(["zzz", "20270115T080000Z-0000", "20260115T080000Z-ffff"])
    assert "" == newest_of(["lost+found"])
