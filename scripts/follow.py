#!/usr/bin/env python3
"""Prints a node's Events as they happen: scripts/follow.py ipc://livestack-data/run/publish [--keys FILE].

One line each: position, time in ns, type, fields as JSON. A gap in the positions is what this program was too slow for.
"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress

import zmq
from asking import arguments, connect

from livestack.wire import control_pb2 as wire

signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as in: follow.py ... | head
given = arguments("Follow the Events of a node, until Ctrl-C.", changes=False)
with zmq.Context() as context, connect(context, zmq.SUB, given.endpoint, given.keys) as socket:
    socket.subscribe(b"event")
    with suppress(KeyboardInterrupt):
        while True:
            _topic, payload = socket.recv_multipart()
            heard = wire.Publication.FromString(payload)
            sys.stdout.write(f"{heard.seq} {heard.ts_ns} {heard.event.type} {heard.event.json}\n")
            sys.stdout.flush()
