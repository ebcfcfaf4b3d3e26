"""What a StatsD host can be like, in a process of its own: it reads, or it answers every datagram with many.

    python -m benchmarks.statsd_peer reading|flooding|elsewhere

Prints its port, and runs until it is ended. ``elsewhere`` floods a socket of its own that nobody reads: what that costs
costs every node on the machine, wherever it sends.
"""

from __future__ import annotations

import socket
import sys
import time

BURST = 200
PAUSE_S = 0.02
"""Ten thousand datagrams a second: far more than a node sends, and less than would only measure the kernel."""


def main() -> None:
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.bind(("127.0.0.1", 0))
    print(peer.getsockname()[1], flush=True)
    sender: tuple[str, int] | None = None
    if sys.argv[1] == "elsewhere":
        unread = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        unread.bind(("127.0.0.1", 0))
        sender = unread.getsockname()
    due_s = 0.0
    while True:
        peer.settimeout(None if sender is None else max(due_s - time.monotonic(), 1e-6))
        try:
            _, told = peer.recvfrom(65_535)
        except (TimeoutError, ConnectionError):
            pass
        else:
            sender = told if sys.argv[1] == "flooding" else None
        if sender is not None and time.monotonic() >= due_s:  # at its own pace, however much it is sent
            due_s = time.monotonic() + PAUSE_S
            flood(peer, sender)


def flood(peer: socket.socket, sender: tuple[str, int]) -> None:
    for _ in range(BURST):
        try:
            peer.sendto(b"flood" * 200, sender)
        except OSError:
            time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
