#!/usr/bin/env python3
"""Prints the status of a node: scripts/status.py ipc://livestack-data/run/control [--keys FILE]."""

from __future__ import annotations

import sys

from asking import arguments, ask

from livestack.wire import control_pb2 as wire

reply = ask(arguments("The status of a node.", changes=False), status=wire.GetStatus())
sys.stdout.write(str(reply.status))
