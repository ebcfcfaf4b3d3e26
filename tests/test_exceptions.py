"""The exception tree: sentences built from data, and an exit code for each kind of end."""

from __future__ import annotations

import pytest

from livestack import exceptions
from livestack.exceptions import (
    ConfigurationError,
    HeldError,
    InvariantViolation,
    JournalDamagedError,
    JournalFormatError,
    JournalOrderError,
    LivestackError,
    NodeUnreachableError,
    NotSentError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RefusedError,
    TransportError,
    UnreachableError,
    UsageError,
)


def test_one_root() -> None:
    """Everything that is raised on purpose can be caught as LivestackError."""
    kinds = [one for one in vars(exceptions).values() if isinstance(one, type)]
    assert [] == [one for one in kinds if not issubclass(one, LivestackError)]


@pytest.mark.parametrize(
    ("exit_code", "kind"),
    [
        (2, UsageError),
        (2, ConfigurationError),
        (3, UnreachableError),
        (2, RefusedError),
        (7, PermissionDeniedError),
        (3, NodeUnreachableError),
        (3, OutcomeUnknownError),
        (3, TransportError),
        (4, InvariantViolation),
        (5, HeldError),
        (5, JournalFormatError),
        (6, JournalDamagedError),
    ],
)
def test_exit_codes(exit_code: int, kind: type[LivestackError]) -> None:
    """Exit codes are those of the command line's table."""
    assert exit_code == kind.exit_code


def test_a_definite_no_is_a_transport_error() -> None:
    """Whoever handles 'unknown' also handles 'certainly not sent'."""
    assert issubclass(NotSentError, TransportError)


@pytest.mark.parametrize(
    ("sentence", "error"),
    [
        ("cannot reach ws://a: refused", UnreachableError("ws://a", "refused")),
        ("cannot reach a node at ipc://a: gone", NodeUnreachableError("ipc://a", "gone")),
        (
            "cannot reach a node at ipc://a: gone; start one",
            NodeUnreachableError("ipc://a", "gone", "start one"),
        ),
        ("refused (busy): later", RefusedError("BUSY", "later", "id")),
        (
            "refused (permission_denied): the node gives no reason",
            PermissionDeniedError("PERMISSION_DENIED", ""),
        ),
        (
            "kill was sent to a and not answered within 0.5 s: whether it was carried out is not known (request i)",
            OutcomeUnknownError("kill", "a", "i", 0.5),
        ),
        ("data directory d is not usable: held by 7", HeldError("data directory d", "held by 7")),
        ("journal append out of order: expected seq 3, got 5", JournalOrderError(3, 5)),
        ("journal segment s at seq 9 is damaged: checksum", JournalDamagedError("s", 9, "checksum")),
        ("journal segment s is damaged: page", JournalDamagedError("s", 0, "page")),
        ("f: 1 fault, nothing was started\n  a.b: wrong", ConfigurationError([("a.b", "wrong")], "f")),
        ("f: 2 faults, nothing was started\n  x\n  a: y", ConfigurationError([("", "x"), ("a", "y")], "f")),
    ],
)
def test_sentences(sentence: str, error: LivestackError) -> None:
    """Data in, sentence out."""
    assert sentence == str(error)
