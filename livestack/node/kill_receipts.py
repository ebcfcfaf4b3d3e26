"""Receipts of the kill-switch as files: one for each engagement, for whoever has to show that nothing was left.

They lie in ``kill-receipts`` of the data directory, named by the time at which the gate was closed, and are written
again whenever the proof has come further. A disk that refuses costs the file and nothing else. Control actor's thread.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import structlog
from google.protobuf.json_format import MessageToJson

from livestack.wire import control_pb2 as pb

DIRECTORY_NAME = "kill-receipts"


class KillReceipts:
    """Those of one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._directory = data_dir / DIRECTORY_NAME
        self._refused = False

    def keep(self, receipt: pb.KillReceipt) -> None:
        """Write it in the place of what was known of the same engagement before."""
        path = self._directory / f"{_stamp(receipt.gate_closed_at_ns)}.json"
        draft = path.with_suffix(".draft")
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            draft.write_text(
                MessageToJson(receipt, preserving_proto_field_name=True) + "\n", encoding="utf-8"
            )
            draft.replace(path)
        except OSError as error:
            if not self._refused:
                structlog.get_logger("kill_switch").error("receipt_not_kept", cause=str(error))
            self._refused = True
        else:
            self._refused = False


def _stamp(wall_ns: int) -> str:
    """``20261121T164812.123456789Z``: sorts by time."""
    seconds, fraction = divmod(wall_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dT%H%M%S}.{fraction:09d}Z"
