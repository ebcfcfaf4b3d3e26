"""What holds a secret, and that nothing gets it out by accident."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from collections.abc import Callable

import msgspec
import pytest
import structlog

from livestack.credentials import VenueKey
from livestack.secret import Secret
from livestack.transports.base import HttpRequest
from livestack.venues.adapter import Credentials, Fetch

CANARY = "the-canary-of-this-test"
HOLDERS = [
    Secret(CANARY),
    Credentials("key", "hmac", CANARY),
    VenueKey("key", "hmac", Secret(CANARY)),
]
SIGNED = [
    Fetch(1, "GET", "/path", f"signature={CANARY}", (("X-KEY", CANARY),), "purpose"),
    HttpRequest("GET", f"https://venue/path?signature={CANARY}", (("X-KEY", CANARY),)),
]


@pytest.mark.parametrize("holder", [*HOLDERS, *SIGNED], ids=lambda one: type(one).__name__)
def test_no_text_form_shows_it(holder: object) -> None:
    """Neither by itself nor inside anything."""
    for shown in (
        repr(holder),
        str(holder),
        f"{holder}",
        f"{holder!s:>40}",
        repr([holder]),
        repr({"x": holder}),
    ):
        assert CANARY not in shown


@pytest.mark.parametrize(
    "encode",
    [
        pickle.dumps,
        copy.deepcopy,
        json.dumps,
        msgspec.to_builtins,
        msgspec.json.encode,
        msgspec.msgpack.encode,
    ],
)
@pytest.mark.parametrize("holder", HOLDERS, ids=lambda one: type(one).__name__)
def test_nothing_encodes_it(holder: object, encode: Callable[[object], object]) -> None:
    """Who tries is told, whatever the format."""
    with pytest.raises(TypeError):
        encode(holder)


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda one: type(one).__name__)
def test_a_traceback_with_locals_does_not_show_it(holder: object) -> None:
    """Neither Python's own nor structlog's, which shows the variables of every frame."""

    def fail(held: object) -> None:
        raise RuntimeError("provoked")

    try:
        fail(holder)
    except RuntimeError as error:
        told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        tracer = structlog.tracebacks.ExceptionDictTransformer(show_locals=True)
        told += repr(tracer((type(error), error, error.__traceback__)))
    assert "held" in told
    assert CANARY not in told


def test_it_can_be_had_on_purpose() -> None:
    """By whoever signs."""
    assert CANARY == Secret(CANARY).reveal()
    assert CANARY == Credentials("key", "hmac", CANARY).secret.reveal()
