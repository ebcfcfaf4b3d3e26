"""How a program of your own talks to a livestack node: what the example scripts beside this file share.

Nothing but ZeroMQ and the messages of protos/livestack/wire/control.proto, so it reads the same in any language:
one frame with a Request from a DEALER (or REQ) socket, one frame with a Reply back.
"""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
import uuid
from pathlib import Path
from typing import Any

import zmq

from livestack.wire import control_pb2 as wire

PROTOCOL = 1
LIMIT_MS = 5_000


def arguments(what: str, *, changes: bool, reason: str | None = None) -> argparse.Namespace:
    """ENDPOINT, --keys FILE and, for what changes something, --reason TEXT; ``reason``: where nobody gives one."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("endpoint", help="ipc://DATA_DIR/run/control, or tcp://HOST:PORT with --keys")
    parser.add_argument("--keys", type=Path, help="the file that livestack keys new NAME made")
    if changes:
        parser.add_argument(
            "--reason", required=reason is None, default=reason, help="why; it is recorded with the command"
        )
    return parser.parse_args()


def connect(context: zmq.Context[Any], kind: int, endpoint: str, keys: Path | None) -> zmq.Socket[Any]:
    """A socket on ``endpoint``; with a key file over CURVE, which tcp needs."""
    socket = context.socket(kind)
    socket.linger = 0
    if keys is not None:
        pair = tomllib.loads(keys.read_text())
        socket.curve_publickey = pair["public_key"].encode()
        socket.curve_secretkey = pair["secret_key"].encode()
        socket.curve_serverkey = pair["server_key"].encode()
    socket.connect(endpoint)
    return socket


def ask(given: argparse.Namespace, **command: Any) -> wire.Reply:
    """The reply to one command. A refusal ends the program: exit code 2, 7 (not allowed) or 3 (not now, or silence)."""
    request = wire.Request(
        protocol=PROTOCOL,
        request_id=uuid.uuid4().hex,  # the same one again would get the same reply and change nothing
        issued_at_ns=time.time_ns(),  # older than 30 s is refused, except kill
        reason=getattr(given, "reason", ""),
        **command,
    )
    with zmq.Context() as context, connect(context, zmq.DEALER, given.endpoint, given.keys) as socket:
        socket.send(request.SerializeToString())
        if not socket.poll(LIMIT_MS):
            end(3, f"no answer from {given.endpoint} within {LIMIT_MS} ms; request {request.request_id}")
        reply = wire.Reply.FromString(socket.recv())
    if reply.outcome == wire.REFUSED:
        code = {wire.PERMISSION_DENIED: 7, wire.BUSY: 3}.get(reply.code, 2)
        end(code, f"refused ({wire.ErrorCode.Name(reply.code)}): {reply.message}")
    if reply.outcome != wire.DONE:
        end(3, f"{wire.Outcome.Name(reply.outcome)}: {reply.message}; request {request.request_id}")
    return reply


def end(code: int, sentence: str) -> None:
    """Say why, and stop."""
    sys.stderr.write(f"{sentence}\n")
    sys.exit(code)
