"""Fuzz: whatever bytes come as a request, the control surface answers them, and its desk sees only what is in order.

    python -m tests.campaigns.fuzz_requests [--inputs 1000000] [--seed 7]

Valid requests of every command, cut, spliced, with bytes changed, repeated or put in, with fields of extreme values;
and random bytes. Every input must be answered, once, with a reply that can be read; what reaches the desk must have a
request id and a command in order. A line of totals by code and a verdict at the end; exit 0 only if nothing was raised.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from typing import Any

import structlog

from livestack.control.commands import COMMANDS, Role, Sender, fault, is_request_id
from livestack.control.reception import Origin, Reception
from livestack.wire import control_pb2 as wire
from tests.campaigns.children import with_bar
from tests.control.support import SECOND_NS, FakeDesk, HandClock

INPUTS_SUITE = 10_000
FAILURES_SHOWN = 5

TEXTS = (
    "",
    "a",
    "binance_spot",
    "binance_spot:BTCUSDT",
    "ä" * 300,
    "\x00",
    "\n",
    "\u202e",
    "a" * 501,
    "a" * 70_000,
)
NUMBERS = (0, 1, 2, 127, 128, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)


class CheckedDesk(FakeDesk):
    """Holds nothing; what it is given has to be in order."""

    def serve(self, request: wire.Request, sender: Sender, answer: Any) -> None:
        row = COMMANDS[request.WhichOneof("command") or ""]
        assert is_request_id(request.request_id)
        assert sender.role >= row.role
        assert request.reason.strip() or not row.changes
        assert "" == fault(request, row)
        answer(wire.Reply(outcome=wire.DONE))

    def refused(self, request_id: str, command: str, sender: Sender, code: int) -> None:
        assert len(request_id) <= 64


def fill(message: Any, random_: random.Random) -> None:
    """Give every field some value, ordinary or extreme."""
    for field in message.DESCRIPTOR.fields:
        if field.containing_oneof is not None or random_.random() < 0.2:
            continue
        if field.message_type is not None:
            for _ in range(random_.choice((1, 1, 2, 101))):
                fill(getattr(message, field.name).add(), random_)
        elif field.cpp_type == field.CPPTYPE_STRING:
            setattr(message, field.name, random_.choice(TEXTS))
        elif field.cpp_type == field.CPPTYPE_BOOL:
            setattr(message, field.name, random_.random() < 0.5)
        else:
            most = {field.CPPTYPE_UINT64: 2**64, field.CPPTYPE_UINT32: 2**32, field.CPPTYPE_INT64: 2**63}
            limit = most.get(field.cpp_type, 2**31)
            setattr(message, field.name, random_.choice([one for one in NUMBERS if one < limit]))


def valid(random_: random.Random, now_ns: int) -> bytes:
    """A request whose form is in order; what its command says may not be."""
    request = wire.Request()
    if random_.random() < 0.3:
        fill(request, random_)
    request.protocol = 1
    request.request_id = f"r{random_.randrange(100_000)}"
    request.issued_at_ns = now_ns
    request.reason = request.reason or "fuzz"
    command = getattr(request, random_.choice(list(COMMANDS)))
    command.SetInParent()
    fill(command, random_)
    return request.SerializeToString()


def mutated(payload: bytes, random_: random.Random, now_ns: int) -> bytes:
    """One to four changes."""
    changed = bytearray(payload)
    for _ in range(random_.randrange(1, 5)):
        position = random_.randrange(len(changed) + 1)
        kind = random_.randrange(7)
        if kind == 0:
            del changed[position:]
        elif kind == 1:
            del changed[position : position + random_.randrange(1, 9)]
        elif kind == 2:
            changed[position:position] = random_.randbytes(random_.randrange(1, 9))
        elif kind == 3 and position < len(changed):
            changed[position] ^= 1 << random_.randrange(8)
        elif kind == 4 and position < len(changed):
            changed[position] = random_.choice((0, 0x7F, 0x80, 0xFF, 0x0B, 0x0C))
        elif kind == 5:
            changed += changed[position : position + random_.randrange(1, 200)]
        else:
            other = valid(random_, now_ns)
            changed[position:] = other[random_.randrange(len(other)) :]
    return bytes(changed)


def one_input(random_: random.Random, now_ns: int) -> bytes:
    kind = random_.random()
    if kind < 0.05:
        return random_.randbytes(random_.choice((0, 1, 10, 1_000, 61_000)))
    if kind < 0.35:
        return valid(random_, now_ns)
    return mutated(valid(random_, now_ns), random_, now_ns)


def run(inputs: int, seed: int, *, bar: bool = False) -> dict[str, Any]:
    """``codes``: how often each was answered. ``failures``: input -> what was wrong."""
    random_, clock, desk = random.Random(seed), HandClock(), CheckedDesk()
    reception = Reception(
        desk,
        clock,
        post=lambda call: call(),
        current=lambda sender, _: sender,
        rate=10_000,
        four_eyes=("kill.reset",),
    )
    origins = [Origin(Sender(role.name, role, "ipc"), "", bytes([role])) for role in Role]
    codes: Counter[str] = Counter()
    failures: dict[str, str] = {}
    replies: list[bytes] = []
    before = structlog.get_config()
    structlog.configure(processors=[lambda *_: ""], logger_factory=lambda *_: Nowhere())
    try:
        for number in with_bar(range(inputs), inputs, "inputs") if bar else range(inputs):
            clock.ns += SECOND_NS // 1_000
            payload = one_input(random_, clock.wall_ns())
            replies.clear()
            try:
                reception.take(payload, origins[number % len(origins)], replies.append)
                (reply,) = [wire.Reply.FromString(one) for one in replies]
                codes[wire.ErrorCode.Name(reply.code)] += 1
                wrong = "INTERNAL" if reply.code == wire.INTERNAL else ""
            except Exception as error:  # noqa: BLE001 - that is what is looked for
                wrong = f"{type(error).__name__}: {error}"
            if wrong:
                failures[payload[:200].hex()] = wrong
    finally:
        structlog.configure(**before)
    return {"codes": dict(codes), "failures": failures, "unexpected": reception.counts["unexpected"]}


class Nowhere:
    """A logger that says nothing."""

    def __getattr__(self, _name: str) -> Any:
        return lambda *_, **__: None


def passed(result: dict[str, Any]) -> bool:
    """Nothing was raised, and both errors and good requests were among it."""
    return (
        not result["failures"]
        and not result["unexpected"]
        and {"NONE", "MALFORMED"} <= result["codes"].keys()
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    began = time.monotonic()
    result = run(arguments.inputs, arguments.seed, bar=True)
    for payload, wrong in list(result["failures"].items())[:FAILURES_SHOWN]:
        print(f"{wrong}: {payload}")
    totals = ", ".join(f"{name} {count:,}" for name, count in sorted(result["codes"].items()))
    print(f"{arguments.inputs:,} inputs in {time.monotonic() - began:.0f} s, seed {arguments.seed}: {totals}")
    print("passed" if passed(result) else f"FAILED: {len(result['failures'])} inputs")
    return 0 if passed(result) else 1


if __name__ == "__main__":
    sys.exit(main())
