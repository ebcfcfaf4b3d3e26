"""One session's run: what it keeps when it fails. (What it does is in tests/live.)"""

from __future__ import annotations

from pathlib import Path

import msgspec

from livestack.core.events import Recorded, SessionStopped
from livestack.core.types import Origin
from livestack.node.session import set_aside


def test_the_poisonous_input_is_kept_readable(tmp_path: Path) -> None:
    """A file of its own with the error and the Event."""
    set_aside(tmp_path, Recorded(7, 1, Origin.INPUT, SessionStopped(reason="x")), "InvariantViolation: y")
    content = msgspec.json.decode((tmp_path / "poison-7.json").read_bytes())
    assert "InvariantViolation: y" == content["error"]
    assert 7 == content["record"][0]
