"""The Python API of a running node: see it and steer it from another process. Any one thread at a time.

    from livestack.client import ControlClient

    with ControlClient.of_data_dir(Path("livestack-data")) as node:
        print(node.status().trading_state)
        node.trading("reducing", reason="end of day")

Messages are those of ``protos/livestack/wire/control.proto``; errors are in :mod:`livestack.exceptions`.
"""

from __future__ import annotations

from livestack.control.client import ControlClient

__all__ = ["ControlClient"]
