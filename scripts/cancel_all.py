#!/usr/bin/env python3
"""Cancels every open order: scripts/cancel_all.py ipc://livestack-data/run/control --reason TEXT [--keys FILE]."""

from __future__ import annotations

import sys

from asking import arguments, ask

from livestack.wire import control_pb2 as wire

reply = ask(arguments("Cancel every open order of a node.", changes=True), cancel_all=wire.CancelAll())
sys.stdout.write(f"seq {reply.seq}\n")
