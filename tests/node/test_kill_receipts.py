"""Receipts of the kill-switch as files."""

from __future__ import annotations

import json
from pathlib import Path

from livestack.node.kill_receipts import DIRECTORY_NAME, KillReceipts
from livestack.wire import control_pb2 as pb

CLOSED_NS = 1_795_276_965_696_426_749


def test_an_engagement_has_one_file_that_grows(tmp_path: Path) -> None:
    """Named by the time at which the gate was closed; what was known before is replaced."""
    receipts = KillReceipts(tmp_path)
    receipt = pb.KillReceipt(engaged=True, gate_closed_at_ns=CLOSED_NS, session="s")
    receipts.keep(receipt)
    receipt.flat = True
    receipts.keep(receipt)
    (path,) = (tmp_path / DIRECTORY_NAME).iterdir()
    assert "20261121T160245.696426749Z.json" == path.name
    content = json.loads(path.read_text())
    assert (True, "s", str(CLOSED_NS)) == (content["flat"], content["session"], content["gate_closed_at_ns"])


def test_the_next_engagement_has_the_next_file(tmp_path: Path) -> None:
    """In order of time."""
    receipts = KillReceipts(tmp_path)
    for closed_ns in (CLOSED_NS, CLOSED_NS + 1):
        receipts.keep(pb.KillReceipt(gate_closed_at_ns=closed_ns))
    assert 2 == len(list((tmp_path / DIRECTORY_NAME).iterdir()))


def test_a_disk_that_refuses_costs_the_file_alone(tmp_path: Path) -> None:
    """It is told in the log, once."""
    (tmp_path / DIRECTORY_NAME).write_text("in the way")
    receipts = KillReceipts(tmp_path)
    receipts.keep(pb.KillReceipt(gate_closed_at_ns=CLOSED_NS))
    receipts.keep(pb.KillReceipt(gate_closed_at_ns=CLOSED_NS))
    assert "in the way" == (tmp_path / DIRECTORY_NAME).read_text()
