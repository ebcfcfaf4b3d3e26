#!/usr/bin/env python3
"""Engages the kill-switch: scripts/kill.py ipc://livestack-data/run/kill [--reason TEXT] [--keys FILE].

The answer means that the gate is closed: no new order leaves the node any more.
"""

from __future__ import annotations

import sys

from asking import arguments, ask

from livestack.wire import control_pb2 as wire

given = arguments("Engage the kill-switch of a node.", changes=True, reason="no reason given")
given.reason = " ".join(given.reason.split())[:500] or "no reason given"  # no reason is a reason not to kill
reply = ask(given, kill=wire.Kill())
sys.stdout.write(str(reply.killed))
